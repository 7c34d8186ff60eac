"""Times: is the one in FHIR the same instant, in the zone that the source states."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Final

from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf
from fhir_bridge.workshop.audit.leaves import Role, SourceLeaf
from fhir_bridge.workshop.audit.moments import Moment, moment
from fhir_bridge.workshop.audit.outcomes import ARRIVED, LOST, Kind, Outcome
from fhir_bridge.workshop.audit.places import Places

__all__ = ["Times"]

_NOT_OF_UNITS: Final = frozenset(("Bundle", "MessageHeader", "Provenance"))
"""Resources whose times may be those of the run."""
_ZONES: Final = timedelta(hours=14)
"""The farthest that a zone is from UTC."""
_BIRTHS: Final = re.compile(r"PID-7|NK1-16|GT1-8|IN1-18|IN2-|IN3-")
"""Fields of HL7 v2 whose day may be a Patient's birth."""
_ENDS: Final = {
    **dict.fromkeys(("PV1-44", "IN1-12", "TQ1-7", "OBR-7", "AIS-4"), "end"),
    **dict.fromkeys(("PV1-45", "IN1-13", "TQ1-8", "OBR-8"), "start"),
}
"""Fields of HL7 v2 that are one end of a period, and the element that is the other one."""
_SEGMENT: Final = re.compile(r"[A-Z][A-Z0-9]{2}-\d")


class Times:
    """Compares the times of one record.

    Args:
        zone: of times that state none; None for the record's own.
    """

    def __init__(self, places: Places, zone: tzinfo | None) -> None:
        self._places = places
        own = places.record.zone
        self._zone = zone or (None if own is None else timezone(timedelta(minutes=own)))
        self._times = {
            time for leaf in places.record.leaves if leaf.role is Role.TIME for time in _readings(leaf)
        }

        self._exact: dict[tuple[int, ...], set[tuple[str, int | None]]] = defaultdict(set)
        for leaf in places.record.leaves:
            if leaf.role is Role.TIME and (stated := moment(leaf.value)):
                self._exact[stated.parts[:5]].add((leaf.value, stated.offset))

    def _is_of_another(self, leaf: SourceLeaf, match: FhirLeaf) -> bool:
        """Whether a time of FHIR is another value of the source as it is written, and so not what became of this."""
        there = match.moment
        return there is not None and any(
            value != leaf.value
            and offset == (there.offset if offset is not None or not there.has_time else offset)
            for value, offset in self._exact.get(there.parts[:5], ())
        )

    def check(self, leaf: SourceLeaf) -> Outcome:
        stated = moment(leaf.value)
        inside = [match for match in self._places.inside(leaf) if _is_of_kind(leaf, match)]
        if stated is None:
            return ARRIVED if inside else LOST
        for tier in self._tiers(leaf, inside):
            best: Outcome | None = None
            for match in tier:
                outcome = self._same_time(leaf, stated, match)
                if outcome is ARRIVED:
                    return ARRIVED
                if outcome is None or self._is_of_another(leaf, match):
                    continue
                if match.path.startswith("Patient.deceased") and not _may_be_death(leaf):
                    continue
                best = _better(best, outcome)
            if best is not None:
                return best
        return self._shifted(leaf, stated) or LOST

    def _tiers(self, leaf: SourceLeaf, inside: list[FhirLeaf]) -> Iterator[list[FhirLeaf]]:
        """Times nearest first: the unit's own resource, others; what is kept as it was written last."""
        primary = self._places.contexts.primary[leaf.unit]
        typed = [match for match in inside if match.moment is not None]
        yield [match for match in typed if match.resource.index == primary]
        yield [match for match in typed if match.resource.index != primary]
        yield [match for match in inside if match.moment is None]

    def _same_time(self, leaf: SourceLeaf, stated: Moment, match: FhirLeaf) -> Outcome | None:
        seen = match.moment
        if seen is None:
            return ARRIVED if len(match.text) >= 8 else None
        wall, other = stated.wall, seen.wall
        if wall is None or other is None:
            return None
        if not stated.has_time or not any(stated.parts[3:]):
            if seen.parts[:3] != stated.parts[:3]:
                return None
            if seen.has_time and any(seen.parts[3:]) and not stated.has_time:
                return None
            if seen.has_time and not stated.has_time:
                return Outcome(
                    Kind.ZONE,
                    "a time of day and a zone that the source does not state",
                    match.path,
                    match.text,
                )
            return ARRIVED
        if not seen.has_time:
            if seen.parts != stated.parts[: len(seen.parts)] or len(seen.parts) < 3:
                return None
            if not self._places.contexts.scopes[leaf.unit]:
                return None  # the day is on many things
            return Outcome(Kind.VALUE, "the time of day is lost", match.path, match.text)
        length = min(len(stated.parts), len(seen.parts), 5)
        if stated.offset is None:
            if wall.replace(second=0) != other.replace(second=0):
                return None
            if seen.offset is None or seen.offset == self._offset(wall):
                return ARRIVED
            return Outcome(Kind.ZONE, "a zone that the source does not state", match.path, match.text)
        if stated.parts[:length] == seen.parts[:length]:
            if seen.offset == stated.offset:
                return ARRIVED
            if seen.offset is None:
                return Outcome(Kind.ZONE, "its zone is lost", match.path, match.text)
            return Outcome(Kind.ZONE, "the clock reading has another zone", match.path, match.text)
        instant, there = stated.instant, seen.instant
        if instant is not None and there is not None and instant.replace(second=0) == there.replace(second=0):
            return Outcome(Kind.ZONE, "the same instant in another zone", match.path, match.text)
        return None

    def _offset(self, wall: datetime) -> int | None:
        """The offset, in minutes, that a clock reading has where none is stated."""
        offset = None if self._zone is None else self._zone.utcoffset(wall)
        return None if offset is None else round(offset.total_seconds() / 60)

    def unexplained(self) -> list[tuple[SourceLeaf, Outcome]]:
        """Times of the record's resources that no time of the source is, but for a shift by a zone."""
        places, results = self._places, []
        known = {
            reading
            for leaf in places.record.leaves
            if leaf.role is Role.TIME and (stated := moment(leaf.value))
            for reading in self._instants(stated)
        }
        every = [leaf for leaf in places.record.leaves if leaf.role is Role.TIME]
        seen: set[int] = set()
        for number, unit in enumerate(places.record.units):
            times = [leaf for leaf in unit.leaves if leaf.role is Role.TIME]
            times += every
            for place in sorted(places.contexts.own[number]):
                if place in seen or places.pool.resources[place].type in _NOT_OF_UNITS:
                    continue
                seen.add(place)
                for match in places.pool.resources[place].leaves:
                    there = match.moment
                    if there is None or not there.has_time or not known.isdisjoint(self._instants(there)):
                        continue
                    for leaf in times:
                        stated = moment(leaf.value)
                        if stated is not None and self._is_shifted(stated, there):
                            results.append(
                                (leaf, Outcome(Kind.ZONE, "the time is shifted", match.path, match.text))
                            )
                            break
        return results

    def _instants(self, time: Moment) -> list[datetime]:
        """The minutes in UTC that a time may mean: its own, and by the record's zone where it states none."""
        wall = time.wall
        if wall is None:
            return []
        if time.offset is not None:
            return [(wall - timedelta(minutes=time.offset)).replace(second=0)]
        offset = self._offset(wall)
        results = [wall.replace(second=0)]
        return results if offset is None else [*results, (wall - timedelta(minutes=offset)).replace(second=0)]

    def _is_shifted(self, stated: Moment, there: Moment) -> bool:
        if not stated.has_time or not any(stated.parts[3:]) or _minutes(there) != _minutes(stated):
            return False
        return any(
            _is_zone(one - other, stated.offset, there.offset)
            for one in self._instants(stated)
            for other in self._instants(there)
        )

    def _shifted(self, leaf: SourceLeaf, stated: Moment) -> Outcome | None:
        """A time in the same resources that differs by a whole zone."""
        wall = stated.wall
        if wall is None or not stated.has_time or not any(stated.parts[3:]):
            return None
        for match in self._places.scoped(leaf):
            seen = match.moment
            if (
                seen is None
                or not seen.has_time
                or seen.wall is None
                or not self._times.isdisjoint(_read(seen))
                or self._is_of_another(leaf, match)
                or seen.parts[:5] in self._exact
            ):
                continue
            distance = seen.wall - wall
            if _is_zone(distance, stated.offset, seen.offset) and _minutes(seen) == _minutes(stated):
                return Outcome(Kind.ZONE, "the time is shifted", match.path, match.text)
        return None


def _is_of_kind(leaf: SourceLeaf, match: FhirLeaf) -> bool:
    """Whether an element can be what a field of HL7 v2 became: no birth is when a specimen was taken."""
    if match.element == _ENDS.get(leaf.field.removesuffix(".1")):
        return not any(
            other.element in ("start", "end") and other is not match
            for other in match.resource.holders[match.holder]
        )
    if not match.path.startswith("Patient.birthDate") or not _SEGMENT.match(leaf.field):
        return True
    return _BIRTHS.match(leaf.field) is not None or leaf.field.startswith("OBX-5")


def _may_be_death(leaf: SourceLeaf) -> bool:
    return not _SEGMENT.match(leaf.field) or leaf.field.startswith(("PID-", "OBX-5"))


def _is_zone(distance: timedelta, *offsets: int | None) -> bool:
    """Whether two clock readings can be one in two zones: whole hours apart, or as an offset that is none."""
    minutes = abs(distance.total_seconds()) / 60
    if not minutes or distance > _ZONES or -distance > _ZONES:
        return False
    return not minutes % 60 or (not minutes % 15 and any(offset and offset % 60 for offset in offsets))


def _readings(leaf: SourceLeaf) -> Iterator[tuple[str, datetime]]:
    stated = moment(leaf.value)
    if stated is not None and stated.has_time:
        yield from _read(stated)


def _read(time: Moment) -> Iterator[tuple[str, datetime]]:
    """A time as clock reading and as instant."""
    if time.wall is not None and time.offset is None:
        yield "wall", time.wall
    if time.instant is not None:
        yield "instant", time.instant


def _minutes(time: Moment) -> tuple[int, str]:
    parts = (*time.parts, 0, 0, 0)
    return parts[5], ""


def _better(best: Outcome | None, other: Outcome | None) -> Outcome | None:
    order = (Kind.ZONE, Kind.VALUE)
    if other is None or other.kind is None:
        return best
    if best is None or best.kind is None:
        return other
    return min(best, other, key=lambda outcome: order.index(outcome.kind) if outcome.kind in order else 9)
