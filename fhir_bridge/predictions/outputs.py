"""What a model may say beside a risk in percent: an interval, a class, a quantity, a survival curve, a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.fhir.ucum import is_valid

__all__ = [
    "ClassOutput",
    "Interval",
    "Output",
    "OutputError",
    "QuantityOutput",
    "SurvivalOutput",
    "TextOutput",
    "check_interval",
    "check_output",
    "interval_of",
    "output_of",
    "plain_interval",
    "plain_output",
]

MOST_CLASSES: Final = 200
MOST_POINTS: Final = 200
LONGEST_TEXT: Final = 10_000
_DIGITS: Final = 30


class OutputError(ValueError):
    """What is wrong with an output; the text holds no value."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence or prediction interval, in the unit of the value. level: 0.95 for 95 %; None: not stated."""

    low: Decimal
    high: Decimal
    level: Decimal | None = None


@dataclass(frozen=True, slots=True)
class ClassOutput:
    """One of several classes. probabilities: code, display and probability (0 to 1) of each, which add up to 1."""

    code: str
    display: str
    probabilities: tuple[tuple[str, str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class QuantityOutput:
    """A number in a UCUM unit."""

    value: Decimal
    unit: str
    interval: Interval | None = None


@dataclass(frozen=True, slots=True)
class SurvivalOutput:
    """Share that is free of the event after each time. points: years and survival (0 to 1), which never rises."""

    points: tuple[tuple[Decimal, Decimal], ...]


@dataclass(frozen=True, slots=True)
class TextOutput:
    """A text, of a language model for instance."""

    text: str


Output = ClassOutput | QuantityOutput | SurvivalOutput | TextOutput
_KINDS: Final = {
    "class": ClassOutput,
    "quantity": QuantityOutput,
    "survival": SurvivalOutput,
    "text": TextOutput,
}


def check_output(output: Any) -> None:
    """Refuse what can't be an output.

    Raises:
        OutputError: what is wrong with it.
    """
    if isinstance(output, ClassOutput):
        _check_class(output)
    elif isinstance(output, QuantityOutput):
        number(output.value, "its quantity")
        _text(output.unit, "the unit of its quantity")
        if not is_valid(output.unit):
            raise OutputError("the unit of its quantity is not UCUM")
        if output.interval is not None:
            check_interval(output.interval, output.value)
    elif isinstance(output, SurvivalOutput):
        _check_survival(output)
    elif isinstance(output, TextOutput):
        _text(output.text, "its text", LONGEST_TEXT)
    else:
        raise OutputError("its output is none that is known")


def check_interval(interval: Any, value: Decimal) -> None:
    """Refuse an interval that can't be one, or that the value is outside of.

    Raises:
        OutputError: what is wrong with it.
    """
    if not isinstance(interval, Interval):
        raise OutputError("its interval is none")
    level = interval.level
    for end in (interval.low, interval.high, *(() if level is None else (level,))):
        number(end, "its interval")
    if not interval.low <= value <= interval.high:
        raise OutputError("its value is outside of its interval")
    if level is not None and not 0 < level < 1:
        raise OutputError("the level of its interval is not between 0 and 1")


def number(value: Any, name: str) -> None:
    """Refuse what is no finite Decimal of a bearable length.

    Raises:
        OutputError: it is not.
    """
    if type(value) not in (Decimal, int) or not Decimal(value).is_finite():
        raise OutputError(f"{name} is not a number")
    if len(Decimal(value).as_tuple().digits) > _DIGITS:
        raise OutputError(f"{name} has more than {_DIGITS} digits")


def _text(value: Any, name: str, longest: int = 200) -> None:
    if not isinstance(value, str) or not value.strip():
        raise OutputError(f"{name} is not a text")
    if len(value) > longest:
        raise OutputError(f"{name} is longer than {longest} characters")
    if any(ord(character) < 32 and character not in "\t\n\r" for character in value):
        raise OutputError(f"{name} holds a control character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise OutputError(f"{name} holds half a surrogate pair") from None


def _check_class(output: ClassOutput) -> None:
    _text(output.code, "the code of its class")
    _text(output.display, "its class")
    if not isinstance(output.probabilities, tuple) or len(output.probabilities) > MOST_CLASSES:
        raise OutputError(f"its classes are more than {MOST_CLASSES}, or none")
    total = Decimal(0)
    for code, display, probability in output.probabilities:
        _text(code, "the code of a class")
        _text(display, "a class")
        number(probability, "the probability of a class")
        if not 0 <= probability <= 1:
            raise OutputError("the probability of a class is not within 0 to 1")
        total += probability
    if output.probabilities and abs(total - 1) > Decimal("0.01"):
        raise OutputError("the probabilities of its classes do not add up to 1")


def _check_survival(output: SurvivalOutput) -> None:
    if not isinstance(output.points, tuple) or not 1 <= len(output.points) <= MOST_POINTS:
        raise OutputError(f"its curve has no point, or more than {MOST_POINTS}")
    before = (Decimal(-1), Decimal(1))
    for years, share in output.points:
        number(years, "a time of its curve")
        number(share, "a point of its curve")
        if not 0 <= share <= 1:
            raise OutputError("a point of its curve is not within 0 to 1")
        if years <= before[0] or share > before[1]:
            raise OutputError(
                "its curve goes back in time, or rises: it is the share that is free of the event"
            )
        before = (years, share)


def plain_output(output: Output) -> dict[str, Any]:
    """An output as JSON can carry it."""
    if isinstance(output, ClassOutput):
        values: dict[str, Any] = {
            "code": output.code,
            "display": output.display,
            "probabilities": [[code, display, str(value)] for code, display, value in output.probabilities],
        }
        return {"kind": "class", **values}
    if isinstance(output, QuantityOutput):
        interval = None if output.interval is None else plain_interval(output.interval)
        return {"kind": "quantity", "value": str(output.value), "unit": output.unit, "interval": interval}
    if isinstance(output, SurvivalOutput):
        return {"kind": "survival", "points": [[str(years), str(share)] for years, share in output.points]}
    return {"kind": "text", "text": output.text}


def plain_interval(interval: Interval) -> list[str]:
    """An interval as JSON can carry it."""
    level = () if interval.level is None else (interval.level,)
    return [str(part) for part in (interval.low, interval.high, *level)]


def interval_of(values: Any) -> Interval | None:
    """The interval that `plain_interval` made."""
    return None if values is None else Interval(*(Decimal(value) for value in values))


def output_of(values: Mapping[str, Any]) -> Output:
    """The output that `plain_output` made.

    Raises:
        KeyError, TypeError, ValueError, ArithmeticError: it made none like this.
    """
    kind = _KINDS[values["kind"]]
    if kind is ClassOutput:
        probabilities = tuple((code, display, Decimal(p)) for code, display, p in values["probabilities"])
        return ClassOutput(values["code"], values["display"], probabilities)
    if kind is QuantityOutput:
        return QuantityOutput(Decimal(values["value"]), values["unit"], interval_of(values["interval"]))
    if kind is SurvivalOutput:
        return SurvivalOutput(tuple((Decimal(years), Decimal(share)) for years, share in values["points"]))
    return TextOutput(values["text"])
