"""A connection that only reads: rows come as they are needed, by a cursor of the server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fhir_bridge.adapters.ehr.sql.query import QueryError
from fhir_bridge.plugins.extras import require

if TYPE_CHECKING:
    from sqlalchemy import Select

__all__ = ["Database", "DatabaseError", "TimeText"]

_ROWS: Final = 1_000
_SNAPSHOT: Final = ("postgresql", "mysql", "mariadb", "mssql")
"""Databases where one transaction sees one state, so that keys and rows agree."""


class DatabaseError(ValueError):
    """The database did not give what was asked for; the message holds no URL and no value of a row."""


class TimeText(str):
    """A time that Python has none of (`infinity`, before the year 1), as the database writes it. It is no watermark."""

    __slots__ = ()


class Database:
    """One connection in one transaction that is rolled back at the end."""

    def __init__(self, url: str) -> None:
        """Connect.

        Raises:
            DatabaseError: there is no such database, driver or right.
            QueryError: the URL can't be read.
        """
        require("server")
        import sqlalchemy

        self._sa = sqlalchemy
        self.url = url
        try:
            address = sqlalchemy.engine.make_url(url)
            if address.drivername in ("postgresql", "postgres"):
                address = address.set(drivername="postgresql+psycopg")
            backend = address.get_backend_name()
            options: dict[str, Any] = {}
            if backend in _SNAPSHOT:
                options["isolation_level"] = "SNAPSHOT" if backend == "mssql" else "REPEATABLE READ"
            self._engine = sqlalchemy.create_engine(
                address, poolclass=sqlalchemy.pool.NullPool, hide_parameters=True, **options
            )
        except sqlalchemy.exc.ArgumentError:
            raise QueryError(
                "the database's URL can't be read (dialect://user:password@host/database)"
            ) from None
        except (ImportError, sqlalchemy.exc.NoSuchModuleError) as error:
            raise DatabaseError(f"the database's driver is not installed ({type(error).__name__})") from None
        if address.drivername == "postgresql+psycopg":
            sqlalchemy.event.listen(self._engine, "connect", lambda connection, _: _read_any_time(connection))
        try:
            self._connection = self._engine.connect()
        except sqlalchemy.exc.SQLAlchemyError as error:
            raise DatabaseError(f"no connection to the database ({_kind(error)})") from None
        options = {"stream_results": True, "yield_per": _ROWS}
        if backend == "postgresql":
            options["postgresql_readonly"] = True
        self._connection = self._connection.execution_options(**options)

    def columns(self, sql: str, parameters: Mapping[str, Any]) -> list[str]:
        """The names of the columns that a query gives.

        Raises:
            DatabaseError: the query fails.
        """
        statement = self._select(sql, parameters).where(self._sa.false())
        try:
            with self._connection.execute(statement) as result:
                return list(result.keys())
        except self._sa.exc.SQLAlchemyError as error:
            raise DatabaseError(_reason(error)) from None

    def rows(
        self,
        sql: str,
        parameters: Mapping[str, Any],
        *,
        columns: Sequence[str] = (),
        since: tuple[str, Any] | None = None,
    ) -> Iterator[Sequence[Any]]:
        """The rows of a query.

        Args:
            columns: the only ones that are wanted.
            since: a column and its value; rows of lesser values are left out.

        Raises:
            DatabaseError: the query fails, at first or on the way.
        """
        sa = self._sa
        statement = self._select(sql, parameters, columns)
        if since is not None:
            column = sa.column(since[0])
            statement = statement.where(sa.or_(column >= since[1], column.is_(None)))
        try:
            with self._connection.execute(statement) as result:
                for part in result.partitions(_ROWS):
                    yield from part
        except sa.exc.SQLAlchemyError as error:
            raise DatabaseError(_reason(error)) from None

    def _select(self, sql: str, parameters: Mapping[str, Any], columns: Sequence[str] = ()) -> Select[Any]:
        sa = self._sa
        for name, value in parameters.items():
            if value is None:  # a parameter without a value has no type, and PostgreSQL compares none without
                sql = re.sub(rf"(?<![:\w]):{name}\b", "NULL", sql)
        text = sa.text(sql)
        known = {name: value for name, value in parameters.items() if name in text.compile().params}
        wanted = [sa.column(name) for name in columns] or [sa.text("*")]
        inner = text.bindparams(**known).columns(sa.column("x")).subquery("source")
        statement: Select[Any] = sa.select(*wanted).select_from(inner)
        return statement

    def close(self) -> None:
        """Give the connection back; nothing was changed."""
        self._connection.close()
        self._engine.dispose()


def _read_any_time(connection: Any) -> None:
    """Let times that Python has none of come as `TimeText`: one would end the query."""
    from psycopg import DataError
    from psycopg.adapt import Buffer, Loader

    def lenient(known: type[Any]) -> type[Loader]:
        class TimeOrText(Loader):
            def __init__(self, oid: int, context: Any = None) -> None:
                super().__init__(oid, context)
                self._known = known(oid, context)

            def load(self, data: Buffer) -> Any:
                try:
                    return self._known.load(data)
                except DataError:
                    return TimeText(bytes(data), "ascii", "replace")

        return TimeOrText

    for name in ("date", "timestamp", "timestamptz"):
        oid = connection.adapters.types[name].oid
        known = connection.adapters.get_loader(oid, Loader.format)
        connection.adapters.register_loader(oid, lenient(known))


def _kind(error: Any) -> str:
    original = getattr(error, "orig", None)
    state = getattr(original, "sqlstate", None)
    return f"{type(original or error).__name__}{f' {state}' if state else ''}"


def _reason(error: Any) -> str:
    """What failed. Messages on values may hold a patient's; those on tables, columns and syntax hold none."""
    original = getattr(error, "orig", None)
    if type(error).__name__ in ("ProgrammingError", "OperationalError") and original is not None:
        return f"the query fails: {str(original).partition(chr(10))[0][:200]} ({_kind(error)})"
    return f"the query fails ({_kind(error)})"
