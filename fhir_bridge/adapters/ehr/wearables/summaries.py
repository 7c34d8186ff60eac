"""Many samples taken together: a day or an hour of one measure and device becomes one summary."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.wearables.readings import Coded, Device, Summary

__all__ = ["PERIODS", "Summaries"]

PERIODS: Final = ("day", "hour", "none")
_PLACES: Final = Decimal("0.01")


class _Group(NamedTuple):
    code: Coded
    unit: str | None
    device: Device | None
    start: str


class _Sum:
    __slots__ = ("count", "last", "least", "most", "statistic", "total")

    def __init__(self, value: Decimal, statistic: str) -> None:
        self.statistic = statistic
        self.count = 0
        self.least = self.most = value
        self.total = Decimal(0)
        self.last: tuple[str, str, Decimal] | None = None

    def add(self, value: Decimal) -> None:
        self.count += 1
        self.least = min(self.least, value)
        self.most = max(self.most, value)
        self.total += value


class Summaries:
    """Collects samples; memory is a few numbers for each day (or hour), measure and device."""

    def __init__(self, period: str) -> None:
        self._hourly = period == "hour"
        self._groups: dict[_Group, _Sum] = {}

    def add(
        self,
        code: Coded,
        value: Decimal,
        unit: str | None,
        start: str,
        device: Device | None,
        statistic: str,
        *,
        of: tuple[str, str | None],
    ) -> bool:
        """Take a sample; its day is the one of the clock that `start` states with its offset.

        Args:
            of: beginning and end of the sample.

        Returns:
            Whether it was taken: the same value of the same device from the same second to the same
            second, again, is the same sample.
        """
        when = start[:10]
        if self._hourly and len(start) >= 13:
            offset = start[19:] if len(start) > 19 else ""
            offset = (
                offset[offset.find("+") :]
                if "+" in offset
                else offset[offset.find("-") :]
                if "-" in offset
                else offset
            )
            when = (
                f"{start[:13]}:00:00{'Z' if offset.endswith('Z') else offset if offset[:1] in '+-' else ''}"
            )
        group = _Group(code, unit, device, when)
        known = self._groups.get(group)
        if known is None:
            known = self._groups[group] = _Sum(value, statistic)
        if of[1] is not None:
            this = of[0], of[1], value
            if known.last == this:
                return False
            known.last = this
        known.add(value)
        return True

    def results(self, name: str) -> Iterator[tuple[Summary, int]]:
        """The summaries, and how many samples each is of."""
        for group, known in sorted(self._groups.items(), key=lambda item: (item[0].start, item[0].code.code)):
            daily = len(group.start) == 10
            locator = f"{name}#{group.code.code}/{group.start}"
            mean = (known.total / known.count).quantize(_PLACES)
            yield (
                Summary(
                    group.code,
                    group.unit,
                    group.start,
                    group.start if daily else f"{group.start[:13]}:59:59{group.start[19:]}",
                    group.device,
                    locator,
                    count=known.count,
                    least=_plain(known.least),
                    most=_plain(known.most),
                    total=_plain(known.total),
                    mean=_plain(mean),
                    daily=daily,
                    statistic=known.statistic,
                ),
                known.count,
            )


def _plain(number: Decimal) -> Decimal:
    """Without noise of binary fractions that sources write (0.30000000000000004), and without an exponent."""
    rounded = round(number, 6)
    return Decimal(format(rounded.normalize(), "f"))
