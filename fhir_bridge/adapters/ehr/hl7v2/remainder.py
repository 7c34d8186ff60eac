"""What a message's segments say and no rule represents, as texts under the names of their fields.

`field_names.txt` is built by scripts/build_hl7v2_definitions.py: a line has a segment and the names of its fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.accounting import Rest
from fhir_bridge.adapters.ehr.hl7v2.composites import undeleted
from fhir_bridge.adapters.ehr.hl7v2.delimiters import unescape
from fhir_bridge.adapters.ehr.hl7v2.fields import Segment
from fhir_bridge.adapters.ehr.hl7v2.groups import ORDER, PATIENT, Group
from fhir_bridge.mapping import function

__all__ = ["FUNCTIONS", "Remainder", "remainders"]


@lru_cache(maxsize=1)
def _names() -> dict[str, list[str]]:
    text = files(__package__).joinpath("field_names.txt").read_text(encoding="utf-8")
    return {line.partition("|")[0]: line.split("|") for line in text.splitlines()}


class Remainder(Group):
    """What no rule represents of what is said of one patient, as an object of the scope `Remainder`.

    Attributes:
        rest: the parts of segments.
        ordinal: `remainder.ordinal`: None for the first of a message, then "2", "3", …
    """

    __slots__ = ("rest",)

    def __init__(self, patient: Group) -> None:
        super().__init__(patient)
        self.rest: list[Rest] = []


def remainders(root: Group, rest: Iterable[Rest]) -> list[Remainder]:
    """One for each patient of whom something is left.

    Segments that HL7 does not define are a site's to map. An access restriction (ARV) that became no label, and the
    number of another patient (MRG-1), are reported: neither belongs into the record as a text.
    """
    results: dict[int, Remainder] = {}
    patients = [patient for patient in root.of(PATIENT) if "PID" in patient.first]
    if not patients:
        return []
    for part in rest:
        name = part.segment.name
        if name not in _names() or (name == "ARV" and "segment" in part.text):
            continue
        if name == "MRG" and part.places[0][0] == 1:
            continue
        about = next((patient for patient in patients if _holds(patient, part.segment)), patients[0])
        results.setdefault(id(about), Remainder(about)).rest.append(part)
    result = list(results.values())
    for number, each in enumerate(result[1:], 2):
        each.ordinal = str(number)
    return result


def _holds(group: Group, segment: Segment) -> bool:
    """Whether a segment is in a group, or in one inside it."""
    return any(own is segment for own in group.segments) or any(
        _holds(inner, segment) for groups in group.groups.values() for inner in groups
    )


@function(scope=True)
def remainder(s: Any) -> list[dict[str, Any]] | None:
    """A component for each part: the field's number and name, and its text with separators as written."""
    results: list[dict[str, Any]] = []
    for part in s.rest:
        of = _order_of(s.outer, part.segment)
        for number, location in part.places:
            named = _names()[part.segment.name]
            name = named[number] if number < len(named) else ""
            place = f"{part.segment.name}-{number}{location}"
            label = f"{place} {name}".rstrip() + (f" (order {of})" if of else "")
            results += (
                {"code": {"text": label}, "valueString": text}
                for text in _texts(part.segment, number, location)
            )
    return results or None


def _order_of(patient: Group, segment: Segment) -> str:
    """The number of the order that a segment is in, where there are several."""
    orders = patient.of(ORDER)
    if len(orders) < 2:
        return ""
    order = next((each for each in orders if _holds(each, segment)), None)
    if order is None:
        return ""
    numbers = (order.part(name, field, 1) for name in ("OBR", "ORC") for field in (2, 3))
    return str(next((number for number in numbers if number), orders.index(order) + 1))


def _texts(segment: Segment, number: int, location: str) -> list[str]:
    """The texts at a place: of a field all repetitions, else of the first or the one that is named (`[2].4.1`)."""
    repetitions = segment.repetitions(number)
    head, _, rest = location.partition(".")
    if head:
        repetitions = repetitions[int(head[1:-1]) - 1 : int(head[1:-1])]
    elif rest:
        repetitions = repetitions[:1]
    delimiters = segment.delimiters
    for position, separator in zip(
        rest.split("."), (delimiters.component, delimiters.subcomponent), strict=False
    ):
        if position:
            repetitions = [_piece(part, separator, int(position)) for part in repetitions]
    if rest and "." not in rest:  # the first subcomponent alone is meant
        repetitions = [_piece(part, delimiters.subcomponent, 1) for part in repetitions]
    separators = delimiters.component + delimiters.subcomponent
    stated = [undeleted(part, delimiters) for part in repetitions]
    return [
        text for part in stated if part.strip(separators) and (text := unescape(part, delimiters).strip())
    ]


def _piece(text: str, separator: str, number: int) -> str:
    pieces = text.split(separator)
    return pieces[number - 1] if number <= len(pieces) else ""


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {"remainder": remainder}
"""Functions that `hl7v2` adds to the expression language."""
