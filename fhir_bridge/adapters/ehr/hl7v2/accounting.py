"""What a message says that no rule represents: by segment, field, repetition and component.

What says nothing about a patient by declaration (`transport.py`, `Components.pass_over`) is listed apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import contains
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.grammar import fault_of
from fhir_bridge.adapters.ehr.hl7v2.groups import (
    OBSERVATION,
    ORDER,
    PATIENT,
    USUAL_PLACES,
    VISIT_OBSERVATION,
    Group,
    stray,
)
from fhir_bridge.adapters.ehr.hl7v2.transport import ENVELOPE, OF_RESULT, silent_fields
from fhir_bridge.adapters.ehr.hl7v2.untaken import FieldPosition, Place, TakenFields, untaken
from fhir_bridge.adapters.ehr.hl7v2.ways import ways_by_segment
from fhir_bridge.mapping import Applied

__all__ = ["Rest", "Unread", "unread"]


class Rest(NamedTuple):
    """A part of a segment that no rule represents.

    Attributes:
        text: what it is, in words (`the field PID-34 is not represented`).
        segment: the segment.
        places: field, and what follows its number (`.9`, `[2]`, or nothing).
    """

    text: str
    segment: Segment
    places: tuple[FieldPosition, ...]


class Unread(NamedTuple):
    """What no rule represents of a message.

    Attributes:
        rest: what makes the message partial.
        declared: places that say nothing about a patient: fields of the exchange, components that a type passes over.
        faults: what the message's version of HL7 has no place for, in words.
    """

    rest: list[Rest]
    declared: tuple[str, ...]
    faults: tuple[str, ...] = ()


def unread(
    root: Group,
    segments: Sequence[Segment],
    applied: Iterable[Applied],
    placed: Mapping[str, str] = USUAL_PLACES,
) -> Unread:
    """What no rule represents; `placed`: segments that the mapping puts into groups."""
    if not segments:
        return Unread([], ())
    noted = ways_by_segment(applied, placed)
    read = TakenFields(noted, segments[0].delimiters)
    declared: dict[Place, None] = {}
    waiting: dict[int, list[int]] = {}
    left: list[tuple[Segment, list[FieldPosition]]] = []
    usual: Any = None  # ways of results of which `complete` holds what leaves nothing
    complete: Sequence[Collection[str]] = ()
    for segment in segments:
        name, raws = segment.name, segment.fields
        parts = noted.get(id(segment))
        if (
            parts is usual
            and name == "OBX"
            and parts is not None
            and len(raws) > 5
            and raws[5]
            and all(map(contains, complete, raws))
        ):
            continue
        if name in ENVELOPE:
            _exchange(segment, declared)
            continue
        fields = None if parts is None else read.of(parts)
        silent = silent_fields(segment)
        if fields is not None:
            known = fields.known.get(silent)
            if known is not None and not (known.silent and waiting.get(id(known), _ANY)):
                if silent is OF_RESULT:  # a value that is complete for these is none for which others are
                    usual, complete = parts, known.complete
                if all(map(contains, known.complete, raws)):
                    continue
        if missing := untaken(segment, fields, silent, declared, waiting):
            left.append((segment, missing))
    faults: dict[str, dict[str, None]] = {}
    rest = _rest(root, segments, read, left, faults) if left else []
    wrong = tuple(
        f"{fault}, nor are {', '.join(with_it)} represented" if with_it else fault
        for fault, with_it in faults.items()
    )
    return Unread(rest, _written(tuple(declared)), wrong)


def _rest(
    root: Group,
    segments: Sequence[Segment],
    read: TakenFields,
    left: list[tuple[Segment, list[FieldPosition]]],
    faults: dict[str, dict[str, None]],
) -> list[Rest]:
    """What makes the message partial; `faults` takes what its grammar has no place for."""
    version = str(root.part("MSH", 12, 1) or "")
    twins = _twins(root)
    names = {segment.name for segment in segments if id(segment) in read.noted}
    before = _before(segments)
    result: list[Rest] = []
    for segment, missing in left:
        name = segment.name
        if twin := twins.get(id(segment)):
            missing = [
                location for location in missing if not _repeats_twin(segment, location[0], *twin, read)
            ]
            if not missing:
                continue
        if id(segment) not in read.noted and name != "EVN":  # EVN is of the envelope but for single fields
            if name == "NTE":
                text = f"the comment (NTE) after {before[id(segment)]} is not represented"
            else:
                further = "a further" if name in names else "the"
                text = f"{further} segment {name} is not represented{stray(root, segment)}"
            result.append(Rest(text, segment, tuple(missing)))
        else:
            for number, location in missing:
                if fault := fault_of(segment, number, version):
                    place = f"{name}-{number}{location}"
                    with_it = [] if fault.startswith(f"{place} ") else [place]
                    faults.setdefault(fault, {}).update(dict.fromkeys(with_it))
                    continue
                kind = "component" if "." in location else "repetition" if location else "field"
                text = f"the {kind} {name}-{number}{location} is not represented"
                result.append(Rest(text, segment, ((number, location),)))
    return result


def _before(segments: Sequence[Segment]) -> dict[int, str]:
    """For each segment the name of the one before it, comments left out."""
    result: dict[int, str] = {}
    name = "MSH"
    for segment in segments:
        result[id(segment)] = name
        if segment.name != "NTE" and segment.name not in ENVELOPE:
            name = segment.name
    return result


_ANY: Final = [0]
"""Fields that wait to be looked for, where no segment of a kind was seen so far."""


@lru_cache(maxsize=2_000)
def _written(places: tuple[Place, ...]) -> tuple[str, ...]:
    """The places by segment and field; messages of a sender have few sets of them."""
    return tuple(f"{name}-{number}{rest}" for name, number, rest in sorted(places))


def _exchange(segment: Segment, declared: dict[Place, None]) -> None:
    """Note the fields of a segment of the exchange, delimiters apart."""
    name = segment.name
    for number, raw in enumerate(segment.fields):
        if raw and number and (number > 2 or name != "MSH"):
            declared[name, number, ""] = None


_OF_ORDER: Final = {2: 2, 3: 3, 7: 27, 12: 16, 16: 31}
"""Fields of ORC that repeat fields of OBR."""
_OF_DOCUMENT: Final = {3: 4, 11: 25}
"""Fields of a document's OBX that may repeat fields of its OBR."""
Twin = tuple[Segment, Mapping[int, int] | None]


def _twins(root: Group) -> dict[int, Twin]:
    """Segments that repeat what another one says, with that one and its fields; None for the same fields."""
    results: dict[int, Twin] = {}
    for patient in root.of(PATIENT):
        for observation in patient.of(VISIT_OBSERVATION):
            _further_lines(observation, results)
        for order in patient.of(ORDER):
            request, control = order.first.get("OBR"), order.first.get("ORC")
            if request is not None and control is not None:
                results[id(control)] = request, _OF_ORDER
            for observation in order.of(OBSERVATION):
                _further_lines(observation, results)
                segment = observation.segments[0]
                if request is not None and segment.fields[2:3] in (["ED"], ["RP"]):
                    results[id(segment)] = request, _OF_DOCUMENT
    return results


def _further_lines(observation: Group, results: dict[int, Twin]) -> None:
    """Further lines of a text repeat what its first line says of it."""
    if len(observation.segments) > 1:
        first = observation.segments[0]
        results.update((id(segment), (first, None)) for segment in observation.all("OBX")[1:])


def _repeats_twin(
    segment: Segment, number: int, twin: Segment, table: Mapping[int, int] | None, read: TakenFields
) -> bool:
    """Whether a field repeats one of the segment's twin, and that one is represented."""
    other = number if table is None else table.get(number, 0)
    stated = twin.fields
    if not other or other >= len(stated) or stated[other] != segment.fields[number]:
        return False
    return all(left != other for left, _ in untaken(twin, read.get(id(twin)), _NONE, {}, {}))


_NONE: Final[frozenset[int]] = frozenset()
