"""What a file's lines say that no rule represents: counted by INFO key, FORMAT key and column, reported at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

from fhir_bridge.adapters.genomics.alleles import Alternate
from fhir_bridge.adapters.genomics.annotation import ConsequenceFormat
from fhir_bridge.adapters.genomics.file import VcfFile
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Layout, Line
from fhir_bridge.adapters.genomics.local_alleles import LOCAL
from fhir_bridge.adapters.genomics.sources import SYMBOLIC, represented
from fhir_bridge.adapters.genomics.tiers import TIERED
from fhir_bridge.fhir.issues import Issue

__all__ = ["Unread"]

_K = TypeVar("_K")
Left = tuple[tuple[str, str], ...]
"""Keys that no rule represents, each with its name for people."""

_MANY: Final = 5_000
"""Sets of keys that are remembered, and keys that are counted by name."""

_CLINVAR: Final = frozenset("CLNSIG CLNREVSTAT CLNDN CLNDISDB CLNVID".split())
_NONE: Final[frozenset[str]] = frozenset()
_BREAKEND: Final = "BND"
_CHOICE: Final = frozenset(("allele", "allele_num", "dna_change", "given_ref"))
"""Fields of an annotation that say which ALT it is of."""


class Unread:
    """Counts the values of a file that no rule represents, of lines that became resources.

    Memory is a number for each key; a line costs a look-up by the keys that it has.
    """

    def __init__(self, file: VcfFile, selectors: Iterable[str], ignored: Iterable[str]) -> None:
        self._file = file
        self._read = represented(selectors)
        self._ignored = frozenset(ignored)
        self._info: dict[tuple[tuple[str, ...], frozenset[str], bool], Left] = {}
        self._formats: dict[tuple[str, bool], Left] = {}
        self._counts: Counter[str] = Counter()
        self._annotations = file.consequences if file.options.consequences else ()
        self._keys = [each.key for each in self._annotations]
        self._annotated: Counter[str] = Counter()
        self._others: Counter[str] = Counter()
        self._whole: dict[Left, int] = {}
        self._alike: dict[Layout, int] = {}
        self._fixed = {"QUAL", "FILTER"} <= self._read

    def count(self, line: Line) -> None:
        """Count what is left of a line."""
        layout, columns = line.layout, line.columns
        if layout is None or not self.count_text(layout, "\t".join(columns), columns[2]):
            self._count(line)

    def count_text(self, layout: Layout, text: str, identifiers: str) -> bool:
        """Count what is left of a line of the usual form by its text; False of one that has to be read for that."""
        if (
            not self._fixed
            or "=." in text
            or ":." in text
            or "::" in text
            or text.count(":", text.rfind("\t")) != layout.width
        ):
            return False
        self._alike[layout] = self._alike.get(layout, 0) + 1
        if identifiers != "." and not self._identified(identifiers, several=False):
            self._counts["ID"] += 1
        return True

    def _count(self, line: Line) -> None:
        alternates = line.alternates
        several = len(alternates) > 1
        raw = line.raw_info
        columns = line.columns
        symbols = _NONE
        if not columns[4].isalpha():
            symbols = frozenset(_symbols(alternates))
        counts = self._counts
        keys = (tuple(raw), symbols, several)
        left = self._info.get(keys)
        if left is None:
            left = self._remember(self._info, keys, self._left_of_info(*keys))
        if "=." not in columns[7]:  # all values are there: they are counted together
            self._whole[left] = self._whole.get(left, 0) + 1
        else:
            for key, name in left:
                if raw[key] != ".":
                    counts[name] = counts.get(name, 0) + 1
        layout = (columns[8], bool(symbols))
        left = self._formats.get(layout)
        if left is None:
            left = self._remember(self._formats, layout, self._left_of_format(*layout))
        for key, name in left:
            for call in line.calls:
                if call.fields.get(key, ".").strip(".,"):
                    counts[name] = counts.get(name, 0) + 1
        if columns[2] != "." and not self._identified(columns[2], several=several):
            counts["ID"] += 1
        for column, name in ((5, "QUAL"), (6, "FILTER")):
            if name not in self._read and columns[column] != ".":
                counts[name] += 1
        counting = self._counting(raw)
        if counting is not None:
            self._annotated[counting] += 1
            text = raw[counting]
            if self._file.options.transcripts == "chosen":
                self._others[counting] += isinstance(text, str) and text.count(",") >= len(alternates)
        if len(counts) > _MANY or len(self._whole) > _MANY:
            self._add_whole()
            self._fold()

    def _counting(self, keys: Container[str]) -> str | None:
        """The consequence annotation of a line that counts: the first that it has."""
        return next((key for key in self._keys if key in keys), None)

    @property
    def state(self) -> dict[str, Any]:
        """What was counted, as JSON."""
        self._add_whole()
        return {
            "counts": dict(self._counts),
            "annotated": dict(self._annotated),
            "others": dict(self._others),
        }

    def add(self, state: Mapping[str, Any]) -> None:
        """Add what another one counted of the same file."""
        self._counts.update(state["counts"])
        self._annotated.update(state["annotated"])
        self._others.update(state["others"])

    def _add_whole(self) -> None:
        for layout, count in self._alike.items():
            left = self._left_of_info(layout.info, _NONE, several=False)
            self._whole[left] = self._whole.get(left, 0) + count
            for _, name in self._left_of_format(layout.format, symbolic=False):
                self._counts[name] += count
        self._alike.clear()
        for left, count in self._whole.items():
            for _, name in left:
                self._counts[name] += count
        self._whole.clear()

    def _fold(self) -> None:
        """Of a file with keys without end, the rarest are counted together."""
        for key, count in self._counts.most_common()[_MANY // 2 :]:
            del self._counts[key]
            self._counts["(further keys)"] += count

    @staticmethod
    def _remember(cache: dict[_K, Left], key: _K, left: Left) -> Left:
        if len(cache) >= _MANY:
            cache.clear()
        cache[key] = left
        return left

    def _identified(self, identifiers: str, *, several: bool) -> bool:
        """Whether all of ID is represented: dbSNP's ids of the only ALT, or whatever it is."""
        if "ID as written" in self._read:
            return True
        return (
            "ID" in self._read
            and not several
            and all(name[:2] == "rs" and name[2:].isdecimal() for name in identifiers.split(";"))
        )

    def _left_of_info(self, keys: tuple[str, ...], symbols: frozenset[str], several: bool) -> Left:
        return tuple((key, f"INFO/{key}") for key in keys if not self._takes(key, keys, symbols, several))

    def _takes(self, key: str, keys: tuple[str, ...], symbols: frozenset[str], several: bool) -> bool:
        """Whether a rule represents an INFO key of a line, by the other keys and the symbolic alleles that it has."""
        file = self._file
        if key in self._keys:
            return key == self._counting(keys) and any(
                source.startswith("annotation/") for source in self._read
            )
        source = f"INFO/{key}"
        if source not in self._read or (source in SYMBOLIC and not symbols):
            return False
        if source in SYMBOLIC:
            return _extends(key, keys, symbols, several)
        if key == "GENEINFO":
            return self._counting(keys) is None
        if key == "SOMATIC":
            return file.somatic is not None and not file.options.source_class
        if key == "RS":
            declared = file.header.info.get("RS")
            return not several and declared is not None and "dbsnp" in declared.description.lower()
        if key in _CLINVAR:
            definition = file.header.info.get("CLNSIG")
            tied = not several or (definition is not None and definition.number == "A")
            return "CLNSIG" in keys and tied
        return True

    def _left_of_format(self, layout: str, symbolic: bool) -> Left:
        keys = layout.split(":")
        left = []
        for key in keys:
            source = f"FORMAT/{key}"
            if (
                source not in self._read
                or (source in SYMBOLIC and not symbolic)
                or (key == "VAF" and "AF" in keys)
                or (key in LOCAL and ("AD" in keys or not self._file.local))
                or (key in TIERED and ("AD" in keys or key not in self._file.tiers))
            ):
                left.append((key, source))
        return tuple(left)

    def issues(self) -> Iterator[Issue]:
        """What no rule represents, the most frequent first; what the mapping ignores by name, apart."""
        self._add_whole()
        for name, count in self._counts.most_common():
            if name in self._ignored:
                yield issue("FB-VCF-087", f"the mapping leaves out {name} (values: {count})", self._file.name)
            else:
                yield issue("FB-VCF-086", f"no rule represents {name} (values: {count})", self._file.name)
        for annotation in self._annotations:
            if self._annotated[annotation.key]:
                yield from self._left_of_annotation(annotation)

    def _left_of_annotation(self, annotation: ConsequenceFormat) -> Iterator[Issue]:
        """What no rule represents of the consequence annotation, field by field."""
        annotated, others = self._annotated[annotation.key], self._others[annotation.key]
        known = {index: name for name, index in annotation.fields.items()}
        left = [
            shown
            for index, shown in enumerate(annotation.names)
            if known.get(index) not in _CHOICE and f"annotation/{known.get(index)}" not in self._read
        ]
        code = "FB-VCF-087" if f"INFO/{annotation.key}" in self._ignored else "FB-VCF-086"
        if left:
            text = f"no rule represents of INFO/{annotation.key} (values: {annotated}): {', '.join(left)}"
            yield issue(code, text, self._file.name)
        if others:
            text = f"of INFO/{annotation.key} one effect is represented, of several (values: {others})"
            yield issue(code, text, self._file.name)


def _symbols(alternates: Sequence[Alternate]) -> Iterator[str]:
    """What symbolic alleles and breakends of a line are."""
    for each in alternates:
        if each.kind in ("symbolic", "breakend"):
            yield each.symbol[0] if each.symbol else _BREAKEND


def _extends(key: str, keys: tuple[str, ...], symbols: frozenset[str], several: bool) -> bool:
    """Whether a key decides the extent of a symbolic allele (`structural.py`), or only repeats another one."""
    if symbols == {_BREAKEND}:
        return key in ("CIPOS", "IMPRECISE", "CN")
    intervals = "CIPOS" in keys or "CIEND" in keys
    if key == "END":
        return symbols != {"INS"} or (not several and (intervals or "IMPRECISE" in keys))
    if key == "SVLEN":
        return "INS" in symbols or several or "END" not in keys
    return key != "IMPRECISE" or not intervals
