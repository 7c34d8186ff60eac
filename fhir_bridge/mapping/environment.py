"""What the expression compiler knows: names in scope, and source with its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fhir_bridge.mapping.grammar import ExpressionError
from fhir_bridge.mapping.reads import Read

__all__ = ["Code", "Environment", "RuleTarget", "Variable", "failure", "literal_source"]


@dataclass(frozen=True, slots=True)
class Code:
    """Python source of a value, with what is known of it before any record is read.

    Attributes:
        type: its FHIR type; None where only the run shows.
        repeats: it may be a list.
        literal: it is the literal `value`.
        boolean: it is a Python truth value already.
        target: the type that a Reference refers to, where that is known.
        reads: the values of the source that it comes from.
        uses: all values of the source that it touches.
    """

    source: str
    type: str | None = None
    repeats: bool = True
    literal: bool = False
    value: Any = None
    boolean: bool = False
    target: str | None = None
    reads: tuple[Read, ...] = ()
    uses: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class Variable:
    """A name in scope: its Python source, its type and the keys it is known to have (`spec`)."""

    source: str
    type: str | None = None
    repeats: bool = True
    keys: frozenset[str] | None = None
    reads: tuple[Read, ...] = ()
    uses: tuple[Read, ...] = ()


@dataclass(slots=True)
class Environment:
    """What names mean at a place.

    Attributes:
        scope: name of the source model's scope; None beyond the record.
        variable: Python name bound to the scope object.
        names: variables.
        outer: what `outer.` means here: builds the environment around, or None.
        refers: `ref()` may be here.
    """

    scope: str
    variable: str = "s"
    names: dict[str, Variable] = field(default_factory=dict)
    outer: Callable[[], Environment | None] | None = None
    refers: bool = True

    def with_names(self, names: Mapping[str, Variable]) -> Environment:
        """The same place with more variables."""
        return Environment(self.scope, self.variable, {**self.names, **names}, self.outer, self.refers)


@dataclass(frozen=True, slots=True)
class RuleTarget:
    """A rule that others may refer to."""

    name: str
    type: str
    scope: str


def literal_source(value: Any) -> str:
    """Python source of a literal, decimals to the digit."""
    if isinstance(value, Decimal):
        return f"Decimal({str(value)!r})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {literal_source(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal_source, value)) + "]"
    if isinstance(value, tuple):
        return "(" + "".join(f"{literal_source(item)}, " for item in value) + ")"
    return repr(str(value)) if isinstance(value, str) else repr(value)


def failure(message: str, offset: int, number: str, suggestion: str = "") -> ExpressionError:
    """An error at an offset of the expression, of issue code FB-MAP-<number>."""
    error = ExpressionError(message, offset, suggestion)
    error.kind = f"FB-MAP-{number}"
    return error
