"""What the instances of a study say that no rule represents: by attribute, private ones by their creator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from fhir_bridge.adapters.imaging.data_dictionary import keyword_for_tag
from fhir_bridge.adapters.imaging.elements import OMITTED, Elements, items_of
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.technical import is_technical
from fhir_bridge.adapters.imaging.voxel_counts import VOXELS

if TYPE_CHECKING:
    from fhir_bridge.adapters.imaging.study import Instance, Study

__all__ = ["report_unread"]

_IDENTITY: Final = frozenset(("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"))
"""What a study, a series, an instance is called: a study lists them."""
_CONTENT: Final = frozenset(
    ("ContentSequence", "WaveformSequence", "WaveformAnnotationSequence", "SegmentSequence")
)
"""Sequences whose items are read attribute by attribute."""
_SHOWN: Final = 400


def report_unread(study: Study) -> None:
    """Report what no rule asked for in the first instance of each series, and in all reports and waveforms.

    The instances of a series share what they say of patient, study and series, or their disagreement is reported.
    """
    _disregard_hidden(study)
    left: Counter[str] = Counter()
    technical: dict[str, None] = {}
    for instance in _examined(study):
        asked = study.asked | study.content_asked.get(instance.uid, frozenset())
        for name, plain in _unread(instance.elements, asked):
            if plain:
                technical[name] = None
            else:
                left[name] += 1
    where = f"{study.first} (study {study.uid})"
    for name, count in sorted(left.items()):
        values = f" ({count} values)" if count > 1 else ""
        study.report(new_issue("FB-DCM-031", f"no rule represents {name}{values}", where))
    if technical:
        names = sorted(technical)
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        shown = ", ".join(names[:_SHOWN])
        study.report(new_issue("FB-DCM-032", f"left in the DICOM object: {shown}{more}", where))


def _disregard_hidden(study: Study) -> None:
    """Count nothing of a waveform's channels as asked for where no rule asked for its samples."""
    for recording in study.recordings:
        asked = study.content_asked.get(recording.uid, set())
        for waveform in recording.waveforms:
            if not waveform.shown:
                channels = f"WaveformSequence[{waveform.position}].ChannelDefinitionSequence["
                asked.difference_update([path for path in asked if path.startswith(channels)])


def _examined(study: Study) -> Iterator[Instance]:
    for series in study.series:
        for number, instance in enumerate(series.instances):
            if not number or instance.uid in study.content_asked:
                yield instance


def _unread(
    elements: Elements, asked: frozenset[str] | set[str], path: str = ""
) -> Iterator[tuple[str, bool]]:
    """The populated attributes that nobody asked for, and whether they are technical."""
    for tag, (vr, value) in elements.items():
        if not value.strip(b"\0 ") and vr != OMITTED:
            continue
        if tag == VOXELS:
            continue  # what we counted in its pixels
        if tag >> 16 & 1:
            if tag >> 8 & 0xFF:  # (gggg,00xx) holds the creators
                yield f"private attributes of {_creator(elements, tag)}", False
            continue
        keyword = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        name = path + keyword
        if name in asked or keyword in _IDENTITY:
            continue
        if vr == "SQ" and (keyword in _CONTENT or path):
            for position, item in enumerate(items_of(value), 1):
                for left, plain in _unread(item, asked, f"{name}[{position}]."):
                    yield left.rpartition(".")[2], plain
            continue
        yield keyword, is_technical(tag, keyword)


def _creator(elements: Elements, tag: int) -> str:
    stated = elements.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF)
    name = stated[1].decode("latin-1").strip("\0 ") if stated else ""
    return name if name.isprintable() and name else f"group {tag >> 16:04X}"
