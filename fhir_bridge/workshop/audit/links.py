"""Values that arrived as something else one to one: an authority as its system, an identifier as a reference.

A site's own rules make `HOSP` a URI and a patient's number the id of a Patient. What they are is not known to an audit;
whether each value always became the same thing, and no two became one, is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Final

from fhir_bridge.workshop.audit.contexts import Contexts
from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf, Pool
from fhir_bridge.workshop.audit.leaves import AUTHORITIES, Role, SourceLeaf, SourceRecord

__all__ = ["Links", "candidates"]

_AS_THEY_ARE: Final = frozenset(("series", "instance", "content item", "annotation", "variant"))
"""Units whose values no site translates: UIDs, what was measured, variants."""

_SEVERAL: Final = 3
"""How many pairs show that an identifier of a table became a reference."""

_MANY: Final = 5
_ALMOST: Final = 0.75
"""From how many on a code is what most of a value's became, and how large their share is: the others are reported."""

_NEARLY: Final = 0.9
"""The share of an identifier's values that became one reference each."""

Candidate = tuple[str, str]
"""Where (an element, and whose), and what is there."""


class Links:
    """What values of the whole audit may have become."""

    def __init__(self) -> None:
        self._targets: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        self._codes: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._values: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
        self._by_field: dict[tuple[str, str], dict[str, Counter[str]]] = {}

    def note(self, field: str, value: str, options: list[Candidate]) -> None:
        """Take what a value may have become."""
        for element, target in dict.fromkeys(options):
            self._targets[field, element, value][target] += 1
            self._values[field, element, target][value] += 1
            self._codes[field, element].add(target)

    def is_link(self, leaf: SourceLeaf, options: list[Candidate]) -> bool:
        """Whether a value became one thing each time, and nothing else became it; a code, where there are several."""
        field, value = leaf.field, leaf.value
        return any(
            _is_rule(self._targets[field, element, value], target, element)
            and _is_rule(self._values[field, element, target], value, element)
            and (leaf.role is Role.AUTHORITY or len(self._codes[field, element]) > 1)
            and (leaf.role in (Role.AUTHORITY, Role.CODE) or self._is_usual(field, element))
            for element, target in options
        )

    def _is_usual(self, field: str, element: str) -> bool:
        """Whether several values of a field, each of several rows, always became one thing each: what is there once
        goes with anything that is there once."""
        pairs = self._pairs(field, element)
        rules = [
            targets for targets in pairs.values() if _is_rule(targets, targets.most_common(1)[0][0], element)
        ]
        again = [targets for targets in rules if targets.total() > 1]
        return len(again) >= _SEVERAL and len(rules) >= _NEARLY * len(pairs)

    def _pairs(self, field: str, element: str) -> dict[str, Counter[str]]:
        if (field, element) not in self._by_field:
            self._by_field[field, element] = {
                value: targets
                for (name, path, value), targets in self._targets.items()
                if (name, path) == (field, element)
            }
        return self._by_field[field, element]


def _is_rule(counts: Counter[str], one: str, element: str) -> bool:
    """Whether it is one thing each time; of what a result is of, but for a few of many."""
    if len(counts) == 1:
        return True
    return (
        element.endswith(".code.coding.code")
        and counts.total() >= _MANY
        and counts[one] >= _ALMOST * counts.total()
    )


def candidates(leaf: SourceLeaf, record: SourceRecord, pool: Pool, contexts: Contexts) -> list[Candidate]:
    """What a value that is nowhere may have become."""
    own = contexts.own[leaf.unit]
    if record.units[leaf.unit].name in _AS_THEY_ARE:
        return []
    if leaf.role is Role.AUTHORITY and record.units[leaf.unit].name == "row":
        return [
            ("system", other.text)
            for place in sorted(own)
            for other in pool.resources[place].leaves
            if other.path.endswith((".identifier.system", ".reference"))
        ]
    if leaf.role in (Role.CODE, Role.TEXT) and record.units[leaf.unit].name == "row":
        return [
            (other.path, other.text)
            for place in sorted(own)
            for other in pool.resources[place].leaves
            if other.element in ("code", "status", "gender", "class", "type", "use")
        ]
    if leaf.role is Role.AUTHORITY and leaf.table == AUTHORITIES:
        return [
            ("system", sibling.text)
            for match in _identifier(leaf, record, contexts)
            for sibling in match.resource.holders[match.holder]
            if sibling.element == "system" and ":" in sibling.text
        ]
    if leaf.role is Role.ID and record.units[leaf.unit].name == "row":
        return [
            (other.path, other.text)
            for place in sorted(own)
            for other in pool.resources[place].leaves
            if other.element == "reference"
        ]
    return []


def _identifier(leaf: SourceLeaf, record: SourceRecord, contexts: Contexts) -> list[FhirLeaf]:
    """The elements that have the identifier beside an authority."""
    return [
        match
        for other in record.units[leaf.unit].leaves
        if other.part == leaf.part and other.role is Role.ID
        for match in contexts.matching(other)
        if match.element == "value"
    ]
