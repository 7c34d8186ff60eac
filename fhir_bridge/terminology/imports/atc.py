"""ATC as WHO's XML (one file of codes, one of DDDs), or as a table with a column of codes and one of names.

Takes national tables by their column names (CSV, semicolons or tabs); ClaML forms are read by `claml`. The hierarchy is
in the codes: A, A10, A10B, A10BA, A10BA02. Several rows of one code (a substance has several DDDs) are one concept.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from types import TracebackType

from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.rows import Batch
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.imports.tables import csv_rows, likely_encoding
from fhir_bridge.terminology.imports.xml import Element, each_element
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
_ATTRIBUTES = {"ddd": "DDD", "unit": "UnitType", "route": "AdmCode"}
_LEVELS = (1, 3, 4, 5, 7)
_ROW = re.compile(rb"<z:row [^>]*ATCCode=")
_YEAR = re.compile(r"(?<!\d)(20[0-9]{2})(?!\d)")


def recognizes(source: Source) -> bool:
    """Whether it holds WHO's XML, or a table whose header has a column of ATC codes and its first rows such codes."""
    return bool(_xml(source)) or any(_columns(source, name) is not None for name in _tables(source))


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read XML files or the table into the staging.

    Raises:
        ImportProblem: a row has no ATC code.
    """
    if files := _xml(source):
        with _Atc(source, files[0], staging, options) as atc:
            for name in files:
                each_element(source, name, frozenset({"z:row"}), atc.element(source.label(name)))
        return
    for name in _tables(source):
        columns = _columns(source, name)
        if columns is not None:
            with _Atc(source, name, staging, options) as atc:
                _read(source, name, columns, atc)
            return
    raise ImportProblem(str(source.path), None, "holds no table with a column of ATC codes and one of names")


def _xml(source: Source) -> list[str]:
    """Files of rows with ATC codes, those that name them first."""
    starts = {name: source.start(name) for name in source.files(".xml")}
    results = [name for name, start in starts.items() if _ROW.search(start)]
    return sorted(results, key=lambda name: b" Name=" not in starts[name])


def _tables(source: Source) -> list[str]:
    return source.files(".csv", ".txt", ".tsv")


def _columns(source: Source, name: str) -> tuple[str, str, str, dict[str, str], str] | None:
    """Separator, column of codes, column of names, other columns, encoding; None where it is no such table."""
    start = source.start(name)
    lines = start.decode("utf-8-sig", "replace").splitlines()[:6]
    if len(lines) < 2:
        return None
    for separator in (",", ";", "\t"):
        header = next(csv.reader([lines[0]], delimiter=separator), [])
        by_name = {column.strip().lower(): column for column in header}
        code = next((by_name[item] for item in _CODES if item in by_name), None)
        label = next((by_name[item] for item in _NAMES if item in by_name and by_name[item] != code), None)
        if code is None or label is None:
            continue
        location = header.index(code)
        # The last line of what was read may be cut off.
        rows = [
            row
            for row in csv.reader(lines[1:-1] or lines[1:], delimiter=separator)
            if len(row) == len(header)
        ]
        if not rows or not all(_CODE.fullmatch(row[location].strip()) for row in rows):
            continue
        others = {}
        for details, names in (("ddd", _DDD), ("unit", _UNIT), ("route", _ROUTE), ("note", _NOTE)):
            column = next((by_name[item] for item in names if item in by_name), None)
            if column:
                others[details] = column
        return separator, code, label, others, likely_encoding(source, name)
    return None


class _Atc:
    """Takes codes, names and DDDs as they come; at the end of the block all are in the staging."""

    def __init__(self, source: Source, name: str, staging: Staging, options: Options) -> None:
        year = _YEAR.search(name) or _YEAR.search(source.path.name)
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
        self._language = options.language
        self._batch = Batch(staging, staging.system(header))
        self._names: dict[str, str] = {}

    def add(self, label: str, line: int, code: str, name: str, statements: Mapping[str, str]) -> None:
        """Take a row; the name is empty in a list of DDDs."""
        if not _CODE.fullmatch(code):
            raise ImportProblem(label, line, f'has "{code[:40]}" where an ATC code is expected')
        if code not in self._names and name:
            self._names[code] = name
            self._batch.concept(ConceptRow(code, name, None, True, len(code) < 7, line))
        elif name and name != self._names[code]:
            self._batch.name(DesignationRow(code, name, self._language))
        values = {key: value.strip() for key, value in statements.items() if value.strip() not in ("", "NA")}
        if "ddd" in values:
            dose = (values[key] for key in ("ddd", "unit", "route") if key in values)
            self._batch.value(code, "DDD", " ".join(dose))
        if "note" in values:
            self._batch.value(code, "note", values["note"])

    def element(self, label: str) -> Callable[[Element], None]:
        """Takes rows of WHO's XML."""

        def add(row: Element) -> None:
            metadata = {key: row.get(name) for key, name in _ATTRIBUTES.items()}
            metadata["note"] = row.get("DDDComment") or row.get("Comment")
            self.add(label, row.line, row.get("ATCCode").strip(), row.get("Name").strip(), metadata)

        return add

    def __enter__(self) -> _Atc:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            return
        for code in self._names:
            shorter = (code[:size] for size in reversed(_LEVELS) if size < len(code))
            above = next((item for item in shorter if item in self._names), None)
            if above:
                self._batch.edge(code, above)
        self._batch.flush()


def _read(source: Source, name: str, columns: tuple[str, str, str, dict[str, str], str], atc: _Atc) -> None:
    separator, code_column, name_column, others, encoding = columns
    label = source.label(name)
    rows = csv_rows(source, name, (code_column, name_column), tuple(others.values()), separator, encoding)
    for line, (code, display, *values) in rows:
        if code.strip() or display.strip():
            atc.add(label, line, code.strip(), display.strip(), dict(zip(others, values, strict=True)))
