"""Values of data elements (PS3.5 6.2), as plain Python: text, numbers, codes, items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset

from fhir_bridge.adapters.imaging.codes import Code, code
from fhir_bridge.adapters.imaging.person_names import person_name

__all__ = ["Item", "Value", "element_value", "encodings_of", "is_keyword", "item_value", "read_element"]

Value = Any
"""str, int, Decimal, bytes, `Code`, `PersonName`, `Item`, a list of them, or None where empty."""

_TEXT = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
_SINGLE_TEXT = frozenset({"LT", "ST", "UT"})
_STRING = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR"}) | _TEXT
_BACKSLASH = {0x5C, 0x09, 0x0A, 0x0C, 0x0D}
_CODE_ATTRIBUTES = ("CodeValue", "LongCodeValue", "URNCodeValue")


class Item:
    """An item of a sequence: its attributes by keyword, as attributes of the object."""

    __slots__ = ("attributes",)

    def __init__(self, attributes: dict[str, Value]) -> None:
        self.attributes = attributes

    def __getattr__(self, keyword: str) -> Value:
        if keyword.startswith("__"):
            raise AttributeError(keyword)
        return self.attributes.get(keyword)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and self.attributes == other.attributes

    def __hash__(self) -> int:
        return hash(tuple(self.attributes))

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)


def is_keyword(name: str) -> bool:
    """Whether the data dictionary (PS3.6) has this keyword."""
    return tag_for_keyword(name) is not None


def encodings_of(character_set: Value) -> tuple[str, ...]:
    """Python encodings for Specific Character Set; without one, the default repertoire read as Latin-1."""
    names = character_set if isinstance(character_set, list) else [character_set or ""]
    return tuple(convert_encodings([name or "" for name in names]))


def read_element(dataset: Dataset, tag: int, encodings: tuple[str, ...]) -> Value:
    """The value of a top-level element, decoded without the cost of a full `DataElement` where it is text."""
    raw = dataset.get_item(tag)
    if raw is None:
        return None
    if not isinstance(raw, RawDataElement):
        return element_value(raw)
    vr = raw.VR
    if vr is None or vr == "UN":
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            vr = "UN"
    if vr in _STRING or vr == "PN":
        return _text_value(vr, bytes(raw.value or b""), encodings)
    return element_value(dataset[tag])


@lru_cache(maxsize=8192)
def _text_value(vr: str, value: bytes, encodings: tuple[str, ...]) -> Value:
    if vr == "PN":
        names = [person_name(_decode_name(part, encodings)) for part in value.rstrip(b"\0 ").split(b"\\")]
        kept = [name for name in names if name is not None]
        return kept[0] if len(kept) == 1 else kept or None
    charsets = list(encodings) if vr in _TEXT else ["ascii"]
    return _split(str(decode_bytes(value, charsets, _BACKSLASH)), vr)


def _decode_name(value: bytes, encodings: tuple[str, ...]) -> str:
    return str(decode_bytes(value, list(encodings), {0x5C, 0x5E, 0x3D}))


def _split(text: str, vr: str) -> Value:
    if vr in _SINGLE_TEXT:
        return text.rstrip("\0 ") or None
    parts = [part.strip("\0 \r\n\t") for part in text.split("\\")]
    if len(parts) == 1:
        return parts[0] or None
    kept = [part for part in parts if part]
    return kept or None


def element_value(element: DataElement) -> Value:
    """The value of a pydicom element as plain Python."""
    value, vr = element.value, element.VR
    if vr == "SQ":
        return [item_value(item) for item in value] or None
    if value is None or value == "":
        return None
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str) or not isinstance(value, Sequence):
        return _one(value, vr)
    values = [_one(each, vr) for each in value]
    kept = [each for each in values if each is not None]
    return kept or None


def _one(value: Any, vr: str) -> Value:
    if vr == "PN":
        return person_name(str(value))
    if vr == "DS":
        return _decimal(getattr(value, "original_string", None) or str(value))
    if vr in ("IS", "US", "UL", "SS", "SL", "UV", "SV"):
        return int(value) if isinstance(value, int) else _decimal(str(value))
    if vr in ("FL", "FD"):
        return _decimal(repr(float(value)))
    if vr == "AT":
        return keyword_for_tag(value) or str(value)
    text = str(value)
    return (text.rstrip("\0 ") if vr in _SINGLE_TEXT else text.strip("\0 \r\n\t")) or None


def _decimal(text: str) -> Decimal | None:
    try:
        number = Decimal(text.strip("\0 "))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def item_value(item: Dataset) -> Code | Item:
    """A sequence item: a `Code` where it is a code sequence item, else an `Item` of its attributes."""
    for keyword in _CODE_ATTRIBUTES:
        if keyword in item:
            return _code(item, keyword)
    if "CodeMeaning" in item:
        return _code(item, None)
    return Item({element.keyword: element_value(element) for element in item if element.keyword})


def _code(item: Dataset, keyword: str | None) -> Code:
    def text(name: str | None) -> str | None:
        value = item.get(name) if name else None
        return str(value).strip("\0 ") or None if value is not None else None

    return code(
        text(keyword), text("CodingSchemeDesignator"), text("CodeMeaning"), text("CodingSchemeVersion")
    )
