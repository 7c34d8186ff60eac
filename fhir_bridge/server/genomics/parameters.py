"""The parameters of genomics operations: lists that repeat or are divided by commas, and what limits the results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fhir_bridge.server.rest.call import Call, check_format_value
from fhir_bridge.server.rest.call_operations import Pairs
from fhir_bridge.server.rest.refusal import Refusal, refuse

__all__ = ["COMMON", "Limits", "Wanted", "listed", "token_matches"]

COMMON = ("subject", "testIdentifiers", "testDateRange", "specimenIdentifiers", "genomicSourceClass")
MOST = 200
"""Items of a list."""
_ID = re.compile(r"(?:Patient/)?([A-Za-z0-9\-.]{1,64})")
_BOUND = re.compile(
    r"(eq|ge|gt|le|lt|sa|eb)?(\d{4}(?:-\d\d(?:-\d\d)?)?)"
    r"(?:(?<=-\d\d-\d\d)T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:Z|[-+ ]\d\d:\d\d)?)?"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Which results count: of these tests, specimens, days and class; empty ones limit nothing.

    Attributes:
        dates: comparison and date as written, of which all must hold.
    """

    tests: frozenset[str] = frozenset()
    specimens: frozenset[str] = frozenset()
    dates: tuple[tuple[str, str], ...] = ()
    source_class: str | None = None

    def __bool__(self) -> bool:
        """Whether they limit anything."""
        return bool(self.tests or self.specimens or self.dates or self.source_class)

    def on(self, day: str | None) -> bool:
        """Whether a date is within what was asked for, as far as it is known; one that is missing is not."""
        if not self.dates:
            return True
        return day is not None and all(_holds(word, bound, day) for word, bound in self.dates)


def _holds(word: str, bound: str, day: str) -> bool:
    length = min(len(bound), len(day[:10]))
    left, right = day[:length], bound[:length]
    match word:
        case "ge":
            return left >= right
        case "gt" | "sa":
            return left > right
        case "le":
            return left <= right
        case "lt" | "eb":
            return left < right
    return left == right


class Wanted:
    """The parameters of a call, by name.

    Raises:
        Refusal: 400: one that the operation does not take, or a wrong value.
    """

    def __init__(
        self,
        call: Call,
        parameters: Pairs,
        body: Mapping[str, Any] | None,
        lists: Sequence[str],
        flags: Sequence[str],
    ) -> None:
        taken = {*COMMON, *lists, *flags, "_format", "_pretty"}
        self._values: dict[str, list[str]] = {}
        for name, value in parameters:
            if name not in taken:
                raise refuse(400, "FB-REST-008", f"this operation takes no parameter {name[:40]}")
            if name == "_format":
                check_format_value(value)
            self._values.setdefault(name, []).append(value)
        self.subject = self._subject(call)
        self.flags = frozenset(name for name in flags if self._flag(name))
        self.limits = Limits(
            frozenset(self.items("testIdentifiers")),
            frozenset(self.items("specimenIdentifiers")),
            (*self._bounds(), *_period(body)),
            self._source_class(),
        )

    def items(self, name: str, *, needed: bool = False) -> list[str]:
        """The items of a list, each once.

        Raises:
            Refusal: 400: none where one is needed, or too many.
        """
        parts = [part.strip() for value in self._values.get(name, []) for part in value.split(",")]
        results = list(dict.fromkeys(filter(None, parts)))
        if needed and not results:
            raise refuse(400, "FB-REST-008", f"the parameter {name} is needed")
        if len(results) > MOST:
            raise refuse(400, "FB-REST-008", f"{name} has more than {MOST} items")
        return results

    def _subject(self, call: Call) -> str:
        stated = self._values.get("subject", [])
        if call.type == "Patient" and call.id:
            stated = [*stated, call.id]
        ids = {match[1] if (match := _ID.fullmatch(value)) else "" for value in stated}
        if len(ids) != 1 or "" in ids:
            raise refuse(400, "FB-REST-008", "the parameter subject is needed once: the id of a Patient")
        return ids.pop()

    def _flag(self, name: str) -> bool:
        values = self._values.get(name, ["false"])
        if len(values) != 1 or values[0] not in ("true", "false"):
            raise refuse(400, "FB-REST-008", f"{name} is true or false")
        return values[0] == "true"

    def _bounds(self) -> Iterable[tuple[str, str]]:
        for value in self.items("testDateRange"):
            match = _BOUND.fullmatch(value)
            if match is None or not _is_day(match[2]):
                raise refuse(400, "FB-REST-008", "testDateRange has dates, as ge2010-01-01")
            yield match[1] or "eq", match[2]

    def _source_class(self) -> str | None:
        values = self.items("genomicSourceClass")
        if not values:
            return None
        if len(values) > 1 or values[0].lower() not in ("germline", "somatic"):
            raise refuse(400, "FB-REST-008", "genomicSourceClass is germline or somatic")
        return values[0].lower()


def _period(body: Mapping[str, Any] | None) -> Iterable[tuple[str, str]]:
    """The Period of a Parameters resource, as the definition has it."""
    entries = body.get("parameter") if body is not None else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("name") == "testDateRange":
            period = entry.get("valuePeriod")
            if "valuePeriod" not in entry:
                continue  # text, which is read with the others
            for name, word in (("start", "ge"), ("end", "le")):
                bound = period.get(name) if isinstance(period, dict) else ""
                if bound is None:
                    continue
                match = _BOUND.fullmatch(bound) if isinstance(bound, str) else None
                if match is None or match[1] or not _is_day(match[2]):
                    raise refuse(400, "FB-REST-008", "testDateRange is a Period of dates")
                yield word, match[2]


def _is_day(text: str) -> bool:
    """Whether a date, month or year is one of the calendar."""
    try:
        date.fromisoformat(text + "-01-01"[len(text) - 4 :])
    except ValueError:
        return False
    return True


def _system(text: str) -> str:
    """A system without what its spellings differ by."""
    return re.sub(r"^https?://(?:www\.)?", "", text.strip()).rstrip("/").lower()


def token_matches(wanted: str, system: str, code: str, display: str = "") -> bool:
    """Whether a coding is the one of `system|code`, of `code`, or has that name."""
    stated, bar, token = wanted.rpartition("|")
    if bar and stated and _system(stated) != _system(system):
        return False
    return token == code or (not stated and bool(display) and token.lower() == display.lower())


def listed(wanted: str) -> str:
    """An item without its system, as answers repeat it."""
    return wanted.rpartition("|")[2]


def read_all(read: Any, items: Iterable[str]) -> list[Any]:
    """Each item as it is read.

    Raises:
        Refusal: 400: one can't be read.
    """
    from fhir_bridge.adapters.genomics.query import QueryError

    results, issues = [], []
    for item in items:
        try:
            results.append(read(item))
        except QueryError as error:
            issues.append(str(error))
    if issues:
        raise _refusal(issues)
    return results


def _refusal(messages: Sequence[str]) -> Refusal:
    from fhir_bridge.fhir.issues import Issue

    return Refusal(400, [Issue("error", "FB-REST-008", message) for message in messages])
