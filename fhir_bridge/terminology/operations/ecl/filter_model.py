"""The parts of ECL's filters, `{{ … }}`.

Keywords stand for SCTIDs (`type = syn`, `definitionStatus = primitive`, `dialect = en-us (prefer)`) and are reported as
those, so that a filter by keyword and one by SCTID are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "Acceptance",
    "Active",
    "Coded",
    "ConceptFilter",
    "Constraint",
    "DescriptionFilter",
    "Dialect",
    "Field",
    "Identified",
    "Language",
    "MemberFilter",
    "SearchTerm",
    "Term",
    "Timed",
]


class Constraint:
    """An expression; its kinds are in `model`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """`match:"heart att"` (beginnings of words in any order), or `wild:"*itis"` with its escapes."""

    text: str
    wild: bool


@dataclass(frozen=True, slots=True)
class Coded:
    """`moduleId = …`, `typeId = …`, `definitionStatusId = …`."""

    field: str
    negated: bool
    value: Constraint
    offset: int


@dataclass(frozen=True, slots=True)
class Timed:
    """`effectiveTime >= "20260131"`; several times are alternatives."""

    comparator: str
    times: tuple[str, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Active:
    """`active = 1`; None for `*`, either."""

    value: bool | None
    offset: int


@dataclass(frozen=True, slots=True)
class Term:
    """`term = "…"`; several terms are alternatives."""

    negated: bool
    terms: tuple[SearchTerm, ...]


@dataclass(frozen=True, slots=True)
class Language:
    """`language = en`."""

    negated: bool
    codes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Identified:
    """`id = 1208972017`."""

    negated: bool
    ids: frozenset[str]
    offset: int


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Language reference sets, and the acceptability wanted there; None for any."""

    reference_sets: Constraint
    acceptability: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Dialect:
    """`dialectId = …`; several are alternatives."""

    negated: bool
    choices: tuple[Acceptance, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class Field:
    """`mapTarget = "J45"`, `targetComponentId = << …`: a field of a reference set.

    Attributes:
        value: an expression, a number, terms or times of which one is wanted, or a boolean.
    """

    name: str
    comparator: str
    value: Constraint | Decimal | tuple[SearchTerm, ...] | tuple[str, ...] | bool
    offset: int


@dataclass(frozen=True, slots=True)
class ConceptFilter:
    """`{{ C … }}`."""

    conditions: tuple[Coded | Timed | Active, ...]


@dataclass(frozen=True, slots=True)
class DescriptionFilter:
    """`{{ D … }}`: all conditions hold of one description."""

    conditions: tuple[Term | Language | Coded | Dialect | Timed | Active | Identified, ...]


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """`{{ M … }}`: all conditions hold of one row."""

    conditions: tuple[Coded | Timed | Active | Field, ...]
