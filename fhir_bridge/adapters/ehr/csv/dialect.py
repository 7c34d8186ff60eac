"""How a table is written: the options of a mapping's `source:` block."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from fhir_bridge.mapping import nearest
from fhir_bridge.mapping.functions.times import format_problem
from fhir_bridge.plugins import OptionError

__all__ = ["Dialect", "DialectError", "check_values", "repeated"]

_BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DELIMITERS: Final = ",;\t|"
_DECIMALS: Final = ".,·٫"
_OF_VALUES: Final = ("decimal", "group", "date")
"""Options of the same block that the mapping language reads: cells reach it as written, `quantity`, `decimal`
and `datetime` read them, so that an identifier that looks like a number or a date is never rewritten."""

_ENCODINGS: Final = (
    "utf-8",
    "utf-16",
    "cp1252",
    "latin-1",
    "iso8859-15",
    "cp1250",
    "cp1251",
    "cp437",
    "cp850",
    "mac-roman",
)

_NAMED: Final = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}


def repeated(names: Iterable[str]) -> list[str]:
    """The names that a list has more than once."""
    return [name for name, times in Counter(names).items() if times > 1]


class DialectError(OptionError):
    """An option is wrong; the message names it."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """A table's form.

    Attributes:
        delimiter: one character; None is found from the header among comma, semicolon, tab and bar.
        encoding: a Python encoding; a byte order mark goes before it.
        quote: the quote character; None where cells are never quoted.
        missing: cells that mean no value. An empty cell always does.
        header: physical line of the header, from 1; 0 where there is none and `names` gives it.
        names: column names where the file has no header.
        columns: columns without which the file is refused.
        optional: columns that may be absent, and are then empty.
        ignore: columns that are known and not wanted: that no rule reads them is not reported.
        comment: lines that begin with it are left out.
        file: pattern of the names of files that the mapping takes.
        sheet: the sheet of an Excel workbook; None takes the first that is visible.
        decimal: the decimal mark, for cells of Excel and Parquet that are numbers.
        date: the form of dates, for cells of Excel and Parquet that are dates.
        system: name of the source system; None takes the file's name without suffix.
        together: columns whose equal cells make adjacent rows one measurement (`beside`).
        max_row_lines: physical lines that a quoted cell may span before it counts as not closed.
        unassigned: the reader only says why it can't read the file (see `CsvAdapter.assign`).
    """

    delimiter: str | None = None
    encoding: str = "utf-8"
    quote: str | None = '"'
    missing: frozenset[str] = frozenset(("",))
    header: int = 1
    names: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    optional: frozenset[str] = field(default_factory=frozenset)
    ignore: frozenset[str] = field(default_factory=frozenset)
    comment: str | None = None
    file: str | None = None
    sheet: str | None = None
    decimal: str | None = None
    date: str | None = None
    system: str | None = None
    together: tuple[str, ...] = ()
    max_row_lines: int = 200
    unassigned: bool = False

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Dialect:
        """From a `source:` block, perhaps overlaid with `--set`.

        Raises:
            DialectError: an unknown key, or a value that makes no sense.
        """
        known = {*cls.__dataclass_fields__, *_OF_VALUES, "adapter", "check", "join"}
        for key in options:
            if key not in known and not key.startswith("join."):
                raise DialectError(key, f"source.{key} is no option of csv", nearest(key, sorted(known)))
        encoding = str(options.get("encoding") or "utf-8")
        try:
            codecs.lookup(encoding)
        except LookupError:
            advice = nearest(encoding, _ENCODINGS, cutoff=0.5) or "such as utf-8 or cp1252"
            raise DialectError("encoding", f'source.encoding: "{encoding}" is no encoding', advice) from None
        decimal, group = _character(options, "decimal", None), _character(options, "group", None)
        if decimal is not None and decimal not in _DECIMALS:
            raise DialectError(
                "decimal", f'source.decimal: "{decimal}" is no decimal mark', 'such as "," or "."'
            )
        if decimal is not None and decimal == group:
            raise DialectError("group", "source.decimal and source.group are the same character")
        names = _texts(options, "names")
        for key in ("columns", "names"):
            if twice := repeated(_texts(options, key)):
                raise DialectError(
                    key, f'source.{key} has "{twice[0]}" more than once', "a table has each once"
                )
        return cls(
            delimiter=_character(options, "delimiter", None),
            encoding=encoding,
            quote=_character(options, "quote", '"'),
            missing=frozenset(("", *_texts(options, "missing"))),
            header=_integer(options, "header", 0 if names else 1),
            names=names,
            columns=_texts(options, "columns"),
            optional=frozenset(_texts(options, "optional")),
            ignore=frozenset(_texts(options, "ignore")),
            comment=options.get("comment"),
            file=options.get("file"),
            sheet=options.get("sheet"),
            decimal=decimal,
            date=options.get("date") if isinstance(options.get("date"), str) else None,
            system=options.get("system"),
            together=_texts(options, "together"),
            max_row_lines=_integer(options, "max_row_lines", 200),
            unassigned=bool(options.get("unassigned", False)),
        )

    def encoding_for(self, beginning: bytes) -> str:
        """The encoding of a file that begins with these bytes."""
        for mark, encoding in _BOMS:
            if beginning.startswith(mark):
                return encoding
        return self.encoding

    def delimiter_for(self, header: str) -> str:
        """The delimiter: the one set, else the likeliest that is outside quotes in the header."""
        if self.delimiter is not None:
            return self.delimiter
        outside = "".join(header.split(self.quote)[::2]) if self.quote else header
        return max(_DELIMITERS, key=outside.count)


def check_values(options: Mapping[str, Any]) -> None:
    """Refuse a `date:` that is no format.

    Raises:
        DialectError: with the format that may be meant.
    """
    layout = options.get("date")
    if layout is not None and (problem := format_problem(layout)) is not None:
        raise DialectError("date", *problem)


def _character(options: Mapping[str, Any], key: str, default: str | None) -> str | None:
    if key not in options:
        return default
    value = options[key]
    if value is None or value == "" or value is False:
        return None
    text = _NAMED.get(str(value), str(value))
    if len(text) != 1:
        raise DialectError(key, f'source.{key}: "{text}" must be one character')
    return text


def _texts(options: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = options.get(key)
    if value is None:
        return ()
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple("" if item is None else str(item) for item in value)
    return (str(value),)


def _integer(options: Mapping[str, Any], key: str, default: int) -> int:
    value = options.get(key, default)
    if value is False:
        return 0
    if value is True:
        return 1
    try:
        number = int(value)
    except (TypeError, ValueError):
        raise DialectError(key, f"source.{key}: {value!r} is no whole number") from None
    if number < 0:
        raise DialectError(key, f"source.{key} counts from 1")
    return number
