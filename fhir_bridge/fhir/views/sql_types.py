"""The SQL types that a column may ask for with the tag `ansi/type` (SQL on FHIR v2, Type Hinting with Tags)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fhir_bridge.fhir.views.types import ColumnType

__all__ = ["ANSI_TAG", "DIGITS", "SCALE", "SqlType", "sql_type", "why_not"]

ANSI_TAG = "ansi/type"

DIGITS, SCALE = 38, 18
"""Of a DECIMAL without a size: twenty digits before the point, eighteen behind."""


@dataclass(frozen=True, slots=True)
class SqlType:
    """A type of ISO/IEC 9075, by one name for all its spellings; digits and scale of a DECIMAL."""

    name: str
    digits: int = 0
    scale: int = 0


_NAMES = {
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR", "CHARACTER", "CHARACTER VARYING", "CLOB"), "VARCHAR"),
    "BOOLEAN": "BOOLEAN",
    "SMALLINT": "SMALLINT",
    **dict.fromkeys(("INT", "INTEGER"), "INTEGER"),
    "BIGINT": "BIGINT",
    **dict.fromkeys(("REAL", "FLOAT", "DOUBLE PRECISION"), "DOUBLE PRECISION"),
    "DATE": "DATE",
    "TIME": "TIME",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"), "TIMESTAMP"),
    **dict.fromkeys(("BINARY", "VARBINARY", "BINARY VARYING", "BLOB"), "BINARY"),
}
_SIZE = re.compile(r"\s*\(\s*(\d{1,9})\s*(?:,\s*(\d{1,9})\s*)?\)", re.ASCII)
_NUMBERS = frozenset({ColumnType.INTEGER, ColumnType.INTEGER64, ColumnType.DECIMAL})
_FITTING = {
    "BOOLEAN": frozenset({ColumnType.BOOLEAN}),
    "SMALLINT": _NUMBERS,
    "INTEGER": _NUMBERS,
    "BIGINT": _NUMBERS,
    "DECIMAL": _NUMBERS,
    "DOUBLE PRECISION": _NUMBERS,
    "DATE": frozenset({ColumnType.DATE, ColumnType.DATETIME, ColumnType.STRING}),
    "TIME": frozenset({ColumnType.TIME, ColumnType.STRING}),
    "TIMESTAMP": frozenset({ColumnType.DATETIME, ColumnType.INSTANT, ColumnType.STRING}),
    "BINARY": frozenset({ColumnType.BINARY, ColumnType.STRING}),
}


def sql_type(tags: Mapping[str, str]) -> SqlType | None:
    """What the tags ask for; None where they ask for nothing, or for a type that is not understood."""
    written = " ".join(tags.get(ANSI_TAG, "").upper().split())
    size = _SIZE.search(written)
    name = _SIZE.sub("", written, count=1).strip()
    if name in ("DECIMAL", "NUMERIC", "DEC"):
        if size is None:
            return SqlType("DECIMAL", DIGITS, SCALE)
        digits, scale = int(size[1]), int(size[2] or 0)
        return SqlType("DECIMAL", digits, scale) if 1 <= digits <= DIGITS and scale <= digits else None
    entry = _NAMES.get(name)
    return SqlType(entry) if entry is not None else None


def why_not(tags: Mapping[str, str], kind: ColumnType) -> str | None:
    """Why the type that the tags ask for is not used, or that no value of this kind fits it; None where all is well."""
    if ANSI_TAG not in tags:
        return None
    wanted = sql_type(tags)
    if wanted is None:
        return f"{ANSI_TAG} {tags[ANSI_TAG]!r} is not understood and left out of account"
    if kind is ColumnType.UNKNOWN or kind in _FITTING.get(wanted.name, frozenset(ColumnType)):
        return None
    return f"{ANSI_TAG} {tags[ANSI_TAG]!r}: no {kind} fits it, and every record with a value will be rejected"
