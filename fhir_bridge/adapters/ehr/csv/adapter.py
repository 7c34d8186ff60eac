"""The `csv` adapter: tables in, one record a row out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from fhir_bridge.adapters.ehr.csv.assign import UNKNOWN, candidates, fit
from fhir_bridge.adapters.ehr.csv.dialect import Dialect, DialectError, check_values
from fhir_bridge.adapters.ehr.csv.reader import HeaderError, read_blocks, read_header, read_table, refused
from fhir_bridge.adapters.ehr.csv.record import Row, Table, column_of
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.vital_units import vital_quantity
from fhir_bridge.mapping import Scope, function, nearest
from fhir_bridge.plugins import ReadContext, SourceModel

__all__ = ["CsvAdapter", "CsvModel"]


@function(scope=True)
def beside(s: Row, column: str, value: str, wanted: str) -> str | None:
    """The cell `wanted` of the row of the same measurement (`source.together`) whose `column` has the value."""
    return next((row.cell(wanted) for row in s.together if row.cell(column) == value), None)


@function(scope=True)
def rows_beside(s: Row, column: str) -> list[dict[str, str | None]]:
    """The rows of the same measurement (`source.together`), one for each value of `column`, their cells by column."""
    rows = {row.cell(column): row for row in reversed(s.together or (s,))}
    return [row.cells for row in reversed(list(rows.values()))]


class CsvModel:
    """One scope, the row; `row.name` and row.`awkward name` read a cell."""

    root: str = "row"
    scopes: Mapping[str, Scope] = {"row": Scope("row")}
    functions: Mapping[str, Callable[..., Any]] = {
        "beside": beside,
        "rows_beside": rows_beside,
        "vital_quantity": vital_quantity,
    }
    token: str = ""
    pure: bool = True
    """A cell is the same each time, so that a rule reads each once; a column that is not there rejects the row."""
    accounts: bool = True
    """Rows are counted by what no rule represents, from the reads that the compiler notes."""
    texts: bool = True
    """Values are text: they equal no number."""
    cells: bool = True
    """They are text and nothing else: no identifier, time or code with parts."""

    def __init__(
        self,
        dialect: Dialect | None = None,
        columns: frozenset[str] = frozenset(),
        *,
        stated_date: bool = False,
        absent: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self.absent = absent or {}
        """Columns that are declared and in no sample, each with those of the samples that are not declared."""
        self._dialect = dialect
        self._columns = columns
        self.foreign = frozenset(("times",) if stated_date else ())

    def with_options(self, options: Mapping[str, Any]) -> CsvModel:
        """The model of a `source:` block, which may declare columns.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        dialect = Dialect.of(options)
        check_values(options)
        columns = {*dialect.columns, *dialect.names}
        optional = {*dialect.optional, *dialect.ignore} if columns else set()
        return CsvModel(dialect, frozenset(columns | optional), stated_date="date" in options)

    def with_samples(self, paths: Sequence[Path]) -> CsvModel:
        """The same with the columns of tables that show which there are."""
        dialect = self._dialect or Dialect()
        seen: set[str] = set()
        for path in paths:
            if dialect.file and not fnmatchcase(path.name.casefold(), dialect.file.casefold()):
                continue  # a table of another mapping
            try:
                seen.update(read_header(path, dialect))
            except HeaderError:
                continue  # no table of this mapping
        known = {*dialect.columns, *dialect.names, *dialect.optional, *dialect.ignore}
        others = tuple(sorted(seen - known))
        absent = {column: others for column in dialect.columns if seen and column not in seen}
        columns = frozenset({*self._columns, *seen})
        return CsvModel(dialect, columns, stated_date=bool(self.foreign), absent=absent)

    def doubt(self, text: str, scope: str, numbers: Sequence[int]) -> tuple[str, str] | None:  # noqa: ARG002
        """Why a column is in no table, where columns are declared or shown by a sample."""
        column = column_of(text)
        if not self._columns or column in self._columns:
            return None
        near = nearest(column, sorted(self._columns))
        advice = near or "name it in source.columns, or in source.optional"
        return f'"{column}" is no column of the source', advice

    def selector(self, text: str, scope: str) -> str:  # noqa: ARG002 - there is one scope
        """Python source that reads the column from the row `s`.

        Which columns there are shows only in the file: one that it lacks rejects the row with `FB-CSV-003`
        (or the whole file, where `source.columns` lists it).

        Raises:
            LookupError: the text names no column.
        """
        column = column_of(text)
        if not column or not text.strip().startswith("row."):
            raise LookupError(f'"{text}": write row.<column>, or row.`awkward name`')
        return f"s.values[{column!r}]"

    def key(self, source: str, scope: str) -> str | None:  # noqa: ARG002 - there is one scope
        """Source of a text that decides what a selector's source gives: the cell itself."""
        return source

    def key_head(self, scope: str) -> list[str]:  # noqa: ARG002 - there is one scope
        """Statements that `key` needs: none."""
        return []


class CsvAdapter:
    """Tables: CSV, TSV and their kin, Parquet, Excel.

    The mapping's `source:` block says how they are written (`Dialect`). One run takes tables of many kinds: each
    file goes to the mapping whose `file` pattern and `columns` fit it.
    """

    name = "csv"
    title = "Tables (CSV, TSV, Parquet, Excel)"
    model: SourceModel = CsvModel()
    suffixes: tuple[str, ...] = (".csv", ".tsv", ".tab", ".txt", ".parquet", ".xlsx", ".xlsm")

    def table(
        self, path: Path, options: Mapping[str, Any]
    ) -> tuple[tuple[str, ...], Iterator[Mapping[str, str | None]]]:
        """The columns of a table that a mapping joins, and its rows.

        Raises:
            ValueError: an option is wrong, or it is no table; while the rows are read: one can't be.
        """
        dialect = Dialect.of(options)
        try:
            columns = tuple(read_header(path, dialect))
        except HeaderError as error:
            raise ValueError(error.issue.message) from None
        return columns, _cells(path, dialect, columns)

    def choose_mapping(self, paths: Sequence[Path]) -> str:
        """The mapping of the first table; `assign` tells for each."""
        return fit(paths[0], candidates())[0] if paths else UNKNOWN

    def assign(self, paths: Sequence[Path]) -> dict[str, list[Path]]:
        """Mapping name -> its tables.

        Tables that no mapping takes are under `ehr/csv-unknown`: read with that mapping's options, each gives
        one record, skipped (nothing speaks of it) or rejected (ambiguous, or columns are missing).
        """
        known = candidates()
        assigned: dict[str, list[Path]] = {}
        for path in paths:
            assigned.setdefault(fit(path, known)[0], []).append(path)
        return assigned

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002
        """A file each."""
        return [[path] for path in paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Any]:
        """Read rows in order, one in memory at a time (`Row`), or some where the run takes blocks (`RowBlock`)."""
        try:
            dialect = Dialect.of(context.options)
        except DialectError as error:
            for path in paths:
                yield refused(path, _PLAIN, new_issue("FB-CSV-009", str(error), path.name))
            return
        selectors = getattr(context, "selectors", None)
        wanted = None if selectors is None else frozenset(column_of(text) for _, text in selectors)
        read = read_blocks if getattr(context, "blocks", False) else read_table
        for path in paths:
            if dialect.unassigned:
                yield _unassigned(path)
            else:
                yield from read(path, dialect, wanted)


def _cells(path: Path, dialect: Dialect, columns: Sequence[str]) -> Iterator[Mapping[str, str | None]]:
    for row in read_table(path, dialect, None):
        if row.outcome != "read":
            raise ValueError("; ".join(f"{issue.source}: {issue.message}" for issue in row.issues))
        yield {column: row.cell(column) for column in columns}


_PLAIN: Final = Dialect()


def _unassigned(path: Path) -> Row:
    """The one record of a table that no mapping takes."""
    issue = fit(path, candidates())[1] or new_issue(
        "FB-CSV-008", "name the mapping with --mapping", path.name
    )
    if issue.code != "FB-CSV-007":
        return refused(path, _PLAIN, issue)
    try:
        header = read_header(path, _PLAIN)
    except HeaderError as error:
        return refused(path, _PLAIN, error.issue)
    count = sum(1 for _ in read_table(path, _PLAIN))
    shown = ", ".join(header[:6]) + (f" and {len(header) - 6} more" if len(header) > 6 else "")
    text = f"no mapping speaks of this table of {count} rows with the columns {shown}"
    table = Table(path.name, path.stem, (), _PLAIN)
    return Row(table, path.name, [], [new_issue("FB-CSV-007", text, path.name)], "skipped", count)
