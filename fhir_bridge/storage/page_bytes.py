"""Pages of bounded size: the contents that fit, of the rows of a page in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["that_fit", "within_bytes"]


def within_bytes(statement: str, columns: Sequence[str], order: str) -> str:
    """A page's statement, its contents left out from where they are too large together; the first stays always.

    The database measures them without reading what it keeps apart, and does not send what does not fit.

    Args:
        statement: gives the rows of a page, among its columns `bytes`.
        columns: those that are wanted of it.
        order: by which the page is ordered, in terms of the statement's columns.

    Returns:
        A statement with one more placeholder before those of the page's, the number of bytes; its rows have one more
        column, whether the content fits.
    """
    listed = ", ".join(
        "CASE WHEN p.fits THEN p.bytes END" if name == "bytes" else f"p.{name}" for name in columns
    )
    # One entry is always given, however large: else a page of a large resource could never be passed.
    # Running sums by row, not by value: rows that tie in the order would else be counted together.
    return (
        f"SELECT {listed}, p.fits FROM (SELECT q.*, "  # noqa: S608 - built from constants of this package
        f"sum(resource_size(q.bytes)) OVER w <= %s OR row_number() OVER w = 1 AS fits FROM ({statement}) q "
        f"WINDOW w AS (ORDER BY {order} ROWS UNBOUNDED PRECEDING)) p ORDER BY {order.replace('q.', 'p.')}"
    )


def that_fit(rows: list[Any]) -> list[Any]:
    """The rows of such a statement up to the first that does not fit."""
    # Only in the order of the rows: a later one that fits would leave a gap before the cursor.
    for number, row in enumerate(rows):
        if row[-1] is False:
            return rows[:number]
    return rows
