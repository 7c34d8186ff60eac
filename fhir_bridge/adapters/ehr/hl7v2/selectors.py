"""Selectors of HL7 v2 (`OBX-5.1`, `PID-3[*]`, `notes`) as positions in a message."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["DERIVED", "OF_ORDER", "OF_PATIENT", "OF_SPECIMEN", "SELECTOR", "TOKENS", "Selector", "parse"]

SELECTOR: Final = re.compile(
    r"(?P<segment>[A-Z][A-Z0-9]{2})(?:\[(?P<which>\d+|\*)\])?"
    r"(?:-(?P<field>\d+)(?:\[(?P<repetition>\d+|\*)\])?(?:\.(?P<component>\d+)(?:\.(?P<subcomponent>\d+))?)?)?\Z"
)
TOKENS: Final = (
    r"[A-Z][A-Z0-9]{2}(?:\[(?:\d+|\*)\])?-\d+(?:\[(?:\d+|\*)\])?(?:\.\d+){0,2}"
    r"|[A-Z][A-Z0-9]{2}\[\*\]"
    r"|[A-Z][A-Z0-9]{2}(?![A-Za-z0-9_.(-])"
)
DERIVED: Final = {
    "observation.text": "text",
    "observation.ordinal": "ordinal",
    "observation.instance": "instance",
    "notes": "notes",
    "remainder.ordinal": "ordinal",
}
OF_PATIENT: Final = {
    "subject.identifiers": "identifiers",
    "subject.otherwise": "otherwise",
    "visit.number": "visit",
}
"""Derived values of the patient group, for all groups in it."""
OF_ORDER: Final = {"order.number": "number"}
"""Derived values of the order group, for all groups in it."""
OF_SPECIMEN: Final = {"specimen.order": "specimen_order"}
"""Derived values of the specimen group."""


class Selector(NamedTuple):
    """A position.

    Attributes:
        which: of the segments of the name: 0 the first, -1 all, else the n-th.
        field, component, subcomponent: from 1; 0 where the selector ends before.
        repetition: from 1; 0 where none is named.
        every: `[*]` is written for the repetitions.
        reader: how a derived value reads the field.
        inner: `documents` where the segments of documents among the scope's results are meant, for functions.
    """

    segment: str
    which: int = 0
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0
    every: bool = False
    reader: str = ""
    inner: str = ""


_READ: Final = {
    "observation.text": (Selector("OBX", -1, 5, every=True, reader="whole"),),
    "notes": tuple(Selector("NTE", -1, number, every=True, reader="whole") for number in (3, 4, 5, 6, 7, 8)),
    "subject.identifiers": tuple(Selector("PID", 0, field, every=True) for field in (2, 3, 4)),
}
"""The fields that derived values hold; the others make ids alone."""


@lru_cache(maxsize=5000)
def parse(text: str) -> tuple[Selector, ...]:
    """The positions that a selector reads; `documents:SEG-f` is in those inside the scope. None for what makes ids."""
    text = text.strip("`")
    if text in _READ:
        return _READ[text]
    inner, _, rest = text.rpartition(":")
    match = SELECTOR.match(rest)
    if match is None:
        return ()
    which = match["which"]
    number = {name: int(match[name] or 0) for name in ("field", "component", "subcomponent")}
    repetition = match["repetition"]
    return (
        Selector(
            match["segment"],
            -1 if which == "*" else int(which or 0),
            number["field"],
            int(repetition) if repetition and repetition != "*" else 0,
            number["component"],
            number["subcomponent"],
            repetition == "*" or which == "*",
            inner=inner,
        ),
    )
