"""An audit: folders in, findings out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path

from fhir_bridge.workshop.audit.columns import report_other_codes
from fhir_bridge.workshop.audit.csv_source import read_rows
from fhir_bridge.workshop.audit.dicom_source import read_studies
from fhir_bridge.workshop.audit.fhir_pool import OF_NOBODY
from fhir_bridge.workshop.audit.hl7v2_source import read_messages
from fhir_bridge.workshop.audit.inventions import Invention, inventions
from fhir_bridge.workshop.audit.leaves import SourceRecord
from fhir_bridge.workshop.audit.links import Links
from fhir_bridge.workshop.audit.outcomes import Kind
from fhir_bridge.workshop.audit.pairing import (
    Group,
    Problem,
    allowed_resources,
    form_of_source,
    groups,
    read_pool,
)
from fhir_bridge.workshop.audit.record_audit import Finding, RecordAudit, audit_record, resolve_links
from fhir_bridge.workshop.audit.rows import allowed_of_rows
from fhir_bridge.workshop.audit.vcf_source import read_calls

__all__ = ["Audit", "audit_folders", "source_files"]


@dataclass(slots=True)
class Audit:
    """The result of an audit.

    Attributes:
        records: each record of the source with its findings.
        problems: what could not be read, with its place.
        unpaired: files that belong to no source, or hold no FHIR.
        invented: values of FHIR that no source says.
        twins: resources of one type and id with different content: type, and both places.
    """

    records: list[RecordAudit] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    unpaired: list[str] = field(default_factory=list)
    twins: list[tuple[str, str, str]] = field(default_factory=list)
    invented: list[Invention] = field(default_factory=list)

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
        for each in self.invented:
            key = (each.element, Kind.INVENTED, f"no source says this {each.what}")
            counts[key] += 1
            first.setdefault(key, each.place)
        return [(*key, count, first[key]) for key, count in counts.most_common()]

    def by_kind(self) -> dict[str, int]:
        """Findings by kind."""
        counts = Counter(finding.kind.value for _, finding in self.findings)
        counts[Kind.COLLIDED.value] += len(self.twins)
        counts[Kind.INVENTED.value] += len(self.invented)
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
    several = len(group.sources)
    before = len(result.records)
    names: set[str] = set()
    count = 0
    for paths in _together(group.sources):
        name = paths[0].relative_to(source).as_posix() if source.is_dir() else paths[0].name
        names.add(name)
        for _ in paths:
            advance(name)
        if not group.fhir:
            result.problems.append(Problem(name, "there is no FHIR beside it"))
            continue
        records = _read(paths, name, result.problems)
        shared = len(records) + several - len(paths) > 1
        count += len(records)
        result.problems += [Problem(name, record.locator) for record in records if not record.units]
        read = [record for record in records if record.units]
        allowed = [allowed_resources(record, pool, shared) for record in read]
        if form_of_source(paths[0]) == "csv" and shared:
            allowed = allowed_of_rows(read, pool, one_table=several == 1) or allowed
        if form_of_source(paths[0]) == "vcf" and any(each.patients for each in allowed):
            # The samples of one file are named in one way: one that nothing names is of none of the others.
            allowed = [each if each.patients else OF_NOBODY for each in allowed]
        for record, own in zip(read, allowed, strict=True):
            result.records.append(audit_record(record, pool, own, zone, shared=shared))
    audited = result.records[before:]
    report_other_codes(audited)
    if audited and not any(
        problem.place in names for problem in result.problems
    ):  # what can't be read may say anything
        result.invented += inventions(audited, pool)
    result.twins += [
        (f"{a.type}/{a.id}", a.locator, b.locator)
        for a, b in pool.twins
        if a.bundle >= 0 or count == 1  # of several records, the later version of one resource is none
    ]


def _together(sources: list[Path]) -> Iterator[list[Path]]:
    """The files that are read as one: all of DICOM, since a study's instances lie in any of them."""
    objects = [path for path in sources if form_of_source(path) == "dicom"]
    if objects:
        yield objects
    yield from ([path] for path in sources if path not in objects)


def _read(paths: list[Path], name: str, problems: list[Problem]) -> list[SourceRecord]:
    """The records of files; what can't be read at all is a problem."""
    form = form_of_source(paths[0])
    try:
        if form == "dicom":
            return list(read_studies(paths, name))
        read = {"csv": read_rows, "vcf": read_calls}.get(form or "", read_messages)
        return list(read(paths[0], name))
    except (OSError, ValueError) as error:  # UnicodeError is a ValueError
        problems.append(Problem(name, f"it can't be read: {error}"))
        return []
