"""Intervals of CDA (IVL_TS, IVL_PQ), which two of their bounds, center and width state."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime as moment_of
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from fhir_bridge.adapters.ehr.ccda.node import Node
from fhir_bridge.fhir.datatypes import DateTime
from fhir_bridge.mapping import Context
from fhir_bridge.mapping.functions.times import datetime

__all__ = ["limits", "open_ends", "time_limits", "unrepresented"]

_SECONDS: Final = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "wk": 604_800}
_MONTHS: Final = {"mo": 1, "a": 12}
_DAY: Final = _SECONDS["d"]
_PARTS: Final = ("low", "high", "center", "width")


def unrepresented(ctx: Context, node: Node, *read: str) -> None:
    """Report what an interval states beside what is read of it."""
    for name in _PARTS:
        if name not in read and any("value" in part.attributes for part in node.named.get(name, ())):
            ctx.flag("FB-CDA-005", f"no rule represents {node.tag}/{name}/@value")


def open_ends(ctx: Context, node: Node) -> None:
    """Report bounds that the interval does not include, for which a Range or Period has no place."""
    for name in ("low", "high"):
        if node.path(name, "inclusive") == "false":
            ctx.flag("FB-CDA-005", f"no rule represents {node.tag}/{name}/@inclusive")


def time_limits(ctx: Context, node: Node) -> tuple[Any, Any]:
    """Beginning and end of an IVL_TS as the source or its width states them; None where neither does."""
    low, high, center = (node.path(name, "value") for name in _PARTS[:3])
    width = _number(node, "width")
    unit = str(node.path("width", "unit") or "")
    open_ends(ctx, node)
    if low and high:
        unrepresented(ctx, node, "low", "high", *(("center", "width") if width is not None else ()))
        return low, high
    if width is None or not (low or high or center):
        unrepresented(ctx, node, "low", "high", "" if low or high else "center")
        return low, high
    given = datetime(ctx, low or high or center)
    if given is None:
        return None, None
    start = given if low else _shifted(str(given), -width if high else -width / 2, unit)
    end = given if high else _shifted(str(given), width if low else width / 2, unit)
    if start is None or end is None:
        unrepresented(ctx, node, "low", "high", "" if low or high else "center")
        return (low, None) if low else (None, high)
    return start, end


def _shifted(time: str, amount: Decimal, unit: str) -> DateTime | None:
    """A FHIR date or time some time later or earlier, in the precision that it has; None where that can't say it."""
    whole = amount == amount.to_integral_value()
    try:
        if unit in _MONTHS and whole and (len(time) > 4 or unit == "a"):
            return DateTime(_in_months(time, int(amount) * _MONTHS[unit]))
        if unit not in _SECONDS or len(time) < len("2026-03-01"):
            return None
        seconds = amount * _SECONDS[unit]
        if len(time) == len("2026-03-01") and seconds % _DAY:
            return None
        later = moment_of.fromisoformat(time) + timedelta(microseconds=int(seconds * 1_000_000))
    except (OverflowError, ValueError):
        return None
    return DateTime(later.date().isoformat() if len(time) == len("2026-03-01") else later.isoformat())


def _in_months(time: str, months: int) -> str:
    """The same day of another month, or the last that it has."""
    total = int(time[:4]) * 12 + (int(time[5:7]) - 1 if len(time) > 4 else 0) + months
    year, month = total // 12, total % 12 + 1
    if not 1 <= year <= 9999:
        raise OverflowError
    if len(time) == 4:
        return f"{year:04}"
    if len(time) == 7:
        return f"{year:04}-{month:02}"
    day = min(int(time[8:10]), monthrange(year, month)[1])
    return f"{year:04}-{month:02}-{day:02}{time[10:]}"


def limits(node: Node) -> dict[str, tuple[Decimal, str | None]] | None:
    """Number and unit of the two bounds of an IVL_PQ of which width is one statement; None where they aren't known."""
    width = _number(node, "width")
    unit = node.path("width", "unit")
    for name, before, after in (("low", 0, 1), ("high", -1, 0), ("center", Decimal("-0.5"), Decimal("0.5"))):
        number = _number(node, name)
        if width is None or number is None or node.path(name, "unit") != unit:
            continue
        return {"low": (number + before * width, unit), "high": (number + after * width, unit)}
    return None


def _number(node: Node, name: str) -> Decimal | None:
    """The number of a part; of a width none below zero."""
    value = node.path(name, "value")
    try:
        number = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        return None
    if number is None or not number.is_finite() or (name == "width" and number < 0):
        return None
    return number
