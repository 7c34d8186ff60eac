"""ATC as a table (CSV, semicolons or tabs) with a column of codes and one of names; ClaML forms are read by `claml`.

Takes WHO's index and the national ones by their column names. The hierarchy is in the codes: A, A10, A10B, A10BA,
A10BA02. Several rows of one code (a substance has several DDDs) are one concept.
"""

from __future__ import annotations

import csv
import re

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import csv_rows
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import ConceptRow, DesignationRow, Staging, SystemHeader

__all__ = ["SYSTEM", "read", "recognizes"]

SYSTEM = "http://www.whocc.no/atc"

_CODE = re.compile(r"[A-Z]([0-9]{2}([A-Z]([A-Z]([0-9]{2})?)?)?)?")
_CODES = ("atc_code", "atc code", "atc-code", "atc", "atccode", "code")
_NAMES = (
    "atc_name",
    "atc level name",
    "atc name",
    "atc-bezeichnung",
    "bedeutung",
    "name",
    "bezeichnung",
    "label",
    "description",
    "omschrijving",
    "descrizione",
)
_DDD, _UNIT, _ROUTE, _NOTE = (
    ("ddd",),
    ("uom", "unit", "u", "einheit"),
    ("adm_r", "adm.r", "adm.route", "route"),
    ("note",),
)
_LEVELS = (1, 3, 4, 5, 7)


def recognizes(source: Source) -> bool:
    """Whether a table's header has a column of ATC codes, and its first rows hold such codes."""
    return any(_columns(source, name) is not None for name in _tables(source))


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read the table into the staging.

    Raises:
        ImportProblem: a row has no ATC code, or one code has two names.
    """
    for name in _tables(source):
        columns = _columns(source, name)
        if columns is not None:
            _read(source, name, columns, staging, options)
            return
    raise ImportProblem(str(source.path), None, "holds no table with a column of ATC codes and one of names")


def _tables(source: Source) -> list[str]:
    found = (".csv", ".txt", ".tsv")
    return [] if source.is_tar else [name for name in source.names if name.lower().endswith(found)]


def _encoding(start: bytes) -> str:
    try:
        start[:60000].decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < min(len(start), 60000) - 4:
            return "cp1252"
    return "utf-8-sig"


def _columns(source: Source, name: str) -> tuple[str, str, str, dict[str, str], str] | None:
    """Separator, column of codes, column of names, other columns, encoding; None where it is no such table."""
    start = source.start(name)
    encoding = _encoding(start)
    lines = start.decode(encoding, "replace").splitlines()[:6]
    if len(lines) < 2:
        return None
    for separator in (",", ";", "\t"):
        header = next(csv.reader([lines[0]], delimiter=separator), [])
        by_name = {column.strip().lower(): column for column in header}
        code = next((by_name[one] for one in _CODES if one in by_name), None)
        label = next((by_name[one] for one in _NAMES if one in by_name and by_name[one] != code), None)
        if code is None or label is None:
            continue
        place = header.index(code)
        rows = [
            row
            for row in csv.reader(lines[1:-1] or lines[1:], delimiter=separator)
            if len(row) == len(header)
        ]
        if not rows or not all(_CODE.fullmatch(row[place].strip()) for row in rows):
            continue
        others = {}
        for told, names in (("ddd", _DDD), ("unit", _UNIT), ("route", _ROUTE), ("note", _NOTE)):
            column = next((by_name[one] for one in names if one in by_name), None)
            if column:
                others[told] = column
        return separator, code, label, others, encoding
    return None


def _read(
    source: Source,
    name: str,
    columns: tuple[str, str, str, dict[str, str], str],
    staging: Staging,
    options: Options,
) -> None:
    separator, code_column, name_column, others, encoding = columns
    year = re.search(r"(?<!\d)(20[0-9]{2})(?!\d)", name) or re.search(
        r"(?<!\d)(20[0-9]{2})(?!\d)", source.path.name
    )
    header = SystemHeader(
        options.system or SYSTEM,
        options.version or (year[1] if year else None),
        "ATC",
        "Anatomical Therapeutic Chemical classification",
        language=options.language,
        metadata={
            "publisher": "WHO Collaborating Centre for Drug Statistics Methodology",
            "status": "active",
        },
    )
    system = staging.system(header)
    label = source.label(name)
    seen: dict[str, str] = {}
    with Batch(staging, system) as batch:
        rows = csv_rows(source, name, (code_column, name_column), tuple(others.values()), separator, encoding)
        for line, (raw, display, *values) in rows:
            code, display = raw.strip(), display.strip()
            if not code and not display:
                continue
            if not _CODE.fullmatch(code):
                raise ImportProblem(label, line, f'has "{code[:40]}" where an ATC code is expected')
            if code not in seen:
                seen[code] = display
                batch.concept(ConceptRow(code, display, None, True, len(code) < 7, line))
            elif display and display != seen[code]:
                batch.name(DesignationRow(code, display, options.language))
            told = dict(zip(others, values, strict=True))
            dose = " ".join(v.strip() for k, v in told.items() if k != "note" and v.strip() not in ("", "NA"))
            if told.get("ddd", "").strip() not in ("", "NA"):
                batch.value(code, "DDD", dose)
            if told.get("note", "").strip() not in ("", "NA"):
                batch.value(code, "note", told["note"].strip())
        for code in seen:
            above = next(
                (code[:size] for size in reversed(_LEVELS) if size < len(code) and code[:size] in seen), None
            )
            if above:
                batch.edge(code, above)
