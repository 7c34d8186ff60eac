"""Data elements in one form, whatever the transfer syntax: VR and little-endian bytes (PS3.5 7.1, 7.3).

A file and the stored content of an instance give the same elements, so that all that is read of them is the same.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from io import BytesIO
from typing import Final

from pydicom.datadict import dictionary_VR, private_dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

__all__ = [
    "OMITTED",
    "UNREADABLE",
    "Element",
    "Elements",
    "decode",
    "elements_of",
    "encode",
    "finished",
    "is_cut_short",
    "items_of",
    "public_vr",
]

Element = tuple[str, bytes]
"""Value representation and value; that of a sequence (`SQ`) is its items as `encode` writes them."""

Elements = dict[int, Element]
"""The elements of a data set or item by tag."""

OMITTED: Final = "--"
"""In place of a VR: the value is larger than what is kept; its length is in place of it."""
UNREADABLE: Final = "!!"
"""In place of a VR: a sequence that can't be parsed."""

MAX_DEPTH: Final = 96
"""Sequences nested deeper are unreadable."""

_TEXT_LIMIT: Final = 1 << 16
_LIMIT: Final = 1 << 10
_LARGE_LIMIT: Final = 1 << 22
"""Longest values (bytes) that are kept: text and coordinates, anything else, and Waveform Data and documents."""

_LONG_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "CS", "UN"})
_UNITS: Final = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4}
_UNITS_LONG: Final = {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}
_WORDS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_UNDEFINED: Final = 0xFFFFFFFF
_PIXEL_REPRESENTATION: Final = 0x00280103
_CHARACTER_SET: Final = 0x00080005
_WAVEFORM_BITS: Final = 0x54001004
_WAVEFORM_DATA: Final = 0x54001010
_WAVEFORM_PADDING: Final = 0x5400100A
_LIMITS: Final = {_WAVEFORM_DATA: _LARGE_LIMIT, 0x00420011: _LARGE_LIMIT, 0x00700022: _TEXT_LIMIT}
"""Of Waveform Data, Encapsulated Document and Graphic Data."""

_HEAD: Final = struct.Struct("<I2sI")
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


def encode(elements: Elements) -> bytes:
    """The elements as bytes, in order of their tags: equal elements give equal bytes."""
    parts: list[bytes] = []
    for tag in sorted(elements):
        vr, value = elements[tag]
        parts += (_HEAD.pack(tag, vr.encode("ascii"), len(value)), value)
    return b"".join(parts)


def decode(stored: bytes) -> Elements:
    """What `encode` wrote."""
    elements: Elements = {}
    position, end, unpack = 0, len(stored), _HEAD.unpack_from
    while position < end:
        tag, vr, length = unpack(stored, position)
        position += 10
        elements[tag] = (vr.decode("ascii"), stored[position : position + length])
        position += length
    return elements


def items_of(value: bytes) -> Iterator[Elements]:
    """The items of a sequence's value."""
    position, end = 0, len(value)
    while position < end:
        (length,) = _LENGTH.unpack_from(value, position)
        position += 4
        yield decode(value[position : position + length])
        position += length


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
    if len(value) <= _LIMIT * 4:
        return _short_sequence(value, implicit, little, depth)
    return _sequence(value, implicit, little, depth)


def finished(
    tag: int, stated: str | None, value: bytes, value_of: Callable[[int], bytes], *, little: bool = True
) -> Element:
    """VR and value as they are kept; of a sequence, the value as it stands.

    Args:
        tag: of the element.
        stated: its VR in the file; None where there is none.
        value: its value in the file.
        value_of: gives the value of another element around, or nothing.
        little: the value is in little endian.
    """
    vr = stated
    if vr is None or vr == "UN" or len(vr) != 2 or not vr.isascii():
        vr = _dictionary_vr(tag, value_of) or "UN"
    if vr == "SQ":
        return vr, value
    if not little:
        value = _swapped(tag, vr, value, value_of)
    if vr == "OB" and _is_choice(tag):
        vr = "OW"
    limit = _LIMITS.get(tag) or (_TEXT_LIMIT if vr in _LONG_TEXT else _LIMIT)
    if len(value) > limit:
        return OMITTED, _LENGTH.pack(len(value))
    return vr, value


def is_cut_short(raw: object) -> bool:
    """Whether the value of an element as read has fewer bytes than its length says."""
    if not isinstance(raw, RawDataElement) or raw.length == _UNDEFINED:
        return False
    return bool(len(raw.value or b"") < raw.length)


def _dictionary_vr(tag: int, value_of: Callable[[int], bytes]) -> str | None:
    """The VR by the dictionaries, where the file states none."""
    if tag >> 16 & 1:
        block = tag >> 8 & 0xFF
        if not block:
            return "LO" if tag & 0xFF >= 0x10 else None
        name = value_of(tag & 0xFFFF0000 | block).decode("latin-1").strip("\0 ")
        try:
            result = str(private_dictionary_VR(tag, name))
        except KeyError:
            return None
    else:
        known = public_vr(tag)
        if known is None:
            return None
        result = known
    if len(result) == 2:
        return result
    # A choice: bytes where they are one, else numbers with the sign of the pixels (PS3.5 A.1).
    if "OW" in result:
        return "OW"
    return "SS" if value_of(_PIXEL_REPRESENTATION).strip(b"\0") else "US"


def _is_choice(tag: int) -> bool:
    """Whether a VR of bytes may be one or another for this attribute, so that it says nothing."""
    known = public_vr(tag)
    return known is not None and len(known) > 2


@lru_cache(maxsize=8192)
def public_vr(tag: int) -> str | None:
    """The VR of a standard attribute by the dictionary (PS3.6), which may be a choice (`US or SS`)."""
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return None


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
        if length == _UNDEFINED or element == 0xE0DD:
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


def _swapped(tag: int, vr: str, value: bytes, value_of: Callable[[int], bytes]) -> bytes:
    unit = _UNITS.get(vr) or _UNITS_LONG.get(vr) or 1
    if tag in (_WAVEFORM_DATA, _WAVEFORM_PADDING):
        # Samples are swapped as numbers, whatever the VR says.
        unit = int.from_bytes(value_of(_WAVEFORM_BITS), "big") // 8
    if unit not in (2, 4, 8) or len(value) % unit:
        return value
    words = array(_WORDS[unit], value)
    words.byteswap()
    return words.tobytes()
