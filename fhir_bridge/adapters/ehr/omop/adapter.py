"""The `omop` adapter: a data set of the OMOP common data model in, one record a row out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from fhir_bridge.adapters.ehr.csv.accounting import Unread
from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.reader import row_of
from fhir_bridge.adapters.ehr.csv.record import Row, Table
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.adapters.ehr.omop.columns import DERIVED_TABLES, TABLES, VOCABULARY_TABLES, columns_of
from fhir_bridge.adapters.ehr.omop.lookups import Lookups
from fhir_bridge.adapters.ehr.omop.record import FUNCTIONS, OmopRow, OmopTable
from fhir_bridge.adapters.ehr.omop.row_checks import RowChecks
from fhir_bridge.adapters.ehr.omop.sources import SUFFIXES, SourceProblem, TableSource, opened_source
from fhir_bridge.mapping import Scope, nearest
from fhir_bridge.plugins import OptionError, ReadContext, SourceModel

__all__ = ["OmopAdapter", "OmopModel"]

_OPTIONS: Final = ("person_authority", "name", "ignore", "join", "decimal", "group", "date")
_CODED: Final = frozenset(("dataset", "patient", "birth_date", "death_at", "address", "unit_code"))


class OmopModel:
    """A scope for each clinical table, whose names are its columns and what they mean together.

    `condition_occurrence.condition` is the coded value of its three columns, and
    `condition_occurrence.condition_start_at` the time or day of its two; `patient`, `dataset`, `unit_code`,
    `person.birth_date`, `person.death_at` and `address` are looked up.
    """

    root: str = "row"
    scopes: Mapping[str, Scope] = {"row": Scope("row"), **{table: Scope(table) for table in TABLES}}
    functions: Mapping[str, Callable[..., Any]] = FUNCTIONS
    token: str = ""
    pure: bool = True
    accounts: bool = True

    def with_options(self, options: Mapping[str, Any]) -> OmopModel:
        """The same for all options.

        Raises:
            OptionError: an option is unknown.
        """
        for option in options:
            if option not in (*_OPTIONS, "adapter", "check") and not option.startswith("join."):
                advice = nearest(option, _OPTIONS) or f"there are {', '.join(_OPTIONS)}"
                raise OptionError(option, f"source.{option} is no option of omop", advice)
        return self

    def selector(self, text: str, scope: str) -> str:
        """Python source that reads the selector from the row `s`.

        Raises:
            LookupError: the table has no such name, or the rule is for another table.
        """
        table, _, name = text.strip().partition(".")
        if table not in TABLES or not name:
            raise LookupError(f'"{text}": write <table>.<column>{_meant(table, list(TABLES))}')
        if scope not in ("row", table):
            raise LookupError(f'"{text}" is of another table than the rule, which is for {scope}')
        try:
            columns = columns_of(table, name)
        except LookupError:
            raise LookupError(
                f'"{text}" is no column of {table}{_meant(name, list(TABLES[table]))}'
            ) from None
        if columns == (name,):
            return f"s.cell({name!r})"
        if name in _CODED:
            return f"s.{name}"
        if name.endswith("_at"):
            return f"s.at({name.removesuffix('_at')!r})"
        return f"s.coded({name!r})"


def _meant(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f" ({near})" if near else ""


class OmopAdapter:
    """OMOP CDM 5.4 (and 5.3, whose columns are fewer), from CSV files, a zip of them, or a database."""

    name = "omop"
    title = "OMOP CDM"
    model: SourceModel = OmopModel()
    suffixes: tuple[str, ...] = SUFFIXES

    def choose_mapping(self, paths: Sequence[Path]) -> str:  # noqa: ARG002
        """The one mapping."""
        return "ehr/omop"

    def shards(self, paths: Sequence[Path], jobs: int) -> list[list[Path]]:  # noqa: ARG002
        """A data set each: a zip, a database, or the tables of one folder."""
        shards: dict[Path, list[Path]] = {}
        for path in paths:
            shards.setdefault(path.parent if path.suffix.lower() == ".csv" else path, []).append(path)
        return list(shards.values())

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[Row]:
        """Read the rows of each data set, one in memory at a time."""
        for shard in self.shards(paths, 1):
            yield from _read(shard, context)


def _read(paths: Sequence[Path], context: ReadContext) -> Iterator[Row]:
    dialect = Dialect(ignore=frozenset(context.options.get("ignore") or ()))
    try:
        with closing(opened_source(paths)) as source:
            authority = context.options.get("person_authority")
            with closing(Lookups(source, str(authority) if authority else None)) as lookups:
                if name := context.options.get("name"):
                    lookups.dataset = str(name)
                yield from _DataSet(source, lookups, dialect, getattr(context, "selectors", None)).rows()
    except SourceProblem as error:
        issue = new_issue("FB-OMOP-001", f"{paths[0].name}: {error}", paths[0].name)
        yield Row(Table(paths[0].name, paths[0].stem, (), dialect), paths[0].name, [], [issue], "rejected")


class _DataSet:
    def __init__(
        self,
        source: TableSource,
        lookups: Lookups,
        dialect: Dialect,
        selectors: frozenset[tuple[str, str]] | None,
    ) -> None:
        self._source = source
        self._lookups = lookups
        self._dialect = dialect
        self._selectors = selectors
        self._there: frozenset[str] = frozenset()

    def rows(self) -> Iterator[Row]:
        """The rows of all clinical tables; other tables are skipped and counted."""
        tables = self._source.tables()
        ordered = [table for table in TABLES if table in tables]
        self._there = frozenset(ordered)
        for table in ordered:
            yield from self._table(table, tables[table])
        for table, shown in tables.items():
            if table not in TABLES and table not in VOCABULARY_TABLES:
                yield from self._left(table, shown)
        if not ordered:
            place = self._source.name
            issue = new_issue("FB-OMOP-001", f"{place} has no clinical table of the model", place)
            yield Row(Table(place, place, (), self._dialect), place, [], [issue], "rejected")
        if self._lookups.unknown:
            most = sorted(self._lookups.unknown, key=lambda number: -self._lookups.unknown[number])
            shown = ", ".join(most[:10]) + (f" and {len(most) - 10} more" if len(most) > 10 else "")
            text = f"concepts that the concept table does not have: {shown}"
            issue = new_issue("FB-OMOP-003", text, self._source.name)
            yield Row(
                Table(self._source.name, "", (), self._dialect), self._source.name, [], [issue], "skipped", 0
            )

    def _table(self, kind: str, shown: str) -> Iterator[Row]:
        try:
            names, raws = self._source.rows(kind)
        except SourceProblem as error:
            yield self._refused(shown, "FB-OMOP-001", f"{shown}: {error}")
            return
        key = f"{kind}_id" if f"{kind}_id" in names else "person_id" if kind in ("person", "death") else None
        if kind != "death" and key not in names:
            near = f"it has {', '.join(names[:8])}"
            yield self._refused(
                shown, "FB-OMOP-004", f"{shown}: the table has no column {kind}_id; {near}", raws
            )
            return
        table = OmopTable(shown, self._lookups.dataset, names, self._dialect, key=(key,) if key else ())
        table.kind, table.lookups = kind, self._lookups
        table.system = f"{self._lookups.dataset}/{kind}"
        unread: Unread | None = None
        if self._selectors is not None:
            wanted = frozenset(column for text in self._named(kind) for column in _columns(kind, text))
            unread = Unread(table, wanted, self._dialect, lambda text: _columns(kind, text))
        table.account = unread
        checks = RowChecks(kind, table.names, self._there, self._lookups, self._dialect.ignore)
        last = 1
        try:
            for raw in raws:
                last = raw.line
                row = row_of(raw, table, len(names), OmopRow)
                if isinstance(row, OmopRow) and row.outcome == "read" and (issues := checks.issues(row)):
                    row.issues = [*row.issues, *issues]
                if unread is not None:
                    unread.read(row)
                yield row
        except SourceProblem as error:
            yield self._refused(f"{shown}:{last}", "FB-OMOP-001", f"{shown}: {error}")
        if unread is not None:
            yield from unread.report()

    def _named(self, kind: str) -> list[str]:
        return [text for scope, text in self._selectors or () if scope == kind or text.startswith(f"{kind}.")]

    def _refused(self, where: str, code: str, message: str, raws: Iterator[Any] | None = None) -> Row:
        count = 1
        if raws is not None:
            try:
                count = max(sum(1 for _ in raws), 1)
            except SourceProblem:
                count = 1
        issue = new_issue(code, message, where)
        return Row(Table(where, where, (), self._dialect), where, [], [issue], "rejected", count)

    def _left(self, table: str, shown: str) -> Iterator[Row]:
        try:
            count = sum(1 for _ in self._source.rows(table)[1])
        except SourceProblem as error:
            yield self._refused(shown, "FB-OMOP-001", f"{shown}: {error}")
            return
        if count:
            why = "it is computed from the others" if table in DERIVED_TABLES else "no rule is for it"
            issue = new_issue("FB-OMOP-002", f"{table} is left out ({why}); rows: {count}", shown)
            yield Row(Table(shown, "", (), self._dialect), shown, [], [issue], "skipped", count)


def _columns(kind: str, text: str) -> tuple[str, ...]:
    table, _, name = text.strip().partition(".")
    try:
        return columns_of(kind, name) if table == kind else ()
    except LookupError:
        return ()
