"""The findings about one record."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from fhir_bridge.workshop.audit.checks import Checker
from fhir_bridge.workshop.audit.contexts import Contexts
from fhir_bridge.workshop.audit.fhir_pool import Pool
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf, SourceRecord
from fhir_bridge.workshop.audit.outcomes import Kind, Outcome

__all__ = ["Finding", "RecordAudit", "audit_record"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One report.

    Attributes:
        field: for counts, `OBX-5.1`; a whole field (`PID-5`) where nothing of it arrived.
        locator: the place in the record.
        value: of the source; shown only on demand.
        place: path in FHIR that it is compared with.
        seen: the text there; shown only on demand.
        leaves: numbers of the leaves that it is about.
    """

    kind: Kind
    field: str
    locator: str
    detail: str
    value: str = ""
    place: str = ""
    seen: str = ""
    leaves: tuple[int, ...] = ()


@dataclass(slots=True)
class RecordAudit:
    """What became of a record.

    Attributes:
        arrived, structural: counts of leaves.
        structure: counts of structural leaves by field.
        outcomes: by number of the leaf: the kind of its finding, for the page.
    """

    record: SourceRecord
    findings: list[Finding] = field(default_factory=list)
    leaves: int = 0
    arrived: int = 0
    structure: dict[str, int] = field(default_factory=dict)
    unpaired: bool = False


def audit_record(
    record: SourceRecord, pool: Pool, allowed: frozenset[int] | None, zone: int | None
) -> RecordAudit:
    """Compare a record with the FHIR that it may have become.

    Args:
        allowed: numbers of the resources that may be of the record; None for all of the pool.
        zone: offset in minutes of times that state none; None for the record's own rule.
    """
    result = RecordAudit(record)
    contexts = Contexts(record, pool, allowed)
    checker = Checker(record, pool, contexts, zone)
    lost: dict[int, list[tuple[SourceLeaf, Outcome]]] = defaultdict(list)
    populated: dict[int, int] = defaultdict(int)
    dependent: dict[int, list[SourceLeaf]] = defaultdict(list)
    for leaf in record.leaves:
        if leaf.role is Role.STRUCTURE:
            name = leaf.field.split(".")[0]
            result.structure[name] = result.structure.get(name, 0) + 1
            continue
        result.leaves += 1
        populated[leaf.part] += 1
        outcome = checker.check(leaf)
        if outcome.kind is not None:
            lost[leaf.part].append((leaf, outcome))
        elif outcome.detail:
            dependent[leaf.part].append(leaf)
        else:
            result.arrived += 1
    for part, items in lost.items():
        missing = [leaf for leaf, outcome in items if outcome.kind is Kind.NEVER]
        if missing and len(missing) + len(dependent[part]) == populated[part]:
            result.findings.append(_whole([*missing, *dependent[part]], record, contexts))
        else:
            result.findings += [_single(leaf, outcome, record, contexts) for leaf, outcome in items]
    for part, leaves in dependent.items():
        if part not in lost:
            result.arrived += len(leaves)
    return result


def _whole(leaves: list[SourceLeaf], record: SourceRecord, contexts: Contexts) -> Finding:
    """Nothing of a composite value arrived: one report."""
    leaves = sorted(leaves, key=lambda leaf: leaf.number)
    first = leaves[0]
    kind, detail = _collision(first, record, contexts)
    values = " ^ ".join(leaf.value for leaf in leaves)
    field_name, locator = first.field, first.locator
    if len(leaves) > 1:
        field_name = field_name.split(".")[0]
        head, _, tail = locator.rpartition("-")
        locator = f"{head}-{tail.split('.')[0]}"
        detail = detail or f"none of its {len(leaves)} parts"
    return Finding(kind, field_name, locator, detail, values, leaves=tuple(leaf.number for leaf in leaves))


def _single(leaf: SourceLeaf, outcome: Outcome, record: SourceRecord, contexts: Contexts) -> Finding:
    kind, detail = outcome.kind or Kind.NEVER, outcome.detail
    if kind is Kind.NEVER and not detail:
        kind, detail = _collision(leaf, record, contexts)
    return Finding(
        kind, leaf.field, leaf.locator, detail, leaf.value, outcome.place, outcome.seen, (leaf.number,)
    )


def _collision(leaf: SourceLeaf, record: SourceRecord, contexts: Contexts) -> tuple[Kind, str]:
    """A value that is missing because another unit's resource took its place."""
    other = contexts.shared.get(leaf.unit)
    if other is None:
        return Kind.NEVER, ""
    return (
        Kind.COLLIDED,
        f"{record.units[leaf.unit].locator} and {record.units[other].locator} became one resource",
    )
