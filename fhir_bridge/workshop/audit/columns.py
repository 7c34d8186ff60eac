"""Columns whose values always arrive under one code, and the values that do not."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from fhir_bridge.workshop.audit.leaves import SourceLeaf
from fhir_bridge.workshop.audit.outcomes import Kind
from fhir_bridge.workshop.audit.record_audit import Finding, RecordAudit
from fhir_bridge.workshop.first_mapping.headers import bare
from fhir_bridge.workshop.normal_forms import plain

__all__ = ["report_other_codes"]


def report_other_codes(audits: Sequence[RecordAudit]) -> None:
    """Add a finding for each value of a table that is under another code than the others of its column.

    A column stands for one result where a row has several: a table of one result a row has its code in a cell.
    """
    columns: dict[tuple[str, str], list[tuple[RecordAudit, SourceLeaf]]] = defaultdict(list)
    rows: Counter[str] = Counter()
    wide: Counter[str] = Counter()
    for audit in audits:
        if not audit.codes:
            continue
        leaves = {leaf.number: leaf for leaf in audit.record.leaves}
        rows[audit.record.file] += 1
        wide[audit.record.file] += len({leaves[number].field for number in audit.codes}) > 1
        for number in audit.codes:
            columns[audit.record.file, leaves[number].field].append((audit, leaves[number]))
    for (file, column), values in columns.items():
        counts = Counter(code for audit, leaf in values for code in audit.codes[leaf.number])
        usual, count = counts.most_common(1)[0]
        named = [code for code in counts if plain(code) == plain(_name(column))]
        if named:
            usual = named[0]
        elif wide[file] * 2 <= rows[file] or count < 2 or count * 2 <= len(values):
            continue
        for audit, leaf in values:
            codes = audit.codes[leaf.number]
            if usual not in codes:
                audit.arrived -= 1
                audit.findings.append(
                    Finding(
                        Kind.VALUE,
                        leaf.field,
                        leaf.locator,
                        "it is under another code",
                        leaf.value,
                        "Observation.code",
                        sorted(codes)[0],
                        (leaf.number,),
                    )
                )


def _name(column: str) -> str:
    return bare(column)
