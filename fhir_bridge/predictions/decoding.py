"""From a model's numbers to what it says, by the `output` of its model.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any, Final

from fhir_bridge.predictions.manifest import OutputBlock
from fhir_bridge.predictions.outputs import (
    ClassOutput,
    Interval,
    Output,
    QuantityOutput,
    SurvivalOutput,
    TextOutput,
)
from fhir_bridge.predictions.tensors import ModelFailure, Tensor
from fhir_bridge.predictions.value_sets import UNDECIDED

__all__ = ["Decoded", "decode", "tensors_of", "the_number"]

_PLACES: Final = Decimal("0.000001")
_TENTH: Final = Decimal("0.1")
_DIGITS: Final = 3
"""Significant digits of a quantity whose `decimals` are not stated: a small one is not 0."""
_DIGITS_OF_RISK: Final = 2
_MOST_PLACES: Final = 20


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a model says of one patient, without where it is from."""

    percent: Decimal | None
    interval: Interval | None
    output: Output | None
    category: tuple[str, str] | None
    cautions: tuple[str, ...] = ()


def tensors_of(block: OutputBlock) -> list[str]:
    """Names of the outputs that are needed."""
    names = [block.tensor]
    if block.interval is not None:
        names += [block.interval.low, block.interval.high]
    return list(dict.fromkeys(names))


def the_number(block: OutputBlock, tensor: Tensor, number: int, decoded: Decoded) -> float:
    """The one number of an answer that contributions are about: a risk, a quantity, the probability of a class.

    Args:
        decoded: the answer about the patient: its class counts, also where another one would be likelier.

    Raises:
        ModelFailure: there is none.
    """
    row, place = _row(tensor, number), block.index
    if isinstance(decoded.output, ClassOutput):
        place = [item.code for item in block.classes].index(decoded.output.code)
    elif block.kind == "survival":
        place = block.times.index(Decimal(block.horizon_years or 0))
    value = float(_decimal(_at(row, place, block.tensor)))
    return 1 - value if block.kind == "survival" else value


def decode(block: OutputBlock, outputs: Mapping[str, Tensor], number: int) -> Decoded:
    """What the outputs say of the patient with this number in the batch.

    Raises:
        ModelFailure: they have another shape, or hold what is no number.
    """
    row = _row(outputs[block.tensor], number)
    if block.kind in ("probability", "class", "survival"):
        for name in tensors_of(block):
            if not outputs[name].datatype.startswith(("FP", "BF")):
                raise ModelFailure(
                    f"the output {name} is of {outputs[name].datatype}, which holds no probability"
                )
    if block.kind == "text":
        return Decoded(None, None, TextOutput(str(_at(row, block.index, block.tensor))), None)
    if block.kind == "class":
        return _class(block, row)
    if block.kind == "survival":
        return _survival(block, row)
    value = _decimal(_at(row, block.index, block.tensor))
    interval = _interval(block, outputs, number)
    if block.kind == "quantity":
        if block.plausible is not None and not block.plausible[0] <= value <= block.plausible[1]:
            low, high = block.plausible
            raise ModelFailure(f"{block.display} is {value:f} {block.unit}, outside of {low:f} to {high:f}")
        rounded = _rounded(value, block.decimals, _DIGITS)
        if interval is not None:
            interval = _around(rounded, interval, block.decimals, _DIGITS)
        quantity = QuantityOutput(rounded, block.unit, interval)
        return Decoded(None, None, quantity, _category(block, value))
    if not 0 <= value <= 1:
        raise ModelFailure("its probability is not within 0 to 1")
    percent = _rounded(value * 100, block.decimals, _DIGITS_OF_RISK)
    if interval is not None:
        times100 = Interval(interval.low * 100, interval.high * 100, interval.level)
        interval = _around(percent, times100, block.decimals, _DIGITS_OF_RISK)
    return Decoded(percent, interval, None, _category(block, value * 100))


def _class(block: OutputBlock, row: Sequence[Any]) -> Decoded:
    if len(row) != len(block.classes):
        raise ModelFailure(
            f"{block.tensor} has {len(row)} values, and model.yaml {len(block.classes)} classes"
        )
    shares = [_decimal(value) for value in row]
    likeliest = [item for item, share in zip(block.classes, shares, strict=True) if share == max(shares)]
    best = likeliest[0]
    tie = f"{UNDECIDED}{' and '.join(item.display for item in likeliest)} are equally likely to the model."
    probabilities = tuple(
        (item.code, item.display, share.quantize(_PLACES, ROUND_HALF_EVEN).normalize() + 0)
        for item, share in zip(block.classes, shares, strict=True)
    )
    cautions = (tie,) if len(likeliest) > 1 else ()
    return Decoded(None, None, ClassOutput(best.code, best.display, probabilities), None, cautions)


def _survival(block: OutputBlock, row: Sequence[Any]) -> Decoded:
    if len(row) != len(block.times):
        raise ModelFailure(f"{block.tensor} has {len(row)} values, and model.yaml {len(block.times)} times")
    shares = [_decimal(value).quantize(_PLACES, ROUND_HALF_EVEN) for value in row]
    curve = SurvivalOutput(tuple(zip(block.times, shares, strict=True)))
    risk = (1 - shares[block.times.index(Decimal(block.horizon_years or 0))]) * 100
    return Decoded(_rounded(risk, block.decimals, _DIGITS_OF_RISK), None, curve, _category(block, risk))


def _interval(block: OutputBlock, outputs: Mapping[str, Tensor], number: int) -> Interval | None:
    if block.interval is None:
        return None
    ends = [
        _decimal(_at(_row(outputs[name], number), block.interval.index, name))
        for name in (block.interval.low, block.interval.high)
    ]
    return Interval(ends[0], ends[1], block.interval.level)


def _around(value: Decimal, interval: Interval, decimals: int | None, digits: int) -> Interval:
    """Rounded outwards, so that a rounded value is not outside."""
    low, high = (_rounded(end, decimals, digits) for end in (interval.low, interval.high))
    step = Decimal(1).scaleb(
        -min(_places(end, decimals, digits) for end in (value, interval.low, interval.high))
    )
    low = min(low, value) if low - value <= step else low
    high = max(high, value) if value - high <= step else high
    return Interval(low, high, interval.level)


def _category(block: OutputBlock, value: Decimal) -> tuple[str, str] | None:
    reached = [step for step in block.thresholds if value >= step.at_least]
    return (reached[-1].code, reached[-1].display) if reached else None


def _row(tensor: Tensor, number: int) -> Sequence[Any]:
    if not tensor.shape or tensor.shape[0] <= number:
        raise ModelFailure(f"the output {tensor.name} has no value for each patient")
    return tensor.row(number)


def _at(row: Sequence[Any], index: int | None, name: str) -> Any:
    if index is None:
        if len(row) != 1:  # of two probabilities the first is that of having nothing
            raise ModelFailure(
                f"the output {name} has {len(row)} values for each patient, and model.yaml does not say by `index` "
                "which one counts"
            )
        index = 0
    try:
        return row[index]
    except IndexError as error:
        raise ModelFailure(f"the output {name} has no value {index}") from error


def _decimal(value: Any) -> Decimal:
    try:
        number = Decimal(repr(float(value)))
    except (InvalidOperation, TypeError, ValueError) as error:
        raise ModelFailure("its answer is no number") from error
    if not number.is_finite():
        raise ModelFailure("its answer is not a number (NaN or infinite)")
    return number


def _rounded(value: Decimal, decimals: int | None, digits: int) -> Decimal:
    """To `decimals`; without, to one, and to as many as so many significant digits need."""
    result = value.quantize(Decimal(1).scaleb(-_places(value, decimals, digits)), ROUND_HALF_EVEN) + 0
    if decimals is None:
        return result.quantize(_TENTH) if result == result.quantize(_TENTH) else result.normalize()
    return result


def _places(value: Decimal, decimals: int | None, digits: int) -> int:
    if decimals is not None:
        return decimals
    return min(max(1, digits - 1 - value.adjusted()), _MOST_PLACES) if value else 1
