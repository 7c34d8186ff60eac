"""The adapter `pharmcat`: reports of PharmCAT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fhir_bridge.plugins import OptionError, ReadContext, SourceModel

if TYPE_CHECKING:
    from fhir_bridge.adapters.genomics.pharmcat.record import PharmcatRecord

__all__ = ["PharmcatAdapter"]


class PharmcatAdapter:
    """Reads what PharmCAT writes as JSON. A record is a file, of one sample; see docs/adapters/pharmcat.md."""

    name = "pharmcat"
    title = "PharmCAT 2 and 3 (report, phenotype and match JSON), to Genomics Reporting STU3"
    model: SourceModel
    """What a mapping may name."""
    suffixes: tuple[str, ...] = (".report.json", ".phenotype.json", ".match.json")

    def __getattr__(self, name: str) -> SourceModel:
        # Made when it is first asked for: it loads the mapping language, which naming the adapter does not need.
        if name != "model":
            raise AttributeError(name)
        from fhir_bridge.adapters.genomics.pharmcat.model import PharmcatModel

        self.model = PharmcatModel()
        return self.model

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - one mapping for all
        """`genomics/pharmcat`, for any file."""
        return "genomics/pharmcat"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002 - a file each
        """A file each."""
        return [[path] for path in paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[PharmcatRecord]:
        """Read the files in order."""
        from fhir_bridge.adapters.genomics.pharmcat.issues import issue
        from fhir_bridge.adapters.genomics.pharmcat.model import parse_options
        from fhir_bridge.adapters.genomics.pharmcat.record import PharmcatRecord, read_file

        try:
            options = parse_options(context.options)
        except OptionError as error:
            for path in paths:
                result = issue("FB-PGX-004", error.message, path.name)
                yield PharmcatRecord(path.name, outcome="rejected", issues=[result])
            return
        for path in paths:
            yield read_file(path, options)
