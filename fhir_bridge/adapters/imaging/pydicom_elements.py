"""The elements of a data set as pydicom reads it, in the form of `elements`."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import Final

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from fhir_bridge.adapters.imaging.elements import (
    LIMIT,
    UNDEFINED,
    UNREADABLE,
    Element,
    Elements,
    encode,
    finished,
)

__all__ = ["elements_of", "is_cut_short"]

MAX_DEPTH: Final = 96
"""Sequences nested deeper are unreadable."""

_CHARACTER_SET: Final = 0x00080005
_LENGTH: Final = struct.Struct("<I")


class _CutShortError(ValueError):
    """An item ends before its last value does, or nests too deep: it costs the sequence around it."""


def elements_of(dataset: Dataset, depth: int = 0) -> Elements:
    """The elements of a data set that was read from a file. Group lengths are left out (PS3.5 7.2: retired)."""
    elements: Elements = {}
    for key in dataset.keys():  # noqa: SIM118 - iterating a Dataset converts every element
        tag = int(key)
        if tag & 0xFFFF:
            raw = dataset.get_item(key, keep_deferred=True)
            elements[tag] = _element(tag, raw, dataset, depth)
    return elements


def is_cut_short(raw: object) -> bool:
    """Whether the value of an element as read has fewer bytes than its length says."""
    if not isinstance(raw, RawDataElement) or raw.length == UNDEFINED:
        return False
    return bool(len(raw.value or b"") < raw.length)


def _element(tag: int, raw: object, dataset: Dataset, depth: int) -> Element:
    if not isinstance(raw, RawDataElement):
        # Only sequences of undefined length and the character set come parsed.
        if tag == _CHARACTER_SET:
            value = raw.value  # type: ignore[attr-defined]
            names = value if isinstance(value, str) else "\\".join(map(str, value or ()))
            return "CS", names.encode("latin-1", "replace")
        if getattr(raw, "VR", None) != "SQ":
            return UNREADABLE, b""
        return _of_items(raw.value, depth)  # type: ignore[attr-defined]
    if is_cut_short(raw):
        if depth:
            raise _CutShortError
        return UNREADABLE, b""

    def value_of(other: int) -> bytes:
        return bytes(getattr(dataset.get_item(other, keep_deferred=True), "value", None) or b"")

    value = bytes(raw.value or b"")
    vr, content = finished(tag, raw.VR, value, value_of, little=raw.is_little_endian)
    if vr != "SQ":
        return vr, content
    # A sequence of VR UN is in implicit VR little endian (PS3.5 6.2.2).
    unknown = raw.VR == "UN"
    implicit, little = raw.is_implicit_VR or unknown, raw.is_little_endian or unknown
    if len(value) <= LIMIT * 4:
        return _short_sequence(value, implicit, little, depth)
    return _sequence(value, implicit, little, depth)


@lru_cache(maxsize=2048)
def _short_sequence(value: bytes, implicit: bool, little: bool, depth: int) -> Element:
    return _sequence(value, implicit, little, depth)


def _sequence(value: bytes, implicit: bool, little: bool, depth: int) -> Element:
    if not _whole(value, little):
        return UNREADABLE, b""
    try:
        return _of_items(read_sequence(BytesIO(value), implicit, little, len(value), "iso8859"), depth)
    except Exception:  # noqa: BLE001 - pydicom raises almost anything on damaged items: it costs this sequence alone
        return UNREADABLE, b""


def _whole(value: bytes, little: bool) -> bool:
    """Whether this begins with items that fit into it, as far as their lengths are stated."""
    unpack = struct.Struct("<HHI" if little else ">HHI").unpack_from
    position, end = 0, len(value)
    while position + 8 <= end:
        group, element, length = unpack(value, position)
        if group != 0xFFFE or element not in (0xE000, 0xE0DD):
            return False
        if length == UNDEFINED or element == 0xE0DD:
            return True
        position += 8 + length
    return position == end


def _of_items(items: Iterable[Dataset], depth: int) -> Element:
    parts: list[bytes] = []
    try:
        if depth > MAX_DEPTH:
            raise _CutShortError
        for item in items:
            stored = encode(elements_of(item, depth + 1))
            parts += (_LENGTH.pack(len(stored)), stored)
    except _CutShortError:
        return UNREADABLE, b""
    return "SQ", b"".join(parts)
