"""The `sql` adapter: query files in, one record a row out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fhir_bridge.adapters.ehr.csv.accounting import Unread
from fhir_bridge.adapters.ehr.csv.adapter import CsvModel
from fhir_bridge.adapters.ehr.csv.assign import UNKNOWN, candidates, fit
from fhir_bridge.adapters.ehr.csv.binary import CellText
from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.reader import HeaderError
from fhir_bridge.adapters.ehr.csv.record import Row, Table, column_of, missing_columns
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.sql.database import Database, DatabaseError, TimeText
from fhir_bridge.adapters.ehr.sql.query import OPTIONS, Query, QueryError, read_query
from fhir_bridge.adapters.ehr.sql.state import ReadState, StateError
from fhir_bridge.adapters.ehr.sql.tombstones import Tombstones
from fhir_bridge.plugins import ReadContext, SourceModel

__all__ = ["SqlAdapter", "SqlModel"]

_MANY: Final = 10_000


def _of_table(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in OPTIONS}


class SqlModel(CsvModel):
    """As of tables: one scope, the row; `row.name` reads a column."""

    def with_options(self, options: Mapping[str, Any]) -> CsvModel:
        """The model of a `source:` block.

        Raises:
            OptionError: an option is unknown or wrong.
        """
        return super().with_options(_of_table(options))


class SqlAdapter:
    """Databases that SQLAlchemy has a dialect for. A source is a file with a query.

    Mappings of tables take it by its name as they take a CSV file: `conditions.sql` with the columns of
    `conditions.csv` needs no other mapping.
    """

    name = "sql"
    title = "Databases (SQL)"
    model: SourceModel = SqlModel()
    suffixes: tuple[str, ...] = (".sql",)

    def choose_mapping(self, paths: Sequence[Path]) -> str:
        """The mapping of the first query; `assign` states it for each."""
        return next(iter(self.assign(paths[:1])), UNKNOWN)

    def assign(self, paths: Sequence[Path]) -> dict[str, list[Path]]:
        """Mapping name -> its queries; what can't be read, or has no mapping, is under `ehr/csv-unknown`."""
        known = candidates(("csv", "sql"))
        assigned: dict[str, list[Path]] = {}
        for path in paths:
            assigned.setdefault(fit(path, known, _header)[0], []).append(path)
        return assigned

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002
        """A query each."""
        return [[path] for path in paths]

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Row]:
        """Read rows as the database gives them, one in memory at a time."""
        for path in paths:
            yield from _Reading(path, context).rows()

    def complete(self, paths: Sequence[Path], options: Mapping[str, Any]) -> None:
        """What was read of these queries is stored: the next run begins after it."""
        for path in paths:
            query = read_query(path, options)
            if query.state is not None and query.state.exists():
                with closing(ReadState(query.state)) as state:
                    state.complete(path.name, keys=query.compares)


def _header(path: Path, dialect: Dialect) -> list[str]:
    try:
        query = read_query(path, {})
        with closing(Database(query.database_url())) as database:
            names = database.columns(query.text, {"watermark": None})
            return _as_written(names, (*dialect.columns, *dialect.optional, *dialect.ignore))
    except QueryError as error:
        raise HeaderError(new_issue("FB-SQL-001", f"{path.name}: {error}", path.name)) from None
    except DatabaseError as error:
        raise HeaderError(new_issue("FB-SQL-002", f"{path.name}: {error}", path.name)) from None


def _as_written(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Columns as the mapping writes them: databases fold names to lower or upper case."""
    folded = {name.lower(): name for name in reversed(known)}
    return [name if name in known else folded.get(name.lower(), name) for name in names]


class _Reading:
    """One run of one query."""

    def __init__(self, path: Path, context: ReadContext) -> None:
        self._path = path
        self._options = context.options
        # Some records again, by their locators: where they are is not after the watermark.
        self._again = bool(getattr(context, "chosen", False))
        selectors = getattr(context, "selectors", None)
        self._wanted = None if selectors is None else frozenset(column_of(text) for _, text in selectors)
        self._dialect = Dialect()
        self._state: ReadState | None = None

    def rows(self) -> Iterator[Row]:
        """The rows, and what is said of the table as a whole."""
        try:
            query = read_query(self._path, self._options)
            self._dialect = Dialect.of(_of_table(self._options))
            if self._dialect.unassigned:
                yield self._unassigned()
                return
            if query.state is not None and not self._again:
                self._state = ReadState(query.state)
            with closing(Database(query.database_url())) as database:
                yield from self._table(query, database)
        except (QueryError, StateError, ValueError) as error:
            code = "FB-SQL-002" if isinstance(error, DatabaseError) else "FB-SQL-001"
            yield self._refused(code, str(error))
        finally:
            if self._state is not None:
                self._state.close()

    def _unassigned(self) -> Row:
        issue = fit(self._path, candidates(("csv", "sql")), _header)[1]
        if issue is None:
            return self._refused("FB-CSV-008", "name the mapping with --mapping")
        outcome = "skipped" if issue.code == "FB-CSV-007" else "rejected"
        table = Table(self._path.name, self._path.stem, (), self._dialect)
        return Row(table, self._path.name, [], [issue], outcome)  # type: ignore[arg-type]

    def _refused(self, code: str, message: str) -> Row:
        table = Table(self._path.name, self._path.stem, (), self._dialect)
        issue = new_issue(code, f"{self._path.name}: {message}", self._path.name)
        return Row(table, self._path.name, [], [issue], "rejected")

    def _table(self, query: Query, database: Database) -> Iterator[Row]:
        name = self._path.name
        last = self._state.watermark(name) if self._state is not None else None
        parameters = {"watermark": last if last is None else _before(last, query.overlap)}
        own = database.columns(query.text, parameters)
        mapped = (
            *self._dialect.columns,
            *self._dialect.optional,
            *self._dialect.ignore,
            *(self._wanted or ()),
        )
        names = _as_written(own, (*query.key, *([query.watermark] if query.watermark else ()), *mapped))
        needed = (*self._dialect.columns, *query.key, *((query.watermark,) if query.watermark else ()))
        if absent := [column for column in needed if column not in names]:
            yield self._refused("FB-CSV-003", missing_columns(absent, names))
            return
        table = Table(name, self._dialect.system or self._path.stem, names, self._dialect, key=query.key)
        table.account = unread = (
            Unread(table, self._wanted, self._dialect) if self._wanted is not None else None
        )
        if self._state is not None:
            self._state.begin(name)
        position = names.index(query.watermark) if query.watermark else None
        since = None
        if position is not None and last is not None:
            since = own[position], _before(last, query.overlap)
        keys = [own[names.index(column)] for column in query.key]
        highest, number = last, 0
        text = CellText(self._dialect)
        places = [own.index(column) for column in keys] if query.compares and self._state is not None else []
        keyed = Table(name, table.system, query.key, self._dialect, key=query.key)
        read: list[str] = []
        tombstones = Tombstones() if query.deleted is not None and not query.compares else None
        try:
            if tombstones is not None:
                yield from self._tombstones(query, database, keyed, parameters, tombstones)
            for number, values in enumerate(database.rows(query.text, parameters, since=since), start=1):
                value = None if position is None else values[position]
                if value is not None and not isinstance(value, TimeText):
                    highest = value if highest is None or value > highest else highest
                row = _row(table, number, [text(value) for value in values])
                if unread is not None:
                    unread.read(row)
                if places and self._state is not None:
                    read.append(Row(keyed, name, [text(values[place]) for place in places]).key)
                    if len(read) >= _MANY:
                        self._state.note_keys(name, read)
                        read.clear()
                if tombstones is not None and row.outcome == "read" and row.key in tombstones:
                    message = "the row is among the deleted ones, too: it counts as deleted"
                    row.issues, row.outcome = [new_issue("FB-SQL-007", message, row.locator)], "skipped"
                yield row
            if read and self._state is not None:
                self._state.note_keys(name, read)
            yield from self._deleted(query, database, keyed, parameters, keys)
        except DatabaseError as error:
            where = f"{name}:{number + 1}"
            yield Row(table, where, [], [new_issue("FB-SQL-003", f"from here on {error}", where)], "rejected")
            return
        except TypeError:
            yield self._refused(
                "FB-SQL-001", "the column of the watermark holds values that can't be compared"
            )
            return
        finally:
            if tombstones is not None:
                tombstones.close()
        if unread is not None:
            yield from unread.report()
        if self._state is not None:
            self._state.end(name, highest)

    def _tombstones(
        self,
        query: Query,
        database: Database,
        keyed: Table,
        parameters: Mapping[str, Any],
        tombstones: Tombstones,
    ) -> Iterator[Row]:
        """What the query of deleted rows gives, before the rows: a key that both give counts as deleted."""
        text = CellText(self._dialect)
        for values in database.rows(query.deleted or "", parameters):
            if len(values) < len(query.key):
                raise DatabaseError(
                    f"the query of what is deleted gives {len(values)} columns; key names {len(query.key)}"
                )
            key = Row(keyed, keyed.name, [text(value) for value in values[: len(query.key)]]).key
            if tombstones.add(key):
                yield _gone(keyed, key)

    def _deleted(
        self, query: Query, database: Database, table: Table, parameters: Mapping[str, Any], key: list[str]
    ) -> Iterator[Row]:
        """Of keys that are compared, those that were there and are no longer."""
        if not query.compares or self._state is None:
            return
        text = CellText(self._dialect)

        def key_of(values: Sequence[Any]) -> str:
            return Row(table, table.name, [text(value) for value in values]).key

        part: list[str] = []
        late = 0
        for values in database.rows(query.text, parameters, columns=key):
            part.append(key_of(values))
            if len(part) >= _MANY:
                late += self._state.note_there(table.name, part)
                part.clear()
        late += self._state.note_there(table.name, part)
        if late:
            message = f"rows are below the watermark that no run has read (rows: {late})"
            issue = new_issue("FB-SQL-006", message, table.name)
            yield Row(table, table.name, [], [issue], "skipped", late)
        for lost in self._state.gone(table.name):
            yield _gone(table, lost)


class _Gone(Row):
    """A row that was deleted: what it once became is withdrawn where it is stored."""

    __slots__ = ("_key",)

    def __init__(self, table: Table, key: str) -> None:
        where = f"{table.name}#{key[:12]}"
        issue = new_issue(
            "FB-SQL-005", "the row is deleted in the source; what is stored of it is withdrawn", where
        )
        super().__init__(table, where, [], [issue], "skipped")
        self._key = key

    @property
    def key(self) -> str:
        return self._key


def _gone(table: Table, key: str) -> Row:
    return _Gone(table, key)


def _row(table: Table, number: int, cells: list[str]) -> Row:
    row = Row(table, f"{table.name}:{number}", cells)
    if table.key:
        if not all(row.cell(column) for column in table.key):
            issue = new_issue("FB-SQL-004", "a column of the key is empty", row.locator)
            return Row(table, row.locator, cells, [issue], "rejected")
        row.locator = f"{table.name}#{row.key[:12]}"
    return row


def _before(value: Any, seconds: float) -> Any:
    """A watermark some seconds before.

    Raises:
        ValueError: it is neither a time nor a number.
    """
    if not seconds:
        return value
    if isinstance(value, datetime):
        return value - timedelta(seconds=seconds)
    if isinstance(value, date):
        return value - timedelta(days=-(-int(seconds) // 86_400))
    if isinstance(value, str):  # SQLite has times as texts
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise ValueError("overlap is of times and numbers; the watermark is a text") from None
        if len(value) == len("2026-01-31"):
            return str(_before(time.date(), seconds))
        return (time - timedelta(seconds=seconds)).isoformat(value[10])
    return value - seconds if isinstance(value, int | float) else value - Decimal(seconds)
