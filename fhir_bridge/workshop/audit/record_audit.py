"""The findings about one record."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from fhir_bridge.workshop.audit.checks import Checker
from fhir_bridge.workshop.audit.contexts import Contexts
from fhir_bridge.workshop.audit.fhir_pool import EVERYTHING, Allowed, Pool
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf, SourceRecord, SourceUnit
from fhir_bridge.workshop.audit.links import Candidate, Links, candidates
from fhir_bridge.workshop.audit.outcomes import ARRIVED, Kind, Outcome

__all__ = ["Finding", "RecordAudit", "audit_record", "resolve_links"]


_FIELD = re.compile(r"[A-Z][A-Z0-9]{2}(\[\d+\])?-\d")


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
        replaced: field and value of a lost code, and each code (path, code) that may be there instead of it.
        codes: by number of a leaf of a row that arrived as results alone: the codes of these.
        options: by number of a lost leaf: what it may have become (`links.py`).
    """

    record: SourceRecord
    findings: list[Finding] = field(default_factory=list)
    leaves: int = 0
    arrived: int = 0
    structure: dict[str, int] = field(default_factory=dict)
    options: dict[int, list[Candidate]] = field(default_factory=dict)
    replaced: set[tuple[Candidate, Candidate]] = field(default_factory=set)
    codes: dict[int, frozenset[str]] = field(default_factory=dict)


def audit_record(
    record: SourceRecord,
    pool: Pool,
    allowed: Allowed = EVERYTHING,
    zone: tzinfo | None = None,
    *,
    shared: bool = False,
) -> RecordAudit:
    """Compare a record with the FHIR that it may have become.

    Args:
        shared: other records were written to the same resources, so that what is there may be theirs.
        allowed: the resources that may be of the record.
        zone: of times that state none; None for the record's own rule.
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
            if record.units[leaf.unit].name == "row" and (codes := checker.codes(leaf)):
                result.codes[leaf.number] = codes
    stated = {(leaf.number, outcome.kind) for items in lost.values() for leaf, outcome in items}
    named = {(outcome.place, outcome.seen) for items in lost.values() for _, outcome in items}
    for leaf, outcome in () if shared else checker.shifted():
        if (leaf.number, outcome.kind) not in stated and (outcome.place, outcome.seen) not in named:
            lost[leaf.part].append((leaf, outcome))
    for items in lost.values():
        for leaf, outcome in items:
            if outcome.kind is Kind.NEVER and (options := candidates(leaf, record, pool, contexts)):
                result.options[leaf.number] = options
            if outcome.kind is Kind.NEVER and leaf.role in (Role.CODE, Role.DISPLAY, Role.TEXT, Role.YES_NO):
                result.replaced |= {
                    ((leaf.field, leaf.value), (other.path, other.text))
                    for place in contexts.own[leaf.unit]
                    for other in pool.resources[place].leaves
                    if other.path.endswith("coding.code")
                }
    for unit in record.units:
        if unit.name == "variant" and _is_lost(unit, lost):
            result.findings.append(_whole_unit(unit))
            for leaf in unit.leaves:
                lost.pop(leaf.part, None)
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


def resolve_links(audit: RecordAudit, links: Links) -> None:
    """Drop what turned out to be linked; a composite value of which some arrived so is reported by its rest."""
    leaves = {leaf.number: leaf for leaf in audit.record.leaves}
    linked = {number for number, options in audit.options.items() if links.is_link(leaves[number], options)}
    if not linked:
        return
    kept: list[Finding] = []
    for finding in audit.findings:
        rest = tuple(number for number in finding.leaves if number not in linked)
        if len(rest) == len(finding.leaves):
            kept.append(finding)
            continue
        audit.arrived += len(finding.leaves) - len(rest)
        kept += [
            Finding(finding.kind, leaves[n].field, leaves[n].locator, "", leaves[n].value, leaves=(n,))
            for n in rest
        ]
    audit.findings = kept


def _is_lost(unit: SourceUnit, lost: Mapping[int, list[tuple[SourceLeaf, Outcome]]]) -> bool:
    """Whether place and alleles of a variant are nowhere."""
    parts = {leaf.part for leaf in unit.leaves if leaf.role is Role.VARIANT and "/" not in leaf.field}
    return bool(parts) and all(
        outcome.kind is Kind.NEVER for part in parts for _, outcome in lost.get(part, [(None, ARRIVED)])
    )


def _whole_unit(unit: SourceUnit) -> Finding:
    leaves = [leaf for leaf in unit.leaves if leaf.role is not Role.STRUCTURE]
    values = " ".join(leaf.value for leaf in leaves)
    numbers = tuple(leaf.number for leaf in leaves)
    return Finding(Kind.NEVER, unit.name, unit.locator, "the variant is nowhere", values, leaves=numbers)


def _whole(leaves: list[SourceLeaf], record: SourceRecord, contexts: Contexts) -> Finding:
    """Nothing of a composite value arrived: one report."""
    leaves = sorted(leaves, key=lambda leaf: leaf.number)
    first = leaves[0]
    kind, detail = _collision(first, record, contexts)
    values = " ^ ".join(leaf.value for leaf in leaves)
    field_name, locator = first.field, first.locator
    if len(leaves) > 1:
        field_name, locator = _whole_name(field_name), _whole_name(locator)
        detail = detail or f"none of its {len(leaves)} parts"
    return Finding(kind, field_name, locator, detail, values, leaves=tuple(leaf.number for leaf in leaves))


def _whole_name(name: str) -> str:
    """The name of a value without that of its part: `PID[1]-5` of `PID[1]-5.1`."""
    if _FIELD.match(name):
        return name.split(".")[0]
    return name.rpartition(".")[0] if "." in name.rpartition(" ")[2] else name


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
    if other is None or leaf.unit in contexts.components:
        return Kind.NEVER, ""
    return (
        Kind.COLLIDED,
        f"{record.units[leaf.unit].locator} and {record.units[other].locator} became one resource",
    )
