"""Which tests were done on a person, and what of the genome they looked at: genomic-study and its analyses."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from fhir_bridge.adapters.genomics.query import (
    Interval,
    around,
    build_of,
    codes_of,
    merged,
    overlapping,
    read_bed,
    uncovered,
)

__all__ = ["Analysis", "Coverage", "Kind", "Study", "read_studies", "studied"]

GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"
Coverage = Literal["yes", "partly", "no", "unknown"]
Kind = Literal["small", "structural", "repeats"]
"""Of variants: an analysis that looks for small ones says nothing of copy numbers."""
_KINDS: dict[str, Kind] = {
    "SO:0001483": "small",  # SNV
    "SO:0002007": "small",  # MNV
    "SO:1000032": "small",  # delins
    "SO:0001537": "structural",  # structural_variant
    "SO:0001019": "structural",  # copy_number_variation
    "SO:0002096": "repeats",  # short_tandem_repeat_variation
}
"""By change type of an analysis; deletions and insertions are of any length."""
_NAMES: tuple[Kind, ...] = ("small", "structural", "repeats")
_CLASSES = {"LA6683-2": "germline", "LA6684-0": "somatic"}
_BUILDS = {"LA14029-5": "GRCh37", "LA26806-2": "GRCh38"}


@dataclass(frozen=True, slots=True)
class Analysis:
    """What one analysis looked at.

    Attributes:
        build: name of the genome build; build_concept: as it is stated.
        bounds: regions on sequences that were studied; None where they are not stated as regions. called: those that
            were called, by kind of variant; None of the kinds of which that is not stated.
        uncalled: those that could not be called; None where that is not stated.
        specimen: id of the Specimen.
        changes: the types of change that it looked for, as stated; kinds: the kinds that these are.
        source_class: `germline` or `somatic`; None where that is not said.
    """

    build: str | None
    build_concept: dict[str, Any] | None
    bounds: tuple[Interval, ...] | None
    uncalled: tuple[Interval, ...] | None
    specimen: str | None
    changes: tuple[dict[str, Any], ...] = ()
    called: Mapping[Kind | None, tuple[Interval, ...]] = field(default_factory=dict)
    kinds: frozenset[Kind] = frozenset()
    source_class: str | None = None

    @property
    def studied(self) -> tuple[Interval, ...] | None:
        """The regions studied, else those called, for whichever kind; None where neither is stated."""
        if self.bounds is not None or not self.called:
            return self.bounds
        return tuple(merged([region for regions in self.called.values() for region in regions]))

    def called_for(self, kind: Kind) -> tuple[Interval, ...] | None:
        """The regions that were called for a kind; None where that is not stated."""
        return self.called.get(kind, self.called.get(None))


@dataclass(frozen=True, slots=True)
class Study:
    """A test: a genomic-study, its identifiers, day and analyses.

    `unsaid`: of some analyses it is not said whether they are among what was asked for.
    """

    id: str
    identifiers: tuple[str, ...]
    date: str | None
    analyses: tuple[Analysis, ...] = field(default=())
    unsaid: bool = False

    def is_one_of(self, tests: Iterable[str]) -> bool:
        """Whether one of these identifiers is its."""
        return not {self.id, *self.identifiers}.isdisjoint(tests)


def _extensions(resource: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    for extension in resource.get("extension") or ():
        if isinstance(extension, dict) and extension.get("url") in (name, GUIDE + name):
            yield extension


def _id(reference: Any, resource_type: str) -> str | None:
    text = reference.get("reference") if isinstance(reference, dict) else None
    parts = str(text).partition("/_history/")[0].split("/")
    return parts[-1] if text and len(parts) > 1 and parts[-2] == resource_type else None


def identifiers_of(resource: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of a resource's identifiers."""
    return tuple(
        item["value"]
        for item in resource.get("identifier") or ()
        if isinstance(item, dict) and isinstance(item.get("value"), str)
    )


def _date(resource: Mapping[str, Any]) -> str | None:
    period = resource.get("performedPeriod")
    value = resource.get("performedDateTime") or (period.get("start") if isinstance(period, dict) else None)
    return value if isinstance(value, str) else None


def _regions(
    files: Iterable[str | None],
    documents: Mapping[str, Mapping[str, Any]],
    build: str | None,
    name: str | None = None,
) -> tuple[Interval, ...] | None:
    """The regions of BED files that are attached to documents; None where there is none that can be read."""
    results: list[Interval] = []
    known = 0
    for identity in files:
        for content in (documents.get(identity or "") or {}).get("content") or ():
            data = (content.get("attachment") or {}).get("data") if isinstance(content, dict) else None
            if isinstance(data, str) and build is not None:
                try:
                    results += _read_regions(data, build, name)
                except (binascii.Error, ValueError):
                    continue
                known += 1
    if known < 2:
        return tuple(results) if known else None
    return tuple(merged(results))


@lru_cache(maxsize=8)
def _read_regions(data: str, build: str, name: str | None) -> tuple[Interval, ...]:
    """The regions of an attached BED file, or those with a name, in order; that of an exome takes a while."""
    return tuple(read_bed(base64.b64decode(data), build, name))


def _called(
    files: Sequence[str | None], documents: Mapping[str, Mapping[str, Any]], build: str | None
) -> dict[Kind | None, tuple[Interval, ...]]:
    """The regions called, by the kinds that their names are; None of those without such a name."""
    regions = _regions(files, documents, build)
    if regions is None:
        return {}
    by_kind: dict[Kind | None, tuple[Interval, ...]] = {}
    for kind in _NAMES:
        if of_kind := _regions(files, documents, build, kind):
            by_kind[kind] = of_kind
    return by_kind or {None: regions}


def _analysis(resource: Mapping[str, Any], documents: Mapping[str, Mapping[str, Any]]) -> Analysis:
    concept = next(
        (
            item.get("valueCodeableConcept")
            for item in _extensions(resource, "genomic-study-analysis-genome-build")
        ),
        None,
    )
    build = next(
        (
            _BUILDS.get(code.strip()) or (text if text in _BUILDS.values() else None)
            for _, code, text in codes_of(concept)
        ),
        None,
    )
    parts: dict[str, list[str | None]] = {"studied": [], "called": [], "uncalled": []}
    for regions in _extensions(resource, "genomic-study-analysis-regions"):
        for name, identities in parts.items():
            identities += [
                _id(item.get("valueReference"), "DocumentReference") for item in _extensions(regions, name)
            ]
    specimen = next(
        (
            _id(item.get("valueReference"), "Specimen")
            for item in _extensions(resource, "genomic-study-analysis-specimen")
        ),
        None,
    )
    changes = tuple(
        item["valueCodeableConcept"]
        for item in _extensions(resource, "genomic-study-analysis-change-type")
        if isinstance(item.get("valueCodeableConcept"), dict)
    )
    stated = next(
        (
            _CLASSES[code]
            for item in _extensions(resource, "genomic-study-analysis-genomic-source-class")
            for _, code, _ in codes_of(item.get("valueCodeableConcept"))
            if code in _CLASSES
        ),
        None,
    )
    return Analysis(
        build,
        concept if isinstance(concept, dict) else None,
        _regions(parts["studied"], documents, build),
        _regions(parts["uncalled"], documents, build),
        specimen,
        changes,
        _called(parts["called"], documents, build),
        frozenset(_KINDS[code] for each in changes for _, code, _ in codes_of(each) if code in _KINDS),
        stated,
    )


def read_studies(
    procedures: Sequence[Mapping[str, Any]], documents: Sequence[Mapping[str, Any]]
) -> list[Study]:
    """The tests that Procedures state, with their analyses; the regions are in documents."""
    by_id = {procedure["id"]: procedure for procedure in procedures}
    files = {document["id"]: document for document in documents}
    results = []
    for procedure in procedures:
        profiles = (procedure.get("meta") or {}).get("profile") or ()
        listed = [
            _id(item.get("valueReference"), "Procedure")
            for item in _extensions(procedure, "genomic-study-analysis-ext")
        ]
        if not listed and f"{GUIDE}genomic-study" not in profiles:
            continue
        analyses = [by_id[identity] for identity in listed if identity in by_id]
        results.append(
            Study(
                procedure["id"],
                identifiers_of(procedure),
                _date(procedure),
                tuple(_analysis(each, files) for each in analyses),
            )
        )
    return results


def studied(intervals: Sequence[Interval], studies: Iterable[Study], kind: Kind) -> Coverage:
    """Whether any test looked at a place, given in each build, for a kind of variant; `unknown` where tests do not say
    where they looked, or what for."""
    best: Coverage = "no"
    silent = True
    unsaid = False
    for study in studies:
        unsaid = unsaid or study.unsaid
        for analysis in study.analyses or (None,):
            silent = False
            coverage = _covered(intervals, analysis, kind)
            if coverage == "yes":
                return "yes"
            unsaid = unsaid or coverage == "unknown"
            best = "partly" if coverage == "partly" else best
    return "unknown" if silent or unsaid else best


def _covered(intervals: Sequence[Interval], analysis: Analysis | None, kind: Kind) -> Coverage:
    if analysis is None:
        return "unknown"
    if analysis.kinds and kind not in analysis.kinds:
        return "no"
    coverage = _covered_of_kind(intervals, analysis, kind)
    return coverage if analysis.kinds or coverage == "no" else "unknown"


def _covered_of_kind(intervals: Sequence[Interval], analysis: Analysis, kind: Kind) -> Coverage:
    wanted = next((each for each in intervals if build_of(each.accession)[0] in (analysis.build, None)), None)
    if wanted is None:
        return "unknown"
    if wanted.start == wanted.end:
        wanted = Interval(wanted.accession, max(0, wanted.start - 1), wanted.end + 1)
    unclear = overlapping(around(analysis.uncalled or (), wanted), [wanted])
    if unclear and not list(uncovered(wanted, unclear)):
        return "no"
    called = analysis.called_for(kind)
    stated = [regions for regions in (analysis.bounds, called) if regions is not None]
    if not stated:
        return "unknown"
    seen = [wanted]
    for regions in stated:
        seen = overlapping(around(regions, wanted), seen)
    if not seen:
        return "no"
    gaps = list(uncovered(wanted, seen))
    return "partly" if gaps or unclear else "yes"
