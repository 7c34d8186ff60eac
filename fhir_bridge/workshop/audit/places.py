"""Where a value of the source counts as arrived: the resources it belongs to, the elements that can hold it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from fhir_bridge.workshop.audit.comparison import contains
from fhir_bridge.workshop.audit.contexts import Contexts
from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf, Pool
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf, SourceRecord, SourceUnit
from fhir_bridge.workshop.audit.stated import is_negated, states
from fhir_bridge.workshop.normal_forms import folded, number, words

__all__ = ["CODE_ELEMENTS", "ELEMENTS", "Places"]

CODE_ELEMENTS: Final = re.compile(
    r"\.(code|value|valueCode|valueString|valueCoding|display|text|status|use|system|type|gender|class|priority"
    r"|unit|currency|category|criticality|severity|when|intent|language|docStatus|value[A-Z]\w*|periodUnit"
    r"|durationUnit|mode|active|\w*Boolean|onHold|contentType|rank|description|suffix|prefix)$"
)
_NOT_CODES: Final = re.compile(
    r"identifier\.value$|\.id$|\.line$|\.family$|\.given$|referenceRange|telecom\.value$"
)
_NOT_RESULTS: Final = re.compile(
    r"referenceRange|effective|issued|identifier|\.id$|\.code\.|performer|telecom|status$"
)
ELEMENTS: Final = {
    "PID-8": re.compile(r"gender|extension"),
    "PID-16": re.compile(r"maritalStatus|extension"),
    "PID-24": re.compile(r"multipleBirth|extension"),
    "PID-25": re.compile(r"multipleBirth|extension"),
    "PID-30": re.compile(r"deceased|extension"),
    "PV1-2": re.compile(r"class|extension|type"),
    "OBX-8": re.compile(r"interpretation|extension"),
    "FT1-10": re.compile(r"quantity|extension|note"),
    "DG1-6": re.compile(r"diagnosis|category|extension|verification|clinical|use"),
}
"""Fields whose short values count only in their own elements, or where an engine keeps what has none."""
_WORDED: Final = frozenset((Role.TEXT, Role.DISPLAY, Role.CODE, Role.NUMBER))
"""What is read out of a longer text only where that says the same."""
_OF_PARTIES: Final = frozenset((Role.ID, Role.NAME, Role.ADDRESS, Role.PHONE, Role.AUTHORITY, Role.TIME))


class Places:
    """The places of one record's values."""

    def __init__(self, record: SourceRecord, pool: Pool, contexts: Contexts) -> None:
        self.record, self.pool, self.contexts = record, pool, contexts
        self.claimed = {place for place in contexts.primary if place is not None}

    def inside(self, leaf: SourceLeaf) -> list[FhirLeaf]:
        """The FHIR leaves with the value that are where the leaf belongs."""
        contexts, unit = self.contexts, self.record.units[leaf.unit]
        seen = [
            match
            for match in contexts.matching(leaf)
            if match.resource.index not in contexts.others
            and _compatible(leaf, match)
            and self.is_stated(leaf, match.text)
        ]
        scope = contexts.scopes[leaf.unit]
        short = len(leaf.value) < 5
        if leaf.field.startswith("OBX-3"):
            seen = [match for match in seen if not self._is_of_order(leaf, match)]
        elif (
            contexts.primary[leaf.unit] is None and unit.types and unit.name != "OBX" and leaf.role in _WORDED
        ):
            seen = [match for match in seen if not self._is_of_another(leaf, match)]
        if unit.name == "OBX" and leaf.field.startswith("OBX-5"):
            own = contexts.own[leaf.unit] or scope
            return [
                match
                for match in seen
                if match.resource.index in own
                and not _NOT_RESULTS.search(match.path.split(".", 1)[-1])
                and contexts.is_of_result(leaf.unit, match)
            ]
        home = contexts.parts.get(leaf.part, frozenset())
        if home and short and leaf.role in (Role.NAME, Role.CODE, Role.ADDRESS, Role.AUTHORITY):
            return [match for match in seen if match.resource.index in home]
        inside = [match for match in seen if match.resource.index in scope or self._mentioned(leaf, match)]
        if inside or not seen:
            return inside
        if not scope:
            return seen if len(leaf.value) >= 4 else []
        if not short and (unclaimed := [match for match in seen if self._unclaimed(leaf, match)]):
            return unclaimed
        if leaf.role in _OF_PARTIES:
            return [
                match
                for match in seen
                if match.resource.index in home
                or (not home and not short and contexts.is_party(match.resource))
            ]
        if not short and leaf.role in (Role.DISPLAY, Role.TEXT) and not unit.types:
            return seen
        return []

    def _is_of_order(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether the code of a result is in what its order became, which may have the same one; its own counts."""
        own = self.contexts.own[leaf.unit]
        return (
            match.resource.index in self._orders
            and (
                match.resource.index != self.contexts.primary[leaf.unit] or not self._has_result(leaf, match)
            )
            and bool(own)
        )

    def _is_of_another(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether a value is in what a segment of another name became, which has it too; this one became nothing."""
        unit = self.record.units[leaf.unit]
        return match.resource.type not in (*unit.types, "Patient", "Encounter") and any(
            other.name != unit.name and any(each.value == leaf.value for each in other.leaves)
            for other in self._became.get(match.resource.index, ())
        )

    @cached_property
    def _became(self) -> dict[int, list[SourceUnit]]:
        """Resource -> the segments that became it."""
        results: dict[int, list[SourceUnit]] = defaultdict(list)
        for place, unit in zip(self.contexts.primary, self.record.units, strict=True):
            if place is not None:
                results[place].append(unit)
        return results

    def _has_result(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether a resource has the value of the result whose code a leaf is."""
        return any(
            other.resource is match.resource
            for each in self.record.units[leaf.unit].leaves
            if each.field.startswith("OBX-5")
            for other in self.contexts.matching(each)
        )

    @cached_property
    def _orders(self) -> frozenset[int]:
        """The resources that orders became."""
        return frozenset(
            place
            for place, unit in zip(self.contexts.primary, self.record.units, strict=True)
            if place is not None and unit.name in ("OBR", "ORC")
        ) | frozenset(
            place
            for own, unit in zip(self.contexts.own, self.record.units, strict=True)
            if unit.name in ("OBR", "ORC")
            for place in own
            if self.pool.resources[place].type in ("ServiceRequest", "DiagnosticReport")
        )

    def is_stated(self, leaf: SourceLeaf, text: str) -> bool:
        """Whether a text says a value, not its opposite; of a result, no more than the source does."""
        if leaf.role not in _WORDED or folded(text) == folded(leaf.value):
            return True
        if not contains(text, leaf.value) or number(text) is not None:
            return True  # in another form: a translation, a number
        if is_negated(text, leaf.value, self._words_of_units[leaf.unit]):
            return False
        result = leaf.field.startswith("OBX-5") or self.record.units[leaf.unit].name == "row"
        return not result or states(text, leaf.value, self._words)

    @cached_property
    def _words_of_units(self) -> list[frozenset[str]]:
        return [
            frozenset(word for leaf in unit.leaves for word in words(leaf.value))
            for unit in self.record.units
        ]

    @cached_property
    def _words(self) -> frozenset[str]:
        """The words of all values, and of the names of columns."""
        names = {
            word
            for unit in self.record.units
            if unit.name == "row"
            for leaf in unit.leaves
            for word in words(leaf.field)
        }
        return frozenset(names.union(*self._words_of_units))

    def _unclaimed(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether a value is in a resource about the unit's that no segment became: the race as an Observation."""
        contexts, resource = self.contexts, match.resource
        return (
            resource.index not in self.claimed
            and resource.type in ("Observation", "Provenance")
            and not contexts.own[leaf.unit].isdisjoint(resource.references)
        )

    def _mentioned(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether a value is in an object that another resource has about this unit's."""
        objects = self.contexts.mentions[leaf.unit].get(match.resource.index)
        return objects is not None and len(match.chain) > 1 and match.chain[1] in objects

    def scoped(self, leaf: SourceLeaf) -> Iterator[FhirLeaf]:
        """The FHIR leaves of the resources that the leaf belongs to."""
        scope = self.contexts.scopes[leaf.unit]
        if self.record.units[leaf.unit].name == "OBX":
            scope = self.contexts.own[leaf.unit]
        for place in sorted(scope):
            for other in self.pool.resources[place].leaves:
                if self.contexts.is_of_result(leaf.unit, other):
                    yield other


def _compatible(leaf: SourceLeaf, match: FhirLeaf) -> bool:
    """Whether the element can hold such a value, so that short ones are not found by chance."""
    path = match.path
    if ".meta.extension" in path and not leaf.field.startswith(("MSH", "EVN")):
        return False  # what is kept about the source record says nothing of its values
    place = ELEMENTS.get(leaf.field.split(".")[0]) if len(leaf.value) < 6 else None
    if place is not None and not place.search(path):
        return False
    if leaf.role is Role.NUMBER:
        if len(leaf.value) < 4 and re.search(
            r"identifier|telecom\.value|address|\.code$|\.id$|\.name|description", path
        ):
            return False
        return match.number is not None or contains(match.text, leaf.value)
    if leaf.role in (Role.CODE, Role.YES_NO, Role.STATUS, Role.SYSTEM):
        if len(leaf.value) <= 3 and _NOT_CODES.search(path):
            return path.endswith("identifier.value") and len(leaf.value) > 1 and match.text == leaf.value
        return bool(CODE_ELEMENTS.search(path)) or len(leaf.value) > 3
    if leaf.role is Role.NAME and len(leaf.value) <= 3:
        return bool(re.search(r"name|value|text|display", path, re.IGNORECASE))
    if leaf.role in (Role.TEXT, Role.DISPLAY, Role.ADDRESS) and len(leaf.value) <= 2:
        return folded(match.text) == folded(leaf.value) or "text" in path or "address" in path
    return True
