"""The form of a value: a number that equal values share, with holes where it names other resources.

Two values say the same where their forms are equal once the holes are filled. Most of a resource names nothing, and is
one number, made once; only the way to the holes is walked again when what they name gets another number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from fhir_bridge.fhir.search.dates import date_range

__all__ = ["Form", "Hole", "Objects", "Settings", "evaluate", "is_number", "leaf", "make_list", "make_object"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What counts as a difference; see `fhir_bridge.fhir.difference.difference`."""

    ignore_ids: bool
    precision: bool
    instants: bool
    narrative: bool
    ordered: bool
    empty: bool


class Hole(NamedTuple):
    """A node of the graph: named here, or standing here itself (`inside`)."""

    node: int
    inside: bool


class Objects(NamedTuple):
    """A container with holes: `parts` are numbers, names of properties among them, and forms."""

    sort: bool
    parts: tuple[Any, ...]


Form = int | Hole | Objects


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def leaf(value: Any, kind: str, settings: Settings) -> str:
    """A text that two primitive values share where they say the same."""
    if isinstance(value, str):
        if settings.instants and kind in ("dateTime", "instant") and "T" in value:
            return _instant(value)
        return "s" + value
    if value is None or isinstance(value, bool):
        return f"k{value}"
    return _number(value, precise=settings.precision) if is_number(value) else f"?{value!r}"


def _number(value: Any, *, precise: bool) -> str:
    """Sign, digits and exponent: exact, whatever the length."""
    try:
        # A float by its text, so that 0.1 is 0.1.
        number = Decimal(value) if isinstance(value, int | Decimal) else Decimal(repr(value))
        sign, digits, exponent = number.as_tuple()
    except InvalidOperation:
        return f"n{value!r}"
    if not isinstance(exponent, int):
        return f"n{value!r}"
    text = "".join(map(str, digits))
    if not precise:
        short = text.rstrip("0")
        exponent += len(text) - len(short)
        text = short.lstrip("0")
        if not text:
            return "n0"
    return f"n{sign}:{text}e{exponent}"


def _instant(text: str) -> str:
    """A time with a zone as one in UTC, to the last digit of its fraction."""
    # Without a zone it is no instant.
    if text[-1] != "Z" and text[-6:-5] not in ("+", "-"):
        return "s" + text
    try:
        low = date_range(text)[0]
    except ValueError:
        return "s" + text
    # date_range keeps six digits of a fraction; here all count.
    fraction = text.partition(".")[2].partition("Z")[0].partition("+")[0].partition("-")[0].rstrip("0")
    return f"t{low.replace(microsecond=0).isoformat()}.{fraction}"


def make_object(parts: list[tuple[str, Form]]) -> Form:
    """The form of an object of these properties."""
    parts.sort(key=lambda part: part[0])
    flat: list[Any] = ["o"]
    holes = False
    for name, form in parts:
        flat += (name, form)
        holes = holes or not isinstance(form, int)
    # `hash` differs from process to process: forms are compared, never kept.
    return Objects(False, tuple(flat)) if holes else hash(tuple(flat))


def make_list(forms: Sequence[Form], *, ordered: bool) -> Form:
    """The form of a list."""
    numbers = [form for form in forms if isinstance(form, int)]
    if len(numbers) < len(forms):
        return Objects(not ordered, tuple(forms))
    return hash(("l", *(numbers if ordered else sorted(numbers))))


def evaluate(form: Form, number_of: Callable[[Hole], int]) -> int:
    """The number of a form whose holes are filled."""
    if isinstance(form, int):
        return form
    if isinstance(form, Hole):
        return number_of(form)
    parts = [evaluate(part, number_of) if isinstance(part, Hole | Objects) else part for part in form.parts]
    if form.sort:
        parts.sort()
    return hash(tuple(parts) if parts[:1] == ["o"] else ("l", *parts))
