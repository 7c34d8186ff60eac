"""Where the rows of a view go: CSV and NDJSON as text; `views_parquet` has the third form.

A sink turns each row into its own form with `prepare`, which may refuse it, and takes prepared rows with `write`; so a
record is written whole or not at all. A file appears under its name when it is finished, and never half.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.views import Column, Row

__all__ = ["CsvSink", "NdjsonSink", "RowSink", "Target", "as_written", "exact"]


def as_written(value: Any) -> str:
    """A value as FHIR writes it in text; a list or an object as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    return dumps(exact(value)).decode()


def exact(value: Any) -> Any:
    """The value with floats as the decimals they were read from (their shortest form: see `views_sources`)."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, dict):
        return {key: exact(item) for key, item in value.items()}
    return value


class Target:
    """The file that a sink writes: a temporary neighbour that takes the name at the end, or standard output."""

    def __init__(self, path: Path | None, stream: BinaryIO | None = None) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp") if path else None
        if self._temporary is not None:
            self.file: BinaryIO = self._temporary.open("wb", buffering=1 << 20)
        else:
            assert stream is not None, "a path or a stream"
            self.file = stream

    def finish(self) -> None:
        """Everything is on disk, and the file has its name."""
        self.file.flush()
        if self._path is not None and self._temporary is not None:
            os.fsync(self.file.fileno())
            self.file.close()
            self._temporary.replace(self._path)

    def abandon(self) -> None:
        """Nothing is left behind; what stood under the name before still is."""
        if self._temporary is not None:
            self.file.close()
            self._temporary.unlink(missing_ok=True)


class RowSink(Protocol):
    """Takes rows; `notices` counts, by column, values that could only be written as null."""

    notices: Counter[str]

    def prepare(self, row: Row) -> Any:
        """The row in the sink's form.

        Raises:
            RecordError: a value has no form here.
        """
        ...

    def write(self, prepared: Sequence[Any], weight: int) -> None:
        """Take prepared rows; `weight` is about the bytes they hold."""
        ...

    def finish(self) -> None:
        """Complete the output."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Abandon an output that was not finished."""
        ...


class _TextSink(ABC):
    """Lines of UTF-8."""

    def __init__(self, columns: Sequence[Column], target: Target) -> None:
        self.notices: Counter[str] = Counter()
        self._columns = columns
        self._target = target
        self._finished = False

    @abstractmethod
    def prepare(self, row: Row) -> bytes:
        """A line."""

    def write(self, prepared: Sequence[bytes], weight: int) -> None:  # noqa: ARG002 - lines go out at once
        """Write lines."""
        self._target.file.write(b"".join(prepared))

    def finish(self) -> None:
        """Complete the output."""
        self._target.finish()
        self._finished = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self._target.abandon()


def _special(text: str) -> bool:
    return '"' in text or "\n" in text or "\r" in text


class CsvSink(_TextSink):
    """CSV as in RFC 4180: a header, CRLF, UTF-8, quotes where they are needed.

    null is nothing between the commas and an empty string is `""`; true and false are words; decimals have the digits
    that the resource has; a list or an object is its JSON.
    """

    def __init__(self, columns: Sequence[Column], target: Target) -> None:
        super().__init__(columns, target)
        self._target.file.write((",".join(column.name for column in columns) + "\r\n").encode())

    def prepare(self, row: Row) -> bytes:
        """A line."""
        words = ["" if value is None else value if type(value) is str else as_written(value) for value in row]
        line = ",".join(words)
        # Few lines have anything to quote: a comma too many, an empty text (which is not
        # null) or a special sign shows them.
        if line.count(",") >= len(words) or "" in row or _special(line):
            line = ",".join([_cell(value) for value in row])
        return f"{line}\r\n".encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else as_written(value)
    if text and "," not in text and not _special(text):
        return text
    return '"' + text.replace('"', '""') + '"'


class NdjsonSink(_TextSink):
    """A JSON object a line: every column in order, null where there is no value, a list for a collection."""

    def __init__(self, columns: Sequence[Column], target: Target) -> None:
        super().__init__(columns, target)
        self._names = [column.name for column in columns]

    def prepare(self, row: Row) -> bytes:
        """A line."""
        return dumps(dict(zip(self._names, map(exact, row), strict=True))) + b"\n"
