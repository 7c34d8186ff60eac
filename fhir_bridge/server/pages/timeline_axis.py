"""Where on a line of time a moment lies; long empty stretches are cut out, visibly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Final

__all__ = ["Axis", "Cut", "Tick"]

_MOST_CUTS: Final = 3
_CUT_DAYS: Final = 365
"""A gap shorter than this is never cut."""

_CUT_SHARE: Final = 0.6
"""A gap is cut where it takes more than this share of what is not yet cut: then the rest would be cramped."""

_CUT_WIDTH: Final = 80.0
_MOST_PER_DAY: Final = 25.0
_BETWEEN_TICKS: Final = 78.0
_DAYS: Final = (1, 2, 7, 14)
_MONTHS: Final = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200)


@dataclass(frozen=True, slots=True)
class Cut:
    """A stretch without events that is drawn shorter than it is."""

    left: float
    right: float
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of the axis and its date."""

    x: float
    text: str


@dataclass(frozen=True, slots=True)
class _Piece:
    first: datetime
    last: datetime
    left: float
    right: float
    cut: bool


class Axis:
    """A line from `left` to `right` that holds all of `moments` (at least one, in any order)."""

    def __init__(self, moments: Sequence[datetime], left: float, right: float) -> None:
        days = sorted({_midnight(moment) for moment in moments})
        self.first, self.last = days[0].date(), days[-1].date()
        gaps = [((after - before).days, before, after) for before, after in pairwise(days)]
        # What is cut gets a fixed width; the rest shares what is left evenly.
        cuts = _cuts(gaps)
        kept = sum(gap for gap, before, _ in gaps if before not in cuts) + 1
        width_left = right - left - _CUT_WIDTH * len(cuts)
        self._per_day = min(width_left / kept, _MOST_PER_DAY)
        cut_width = (right - left - self._per_day * kept) / len(cuts) if cuts else 0.0
        self._pieces: list[_Piece] = []
        start, here = days[0], left
        for _, before, after in gaps:
            if before in cuts:
                end = before + timedelta(days=1)
                here = self._keep(start, end, here)
                self._pieces.append(_Piece(end, after, here, here + cut_width, True))
                start, here = after, here + cut_width
        self._keep(start, days[-1] + timedelta(days=1), here)

    def _keep(self, first: datetime, last: datetime, left: float) -> float:
        right = left + (last - first).days * self._per_day
        self._pieces.append(_Piece(first, last, left, right, False))
        return right

    def x(self, moment: datetime) -> float:
        """Where `moment` lies; what is outside lies at the nearer end."""
        for piece in self._pieces:
            if moment < piece.last:
                share = (moment - piece.first) / (piece.last - piece.first)
                return piece.left + max(share, 0.0) * (piece.right - piece.left)
        return self._pieces[-1].right

    @property
    def cuts(self) -> list[Cut]:
        """The stretches that were cut, with how long they are."""
        return [
            Cut(piece.left, piece.right, _length((piece.last - piece.first).days + 1))
            for piece in self._pieces
            if piece.cut
        ]

    @property
    def ticks(self) -> list[Tick]:
        """Dates along the line, far enough apart to be read: days, months or years."""
        results: list[Tick] = []
        for piece in self._pieces:
            if piece.cut:
                continue
            ticks = [Tick(self.x(day), text) for day, text in self._dates(piece)]
            near = ticks and results and ticks[0].x - results[-1].x < _BETWEEN_TICKS
            if not ticks or (ticks[0].x - piece.left > _BETWEEN_TICKS and not near):
                ticks.insert(0, Tick(piece.left, piece.first.date().isoformat()))
            results += [tick for tick in ticks if not results or tick.x - results[-1].x >= _BETWEEN_TICKS]
        return results

    def _dates(self, piece: _Piece) -> Iterator[tuple[datetime, str]]:
        first, last = piece.first.date(), piece.last.date()
        for days in _DAYS:
            if days * self._per_day >= _BETWEEN_TICKS:
                # On multiples of the step since year 1, so that neighbouring
                # pieces have ticks on the same days.
                start = first + timedelta(days=-first.toordinal() % days)
                while start < last:
                    yield _at(start), start.isoformat()
                    start += timedelta(days=days)
                return
        months = next(
            (step for step in _MONTHS if step * 30.4 * self._per_day >= _BETWEEN_TICKS), _MONTHS[-1]
        )
        number = -(-(first.year * 12 + first.month - 1 + (first.day > 1)) // months) * months
        while (month := date(number // 12, number % 12 + 1, 1)) < last:
            yield _at(month), str(month.year) if months >= 12 else f"{month.year}-{month.month:02d}"
            number += months


def _cuts(gaps: Sequence[tuple[int, datetime, datetime]]) -> set[datetime]:
    """The days after which a gap is cut: at most three, and only where it would cramp all others."""
    left = sorted(gaps, key=lambda gap: gap[0], reverse=True)
    cuts: set[datetime] = set()
    while len(left) > 1 and len(cuts) < _MOST_CUTS:
        longest, before, _ = left[0]
        if longest < _CUT_DAYS or longest < _CUT_SHARE * sum(gap for gap, *_ in left):
            break
        cuts.add(before)
        left = left[1:]
    return cuts


def _length(days: int) -> str:
    if days >= 700:
        return f"{round(days / 365.25)} years"
    return f"{round(days / 30.44)} months"


def _midnight(moment: datetime) -> datetime:
    return _at(moment.astimezone(UTC).date())


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
