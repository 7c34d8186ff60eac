"""The rows of a sheet of an Excel workbook, with memory for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final
from xml.etree.ElementTree import Element

__all__ = ["Unread", "excel_rows"]

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_WHOLE: Final = 10**15
"""From here on a spreadsheet program keeps the first 15 digits of a number: the others are gone when it is saved."""


class Unread(Enum):
    """What stands for the value of a cell that the file does not state."""

    UNCALCULATED = "FB-CSV-015"
    """That of a formula that no program has worked out yet."""
    ROUNDED = "FB-CSV-017"
    """A number whose last digits are gone: a long identifier that was no text."""


def excel_rows(sheet: Any, percent: set[int]) -> Iterator[tuple[int, list[Any]]]:
    """The number of each row that a sheet of openpyxl's read-only mode has, and its values.

    openpyxl's own iteration keeps an element and the height of every row until the end.

    Args:
        percent: gets the places, from 0, of columns with numbers that are shown as percent.

    Raises:
        ValueError: a row or cell is outside of what a sheet can have.
    """
    from openpyxl.worksheet._reader import WorkSheetParser
    from openpyxl.xml.functions import iterparse

    book = sheet.parent
    with sheet._get_source() as source:
        parser = WorkSheetParser(
            source,
            sheet._shared_strings,
            data_only=True,
            epoch=book.epoch,
            date_formats=book._date_formats,
            timedelta_formats=book._timedelta_formats,
        )
        shares = _shown_as_percent(book)
        rows: Element | None = None
        for event, element in iterparse(source, ("start", "end")):
            if event == "start":
                if element.tag == f"{_MAIN}sheetData":
                    rows = element
            elif element.tag == f"{_MAIN}row" and rows is not None:
                number, cells = parser.parse_row(element)
                parser.row_dimensions.clear()
                rows.clear()
                if number > _LAST_ROW:
                    raise ValueError(f"row {number} is beyond the last that a sheet can have")
                values: list[Any] = [None] * max((_column(cell) for cell in cells), default=0)
                for written, cell in zip(element, cells, strict=True):
                    place, value = cell["column"] - 1, cell["value"]
                    if value is None and written.find(f"{_MAIN}f") is not None:
                        value = Unread.UNCALCULATED
                    elif isinstance(value, float) and abs(value) >= _WHOLE:
                        value = Unread.ROUNDED
                    elif cell.get("style_id") in shares and isinstance(value, int | float):
                        percent.add(place)
                    values[place] = value
                yield number, values
            elif element is rows:
                return  # what comes after the rows is about how they look


def _shown_as_percent(book: Any) -> set[int]:
    """Numbers of the styles that show 0.425 as 42.5 %."""
    from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE

    formats = {**BUILTIN_FORMATS, **dict(enumerate(book._number_formats, BUILTIN_FORMATS_MAX_SIZE))}
    return {
        number for number, style in enumerate(book._cell_styles) if "%" in (formats.get(style.numFmtId) or "")
    }


def _column(cell: dict[str, Any]) -> int:
    column = int(cell["column"])
    if column > _LAST_COLUMN:
        raise ValueError(f"column {column} is beyond the last that a sheet can have")
    return column
