"""Reads tables line by line: comma separated with quotes, tab separated without, bars. A bad line is named."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter

from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store.errors import ImportProblem

__all__ = ["Row", "csv_rows", "decoded_lines", "likely_encoding", "separated_rows"]

Row = tuple[int, tuple[str, ...]]
"""Line, and the wanted columns in the order they were asked for; a column that may be missing is empty."""


_LOOKED_AT = 4 << 20


def likely_encoding(source: Source, name: str) -> str:
    """UTF-8, or Windows' Western European code page where the beginning of a file is not UTF-8.

    Only for forms whose publishers write either.
    """
    with source.open(name) as file:
        start = file.read(_LOOKED_AT)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


def decoded_lines(source: Source, name: str, encoding: str = "utf-8-sig") -> Iterator[tuple[int, str]]:
    """Lines of a text file without their ends, counted from 1.

    Raises:
        ImportProblem: a line is not of this encoding, or holds a NUL.
    """
    with source.open(name) as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="\n")
        line = 0
        try:
            for line, content in enumerate(text, 1):
                if "\0" in content:
                    raise ImportProblem(
                        source.label(name), line, "holds a NUL character; the file is damaged"
                    )
                yield line, content.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise _not_decoded(source, name, encoding) from error
        finally:
            text.detach()


def separated_rows(
    source: Source,
    name: str,
    separator: str,
    wanted: Sequence[str],
    optional: Sequence[str] = (),
    header: Sequence[str] | None = None,
) -> Iterator[Row]:
    """Rows of a table without quotes (RF2, RRF, OMOP, HGNC), by the names in its first line, or by `header`.

    Raises:
        ImportProblem: a wanted column is missing, or a line has another number of fields than the header.
    """
    lines = decoded_lines(source, name)
    label = source.label(name)
    if header is None:
        first = next(lines, None)
        if first is None:
            raise ImportProblem(label, 1, "is empty")
        header = [column.strip().strip('"') for column in first[1].split(separator)]
    pick = _picker(label, header, wanted, optional)
    width = len(header)
    for line, content in lines:
        fields = content.split(separator)
        if len(fields) != width:
            if not content.strip():
                continue
            raise ImportProblem(label, line, f"has {len(fields)} fields, where {width} are expected")
        yield line, pick(fields)


def csv_rows(
    source: Source,
    name: str,
    wanted: Sequence[str],
    optional: Sequence[str] = (),
    delimiter: str = ",",
    encoding: str = "utf-8-sig",
) -> Iterator[Row]:
    """Rows of a CSV with quotes, by the names in its first line (case does not count).

    Where the header has its columns padded for people (`"CODE"   ,"NAME"`), so has the rest, and white space around a
    field is none of it.

    Raises:
        ImportProblem: a wanted column is missing, quotes don't match, or a row has another number of fields.
    """
    label = source.label(name)
    with source.open(name) as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        padded = _is_padded(source, name, delimiter)
        rows = csv.reader(text, delimiter=delimiter, strict=not padded, skipinitialspace=padded)
        reader = ([field.strip() for field in fields] for fields in rows) if padded else rows
        try:
            header = next(reader, None)
            if header is None:
                raise ImportProblem(label, 1, "is empty")
            pick = _picker(label, header, wanted, optional)
            width = len(header)
            line = rows.line_num
            for fields in reader:
                line, last = rows.line_num, line
                if len(fields) != width:
                    if not fields:
                        continue
                    raise ImportProblem(
                        label, last + 1, f"has {len(fields)} fields, where {width} are expected"
                    )
                yield last + 1, pick(fields)
        except csv.Error as error:
            raise ImportProblem(label, rows.line_num, f"is not well-formed CSV: {error}") from error
        except UnicodeDecodeError as error:
            raise _not_decoded(source, name, encoding) from error
        finally:
            # The wrapper would close the file, which is the source's to close.
            text.detach()


def _is_padded(source: Source, name: str, delimiter: str) -> bool:
    first = source.start(name, 8192).split(b"\n", 1)[0]
    return delimiter == "," and re.search(rb'" +,', first) is not None


def _picker(
    label: str, header: Sequence[str], wanted: Sequence[str], optional: Sequence[str]
) -> Callable[[Sequence[str]], tuple[str, ...]]:
    positions = {column.strip().lower(): position for position, column in reversed(list(enumerate(header)))}
    missing = [column for column in wanted if column.lower() not in positions]
    if missing:
        raise ImportProblem(
            label,
            1,
            f"has no column {', '.join(missing)}; the columns are {', '.join(header[:60])}",
        )
    chosen = [positions.get(column.lower()) for column in (*wanted, *optional)]
    if None not in chosen and len(chosen) > 1:
        getter: Callable[[Sequence[str]], tuple[str, ...]] = itemgetter(*chosen)
        return getter
    return lambda fields: tuple("" if position is None else fields[position] for position in chosen)


def _not_decoded(source: Source, name: str, encoding: str) -> ImportProblem:
    """Find the first line that is not of the encoding."""
    codec = "utf-8" if encoding == "utf-8-sig" else encoding
    with source.open(name) as file:
        for line, content in enumerate(file, 1):
            try:
                content.decode(codec)
            except UnicodeDecodeError as error:
                return ImportProblem(
                    source.label(name),
                    line,
                    f"is not {codec.upper()} (byte 0x{content[error.start]:02X} at column {error.start + 1}); "
                    f"convert the file to {codec.upper()}",
                )
    return ImportProblem(source.label(name), None, f"is not {codec.upper()}")
