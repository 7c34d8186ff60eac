"""Which elements a file has, without their values: a look at the tags alone (PS3.5 7.1)."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Final

__all__ = ["scan"]

_ENOUGH: Final = 1 << 20
"""Bytes that are looked at: what begins after them is read in another way."""
_IMPLICIT: Final = b"1.2.840.10008.1.2"
_OTHERS: Final = (b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.1.99")
"""Big endian, and deflated."""
_LONG: Final = frozenset(
    (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")
)
_SHORT: Final = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS: Final = 0x7FE00008
_TRANSFER_SYNTAX: Final = 0x00020010
_HEAD: Final = struct.Struct("<HHI")
_LENGTH: Final = struct.Struct("<I")

Tags = dict[int, bytes]


class _UnknownForm(Exception):
    """The file is not written as most are."""


def scan(path: Path) -> Tags | None:
    """The populated elements before the pixel data; with its name for each private block, else without a value.

    None for a file that must be read in another way: without preamble, big endian, deflated, too long, malformed.
    """
    try:
        with path.open("rb") as opened:
            start = opened.read(_ENOUGH)
        if start[128:132] != b"DICM":
            return None
        position, syntax = _meta(start)
        if syntax in _OTHERS:
            return None
        tags: Tags = {}
        _elements(start, position, tags, explicit=syntax != _IMPLICIT)
    except (OSError, struct.error, _UnknownForm):
        return None
    return tags


def _meta(data: bytes) -> tuple[int, bytes]:
    """Where the file meta information ends, and the transfer syntax that it states."""
    position, syntax = 132, b""
    while data[position : position + 2] == b"\x02\0":
        tag, _, length, position = _head(data, position, explicit=True)
        if tag == _TRANSFER_SYNTAX:
            syntax = data[position : position + length].strip(b"\0 ")
        position += length
    return position, syntax


def _head(data: bytes, position: int, *, explicit: bool) -> tuple[int, bytes, int, int]:
    """Tag, VR and length of an element, and where its value begins."""
    group, number, length = _HEAD.unpack_from(data, position)
    tag = group << 16 | number
    if group == 0xFFFE or not explicit:
        return tag, b"", length, position + 8
    vr = data[position + 4 : position + 6]
    if vr in _SHORT:
        return tag, vr, length >> 16, position + 8
    if vr not in _LONG:
        raise _UnknownForm
    return tag, vr, _LENGTH.unpack_from(data, position + 8)[0], position + 12


def _elements(data: bytes, position: int, tags: Tags | None, *, explicit: bool, depth: int = 0) -> int:
    """Pass over elements up to the pixel data, or the end of an item; returns where."""
    if depth > 32:
        raise _UnknownForm
    end = len(data)
    while position < end:
        tag, vr, length, position = _head(data, position, explicit=explicit)
        if tag == _ITEM_END and depth:
            return position
        if tag >= _PIXELS and not depth:
            return position
        if length == _UNDEFINED:
            position = _sequence(data, position, explicit=explicit and vr != b"UN", depth=depth)
        elif position + length > end:
            raise _UnknownForm
        else:
            creator = tag >> 16 & 1 and not tag >> 8 & 0xFF
            if tags is not None and length and tag & 0xFFFF:
                tags[tag] = data[position : position + length] if creator else b"\1"
            position += length
            continue
        if tags is not None:
            tags[tag] = b"\1"
    if depth or end >= _ENOUGH:
        raise _UnknownForm
    return position


def _sequence(data: bytes, position: int, *, explicit: bool, depth: int) -> int:
    """Pass over the items of a sequence of undefined length; returns where it ends."""
    while True:
        tag, _, length, position = _head(data, position, explicit=False)
        if tag == _SEQUENCE_END:
            return position
        if tag != _ITEM:
            raise _UnknownForm
        if length == _UNDEFINED:
            position = _elements(data, position, None, explicit=explicit, depth=depth + 1)
        else:
            position += length
