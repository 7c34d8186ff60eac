"""Inputs as pieces that can be left out and values that can be replaced: messages, tables, variant files."""

from __future__ import annotations

import csv
import gzip
import io
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from fhir_bridge.workshop.audit.hl7v2_source import read_messages
from fhir_bridge.workshop.audit.leaves import Role
from fhir_bridge.workshop.first_mapping.guessing import guess_columns
from fhir_bridge.workshop.first_mapping.table import Sample, read_sample

__all__ = ["SourceForm", "form_of"]

T = TypeVar("T")

_OF_PATIENTS = frozenset(
    (
        Role.ID,
        Role.NAME,
        Role.PHONE,
        Role.ADDRESS,
        Role.TEXT,
        Role.TIME,
        Role.NUMBER,
        Role.CONTENT,
        Role.AUTHORITY,
    )
)
_COLUMNS_KEPT = frozenset(
    """code unit dose-unit boolean sex empty status display test drug vaccine procedure diagnosis allergy flag certainty
    route frequency""".split()
)


class SourceForm(ABC, Generic[T]):
    """An input that can be reduced, and what is left of it."""

    levels: int
    left: list[T]

    @abstractmethod
    def pieces(self, level: int) -> list[Any]:
        """What can be left out: whole records first, then parts of those that are left."""

    @abstractmethod
    def values(self) -> Iterator[tuple[str, str]]:
        """Places and values of patients."""

    @abstractmethod
    def _with(self, level: int, pieces: Sequence[Any]) -> list[T]:
        """What is left with these pieces of a level alone."""

    @abstractmethod
    def _other(self, replacements: dict[str, str]) -> list[T]:
        """What is left, with other values."""

    @abstractmethod
    def _bytes(self, left: list[T]) -> bytes:
        """As it is in a file."""

    def keep(self, level: int, pieces: Sequence[Any]) -> None:
        """Leave the others out."""
        self.left = self._with(level, pieces)

    def text_of(self, level: int, pieces: Sequence[Any]) -> bytes:
        """The input with these pieces of a level alone."""
        return self._bytes(self._with(level, pieces))

    def text(self) -> bytes:
        """The input."""
        return self._bytes(self.left)

    def replaced(self, replacements: dict[str, str]) -> bytes:
        """The input with other values."""
        return self._bytes(self._other(replacements))

    def replace(self, replacements: dict[str, str]) -> None:
        """Take other values."""
        self.left = self._other(replacements)


def form_of(source: Path, adapter: str) -> SourceForm[Any]:
    """The form of a source.

    Raises:
        ValueError: there is none for the adapter.
    """
    if adapter == "hl7v2":
        return _Messages(source)
    if adapter == "csv":
        return _Table(source)
    if adapter == "vcf":
        return _Variants(source)
    raise ValueError(f"inputs of {adapter} can't be reduced: only hl7v2, csv and vcf")


class _Messages(SourceForm[list[str]]):
    """HL7 v2: messages, segments, fields, then components."""

    levels = 4

    def __init__(self, source: Path) -> None:
        text = source.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
        lines = [line for line in re.split(r"[\r\n\x0b\x1c]+", text) if line.strip()]
        self.left: list[list[str]] = []
        for line in lines:
            if line.startswith("MSH") or not self.left:
                self.left.append([])
            self.left[-1].append(line)

    def pieces(self, level: int) -> list[Any]:
        if level == 0:
            return list(range(len(self.left)))
        lines = [(m, n) for m, message in enumerate(self.left) for n in range(len(message))]
        if level == 1:
            return [place for place in lines if place[1]]
        separator = self._separator
        fields = [
            (m, n, f)
            for m, n in lines
            for f, value in enumerate(self.left[m][n].split(separator))
            if f > (11 if n == 0 else 0) and value
        ]
        if level == 2:
            return fields
        return [
            (m, n, f, c)
            for m, n, f in fields
            for c, part in enumerate(self.left[m][n].split(separator)[f].split("^"))
            if part
        ]

    @property
    def _separator(self) -> str:
        return self.left[0][0][3:4] if self.left and self.left[0][0].startswith("MSH") else "|"

    def _with(self, level: int, pieces: Sequence[Any]) -> list[list[str]]:
        kept = set(pieces)
        if level == 0:
            return [message for number, message in enumerate(self.left) if number in kept]
        if level == 1:
            return [
                [line for n, line in enumerate(message) if n == 0 or (m, n) in kept]
                for m, message in enumerate(self.left)
            ]
        separator = self._separator
        gone = set(self.pieces(level)) - kept
        result = [list(message) for message in self.left]
        for place in gone:
            m, n, f = place[:3]
            fields = result[m][n].split(separator)
            if level == 2:
                fields[f] = ""
            else:
                parts = fields[f].split("^")
                if place[3] < len(parts):
                    parts[place[3]] = ""
                fields[f] = "^".join(parts).rstrip("^")
            result[m][n] = separator.join(fields).rstrip(separator) if n else separator.join(fields)
        return [[_padded(line, separator) for line in message] for message in result]

    def _bytes(self, left: list[list[str]]) -> bytes:
        return "\r".join(line for message in left for line in message).encode("utf-8", "surrogateescape")

    def values(self) -> Iterator[tuple[str, str]]:
        """Every piece of every field that is no code, unit, status or part of the message's frame."""
        stay = self._codes()
        for message in self.left:
            for line in message:
                for place, piece in _pieces(line, self._separator):
                    if piece not in stay:
                        yield place, piece

    def _codes(self) -> set[str]:
        """What may stay, for it says what kind of thing a value is and nothing of whom."""
        codes: set[str] = set()
        patients: set[str] = set()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "sample.hl7"
            file.write_bytes(self.text())
            for record in read_messages(file, file.name):
                for leaf in record.leaves:
                    own = leaf.field.startswith(("MSH-10", "PID-2", "PID-3", "PID-4"))
                    (patients if leaf.role in _OF_PATIENTS or own else codes).add(leaf.value)
        return codes - {value for value in patients if len(value) > 3}

    def _other(self, replacements: dict[str, str]) -> list[list[str]]:
        return [[_replaced(line, replacements) for line in message] for message in self.left]


def _padded(line: str, separator: str) -> str:
    return line if separator in line else line + separator


def _pieces(line: str, separator: str) -> Iterator[tuple[str, str]]:
    """The fields and the texts between separators of a line."""
    name = line[:3]
    for number, field in enumerate(_body(line).split(separator), 3 if name == "MSH" else 1):
        for piece in re.split(r"[\^&~]", field):
            if piece.strip():
                yield f"{name}-{number}", piece


def _body(line: str) -> str:
    return line[9:] if line.startswith("MSH") else line[4:]


def _replaced(line: str, replacements: dict[str, str]) -> str:
    """A line with whole pieces replaced; its name and the delimiters of MSH stay."""
    body = _body(line)
    head = line[: len(line) - len(body)]
    return head + "".join(replacements.get(part, part) for part in re.split(r"([|^&~])", body))


class _Table(SourceForm[list[str]]):
    """A table: rows, then cells."""

    levels = 2

    def __init__(self, source: Path) -> None:
        self._sample: Sample = read_sample(source)
        self._kept = {
            number for number, guess in enumerate(guess_columns(self._sample)) if guess.role in _COLUMNS_KEPT
        }
        self.left = [list(row) for row in self._sample.rows]

    def pieces(self, level: int) -> list[Any]:
        if level == 0:
            return list(range(len(self.left)))
        return [(r, c) for r, row in enumerate(self.left) for c, cell in enumerate(row) if cell]

    def _with(self, level: int, pieces: Sequence[Any]) -> list[list[str]]:
        kept = set(pieces)
        if level == 0:
            return [row for number, row in enumerate(self.left) if number in kept]
        return [
            [cell if (r, c) in kept else "" for c, cell in enumerate(row)] for r, row in enumerate(self.left)
        ]

    def _bytes(self, left: list[list[str]]) -> bytes:
        out = io.StringIO(newline="")
        if self._sample.header > 1:
            out.write(f"sep={self._sample.delimiter}\n")
        writer = csv.writer(out, delimiter=self._sample.delimiter, lineterminator="\n")
        writer.writerow(self._sample.columns)
        writer.writerows(left)
        return out.getvalue().encode(self._sample.encoding, "replace")

    def values(self) -> Iterator[tuple[str, str]]:
        for row in self.left:
            for number, cell in enumerate(row):
                if cell and number not in self._kept:
                    yield self._sample.columns[number], cell

    def _other(self, replacements: dict[str, str]) -> list[list[str]]:
        return [
            [
                cell if number in self._kept else replacements.get(cell, cell)
                for number, cell in enumerate(row)
            ]
            for row in self.left
        ]


class _Variants(SourceForm[str]):
    """A VCF file: lines of the head and of variants, then samples; names of samples and identifiers are replaced."""

    levels = 1

    def __init__(self, source: Path) -> None:
        text = source.read_bytes()
        if text[:2] == b"\x1f\x8b":
            text = gzip.decompress(text)
        lines = re.split(r"\r?\n", text.decode("utf-8", "surrogateescape"))
        self.left = lines[:-1] if not lines[-1] else lines

    def pieces(self, level: int) -> list[Any]:  # noqa: ARG002 - there is one level
        return [n for n, line in enumerate(self.left) if not line.startswith(("##fileformat", "#CHROM"))]

    def _with(self, level: int, pieces: Sequence[Any]) -> list[str]:  # noqa: ARG002 - there is one level
        gone = set(self.pieces(0)) - set(pieces)
        return [line for number, line in enumerate(self.left) if number not in gone]

    def _bytes(self, left: list[str]) -> bytes:
        return ("\n".join(left) + "\n").encode("utf-8", "surrogateescape")

    def values(self) -> Iterator[tuple[str, str]]:
        for line in self.left:
            cells = line.split("\t")
            if line.startswith("#CHROM"):
                yield from (("sample", name) for name in cells[9:])
            elif not line.startswith("#") and len(cells) > 4:
                yield "POS", cells[1]
                if cells[2] not in (".", ""):
                    yield "ID", cells[2]

    def _other(self, replacements: dict[str, str]) -> list[str]:
        results = []
        for line in self.left:
            cells = line.split("\t")
            if line.startswith("#CHROM"):
                cells[9:] = [replacements.get(name, name) for name in cells[9:]]
            elif not line.startswith("#") and len(cells) > 4:
                cells[1:3] = [replacements.get(cell, cell) for cell in cells[1:3]]
            results.append("\t".join(cells))
        return results
