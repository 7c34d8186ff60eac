"""The tables of the lexicon: tab-separated, a row for each concept, a column for each language."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LANGUAGES", "Meaning", "rows"]

LANGUAGES = ("en", "de", "nl", "it", "fr")

KINDS = (
    "analyte",
    "specimen",
    "property",
    "method",
    "time",
    "modality",
    "region",
    "side",
    "circumstance",
    "disease",
    "administrative",
    "filler",
)
_CODED = ("specimen", "property")
"""Kinds whose concepts are LOINC's axes, which nobody writes."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for.

    Attributes:
        kind: one of `KINDS`.
        concept: English, as the code systems name it; for a specimen and a property LOINC's axis.
        languages: in which languages the phrase is written so.
        also: what the phrase says besides, as (kind, concept): `proteinuria` names the specimen too.
    """

    kind: str
    concept: str
    languages: tuple[str, ...]
    also: tuple[tuple[str, str], ...] = ()


def rows(table: Path) -> Iterator[tuple[Meaning, str]]:
    """The meanings of a table, each with a phrase for it in one language.

    Raises:
        ValueError: the column `concept` is missing, or a kind is unknown; file and line are named.
    """
    with table.open(encoding="utf-8", newline="") as file:
        lines = [(n, line) for n, line in enumerate(file, 1) if line.strip() and not line.startswith("#")]
    reader = csv.DictReader((line for _, line in lines), delimiter="\t", quoting=csv.QUOTE_NONE)
    if "concept" not in (reader.fieldnames or ()):
        raise ValueError(
            f"{table}: a lexicon has the columns concept, perhaps kind and also, and {', '.join(LANGUAGES)}"
        )
    for (number, _), row in zip(lines[1:], reader, strict=True):
        location = f"{table}:{number}"
        kind, concept = (
            _meaning_type(row.get("kind") or _type_of_table(table), location),
            row["concept"] or "",
        )
        also = tuple(_also(row.get("also") or "", location))
        if concept and kind not in _CODED and not also:
            yield Meaning(kind, concept, ("en",), also), concept
        for language in LANGUAGES:
            for phrase in (row.get(language) or "").split(";"):
                if phrase.strip():
                    yield Meaning(kind, concept, (language,), also), phrase.strip()


def _type_of_table(table: Path) -> str:
    """The kind of all rows, for a table that has no column for it: `analyte`, `analyte_hormones`."""
    return table.stem.partition("_")[0]


def _meaning_type(text: str, location: str) -> str:
    if text not in KINDS:
        raise ValueError(f"{location}: kind '{text}' is none of {', '.join(KINDS)}")
    return text


def _also(text: str, location: str) -> Iterator[tuple[str, str]]:
    for part in text.split(";"):
        if part.strip():
            kind, _, concept = part.strip().partition(":")
            yield _meaning_type(kind.strip(), location), concept.strip()
