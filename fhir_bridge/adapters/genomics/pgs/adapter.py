"""The adapter `pgs`: polygenic scores over VCFs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_bridge.plugins import ReadContext, SourceModel

if TYPE_CHECKING:
    from fhir_bridge.adapters.genomics.pgs.record import PgsRecord

__all__ = ["PgsAdapter"]


class PgsAdapter:
    """Computes polygenic scores. A record is a line of the VCF; see docs/adapters/pgs.md."""

    name = "pgs"
    title = "Polygenic scores: PGS Catalog scoring files (--set scores=FILE,…) over VCF and BCF"
    model: SourceModel
    """What a mapping may name."""
    suffixes: tuple[str, ...] = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf", ".g.vcf", ".gvcf", ".gvcf.gz")

    def __getattr__(self, name: str) -> SourceModel:
        # Made when it is first asked for: it loads the mapping language, which naming the adapter does not need.
        if name != "model":
            raise AttributeError(name)
        from fhir_bridge.adapters.genomics.pgs.model import PgsModel

        self.model = PgsModel()
        return self.model

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - one mapping for all
        """`genomics/pgs`, for any file."""
        return "genomics/pgs"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002 - a file each
        """A VCF each, with all scoring files that are among the sources: a score is of a whole file."""
        scores, files = _divided(paths)
        return [[path, *scores] for path in files] or [list(paths)]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[PgsRecord]:
        """Read the files in order, each once."""
        from fhir_bridge.adapters.genomics.options import OptionError
        from fhir_bridge.adapters.genomics.pgs.issues import issue
        from fhir_bridge.adapters.genomics.pgs.options import PgsOptionError, PgsOptions
        from fhir_bridge.adapters.genomics.pgs.reader import read_scores
        from fhir_bridge.adapters.genomics.pgs.record import PgsRecord
        from fhir_bridge.fhir.issues import Issue

        try:
            options = PgsOptions.parse(context.options)
        except (PgsOptionError, OptionError) as error:
            for path in paths:
                result = Issue("error", error.issue.code, error.issue.message, path.name)
                yield PgsRecord(path.name, outcome="rejected", issues=[result])
            return
        limit = getattr(context, "limit", None)
        scores, files = _divided(paths)
        options = replace(options, scores=(*options.scores, *scores))
        if not files:
            for path in paths:
                result = issue(
                    "FB-PGS-005", "a scoring file without a VCF that it is computed over", path.name
                )
                yield PgsRecord(path.name, outcome="rejected", issues=[result])
        for path in files:
            yield from read_scores(path, options, limit)


def _divided(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """The scoring files among sources, and the others."""
    from fhir_bridge.adapters.genomics.pgs.scoring_file import is_scoring_file

    scores: list[Path] = []
    files: list[Path] = []
    for path in paths:
        try:
            scoring = path.is_file() and is_scoring_file(path)
        except OSError:
            scoring = False
        (scores if scoring else files).append(path)
    return scores, files
