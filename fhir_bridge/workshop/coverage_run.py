"""Coverage over golden examples, or over a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline import Selection
from fhir_bridge.workshop.covering import Coverage, RecordingTerminology
from fhir_bridge.workshop.golden import golden_examples
from fhir_bridge.workshop.traced import TracedRun, files_by_mapping

__all__ = ["coverage_of_corpus", "coverage_of_examples"]


def coverage_of_examples(mapping: Path) -> Coverage:
    """What the golden examples beside a mapping exercise of it.

    Raises:
        MappingErrors: the mapping can't be used.
    """
    first = TracedRun.of(mapping, Site(demo_key=True))
    coverage = Coverage(first.mapping)
    for example in golden_examples(mapping):
        site = example.site()
        terminology = RecordingTerminology(site.open_terminology())
        run = TracedRun(first.mapping, site, key=IdKey(DEMO_KEY), terminology=terminology)
        if site.definitions is not Site(demo_key=True).definitions:
            run = TracedRun.of(mapping, site, key=IdKey(DEMO_KEY), terminology=terminology)
        for traced in run.records(example.sources):
            coverage.add(traced)
        coverage.add_rows(terminology)
    return coverage


def coverage_of_corpus(
    corpus: Sequence[Path], mapping: str | None, site: Site, limit: int | None = None
) -> list[Coverage]:
    """What the records of files exercise of their mappings.

    Raises:
        MappingErrors, SourceError: the mapping or a file can't be used.
    """
    coverages = []
    for name, files in files_by_mapping(corpus, mapping):
        terminology = RecordingTerminology(site.open_terminology())
        run = TracedRun.of(name, site, terminology=terminology)
        coverage = Coverage(run.mapping)
        for traced in run.records(files, Selection(limit=limit)):
            coverage.add(traced)
        coverage.add_rows(terminology)
        coverages.append(coverage)
    return coverages
