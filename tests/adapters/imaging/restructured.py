"""DICOM files whose structure was changed, element by element: other VRs, lengths, groups, creators and copies."""

from __future__ import annotations

import struct
from random import Random
from typing import NamedTuple

__all__ = ["restructured"]

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_SHORT = tuple(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_SETS = (
    b"ISO_IR 192",
    b"ISO_IR 100",
    b"\\ISO 2022 IR 87",
    b"GB18030",
    b"ISO 2022 IR 149",
    b"ISO_IR 999",
    b"\\\\",
    b"",
)
_TEXTS = (
    b"\xe4\xf6\xfc",
    b"\x1b$B;3ED\x1b(B",
    b"\xc3",
    b"\xff\xfe",
    b"\xd0\xcf\x5c\xb3",
    b"\x1b",
    "Ж".encode(),
)
_ITEM, _ITEM_END, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF


class Element(NamedTuple):
    """An element of a data set in explicit little endian, by its places in the file; `end` is behind its value."""

    tag: bytes
    vr: bytes
    start: int
    value: int
    end: int


def elements_of(data: bytes) -> list[Element]:
    """The elements of the top level, as far as they go without doubt; those of the pixel data are left out."""
    found: list[Element] = []
    at = 144 + int.from_bytes(data[140:144], "little")
    while at + 8 <= len(data):
        tag, vr = data[at : at + 4], data[at + 4 : at + 6]
        long = vr in _LONG
        if not (long or vr in _SHORT) or tag[:2] == b"\xe0\x7f":
            break
        value = at + (12 if long else 8)
        length = int.from_bytes(data[at + 8 : at + 12] if long else data[at + 6 : at + 8], "little")
        if length == _UNDEFINED:
            end = data.find(_END, value)
            length = end + 8 - value if end > 0 else len(data)
        if value + length > len(data):
            break
        found.append(Element(tag, vr, at, value, value + length))
        at = value + length
    return found


def restructured(data: bytes, chance: Random) -> bytes:
    """The file with one to three changes of its structure."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        parts = elements_of(data)
        if not parts:
            return data
        data = chance.choice(_CHANGES)(data, parts, chance)
    return data


def _written(tag: bytes, vr: bytes, value: bytes) -> bytes:
    if vr in _LONG:
        return tag + vr + b"\0\0" + struct.pack("<I", len(value)) + value
    return tag + vr + struct.pack("<H", len(value) & 0xFFFF) + value


def _swapped_vr(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """Another VR, the header as that writes it."""
    one = chance.choice(parts)
    other = chance.choice((*_SHORT, *_LONG))
    return data[: one.start] + _written(one.tag, other, data[one.value : one.end]) + data[one.end :]


def _wrong_vr(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """Another VR in the header of the one before."""
    one = chance.choice(parts)
    return data[: one.start + 4] + chance.choice((*_SHORT, *_LONG, b"ZZ", b"  ")) + data[one.start + 6 :]


def _open_sequence(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """A sequence of undefined length without its end, or cut within an item, or nested in itself."""
    sequences = [each for each in parts if each.vr == b"SQ"]
    if not sequences:
        return _nested(data, chance.choice(parts), chance)
    one = chance.choice(sequences)
    whole, value = data[one.start : one.value], data[one.value : one.end]
    kind = chance.randrange(4)
    if kind == 0:
        whole = whole[:8] + struct.pack("<I", _UNDEFINED)
        return (
            data[: one.start]
            + whole
            + value
            + (b"" if chance.random() < 0.5 else _END + b"\0" * 4)
            + data[one.end :]
        )
    if kind == 1:
        cut = chance.randrange(len(value) + 1)
        return data[: one.value] + value[:cut] + data[one.end :]
    if kind == 2:
        return (
            data[: one.value]
            + value.replace(chance.choice((_ITEM_END, _END, _ITEM)), b"", 1)
            + data[one.end :]
        )
    return _nested(data, one, chance)


def _nested(data: bytes, one: Element, chance: Random) -> bytes:
    """The element in an item of a sequence in an item of a sequence …, some ends left out."""
    inner = data[one.start : one.end]
    for _ in range(chance.choice((1, 2, 5, 40))):
        if chance.random() < 0.5:
            ends = b"".join(end + b"\0" * 4 for end in (_ITEM_END, _END) if chance.random() < 0.9)
            inner = _ITEM + b"\xff" * 4 + inner + ends
            inner = b"\x40\x00\x75\x02SQ\0\0" + b"\xff" * 4 + inner
        else:
            inner = _written(b"\x40\x00\x75\x02", b"SQ", _ITEM + struct.pack("<I", len(inner)) + inner)
    return data[: one.start] + inner + data[one.end :]


def _group_length(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """A group length that is wrong, of other size, or of the file meta information."""
    if chance.random() < 0.3:
        return data[:140] + struct.pack("<I", chance.choice((0, 8, 100, 10_000, _UNDEFINED))) + data[144:]
    one = chance.choice(parts)
    value = struct.pack("<I", chance.choice((0, 1, 77, 2**31, _UNDEFINED)))[: chance.choice((4, 4, 2, 0))]
    return data[: one.start] + _written(one.tag[:2] + b"\0\0", b"UL", value) + data[one.start :]


def _private(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """Private elements: with another creator, none, two for one block, or one that is no text."""
    at = chance.choice(parts).start
    group = chance.choice((b"\x09\x00", b"\x11\x00", b"\x29\x00"))
    creators = [
        _written(group + b"\x10\0", chance.choice((b"LO", b"UN", b"OB")), chance.choice(_TEXTS))
        for _ in range(2)
    ]
    kept = creators[: chance.randrange(3)]
    value = _written(group + b"\x01\x10", chance.choice((*_SHORT, b"UN", b"SQ")), chance.choice(_TEXTS))
    return data[:at] + b"".join(kept) + value + data[at:]


def _copied(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """An element twice, its value another, or at another place of the file."""
    one, other = chance.choice(parts), chance.choice(parts)
    value = data[one.value : one.end]
    if chance.random() < 0.5:
        value = bytes(reversed(value))
    at = chance.choice((one.end, one.start, other.start, other.end))
    return data[:at] + _written(one.tag, one.vr, value) + data[at:]


def _odd(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """A value of odd length, as its header says or not."""
    one = chance.choice(parts)
    value = data[one.value : one.end]
    value = value[:-1] if chance.random() < 0.5 else value + chance.choice((b" ", b"\0", b"x"))
    if chance.random() < 0.3:
        return data[: one.value] + value + data[one.end :]
    return data[: one.start] + _written(one.tag, one.vr, value) + data[one.end :]


def _character_set(data: bytes, parts: list[Element], chance: Random) -> bytes:
    """Another character set, and bytes of none in a text."""
    texts = [each for each in parts if each.vr in (b"LO", b"PN", b"SH", b"LT", b"ST")]
    if texts:
        one = chance.choice(texts)
        value = data[one.value : one.end] + chance.choice(_TEXTS)
        data = data[: one.start] + _written(one.tag, one.vr, value) + data[one.end :]
    for one in elements_of(data):
        if one.tag == b"\x08\0\x05\0":
            return data[: one.start] + _written(one.tag, b"CS", chance.choice(_SETS)) + data[one.end :]
    return (
        data[: parts[0].start]
        + _written(b"\x08\0\x05\0", b"CS", chance.choice(_SETS))
        + data[parts[0].start :]
    )


_CHANGES = (
    _swapped_vr,
    _wrong_vr,
    _open_sequence,
    _group_length,
    _private,
    _copied,
    _odd,
    _character_set,
)
