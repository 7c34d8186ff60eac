"""Dates, times and what is between them: partial precision kept, comparison that may leave undecided (N1 §6.2)."""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal
from functools import lru_cache

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError

__all__ = ["Temporal", "now", "of_moment", "parse_date", "parse_date_time", "parse_time"]

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?\Z")
# T may be behind any precision: FHIRPath writes `2015T` for a DateTime of a year.
_DATE_TIME = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?(Z|[+-]\d\d:\d\d)?)?)?\Z"
)
_TIME = re.compile(r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d+)?))?)?\Z")
_MAX_OFFSET = 14 * 60

YEARS, MONTHS, DAYS, HOURS, MINUTES, SECONDS = range(1, 7)


class Temporal:
    """A Date, DateTime or Time of FHIRPath.

    Attributes:
        kind: `Date`, `DateTime` or `Time`.
        parts: year, month, day, hour, minute (ints) and second (Decimal), as far as they are known; a Time begins
            with the hour.
        offset: minutes east of UTC, or None.
        text: as FHIRPath writes it, without `@`.
    """

    __slots__ = ("_key", "kind", "offset", "parts", "text")

    def __init__(
        self, kind: str, parts: tuple[int | Decimal, ...], offset: int | None, text: str = ""
    ) -> None:
        self.kind = kind
        self.parts = parts
        self.offset = offset
        self.text = text or _text(kind, parts, offset)
        self._key: tuple[int | Decimal, ...] | None = None

    def __repr__(self) -> str:
        return f"@{'T' if self.kind == 'Time' else ''}{self.text}"

    @property
    def is_time(self) -> bool:
        """Whether it is a time of day."""
        return self.kind == "Time"

    def key(self) -> tuple[int | Decimal, ...]:
        """The parts in UTC where an offset is known, else as they are: what is compared and hashed."""
        if self._key is None:
            # Without an offset there is nothing to convert, and UTC itself changes nothing.
            self._key = _utc(self.parts, self.offset) if self.offset else self.parts
        return self._key

    def compare(self, other: Temporal) -> int | None:
        """-1, 0 or 1; None where the precisions, or an offset on one side alone, leave it undecided."""
        if self.is_time != other.is_time:
            raise FHIRPathError(f"{self.kind} {self.text} can't be compared with {other.kind} {other.text}")
        mine, theirs = self.parts, other.parts
        both = min(len(mine), len(theirs))
        # An offset matters from the hour on.
        if not self.is_time and both >= HOURS:
            if (self.offset is None) != (other.offset is None):
                return _undecided(mine, theirs)
            mine, theirs = self.key(), other.key()
        for a, b in zip(mine, theirs, strict=False):
            if a != b:
                return -1 if a < b else 1
        # Equal as far as both go: which is earlier is not known (N1 §6.2).
        return 0 if len(mine) == len(theirs) else None

    def plus(self, amount: Decimal, unit: str) -> Temporal:
        """The sum with a calendar duration (`year`, …, `millisecond`; N1 §6.6.1); decimals of the amount are dropped.

        Raises:
            FHIRPathError: the result leaves the years 0001 to 9999, or the unit is none of time's.
        """
        if self.is_time:
            return self._time_plus(amount, unit)
        years, months, seconds = _as_duration(amount, unit, len(self.parts))
        try:
            return self._moved(years * 12 + months, seconds)
        except (OverflowError, ValueError) as error:
            raise FHIRPathError(
                f"{self.text} with {amount:f} {unit} leaves the years 0001 to 9999"
            ) from error

    def _moved(self, months: int, seconds: Decimal) -> Temporal:
        parts = list(self.parts)
        if months:
            count = int(parts[0]) * 12 + (int(parts[1]) - 1 if len(parts) > 1 else 0) + months
            year, month = divmod(count, 12)
            if not 1 <= year <= 9999:
                raise OverflowError
            parts[0] = year
            if len(parts) > 1:
                parts[1] = month + 1
            if len(parts) > 2:
                # N1 §6.6.1: 31 January plus a month is the last day of February.
                parts[2] = min(int(parts[2]), monthrange(year, month + 1)[1])
        if seconds:
            moved = _shift(tuple(parts), seconds)
            parts = list(moved[: len(parts)])
        return Temporal(
            self.kind, tuple(parts), self.offset, _text(self.kind, tuple(parts), self.offset, self._digits())
        )

    def _time_plus(self, amount: Decimal, unit: str) -> Temporal:
        """A time of day goes round the clock."""
        factors = {
            "hour": Decimal(3600),
            "minute": Decimal(60),
            "second": Decimal(1),
            "millisecond": Decimal("0.001"),
        }
        if unit not in factors:
            raise FHIRPathError(f"a Time and {amount:f} {unit} can't be added: a Time has no days")
        hour, minute, second = (*self.parts, 0, 0)[:3]
        total = Decimal(hour) * 3600 + Decimal(minute) * 60 + Decimal(second)
        total = (total + amount.to_integral_value(ROUND_DOWN) * factors[unit]) % 86400
        if total < 0:
            total += 86400
        clock: tuple[int | Decimal, ...] = (int(total // 3600), int(total // 60 % 60), total % 60)
        parts = clock[: len(self.parts)]
        return Temporal("Time", parts, None, _text("Time", parts, None, self._digits()))

    def _digits(self) -> int:
        return len(self.text.partition(".")[2].rstrip("Z").partition("+")[0].partition("-")[0])


def _undecided(mine: tuple[int | Decimal, ...], theirs: tuple[int | Decimal, ...]) -> int | None:
    """An offset on one side alone: decided only where no offset on earth could change the answer."""
    first, second = (datetime(int(p[0]), int(p[1]), int(p[2]), int(p[3])) for p in (mine, theirs))
    # An hour more, for minutes that are not written.
    if abs(first - second) <= timedelta(minutes=_MAX_OFFSET, hours=1):
        return None
    return -1 if first < second else 1


def _as_duration(amount: Decimal, unit: str, precision: int) -> tuple[int, int, Decimal]:
    """(years, months, seconds) of a duration, made no finer than the precision it is added to."""
    whole = amount.to_integral_value(ROUND_DOWN)
    if unit == "year":
        return int(whole), 0, Decimal(0)
    if unit == "month":
        # N1 §6.6.1: to a partial date only whole units of its precision are added.
        if precision < MONTHS:
            return int(whole / 12), 0, Decimal(0)
        return 0, int(whole), Decimal(0)
    size = {"week": 604800, "day": 86400, "hour": 3600, "minute": 60, "second": 1}.get(unit)
    if size is None and unit != "millisecond":
        raise FHIRPathError(f"'{unit}' is no duration that can be added to a date")
    seconds = whole * size if size is not None else whole / 1000
    if precision >= DAYS:
        grain = {DAYS: 86400, HOURS: 3600, MINUTES: 60}.get(precision)
        if grain is not None:
            seconds = (seconds / grain).to_integral_value(ROUND_DOWN) * grain
        return 0, 0, seconds
    days = int(seconds / 86400)
    # N1 §6.6.1 counts 365 days for a year and 30 for a month here.
    return (int(days / 365), 0, Decimal(0)) if precision == YEARS else (0, int(days / 30), Decimal(0))


def _shift(parts: tuple[int | Decimal, ...], seconds: Decimal) -> tuple[int | Decimal, ...]:
    """The parts, filled up to the second, so many seconds later."""
    year, month, day, hour, minute, second = (*parts, *(1, 1, 1, 0, 0, Decimal(0))[len(parts) :])
    moved = Decimal(second) + seconds
    whole = int(moved.to_integral_value(ROUND_FLOOR))
    base = datetime(int(year), int(month), int(day), int(hour), int(minute)) + timedelta(seconds=whole)
    return (base.year, base.month, base.day, base.hour, base.minute, Decimal(base.second) + moved - whole)


def _utc(parts: tuple[int | Decimal, ...], offset: int) -> tuple[int | Decimal, ...]:
    try:
        return _shift(parts, Decimal(-60 * offset))[: len(parts)]
    except (OverflowError, ValueError):
        # At the ends of the calendar the local parts are used.
        return parts


def _text(kind: str, parts: tuple[int | Decimal, ...], offset: int | None, digits: int = 0) -> str:
    texts = []
    for index, part in enumerate(parts):
        if isinstance(part, Decimal):
            whole, _, fraction = f"{part:f}".partition(".")
            fraction = fraction.rstrip("0").ljust(digits, "0")
            texts.append(whole.rjust(2, "0") + ("." + fraction if fraction else ""))
        else:
            texts.append(f"{part:04d}" if index == 0 and kind != "Time" else f"{part:02d}")
    if kind == "Time":
        return ":".join(texts)
    text = "-".join(texts[:3])
    if kind == "DateTime":
        text += "T" + ":".join(texts[3:])
        if offset is not None and len(texts) > 3:
            text += (
                "Z"
                if offset == 0
                else f"{'+' if offset > 0 else '-'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
            )
    return text


@lru_cache(maxsize=4096)
def parse_date(text: str) -> Temporal | None:
    """A Date from `2015`, `2015-02` or `2015-02-04`; None where the text is none."""
    match = _DATE.match(text)
    if match is None:
        return None
    parts = tuple(int(p) for p in match.groups() if p is not None)
    return Temporal("Date", parts, None, text) if _sound_date(parts) else None


@lru_cache(maxsize=4096)
def parse_date_time(text: str) -> Temporal | None:
    """A DateTime of any precision, with or without a trailing `T`; None where the text is none."""
    match = _DATE_TIME.match(text)
    if match is None:
        return None
    *numbers, second, zone = match.groups()
    parts: tuple[int | Decimal, ...] = tuple(int(p) for p in numbers if p is not None)
    if second is not None:
        parts = (*parts, Decimal(second))
    # An hour needs a day before it.
    if len(parts) > 3 and match.group(3) is None:
        return None
    offset = None
    if zone is not None:
        offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[4:]))
        if abs(offset) > _MAX_OFFSET:
            return None
    if not _sound_date(parts[:3]) or not _sound_time(parts[3:]):
        return None
    return Temporal("DateTime", parts, offset, text if "T" in text else text + "T")


@lru_cache(maxsize=4096)
def parse_time(text: str) -> Temporal | None:
    """A Time from `14`, `14:30`, `14:30:00.5`, with or without a leading `T`; None where the text is none."""
    text = text.removeprefix("T")
    match = _TIME.match(text)
    if match is None:
        return None
    hour, minute, second = match.groups()
    parts: tuple[int | Decimal, ...] = tuple(int(p) for p in (hour, minute) if p is not None)
    if second is not None:
        parts = (*parts, Decimal(second))
    return Temporal("Time", parts, None, text) if _sound_time(parts) else None


def _sound_date(parts: tuple[int | Decimal, ...]) -> bool:
    if parts[0] < 1:
        return False
    if len(parts) > 1 and not 1 <= parts[1] <= 12:
        return False
    return len(parts) < 3 or 1 <= parts[2] <= monthrange(int(parts[0]), int(parts[1]))[1]


def _sound_time(parts: tuple[int | Decimal, ...]) -> bool:
    limits = (24, 60, 61)  # a leap second is a second
    return all(part < limit for part, limit in zip(parts, limits, strict=False))


def now() -> datetime:
    """This moment, with the system's offset, to the millisecond."""
    moment = datetime.now(UTC).astimezone()
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def of_moment(moment: datetime, kind: str) -> Temporal:
    """A moment as Date, DateTime or Time."""
    second = Decimal(moment.second) + Decimal(moment.microsecond // 1000) / 1000
    day: tuple[int | Decimal, ...] = (moment.year, moment.month, moment.day)
    clock: tuple[int | Decimal, ...] = (moment.hour, moment.minute, second)
    if kind == "Date":
        return Temporal("Date", day, None)
    if kind == "Time":
        return Temporal("Time", clock, None, _text("Time", clock, None, 3))
    shift = moment.utcoffset() or timedelta(0)
    offset = int(shift.total_seconds() // 60)
    return Temporal("DateTime", (*day, *clock), offset, _text("DateTime", (*day, *clock), offset, 3))
