"""Where the values of a source unit belong in the FHIR: the resources that share its distinctive values."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Final

from fhir_bridge.workshop.audit.comparison import exact
from fhir_bridge.workshop.audit.fhir_pool import Allowed, FhirLeaf, Pool, PoolResource
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf, SourceRecord, SourceUnit
from fhir_bridge.workshop.audit.rows import resources_of_row

__all__ = ["Contexts"]

_WEIGHTS: Final = {
    Role.ID: 1.0,
    Role.NAME: 0.8,
    Role.TEXT: 0.8,
    Role.DISPLAY: 0.9,
    Role.CODE: 0.8,
    Role.ADDRESS: 0.7,
    Role.PHONE: 0.8,
    Role.TIME: 0.5,
    Role.AUTHORITY: 0.3,
    Role.NUMBER: 0.5,
    Role.CONTENT: 1.0,
    Role.VARIANT: 1.0,
}
_PARTIES: Final = frozenset(
    """Practitioner PractitionerRole Organization Location Device RelatedPerson Person Group Endpoint Substance
    Medication""".split()
)
"""Resources about who or what takes part: written once for all that refer to them."""
_HUBS: Final = frozenset(("Patient", "Encounter", "Bundle", "MessageHeader"))
_MANY: Final = 200
_FEW: Final = 8
_AROUND: Final = {
    **dict.fromkeys("PV1 PV2 PD1 NK1 GT1 IN1 IN2 DB1 ROL MRG ACC PDA ARV".split(), "PID"),
    **dict.fromkeys("RGS AIS AIG AIL AIP".split(), "SCH"),
}
"""Segments whose values are also written to the resource of another segment of the message."""
_OF_PARTS: Final = frozenset((Role.ID, Role.NAME, Role.PHONE, Role.ADDRESS, Role.AUTHORITY))


class Contexts:
    """The resources that each unit of a record may have been written to.

    Attributes:
        scopes: for each unit, numbers of the resources in which its short values count.
        primary: for each unit that has types of its own, the resource that it became.
        components: for results that are components of their resource, the objects that have their code.
        others: resources that are about a row's Patient and of other rows.
        shared: units that share their primary resource with an earlier unit of the same name.
    """

    def __init__(self, record: SourceRecord, pool: Pool, allowed: Allowed) -> None:
        self._record, self._pool, self._allowed = record, pool, allowed
        self.matches: dict[int, list[FhirLeaf]] = {}
        self._frequency: dict[str, int] = defaultdict(int)
        for unit in record.units:
            for value in {leaf.value for leaf in unit.leaves}:
                self._frequency[value] += 1
        self.scores: list[dict[int, float]] = [self._scores(unit) for unit in record.units]
        self.primary: list[int | None] = [None] * len(record.units)
        self.shared: dict[int, int] = {}
        self._assign()
        self.components: dict[int, frozenset[int]] = {}
        for number, unit in enumerate(record.units):
            if unit.name == "OBX" and (components := self._components(number, unit)):
                self.components[number] = components
        self.parts: dict[int, frozenset[int]] = self._homes_of_parts()
        self.own: list[frozenset[int]] = [self._own(n, unit) for n, unit in enumerate(record.units)]
        self.others: frozenset[int] = frozenset()
        if allowed.subjects:
            self._take_row()
        self.scopes: list[frozenset[int]] = [
            self._scope(n, unit) - self.others for n, unit in enumerate(record.units)
        ]
        self.mentions: list[dict[int, set[int]]] = [self._mentioned(own) for own in self.own]

    def _take_row(self) -> None:
        """The resources of a row whose Patient is known, beside what is about nobody."""
        unit = self._record.units[0]
        own, self.others = resources_of_row(unit, self.matching, self._pool, self._allowed)
        about = own | self.others
        self.own = [own | (self.own[0] - about), *self.own[1:]]

    def best(self, unit: int) -> list[int]:
        """The resources that share most with a unit."""
        if self._allowed.subjects:
            return sorted(self.own[unit])
        scores = self.scores[unit]
        most = max(scores.values(), default=0.0)
        return [place for place, score in sorted(scores.items()) if most and score >= 0.9 * most]

    def allows(self, resource: PoolResource) -> bool:
        """Whether a resource may be of this record."""
        return self._allowed.takes(resource)

    def is_party(self, resource: PoolResource) -> bool:
        """Whether a resource is about who or what takes part."""
        return resource.type in _PARTIES

    def matching(self, leaf: SourceLeaf) -> list[FhirLeaf]:
        """The FHIR leaves that have exactly the leaf's value."""
        if leaf.number not in self.matches:
            self.matches[leaf.number] = [
                match for match in exact(leaf, self._pool) if self.allows(match.resource)
            ]
        return self.matches[leaf.number]

    def _scores(self, unit: SourceUnit) -> dict[int, float]:
        scores: dict[int, float] = defaultdict(float)
        lone = {leaf.role for leaf in unit.leaves} - {Role.STRUCTURE} <= {Role.TIME, Role.CODE}
        for leaf in unit.leaves:
            if leaf.role is Role.TIME and not unit.types and not lone and len(leaf.value) <= 8:
                continue  # a date is on many things
            weight = _WEIGHTS.get(leaf.role, 0.0) * _distinctive(leaf)
            if not weight:
                continue
            places = {match.resource.index for match in self.matching(leaf)}
            if not places or len(places) > _MANY:
                continue
            weight /= math.sqrt(len(places) * self._frequency[leaf.value])
            for place in places:
                scores[place] += weight
        return scores

    def _assign(self) -> None:
        """Each unit its resource, best first; units of one name do not share one while another fits."""
        wanted: list[tuple[float, int, int]] = []
        for number, unit in enumerate(self._record.units):
            for place, score in self.scores[number].items():
                resource = self._pool.resources[place]
                if resource.type in unit.types:
                    bonus = self._code_bonus(unit, resource)
                    if bonus is None:
                        continue
                    wanted.append((-(score + bonus), number, place))
        wanted.sort()
        taken: dict[tuple[str, int], int] = {}
        for _, number, place in wanted:
            name = self._record.units[number].name
            if self.primary[number] is None and (name, place) not in taken:
                self.primary[number] = place
                taken[name, place] = number
        for _, number, place in wanted:
            if self.primary[number] is None:
                self.primary[number] = place
                self.shared[number] = taken[self._record.units[number].name, place]

    def _code_bonus(self, unit: SourceUnit, resource: PoolResource) -> float | None:
        """A result is in the resource that has its code; None where another code is there."""
        if unit.name != "OBX":
            return 0.0
        stated = False
        for leaf in unit.leaves:
            if leaf.field.startswith("OBX-3") and leaf.role in (Role.CODE, Role.DISPLAY, Role.TEXT):
                stated = True
                if any(
                    match.resource is resource and ".code." in match.path for match in self.matching(leaf)
                ):
                    return 2.0
        return None if stated else 0.0

    def _components(self, number: int, unit: SourceUnit) -> frozenset[int]:
        codes = [
            match
            for leaf in unit.leaves
            if leaf.field.startswith("OBX-3") and leaf.role in (Role.CODE, Role.DISPLAY, Role.TEXT)
            for match in self.matching(leaf)
            if match.resource.index == self.primary[number] and match.path.startswith("Observation.co")
        ]
        if any(match.path.startswith("Observation.code.") for match in codes):
            return frozenset()
        return frozenset(
            match.chain[1] for match in codes if match.path.startswith("Observation.component.code.")
        )

    def is_of_result(self, unit: int, match: FhirLeaf) -> bool:
        """Whether a leaf of a result's resource is of the result, not of another component of the resource."""
        components = self.components.get(unit)
        if not components or not match.path.startswith("Observation.component."):
            return not components or not match.path.startswith("Observation.value")
        return match.chain[1] in components

    def _own(self, number: int, unit: SourceUnit) -> frozenset[int]:
        scores = self.scores[number]
        primary = self.primary[number]
        if unit.name == "OBX" and primary is not None:
            return frozenset((primary,))
        best = max(scores.values(), default=0.0)
        own = {place for place, score in scores.items() if score >= 0.3 * best and score >= 0.15}
        if primary is not None:
            own.add(primary)
            resource = self._pool.resources[primary]
            own |= {  # an order and the report on it are of one segment, though one of them says much more
                place
                for place in resource.references | resource.referred
                if self._pool.resources[place].type in unit.types and scores.get(place, 0.0) >= 0.15
            }
        return frozenset(own)

    def _homes_of_parts(self) -> dict[int, frozenset[int]]:
        """For each composite value, the resources that have most of its longer parts, and whom they refer to."""
        counts: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        long: dict[int, int] = defaultdict(int)
        named: dict[int, set[int]] = defaultdict(set)
        for leaf in self._record.leaves:
            if leaf.role not in _OF_PARTS or len(leaf.value) < 3:
                continue
            long[leaf.part] += 1
            seen = {match.resource.index for match in self.matching(leaf)}
            if leaf.role is Role.ID and len(leaf.value) >= 4 and len(seen) <= _FEW:
                named[leaf.part] |= seen
            for place in seen:
                counts[leaf.part][place] += 1
        results: dict[int, frozenset[int]] = {}
        for part, places in counts.items():
            most = max(places.values(), default=0)
            if most * 2 >= long[part] and len(places) <= _MANY:
                own = {place for place, count in places.items() if count == most} | named[part]
                results[part] = frozenset(self._near(own))
        return results

    def _mentioned(self, own: frozenset[int]) -> dict[int, set[int]]:
        """Objects of other resources that are about the unit's: a diagnosis of the Encounter."""
        results: dict[int, set[int]] = defaultdict(set)
        for place in own:
            for other in self._pool.resources[place].referred:
                results[other] |= self._pool.resources[other].mentions.get(place, set())
        return results

    def _scope(self, number: int, unit: SourceUnit) -> frozenset[int]:
        members = set(self.own[number])
        if unit.family != number or not unit.types:
            for other, member in enumerate(self._record.units):
                if other != number and member.family == unit.family:
                    members |= self.own[other]
        elif unit.name != "OBX":
            for other, member in enumerate(self._record.units):
                if member.family == number:
                    members |= self.own[other]
        around = _AROUND.get(unit.name)
        if around:
            for other, member in enumerate(self._record.units):
                if member.name == around:
                    members |= self.own[other]
        return frozenset(self._near(members))

    def _near(self, members: set[int]) -> set[int]:
        """The resources, and those of parties that they refer to or that refer to them."""
        resources = self._pool.resources
        results = set(members)
        edge = set(members)
        for step in range(4):
            following: set[int] = set()
            for place in edge:
                resource = resources[place]
                if step and resource.type not in _PARTIES:
                    continue
                for other in resource.references:
                    kind = resources[other].type
                    if kind in _PARTIES or (step == 0 and kind not in _HUBS):
                        following.add(other)
                if (step == 0 and resource.type not in _HUBS) or resource.type in (
                    "PractitionerRole",
                    "Location",
                ):
                    following |= {
                        other
                        for other in resource.referred
                        if resources[other].type in ("PractitionerRole", "Location", "Provenance", "Specimen")
                    }
            edge = following - results
            results |= following
        return results


def _distinctive(leaf: SourceLeaf) -> float:
    """How much a value identifies what it stands in."""
    length = len(leaf.value)
    if leaf.role is Role.TIME:
        return 1.0 if length >= 12 else 0.4 if length == 8 else 0.0
    if leaf.role is Role.NUMBER:
        return 0.6 if length >= 3 else 0.2
    if length >= 6:
        return 1.0
    return (0.0, 0.0, 0.1, 0.3, 0.5, 0.8)[length]
