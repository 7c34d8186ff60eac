"""Data elements in one form, whatever the transfer syntax: VR and little-endian bytes (PS3.5 7.1, 7.3).

A file and the stored content of an instance give the same elements, so that all that is read of them is the same.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from typing import Final

from fhir_bridge.adapters.imaging.data_dictionary import private_vr, vr_of

__all__ = [
    "LIMIT",
    "OMITTED",
    "UNDEFINED",
    "UNREADABLE",
    "Element",
    "Elements",
    "decode",
    "encode",
    "finished",
    "items_of",
]

Element = tuple[str, bytes]
"""Value representation and value; that of a sequence (`SQ`) is its items as `encode` writes them."""

Elements = dict[int, Element]
"""The elements of a data set or item by tag."""

OMITTED: Final = "--"
"""In place of a VR: the value is larger than what is kept; its length is in place of it."""
UNREADABLE: Final = "!!"
"""In place of a VR: a sequence that can't be parsed."""

_TEXT_LIMIT: Final = 1 << 16
LIMIT: Final = 1 << 10
_LARGE_LIMIT: Final = 1 << 22
"""Longest values (bytes) that are kept: text and coordinates, anything else, and Waveform Data and documents."""

_LONG_TEXT: Final = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT", "CS", "UN"})
_UNITS: Final = {"AT": 2, "OW": 2, "SS": 2, "US": 2, "FL": 4, "OF": 4, "OL": 4, "SL": 4, "UL": 4}
_UNITS_LONG: Final = {"FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8}
_WORDS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_PIXEL_REPRESENTATION: Final = 0x00280103
_WAVEFORM_BITS: Final = 0x54001004
_WAVEFORM_DATA: Final = 0x54001010
_WAVEFORM_PADDING: Final = 0x5400100A
_LIMITS: Final = {_WAVEFORM_DATA: _LARGE_LIMIT, 0x00420011: _LARGE_LIMIT, 0x00700022: _TEXT_LIMIT}
"""Of Waveform Data, Encapsulated Document and Graphic Data."""

UNDEFINED: Final = 0xFFFFFFFF
"""In place of the length of a sequence or item whose end is marked."""
_HEAD: Final = struct.Struct("<I2sI")
_LENGTH: Final = struct.Struct("<I")


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
    limit = _LIMITS.get(tag) or (_TEXT_LIMIT if vr in _LONG_TEXT else LIMIT)
    if len(value) > limit:
        return OMITTED, _LENGTH.pack(len(value))
    return vr, value


def _dictionary_vr(tag: int, value_of: Callable[[int], bytes]) -> str | None:
    """The VR by the dictionaries, where the file states none."""
    if tag >> 16 & 1:
        block = tag >> 8 & 0xFF
        if not block:
            return "LO" if tag & 0xFF >= 0x10 else None
        name = value_of(tag & 0xFFFF0000 | block).decode("latin-1").strip("\0 ")
        result = private_vr(tag, name)
    else:
        result = vr_of(tag)
    if result is None or len(result) == 2:
        return result
    # A choice: bytes where they are one, else numbers with the sign of the pixels (PS3.5 A.1).
    if "OW" in result:
        return "OW"
    return "SS" if value_of(_PIXEL_REPRESENTATION).strip(b"\0") else "US"


def _is_choice(tag: int) -> bool:
    """Whether a VR of bytes may be one or another for this attribute, so that it says nothing."""
    known = vr_of(tag)
    return known is not None and len(known) > 2


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
