"""The adapter `vcf`: VCF 4.0–4.5 and BCF."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_bridge.plugins import ReadContext, SourceModel

if TYPE_CHECKING:
    from fhir_bridge.adapters.genomics.reader import VcfRecord

__all__ = ["VcfAdapter"]


class VcfAdapter:
    """Reads variant calls. A record is a line with all its samples; see docs/adapters/vcf.md."""

    name = "vcf"
    title = "Variant Call Format 4.0–4.5 and BCF, to Genomics Reporting STU3"
    model: SourceModel
    """What a mapping may name."""
    suffixes: tuple[str, ...] = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf", ".g.vcf", ".gvcf", ".gvcf.gz")

    def __getattr__(self, name: str) -> SourceModel:
        # Made when it is first asked for: it loads the mapping language, which naming the adapter does not need.
        if name != "model":
            raise AttributeError(name)
        from fhir_bridge.adapters.genomics.model import VcfModel

        self.model = VcfModel()
        return self.model

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002 - one mapping for all
        """`genomics/vcf`, for any file."""
        return "genomics/vcf"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002 - a file each
        """A file each: a report needs the whole file."""
        return [[path] for path in paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[VcfRecord]:
        """Read the files in order."""
        from fhir_bridge.adapters.genomics.issues import issue
        from fhir_bridge.adapters.genomics.options import OptionError, Options
        from fhir_bridge.adapters.genomics.reader import VcfRecord, read_vcf

        try:
            options = Options.parse(context.options)
        except OptionError as error:
            for path in paths:
                result = issue(error.issue.code, error.issue.message, path.name)
                yield VcfRecord(path.name, outcome="rejected", issues=[result])
            return
        selectors = _selectors(context)
        blocks = getattr(context, "blocks", False)
        # A run that ends after so many records says so, since a report is due after the last of them.
        limit = getattr(context, "limit", None)
        for path in paths:
            for record in read_vcf(path, options, selectors, limit, blocks=blocks):
                if limit is not None:
                    limit -= record.records
                yield record

    def pieces(self, path: Path, jobs: int, options: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """The pieces of a file that are read side by side; none where it is read whole."""
        from fhir_bridge.adapters.genomics.options import OptionError, Options
        from fhir_bridge.adapters.genomics.pieces import pieces

        try:
            return pieces(path, jobs, Options.parse(options))
        except OptionError:
            return []

    def read_piece(
        self, path: Path, piece: Mapping[str, Any], context: ReadContext, state: dict[str, Any]
    ) -> Iterator[VcfRecord]:
        """The records of a piece; `state` gets what they came to."""
        from fhir_bridge.adapters.genomics.options import Options
        from fhir_bridge.adapters.genomics.piece_reading import read_piece

        blocks = getattr(context, "blocks", False)
        return read_piece(
            path, piece, Options.parse(context.options), _selectors(context), state, blocks=blocks
        )

    def read_end(
        self,
        path: Path,
        piece: Mapping[str, Any],
        context: ReadContext,
        states: Sequence[Mapping[str, Any]],
    ) -> Iterator[VcfRecord]:
        """The record that the file ends with, of what all pieces came to."""
        from fhir_bridge.adapters.genomics.options import Options
        from fhir_bridge.adapters.genomics.piece_reading import read_end

        return read_end(path, piece, Options.parse(context.options), _selectors(context), states)

    def kept_places(
        self,
        files: tuple[Path, Path],
        name: str,
        within: str,
        options: Mapping[str, Any],
        parts: Collection[str],
        wanted: Sequence[int],
    ) -> Iterator[int]:
        """See `KeepingAdapter.kept_places`."""
        from fhir_bridge.adapters.genomics.kept_places import kept_places
        from fhir_bridge.adapters.genomics.kept_reading import KeptVcf

        data, index = files
        kept = KeptVcf("", name, data, index, within, options, min(parts, default=""))
        return kept_places(kept, tuple(parts), wanted)


def _selectors(context: ReadContext) -> frozenset[str] | None:
    stated = getattr(context, "selectors", None)
    return None if stated is None else frozenset(text for _, text in stated)
