"""The parts of an ECL expression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Attribute",
    "AttributeGroup",
    "Compound",
    "Constraint",
    "Dotted",
    "Focus",
    "Refined",
    "Refinement",
    "RefinementSet",
]

Operator = Literal["", "<", "<<", "<!", "<<!", ">", ">>", ">!", ">>!", "!!>", "!!<"]
"""How a focus is widened: itself, descendants, those and itself, children, ancestors, …, top and bottom of a set."""


@dataclass(frozen=True, slots=True)
class Focus:
    """`<< 404684003`, `^ 700043003`, `*`, or an expression in brackets.

    Attributes:
        member: `^`: the members of the reference set in place of the concept.
        target: a concept id, `*`, or an expression.
    """

    operator: Operator
    member: bool
    target: str | Constraint


@dataclass(frozen=True, slots=True)
class Compound:
    """Expressions joined by one of AND, OR and MINUS."""

    operator: Literal["AND", "OR", "MINUS"]
    parts: tuple[Constraint, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """`attribute = value`, with cardinality and reverse flag.

    Attributes:
        high: None is no bound.
        value: an expression, or for concrete values a text (`#40`, `"text"`, `true`).
    """

    name: Constraint
    comparator: Literal["=", "!=", "<", "<=", ">", ">="]
    value: Constraint | str
    low: int | None = None
    high: int | None = None
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class AttributeGroup:
    """`{ … }`: attributes that stand in one role group."""

    refinement: Refinement
    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class RefinementSet:
    """Refinements joined by AND (also `,`) or OR."""

    operator: Literal["AND", "OR"]
    parts: tuple[Refinement, ...]


@dataclass(frozen=True, slots=True)
class Refined:
    """An expression with a refinement after `:`."""

    focus: Constraint
    refinement: Refinement


@dataclass(frozen=True, slots=True)
class Dotted:
    """`expression . attribute`: the values of the attribute."""

    focus: Constraint
    attribute: Constraint


Refinement = Attribute | AttributeGroup | RefinementSet
Constraint = Focus | Compound | Refined | Dotted
