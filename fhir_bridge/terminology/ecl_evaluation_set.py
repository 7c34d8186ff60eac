"""What ECL is validated against (its specification says "substrate"): the concepts of a code system by number, their
hierarchy, attributes in role groups, descriptions and reference set members.

Numbers are from 0 to the size, so that a set of concepts is one byte each. Who keeps a code system in another way than
by number gives none of this; `operations.ecl` then makes it from `CodeSystemContent`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

__all__ = [
    "LITERAL",
    "DescriptionForm",
    "Literal",
    "Logic",
    "Member",
    "NumberedContent",
    "Numbering",
    "ReferenceSet",
    "Role",
]

LITERAL = 1 << 31
"""Values of attributes from here on are no concepts; `Logic.literal` returns them."""

Role = tuple[int, int, int]
"""Role group, attribute (its place in `Logic.attributes`), value (a concept's number, or a literal)."""

Literal = tuple[str, str]
"""Type (as of a FHIR property) and text of a value that is no concept."""


@dataclass(frozen=True, slots=True)
class DescriptionForm:
    """What many descriptions have in common (RF2 3.2.2, 5.2.2.1).

    Attributes:
        module, time: of the description; None where the content does not keep them.
        language: two letters as a rule; None where it is not stated.
        type: SCTID of fully specified name, synonym or definition; None where it is not stated.
        dialects: by SCTID of the language reference set that has it, the SCTID of its acceptability; None where the
            content keeps no language reference sets.
    """

    active: bool
    module: str | None
    time: str | None
    language: str | None
    type: str | None
    dialects: Mapping[str, str] | None


class Member(NamedTuple):
    """A row of a reference set (RF2 5.1): its own state, and the fields after referencedComponentId as texts."""

    active: bool
    module: str
    time: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReferenceSet:
    """A reference set whose members are concepts.

    Attributes:
        fields: names and types of the fields after referencedComponentId; `c` component, `i` integer, `s` text.
    """

    code: str
    fields: tuple[tuple[str, str], ...]


class Numbering(Protocol):
    """Concepts by number, and their hierarchy."""

    def __len__(self) -> int: ...

    def number(self, code: str) -> int | None:
        """The number of a code; None where it does not exist."""
        ...

    def code(self, number: int) -> str:
        """The code of a number."""
        ...

    def roots(self) -> Iterable[int]:
        """Those without parents."""
        ...

    def inner(self) -> Iterable[int]:
        """Those with children."""
        ...

    def parents(self, number: int) -> Sequence[int]:
        """Direct parents."""
        ...

    def children(self, number: int) -> Sequence[int]:
        """Direct children."""
        ...

    def bounds(self, number: int) -> Sequence[int] | None:
        """Intervals of all that is below, sorted: low, high (exclusive), low, high…; None where it must be walked."""
        ...


class Logic(Protocol):
    """What else is known of concepts.

    Attributes:
        attributes: codes of the attributes in use.
        kinds: of descriptions; a description states its own by the place.
        reference_sets: those that have members.
        lacking: None where all that an RF2 release says is kept; else why it is not, for messages.
        lacking_groups: likewise for role groups; where a content never has any, a concept's attributes are one group.
        has_coded_literals: whether literals may be codes, of this system or another.
    """

    @property
    def lacking(self) -> str | None: ...
    @property
    def lacking_groups(self) -> str | None: ...
    @property
    def has_coded_literals(self) -> bool: ...
    @property
    def attributes(self) -> Sequence[str]: ...
    @property
    def kinds(self) -> Sequence[DescriptionForm]: ...
    @property
    def reference_sets(self) -> Sequence[ReferenceSet]: ...

    def roles(self, number: int) -> Iterable[Role]:
        """The attributes of a concept; those of group 0 occur alone."""
        ...

    def values(self, attribute: int) -> Iterator[tuple[int, Sequence[int]]]:
        """The values of an attribute, each with the concepts that have it."""
        ...

    def having(self, attribute: int, value: int) -> Sequence[int]:
        """The concepts that have this value."""
        ...

    def literal(self, value: int) -> Literal:
        """Type and text of a value from `LITERAL` on."""
        ...

    def is_active(self, number: int) -> bool:
        """Whether it is not retired."""
        ...

    def inactive(self) -> Iterable[int]:
        """Those that are retired."""
        ...

    def property_values(self, name: str) -> Sequence[str] | None:
        """Values that a property has; None where there is no such property."""
        ...

    def with_property(self, name: str, value: str) -> Iterable[int]:
        """The concepts whose property has this value."""
        ...

    def property_of(self, number: int, name: str) -> Sequence[str]:
        """Values of a concept's property."""
        ...

    def description_kinds(self, number: int) -> Iterable[tuple[str, int]]:
        """Id and place of the kind of a concept's descriptions."""
        ...

    def descriptions(self, number: int) -> Iterable[tuple[str, int, str]]:
        """Id, place of the kind, and term of a concept's descriptions."""
        ...

    def described(self, words: str) -> Iterable[int] | None:
        """At least the concepts with words that begin as these in one of their active descriptions, case and accents
        not counting; None where that takes looking at each."""
        ...

    def members(self, reference_set: int) -> Iterator[tuple[int, Sequence[Member]]]:
        """The referenced concepts of the reference set at this place, each with its rows."""
        ...

    def rows(self, reference_set: int, number: int) -> Sequence[Member]:
        """The rows of one concept."""
        ...


@runtime_checkable
class NumberedContent(Protocol):
    """Content that keeps its concepts by number.

    Attributes:
        numbering: the numbers and the hierarchy.
        logic: what an RF2 release says of concepts; None where the content was not imported from one.
        outdated: why the logic of an RF2 release is not available, for messages; None for all else.
    """

    @property
    def numbering(self) -> Numbering: ...
    @property
    def logic(self) -> Logic | None: ...
    @property
    def outdated(self) -> str | None: ...
