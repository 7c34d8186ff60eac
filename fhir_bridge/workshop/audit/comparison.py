"""Whether a FHIR leaf has the value of a source leaf, whatever form either is written in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf, Pool
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf
from fhir_bridge.workshop.audit.moments import moment
from fhir_bridge.workshop.audit.translations import translations
from fhir_bridge.workshop.normal_forms import digits, folded, number, plain, words

__all__ = ["contains", "exact"]

_WORDY: Final = frozenset(
    (Role.TEXT, Role.DISPLAY, Role.NAME, Role.ADDRESS, Role.AUTHORITY, Role.ID, Role.PHONE)
)
_MANY: Final = 2000
_NAMED: Final = 4
"""How long an identifier is that the id of a resource names among other words: `pat-771234`."""
_CLOCK: Final = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d))?(?:\.\d+)?(?:[+-]\d{4})?\Z")


def exact(leaf: SourceLeaf, pool: Pool) -> list[FhirLeaf]:
    """The leaves of a pool that have the value itself, or contain it as words, or state it by a known translation."""
    results: dict[int, FhirLeaf] = {}
    for match in _candidates(leaf, pool):
        results.setdefault(id(match), match)
    return list(results.values())


def _candidates(leaf: SourceLeaf, pool: Pool) -> Iterator[FhirLeaf]:
    value, role = leaf.value, leaf.role
    for form in leaf.forms:
        yield from pool.find("t:" + folded(form))
        if (amount := number(form)) is not None:
            yield from pool.find(f"n:{amount.normalize():f}")
        yield from (match for match in _rarest(form, pool) if contains(match.text, form))
    if role is Role.TIME:
        yield from _times(value, pool)
        return
    yield from pool.find("t:" + folded(value))
    amount = number(value)
    if role is Role.NUMBER and amount is not None:
        yield from pool.find(f"n:{amount.normalize():f}")
        return
    squeezed = plain(value)
    if len(squeezed) >= 2 and role is not Role.CODE:
        spelt = role is not Role.ID  # an identifier is the same to the character, or is named by a URI
        yield from (match for match in pool.find("a:" + squeezed) if spelt or ":" in match.text)
    if role is Role.PHONE:
        yield from _phones(value, pool)
    noted = role is Role.NUMBER and leaf.field.startswith("OBX-5")  # `about 140` where a number should be
    if (role in _WORDY or noted) and words(value):
        for match in _rarest(value, pool):
            named = role is not Role.ID or (match.element in ("reference", "id") and len(value) >= _NAMED)
            if contains(match.text, value) if named else is_apart(match.text, value):
                yield match
    if role in (Role.CODE, Role.STATUS, Role.YES_NO, Role.SYSTEM):
        for target in translations(leaf):
            yield from pool.find("t:" + folded(target))


def _times(value: str, pool: Pool) -> Iterator[FhirLeaf]:
    stated = moment(value)
    if stated is None:
        yield from pool.find("t:" + folded(value))
        clock = _CLOCK.match(value)
        if clock:
            for second in (clock[3],) if clock[3] else ("00", None):
                yield from pool.find("t:" + ":".join(part for part in (clock[1], clock[2], second) if part))
        return
    instant = stated.instant
    if instant is not None and stated.has_time:
        yield from pool.find(f"i:{instant:%Y%m%d%H%M}")
    yield from pool.find("d:" + "".join(f"{part:02}" for part in stated.parts[:3]))
    yield from pool.find("t:" + folded(value))  # kept as it is written


def _phones(value: str, pool: Pool) -> Iterator[FhirLeaf]:
    telephone = digits(value)
    if len(telephone) >= 3:
        yield from pool.find("p:" + telephone)


def _rarest(value: str, pool: Pool) -> Iterable[FhirLeaf]:
    """The leaves that have the value's rarest word."""
    seen = [pool.find("w:" + word) for word in set(words(value)) if len(word) > 1]
    best = min(seen, key=len, default=[])
    return best if len(best) <= _MANY else ()


def is_apart(text: str, value: str) -> bool:
    """Whether an identifier is in a text by itself, not as a part of another one."""
    return re.search(rf"(?<![\w./-]){re.escape(folded(value))}(?![\w./-])", folded(text)) is not None


def contains(text: str, value: str) -> bool:
    """Whether the words of a value follow one another in a text."""
    inner, outer = words(value), words(text)
    if not inner or len(inner) > len(outer):
        return False
    first = inner[0]
    return any(
        word == first and outer[place : place + len(inner)] == inner for place, word in enumerate(outer)
    )
