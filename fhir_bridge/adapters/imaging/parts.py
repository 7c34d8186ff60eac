"""What a study is built from over all loads: its instances, and what deletes them.

Everything here is a function of what instances say: the file, its name and the order of reading have no part in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.content import content_of, digest, elements_in
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.times import joined, moment, valid_datetime

if TYPE_CHECKING:
    from fhir_bridge.adapters.imaging.patients import Subject
    from fhir_bridge.plugins import RecordPart

__all__ = ["Part", "choose", "instance_time", "is_series_part", "part_of", "series_count"]

_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Part:
    """An instance of a study as a store keeps it, or its deletion; satisfies `fhir_bridge.plugins.RecordPart`.

    Attributes:
        key: SOP Instance UID.
        subject: whom the instance is about, in its own words (`Subject.text`); for `DicomAdapter.same_subject`.
        time: business time (`instance_time`).
        content: see `content.py`; empty for a deletion.
        deletes: a rejection note deletes the instance.
    """

    key: str
    subject: str
    time: datetime | None
    content: bytes
    deletes: bool = False


def part_of(uid: str, subject: Subject, elements: Elements) -> Part:
    """The part of an instance."""
    return Part(uid, subject.text, instance_time(_silent(elements)), content_of(elements))


def instance_time(reader: AttributeReader) -> datetime | None:
    """Business time of an instance: the later of its creation and its content, else when it was acquired.

    Else the time of its series, else of its study. With the offset that the instance states, naive without one.
    """
    created, content, *others = _times(reader)
    own = [each for each in (created, content) if each is not None]
    return max(own, key=_comparable) if own else next((each for each in others if each is not None), None)


def _times(reader: AttributeReader) -> list[datetime | None]:
    """Of creation, content, acquisition, series, study."""
    offset = reader.text("TimezoneOffsetFromUTC")

    def stated(stem: str) -> datetime | None:
        return moment(joined(reader.text(f"{stem}Date"), reader.text(f"{stem}Time"), offset)[0])

    acquired = moment(valid_datetime(reader.text("AcquisitionDateTime"), offset)) or stated("Acquisition")
    return [stated("InstanceCreation"), stated("Content"), acquired, stated("Series"), stated("Study")]


def _silent(elements: Elements) -> AttributeReader:
    """A reader of what was reported when the header was read."""
    return AttributeReader(elements, lambda _code, _text: None)


def _comparable(time: datetime | None) -> datetime:
    """Times with and without zone in one order: without one they count as UTC, and none at all before all others."""
    if time is None:
        return _EARLIEST
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def choose(parts: Sequence[RecordPart]) -> RecordPart | None:
    """Which of several parts with one key counts; None where the instance is deleted.

    A deletion takes away every content that is not newer than it, unless it is about another person than all of them:
    a note of another patient that came first. Of the contents left the older business time counts
    (one that states none comes last), of equal ones any older time that they state, then the smaller
    hash: a SOP Instance UID has no versions (PS3.4 B.3.2). Of what an archive says of a series the last counts.
    A function of the set: order and repetition change nothing.
    """
    about = {part.subject for part in parts if not part.deletes}
    deleted = max(
        (
            _comparable(part.time)
            for part in parts
            if part.deletes and part.time is not None and _deletes_of(part.subject, about)
        ),
        default=None,
    )
    living = [
        part
        for part in parts
        if not part.deletes
        and (deleted is None or (part.time is not None and _comparable(part.time) > deleted))
    ]
    if len(living) < 2:
        return living[0] if living else None
    if "@" in living[0].key:
        return max(living, key=lambda part: (_comparable(part.time), digest(part.content)))
    return min(living, key=_age)


def is_series_part(elements: Elements) -> bool:
    """Whether a part is what an archive says of a series (its key is the series' UID, `@` and the archive's name)."""
    return _SOP_INSTANCE not in elements


def series_count(elements: Elements) -> int:
    """How many instances an archive counts in a series (Number of Series Related Instances)."""
    text = elements.get(_COUNT, ("IS", b""))[1].strip(b"\0 ")
    return int(text) if text.isdigit() and len(text) < 10 else 0


_SOP_INSTANCE: Final = 0x00080018
_COUNT: Final = 0x00201209


def _deletes_of(subject: str, about: set[str]) -> bool:
    """Whether a deletion by a note with this subject can be about one of the contents."""
    if not about or subject in about:
        return True
    from fhir_bridge.adapters.imaging.patients import Subject, same_subject

    return any(same_subject(map(Subject.parse, (subject, item))) for item in about)


def _age(part: RecordPart) -> tuple[list[tuple[bool, datetime]], bytes]:
    times = [part.time, *_times(_silent(elements_in(part.content)))]
    return [(time is None, _comparable(time)) for time in times], digest(part.content)
