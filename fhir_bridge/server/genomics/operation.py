"""What the genomics operations have in common: where they are asked, and what a query is read with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.responses import Response

from fhir_bridge.adapters.genomics.query import (
    Interval,
    QueryError,
    Questions,
    Sequences,
    VariantQuestion,
    build_of,
    read_chains,
    read_transcripts,
)
from fhir_bridge.server.genomics.evidence import Evidence, Result
from fhir_bridge.server.genomics.parameters import Wanted
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.settings import Settings

__all__ = ["GenomicsOperation"]

GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/OperationDefinition/"


class GenomicsOperation(CallOperation):
    """An operation of Genomics Reporting STU3 about one subject.

    Attributes:
        lists: its own parameters that have several values; flags: those that are true or false.
    """

    types: tuple[str, ...] = ("", "Patient")
    access = "s"
    definition = ""
    lists: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.definition = f"{GUIDE}{self.name}"

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:
        """See `CallOperation.serve`."""
        wanted = Wanted(call, parameters, body, self.lists, self.flags)
        return await self.find(call, wanted)

    @abstractmethod
    async def find(self, call: Call, wanted: Wanted) -> Response:
        """The answer.

        Raises:
            Refusal, StorageError.
        """

    async def questions(self) -> Questions:
        """What queries are read with: chain files, transcripts and reference sequences of the site.

        Raises:
            Refusal: 500: a file that the settings name can't be read.
        """
        settings = self._settings
        try:
            return await offloaded(
                _questions, settings.chain_files, settings.transcript_files, settings.reference_files
            )
        except QueryError as error:
            raise refuse(500, "FB-GENOMICS-002", str(error)) from error

    @staticmethod
    def note_builds(evidence: Evidence, places: Sequence[Interval]) -> None:
        """Warn where variants are known on another build than the one asked about, and nothing lifts between them."""
        asked = {build_of(place.accession)[0] for place in places} - {None}
        accessions = {each.variant.accession or "" for each in evidence.of("variant")}
        known = {build_of(accession)[0] for accession in accessions} - {None} | evidence.builds
        missing = sorted(build for build in known - asked if build is not None)
        if asked and missing:
            evidence.warn(
                f"variants on {' and '.join(missing)} are not compared: no chain file leads there from the query"
            )

    @staticmethod
    def note_unproven(evidence: Evidence, question: VariantQuestion, *, known: bool) -> bool:
        """Whether that a variant is not there means something; warns where it does not."""
        if known:
            return True
        if not question.changes:
            evidence.warn(
                f"{question.text[:60]}: the transcript is not known here; names alone were compared"
            )
            return False
        if not question.provable:
            evidence.warn(
                f"{question.text[:60]}: it can be written in other ways, which only a reference sequence shows"
            )
        return True

    @staticmethod
    def note_similar(evidence: Evidence, question: VariantQuestion, *, known: bool) -> bool:
        """Whether a variant that is there may be the one asked for, written elsewhere; warns where it is so."""
        similar = not known and any(
            each.variant.present and question.may_be(each.variant) for each in evidence.of("variant")
        )
        if similar:
            evidence.warn(
                f"{question.text[:60]}: a deletion or insertion near it may be the same, which only a reference "
                "sequence shows"
            )
        return similar

    @staticmethod
    def matching(question: VariantQuestion, evidence: Evidence) -> list[Result]:
        """The Observations that state a variant."""
        return [each for each in evidence.of("variant") if question.is_in(each.variant)]


@lru_cache(maxsize=4)
def _questions(chains: str, transcripts: str, references: str) -> Questions:
    paths: Callable[[str], list[Path]] = lambda text: [Path(part) for part in text.split()]  # noqa: E731
    return Questions(
        read_chains(paths(chains)) if chains.split() else None,
        read_transcripts(paths(transcripts)) if transcripts.split() else None,
        _references(references),
    )


def _references(text: str) -> dict[str, Sequences]:
    from fhir_bridge.adapters.genomics.options import OptionError
    from fhir_bridge.adapters.genomics.reference import Reference

    results: dict[str, Sequences] = {}
    for part in text.split():
        build, equals, path = part.partition("=")
        if not equals:
            raise QueryError("reference_files has build=path, as GRCh38=/data/GRCh38.fa")
        try:
            results[build] = Reference(Path(path))
        except OptionError as error:
            raise QueryError(error.issue.message) from error
    return results
