"""What one shard writes: resources as they are in the finished files, and beside them what is known of each line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import orjson

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.plugins import IssueLike

__all__ = ["REJECTS", "Line", "PartSink", "ids_of", "lines_of", "reject_line"]

REJECTS = "rejects.ndjson"
_SEPARATORS = str.maketrans("\t\n", "  ")


def reject_line(locator: str, outcome: str, issues: Iterable[IssueLike]) -> bytes:
    """A line of rejects.ndjson: where the record is, `rejected` or `partial`, and why."""
    entry = {
        "locator": locator,
        "outcome": outcome,
        "issues": [
            {"severity": issue.severity, "code": issue.code, "message": issue.message, "source": issue.source}
            for issue in issues
        ],
    }
    return orjson.dumps(entry) + b"\n"


class Line(NamedTuple):
    """What is known of a line of a part.

    Attributes:
        mark: business time, sequence and status: two marks under one id are two versions.
        patients: whom the resource is about.
        locator: of the record that it comes from.
        start, end: its bytes in the part.
    """

    id: str
    mark: str
    patients: str
    locator: str
    start: int
    end: int


def _mark(time: datetime | None, status: str | None, sequence: str) -> str:
    """The mark of a version; a tab separates what is known of a line."""
    return f"{time.isoformat() if time else ''} {sequence} {status or ''}".translate(_SEPARATORS)


class PartSink:
    """Writes one shard's outputs: `<Type>.part` holds the lines, `<Type>.index` what is known of each.

    Attributes:
        takes_keys: whether it wants the keys of records; a row's is a digest of its cells.
    """

    takes_keys = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if folder.exists():
            shutil.rmtree(folder)  # left by a run that was cut off inside this shard
        folder.mkdir(parents=True)
        self._files: dict[str, tuple[BinaryIO, BinaryIO]] = {}
        self._rejects = (folder / REJECTS).open("wb")
        self._locator = ("", '""')
        self._mark: tuple[datetime | None, str | None, str, str] = (None, None, "", _mark(None, None, ""))

    def write(self, record: ConvertedRecord, account: Account) -> None:
        """Write a record's resources."""
        for output in record.outputs:
            kind = output.type
            files = self._files.get(kind) or self._open(kind)
            text = output.json
            files[0].write(text)
            files[0].write(b"\n")
            patients = output.patients
            about = patients[0] if len(patients) == 1 else " ".join(sorted(patients))
            time, status, sequence = output.time, output.status, record.sequence
            mark = self._mark
            if time is not mark[0] or status != mark[1] or sequence != mark[2]:
                mark = self._mark = (time, status, sequence, _mark(time, status, sequence))
            if output.locator != self._locator[0]:  # a file's name may hold anything
                plain = output.locator.isascii() and output.locator.isprintable()
                quoted = plain and '"' not in output.locator and "\\" not in output.locator
                self._locator = (
                    output.locator,
                    f'"{output.locator}"' if quoted else dumps(output.locator).decode(),
                )
            files[1].write(f"{output.id}\t{mark[3]}\t{about}\t{self._locator[1]}\t{len(text) + 1}\n".encode())
            account.resources[kind] += 1

    def _open(self, kind: str) -> tuple[BinaryIO, BinaryIO]:
        part = (self._folder / f"{kind}.part").open("wb", buffering=1 << 18)
        files = self._files[kind] = part, (self._folder / f"{kind}.index").open("wb", buffering=1 << 16)
        return files

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """Name a rejected or partial record, and why."""
        self._rejects.write(reject_line(locator, outcome, issues))

    def flush(self, account: Account) -> None:  # noqa: ARG002 - a sink's signature
        """Make sure that everything is on disk."""
        for file in self._all():
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close all files."""
        for file in self._all():
            file.close()

    def _all(self) -> list[BinaryIO]:
        return [*(file for files in self._files.values() for file in files), self._rejects]


def ids_of(part: Path) -> Iterator[str]:
    """The ids of the resources of a part, in order."""
    with part.with_suffix(".index").open("rb") as index:
        for entry in index:
            yield entry[: entry.index(b"\t")].decode()


def lines_of(part: Path) -> Iterator[Line]:
    """What is known of the lines of a part, in order."""
    start = 0
    with part.with_suffix(".index").open("rb") as index:
        for entry in index:
            identity, mark, patients, locator, size = entry.decode().rstrip("\n").split("\t")
            end = start + int(size)
            yield Line(identity, mark, patients, orjson.loads(locator), start, end)
            start = end
