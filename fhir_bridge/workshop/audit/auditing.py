"""An audit: folders in, findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from fhir_bridge.workshop.audit.csv_source import read_rows
from fhir_bridge.workshop.audit.hl7v2_source import read_messages
from fhir_bridge.workshop.audit.leaves import SourceRecord
from fhir_bridge.workshop.audit.links import Links
from fhir_bridge.workshop.audit.outcomes import Kind
from fhir_bridge.workshop.audit.pairing import Group, Problem, allowed_resources, groups, read_pool
from fhir_bridge.workshop.audit.record_audit import Finding, RecordAudit, audit_record, resolve_links

__all__ = ["Audit", "audit_folders", "source_files"]

_TABLES = frozenset((".csv", ".tsv", ".tab"))


@dataclass(slots=True)
class Audit:
    """The result of an audit.

    Attributes:
        records: each record of the source with its findings.
        problems: what could not be read, with its place.
        unpaired: files that belong to no source, or hold no FHIR.
        twins: resources of one type and id with different content: type, and both places.
    """

    records: list[RecordAudit] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unpaired: list[str] = field(default_factory=list)
    twins: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def findings(self) -> Iterator[tuple[SourceRecord, Finding]]:
        """All findings with their record."""
        return ((audit.record, finding) for audit in self.records for finding in audit.findings)

    @property
    def leaves(self) -> int:
        """Values that were compared."""
        return sum(audit.leaves for audit in self.records)

    @property
    def arrived(self) -> int:
        """Values that arrived as they were."""
        return sum(audit.arrived for audit in self.records)

    @property
    def structure(self) -> dict[str, int]:
        """Structural values that were passed over, by field."""
        counts: Counter[str] = Counter()
        for audit in self.records:
            counts.update(audit.structure)
        return dict(sorted(counts.items()))

    def by_field(self) -> list[tuple[str, Kind, str, int, str]]:
        """Field, kind, detail, count and first place of the findings, most frequent first."""
        counts: Counter[tuple[str, Kind, str]] = Counter()
        first: dict[tuple[str, Kind, str], str] = {}
        for record, finding in self.findings:
            detail = (
                ""
                if finding.kind is Kind.COLLIDED or finding.detail.startswith("none of")
                else finding.detail
            )
            key = (finding.field, finding.kind, detail)
            counts[key] += 1
            first.setdefault(key, f"{record.locator} {finding.locator}")
        return [(*key, count, first[key]) for key, count in counts.most_common()]

    def by_kind(self) -> dict[str, int]:
        """Findings by kind."""
        counts = Counter(finding.kind.value for _, finding in self.findings)
        counts[Kind.COLLIDED.value] += len(self.twins)
        return {kind.value: counts[kind.value] for kind in Kind if counts[kind.value]}


def source_files(source: Path, fhir: Path) -> int:
    """How many source files an audit has to read."""
    paired, _ = groups(source, fhir)
    return sum(len(group.sources) for group in paired)


def audit_folders(
    source: Path, fhir: Path, *, zone: tzinfo | None = None, advance: Callable[[str], None] = lambda _: None
) -> Audit:
    """Compare the sources of a folder with the FHIR of another.

    Args:
        zone: of times that state none; None for the records' own rule (MSH-7).
        advance: called with each source file.
    """
    result = Audit()
    paired, left = groups(source, fhir)
    result.unpaired = [path.relative_to(fhir).as_posix() if fhir.is_dir() else path.name for path in left]
    for group in paired:
        _audit_group(group, source, fhir, zone, result, advance)
    links = Links()
    for audit in result.records:
        leaves = {leaf.number: leaf for leaf in audit.record.leaves}
        for number, options in audit.options.items():
            links.note(leaves[number].field, leaves[number].value, options)
    for audit in result.records:
        resolve_links(audit, links)
    return result


def _audit_group(
    group: Group, source: Path, fhir: Path, zone: tzinfo | None, result: Audit, advance: Callable[[str], None]
) -> None:
    pool = read_pool(group.fhir, fhir, result.problems, result.unpaired)
    count = 0
    for path in group.sources:
        name = path.relative_to(source).as_posix() if source.is_dir() else path.name
        advance(name)
        if not group.fhir:
            result.problems.append(Problem(name, "there is no FHIR beside it"))
            continue
        read = read_rows if path.suffix.lower() in _TABLES else read_messages
        records = list(read(path, name))
        several = len(records) + len(group.sources) > 2
        count += len(records)
        for record in records:
            if not record.units:
                result.problems.append(Problem(name, record.locator))
                continue
            result.records.append(
                audit_record(record, pool, allowed_resources(record, pool, several), zone, shared=several)
            )
    result.twins += [
        (f"{a.type}/{a.id}", a.locator, b.locator)
        for a, b in pool.twins
        if a.bundle >= 0 or count == 1  # of several records, the later version of one resource is none
    ]
