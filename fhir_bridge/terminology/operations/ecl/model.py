"""The parts of an ECL expression (ECL 2.2, logical model). Filters are in `filter_model`."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from fhir_bridge.terminology.operations.ecl.filter_model import (
    ConceptFilter,
    Constraint,
    DescriptionFilter,
    MemberFilter,
)

__all__ = [
    "Attribute",
    "AttributeGroup",
    "Comparator",
    "Compound",
    "Concept",
    "Constraint",
    "Dotted",
    "Everything",
    "Filtered",
    "MembersOf",
    "Operator",
    "ReferenceSetsOf",
    "Refined",
    "Refinement",
    "RefinementSet",
    "Related",
    "Supplemented",
]

Operator = Literal["<", "<<", "<!", "<<!", ">", ">>", ">!", ">>!", "!!>", "!!<"]
"""Descendants, those and itself, children, those and itself; ancestors likewise; top and bottom of a set."""

Comparator = Literal["=", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Concept(Constraint):
    """`404684003 |Clinical finding|`."""

    code: str


@dataclass(frozen=True, slots=True)
class Everything(Constraint):
    """`*`, or ANY."""


@dataclass(frozen=True, slots=True)
class Related(Constraint):
    """`<< …` and the other operators on the hierarchy; of several concepts it is the union."""

    operator: Operator
    of: Constraint


@dataclass(frozen=True, slots=True)
class MembersOf(Constraint):
    """`^ …`: what a field of the rows of reference sets has, with `{{ M … }}` for the rows.

    Attributes:
        field: as in `^ [targetComponentId] …`; None for referencedComponentId.
        offset: where it is.
    """

    of: Constraint
    field: str | None
    filters: tuple[MemberFilter, ...]
    offset: int


@dataclass(frozen=True, slots=True)
class ReferenceSetsOf(Constraint):
    """`^R …`: the reference sets that have any of the concepts as an active member."""

    of: Constraint


@dataclass(frozen=True, slots=True)
class Filtered(Constraint):
    """`… {{ C … }}` and `… {{ D … }}`; all must hold."""

    of: Constraint
    filters: tuple[ConceptFilter | DescriptionFilter, ...]


@dataclass(frozen=True, slots=True)
class Supplemented(Constraint):
    """`… {{ + HISTORY-MIN }}`: with the inactive concepts that historical associations lead from.

    Attributes:
        sets: the association reference sets; None for all historical ones.
        offset: where the supplement is.
    """

    of: Constraint
    sets: Constraint | None
    offset: int


@dataclass(frozen=True, slots=True)
class Compound(Constraint):
    """Expressions joined by one of AND, OR and MINUS."""

    operator: Literal["AND", "OR", "MINUS"]
    parts: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """`attribute = value`, with cardinality and reverse flag.

    Attributes:
        value: an expression, a number, texts of which one is wanted, or a boolean.
        low, high: cardinality; `high` None is no bound.
    """

    name: Constraint
    comparator: Comparator
    value: Constraint | Decimal | tuple[str, ...] | bool
    low: int = 1
    high: int | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class AttributeGroup:
    """`{ … }`: attributes that are in one role group; the cardinality counts groups."""

    refinement: Refinement
    low: int
    high: int | None
    offset: int


@dataclass(frozen=True, slots=True)
class RefinementSet:
    """Refinements joined by AND (also `,`) or OR."""

    operator: Literal["AND", "OR"]
    parts: tuple[Refinement, ...]


@dataclass(frozen=True, slots=True)
class Refined(Constraint):
    """An expression with a refinement after `:`."""

    of: Constraint
    refinement: Refinement


@dataclass(frozen=True, slots=True)
class Dotted(Constraint):
    """`expression . attribute`: the values of the attribute."""

    of: Constraint
    attribute: Constraint


Refinement = Attribute | AttributeGroup | RefinementSet
