"""A line of the usual form (`PlainLines`): what is its own, beside what lines of its kind have in common.

Its objects (`Line`, `Call`, `Allele`) are created where somebody asks for them; most lines become what an earlier one
of their kind became, with the values of their own (`alike`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.cached_property import cached
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.findings import BALANCED
from fhir_bridge.adapters.genomics.genotype import Genotype
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Call, Layout, Line, confidence_of
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.fhir.datatypes import Code
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import decimal_text
from fhir_bridge.mapping import Alike
from fhir_bridge.plugins import RecordOutcome

__all__ = ["Kind", "PlainRecord", "Shape", "Shares"]

_SHARE = '"system":"http://unitsofmeasure.org","code":"1","value"'
_MOST_READS = 1 << 14


class Kind:
    """What lines of one contig, REF, ALT, FILTER and genotype have in common."""

    __slots__ = (
        "accession", "after", "allele", "bases", "before", "called", "changed", "contig", "filters", "genotype",
        "issues", "last", "line", "named", "offset", "passed", "same", "unnamed", "width",
    )  # fmt: skip

    def __init__(
        self, line: Line, allele: Allele, common: Sequence[str], issues: Sequence[tuple[str, str]]
    ) -> None:
        own = {"alleles", "calls", "columns", "number", "pos", "raw_info"}
        self.line = {name: value for name, value in line.__dict__.items() if name not in own}
        self.allele = {name: getattr(allele, name) for name in common}
        self.genotype: Genotype = allele.call.genotype
        self.contig, self.accession, self.bases = line.chrom, line.accession, (line.ref, allele.alt)
        self.called = f"VCF GT={line.columns[9].partition(':')[0]}"
        self.filters = "" if line.columns[6] == "." else f" FILTER={line.columns[6]}"
        self.passed = line.columns[6] == "PASS"
        self.same = len(set(self.genotype.alleles)) == 1
        self.width = len(line.ref) - 1
        place, old, new = trim(line.pos, line.ref, allele.alt)
        self.offset, self.changed = place - line.pos, (old, new)
        self.last = line.last_base - self.width
        self.issues = issues
        self.named = _around(line, allele)
        self.after = f":{line.ref}:{allele.alt}"
        self.before = allele.variant.removesuffix(f"{line.pos}{self.after}")
        # REF and ALT, wherever they are, don't prove a name.
        self.unnamed = allele.hgvs_g is None and allele.spdi is None
        if self.unnamed:
            self.allele |= {"hgvs_g": None, "spdi": None}

    def changes(self, position: int) -> frozenset[tuple[int, str, str]]:
        """What remains of a variant at a later position than its own (`Spellings`), where `offset` is above 0."""
        return frozenset(((position + self.offset, *self.changed),))

    def values(self, line: Line, call: Call, position: int, digits: str) -> dict[str, Any]:
        """What the attributes of an allele are that a line of this kind has."""
        values = {**self.allele, "call": call, "line": line, "first": position, "last": position + self.width}
        values["variant"] = values["key"] = f"{self.before}{digits}{self.after}"
        if self.named is not None:
            values["hgvs_g"], values["spdi"] = map(Code, self.names(position))
        return values

    def names(self, position: int) -> tuple[str, ...]:
        """g.HGVS and SPDI of a substitution at a position; nothing of another kind."""
        if self.named is None:
            return ()
        before, after, before_spdi = self.named
        return f"{before}{position}{after}", f"{before_spdi}{position - 1}{self.after}"


def _around(line: Line, allele: Allele) -> tuple[str, str, str] | None:
    """Of a substitution what is before and after the position in its g.HGVS, and before it in its SPDI."""
    if len(line.ref) != 1 or len(allele.alt) != 1 or allele.hgvs_g is None or allele.spdi is None:
        return None
    after, after_both = f"{line.ref}>{allele.alt}", f":{line.ref}:{allele.alt}"
    before = allele.hgvs_g.removesuffix(f"{line.pos}{after}")
    return before, after, allele.spdi.removesuffix(f"{line.pos - 1}{after_both}")


class Shares(NamedTuple):
    """What the reads of a call say of its allele, as JSON; and whether of two copies too few have it."""

    fraction: str | None
    depth: str | None
    unbalanced: bool


class Shape(NamedTuple):
    """Lines with the same INFO keys and FORMAT.

    Attributes:
        pattern: its groups are contig, POS, ID, REF, ALT, QUAL, FILTER, genotype, and the values of `keys`.
        depth, quality: places of DP and GQ in the groups; 0 where there is none.
        reads: gives of the groups the values of AD, AF and VAF.
        shares: by these; None where more is read than these.
        qualified: whether GQ is declared as a quality.
        together: whether they give their variants alone.
    """

    pattern: re.Pattern[str]
    layout: Layout
    kinds: dict[tuple[str, ...], Kind]
    depth: int
    quality: int
    reads: Callable[[tuple[str, ...]], object]
    shares: dict[object, Shares] | None
    qualified: bool
    together: bool


class PlainRecord(VcfRecord):
    """A line that is like an earlier one.

    Attributes:
        groups: of the pattern of its shape.
    """

    joins = 1
    records = 1
    outcome: RecordOutcome = "read"
    own = None
    issues: Sequence[Issue] = ()

    def __init__(
        self,
        file: VcfFile,
        shape: Shape,
        kind: Kind,
        groups: tuple[str, ...],
        position: int,
        text: str,
        number: int,
    ) -> None:
        self.locator = f"{file.name}:{number}"
        self.file = file
        self.shape_of_line = shape
        self.kind = kind
        self.groups = groups
        self.text = text
        self.number = number
        self.position = position
        if kind.issues:
            self.issues = [issue(code, message, self.locator) for code, message in kind.issues]

    @cached
    def time(self) -> datetime | None:
        """As of its file."""
        return None if self.file is None else self.file.time

    @cached
    def content(self) -> bytes:
        """The line."""
        return self.text.encode()

    @cached
    def line(self) -> Line:
        """The line, with its call and allele."""
        kind, file, groups = self.kind, self.file, self.groups
        assert file is not None
        line = Line.__new__(Line)
        columns = self.text.split("\t")
        line.__dict__ = {**kind.line, "number": self.number, "columns": columns, "pos": self.position}
        call = Call(line, file.studies[0].name, columns[9], kind.genotype)
        allele = Allele.__new__(Allele)
        allele.__dict__ = kind.values(line, call, self.position, groups[1])
        call.alleles.append(allele)
        line.calls = [call]
        return line

    @property
    def known_line(self) -> Line | None:
        """The line, where it has been asked for."""
        return self.__dict__.get("line")

    @property
    def shares(self) -> Shares:
        """What the reads say; worked out once for lines with the same."""
        shape = self.shape_of_line
        known = shape.shares
        if known is None:
            return self._read_shares()
        key = shape.reads(self.groups)
        result = known.get(key)
        if result is None:
            if len(known) >= _MOST_READS:
                known.clear()
            result = known[key] = self._read_shares()
        return result

    def _read_shares(self) -> Shares:
        call = self.line.calls[0]
        allele = call.alleles[0]
        assert isinstance(allele, Allele)
        fraction, reads = allele.fraction, call.reads
        depth = None if reads is None else reads.depths[1]
        return Shares(
            None if fraction is None else f"{{{_SHARE}:{decimal_text(fraction)}}}",
            None if depth is None else f'"unit":"reads",{_SHARE}:{depth}}}',
            fraction is not None and fraction < BALANCED,
        )

    @property
    def alike(self) -> Alike | None:
        """What lines of one kind have in common, and what of the shipped mapping's Observation is this one's own."""
        shape = self.shape_of_line
        if not shape.together:
            return None
        kind, groups = self.kind, self.groups
        digits, identifier, quality = groups[1], groups[2], groups[5]
        depth = shape.depth and groups[shape.depth]
        sure = (shape.quality and groups[shape.quality]) or "."
        evidence = kind.called
        if depth and depth != ".":
            evidence = f"{evidence} DP={depth}"
        if sure != ".":
            evidence = f"{evidence} GQ={sure}"
        if quality != ".":
            evidence = f"{evidence} QUAL={quality}"
        text = f'"text":"{evidence}{kind.filters}"'  # numbers, and words without quotes
        last = digits if not kind.width else self.position + kind.width
        place = f'"low":{{"value":{digits}}},"high":{{"value":{last}}}'
        spdi: str | None = None
        if (named := kind.named) is not None:
            before, after, before_spdi = named
            own = [text, f'"code":"{before}{digits}{after}"', place]
            spdi = f"{before_spdi}{self.position - 1}{kind.after}"
        elif kind.unnamed:
            own = [text, place]
        else:
            allele = self.line.calls[0].alleles[0]
            assert isinstance(allele, Allele)
            hgvs_g, spdi = allele.hgvs_g, allele.spdi
            own = [text, place] if hgvs_g is None else [text, f'"code":"{hgvs_g}"', place]
        known = shape.shares
        fraction, reads, _ = (known and known.get(shape.reads(groups))) or self.shares
        if fraction is not None:
            own.append(fraction)
        if reads is not None:
            own.append(reads)
        # The pattern takes one of ASCII.
        named_too = identifier[:2] == "rs" and identifier[2:].isdecimal()
        if named_too:
            own.append(f'"code":"{identifier}"')
        if spdi is not None:
            own.append(f'"code":"{spdi}"')
        confidence = confidence_of(kind.passed, sure if shape.qualified else ".", quality)
        common = kind, named_too, fraction is None, reads is None, confidence
        return common, own, f"{kind.before}{digits}{kind.after}"
