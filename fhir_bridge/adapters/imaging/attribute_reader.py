"""Attributes of a data set or item by keyword, each read for itself: a malformed one costs itself and is reported."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from fhir_bridge.adapters.imaging.character_sets import DEFAULT, Encodings, encodings_of
from fhir_bridge.adapters.imaging.codes import CODE_FORM, Code, code
from fhir_bridge.adapters.imaging.data_dictionary import keyword_for_tag, tag_for_keyword
from fhir_bridge.adapters.imaging.elements import OMITTED, UNREADABLE, Element, Elements, items_of
from fhir_bridge.adapters.imaging.values import NOTHING, Problem, Reading, Value, expected, read_plain

__all__ = ["AttributeReader", "Item", "Report", "is_keyword", "key_of", "read_element"]

Report = Callable[[str, str], None]
"""Takes an issue code and a message without values."""

_CHARACTER_SET: Final = 0x00080005
_CODE_VALUES: Final = (0x00080100, 0x00080119, 0x00080120)
"""Code Value, Long Code Value, URN Code Value (PS3.3 table 8.8-1)."""
_SCHEME, _VERSION, _MEANING = 0x00080102, 0x00080103, 0x00080104


class Item:
    """An item of a sequence: its attributes by keyword, as attributes of the object."""

    __slots__ = ("attributes", "key")

    def __init__(self, attributes: dict[str, Value]) -> None:
        self.attributes = attributes
        self.key = tuple(sorted((name, key_of(value)) for name, value in attributes.items()))

    def __getattr__(self, keyword: str) -> Value:
        if keyword.startswith("__"):
            raise AttributeError(keyword)
        return self.attributes.get(keyword)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.attributes)


def key_of(value: Value) -> str:
    """A text that is equal for values that say the same in the same form."""
    if isinstance(value, list):
        return "[" + "\x1e".join(map(key_of, value)) + "]"
    return f"{type(value).__name__}:{value.key if isinstance(value, Item) else value!r}"


@lru_cache(maxsize=4096)
def _tag(keyword: str) -> int | None:
    tag = tag_for_keyword(keyword)
    return None if tag is None else int(tag)


def is_keyword(name: str) -> bool:
    """Whether the data dictionary (PS3.6) has this keyword."""
    return _tag(name) is not None


def read_element(tag: int, element: Element, encodings: Encodings) -> Reading:
    """The value of any element."""
    if element[0] != "SQ":
        return read_plain(tag, element, encodings)
    if expected(tag)[0] not in ("SQ", ""):
        return Reading(None, (Problem("FB-DCM-020", " has the VR SQ and was left out"),))
    return _short_items(element[1], encodings) if len(element[1]) <= 4096 else _items(element[1], encodings)


def _items(value: bytes, encodings: Encodings) -> Reading:
    values: list[Value] = []
    problems: list[Problem] = []
    for position, elements in enumerate(items_of(value), 1):
        result, wrong = _item(elements, encodings)
        problems += (Problem(problem.code, f"[{position}].{problem.text}") for problem in wrong)
        values.append(result)
    return Reading(values, tuple(problems)) if values else NOTHING


_short_items = lru_cache(maxsize=1024)(_items)


def _item(elements: Elements, encodings: Encodings) -> Reading:
    """A `Code` where it is a code sequence item, else an `Item` of its attributes."""
    encodings, problems = _own_encodings(elements, encodings)
    value_tag = next((tag for tag in _CODE_VALUES if tag in elements), None)
    if value_tag is None and _MEANING not in elements:
        attributes = {}
        for tag in sorted(elements):
            name = keyword_for_tag(tag)
            if name:
                value, wrong = read_element(tag, elements[tag], encodings)
                problems += (Problem(problem.code, name + problem.text) for problem in wrong)
                if value is not None:
                    attributes[name] = value
        return Reading(Item(attributes), tuple(problems))
    texts: list[str | None] = []
    for known in (value_tag, _SCHEME, _MEANING, _VERSION):
        value, wrong = (
            read_element(known, elements[known], encodings)
            if known is not None and known in elements
            else NOTHING
        )
        problems += (Problem(problem.code, keyword_for_tag(known or 0) + problem.text) for problem in wrong)
        texts.append(value if isinstance(value, str) else None)
    value, scheme, meaning, version = texts
    if value is not None and not CODE_FORM.fullmatch(value):
        problems.append(
            Problem("FB-DCM-020", f"{keyword_for_tag(value_tag or 0)} is no code and was left out")
        )
        value = None
    if value is None and meaning is None:
        return Reading(Item({}), tuple(problems))  # which keeps the places of the others
    return Reading(code(value, scheme, meaning, version), tuple(problems))


def _own_encodings(elements: Elements, inherited: Encodings) -> tuple[Encodings, list[Problem]]:
    element = elements.get(_CHARACTER_SET)
    if element is None:
        return inherited, []
    names = [part.strip("\0 ") for part in element[1].decode("latin-1").split("\\")]
    encodings, known = encodings_of(tuple(names))
    if known:
        return encodings, []
    return encodings, [
        Problem("FB-DCM-014", "SpecificCharacterSet is not known; what is not ASCII can't be read")
    ]


class AttributeReader:
    """Reads the attributes of one data set or item.

    Args:
        elements: what it holds.
        report: takes what is wrong with an attribute that was asked for.
        encodings: those of the data set around an item.
        path: where an item is (`ContentSequence[2].`).
        asked: takes the path of each attribute that is asked for.
    """

    __slots__ = ("_asked", "_path", "_report", "elements", "encodings")

    def __init__(
        self,
        elements: Elements,
        report: Report,
        encodings: Encodings = DEFAULT,
        path: str = "",
        asked: set[str] | None = None,
    ) -> None:
        self._asked = asked
        self.elements = elements
        self._report = report
        self._path = path
        self.encodings, problems = _own_encodings(elements, encodings)
        for problem in problems:
            report(problem.code, path + problem.text)

    def __contains__(self, keyword: str) -> bool:
        return _tag(keyword) in self.elements

    def report(self, code: str, text: str) -> None:
        """Report something about this item."""
        self._report(code, self._path + text)

    def disregard(self, *keywords: str) -> None:
        """Count nothing of this item as asked for, or not these attributes: what was read of them comes to nothing."""
        if self._asked is None:
            return
        if keywords:
            self._asked.difference_update([self._path + keyword for keyword in keywords])
        else:
            self._asked.difference_update([path for path in self._asked if path.startswith(self._path)])

    def value(self, keyword: str) -> Value:
        """The value of an attribute; None where it is absent, empty or can't be used."""
        if self._asked is not None:
            self._asked.add(self._path + keyword)
        tag = _tag(keyword)
        element = self.elements.get(tag) if tag is not None else None
        return None if tag is None or element is None else self.value_of(tag, keyword, element)

    def value_of(self, tag: int, name: str, element: Element) -> Value:
        """The value of an element that is known by this name."""
        value, problems = read_element(tag, element, self.encodings)
        for problem in problems:
            self._report(problem.code, f"{self._path}{name}{problem.text}")
        return value

    def text(self, keyword: str) -> str | None:
        """The value as text, the first of several."""
        value = _first(self.value(keyword))
        return value if isinstance(value, str) else None

    def term(self, keyword: str, terms: Collection[str]) -> str | None:
        """The value as text, where it is one of the terms that DICOM defines; another one is reported and left out."""
        text = self.text(keyword)
        if text is not None and text not in terms:
            self.report("FB-DCM-020", f"{keyword} is no term that is defined for it and was left out")
            return None
        return text

    def number(self, keyword: str) -> Decimal | None:
        """The value as a number, the first of several."""
        value = _first(self.value(keyword))
        return Decimal(value) if isinstance(value, int | Decimal) else None

    def integer(self, keyword: str) -> int | None:
        """The value as an integer, the first of several."""
        value = _first(self.value(keyword))
        return value if isinstance(value, int) else None

    def code(self, keyword: str) -> Code | None:
        """The code of a sequence that takes one; the first of several, which is reported."""
        values = self.value(keyword)
        codes = [each for each in values if isinstance(each, Code)] if isinstance(values, list) else []
        if len(codes) > 1:
            self.report("FB-DCM-022", f"{keyword} has {len(codes)} items; the first was taken")
        return codes[0] if codes else None

    def stated(self, keyword: str) -> str | None:
        """The value as the source writes it, for what can't be read; None where it is not short printable text."""
        vr, value = self.elements.get(_tag(keyword) or 0, ("", b""))
        text = value.decode("ascii", "replace").strip("\0 ") if vr not in ("", OMITTED, "SQ") else ""
        return text if text.isprintable() and "\ufffd" not in text and len(text) <= 64 and text else None

    def omitted(self, keyword: str) -> int | None:
        """Length in bytes of a value that is larger than what is kept; None for any other."""
        vr, value = self.elements.get(_tag(keyword) or 0, ("", b""))
        return int.from_bytes(value, "little") if vr == OMITTED else None

    def data(self, keyword: str) -> bytes:
        """The value as bytes; empty where there is none."""
        value = self.value(keyword)
        return value if isinstance(value, bytes) else b""

    def item(self, keyword: str) -> AttributeReader | None:
        """The item of a sequence that takes one; the first of several, which is reported."""
        items = self.items(keyword)
        if len(items) > 1:
            self.report("FB-DCM-022", f"{keyword} has {len(items)} items; the first was taken")
        return items[0] if items else None

    def items(self, keyword: str) -> list[AttributeReader]:
        """The items of a sequence, each to be read for itself."""
        tag = _tag(keyword)
        element = self.elements.get(tag) if tag is not None else None
        if element is None:
            return []
        if element[0] != "SQ":
            if element[1] or element[0] == UNREADABLE:
                self.value(keyword)  # which reports what is wrong
            return []
        return [
            AttributeReader(
                each, self._report, self.encodings, f"{self._path}{keyword}[{position}].", self._asked
            )
            for position, each in enumerate(items_of(element[1]), 1)
        ]


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
