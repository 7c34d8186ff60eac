"""What an Observation of Genomics Reporting says of a variant, whatever program wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from fhir_bridge.adapters.genomics.assembly import BUILDS, chromosome
from fhir_bridge.adapters.genomics.query.changes import (
    Bases,
    Change,
    Placed,
    QueryError,
    Sequences,
    placed,
    read_variant,
)
from fhir_bridge.adapters.genomics.query.intervals import Interval, build_of

__all__ = ["ObservedVariant", "codes_of", "components", "read_observation"]

SPDI_SYSTEM = "https://api.ncbi.nlm.nih.gov/variation/v0/"
ABSENT = "LA9634-2"
_FROM_ZERO, _BETWEEN = "LA30101-2", "LA30100-4"
_BASES = frozenset("ACGTN")
_CLASSES = {"LA6683-2": "germline", "LA6684-0": "somatic"}


_MATE = re.compile(r"[\[\]]([^\s<>\[\]]+):([0-9]{1,10})[\[\]]")
_CHR2 = re.compile(r" CHR2=(\S+) END=([0-9]{1,10})(?!\d)")
_NAMES = frozenset(("81252-9", "81290-9", "48004-6"))
_SPANS = frozenset(("81254-5", "81302-2", "81301-4"))
_READ = _NAMES | _SPANS | {"48013-7", "92822-6", "48002-0", "69547-8", "69551-0", "48018-6", "82155-3"}
"""Components that say what is read."""


@dataclass
class ObservedVariant:
    """A variant that an Observation states. It is not changed; thousands of them are made for an answer.

    Attributes:
        interval: the bases that it changes; None where it does not say them exactly.
        inner, outer: what a structural variant surely changes, and what it changes at most.
        bases: those before and after, where both are stated and the first are those of the interval.
        names: its SPDI and HGVS, as written.
        structural: whether it is more than a replacement of stated bases.
        source_class: `germline` or `somatic`; None where that is not said.
        genes: codes and symbols of genes.
        endless: it says where it begins at the earliest, and not where it ends.
        mate: of a breakend, or a variant that ends on another chromosome, what it is joined to.
        present: false where the Observation says that it is absent, not called, or indeterminate.
    """

    interval: Interval | None
    inner: Interval | None
    outer: Interval | None
    bases: tuple[str, str] | None
    names: frozenset[str]
    structural: bool
    source_class: str | None
    genes: frozenset[str]
    present: bool
    accession: str | None = None
    endless: bool = False
    mate: Interval | None = None
    _extent: Placed | Literal[False] | None = False

    @cached_property
    def change(self) -> Change | None:
        """The bases before and after, where both are stated."""
        if self.bases is None or self.interval is None:
            return None
        return Change.of(self.interval.accession, self.interval.start, *self.bases)

    def extent(self, sequences: Sequences | None) -> Placed | None:
        """What it changes at all places where it can be written, on its own sequence; at most, where it is not exact.

        Of a variant whose bases are stated it is not the bases of REF, some of which only say where it is. It is worked
        out once, with the reference sequences of the first question.
        """
        if self._extent is False:
            self._extent = self._placed(sequences)
        return self._extent

    def _placed(self, sequences: Sequences | None) -> Placed | None:
        if (
            self.bases is not None
            and self.interval is not None
            and len(self.bases[0]) == len(self.bases[1]) == 1
        ):
            start = self.interval.start  # most are of this kind
            return Placed(start, start, 1, *self.bases, None, settled=True)
        change = self.change
        if change is not None and change.deleted and change.inserted:
            start = change.start
            return Placed(start, start, change.length, change.deleted, change.inserted, None, settled=True)
        stated = (
            [] if self.structural else [each for each in self.spellings if each.accession == self.accession]
        )
        if stated:
            bases = Bases(stated[0].accession, sequences, stated)
            every = [placed(each, bases) for each in stated]
            longest = max(every, key=lambda each: each.length)
            return longest._replace(
                first=min(each.first for each in every),
                last=max(each.last + each.length for each in every) - longest.length,
            )
        widest = self.outer or self.interval or self.inner
        if widest is None:
            return None
        length = widest.end - widest.start
        return Placed(widest.start, widest.start, length, None, None, None, settled=True)

    @cached_property
    def spellings(self) -> tuple[Change, ...]:
        """What is changed into what, in all ways that the variant states it: `change`, and its names as far as they
        can be read."""
        stated = () if self.change is None else (self.change,)
        return (*stated, *_read(self.names))


def _read(names: Iterable[str]) -> list[Change]:
    changes = []
    for name in sorted(names):
        with suppress(QueryError):
            changes.append(read_variant(name))
    return changes


def components(resource: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The components of an Observation with the code of each of their codings."""
    for component in resource.get("component") or ():
        if isinstance(component, dict):
            for coding in (component.get("code") or {}).get("coding") or ():
                if isinstance(coding, dict) and isinstance(coding.get("code"), str):
                    yield coding["code"], component


def codes_of(concept: Any) -> Iterator[tuple[str, str, str]]:
    """System, code and display of each coding of a CodeableConcept, and its text as a display."""
    if not isinstance(concept, dict):
        return
    for coding in concept.get("coding") or ():
        if isinstance(coding, dict):
            values = (coding.get("system"), coding.get("code"), coding.get("display"))
            yield tuple(value if isinstance(value, str) else "" for value in values)  # type: ignore[misc]
    if isinstance(concept.get("text"), str):
        yield "", "", concept["text"]


def _add_names(names: set[str], concept: Any) -> None:
    """Add codes, displays and text of a CodeableConcept."""
    if isinstance(concept, dict):
        for coding in concept.get("coding") or ():
            if isinstance(coding, dict):
                names.update(
                    part
                    for part in (coding.get("code"), coding.get("display"))
                    if part and isinstance(part, str)
                )
        if (text := concept.get("text")) and isinstance(text, str):
            names.add(text)


def _integer(value: Any) -> int | None:
    number = value.get("value") if isinstance(value, dict) else None
    try:
        return int(number) if number is not None else None
    except (TypeError, ValueError):
        return None


def _interval(
    accession: str | None, component: Mapping[str, Any], counting: str, *, bases: int = 1
) -> Interval | None:
    """A range of positions, by how they are counted; the last one is left out where it is one base (or `bases`)."""
    ends = component.get("valueRange")
    if accession is None or not isinstance(ends, dict):
        return None
    low, high = _integer(ends.get("low")), _integer(ends.get("high"))
    if low is None:
        return None
    if counting == _BETWEEN:
        return Interval(accession, low, low + bases if high is None else max(low, high))
    start = low if counting == _FROM_ZERO else low - 1
    return Interval(accession, start, start + bases if high is None else max(start, start + high - low + 1))


def read_observation(resource: Mapping[str, Any]) -> ObservedVariant:
    """What a variant Observation says; what it does not say, or says in a way that is not understood, is None."""
    accession = counting = source_class = reference = alternate = None
    names: set[str] = set()
    genes: set[str] = set()
    spans: dict[str, Mapping[str, Any]] = {}
    copies = False
    for code, component in components(resource):
        if code not in _READ:  # of the most common ones nothing is read
            continue
        value = component.get("valueCodeableConcept")
        if code in _NAMES:
            _add_names(names, value)
        elif code == "48013-7":
            accession = next((known or text for _, known, text in codes_of(value)), None)
        elif code == "92822-6":
            counting = next((known for _, known, _ in codes_of(value)), None)
        elif code == "48002-0":
            source_class = next(
                (_CLASSES[known] for _, known, _ in codes_of(value) if known in _CLASSES), None
            )
        elif code in ("69547-8", "69551-0"):
            text = component.get("valueString")
            if isinstance(text, str):
                reference, alternate = (text, alternate) if code == "69547-8" else (reference, text)
        elif code in _SPANS:
            spans[code] = component
        elif code == "48018-6":
            _add_names(genes, value)
        elif code == "82155-3":
            copies = True
    if accession is None:  # names say it as well
        accession = next((name.partition(":")[0] for name in sorted(names) if name.startswith("NC_")), None)
    literal = reference is not None and alternate is not None and _BASES.issuperset(reference + alternate)
    bases = len(reference) if literal and reference else 1
    counted = counting or ""
    exact = _interval(accession, spans["81254-5"], counted, bases=bases) if "81254-5" in spans else None
    inner, outer = (
        _interval(accession, spans[code], counted) if code in spans else None
        for code in ("81302-2", "81301-4")
    )
    stated = None
    if literal and exact is not None and exact.end - exact.start == bases:
        stated = reference or "", alternate or ""
    # Names cost more to read than all the rest; of most variants nobody asks.
    spellings = _read(names) if stated is None else []
    if spellings and exact is None:
        exact = spellings[0].interval
    structural = not literal and not spellings and (copies or exact is not None or bool(inner or outer))
    absent = {code for _, code, _ in codes_of(resource.get("valueCodeableConcept"))}
    return ObservedVariant(
        exact,
        inner,
        outer,
        stated,
        frozenset(names),
        structural,
        source_class,
        frozenset(genes),
        not absent or "LA9633-4" in absent,
        accession,
        outer is not None and "high" not in (spans["81301-4"].get("valueRange") or {}),
        None if literal or alternate is None else _mate(resource, alternate, accession or ""),
    )


def _mate(resource: Mapping[str, Any], alternate: str, accession: str) -> Interval | None:
    """Where a breakend's ALT names its mate, or else the caller's own words do (CHR2 and END), in the same build."""
    match = _MATE.search(alternate)
    if match is None and alternate[:1] == "<":
        texts = (note.get("text") for note in resource.get("note") or () if isinstance(note, dict))
        matches = (_CHR2.search(text) for text in texts if isinstance(text, str))
        match = next(filter(None, matches), None)
    build, _ = build_of(accession)
    name = None if match is None else chromosome(match[1])
    if match is None or build is None or name is None:
        return None
    position = int(match[2])
    return Interval(BUILDS[build].accessions[name], position - 1, position) if position else None
