"""Rows of Parquet files and Excel workbooks as texts, in the marks that the mapping states for its tables."""

from __future__ import annotations

import math
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson

from fhir_bridge.adapters.ehr.csv.dialect import Dialect
from fhir_bridge.adapters.ehr.csv.excel_rows import Unread, excel_rows
from fhir_bridge.adapters.ehr.csv.lines import RawRow
from fhir_bridge.adapters.ehr.issues import new_issue
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.plugins.extras import require

__all__ = ["BinaryTable", "BinaryTableError", "is_binary"]

PARQUET: Final = (".parquet",)
EXCEL: Final = (".xlsx", ".xlsm")
_BATCH: Final = 1_000
_DIRECTIVES: Final = (
    ("yyyy", "%Y"), ("yy", "%y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"),
)  # fmt: skip
"""Fields of a date format that have one form in `strftime`."""
_FIELDS: Final = re.compile("|".join(field for field, _ in _DIRECTIVES))
_EXCEL_ERRORS: Final = (
    zipfile.BadZipFile, KeyError, IndexError, ValueError, TypeError, AttributeError, OSError, SyntaxError, EOFError,
    OverflowError, zlib.error, NotImplementedError,
)  # fmt: skip
"""What openpyxl raises of a workbook that is none, is cut off, or is not as the standard has it."""


class BinaryTableError(ValueError):
    """The file, or what is left of it, can't be read."""


def is_binary(path: Path) -> bool:
    """Whether a file is one of these by its name."""
    return path.suffix.lower() in (*PARQUET, *EXCEL)


class BinaryTable:
    """An open table: its column names and rows, with memory for some rows (Parquet: a column of a row group).

    Attributes:
        issues: what of the file is not read (other sheets).
    """

    def __init__(self, path: Path, dialect: Dialect) -> None:
        """Open a file.

        Raises:
            BinaryTableError: it is no such file, is cut off, or has no such sheet.
            OSError: it can't be opened.
        """
        self.issues: list[Issue] = []
        self.percent: set[int] = set()
        self._path = path
        self._dialect = dialect
        self._text = CellText(dialect)
        self._file = path.open("rb")  # an OSError here is about the file, not about its content
        try:
            if path.suffix.lower() in PARQUET:
                require("parquet")
                self.names, self.rows = self._parquet()
            else:
                require("documents")
                self.names, self.rows = self._excel()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _parquet(self) -> tuple[list[str], Iterator[RawRow]]:
        import pyarrow as pa
        from pyarrow import parquet

        try:
            file = parquet.ParquetFile(self._file)
        except (pa.ArrowException, OSError) as error:
            raise BinaryTableError(f"it is no Parquet file, or is cut off ({_first(error)})") from None
        return list(file.schema_arrow.names), self._parquet_rows(file)

    def _parquet_rows(self, file: Any) -> Iterator[RawRow]:
        import pyarrow as pa

        number = 0
        try:
            for batch in file.iter_batches(batch_size=_BATCH):
                columns = [self._texts(column) for column in batch.columns]
                for cells in zip(*columns, strict=True):
                    number += 1
                    yield RawRow(number, list(cells))
        except (pa.ArrowException, OSError) as error:
            raise BinaryTableError(f"row {number + 1} and after can't be read ({_first(error)})") from None

    def _texts(self, column: Any) -> list[str]:
        import pyarrow as pa

        if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
            column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
        elif pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return [text or "" for text in column.to_pylist()]
        if pa.types.is_float32(column.type) or pa.types.is_float16(column.type):
            # Their own shortest digits: as a number of 64 bits 0.1 is 0.10000000149011612.
            return [
                "" if text is None else self._text(float(text))
                for text in column.cast(pa.string()).to_pylist()
            ]
        return [self._text(value) for value in column.to_pylist()]

    def _excel(self) -> tuple[list[str], Iterator[RawRow]]:
        import openpyxl

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about how cells look
                book = openpyxl.load_workbook(self._file, read_only=True, data_only=True, keep_links=False)
        except _EXCEL_ERRORS as error:
            raise BinaryTableError(f"it is no Excel workbook, or is cut off ({_first(error)})") from None
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
        wanted = self._dialect.sheet
        chosen = next((sheet for sheet in book.worksheets if sheet.title == wanted), None)
        if wanted is not None and chosen is None:
            shown = ", ".join(f'"{sheet.title}"' for sheet in book.worksheets)
            raise BinaryTableError(f'it has no sheet "{wanted}"; it has {shown}')
        if chosen is None:
            if not sheets:
                raise BinaryTableError("it has no sheet with cells")
            chosen = sheets[0]
            if others := [sheet.title for sheet in book.worksheets if sheet is not chosen]:
                shown = ", ".join(f'"{title}"' for title in others)
                text = f'the sheet "{chosen.title}" is read; source.sheet names another one of {shown}'
                self.issues.append(new_issue("FB-CSV-013", text, self._path.name))
        chosen.reset_dimensions()  # what writers state of them is often wrong
        rows = self._excel_rows(chosen)
        if self._dialect.header == 0:
            return list(self._dialect.names), rows
        for raw in rows:
            if raw.line >= self._dialect.header:
                cells = raw.cells
                while cells and not cells[-1].strip():
                    cells.pop()
                return cells, rows
        raise BinaryTableError("the sheet has no header row")

    def _excel_rows(self, sheet: Any) -> Iterator[RawRow]:
        number = 0
        try:
            for number, values in excel_rows(sheet, self.percent):
                unread = tuple(
                    (place, one.value) for place, one in enumerate(values) if isinstance(one, Unread)
                )
                cells = [self._text(None if isinstance(value, Unread) else value) for value in values]
                if unread or any(cell.strip() for cell in cells):
                    yield RawRow(number, cells, None, unread)
        except _EXCEL_ERRORS as error:
            raise BinaryTableError(f"row {number + 1} and after can't be read ({_first(error)})") from None


def _first(error: BaseException) -> str:
    """What an error of a library says, without a path and without what follows its first sentence."""
    return str(error).partition("\n")[0].partition(". ")[0][:120] or type(error).__name__


class CellText:
    """Writes typed cells as texts, as the functions of the mapping language read them back."""

    def __init__(self, dialect: Dialect) -> None:
        self._decimal = dialect.decimal or "."
        self._date = _DateForm(dialect.date) if dialect.date else None

    def __call__(self, value: Any) -> str:
        if value is None:
            return ""
        kind = value.__class__
        if kind is str:
            return value  # type: ignore[no-any-return]
        if kind is bool:
            return "true" if value else "false"
        if kind is int:
            return str(value)
        if kind is float:
            return self._float(value)
        return self._other(value)

    def _float(self, value: float) -> str:
        if not math.isfinite(value):
            return "" if math.isnan(value) else str(value)
        text = format(Decimal(repr(value)), "f")
        if "." in text:
            short = format(Decimal(format(value, ".15g")), "f")  # as Excel shows it: 0.1 + 0.2 is 0.3
            text = short if float(short) == value or len(text) > 17 else text
            text = text.removesuffix(".0")
        return text.replace(".", self._decimal) if self._decimal != "." else text

    def _other(self, value: Any) -> str:
        if isinstance(value, datetime):
            # A workbook has no type for a day: one at midnight without zone states no time of day.
            midnight = value.time() == time(0) and value.tzinfo is None
            text = self._date and self._date.text(value, None if midnight else value.timetz())
            return text or (value.date().isoformat() if midnight else value.isoformat())
        if isinstance(value, date):
            return (self._date and self._date.text(value, None)) or value.isoformat()
        if isinstance(value, time):
            return value.isoformat()
        if isinstance(value, Decimal):
            text = format(value, "f")
            return text.replace(".", self._decimal) if self._decimal != "." else text
        if isinstance(value, timedelta):
            return str(value.total_seconds())
        if isinstance(value, bytes):
            return value.decode("utf-8", "surrogateescape")
        if isinstance(value, Iterable):
            return orjson.dumps(value, default=str).decode()
        return str(value)


class _DateForm:
    """A date format of the mapping language, in which a typed time is written where it says all of it."""

    def __init__(self, layout: str) -> None:
        self._fields = frozenset(_FIELDS.findall(layout))
        others = _FIELDS.sub("", layout)
        directives = dict(_DIRECTIVES)
        self._directive = _FIELDS.sub(lambda match: directives[match.group()], layout.replace("%", "%%"))
        self._is_plain = not any((letter.isalpha() and letter != "T") or letter == "'" for letter in others)

    def text(self, value: date, clock: time | None) -> str | None:
        """The text; None where the format can't say what the value says, or says more."""
        fields = self._fields
        if not self._is_plain or not fields >= {"MM", "dd"} or value.year < 1000:
            return None
        if "yyyy" not in fields and not ("yy" in fields and 1970 <= value.year < 2070):
            return None
        if clock is None:
            return None if "HH" in fields else value.strftime(self._directive)
        if not fields >= {"HH", "mm"} or clock.tzinfo is not None or clock.microsecond:
            return None
        return value.strftime(self._directive) if "ss" in fields or not clock.second else None
