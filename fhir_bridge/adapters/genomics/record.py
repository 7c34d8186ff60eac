"""A record of a VCF, as the pipeline takes it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

from fhir_bridge.adapters.genomics.cached_property import cached
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Record
from fhir_bridge.plugins import RecordOutcome

__all__ = ["VcfRecord"]


class VcfRecord(Record):
    """A line, or the file before its first (`Subject`) and after its last line (`Study`), which counts as no record."""

    root = "File"

    def __init__(
        self,
        locator: str,
        source: str,
        *,
        time: datetime | None = None,
        records: int = 1,
        outcome: RecordOutcome = "read",
        issues: Sequence[Issue] = (),
        file: VcfFile | None = None,
        line: Line | None = None,
        own: Literal["Subject", "Study"] | None = None,
        content: bytes | None = None,
    ) -> None:
        # As Record's own does, without a second call: there is one of these for every line.
        self.locator = locator
        self.source = source
        self.time = time
        self.records = records
        self.outcome = outcome
        self.issues = issues
        self.file = file
        self.line = line
        self.own = own
        self.content = content

    @cached
    def key(self) -> str:
        """The line with sample names and date of its file, hashed: the same whoever sends it again.

        What a file says as a whole has the key of its samples and date: a file of another date is another record, so
        that the older of two never replaces what the newer said.
        """
        if self.file is None or (self.own is None and self.content is None):
            return ""
        digest = self.file.digest
        if self.own is not None:
            return f"{self.own}:{digest.hexdigest()}"
        digest = digest.copy()
        digest.update(self.content or b"")
        return digest.hexdigest()

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope, in the file's order."""
        if name == "File":
            return (self.file,) if self.file is not None else ()
        line = self.line
        if line is not None:
            if name == "Line":
                return (line,)
            if name == "Sample":
                return line.calls
            if name == "Allele":
                return [allele for call in line.calls for allele in call.alleles]
        elif name == self.own and self.file is not None:
            return self.file.subjects if name == "Subject" else self.file.studies
        return ()
