"""What a mapping says of its source: columns that it can't do without, tables that it joins, what an unpivot states."""

from __future__ import annotations

import re
from pathlib import Path

from fhir_bridge.mapping.checking.findings import Findings
from fhir_bridge.mapping.document import Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import nearest
from fhir_bridge.mapping.joins import header_of
from fhir_bridge.terminology.check_digits import is_well_formed

__all__ = ["check_sources"]

_LOINC = "http://loinc.org"
_LOINC_FORM = re.compile(r"[1-9]\d{1,6}-\d")


def check_sources(findings: Findings, source: Node | None) -> None:
    """Look at the block `source:`, and at the codes of each `unpivot`."""
    if isinstance(source, Mapping):
        _columns(findings, source.get("columns"))
        joins = source.get("join")
        for name, table in joins if isinstance(joins, Mapping) else ():
            if isinstance(table, Mapping):
                _joined(findings, name.text, table)
    for rule in findings.places.rules:
        columns = rule.node.get("unpivot")
        for _, spec in columns if isinstance(columns, Mapping) else ():
            if isinstance(spec, Mapping):
                _spec(findings, spec)


def _columns(findings: Findings, node: Node | None) -> None:
    """Columns that tables must have, and the examples or the sample have not."""
    absent: dict[str, tuple[str, ...]] = getattr(findings.model, "absent", {})
    for item in node.items if isinstance(node, Sequence) else ():
        if isinstance(item, Scalar) and item.text in absent:
            near = nearest(item.text, absent[item.text]) or f"they have {', '.join(absent[item.text])}"
            message = f'the column "{item.text}" must be there, and the tables beside the mapping have none'
            findings.add(item.position, message, near)


def _joined(findings: Findings, name: str, table: Mapping) -> None:
    """A file that is not there; a key that its header has not."""
    file, key = table.get("file"), table.get("key")
    if not isinstance(file, Scalar):
        return
    path = Path(file.text)
    if not path.is_file():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        near = nearest(path.name, beside) or f"where it is elsewhere, --set join.{name}=FILE says so"
        findings.add(file.position, f"there is no file {path.name} beside the mapping", near)
        return
    if isinstance(key, Scalar):
        columns = header_of(
            path, {name.text: value.value for name, value in table if isinstance(value, Scalar)}
        )
        if columns and key.text not in columns:
            near = nearest(key.text, columns) or f"it has {', '.join(columns)}"
            findings.add(key.position, f'the joined table has no column "{key.text}"', near)


def _spec(findings: Findings, spec: Mapping) -> None:
    """A code of LOINC's form whose check digit is wrong."""
    code, system = spec.get("code"), spec.get("system")
    if not isinstance(code, Scalar) or (isinstance(system, Scalar) and system.text != _LOINC):
        return
    if _LOINC_FORM.fullmatch(code.text) and not is_well_formed(_LOINC, code.text):
        findings.add(code.position, f'"{code.text}" can\'t be a code of {_LOINC}: its check digit is wrong')
