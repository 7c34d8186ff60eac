"""Where the tables are: CSV files of a folder, of a zip, or a database."""

from __future__ import annotations

import io
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.adapters.ehr.csv.binary import CellText
from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.lines import RawRow, rows
from fhir_bridge.adapters.ehr.sql.database import Database, DatabaseError
from fhir_bridge.adapters.ehr.sql.query import Query, QueryError

__all__ = ["SUFFIXES", "SourceProblem", "TableSource", "opened_source"]

SUFFIXES: Final = (".csv", ".zip", ".omop.yaml", ".omop.yml")
_DATABASE: Final = SUFFIXES[2:]
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class SourceProblem(ValueError):
    """A source, or the rest of a table, can't be read."""


class TableSource(ABC):
    """The tables of one data set.

    Attributes:
        name: of the data set, where it names itself nowhere else.
    """

    name: str

    def __init__(self) -> None:
        self._opened: list[IO[str]] = []

    @abstractmethod
    def tables(self) -> dict[str, str]:
        """Name of each table in lower case -> what it is called in locators."""

    @abstractmethod
    def rows(self, table: str) -> tuple[list[str], Iterator[RawRow]]:
        """The columns of a table, in lower case, and its rows.

        Raises:
            SourceProblem: it can't be read, or not further.
        """

    def concepts(self, numbers: Sequence[str]) -> Iterable[tuple[str, str, str, str]] | None:  # noqa: ARG002
        """Id, vocabulary, code and name of these concepts, where they can be queried; else None."""
        return None

    def close(self) -> None:
        """Close what is open."""
        for text in self._opened:
            text.close()

    def _read(self, binary: IO[bytes]) -> tuple[list[str], Iterator[RawRow]]:
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")  # type: ignore[type-var]
        self._opened.append(text)
        names, parted = _parted(text)
        return names, _guarded(text, parted)


def opened_source(paths: Sequence[Path]) -> TableSource:
    """The source of files: a zip, the description of a database, or tables of one folder.

    Raises:
        SourceProblem: it can't be used.
    """
    first = paths[0]
    name = first.name.lower()
    if name.endswith(".zip"):
        return _Zip(first)
    if name.endswith(_DATABASE):
        return _Database(first)
    return _Folder(paths)


def _parted(text: IO[str]) -> tuple[list[str], Iterator[RawRow]]:
    head = text.readline()
    dialect = Dialect()
    delimiter = dialect.delimiter_for(head)
    # Vocabularies come with tabs and quote nothing (`5" needle`).
    quote = None if delimiter == "\t" else dialect.quote

    def lines() -> Iterator[str]:
        yield head
        yield from text

    parted = rows(lines(), delimiter=delimiter, quote=quote)
    first = next(parted, None)
    if first is None or first.error:
        raise SourceProblem("it has no header")
    return [cell.strip().lower() for cell in first.cells], parted


def _guarded(text: IO[str], parted: Iterator[RawRow]) -> Iterator[RawRow]:
    last = 1
    try:
        for raw in parted:
            last = raw.line
            yield raw
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, RuntimeError) as error:
        raise SourceProblem(f"what follows line {last} can't be read ({type(error).__name__})") from None
    finally:
        text.close()


class _Folder(TableSource):
    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._named = {path.stem.lower(): path for path in paths}
        folder = paths[0].parent
        self.name = folder.resolve().name
        beside = sorted(path for path in folder.iterdir() if path.suffix.lower() == ".csv")
        self._all = {path.stem.lower(): path for path in beside} | self._named

    def tables(self) -> dict[str, str]:
        return {name: path.name for name, path in self._named.items()}

    def rows(self, table: str) -> tuple[list[str], Iterator[RawRow]]:
        path = self._all.get(table)
        if path is None:
            return [], iter(())
        try:
            binary = path.open("rb")
        except OSError as error:
            raise SourceProblem(error.strerror or "it can't be opened") from None
        return self._read(binary)


class _Zip(TableSource):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.name = path.stem
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError) as error:
            raise SourceProblem(f"it is no zip, or is cut off ({type(error).__name__})") from None
        self._members = {
            Path(info.filename).stem.lower(): info
            for info in self._zip.infolist()
            if info.filename.lower().endswith(".csv")
            and not Path(info.filename).name.startswith(".")
            and not info.filename.startswith("__MACOSX")
        }

    def tables(self) -> dict[str, str]:
        return {name: f"{self._path.name}/{info.filename}" for name, info in self._members.items()}

    def rows(self, table: str) -> tuple[list[str], Iterator[RawRow]]:
        info = self._members.get(table)
        if info is None:
            return [], iter(())
        try:
            binary = self._zip.open(info)
        except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
            raise SourceProblem(f"it can't be unpacked ({type(error).__name__})") from None
        try:
            return self._read(binary)
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise SourceProblem(f"it can't be unpacked ({type(error).__name__})") from None

    def close(self) -> None:
        super().close()
        self._zip.close()


class _Database(TableSource):
    """`{url: env:OMOP_URL, schema: cdm, vocabulary: vocab, name: hospital}`."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        try:
            stated = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, YAMLError):
            raise SourceProblem("it is no YAML that describes a database") from None
        if not isinstance(stated, dict) or set(stated) - {"url", "schema", "vocabulary", "name"}:
            raise SourceProblem("a database is described by url, schema, vocabulary and name")
        self._schema = _schema(stated.get("schema"))
        self._vocabulary = _schema(stated.get("vocabulary")) or self._schema
        self.name = str(stated.get("name") or path.name.partition(".")[0])
        self._text = CellText(Dialect())
        try:
            url = Query(path, "", str(stated.get("url") or "env:FHIR_BRIDGE_SQL_URL")).database_url()
            self._rows, self._look = Database(url), Database(url)
        except (QueryError, DatabaseError) as error:
            raise SourceProblem(str(error)) from None
        self._path = path

    def _place(self, table: str) -> str:
        schema = self._vocabulary if table == "concept" else self._schema
        return f"{schema}{table}"

    def tables(self) -> dict[str, str]:
        from fhir_bridge.adapters.ehr.omop.columns import TABLES

        return {table: f"{self._path.name}/{table}" for table in TABLES if self._columns(table)}

    def _columns(self, table: str) -> list[str]:
        try:
            with closing(Database(self._rows.url)) as other:  # a failing query ends a transaction
                return other.columns(f"SELECT * FROM {self._place(table)}", {})  # noqa: S608 - a name, checked
        except DatabaseError:
            return []

    def rows(self, table: str) -> tuple[list[str], Iterator[RawRow]]:
        if table == "concept":
            return [], iter(())
        names = self._columns(table)
        if not names:
            return [], iter(())
        return [name.lower() for name in names], self._records(table)

    def _records(self, table: str) -> Iterator[RawRow]:
        text = self._text
        try:
            sql = f"SELECT * FROM {self._place(table)}"  # noqa: S608 - a name, checked
            for number, values in enumerate(self._rows.rows(sql, {}), start=1):
                yield RawRow(number, [text(value) for value in values])
        except DatabaseError as error:
            raise SourceProblem(str(error)) from None

    def concepts(self, numbers: Sequence[str]) -> Iterable[tuple[str, str, str, str]] | None:
        listed = ", ".join(number for number in numbers if number.isdigit())
        if not listed:
            return []
        sql = (
            f"SELECT concept_id, vocabulary_id, concept_code, concept_name FROM {self._place('concept')}"  # noqa: S608
            f" WHERE concept_id IN ({listed})"
        )
        try:
            return [tuple(map(str, row)) for row in self._look.rows(sql, {})]  # type: ignore[misc]
        except DatabaseError as error:
            raise SourceProblem(f"concept: {error}") from None

    def close(self) -> None:
        self._rows.close()
        self._look.close()


def _schema(value: Any) -> str:
    if not value:
        return ""
    text = str(value)
    if set(text.lower()) - _NAME:
        raise SourceProblem("schema and vocabulary are plain names")
    return f"{text}."
