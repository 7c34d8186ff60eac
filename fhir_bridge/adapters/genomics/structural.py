"""Extent and identity of a symbolic allele: END, SVLEN, CIPOS, CIEND and CN of the right ALT (VCF 4.3 §3, 4.5 §3).

Until 4.3 SVLEN has "one value for each ALT allele" although its Number is `.`, and CIPOS and CIEND are one pair for
the line; since 4.4 they are a pair for each ALT, and END is the furthest end of any. A value that is not declared in a
way that gives an ALT its own is not used, and `problems` says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from fhir_bridge.adapters.genomics.checks import LineError
from fhir_bridge.adapters.genomics.line import Line
from fhir_bridge.adapters.genomics.values import decimal, whole

__all__ = ["Repeat", "Structure", "check_distinct", "read_repeats", "read_structure"]

_SPANNING = frozenset(("DEL", "DUP", "INV", "CNV"))
_ALWAYS_AN_EXTENT = frozenset(("DEL", "DUP"))
"""Until 4.3 SVLEN is a difference of lengths, which is the extent of these two."""
_TYPES = frozenset(("DEL", "INS", "DUP", "INV"))
"""Values of SVTYPE that an ALT of another of them contradicts."""
_MOTIF = re.compile(r"[ACGTUNRYKMSWBDHVacgtunrykmswbdhv]+")
_CLAUSE = "(VCF 4.3 §3)"
Pair = tuple[int, int]


class Repeat(NamedTuple):
    """A motif of a tandem repeat and how often it occurs; `order` from 1, by which the two are told as one."""

    order: int
    motif: str
    number: Decimal | None


@dataclass(frozen=True, slots=True)
class Structure:
    """What a line says of one symbolic ALT.

    Attributes:
        end: its last position; None where nothing says it, or where it lies on another contig (CHR2).
        length: its SVLEN as written.
        imprecise: its ends are estimates.
        position_interval, end_interval: confidence around POS and END, as far as it can be used.
        bounded: the intervals show what it surely changes; not without any, or where one can't be used as it is given.
        begins: where it begins at the earliest, if it says so and not where it ends.
        mate: where it ends on another contig (CHR2 and END), of which POS is the only place here.
        identity: what distinguishes it from another ALT of the same symbol at the same POS, to be added to a key.
        problems: what can't be used as declared, for people.
    """

    end: int | None
    length: int | None
    imprecise: bool
    position_interval: Pair
    end_interval: Pair
    identity: str
    problems: tuple[str, ...]
    bounded: bool = True
    begins: int | None = None
    mate: tuple[str, int] | None = None


def read_structure(line: Line, number: int) -> Structure:
    """What a line says of its symbolic ALT `number` (from 1); of a breakend how exact its place is."""
    reader = _Reader(line, number)
    return reader.read() if reader.kind else reader.read_breakend()


def check_distinct(line: Line) -> None:
    """A symbolic ALT occurs twice on a line only where something distinguishes the two.

    Raises:
        LineError: an ALT is given twice.
    """
    texts = [alternate.text for alternate in line.alternates]
    if len(set(texts)) == len(texts):
        return
    identities = [
        (alternate.text, read_structure(line, number).identity if alternate.kind == "symbolic" else "")
        for number, alternate in enumerate(line.alternates, 1)
    ]
    if len(set(identities)) < len(identities):
        raise LineError("FB-VCF-026", "an ALT is given twice, and nothing distinguishes the two")


def read_repeats(line: Line, number: int) -> list[Repeat]:
    """The motifs of a tandem repeat with their counts in ALT `number`: `<CNV:TR>` (VCF 4.4 §3: RN, RUS, RUC), and
    `<STR12>` with RU, as ExpansionHunter writes it."""
    symbol = line.alternates[number - 1].symbol
    if symbol[:1] == ("STR",):
        motif = line.text("RU")
        count = decimal(symbol[1][3:]) if len(symbol) > 1 else None
        return [Repeat(1, motif.upper(), count)] if motif and _MOTIF.fullmatch(motif) else []
    if symbol[:2] != ("CNV", "TR"):
        return []
    motifs, counts = (_part(line, key, number) for key in ("RUS", "RUC"))
    if not motifs or (counts and len(counts) != len(motifs)):
        return []
    texts = counts or ["."] * len(motifs)
    return [
        Repeat(order, motif.upper(), decimal(text))
        for order, (motif, text) in enumerate(zip(motifs, texts, strict=True), 1)
        if _MOTIF.fullmatch(motif)
    ]


def _part(line: Line, key: str, number: int) -> list[str]:
    """The values of a list that has as many for each ALT as INFO/RN says, one where there is none; of one ALT."""
    counts = [whole(part) or 0 for part in (line.text("RN") or "").split(",")]
    if line.text("RN") is None:
        counts = [1] * len(line.alternates)
    values = (line.text(key) or "").split(",")
    if len(counts) != len(line.alternates) or len(values) != sum(counts):
        return []
    first = sum(counts[: number - 1])
    return values[first : first + counts[number - 1]]


class _Reader:
    def __init__(self, line: Line, number: int) -> None:
        self.line = line
        self.number = number
        self.kind = "".join(line.alternates[number - 1].symbol[:1])
        self.several = len(line.alternates) > 1
        self.new = line.file.header.version >= "VCFv4.4"
        self.problems: list[str] = []
        self.bounded = True

    def read(self) -> Structure:
        line = self.line
        mate = line.text("CHR2")
        away = mate is not None and mate != line.chrom
        own_length = self._own("SVLEN")
        length = whole(own_length or "")
        end = None if away else self._end(own_length)
        position = self._interval("CIPOS")
        around_end = self._interval("CIEND")
        if self.new and around_end == () and position:
            around_end = position
        if around_end and self.several and end != line.end and self._pair_of_line("CIEND"):
            self.problems.append(f"INFO/CIEND is one pair, around the END of the line {_CLAUSE}")
            around_end = None
        identity = self._identity(end, length, mate if away else None)
        if end is not None and end > line.file.header.last_position(line.chrom):
            self.problems.append("the length of the ALT goes beyond the end of the contig")
            end = None
        self._check_type()
        own = self.new and bool(position)
        flagged = "IMPRECISE" in line.raw_info and not (own and position == (0, 0))
        unusable = position is None or around_end is None
        imprecise = flagged or unusable or any(position or ()) or any(around_end or ())
        self.bounded = self.bounded and not unusable
        self.bounded = self.bounded and bool(position or around_end or not flagged)
        around = self._around(position, line.pos)
        if around_end and end is not None:
            last = line.file.header.last_position(line.chrom)
            around_end = self._within(around_end, "CIEND", None, last - 1 - end)
        begins = None
        if end is None and self.kind != "INS" and not (away and self.kind not in _SPANNING):
            begins = line.pos + 1 + around[0]
        return Structure(
            end,
            length,
            imprecise,
            around,
            around_end or (0, 0),
            identity,
            tuple(self.problems),
            self.bounded,
            begins,
            (mate, line.end) if away and mate is not None and line.end is not None else None,
        )

    def read_breakend(self) -> Structure:
        """How exact the place of a breakend is; where its mate is its ALT says."""
        line = self.line
        position = self._interval("CIPOS")
        imprecise = position is None or any(position) or "IMPRECISE" in line.raw_info
        around = self._around(position, line.pos)
        return Structure(None, None, imprecise, around, (0, 0), "", tuple(self.problems), bounded=False)

    def _around(self, position: Pair | tuple[()] | None, place: int) -> Pair:
        """The confidence around POS within the contig."""
        return self._within(position, "CIPOS", -place, None) if position else (0, 0)

    def _check_type(self) -> None:
        """Note an SVTYPE that is of none of the line's ALTs: the ALT counts."""
        text = self.line.text("SVTYPE")
        kinds = {alternate.symbol[0] for alternate in self.line.alternates if alternate.symbol}
        if text is not None and text.partition(":")[0] in _TYPES - kinds and kinds <= _TYPES:
            self.problems.append(f"INFO/SVTYPE is {text}, and ALT says <{self.kind}>, which counts")

    def _within(self, pair: Pair, key: str, lowest: int | None, highest: int | None) -> Pair:
        """An interval without what is beyond the contig."""
        low = pair[0] if lowest is None else max(pair[0], lowest)
        high = pair[1] if highest is None else min(pair[1], highest)
        if (low, high) == pair:
            return pair
        self.problems.append(f"INFO/{key} goes beyond the contig, where its bound is stated")
        return low, max(low, high)

    def _own(self, key: str) -> str | None:
        """The value of a key that has one for each ALT, for this one; `.` where there is none, None if unknown."""
        line = self.line
        if key in line.lost:
            return None
        text = line.text(key)
        if text is None:
            return "."
        definition = line.file.header.info_definition(key)
        layout = definition.layout if definition and definition.numeric else ""
        parts = text.split(",")
        if layout in ("A", ".") and len(parts) == len(line.alternates):
            return parts[self.number - 1]
        if layout == "1" and not self.several and len(parts) == 1:
            return text
        declared = definition.declaration if definition else "undeclared"
        self.problems.append(
            f"INFO/{key} ({declared}, {len(parts)} values) is not a number for each ALT {_CLAUSE}"
        )
        return None

    def _end(self, own: str | None) -> int | None:
        """The end of the ALT: by its own length on a line with several ALTs, else END, else by its length."""
        line = self.line
        end, length = line.end, whole(own or "")
        if end is None and line.text("END") is not None:
            self.problems.append(f"INFO/END is not declared as one Integer {_CLAUSE}")
        if self.kind == "INS":
            return None if self.several else end
        measured = None
        if length and self.kind in _SPANNING:
            measured = line.pos + abs(length)
        if self.kind not in _SPANNING:
            return end
        if not self.several:
            return self._agreed(end, measured)
        # Until 4.3 the length of an INV or CNV is a difference, which is none of their extents.
        if measured is not None and (self.new or self.kind in _ALWAYS_AN_EXTENT or end is None):
            return measured
        # END is of the line: an ALT whose own length can't be read may end before it.
        return None if own is None else end

    def _agreed(self, end: int | None, measured: int | None) -> int | None:
        """The end by END and by SVLEN, which counts since 4.4; until then END does, but for one that is POS."""
        if end is not None and end <= self.line.pos:
            self.problems.append(f"INFO/END is POS, which is no extent of <{self.kind}>: it is left out")
            end = None
            if not self.new and self.kind not in _ALWAYS_AN_EXTENT:
                return None
        if end is None or measured is None:
            return measured if end is None else end
        # Programs until 4.3 differ by one in how they count.
        comparable = self.new or self.kind in _ALWAYS_AN_EXTENT
        if comparable and abs(end - measured) > (not self.new):
            counts = "SVLEN" if self.new else "END"
            self.problems.append(f"INFO/END is {end}, and by SVLEN it would be {measured}: {counts} counts")
        return measured if self.new else end

    def _pair_of_line(self, key: str) -> bool:
        definition = self.line.file.header.info_definition(key)
        return definition is not None and definition.number == "2"

    def _interval(self, key: str) -> Pair | tuple[()] | None:
        """Confidence around a position: this ALT's own pair, or the line's; empty where there is none."""
        line = self.line
        if key in line.lost:
            return None
        text = line.text(key)
        if text is None:
            return ()
        definition = line.file.header.info_definition(key)
        parts = text.split(",")
        if definition is not None and definition.kind == "Integer":
            if definition.number == "2" and len(parts) == 2:
                return self._pair(key, parts)
            if definition.number == "." and len(parts) == 2 * len(line.alternates):
                return self._pair(key, parts[2 * self.number - 2 : 2 * self.number])
        declared = definition.declaration if definition else "undeclared"
        self.problems.append(
            f"INFO/{key} ({declared}) has {len(parts)} values, not a pair for the ALT {_CLAUSE}"
        )
        return None

    def _pair(self, key: str, parts: list[str]) -> Pair | tuple[()]:
        low, high = whole(parts[0]), whole(parts[1])
        if low is None or high is None:
            return ()
        if low > high:
            self.bounded = False
            self.problems.append(f"INFO/{key} has its ends exchanged: nothing is surely within them")
            low, high = high, low
        return low, high

    def _identity(self, end: int | None, length: int | None, mate: str | None) -> str:
        parts: list[str] = []
        if mate is not None:
            parts.append(f"{mate}:{self.line.end}")
        elif end is not None:
            parts.append(str(end))
        if length is not None and (self.kind == "INS" or (end is None and mate is None)):
            parts.append(f"SVLEN={abs(length)}")
        if self.kind == "CNV":
            parts += self._copies()
        return "".join(f":{part}" for part in parts)

    def _copies(self) -> list[str]:
        """Copy number and repeats of the ALT itself (4.4: INFO/CN, RN, RUS, RUC)."""
        parts = []
        copies = decimal(self._own("CN") or ".")
        if copies is not None:
            parts.append(f"CN={copies.normalize():f}")
        if self.line.text("RN") is not None:
            lists = {key: _part(self.line, key, self.number) for key in ("RUS", "RUC")}
            parts += [f"{key}={','.join(values)}" for key, values in lists.items() if values]
        return parts
