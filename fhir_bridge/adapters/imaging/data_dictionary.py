"""The data dictionary (PS3.6): tag, keyword, VR and VM of standard attributes, by pydicom's tables."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final

from fhir_bridge.terminology.pydicom_tables import read_table

__all__ = ["all_keywords", "keyword_for_tag", "private_vr", "tag_for_keyword", "vm_of", "vr_of"]

Entry = tuple[str, str, str, str, str]
"""VR, VM, name, whether it is retired, keyword."""

_ENTRIES: Final[dict[int, Entry]] = read_table("_dicom_dict", "DicomDictionary")
_TAGS: Final = {entry[4]: tag for tag, entry in _ENTRIES.items()}


@cache
def _repeating() -> list[tuple[int, int, Entry]]:
    """Attributes of repeating groups (PS3.5 7.6): their tag, which of its bits count, and their entry."""
    table: dict[str, Entry] = read_table("_dicom_dict", "RepeatersDictionary")
    return [
        (
            int(mask.replace("x", "0"), 16),
            int("".join("0" if each == "x" else "F" for each in mask), 16),
            entry,
        )
        for mask, entry in table.items()
    ]


@lru_cache(maxsize=8192)
def _entry(tag: int) -> Entry | None:
    known = _ENTRIES.get(tag)
    if known is None and not tag >> 16 & 1:
        known = next((entry for same, bits, entry in _repeating() if not (tag ^ same) & bits), None)
    return known


def all_keywords() -> list[str]:
    """The keywords of all attributes but those of repeating groups."""
    return list(_TAGS)


def tag_for_keyword(keyword: str) -> int | None:
    """The tag of an attribute; None where there is none of this keyword."""
    return _TAGS.get(keyword)


def keyword_for_tag(tag: int) -> str:
    """The keyword of an attribute; empty where the dictionary does not know it."""
    entry = _entry(tag)
    return "" if entry is None else entry[4]


def vr_of(tag: int) -> str | None:
    """The VR of a standard attribute, which may be a choice (`US or SS`); None where it is none."""
    entry = _entry(tag)
    return None if entry is None else entry[0]


def vm_of(tag: int) -> str | None:
    """How many values a standard attribute has (`1`, `1-n`); None where it is none."""
    entry = _entry(tag)
    return None if entry is None else entry[1]


def private_vr(tag: int, creator: str) -> str | None:
    """The VR of a private attribute of a creator that pydicom knows; None of any other."""
    from pydicom.datadict import private_dictionary_VR  # rarely asked for, and pydicom is large

    try:
        return str(private_dictionary_VR(tag, creator))
    except KeyError:
        return None
