"""Regions of the genome that a page draws: a gene, the variants in it, and what of it was called or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.adapters.genomics.query import Interval, build_of, merged, overlapping, read_observation
from fhir_bridge.server.genomics.studies import Study, read_studies
from fhir_bridge.server.pages.variants import Variant

__all__ = ["MOST", "Mark", "Region", "regions_of"]

MOST: Final = 8
"""Regions that a page draws; the variants of the others are in its tables."""
_MARGIN: Final = 0.08
_LEAST: Final = 200
"""Bases that are drawn before and after the variants, at least."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A variant in a region: its first and last base (from 1), and how grave it is (`Variant.rank`)."""

    id: str
    first: int
    last: int
    rank: int
    words: str


@dataclass(frozen=True, slots=True)
class Region:
    """A gene's variants of one sequence, and what is drawn around them.

    Attributes:
        first, last: bases that are drawn (from 1).
        called, uncalled: parts of them (from 0, end excluded) that BED files of the tests state; None where none does.
        more: variants of the gene on this page without an exact position.
    """

    gene: str
    build: str
    chromosome: str
    first: int
    last: int
    marks: tuple[Mark, ...]
    called: tuple[Interval, ...] | None
    uncalled: tuple[Interval, ...] | None
    more: int = 0


def regions_of(resources: Sequence[dict[str, Any]], variants: Sequence[Variant]) -> tuple[list[Region], int]:
    """A region for each gene with a reportable variant, in their order, and how many more there are than are drawn."""
    wanted = list(dict.fromkeys(variant.gene for variant in variants if variant.reportable and variant.gene))
    if not wanted:
        return [], 0
    places = _places(resources)
    studies = read_studies(
        [resource for resource in resources if resource["resourceType"] == "Procedure"],
        [resource for resource in resources if resource["resourceType"] == "DocumentReference"],
    )
    results: list[Region] = []
    for gene in wanted:
        of_gene = [variant for variant in variants if variant.gene == gene and not variant.presence]
        by_sequence: dict[str, list[tuple[Variant, Interval]]] = {}
        for variant in of_gene:
            if (place := places.get(variant.id)) is not None:
                by_sequence.setdefault(place.accession, []).append((variant, place))
        unplaced = len(of_gene) - sum(map(len, by_sequence.values()))
        for accession, entries in by_sequence.items():
            if any(variant.reportable for variant, _ in entries) and build_of(accession)[0] is not None:
                results.append(_region(gene, accession, entries, studies, unplaced))
    return results[:MOST], max(0, len(results) - MOST)


def _places(resources: Sequence[dict[str, Any]]) -> Mapping[str, Interval]:
    """Where the variants are, by the ids of their Observations, as far as they say it exactly."""
    results: dict[str, Interval] = {}
    for resource in resources:
        if resource["resourceType"] == "Observation" and resource.get("component"):
            stated = read_observation(resource)
            place = stated.interval or stated.inner or stated.outer
            if place is not None:
                results[resource["id"]] = place
    return results


def _region(
    gene: str,
    accession: str,
    entries: Sequence[tuple[Variant, Interval]],
    studies: Sequence[Study],
    more: int,
) -> Region:
    start = min(place.start for _, place in entries)
    end = max(max(place.end, place.start + 1) for _, place in entries)
    margin = max(_LEAST, int((end - start) * _MARGIN))
    drawn = Interval(accession, max(0, start - margin), end + margin)
    build, chromosome = build_of(accession)
    marks = [
        Mark(
            variant.id,
            place.start + 1,
            max(place.end, place.start + 1),
            variant.rank,
            ", ".join(filter(None, (variant.names[0], variant.zygosity, variant.classification))),
        )
        for variant, place in entries
    ]
    analyses = [each for study in studies for each in study.analyses if each.build in (build, None)]
    return Region(
        gene,
        build or "",
        chromosome or "",
        drawn.start + 1,
        drawn.end,
        tuple(sorted(marks, key=lambda mark: (mark.first, mark.id))),
        _within(drawn, [each.studied for each in analyses]),
        _within(drawn, [each.uncalled for each in analyses]),
        more,
    )


def _within(drawn: Interval, stated: Sequence[tuple[Interval, ...] | None]) -> tuple[Interval, ...] | None:
    """What of the region the tests state; None where none of them states regions."""
    if all(each is None for each in stated):
        return None
    parts = overlapping(merged([part for each in stated for part in each or ()]), [drawn])
    return tuple(
        Interval(part.accession, max(part.start, drawn.start), min(part.end, drawn.end)) for part in parts
    )
