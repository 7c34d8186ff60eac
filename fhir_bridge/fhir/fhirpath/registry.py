"""The table of functions: modules add to it with `@function`, the evaluator looks into it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.items import Item, single, string, system_value
from fhir_bridge.fhir.fhirpath.numbers import number
from fhir_bridge.fhir.fhirpath.types import TypeName

__all__ = ["FUNCTIONS", "Compiled", "Function", "Implementation", "function"]

Compiled = Callable[[Frame], list[Item]]
"""An expression, ready to be evaluated in a frame."""

Implementation = Callable[[list[Item], Sequence[Any], Frame], list[Item]]
"""(input, arguments, frame) to result. Arguments are `Compiled`, or a `TypeName` where the function takes a type."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function.

    Attributes:
        least: fewest arguments; `most` the largest number, None for any.
        takes_type: its first argument is the name of a type.
        iterates: its arguments are evaluated for each item, so that `$this` is the item.
    """

    name: str
    apply: Implementation
    least: int
    most: int | None
    takes_type: bool = False
    iterates: bool = False


FUNCTIONS: dict[str, Function] = {}


def function(
    name: str, least: int = 0, most: int | None = -1, *, takes_type: bool = False, iterates: bool = False
) -> Callable[[Implementation], Implementation]:
    """Register an implementation under this name; `most` defaults to `least`."""

    def register(implementation: Implementation) -> Implementation:
        FUNCTIONS[name] = Function(
            name, implementation, least, least if most == -1 else most, takes_type, iterates
        )
        return implementation

    return register


# --- arguments and input as values ------------------------------------------------------------------------------------


def text_of(items: list[Item], what: str) -> str | None:
    """The only item as a string; None where there is none or it has no value.

    Raises:
        FHIRPathError: several items, or one that is no string.
    """
    item = single(items, what)
    if item is None or item.value is None:
        return None
    if isinstance(item.value, str):
        return item.value
    raise FHIRPathError(f"{what} takes a string, found {item.type}")


def integer_of(items: list[Item], what: str) -> int | None:
    """The only item as an integer; None where there is none.

    Raises:
        FHIRPathError: several items, or one that is no integer.
    """
    item = single(items, what)
    if item is None or item.value is None:
        return None
    value = number(item.value)
    if isinstance(value, int):
        return value
    raise FHIRPathError(f"{what} takes an integer, found {item.type}")


def value_of(items: list[Item], what: str) -> Any:
    """The only item as a System value; None where there is none, or it has none."""
    item = single(items, what)
    return None if item is None else system_value(item)


def charged_string(text: str, frame: Frame) -> list[Item]:
    """A string that a function made, accounted for."""
    frame.env.spend_text(text)
    return string(text)


def type_of(argument: Any) -> TypeName:
    """An argument that names a type."""
    assert isinstance(argument, TypeName)
    return argument
