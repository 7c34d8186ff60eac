"""The elements of a file, read from its bytes, where it is written as nearly all are (PS3.5 7.1, PS3.10 7).

That is: with preamble, in little endian, explicit or implicit, without a doubtful byte before the pixel data. pydicom
reads every other file, and would give the same elements for these, at many times the cost.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from fhir_bridge.adapters.imaging.character_sets import is_defined
from fhir_bridge.adapters.imaging.data_dictionary import vr_of
from fhir_bridge.adapters.imaging.elements import Elements, encode, finished

__all__ = ["Scan", "scan"]

_IMPLICIT: Final = "1.2.840.10008.1.2"
_OTHERS: Final = ("1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.3.10")
"""Big endian; deflated; and one class: an index of other files."""
_REGISTERED: Final = re.compile(r"1\.2\.840\.10008(\.[0-9]+)+\Z")
_SHORT: Final = {
    name.encode(): name for name in "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
}
_LONG: Final = {name.encode(): name for name in "OB OD OF OL OV OW SQ SV UC UN UR UT UV".split()}
_LATER: Final = frozenset({"OB", "SQ", "UN"})
"""Their value is not the element's, or depends on other elements."""
_SHORT_LIMIT: Final = 1 << 10
"""Bytes up to which a value of any other VR is kept as it is."""
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000, 0xE00D, 0xE0DD
_ITEM_GROUP: Final = 0xFFFE
_ITEM_START: Final = b"\xfe\xff\x00\xe0"
_PIXEL_GROUP: Final = 0x7FE0
_PIXELS: Final = (0x0008, 0x0009, 0x0010)
_CHARACTER_SET: Final = 0x00080005
_REQUIRED: Final = (0x00080016, 0x00080018)
_META_LENGTH: Final = b"\2\0\0\0UL\4\0"
_META_GROUP: Final = 0x0002
_SYNTAX, _CLASS = 0x0010, 0x0002
_DEPTH: Final = 32
_explicit_head: Final = struct.Struct("<HH2sH").unpack_from
_implicit_head: Final = struct.Struct("<HHI").unpack_from
_length: Final = struct.Struct("<I").unpack_from
_pack_length: Final = struct.Struct("<I").pack

_Raw = tuple[str | None, bytes]
"""VR as stated, and the value as it stands; of a sequence in items, `""` and the items as `encode` writes them."""


class Scan(NamedTuple):
    """What a file says before its pixel data.

    Attributes:
        elements: as `elements.py` has them.
        end: where the pixel data begin, or where the file ends.
        explicit: the VRs are stated.
    """

    elements: Elements
    end: int
    explicit: bool


class _DoubtfulError(Exception):
    """The bytes can be read in more than one way, or in none."""


def scan(data: bytes, tags: frozenset[int] | None = None, *, whole: bool) -> Scan | None:
    """The elements of a file, or those of `tags` among them; None where pydicom must read it.

    Args:
        data: the file from its beginning.
        tags: what is wanted, Specific Character Set, SOP Class and SOP Instance UID among it; None for all.
        whole: `data` is all of the file.
    """
    if data[128:132] != b"DICM":
        return None
    try:
        position, explicit = _meta(data)
        raws: dict[int, _Raw] = {}
        end = _walk(data, position, len(data), tags, raws, 0, explicit=explicit)
        if end == len(data) and not whole:
            return None
        return Scan(_elements(raws, explicit=explicit, depth=0), end, explicit)
    except (_DoubtfulError, struct.error):
        return None


def _meta(data: bytes) -> tuple[int, bool]:
    """Where the file meta information ends, and whether VRs are stated after it (PS3.10 7.1)."""
    if data[132:140] != _META_LENGTH:
        raise _DoubtfulError
    meta: dict[int, bytes] = {}
    position, end = 144, 144 + _length(data, 140)[0]
    while position < end:
        group, number, stated, length = _explicit_head(data, position)
        start = position + 8
        if stated in _LONG:
            (length,) = _length(data, start)
            start += 4
        elif stated not in _SHORT:
            raise _DoubtfulError
        if group != _META_GROUP or not number or start + length > len(data):
            raise _DoubtfulError
        position = start + length
        meta[number] = data[start:position]
    if position != end or data[position : position + 2] == b"\2\0":
        raise _DoubtfulError
    syntax, kind = (_uid(meta.get(number)) for number in (_SYNTAX, _CLASS))
    if syntax in _OTHERS or kind in _OTHERS:
        raise _DoubtfulError
    explicit = syntax != _IMPLICIT
    first = data[position : position + 6]
    # Command elements; or a VR where there should be none.
    if first[:2] == b"\0\0" or (not explicit and first[4:].isalpha() and first[4:].isupper()):
        raise _DoubtfulError
    return position, explicit


def _uid(value: bytes | None) -> str:
    text = value.decode("latin-1").removesuffix("\0") if value is not None else ""
    if not _REGISTERED.match(text):
        raise _DoubtfulError
    return text


def _walk(
    data: bytes,
    position: int,
    end: int,
    tags: frozenset[int] | None,
    raws: dict[int, _Raw],
    depth: int,
    *,
    explicit: bool,
    opened: bool = False,
) -> int:
    """Read elements up to the pixel data, the end, or that of an item of undefined length (`opened`); returns where."""
    while end - position >= 8:
        vr: str | None = None
        start = position + 8
        if explicit:
            group, number, stated, length = _explicit_head(data, position)
            vr = _SHORT.get(stated)
            undefined = False
            if vr is None:
                vr = _LONG.get(stated)
                if vr is None:
                    return _item_end(data, position, opened=opened)
                (length,) = _length(data, start)
                start = position + 12
                undefined = length == _UNDEFINED
        else:
            group, number, length = _implicit_head(data, position)
            if group == _ITEM_GROUP:
                return _item_end(data, position, opened=opened)
            undefined = length == _UNDEFINED
        if group == _PIXEL_GROUP and not depth and number in _PIXELS:
            return position
        tag = group << 16 | number
        wanted = number and (tags is None or tag in tags)
        if undefined:
            if not (vr == "SQ" if explicit else _is_sequence(tag, data[start : start + 4])):
                raise _DoubtfulError
            value, position = _items(data, start, end, depth + 1, explicit=explicit, opened=True)
            if wanted:
                raws[tag] = "", value
            continue
        position = start + length
        if position > end:
            raise _DoubtfulError
        if wanted:
            raws[tag] = vr, data[start:position]
    if opened or position != end:
        raise _DoubtfulError
    return position


def _is_sequence(tag: int, following: bytes) -> bool:
    """Whether a value of undefined length is a sequence; a private one where an item follows."""
    return following == _ITEM_START if tag >> 16 & 1 else vr_of(tag) == "SQ"


def _item_end(data: bytes, position: int, *, opened: bool) -> int:
    if not opened or _implicit_head(data, position) != (_ITEM_GROUP, _ITEM_END, 0):
        raise _DoubtfulError
    return position + 8


def _items(
    data: bytes, position: int, end: int, depth: int, *, explicit: bool, opened: bool
) -> tuple[bytes, int]:
    """The items of a sequence as `encode` writes them, and where it ends; `opened`: its length is not stated."""
    if depth > _DEPTH:
        raise _DoubtfulError
    parts: list[bytes] = []
    while opened or position < end:
        group, number, length = _implicit_head(data, position)
        position += 8
        if group != _ITEM_GROUP or position > end:
            raise _DoubtfulError
        if number == _SEQUENCE_END and opened and not length:
            return b"".join(parts), position
        if number != _ITEM:
            raise _DoubtfulError
        raws: dict[int, _Raw] = {}
        if length == _UNDEFINED:
            position = _walk(data, position, end, None, raws, depth, explicit=explicit, opened=True)
        elif position + length > end:
            raise _DoubtfulError
        else:
            position = _walk(data, position, position + length, None, raws, depth, explicit=explicit)
        stored = encode(_elements(raws, explicit=explicit, depth=depth))
        parts += (_pack_length(len(stored)), stored)
    return b"".join(parts), position


@lru_cache(maxsize=2048)
def _short_items(value: bytes, depth: int, explicit: bool) -> bytes:
    return _items(value, 0, len(value), depth, explicit=explicit, opened=False)[0]


def _sequence(value: bytes, depth: int, *, explicit: bool) -> bytes:
    """The items of a sequence whose length is stated."""
    if len(value) <= _SHORT_LIMIT * 4:
        return _short_items(value, depth, explicit)
    return _items(value, 0, len(value), depth, explicit=explicit, opened=False)[0]


def _elements(raws: dict[int, _Raw], *, explicit: bool, depth: int) -> Elements:
    """The elements as they are kept."""
    result: Elements = {}

    def value_of(tag: int) -> bytes:
        return raws.get(tag, _NOTHING)[1]

    for tag, (vr, value) in raws.items():
        if vr and vr not in _LATER and len(value) <= _SHORT_LIMIT:
            result[tag] = vr, value
        elif vr == "":
            result[tag] = "SQ", value
        else:
            result[tag] = _later(tag, vr, value, value_of, explicit=explicit, depth=depth)
    if not depth and not all(value_of(tag).strip(b"\0 ") for tag in _REQUIRED):
        raise _DoubtfulError  # the file meta information may state it
    if _CHARACTER_SET in result:
        if depth or result[_CHARACTER_SET][0] != "CS":
            raise _DoubtfulError
        result[_CHARACTER_SET] = "CS", _character_set(result[_CHARACTER_SET][1])
    return result


_NOTHING: Final[_Raw] = (None, b"")


def _later(
    tag: int, vr: str | None, value: bytes, value_of: Callable[[int], bytes], *, explicit: bool, depth: int
) -> tuple[str, bytes]:
    kind, content = finished(tag, vr, value, value_of)
    if kind == "SQ":
        # A sequence of VR UN is in implicit VR little endian (PS3.5 6.2.2).
        return kind, _sequence(value, depth + 1, explicit=explicit and vr != "UN")
    return kind, content


@lru_cache(maxsize=256)
def _character_set(value: bytes) -> bytes:
    """The names as they are written, without padding."""
    names = value.decode("latin-1").rstrip("\0 ")
    if not all(map(is_defined, names.split("\\"))):
        raise _DoubtfulError
    return names.encode("latin-1")
