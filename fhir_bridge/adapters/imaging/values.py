"""Values of data elements (PS3.5 6.2) as plain Python: text, numbers, names, codes, items.

A value that is not what its attribute allows is left out or cut back to what is certain, and a `Problem` says so.
Nothing here raises on what a file holds.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.imaging.character_sets import Encodings, decoded, is_foreign
from fhir_bridge.adapters.imaging.data_dictionary import keyword_for_tag, vm_of, vr_of
from fhir_bridge.adapters.imaging.elements import OMITTED, UNREADABLE, Element
from fhir_bridge.adapters.imaging.person_names import person_name
from fhir_bridge.adapters.imaging.times import is_date, is_time, offset_of, valid_datetime

__all__ = ["NOTHING", "UID", "Problem", "Reading", "Value", "expected", "read_plain"]

Value = Any
"""str, int, Decimal, bytes, `Code`, `PersonName`, `Item`, a list of them, or None where empty."""


class Problem(NamedTuple):
    """Why a value is not as the attribute says it.

    Attributes:
        code: an issue code.
        text: goes on from the attribute's name: ` can't be read`, `[2].CodeValue has control characters`.
    """

    code: str
    text: str


class Reading(NamedTuple):
    """A value and what was wrong about it."""

    value: Value
    problems: tuple[Problem, ...] = ()


NOTHING: Final = Reading(None)
UID: Final = re.compile(r"[0-9]+(\.[0-9]+)*\Z")

_ONE: Final = Decimal(1)
_DIGITS: Final = 18
"""Numbers up to so many digits are written without an exponent."""
_SINGLE_TEXT: Final = frozenset({"LT", "ST", "UT", "UR"})
_ASCII_ONLY: Final = frozenset({"AE", "AS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
_TEXT: Final = frozenset({"CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"}) | _ASCII_ONLY
_OPAQUE: Final = frozenset({"UN", "OB", "OW", "OV", "OL", "OD", "OF"})
_FORMATS: Final = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d", "AT": "I",
}  # fmt: skip
_LENGTHS: Final = {"LT": 1 << 20, "ST": 1 << 20, "UC": 1 << 20, "UT": 1 << 20}
_LENGTH: Final = 1 << 10
"""Characters beyond which text is no value of such an attribute: FHIR's limit of a string, or 16 times DICOM's 64."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_OFFSET_TAG: Final = 0x00080201
_IDENTITY: Final = frozenset({0x00100020, 0x00100021})
"""Patient ID and its issuer: of several, or of one that is not whole, none is taken."""
_UNDIVIDED: Final = frozenset({0x00080100, 0x00080102, 0x00080119}) | _IDENTITY
"""The same of the value and scheme of a code."""
_EXACT: Final = frozenset({0x00080050, 0x00380010, 0x00181000}) | _UNDIVIDED
"""The same, and Accession Number, Admission ID, Device Serial Number: one that can't be decoded is another one."""


class _Unusable(Exception):
    """A value that is left out; `problem` says why."""

    def __init__(self, text: str, code: str = "FB-DCM-020") -> None:
        super().__init__(text)
        self.problem = Problem(code, f" {text} and was left out")


@lru_cache(maxsize=8192)
def expected(tag: int) -> tuple[str, bool]:
    """VR and whether one value alone is allowed, by the data dictionary; empty for what it does not know."""
    return vr_of(tag) or "", vm_of(tag) == "1"


def read_plain(tag: int, element: Element, encodings: Encodings) -> Reading:
    """The value of an element that is no sequence."""
    if len(element[1]) <= 256:
        return _cached(tag, element, encodings)
    return _read(tag, element, encodings)


def _read(tag: int, element: Element, encodings: Encodings) -> Reading:
    vr, value = element
    if vr == OMITTED:
        size = int.from_bytes(value, "little")
        return Reading(None, (Problem("FB-DCM-027", f" has {size} bytes and was left out"),))
    if vr == UNREADABLE:
        return Reading(None, (Problem("FB-DCM-020", " can't be parsed and was left out"),))
    if not value:
        return NOTHING
    wanted, single = expected(tag)
    kind = _vr(vr, wanted)
    if kind is None:
        return Reading(None, (Problem("FB-DCM-020", f" has the VR {vr} and was left out"),))
    if kind == "bytes":
        return Reading(value)
    problems: list[Problem] = []
    try:
        if kind in _FORMATS:
            parts: list[Any] = _numbers(kind, value)
            convert: Callable[[Any], Value] = _address if kind == "AT" else _binary
        else:
            parts = _texts(tag, kind, value, encodings, problems)
            convert = _CONVERTERS.get(kind, _plain)
    except _Unusable as unusable:
        return Reading(None, (_identified(tag, unusable.problem),))
    return _chosen(tag, parts, convert, problems, single=single)


_cached = lru_cache(maxsize=4096)(_read)


def _vr(vr: str, wanted: str) -> str | None:
    """The VR to read a value by, of the stated one and the dictionary's; None where the two do not go together."""
    if not wanted or len(wanted) != 2:
        return vr if vr in _TEXT or vr in _FORMATS else None if vr == "SQ" else "bytes"
    if vr == wanted or (vr in _TEXT and wanted in _TEXT) or (vr in _FORMATS and wanted in _FORMATS):
        return vr if vr in _FORMATS else wanted if wanted in _TEXT else "bytes"
    if vr == "SQ" or wanted == "SQ":
        return None
    if vr in _OPAQUE or (vr not in _TEXT and vr not in _FORMATS):
        return wanted if wanted in _TEXT or wanted in _FORMATS else "bytes"
    if vr in _FORMATS and vr != "AT" and wanted in ("IS", "DS"):
        return vr
    if vr in ("IS", "DS") and wanted in _FORMATS and wanted != "AT":
        return vr
    return None


def _chosen(
    tag: int,
    parts: list[Any],
    convert: Callable[[Any], Value],
    problems: list[Problem],
    *,
    single: bool,
) -> Reading:
    """All that can be read, or of an attribute that takes one value the first of them."""
    kept: list[Value] = []
    lost: list[Problem] = []
    for part in parts:
        try:
            code = _code(part) if tag in _IDENTITY and isinstance(part, str) else convert(part)
        except _Unusable as unusable:
            lost.append(_identified(tag, unusable.problem))
            continue
        if tag == _OFFSET_TAG:
            try:
                offset_of(code)
            except ValueError:
                lost.append(Problem("FB-DCM-011", " is impossible and was left out"))
                continue
        if code is not None:
            kept.append(code)
    if not single:
        problems += dict.fromkeys(lost)
        return Reading(kept[0] if len(kept) == 1 else kept or None, tuple(problems))
    several = len(parts) > 1
    if several and tag in _UNDIVIDED and len(set(kept)) > 1:
        problem = Problem("FB-DCM-022", f" has {len(parts)} values and was left out")
        return Reading(None, (_identified(tag, problem),))
    if several:
        taken = "the first that can be read was taken" if kept else "none can be read"
        problems.append(Problem("FB-DCM-022", f" has {len(parts)} values; {taken}"))
    elif lost:
        problems.append(lost[0])
    return Reading(kept[0] if kept else None, tuple(problems))


def _identified(tag: int, problem: Problem) -> Problem:
    """The same of a patient's number: that is an error."""
    return Problem("FB-DCM-023", problem.text) if tag in _IDENTITY else problem


def _texts(tag: int, kind: str, value: bytes, encodings: Encodings, problems: list[Problem]) -> list[str]:
    if kind in _ASCII_ONLY:
        if not value.isascii():
            raise _Unusable("has characters that its value representation does not allow")
        text = value.decode("ascii")
    else:
        text = decoded(value, encodings)
        if "\ufffd" in text or is_foreign(value, encodings):
            if "\ufffd" in text and tag in _EXACT:
                raise _Unusable("is not in the character set that the file names", "FB-DCM-014")
            problems.append(Problem("FB-DCM-014", " is not in the character set that the file names"))
        elif kind == "CS" and not value.isascii():
            problems.append(
                Problem("FB-DCM-014", " has characters that its value representation does not allow")
            )
    if kind in _SINGLE_TEXT:
        return [text.rstrip("\0 ").replace("\f", "\n")]
    if kind == "PN" and any(
        name.count("=") > 2 or any(group.rstrip("^ ").count("^") > 4 for group in name.split("="))
        for name in text.split("\\")
    ):
        problems.append(Problem("FB-DCM-020", " has more parts than a name can have; they were left out"))
    # An empty part counts among several: a backslash where one value is allowed is reported.
    parts = [part.strip("\0 \r\n\t") for part in text.split("\\")]
    return parts if len(parts) == 1 or any(parts) or expected(tag)[1] else parts[:1]


def _plain(text: str, limit: int = _LENGTH) -> str | None:
    if len(text) > limit:
        raise _Unusable(f"has {len(text)} characters")
    if _CONTROL.search(text):
        raise _Unusable("has control characters")
    return text or None


def _code(text: str) -> str | None:
    if any(character in text for character in "\t\r\n"):
        raise _Unusable("has control characters")
    return _plain(text)


def _long(text: str) -> str | None:
    return _plain(text, _LENGTHS["UT"])


def _name(text: str) -> Value:
    return person_name(text) if _plain(text) else None


def _calendar(check: Callable[[str], object]) -> Callable[[str], str | None]:
    def convert(text: str) -> str | None:
        if text and not check(text):
            raise _Unusable("is impossible", "FB-DCM-011")
        return text or None

    return convert


def _uid(text: str) -> str | None:
    if text and (len(text) > 64 or not UID.match(text)):
        raise _Unusable("is not a UID")
    return text or None


def _integer(text: str) -> int | None:
    number = _decimal(text)
    if number is None:
        return None
    if number != number.to_integral_value() or not -(2**31) <= number < 2**31:
        raise _Unusable("is no integer of its range")
    return int(number)


def _decimal(text: str) -> Decimal | None:
    text = text.strip("\0 ")
    if not text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or len(text) > 64 or "_" in text or abs(number.adjusted()) > 300:
        raise _Unusable("is no number")
    # `1E1` is a literal that readers of JSON make 10.0 of; 10 says the same to all of them.
    exponent = number.as_tuple().exponent
    return (
        number.quantize(_ONE)
        if isinstance(exponent, int) and exponent > 0 and number.adjusted() < _DIGITS
        else number
    )


def _binary(number: Any) -> int | Decimal:
    if isinstance(number, int):
        return number
    decimal = Decimal(repr(number))
    if not decimal.is_finite():
        raise _Unusable("is no number")
    return decimal


def _address(number: int) -> str:
    tag = (number & 0xFFFF) << 16 | number >> 16
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _numbers(kind: str, value: bytes) -> list[Any]:
    size = struct.calcsize("<" + _FORMATS[kind])
    if len(value) % size:
        raise _Unusable(f"has {len(value)} bytes, which are no whole number of {kind}")
    return list(struct.unpack(f"<{len(value) // size}{_FORMATS[kind]}", value))


_CONVERTERS: Final[dict[str, Callable[[str], Value]]] = {
    "CS": _code,
    "PN": _name,
    "DA": _calendar(is_date),
    "TM": _calendar(is_time),
    "DT": _calendar(lambda text: valid_datetime(text, None)),
    "UI": _uid,
    "IS": _integer,
    "DS": _decimal,
    **dict.fromkeys(_LENGTHS, _long),
}
