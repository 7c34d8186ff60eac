"""What examples or a corpus exercise of a mapping: rules, branches, ConceptMap rows, and what no rule ever reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_bridge.fhir.ports import Concept, TerminologyPort, Translation
from fhir_bridge.mapping import CompiledMapping, Position
from fhir_bridge.workshop.explaining import explain_record
from fhir_bridge.workshop.traced import Traced

__all__ = ["KINDS", "Coverage", "CoveredItem", "LeafCount", "RecordingTerminology", "parse_thresholds"]

KINDS: Final = ("rules", "branches", "rows", "leaves")


@dataclass(slots=True)
class CoveredItem:
    """A rule or a branch, and how often it ran."""

    rule: str
    text: str
    position: Position
    count: int = 0


@dataclass(slots=True)
class LeafCount:
    """A selector of the source: how many values it had, how many some rule read, how many show in the output.

    Attributes:
        example: locator of the first record with a value that nothing read.
    """

    values: int = 0
    read: int = 0
    written: int = 0
    example: str = ""


@dataclass(slots=True)
class Coverage:
    """The coverage of one mapping.

    Attributes:
        rows: of each ConceptMap that was consulted: source codes that were translated.
        row_totals: how many rows each has.
    """

    mapping: CompiledMapping
    rules: dict[str, CoveredItem] = field(default_factory=dict)
    branches: dict[tuple[str, str, Position], CoveredItem] = field(default_factory=dict)
    rows: dict[str, set[str]] = field(default_factory=dict)
    row_totals: dict[str, list[str]] = field(default_factory=dict)
    leaves: dict[str, LeafCount] = field(default_factory=dict)
    records: int = 0

    def __post_init__(self) -> None:
        for plan in self.mapping.plans:
            self.rules[plan.name] = CoveredItem(plan.name, plan.name, plan.position)
            for use in plan.reads.uses:
                if use.role == "condition" and not use.element:
                    for text in (f"when {use.text}", f"when not ({use.text})"):
                        self._branch(plan.name, text, use.position)
            for branch in plan.reads.branches.values():
                self._branch(plan.name, branch.text, branch.position)

    def _branch(self, rule: str, text: str, position: Position, count: int = 0) -> None:
        key = (rule, text, position)
        self.branches.setdefault(key, CoveredItem(rule, text, position)).count += count

    def add(self, traced: Traced) -> None:
        """Count what a record exercised."""
        if traced.conversion is None:
            return
        self.records += traced.record.records
        for output in traced.conversion.outputs:
            self.rules[output.rule].count += 1
            applied = output.applied
            if applied is None:
                continue
            for number in set(applied.marks):
                branch = applied.reads.branches.get(number)
                if branch is not None:
                    self._branch(output.rule, branch.text, branch.position, 1)
            self._conditions(output.rule, applied.reads.uses, "when {}")
        for reads, _, _ in traced.refused:
            self._conditions(reads.rule, reads.uses, "when not ({})")
        for fate in explain_record(traced).leaves.values():
            label = _selector(fate.span.label)
            if label.isalnum() and label.isupper() and len(label) == 3:
                continue  # whether there is a segment, not a value of it
            count = self.leaves.setdefault(label, LeafCount())
            count.values += 1
            count.read += fate.fate not in ("unread", "idle")
            count.written += fate.fate == "written"
            if fate.fate in ("unread", "idle") and not count.example:
                count.example = traced.record.locator

    def _conditions(self, rule: str, uses: Iterable[Any], text: str) -> None:
        for use in uses:
            if use.role == "condition" and not use.element:
                self._branch(rule, text.format(use.text), use.position, 1)

    def add_rows(self, terminology: RecordingTerminology) -> None:
        """Take over which rows of ConceptMaps were used."""
        for name, codes in terminology.used.items():
            self.rows.setdefault(name, set()).update(codes)
            self.row_totals.setdefault(name, terminology.source_codes(name))

    def totals(self) -> dict[str, tuple[int, int]]:
        """Of each kind how many were exercised, of how many. A leaf is a selector that had a value."""
        rows = [code in self.rows[name] for name, codes in self.row_totals.items() for code in codes]
        return {
            "rules": (sum(item.count > 0 for item in self.rules.values()), len(self.rules)),
            "branches": (sum(item.count > 0 for item in self.branches.values()), len(self.branches)),
            "rows": (sum(rows), len(rows)),
            "leaves": (sum(count.read > 0 for count in self.leaves.values()), len(self.leaves)),
        }

    def percent(self, kind: str) -> float:
        """Of one kind; 100 where there is none of it."""
        covered, total = self.totals()[kind]
        return 100.0 * covered / total if total else 100.0

    def below(self, thresholds: Mapping[str, float]) -> dict[str, float]:
        """The kinds that stay below their thresholds, with what they reach."""
        return {
            kind: self.percent(kind)
            for kind, least in thresholds.items()
            if round(self.percent(kind), 1) < least
        }

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "mapping": self.mapping.name,
            "version": self.mapping.version,
            "records": self.records,
            "totals": {
                kind: {"covered": covered, "total": total, "percent": round(self.percent(kind), 1)}
                for kind, (covered, total) in self.totals().items()
            },
            "rules": [_item(item) for item in self.rules.values()],
            "branches": [_item(item) for item in self.branches.values()],
            "rows": {
                name: {"total": len(codes), "unused": [code for code in codes if code not in self.rows[name]]}
                for name, codes in self.row_totals.items()
            },
            "leaves": {
                label: {
                    "values": count.values,
                    "read": count.read,
                    "written": count.written,
                    **({"example": count.example} if count.example else {}),
                }
                for label, count in sorted(self.leaves.items())
            },
        }


def _item(item: CoveredItem) -> dict[str, Any]:
    return {"rule": item.rule, "text": item.text, "position": str(item.position), "count": item.count}


_POSITION = re.compile(r"\[\d+\]")


def _selector(label: str) -> str:
    """A value's label without the numbers of repetitions and segments, and without the sample."""
    return _POSITION.sub("", label.partition(" (")[0] if label.startswith("FORMAT.") else label)


def parse_thresholds(text: str) -> dict[str, float]:
    """`rules=90,branches=80` as percentages.

    Raises:
        ValueError: it names another kind, or no percentage.
    """
    thresholds: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        kind, equals, number = part.partition("=")
        if kind not in KINDS or not equals:
            raise ValueError(f'"{part}" is not one of {", ".join(KINDS)} with a percentage (rules=90)')
        try:
            thresholds[kind] = float(number.removesuffix("%"))
        except ValueError:
            raise ValueError(f'"{number}" is no percentage') from None
    return thresholds


class RecordingTerminology:
    """A terminology that notes which rows of ConceptMaps were used.

    Attributes:
        used: by url or name of the map the source codes that it was asked for and has.
    """

    def __init__(self, inner: TerminologyPort) -> None:
        self._inner = inner
        self.used: dict[str, set[str]] = {}

    def lookup(self, system: str, code: str) -> Concept | None:
        """As the terminology itself."""
        return self._inner.lookup(system, code)

    def knows_system(self, system: str) -> bool:
        """As the terminology itself."""
        return self._inner.knows_system(system)

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """As the terminology itself."""
        return self._inner.member(value_set, system, code)

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        """As the terminology itself; the maps that gave a target are noted."""
        results = self._inner.translate(system, code, targets)
        for result in results:
            self.used.setdefault(result.map_url, set()).add(code)
        return results

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        """As the terminology itself; the map is noted, and the code where it has it."""
        used = self.used.setdefault(concept_map, set())
        results = self._inner.translate_by_map(concept_map, code)
        if results:
            used.add(code)
        return results

    def source_codes(self, concept_map: str) -> list[str]:
        """The source codes of a map."""
        codes = getattr(self._inner, "source_codes", None)
        return list(codes(concept_map)) if codes is not None else []
