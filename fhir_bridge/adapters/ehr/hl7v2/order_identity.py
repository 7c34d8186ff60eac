"""What identifies an order among all orders of a sender, and a result within its order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final, Protocol

from fhir_bridge.adapters.ehr.hl7v2.fields import Segment

__all__ = ["number_observations", "numbered", "order_number"]


class Group(Protocol):
    """A group of `groups.py`, which asks this module."""

    segments: list[Segment]
    first: dict[str, Segment]
    groups: dict[str, list[Any]]
    outer: Any
    ordinal: str | None
    instance: str | None

    def part(self, name: str, number: int, component: int) -> Any:
        """`OBX-3.1`."""

    def at(self, name: str, number: int, repetition: int, component: int, subcomponent: int) -> Any:
        """`PID-3[2].4.2`."""


_SUBJECT: Final = (2, 3, 4, 18, 19)
"""Fields of PID that say who a patient is."""
_TIME: Final = re.compile(r"(\d{4,14})(?:\.\d*)?([+-]\d{4})?")
_SECONDS: Final = 14
_MINUTES: Final = 12


def order_number(order: Group) -> str:
    """The filler's number, else the placer's; the specimen's of its own results; else one of message and content.

    Several orders that look closer at one result each (OBR-26) may have one number: the result is part of it.
    """
    number = numbered(order) or _of_specimen(order)
    parent = _parent(order)
    return f"{number or _of_content(order)} of {parent}" if parent else str(number or _of_content(order))


_NUMBERS: Final = (("OBR", 3), ("OBR", 2), ("ORC", 3), ("ORC", 2))


def numbered(order: Group) -> str | None:
    """The filler's number, else the placer's."""
    return next((text for name, at in _NUMBERS if (text := order.part(name, at, 1))), None)


def _of_specimen(group: Group) -> str | None:
    """What identifies the results of a specimen that are of no order: the specimen's number."""
    if group.segments:
        return None
    number = group.at("SPM", 2, 1, 2, 1) or group.at("SPM", 2, 1, 1, 1)
    return f"specimen {number}" if number else None


def _parent(order: Group) -> str | None:
    """The result that an order looks closer at, and that result's order where its number is another one."""
    named = [order.at("OBR", 26, 1, 1, 1), order.part("OBR", 26, 2) or order.part("OBR", 26, 3)]
    if not any(named):
        return None
    around = order.at("OBR", 29, 1, 2, 1) or order.at("OBR", 29, 1, 1, 1)
    placed = {order.part(name, at, 1) for name, at in _NUMBERS}
    return " ".join(str(part) for part in (*named, None if around in placed else around) if part)


def _of_content(order: Group) -> str:
    """An order that nobody numbered is one of its message; another one there, or in a message of that name, is not."""
    patient = order.outer
    root = patient.outer if patient is not None else None
    name = (root.part("MSH", 10, 1) or root.part("MSH", 7, 1)) if root is not None else None
    person = patient.first.get("PID") if patient is not None else None
    lines = ["|".join(person.fields[at] for at in _SUBJECT if at < len(person.fields))] if person else []
    lines += [segment.line.rstrip() for segment in _segments(order)]
    digest = blake2b("\r".join(lines).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"message {name or ''} {digest}"


def _segments(group: Group) -> Iterator[Segment]:
    yield from group.segments
    for groups in group.groups.values():
        for inner in groups:
            yield from _segments(inner)


def number_observations(observations: Sequence[Group], order: Group | None) -> None:
    """Give each observation its `ordinal` and its `instance`.

    Args:
        observations: of an order, or of a visit.
        order: around them; None for those of a visit, whose time is part of what they are anyway.
    """
    if not observations:
        return
    component = observations[0].segments[0].delimiters.component
    marks = [group.segments[0].fields[4:5] for group in observations]
    if len({mark[0] for mark in marks if mark and mark[0] and component not in mark[0]}) == len(marks):
        return  # each has a sub-id of its own
    stated = [time for at in (("OBR", 7), ("SPM", 17)) if order is not None and (time := order.part(*at, 1))]
    # Results of an order share their time nearly always: one way of writing it is looked at once.
    times = {"": ""}
    seen: dict[tuple[str, str], int] = {}
    seen_at: dict[tuple[str, str, str], int] = {}
    for observation in observations:
        segment = observation.segments[0]
        fields = segment.fields
        size = len(fields)
        code = fields[3].partition(component)[0] if size > 3 else ""
        mark = fields[4].partition(component)[0] if size > 4 else ""
        seen[code, mark] = ordinal = seen.get((code, mark), 0) + 1
        if ordinal > 1:
            observation.ordinal = str(ordinal)
        written = fields[14] if size > 14 and (order is None or not mark) else ""
        if written not in times:
            time = _written(segment.part(14, 1))
            times[written] = "" if any(_is_of(time, other) for other in stated) else time
        time = times[written]
        seen_at[code, mark, time] = count = seen_at.get((code, mark, time), 0) + 1
        parts = (time if order is not None else "", str(count) if count > 1 else "")
        observation.instance = " ".join(filter(None, parts)) or None


def _written(time: object) -> str:
    """A time in one way of writing: to the second where it is to the minute."""
    match = _TIME.fullmatch(str(time or "").strip())
    if match is None:
        return str(time or "").strip()
    digits = match[1]
    return (digits.ljust(_SECONDS, "0") if len(digits) >= _MINUTES else digits) + (match[2] or "")


def _is_of(time: str, stated: object) -> bool:
    """Whether a time says no more than that of the order or its specimen."""
    other = _written(stated)
    if _zone(time) and _zone(other):
        return time == other
    return not time or _digits(other).startswith(_digits(time))


def _zone(time: str) -> str:
    return time[-5:] if time[-5:-4] in ("+", "-") else ""


def _digits(time: str) -> str:
    return time.removesuffix(_zone(time))
