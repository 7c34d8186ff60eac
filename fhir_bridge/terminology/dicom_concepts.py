"""pydicom's table of the concepts of PS3.16, read from its source: executed, it is 13 MB of objects."""

from __future__ import annotations

import re
from ast import literal_eval
from collections.abc import Iterator
from typing import Final, NamedTuple

from fhir_bridge.terminology.pydicom_tables import read_table, source_of

__all__ = ["DicomConcept", "dicom_concepts", "snomed_of_rt"]

_TEXT: Final = rb""""(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""
_ENTRY: Final = re.compile(
    rb"^    (%b): \{|(%b): \(\s*((?:(?:%b)\s*)+),\s*\[([\d,\s]*)\],?\s*\)" % (_TEXT, _TEXT, _TEXT),
    re.MULTILINE,
)
"""`"Keyword": {`, or `"code": ("meaning", [groups])`; a long meaning is in several literals."""


class DicomConcept(NamedTuple):
    """A code of one keyword: what it means, and how many context groups it is in."""

    keyword: str
    code: str
    meaning: str
    groups: int


def dicom_concepts(scheme: str) -> list[DicomConcept]:
    """The concepts of a scheme (`DCM`, `SCT`) that DICOM uses, read anew each time: take what is needed, let it go.

    Raises:
        ModuleNotFoundError: without the extra `dicom`.
    """
    source = source_of("sr._concepts_dict").read_bytes()
    start = source.find(b'concepts["%b"] = {' % scheme.encode())
    end = source.find(b"\n}\n", start)
    if start >= 0 and end >= 0:
        concepts = list(_scanned(source, start, end))
        if len(concepts) == source.count(b": (", start, end):
            return concepts
    # Written in another way than today: as Python reads it.
    table: dict[str, dict[str, tuple[str, list[int]]]]
    table = read_table("sr._concepts_dict", "concepts").get(scheme, {})
    return [
        DicomConcept(keyword, code, meaning, len(groups))
        for keyword, codes in table.items()
        for code, (meaning, groups) in codes.items()
    ]


def _scanned(source: bytes, start: int, end: int) -> Iterator[DicomConcept]:
    keyword = ""
    for entry in _ENTRY.finditer(source, start, end):
        if entry[1]:
            keyword = _value(entry[1])
        else:
            yield DicomConcept(keyword, _value(entry[2]), _value(entry[3]), len(entry[4].split()))


def _value(literal: bytes) -> str:
    text = literal.decode()
    if "\\" in text or "\n" in text:
        return str(literal_eval(f"({text})"))
    return text.strip()[1:-1]


def snomed_of_rt() -> dict[str, str]:
    """SNOMED CT identifiers by those of SNOMED RT (PS3.16 8.1.1)."""
    table: dict[str, str] = read_table("sr._snomed_dict", "mapping")["SRT"]
    return table
