"""Views as Parquet: typed columns, in row groups of bounded size. Needs pyarrow, the extra `parquet`.

Three of FHIR's types say more than a native type can hold: a date or dateTime may be partial (`1970-06`) and a dateTime
has an offset, a decimal has a precision (`5.20`). `Types` says what happens to them; nothing is ever made up.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from types import ModuleType, TracebackType
from typing import Any, Self

from fhir_bridge.fhir.views import Column, ColumnType, RecordError, Row
from fhir_bridge.pipeline.views_native import AS_WRITTEN, MISSING, NATIVE, Converter, Native, asked_for
from fhir_bridge.pipeline.views_sinks import Target
from fhir_bridge.plugins.extras import require

__all__ = ["ParquetSink", "Types", "parquet_fields"]

_GROUP_ROWS, _GROUP_BYTES = 131_072, 32 << 20
_BATCH_CELLS, _BATCH_BYTES = 200_000, 32 << 20


class Types(StrEnum):
    """How dates, dateTimes and decimals without an ansi/type are written."""

    both = "both"
    """A native column, null where a value has no exact native form, and beside it `<name>_text`, as written."""
    native = "native"
    """The native column alone; each value that has no exact native form is null and is reported."""
    text = "text"
    """As written, in one string column: SQL on FHIR's default mapping."""


def _pyarrow(part: str = "") -> ModuleType:
    require("parquet")
    return importlib.import_module(f"pyarrow{part}")


def parquet_fields(
    columns: Sequence[Column], types: Types = Types.both
) -> Iterator[tuple[str, Native, Column]]:
    """The columns of the file: name, native type, and the view's column behind it."""
    taken = {column.name for column in columns}
    for column in columns:
        requested = asked_for(column)
        if requested is not None:
            yield column.name, requested, column
            continue
        inexact = column.kind in (ColumnType.DATE, ColumnType.DATETIME, ColumnType.DECIMAL)
        if inexact and types is Types.text:
            yield column.name, AS_WRITTEN, column
            continue
        yield column.name, NATIVE[column.kind], column
        if inexact and types is Types.both:
            name = f"{column.name}_text"
            while name in taken:
                name += "_"
            taken.add(name)
            yield name, AS_WRITTEN, column


class ParquetSink:
    """Collects rows in columns and writes row groups; memory is bounded by a group."""

    def __init__(self, columns: Sequence[Column], target: Target, types: Types = Types.both) -> None:
        self._arrow, parquet = _pyarrow(), _pyarrow(".parquet")
        self.notices: Counter[str] = Counter()
        self._target = target
        self._finished = False
        position = {column.name: number for number, column in enumerate(columns)}
        fields: list[Any] = []
        self._cells: list[tuple[int, Converter, Column, bool]] = []
        for name, native, column in parquet_fields(columns, types):
            arrow_type = native.arrow(self._arrow)
            if column.collection:
                arrow_type = self._arrow.list_(arrow_type)
            fields.append(self._arrow.field(name, arrow_type))
            alone = types is Types.native or column.kind is ColumnType.INSTANT
            convert = _collected(native.convert) if column.collection else native.convert
            self._cells.append((position[column.name], convert, column, alone and asked_for(column) is None))
        self._schema = self._arrow.schema(fields)
        self._writer = parquet.ParquetWriter(target.file, self._schema, compression="zstd")
        self._batch_rows = max(16, _BATCH_CELLS // max(1, len(fields)))
        self._rows: list[tuple[Any, ...]] = []
        self._weight = 0
        self._batches: list[Any] = []

    def prepare(self, row: Row) -> tuple[Any, ...]:
        """The row as native values.

        Raises:
            RecordError: a value does not fit the type that an `ansi/type` asks for, or its own FHIR type.
        """
        cells = []
        for position, convert, column, details in self._cells:
            value = row[position]
            if value is not None:
                try:
                    value = convert(value)
                except RecordError as error:
                    message = f"column {column.name}: {error.issue.message}"
                    raise RecordError(error.issue.code, message, column.location) from error
                if value is MISSING:
                    value = None
                    if details:
                        self.notices[column.name] += 1
            cells.append(value)
        return tuple(cells)

    def write(self, prepared: Sequence[tuple[Any, ...]], weight: int) -> None:
        """Take prepared rows."""
        self._rows.extend(prepared)
        self._weight += weight
        if len(self._rows) >= self._batch_rows or self._weight >= _BATCH_BYTES:
            self._to_arrow()

    def _to_arrow(self) -> None:
        if self._rows:
            arrays = [
                self._arrow.array(cells, type=field.type)
                for cells, field in zip(zip(*self._rows, strict=True), self._schema, strict=True)
            ]
            self._batches.append(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
            self._rows, self._weight = [], 0
        rows = sum(batch.num_rows for batch in self._batches)
        if rows >= _GROUP_ROWS or sum(batch.nbytes for batch in self._batches) >= _GROUP_BYTES:
            self._write_group()

    def _write_group(self) -> None:
        if self._batches:
            table = self._arrow.Table.from_batches(self._batches, schema=self._schema)
            # pyarrow would cut the table into groups of its own size.
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._batches = []

    def finish(self) -> None:
        """Complete the file."""
        self._to_arrow()
        self._write_group()
        self._writer.close()
        self._target.finish()
        self._finished = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            self._writer.close()
            self._target.abandon()


def _collected(convert: Converter) -> Callable[[Any], list[Any]]:
    """The items of a collection; one that has no exact form is null in the list."""

    def converted(values: Any) -> list[Any]:
        results = [convert(value) for value in values]
        return [None if value is MISSING else value for value in results]

    return converted
