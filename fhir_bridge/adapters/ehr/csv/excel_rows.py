"""The rows of a sheet of an Excel workbook, with memory for one of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from xml.etree.ElementTree import Element

__all__ = ["excel_rows"]

_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384


def excel_rows(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """The number of each row that a sheet of openpyxl's read-only mode has, and its values.

    openpyxl's own iteration keeps an element and the height of every row until the end.

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
                values = [None] * max((_column(cell) for cell in cells), default=0)
                for cell in cells:
                    values[cell["column"] - 1] = cell["value"]
                yield number, values
            elif element is rows:
                return  # what comes after the rows is about how they look


def _column(cell: dict[str, Any]) -> int:
    column = int(cell["column"])
    if column > _LAST_COLUMN:
        raise ValueError(f"column {column} is beyond the last that a sheet can have")
    return column
