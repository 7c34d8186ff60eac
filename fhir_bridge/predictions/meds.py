"""A data set as MEDS 0.4 (Medical Event Data Standard): events, labels, and what is said about them.

An event is at the time from which it was known: what arrived late, or corrected something, is at its arrival, so that
whoever reads the events up to a prediction time sees what the row of that time saw, and nothing later.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from fhir_bridge import __version__
from fhir_bridge.predictions.dataset import Cohort, DatasetRow
from fhir_bridge.predictions.manifest import Manifest

__all__ = ["write_meds"]

_SPLITS: Final = {"train": "train", "validation": "tuning", "test": "held_out"}
"""What MEDS calls the parts."""


def write_meds(folder: Path, rows: Sequence[DatasetRow], cohort: Cohort, manifest: Manifest) -> None:
    """Write data, labels and metadata below a folder."""
    for split in sorted({row.split for row in rows}):
        own = [row for row in rows if row.split == split]
        _table(folder / "data" / _SPLITS[split] / "0.parquet", _EVENT, _events(own))
        for outcome in cohort.outcomes:
            valued = outcome.column is not None
            _table(
                folder / "labels" / outcome.name / _SPLITS[split] / "0.parquet",
                _VALUE_LABEL if valued else _LABEL,
                _labels(own, outcome.name, valued=valued),
            )
    splits = {_subject(row.patient): _SPLITS[row.split] for row in rows}
    _table(
        folder / "metadata" / "subject_splits.parquet",
        {"subject_id": "int64", "split": "string"},
        [{"subject_id": subject, "split": split} for subject, split in sorted(splits.items())],
    )
    codes = [
        {"code": f"INPUT//{item.name}", "description": item.label, "parent_codes": []}
        for item in manifest.inputs
    ]
    _table(folder / "metadata" / "codes.parquet", _CODE, codes)
    about = {
        "dataset_name": cohort.name,
        "etl_name": "fhir-bridge dataset",
        "etl_version": __version__,
        "meds_version": "0.4.1",
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    (folder / "metadata" / "dataset.json").write_bytes(
        orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n"
    )


# Times without zone are UTC. None of these columns may be empty, those of `_MAY_BE_EMPTY` apart.
_EVENT: Final = {"subject_id": "int64", "time": "time", "code": "string", "numeric_value": "float32"}
_LABEL: Final = {"subject_id": "int64", "prediction_time": "time", "boolean_value": "bool_"}
_VALUE_LABEL: Final = {"subject_id": "int64", "prediction_time": "time", "float_value": "float32"}
_CODE: Final = {"code": "string", "description": "string", "parent_codes": "strings"}
_MAY_BE_EMPTY: Final = frozenset({"time", "numeric_value", "description", "parent_codes"})


def _table(path: Path, columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    arrow = importlib.import_module("pyarrow")
    parquet = importlib.import_module("pyarrow.parquet")
    types = {"time": arrow.timestamp("us"), "strings": arrow.list_(arrow.string())}
    schema = arrow.schema(
        [
            arrow.field(
                name, types[kind] if kind in types else getattr(arrow, kind)(), nullable=name in _MAY_BE_EMPTY
            )
            for name, kind in columns.items()
        ]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(arrow.Table.from_pylist(list(rows), schema), path)


def _events(rows: Iterable[DatasetRow]) -> list[dict[str, Any]]:
    """Each once, whatever the number of rows that saw it; by subject, in order of time.

    Where the newest event of an input would be another one than what a row saw (the resource was deleted, or withdrawn
    for an older one), an event at the row's time says what was so then: without a number, that there was none.
    """
    events: set[tuple[int, datetime, str, float | None]] = set()
    newest: dict[tuple[int, str], tuple[datetime, float | None]] = {}
    for row in sorted(rows, key=lambda row: row.as_of):
        for name, number in row.values.items():
            value = None if name in row.filled else number  # what was filled was no event
            subject, code, now = _subject(row.patient), f"INPUT//{name}", _naive(row.as_of)
            before = newest.get((subject, code))
            time = _naive(min(row.known.get(name, row.as_of), row.as_of))
            if value is None:
                if before is None or before[1] is None:
                    continue
                time = now
            elif before is not None and before[1] != value and time <= before[0]:
                time = now
            if before is None or time >= before[0]:
                newest[subject, code] = time, value
            events.add((subject, time, code, value))
    ordered = sorted(events, key=lambda event: (*event[:3], event[3] is not None, event[3] or 0.0))
    return [dict(zip(_EVENT, event, strict=True)) for event in ordered]


def _labels(rows: Iterable[DatasetRow], outcome: str, *, valued: bool) -> list[dict[str, Any]]:
    """What is known of an outcome: whether it came, or its value."""
    labels = []
    for row in rows:
        observed = row.outcomes.get(outcome)
        if observed is not None and observed.value is not None:
            value = {"float_value": observed.value} if valued else {"boolean_value": bool(observed.value)}
            labels.append(
                {"subject_id": _subject(row.patient), "prediction_time": _naive(row.as_of), **value}
            )
    return sorted(labels, key=lambda label: (label["subject_id"], label["prediction_time"]))


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _subject(patient: str) -> int:
    """MEDS asks for an integer: a hash of the id, 63 bits."""
    return int.from_bytes(hashlib.blake2b(patient.encode(), digest_size=8).digest()) >> 1
