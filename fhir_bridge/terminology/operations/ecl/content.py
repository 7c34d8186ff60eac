"""The substrate of a code system's content: its own, or one made from its hierarchy, properties and names.

Attributes are the properties whose values can be compared, all of one concept in one group; `^` reads the property
`memberOf` (also `refset`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Generic, TypeVar

from fhir_bridge.terminology.concepts import value_text
from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail, PropertyValue
from fhir_bridge.terminology.ecl_evaluation_set import (
    LITERAL,
    DescriptionForm,
    Literal,
    Logic,
    Member,
    NumberedContent,
    Numbering,
    ReferenceSet,
    Role,
)
from fhir_bridge.terminology.supplemented import SupplementedContent

__all__ = ["ListedNumbering", "PropertyLogic", "evaluation_set_of"]

SNOMED = "http://snomed.info/sct"
_MEMBERSHIP = ("memberOf", "refset")
_Value = TypeVar("_Value")
_ROW = (Member(True, "", "", ()),)


def evaluation_set_of(content: CodeSystemContent) -> tuple[Numbering, Logic]:
    """What a content is checked by. Supplements add nothing to what a release says of itself."""
    base = content.base if isinstance(content, SupplementedContent) else content
    if not isinstance(base, NumberedContent):
        numbering = ListedNumbering(content)
        return numbering, PropertyLogic(content, numbering)
    if base.logic is not None:
        return base.numbering, base.logic
    return base.numbering, PropertyLogic(content, base.numbering, base.outdated)


class ListedNumbering:
    """Numbers in the order in which the content lists its codes; what is below is walked."""

    def __init__(self, content: CodeSystemContent) -> None:
        self._content = content
        self._codes = list(content.codes())
        self._numbers = {code: number for number, code in enumerate(self._codes)}

    def __len__(self) -> int:
        return len(self._codes)

    def number(self, code: str) -> int | None:
        """The number of a code, in the case in which the system has it."""
        entry = self._numbers.get(code)
        if entry is None and (right := self._content.find(code)) is not None:
            entry = self._numbers.get(right)
        return entry

    def code(self, number: int) -> str:
        """The code of a number."""
        return self._codes[number]

    def roots(self) -> Sequence[int]:
        """Those without parents."""
        return [number for number, code in enumerate(self._codes) if not self._content.parents(code)]

    def inner(self) -> Sequence[int]:
        """Those with children."""
        return [number for number, code in enumerate(self._codes) if self._content.children(code)]

    def parents(self, number: int) -> Sequence[int]:
        """Direct parents."""
        return self._known(self._content.parents(self._codes[number]))

    def children(self, number: int) -> Sequence[int]:
        """Direct children."""
        return self._known(self._content.children(self._codes[number]))

    def bounds(self, number: int) -> None:  # noqa: ARG002
        """None: what is below is walked."""
        return

    def _known(self, codes: Iterable[str]) -> list[int]:
        return [self._numbers[code] for code in codes if code in self._numbers]


class PropertyLogic:
    """What properties and names of concepts show."""

    def __init__(self, content: CodeSystemContent, numbering: Numbering, outdated: str | None = None) -> None:
        """The logic of a content.

        Args:
            outdated: why an RF2 release that is kept so lacks what it should have.
        """
        self._content, self._numbering = content, numbering
        self.lacking = outdated or "as this code system was not imported from an RF2 release"
        self.lacking_groups = outdated
        self.has_coded_literals = True
        self._literals: _NumberedValues[Literal] = _NumberedValues()
        self._kinds: _NumberedValues[DescriptionForm] = _NumberedValues()

    # --- attributes ---

    @cached_property
    def attributes(self) -> Sequence[str]:
        """Codes of the properties; of SNOMED CT those that are concepts."""
        codes = (item.code for item in self._content.properties)
        if self._content.url != SNOMED:
            return list(codes)
        return [code for code in codes if self._content.find(code) is not None]

    @cached_property
    def _attribute_places(self) -> Mapping[str, int]:
        return {code: location for location, code in enumerate(self.attributes)}

    def roles(self, number: int) -> Iterator[Role]:
        """The properties of a concept, in one group."""
        for name, value, kind in self._properties(number):
            location = self._attribute_places.get(name)
            if location is not None:
                yield 1, location, self._value(value_text(value), kind)

    def _value(self, text: str, kind: str) -> int:
        if kind in ("code", "Coding"):
            number = self._numbering.number(text)
            if number is not None:
                return number
        return LITERAL | self._literals.number_of((kind, text))

    @cached_property
    def _inverted(self) -> Mapping[int, Mapping[int, Sequence[int]]]:
        """By attribute, the concepts of each value."""
        results: dict[int, dict[int, array[int]]] = {}
        for number in range(len(self._numbering)):
            for _, attribute, value in dict.fromkeys(self.roles(number)):
                results.setdefault(attribute, {}).setdefault(value, array("I")).append(number)
        return results

    def values(self, attribute: int) -> Iterator[tuple[int, Sequence[int]]]:
        """The values of a property, each with the concepts that have it."""
        return iter(self._inverted.get(attribute, {}).items())

    def having(self, attribute: int, value: int) -> Sequence[int]:
        """The concepts that have this one as a value."""
        with_code = self.with_property(self.attributes[attribute], self._numbering.code(value))
        # The index knows texts: a string that is written like the code is not the concept.
        return [n for n in with_code if any(role[1:] == (attribute, value) for role in self.roles(n))]

    def literal(self, value: int) -> Literal:
        """Type and text of a value that is no concept."""
        return self._literals.values[value ^ LITERAL]

    # --- properties ---

    def _detail(self, number: int) -> ConceptDetail | None:
        return self._content.get(self._numbering.code(number))

    def _properties(self, number: int) -> Sequence[PropertyValue]:
        detail = self._detail(number)
        return () if detail is None else detail.properties

    def is_active(self, number: int) -> bool:
        """Whether it is not retired."""
        detail = self._detail(number)
        return detail is not None and detail.active

    def inactive(self) -> Iterator[int]:
        """Those that are retired."""
        return (number for number in range(len(self._numbering)) if not self.is_active(number))

    def property_values(self, name: str) -> Sequence[str] | None:
        """Values that a property has."""
        if all(item.code != name for item in self._content.properties):
            return None
        every = (self.property_of(number, name) for number in range(len(self._numbering)))
        return list(dict.fromkeys(value for values in every for value in values))

    def with_property(self, name: str, value: str) -> Iterator[int]:
        """The concepts whose property has this value."""
        for code in self._content.with_property(name, value):
            number = self._numbering.number(code)
            if number is not None:
                yield number

    def property_of(self, number: int, name: str) -> Sequence[str]:
        """Values of a concept's property."""
        return [value_text(value) for code, value, _ in self._properties(number) if code == name]

    # --- descriptions ---

    @property
    def kinds(self) -> Sequence[DescriptionForm]:
        """Languages and types of the names that were asked for."""
        return self._kinds.values

    def _names(self, number: int) -> Iterator[tuple[DescriptionForm, str]]:
        detail = self._detail(number)
        if detail is None:
            return
        if detail.display:
            yield _description_form(self._content.language, None), detail.display
        for designation in detail.designations:
            yield _description_form(designation.language, designation.use), designation.value

    def description_kinds(self, number: int) -> Iterator[tuple[str, int]]:
        """Names have no id."""
        return (("", kind) for _, kind, _ in self.descriptions(number))

    def descriptions(self, number: int) -> Iterator[tuple[str, int, str]]:
        """Display and designations."""
        return (("", self._kinds.number_of(kind), name) for kind, name in self._names(number))

    def described(self, words: str) -> None:  # noqa: ARG002
        """None: each concept is looked at."""
        return

    # --- reference sets ---

    @cached_property
    def reference_sets(self) -> Sequence[ReferenceSet]:
        """Those that are named by the membership properties."""
        named = (value for name in _MEMBERSHIP for value in self.property_values(name) or ())
        return [ReferenceSet(code, ()) for code in dict.fromkeys(named)]

    def members(self, reference_set: int) -> Iterator[tuple[int, Sequence[Member]]]:
        """The concepts that name the reference set, each with one active row."""
        code = self.reference_sets[reference_set].code
        result = dict.fromkeys(number for name in _MEMBERSHIP for number in self.with_property(name, code))
        return ((number, _ROW) for number in result)

    def rows(self, reference_set: int, number: int) -> Sequence[Member]:
        """One active row, where the concept names the reference set."""
        code = self.reference_sets[reference_set].code
        return _ROW if any(code in self.property_of(number, name) for name in _MEMBERSHIP) else ()


class _NumberedValues(Generic[_Value]):
    """Values that are identified by their place, as they are met; safe to share between threads."""

    def __init__(self) -> None:
        self.values: list[_Value] = []
        self._known: dict[_Value, int] = {}
        self._lock = Lock()

    def number_of(self, value: _Value) -> int:
        """Its place; a new one is added."""
        # Looked for without the lock first: what is there stays as it is.
        entry = self._known.get(value)
        if entry is None:
            with self._lock:
                entry = self._known.get(value)
                if entry is None:
                    entry = len(self.values)
                    self.values.append(value)
                    self._known[value] = entry
        return entry


def _description_form(language: str | None, use: tuple[str, str] | None) -> DescriptionForm:
    of_type = use[1] if use is not None and use[0] == SNOMED else None
    return DescriptionForm(True, None, None, language, of_type, None)
