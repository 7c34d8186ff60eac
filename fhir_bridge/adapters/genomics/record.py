"""A record of a VCF, as the pipeline takes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Literal

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.cached_property import cached
from fhir_bridge.adapters.genomics.delivery import place_of
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.line_bytes import header_passages, line_passage, spans_of
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Alike, Passage, Read, Record, Span
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["VcfRecord"]

_SAMPLED, _ALL = 64, 5_000
"""One place of so many is noted of lines that give nothing but to the kept file, the same ones of every file; and all
of a file's first lines: a panel has no more."""


class VcfRecord(Record):
    """A line, or the file before its first (`Subject`) and after its last line (`Study`), which counts as no record."""

    root = "File"
    source = "vcf"
    """A VCF names no system that it comes from; a file's name is none, since a file sent again may have another."""

    def __init__(
        self,
        locator: str,
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
        self.time = time
        self.records = records
        self.outcome = outcome
        self.issues = issues
        self.file = file
        self.line = line
        self.own = own
        self.content = content

    joins = 0
    """How many alleles it has, where it may be converted together with its neighbours; 0 of any other record."""

    @cached
    def key(self) -> str:
        """What the line says of a variant with the content of its file, hashed: the same under any name of the file.

        Not what it says of samples: a kept file may have lost the column of one. Lines that say the same of a variant
        are numbered.

        A file that says anything else is another delivery, and its lines are others' lines: which of two deliveries
        counts for a sample is decided by their dates, never by a line of one that is in the other too.
        """
        if self.file is None or (self.own is None and self.content is None):
            return ""
        if self.own is not None:
            return f"{self.own}:{self.file.id}"
        content = self.content or b""
        if (line := self.line) is not None:
            # The first eight columns, from the end, as a line of a cohort has thousands.
            head = content.rsplit(b"\t", len(line.columns) - 8)[0] if len(line.columns) > 8 else content
            content = b"%b\t%d" % (head, line.repetition)
        elif len(columns := content.split(b"\t", 9)) == 10:
            content = b"\t".join((*columns[:8], b"0"))
        return blake2b(self.file.id.encode() + b"\0" + content, digest_size=16).hexdigest()

    @property
    def alike(self) -> Alike | None:
        """Nothing that is known to be like another one; but see `PlainRecord`."""
        return None

    @property
    def bounds(self) -> str:
        """Within what a sample's name is one sample where no crosswalk names its patient: this very content."""
        return self.file.id if self.file is not None else ""

    @property
    def delivery(self) -> VcfFile | None:
        """The file as what it delivers; None where it could not be read."""
        return self.file

    @property
    def ends_delivery(self) -> bool:
        """Whether the file has no more records."""
        return self.own == "Study"

    @property
    def place(self) -> int | None:
        """What the line speaks of; None for a block of a gVCF, which names no ALT, and for no line."""
        line = self.line
        if line is None or line.file.options.check:
            return None
        kinds = {alternate.kind for alternate in line.alternates}
        place = place_of(line.file.assembly, line.chromosome or line.chrom, line.pos, line.ref, kinds)
        if place is None or not line.kept or line.calls or line.number <= _ALL:
            return place
        # Of the millions of lines of a kept file a sample shows what it repeats of another one.
        return None if place % _SAMPLED else place

    @property
    def is_taken(self) -> bool:
        """Whether all was understood that makes the line say something: else it replaces nothing of an older file."""
        return self.outcome != "rejected" and all(issue.severity != "error" for issue in self.issues)

    def unread(self, applied: Iterable[object]) -> tuple[Issue, ...]:  # noqa: ARG002 - selectors say what is read
        """Count what the line says that no rule represents; the file reports it at its end."""
        if self.line is not None and self.line.file.account is not None:
            self.line.file.account.count(self.line)
        return ()

    def count_outputs(self, outputs: Sequence[Any], issues: Sequence[IssueLike]) -> None:
        """Count which alleles of the line were written: of a sample as many as its most frequent rule gave."""
        line = self.line
        if line is None and self.own == "Study":
            self._count_held(outputs, issues)
        if line is None or not line.calls:
            return
        counts: Counter[tuple[str, str]] = Counter()
        for output in outputs:
            counts[output.part, output.rule] += 1
        best: dict[str, int] = {}
        for (part, _), count in counts.items():
            best[part] = max(best.get(part, 0), count)
        studies = line.file.study_of
        if len(outputs) == 1 == len(line.calls) and len(line.calls[0].alleles) == 1:
            call = line.calls[0]
            allele = call.alleles[0]
            if outputs[0].part == call.name and isinstance(allele, Allele) and not allele.repeated:
                studies[call.name].written += 1
                return
        for call in line.calls:
            study = studies[call.name]
            alleles = sum(not allele.repeated for allele in call.alleles if isinstance(allele, Allele))
            written = min(alleles, best.get(call.name, 0))
            study.written += written
            if written < alleles:
                codes = sorted({each.code for each in issues if each.severity in ("error", "fatal")})
                reasons = study.withheld if codes else study.not_represented
                reasons[" ".join(codes) or "FB-MAP-110"] += alleles - written

    def _count_held(self, outputs: Sequence[Any], issues: Sequence[IssueLike]) -> None:
        """What was to stay in the file of a sample of which nothing is stored is withheld: its column is left out."""
        stored = {output.part for output in outputs}
        codes = sorted({each.code for each in issues if each.severity in ("error", "fatal")})
        for study in self.file.studies if self.file is not None else ():
            if study.kept and study.name not in stored:
                study.withheld[" ".join(codes) or "FB-MAP-110"] += study.kept
                study.kept = 0

    def part_accounts(self) -> Iterable[Mapping[str, Any]]:
        """The accounts of the samples' calls, after the last line."""
        return [study.account for study in self.file.studies] if self.own == "Study" and self.file else []

    def passages(self) -> Iterable[Passage]:
        """The line, with its values and where they are; of the file as a whole its header lines."""
        if self.line is None:
            return [] if self.file is None else header_passages(self.file)
        return [line_passage(self.line)]

    def spans(self, scope: Any, read: Read, items: Mapping[str, Any]) -> Iterable[Span]:  # noqa: ARG002
        """Where the values are that a rule reads of the file, a line, a sample's call or an allele."""
        return spans_of(scope, read.selector)

    @property
    def shape(self) -> tuple[bool, bool, bool] | str | None:
        """Which scopes have objects: those of one shape lack the same (`lacks`)."""
        line = self.line
        if line is None:
            return self.own
        related = any(call.phases or call.junctions for call in line.calls)
        return bool(line.calls), related, bool(line.file.consequences)

    def lacks(self, scope: str) -> bool:
        """Whether no record of this shape has an object of the scope."""
        line = self.line
        if line is None or scope in ("Subject", "Study"):
            return scope not in ("File", self.own)
        calls = line.calls
        if scope in ("Phase", "Junction"):
            return not any(call.phases or call.junctions for call in calls)
        if scope == "Effect":
            return not calls or not line.file.consequences
        return scope in ("Sample", "Allele") and not calls

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
            if name == "Effect":
                alleles = (allele for call in line.calls for allele in call.alleles)
                return [effect for each in alleles if isinstance(each, Allele) for effect in each.effects]
            if name == "Phase":
                return [phase for call in line.calls for phase in call.phases]
            if name == "Junction":
                return [junction for call in line.calls for junction in call.junctions]
        elif name == self.own and self.file is not None:
            return self.file.subjects if name == "Subject" else self.file.studies
        return ()
