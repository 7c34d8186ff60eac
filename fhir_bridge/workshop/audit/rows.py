"""The rows of tables: whom each is about, which resources are its own, and under which code a column arrives."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fhir_bridge.workshop.audit.fhir_pool import Allowed, FhirLeaf, Pool, PoolResource, code_of
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf, SourceRecord, SourceUnit
from fhir_bridge.workshop.audit.moments import moment
from fhir_bridge.workshop.normal_forms import folded, plain

__all__ = ["allowed_of_rows", "code_at", "resources_of_row"]

_PATIENT: Final = re.compile(r"(?i)pat|mrn|person|subject|^id$")
_NAMING: Final = frozenset((Role.ID, Role.TEXT, Role.CODE, Role.NUMBER))
_CODED: Final = frozenset((Role.CODE, Role.DISPLAY, Role.TEXT, Role.NAME, Role.ID))
_SHARED: Final = frozenset(Role) - {Role.UNIT, Role.STATUS, Role.COMPARATOR, Role.YES_NO, Role.SYSTEM}
"""What tells one row from another; a unit is in all of them."""
_NO_TIME_OF_ROWS: Final = re.compile(r"\.meta\.|birthDate|deceased")


def allowed_of_rows(records: Sequence[SourceRecord], pool: Pool, *, one_table: bool) -> list[Allowed] | None:
    """For each row the resources that may be of it: those about its Patient; None where no column names Patients.

    Args:
        one_table: whether the pool is of no other table.
    """
    counts: Counter[str] = Counter()
    different: dict[str, set[int]] = defaultdict(set)
    populated: Counter[str] = Counter()
    for record in records:
        for leaf in record.leaves:
            if leaf.role in _NAMING:
                populated[leaf.field] += 1
                if subjects := _subjects(leaf, pool):
                    counts[leaf.field] += 1
                    different[leaf.field] |= subjects
    usual = [name for name, count in counts.items() if count * 2 >= populated[name]]
    if not usual:
        return None
    best = max(usual, key=lambda name: (len(different[name]), counts[name], bool(_PATIENT.search(name))))
    about = [
        frozenset(
            subject
            for leaf in record.leaves
            if leaf.field == best and leaf.role in _NAMING
            for subject in _subjects(leaf, pool)
        )
        for record in records
    ]
    numbers = Counter(leaf.field for record in records for leaf in record.leaves if leaf.role is Role.NUMBER)
    measured = [name for name, count in numbers.items() if name != best and count * 2 >= len(records)]
    times = Counter(subject for subjects in about for subject in subjects)
    return [
        Allowed(
            subjects=subjects or frozenset((-1,)),
            alone=one_table and all(times[subject] == 1 for subject in subjects),
            single=len(measured) == 1,
        )
        for subjects in about
    ]


def _subjects(leaf: SourceLeaf, pool: Pool) -> set[int]:
    text = folded(leaf.value)
    results = {
        match.resource.index
        for match in pool.find("t:" + text)
        if match.path in ("Patient.identifier.value", "Patient.id")
    }
    if text in pool.strangers:
        results.add(pool.strangers[text])
    return results


def resources_of_row(
    unit: SourceUnit, matching: Callable[[SourceLeaf], list[FhirLeaf]], pool: Pool, allowed: Allowed
) -> tuple[frozenset[int], frozenset[int]]:
    """The resources about a row's Patient that are of this row, and those that are of other rows."""
    mine = {place for subject in allowed.subjects for place in pool.about.get(subject, ())}
    mine |= {subject for subject in allowed.subjects if subject >= 0}
    scores: dict[int, float] = defaultdict(float)
    dated: set[int] = set()
    coded: set[int] = set()
    for leaf in unit.leaves:
        if leaf.role not in _SHARED:
            continue
        shared: dict[int, float] = {}
        for match in matching(leaf):
            place = match.resource.index
            if place not in mine or match.element == "reference":
                continue
            weight = 1.5 if leaf.role is Role.NUMBER else 1.0
            if leaf.role is Role.TIME and not _NO_TIME_OF_ROWS.search(match.path):
                stated, there = moment(leaf.value), match.moment
                same = stated is not None and there is not None and stated.parts[:5] == there.parts[:5]
                weight = 3.0 if same else 2.0
                dated.add(place)
            elif leaf.role in _CODED and _is_code(leaf, match):
                coded.add(place)
            shared[place] = max(weight, shared.get(place, 0.0))
        for place, weight in shared.items():
            scores[place] += weight
    own = {place for place in mine if pool.resources[place].type == "Patient"}
    others = mine - own
    types = {pool.resources[place].type for place in coded}
    others = {place for place in others if place in coded or pool.resources[place].type not in types}
    if not allowed.alone:
        others = {place for place in others if scores[place]}
        if dated:
            others = {place for place in others if place in dated or not _has_time(pool.resources[place])}
        groups: dict[tuple[str, str], list[int]] = defaultdict(list)
        for place in others:
            groups[pool.resources[place].type, pool.resources[place].code].append(place)
        others = {
            place
            for group in groups.values()
            for place in group
            if scores[place] == max(scores[other] for other in group)
        }
    if allowed.single:  # the code of a row may be translated: of its day's results the one that shares most
        results = {place for place in others if pool.resources[place].type == "Observation"}
        most = max((scores[place] for place in results), default=0.0)
        others -= {place for place in results if scores[place] < most}
    own |= others
    return frozenset(own), frozenset(mine - own)


def _is_code(leaf: SourceLeaf, match: FhirLeaf) -> bool:
    return match.path.startswith(f"{match.resource.type}.code.") and (
        folded(match.text) == folded(leaf.value) or plain(match.text) == plain(leaf.value)
    )


def _has_time(resource: PoolResource) -> bool:
    return any(leaf.moment is not None and not _NO_TIME_OF_ROWS.search(leaf.path) for leaf in resource.leaves)


def code_at(match: FhirLeaf) -> str | None:
    """The code of the result that a value is of; None where it is no result's."""
    path = match.path
    if path.startswith("Observation.value"):
        return match.resource.code
    if path.startswith("Observation.component.value"):
        return code_of(_of_component(match))
    return None


def _of_component(match: FhirLeaf) -> Iterable[FhirLeaf]:
    return (
        leaf
        for leaf in match.resource.leaves
        if leaf.path.startswith("Observation.component.code") and leaf.chain[:2] == match.chain[:2]
    )
