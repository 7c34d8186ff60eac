"""Lines of the usual form, read by what is known of lines like them.

A line of the usual form has one ALT of bases, passes its filters and has one sample with an unphased genotype of two
copies. The ordinary reader reads the first of each kind. Of it a pattern is compiled for its INFO keys and FORMAT, in
which all values are as declared, and what it has in common with lines of its contig, alleles and genotype is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

from fhir_bridge.adapters.genomics.acmg import CLASS_KEYS, CRITERIA_KEYS
from fhir_bridge.adapters.genomics.allele import POPULATIONS, Allele
from fhir_bridge.adapters.genomics.allele_filters import STATUS
from fhir_bridge.adapters.genomics.annotation import Alleles
from fhir_bridge.adapters.genomics.call_values import checked_keys
from fhir_bridge.adapters.genomics.called_regions import note_regions
from fhir_bridge.adapters.genomics.clinvar import CLINVAR_KEYS
from fhir_bridge.adapters.genomics.definition import Definition
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.format_pattern import repeated, sample_pattern
from fhir_bridge.adapters.genomics.line import Call, Layout, Line
from fhir_bridge.adapters.genomics.plain_record import Kind, PlainRecord, Shape
from fhir_bridge.adapters.genomics.record import VcfRecord
from fhir_bridge.adapters.genomics.reserved import NOT_NEGATIVE, reserved_info
from fhir_bridge.adapters.genomics.usage import FRACTIONS

__all__ = ["PlainLines"]

_DECIDING = frozenset(
    {STATUS, "CHR2", "CIGAR", "END", "GENEINFO", "RS", "SOMATIC", "SVLEN", "SVTYPE"}
    | {*POPULATIONS, *CLASS_KEYS, *CRITERIA_KEYS, *CLINVAR_KEYS}
)
"""INFO keys from which more is read than that they are there: their lines are read by the ordinary reader."""
_FORMAT = frozenset(("CN", "FT", "LAA", "LEN", "PS"))
_SHAPES, _KINDS, _LONGEST, _USUAL = 32, 4_000, 12, 2
"""INFO and FORMAT strings, and kinds of alleles, that are remembered; bases that REF and ALT have at most, and most."""
_OF_KIND = frozenset(("FB-VCF-043",))
"""What is said of all lines of a kind."""

# Where what follows is no character of a class, nothing is to be tried again (`++`).
_FIXED = (
    r"([^\t]++)\t([1-9][0-9]{0,8}+)\t([A-Za-z0-9_.]++)\t([ACGT]++)\t([ACGT]++)\t"
    r"(\.|[0-9]{1,29}+(?:\.[0-9]++)?+)\t(PASS|\.)\t"
)
_GENOTYPE = "([0-9]/[0-9])"
_FIXED_GROUPS = 8
_KIND = itemgetter(0, 3, 4, 6, 7)
"""Of the groups: contig, REF, ALT, FILTER and genotype."""
_GROUPED = frozenset(("AD", "DP", "GQ", *FRACTIONS))
"""FORMAT keys whose values are a line's own in what it becomes."""
_TEXT = "[!-:<-~]"
_INTEGER = "[0-9]{1,9}+"
_FLOAT = r"[0-9]++(?:\.[0-9]++)?+(?:[eE]-?[0-9]{1,3}+)?+"

_COMMON = (
    "_consequences", "acmg", "allelic_state", "alt", "alternate", "begins", "change_type", "clinvar", "consequence",
    "copy_number", "effects", "end", "file", "frequencies", "gene", "inheritance", "inner", "length", "number",
    "occurrence", "other_genes", "outermost", "repeated", "repeats", "restated", "source_class", "symbolic",
)  # fmt: skip
"""What alleles of one kind have in common."""
_ANNOTATED = frozenset(("_consequences", "consequence", "effects", "frequencies", "gene", "other_genes"))
"""Of these what each line says by itself, where a file has a consequence annotation."""


class _Watched(dict[str, Any]):
    """INFO or FORMAT values that notes which of them are read; that a key is there is no value."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        if isinstance(value, str) and key in self:
            self.read.add(key)
        return value

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)


def _values_read(line: Line, allele: Allele, common: Sequence[str]) -> set[str]:
    """Keys of INFO and FORMAT, but GT, by whose values anything is decided that lines of one kind have in common."""
    info = _Watched(line.raw_info)
    probe = Line(line.file, line.number, line.columns, line.pos, line.alternates, {}, line.lost)
    probe.__dict__["raw_info"] = info
    of_line = [name for name in line.__dict__ if name not in probe.__dict__]
    call = Call(probe, allele.call.name, line.columns[9], allele.call.genotype)
    call.fields = fields = _Watched(call.fields)
    other = Allele(call, allele.number)
    for name in of_line:
        getattr(probe, name)
    for name in common:
        getattr(other, name)
    return info.read | fields.read - {"GT"}


class PlainLines:
    """Reads lines of the usual form of one file.

    Attributes:
        usable: the file and its options are such that lines like each other are read alike.
    """

    def __init__(self, file: VcfFile) -> None:
        self.file = file
        options = file.options
        self.usable = (
            len(file.columns) == len(file.header.samples) == 1
            and not (options.check or options.keep or file.thresholds or file.pedigree.parents)
            and options.reportable == "clinvar"
            and all(each is None for each in (file.reference, file.release, file.regions, file.panel))
        )
        annotated = bool(file.consequences)
        self._common = tuple(name for name in _COMMON if not (annotated and name in _ANNOTATED))
        self._shapes: list[Shape] = []
        self._known: set[tuple[str, str]] = set()
        self._once: set[tuple[str, ...]] = set()
        self._kinds = 0

    def read(
        self,
        text: str,
        number: int,
        after: tuple[str, int, *tuple[object, ...]],
        changes: frozenset[tuple[int, str, str]] = frozenset(),
    ) -> PlainRecord | None:
        """The record of a line that is like an earlier one and lies after a contig's position; None of another one.

        `after`: contig, position, and what does not matter here.
        `changes`: of the position before (`Spellings`); a line that is one of them is another one.
        """
        for shape in self._shapes:
            match = shape.pattern.fullmatch(text)
            if match is not None:
                break
        else:
            return None
        if shape is not self._shapes[0]:  # the next line is like this one more often than not
            self._shapes.remove(shape)
            self._shapes.insert(0, shape)
        groups = match.groups()
        kind = shape.kinds.get(_KIND(groups))
        if kind is None or kind.contig != after[0]:
            return None
        position, file = int(groups[1]), self.file
        if not after[1] < position <= kind.last or (
            file.returned and (kind.contig, position) in file.returned
        ):
            return None
        if changes and (position + kind.offset, *kind.changed) in changes:
            return None
        reference, alternate = kind.bases
        if not shape.together and self._speaks_of_others(text, Alleles(position, reference, (alternate,))):
            return None
        record = PlainRecord(file, shape, kind, groups, position, text, number)
        study = file.studies[0]
        file.genotyped += 1
        if file.blocks:
            note_regions(record.line)
        study.not_reference += 1
        study.called += 1
        study.variants += 1
        if kind.same:
            study.unbalanced += record.shares.unbalanced
        return record

    def _speaks_of_others(self, text: str, alleles: Alleles) -> bool:
        """Whether an annotation of the line says anything that is not of its ALT."""
        entries = text.split("\t", 8)[7].split(";")
        return any(
            reader.untied(entry[len(reader.key) + 1 :], alleles)
            for reader in self.file.consequences
            for entry in entries
            if entry.startswith(f"{reader.key}=")
        )

    def learn(self, record: VcfRecord) -> None:
        """Remember what the ordinary reader made of a line, where lines like it come out the same."""
        line = record.line
        if line is None or record.outcome != "read" or line.lost or len(line.calls) != 1:
            return
        issues = [(each.code, each.message) for each in record.issues]
        if any(code not in _OF_KIND for code, _ in issues):
            return
        columns, alleles = line.columns, line.calls[0].alleles
        if (
            not len(alleles) == len(line.alternates) == 1  # of several ALTs, a pattern would take the values
            or len(columns[3]) + len(columns[4]) > _LONGEST
            or line.chromosome == "MT"
            or line.earlier is not None
        ):
            return
        shape = self._shape(line)
        match = shape.pattern.fullmatch("\t".join(columns)) if shape is not None else None
        if shape is None or match is None:
            return
        kind = _KIND(match.groups())
        if len(columns[3]) + len(columns[4]) > _USUAL and kind not in self._once:
            # Most insertions and deletions never come again.
            if len(self._once) >= _KINDS:
                self._once.clear()
            self._once.add(kind)
            return
        allele = alleles[0]
        assert isinstance(allele, Allele)
        if _values_read(line, allele, self._common):
            # What lines of the kind have in common would be this line's own.
            self._shapes.remove(shape)
            return
        line.layout = shape.layout
        if self._kinds >= _KINDS:
            for each in self._shapes:
                each.kinds.clear()
            self._kinds = 0
        shape.kinds[kind] = Kind(line, allele, self._common, issues)
        self._kinds += 1

    def _shape(self, line: Line) -> Shape | None:
        """Pattern and kinds for a line's INFO keys and FORMAT, made where there are none yet."""
        columns = line.columns
        whole = "\t".join(columns)
        for shape in self._shapes:
            if shape.pattern.fullmatch(whole):
                return shape
        keys = columns[8].split(":")
        at = ";".join(line.raw_info), columns[8]
        if (
            at in self._known
            or len(self._known) >= _SHAPES
            or not _DECIDING.isdisjoint(line.raw_info)
            or not _FORMAT.isdisjoint(keys)
            or not 1 < len(keys) == len(set(keys))
            or keys[0] != "GT"
            or not {each.key for each in checked_keys(line) if each.definition.numeric}.issuperset(
                {"DP", "GQ"}.intersection(keys)
            )
            or sum(each.key in line.raw_info for each in self.file.consequences) > 1
        ):
            return None
        self._known.add(at)
        info = [self._entry(key, value) for key, value in line.raw_info.items()]
        pattern = f"{_FIXED}{';'.join(info) or re.escape(columns[7])}\t{re.escape(columns[8])}\t"
        layout = Layout(tuple(line.raw_info), columns[8], len(keys) - 1)
        grouped = tuple(key for key in keys[1:] if key in _GROUPED)
        places = {key: place for place, key in enumerate(grouped, _FIXED_GROUPS)}
        file = self.file
        shape = Shape(
            re.compile(pattern + sample_pattern(line, _GENOTYPE, _GROUPED)),
            layout,
            {},
            places.get("DP", 0),
            places.get("GQ", 0),
            # The genotype for what is missing: a kind has one.
            itemgetter(*(places.get(key, _FIXED_GROUPS - 1) for key in ("AD", *FRACTIONS))),
            None if file.local or file.tiers else {},
            file.uses["GQ"].layout == "1",
            not file.consequences,
        )
        self._shapes.append(shape)
        return shape

    def _entry(self, key: str, value: str | bool) -> str:
        """The pattern of an INFO entry that is as it is declared, on a line with one ALT."""
        name = re.escape(key)
        if value is True:
            return name
        if key == "BCSQ":  # but for joined variants and lines that point to them
            return rf"{name}=(?:[!-*,-:<-?A-~]|(?<=\|)\+(?=\|))+"
        header = self.file.header
        definition = header.info.get(key) or reserved_info(header.version).get(key)
        return f"{name}={_TEXT + '+' if definition is None else _value(definition)}"


def _value(definition: Definition) -> str:
    if definition.kind == "Flag":
        return "[01]"
    if definition.numeric:
        sign = "" if definition.key in NOT_NEGATIVE else "-?"
        one = sign + (_INTEGER if definition.kind == "Integer" else _FLOAT)
    elif definition.number in ("0", "1", "."):
        return f"{_TEXT}+"
    else:
        one = "[!-+\\--:<-~]+"  # without a comma
    count = None if definition.number == "G" else definition.count(1)
    return repeated(one, count or None)
