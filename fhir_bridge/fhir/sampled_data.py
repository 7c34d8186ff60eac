"""Samples at a fixed rate as SampledData (R4 datatypes.html#SampledData): ECG, Holter, pressure and watch recordings.

The value of a sample is `sample * factor + origin`, in the unit of the origin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from fhir_bridge.fhir.datatypes import Quantity, SampledData

__all__ = ["INLINE_LIMIT", "MAX_CHARACTERS", "Scaling", "period_of", "sampled_data", "samples_text"]

INLINE_LIMIT: Final = 150_000
"""Samples of a recording, all channels together, that are in a resource by default: 12 leads, 10 s, 1,000 Hz, and more.
A longer recording is pointed to."""
MAX_CHARACTERS: Final = 1 << 20
"""R4 datatypes.html#string: a string has at most 1 MiB."""

_UCUM: Final = "http://unitsofmeasure.org"
_MISSING: Final = "E"
"""R4: the sample is an error, or could not be taken."""
_PRECISION: Final = Context(prec=17)
"""Digits of a quotient that does not end: more than a sample of 32 bits has."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """What a stored sample means.

    Attributes:
        factor: value of one step, in `unit`; None where it is 1.
        origin: value of the sample 0, in `unit`.
        unit: UCUM code; None where the source states none that UCUM has.
    """

    factor: Decimal | None
    origin: Decimal
    unit: str | None

    @classmethod
    def by_gain(cls, gain: Decimal, zero: Decimal, unit: str | None) -> Scaling:
        """Of a recording whose value is `(sample - zero) / gain` (WFDB header(5): ADC gain and baseline).

        Raises:
            ValueError: the gain is zero.
        """
        if not gain:
            raise ValueError("a gain of zero says nothing of the values")
        return cls(_divided(Decimal(1), gain), _divided(-zero, gain), unit)

    @classmethod
    def by_range(
        cls, digital: tuple[Decimal, Decimal], physical: tuple[Decimal, Decimal], unit: str | None
    ) -> Scaling:
        """Of a recording that states what its smallest and largest sample mean (EDF: digital and physical range).

        Raises:
            ValueError: the digital range is empty.
        """
        (low, high), (least, most) = digital, physical
        if low == high:
            raise ValueError("an empty digital range says nothing of the values")
        step = (most - least) / (high - low)
        origin = _PRECISION.create_decimal(least - low * step)
        return cls(_divided(most - least, high - low), _plain(origin), unit)


def _divided(number: Decimal, by: Decimal) -> Decimal:
    return _plain(_PRECISION.divide(number, by))


def _plain(number: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent."""
    shortened = number.normalize()
    return shortened.quantize(Decimal(1)) if shortened == shortened.to_integral_value() else shortened


def period_of(frequency: Decimal) -> Decimal:
    """Milliseconds between samples, of samples per second."""
    return _plain((Decimal(1000) / frequency).quantize(Decimal("1E-12")))


def samples_text(samples: Iterable[int | Decimal | None], missing: int | None = None) -> str:
    """Samples as SampledData writes them; `E` for None and for the value that stands for a missing one."""
    texts = (
        _MISSING
        if sample is None or (missing is not None and sample == missing)
        else format(sample, "f")
        if isinstance(sample, Decimal)
        else str(sample)
        for sample in samples
    )
    return " ".join(texts)


def sampled_data(
    samples: Iterable[int | Decimal | None],
    scaling: Scaling,
    period: Decimal,
    *,
    missing: int | None = None,
) -> SampledData | None:
    """The samples of one channel; None where their text is longer than a resource may hold.

    Args:
        samples: as stored, before scaling, or the values themselves (with a factor of None).
        scaling: what they mean.
        period: milliseconds between them (`period_of`).
        missing: the stored value that stands for a missing sample.
    """
    text = samples_text(samples, missing)
    if not text or len(text) > MAX_CHARACTERS:
        return None
    origin = Quantity(value=scaling.origin)
    if scaling.unit:
        origin |= {"unit": scaling.unit, "system": _UCUM, "code": scaling.unit}
    result = SampledData(origin=origin, period=period)
    if scaling.factor is not None:
        result["factor"] = scaling.factor
    result |= {"dimensions": 1, "data": text}
    return result
