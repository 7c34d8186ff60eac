"""Concept maps as spreadsheets: HL7's v2-to-FHIR sheets (one CSV a map), read as ConceptMap with each row's line.

A sheet has two header lines: the sides (`HL7 v2`, `HL7 FHIR`), and the columns (`Code`, `Text`, `Code System`,
conditions; `Code`, `Display`, `Code System`). A row whose right side is empty says that the source code has no target;
one whose left side is empty lists a code that nothing maps to, and is checked like the others.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fhir_bridge.terminology.files import SourceFile, TerminologyFileError, read_text

__all__ = ["is_map_sheet", "read_map_sheet"]

V2_TABLE = "http://terminology.hl7.org/CodeSystem/v2-"
_TABLE = re.compile(r"HL7?-?(\d{4})")
_NAME = re.compile(r"[^A-Za-z0-9]+")
_CONDITIONS = ("computable", "narrative")


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a sheet keeps what, by column number."""

    code: int
    text: int
    system: int
    conditions: tuple[int, ...]
    target: int
    display: int
    target_system: int


def is_map_sheet(path: Path) -> bool:
    """Whether a CSV file begins as HL7's sheets of code maps do (those of data types have other columns)."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        rows = csv.reader(file)
        sides, names = (next(rows, []) for _ in range(2))
    return [*filter(None, map(str.strip, sides))][:1] == ["HL7 v2"] and [*map(str.strip, names[:1])] == [
        "Code"
    ]


def read_map_sheet(path: Path) -> SourceFile:
    """The map of one sheet.

    Its rows become targets with equivalence `equivalent`, for the sheets' rows are meant to be carried out; a row with
    a condition gets it as `dependsOn`, so that rows for different conditions do not contradict each other.

    Raises:
        TerminologyFileError: the file is not UTF-8 CSV, or lacks the columns.
    """
    text = read_text(path, "save the sheet as UTF-8 CSV")
    # `splitlines` also splits at U+2028 and U+0085 within a cell.
    reader = csv.reader(StringIO(text), strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        begin = 1
        for row in reader:
            rows.append((begin, row))
            # A quoted cell may hold line ends: a row's line is the one in which it begins.
            begin = reader.line_num + 1
    except csv.Error as error:
        raise TerminologyFileError(path, f"line {reader.line_num}: not CSV: {error}") from error
    if len(rows) < 2:
        raise TerminologyFileError(path, "has no header of two lines, as a v2-to-FHIR sheet has")
    columns = _columns(path, [cell.strip() for cell in rows[1][1]])
    name = _NAME.sub("", path.stem.replace("HL7 Concept Map_", "").replace("Sheet1", ""))
    resource: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "id": name[:64] or "sheet",
        "url": f"urn:sheet:{quote(path.name)}",
        "status": "active",
    }
    lines: dict[str, int] = {}
    resource["group"] = _groups(rows[2:], columns, lines)
    return SourceFile(path, "ConceptMap", resource["url"], resource, lines)


def _columns(path: Path, names: Sequence[str]) -> _Columns:
    codes = [i for i, name in enumerate(names) if name.casefold() == "code"]
    systems = [i for i, name in enumerate(names) if name.casefold() == "code system"]
    displays = [i for i, name in enumerate(names) if name.casefold() == "display"]
    texts = [i for i, name in enumerate(names) if name.casefold() == "text"]
    if len(codes) != 2 or len(systems) != 2 or len(displays) != 1 or len(texts) != 1:
        raise TerminologyFileError(
            path,
            "line 2 must name the columns Code, Text, Code System, then Code, Display, Code System; found "
            + ", ".join(name or "(empty)" for name in names),
        )
    conditions = tuple(i for i, name in enumerate(names) if name.casefold().startswith(_CONDITIONS))
    return _Columns(codes[0], texts[0], systems[0], conditions, codes[1], displays[0], systems[1])


def _groups(
    rows: Sequence[tuple[int, list[str]]], columns: _Columns, lines: dict[str, int]
) -> list[dict[str, Any]]:
    """The rows by source and target system; one element for a source code, one target for a row."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    elements: dict[tuple[str, str, str], str] = {}
    for line, source, target in _pairs(rows, columns):
        systems = (source.pop("system"), target.pop("system", ""))
        group = groups.get(systems)
        if group is None:
            group = groups[systems] = {"element": []}
            group |= {side: url for side, url in zip(("source", "target"), systems, strict=True) if url}
        location = list(groups).index(systems)
        key = (*systems, source.get("code") or f"line {line}")
        path = elements.get(key)
        if path is None:
            path = elements[key] = f"group[{location}].element[{len(group['element'])}]"
            group["element"].append({**source, "target": []})
            lines[path] = line
        element = group["element"][int(path.rpartition("[")[2][:-1])]
        lines[f"{path}.target[{len(element['target'])}]"] = line
        element["target"].append(target)
    return list(groups.values())


def _pairs(
    rows: Sequence[tuple[int, list[str]]], columns: _Columns
) -> Iterator[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Line, source and target of each row; of a row that only lists a target, the source has no code."""
    for line, row in rows:

        def cell(column: int, row: list[str] = row) -> str:
            return row[column].strip(" \t\r\n") if column < len(row) else ""

        source = {"system": _system(cell(columns.system))}
        for name, column in (("code", columns.code), ("display", columns.text)):
            if cell(column):
                source[name] = cell(column)
        if not cell(columns.code) and not cell(columns.target):
            continue
        if not cell(columns.target) and not cell(columns.target_system):
            yield line, source, {"equivalence": "unmatched"}
            continue
        target: dict[str, Any] = {"equivalence": "equivalent"}
        for name, column in (("code", columns.target), ("display", columns.display)):
            if cell(column):
                target[name] = cell(column)
        target["system"] = cell(columns.target_system)
        conditions = [cell(column) for column in columns.conditions if cell(column)]
        if conditions:
            target["dependsOn"] = [{"property": "urn:v2-condition", "value": " / ".join(conditions)}]
        yield line, source, target


def _system(name: str) -> str:
    """The canonical of a v2 table as the sheets name it (`HL70190`); others stay as they are."""
    match = _TABLE.fullmatch(name)
    return V2_TABLE + match.group(1) if match else name
