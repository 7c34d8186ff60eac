"""Waveforms (PS3.3 C.10.9, C.10.10): leads with their samples and scaling, annotations, statements."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.ecg_measurements import implausible, measurement_kind
from fhir_bridge.adapters.imaging.times import joined, valid_datetime
from fhir_bridge.adapters.imaging.vital_signs import in_profile_unit, is_vital_sign
from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.datatypes import SampledData
from fhir_bridge.fhir.ecg_leads import lead_name, potential_code
from fhir_bridge.fhir.sampled_data import Scaling, period_of, sampled_data, samples_text

__all__ = ["Annotation", "Lead", "Mark", "Recording", "UnreadableWaveform", "Waveform", "read_recording"]

_TYPES: Final = {
    ("SB", 8): "b",
    ("UB", 8): "B",
    ("SS", 16): "h",
    ("US", 16): "H",
    ("SL", 32): "i",
    ("UL", 32): "I",
    ("SV", 64): "q",
    ("UV", 64): "Q",
}
_SCP_LEAD: Final = "5.6.3-9-"
_MDC_PARTITION: Final = 2 << 16
"""Lead n is `5.6.3-9-n` in SCP-ECG, and the term n of partition 2 in MDC."""
_LOWEST, _HIGHEST = Decimal("1E-6"), Decimal("1E9")
"""Samples per second that can be meant."""


class UnreadableWaveform(ValueError):
    """A waveform's samples can't be had; the message says why."""


@dataclass(slots=True)
class Lead:
    """One channel of a multiplex group.

    The voltage of a sample is `sample * factor + baseline`, in `unit` (PS3.3 C.10.9.1.4.2: sensitivity times
    correction factor; the baseline is in the unit of the sensitivity). Where one of them is stated and can't be read,
    nobody knows the voltages: `factor`, `baseline` and `unit` are None.
    """

    outer: Waveform
    position: int
    source: Code | None
    factor: Decimal | None
    baseline: Decimal | None
    unit: str | None
    padding: int | None

    @property
    def number(self) -> int | None:
        """Lead number of the SCP-ECG and MDC lead tables (I 1, II 2, V1 3, III 61); None for other channels."""
        if self.source is None or not self.source.value:
            return None
        rest = self.source.value.removeprefix(_SCP_LEAD).strip()
        if not rest.isdecimal() or self.source.scheme not in ("SCPECG", "MDC"):
            return None
        number = int(rest) - (_MDC_PARTITION if self.source.scheme == "MDC" else 0)
        return number if 0 < number < 256 else None

    @property
    def name(self) -> str | None:
        """`aVR`, or what the source calls it."""
        return lead_name(self.number or 0) or (self.source.text if self.source else None)

    @property
    def code(self) -> Code | None:
        """The MDC code of the lead's potential; another channel keeps the code of its source."""
        number = self.number
        if number is None:
            return self.source
        value, meaning = potential_code(number)
        return Code(value, "MDC", meaning)

    @property
    def readable(self) -> bool:
        """Whether the voltages are known: the samples are kept, and what scales them can be read."""
        return self.baseline is not None and self.outer.values is not None

    @property
    def sampled(self) -> SampledData | None:
        """The samples as SampledData; None where the voltages are not known."""
        if not self.readable or self.baseline is None:
            return None
        scaling = Scaling(self.factor, self.baseline, self.unit)
        return sampled_data(self.samples, scaling, self.outer.period, missing=self.padding)

    @property
    def samples(self) -> array[int]:
        """The samples as stored, before scaling; none where they are not kept."""
        values = self.outer.values
        return array("b") if values is None else values[self.position :: self.outer.channels]

    @property
    def text(self) -> str:
        """The samples as SampledData writes them: integers, `E` for padding."""
        return samples_text(self.samples, self.padding)


@dataclass(slots=True)
class Waveform:
    """A multiplex group: channels sampled together.

    Attributes:
        outer: its recording.
        position: from 1.
        label: Multiplex Group Label (`RHYTHM`, `MEDIAN BEAT`).
        derived: Waveform Originality is DERIVED.
        channels: number of channels.
        samples: samples per channel.
        frequency: samples per second.
        values: all samples, channel by channel within a sample time; None where they are more than is kept of an
            instance.
        shown: a rule asked for its samples.
    """

    outer: Recording
    position: int
    label: str | None
    derived: bool
    channels: int
    samples: int
    frequency: Decimal
    values: array[int] | None
    leads: list[Lead] = field(default_factory=list)
    shown: bool = False

    @property
    def period(self) -> Decimal:
        """Milliseconds between samples."""
        return period_of(self.frequency)

    @property
    def total_samples(self) -> int:
        return self.samples * self.channels

    @property
    def is_ecg(self) -> bool:
        """Whether every channel is an ECG lead."""
        return bool(self.leads) and all(lead.number is not None for lead in self.leads)

    @property
    def marks(self) -> list[Mark]:
        """What is annotated in it: by its samples, and in the first group by times too."""
        return [
            mark
            for mark in self.outer.marks
            if mark.group == self.position or (mark.group is None and self.position == 1)
        ]

    @property
    def time(self) -> str | None:
        return self.outer.time


@dataclass(slots=True)
class Annotation:
    """A measured annotation (PS3.3 C.10.10): an interval, an axis, a rate.

    Attributes:
        qualifier: why there is no value: what is stated is no number, or can't be.
        implausible: the machine wrote a number where it had nothing to measure (`PP interval 0 ms`).
    """

    outer: Recording
    position: int
    code: Code
    value: Decimal | None
    unit: Code | None
    qualifier: Code | None = None
    implausible: bool = False

    @property
    def kind(self) -> str | None:
        """What is measured, whichever code system names it (`ecg_measurements.measurement_kind`)."""
        return measurement_kind(self.code)

    @property
    def is_vital_sign(self) -> bool:
        return is_vital_sign(self.code) or self.kind == "heart_rate"

    @property
    def key(self) -> str:
        return self.code.key

    @property
    def unit_code(self) -> str | None:
        return self.unit.value if self.unit is not None and self.unit.scheme == "UCUM" else None

    @property
    def unit_text(self) -> str | None:
        return None if self.unit is None else self.unit.value if self.unit_code else self.unit.meaning


@dataclass(slots=True)
class Mark:
    """Where in a recording something is annotated: a wave's beginning, a beat.

    Attributes:
        code: what is there.
        places: sample positions (from 1), or times, as stated.
        unit: what the places are: `samples`, `s`, `time`.
        group: the multiplex group whose samples are counted; None where they are times.
    """

    code: Code
    unit: str
    group: int | None
    places: list[str]

    @property
    def text(self) -> str:
        """In one line: `samples 325 1324 2305`."""
        return " ".join([self.unit, *self.places])


@dataclass(slots=True)
class Recording:
    """A waveform instance.

    Attributes:
        statements: interpretive statements, in the source's words.
        statement_codes: those that are coded.
        marks: points in time that are annotated, together by what is there.
        points: annotations of points in time that can't be read, which stay in the DICOM.
        of_ecg_class: its SOP class is one of ECGs.
        skewed: channels are sampled at shifted times.
    """

    outer: Any
    uid: str
    time: str | None
    equipment: Any = None
    waveforms: list[Waveform] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    statement_codes: list[Code] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    points: int = 0
    skewed: bool = False
    of_ecg_class: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def study(self) -> Any:
        return self.outer

    @property
    def conclusion(self) -> str | None:
        """The statements, one a line."""
        return "\n".join(self.statements) or None

    @property
    def is_dicom(self) -> bool:
        """Whether it is a DICOM instance, and no AnnotatedECG."""
        return bool(self.outer.is_dicom)

    @property
    def is_ecg(self) -> bool:
        """Whether it is an ECG, though its leads may not be readable."""
        return self.of_ecg_class or any(waveform.is_ecg for waveform in self.waveforms)

    @property
    def is_interpreted(self) -> bool:
        """Whether anything is stated of it, in words or codes."""
        return bool(self.statements or self.statement_codes)


def read_recording(reader: AttributeReader, uid: str, study: Any, equipment: Any = None) -> Recording:
    """Read a waveform instance; `equipment` is what made its series.

    A group that can't be read is named in `problems`; the others stay.
    """
    offset = study.offset
    date, time = reader.text("ContentDate"), reader.text("ContentTime")
    recording = Recording(
        study,
        uid,
        valid_datetime(reader.text("AcquisitionDateTime"), offset)
        or joined(date, time, offset)[0]
        or study.started,
        equipment,
    )
    for position, group in enumerate(reader.items("WaveformSequence"), 1):
        try:
            recording.waveforms.append(_waveform(recording, group, position))
        except UnreadableWaveform as problem:
            recording.problems.append(f"group {position}: {problem}")
    for position, item in enumerate(reader.items("WaveformAnnotationSequence"), 1):
        _annotate(recording, item, position)
    return recording


def _waveform(recording: Recording, group: AttributeReader, position: int) -> Waveform:
    channels = group.integer("NumberOfWaveformChannels") or 0
    count = group.integer("NumberOfWaveformSamples") or 0
    frequency = group.number("SamplingFrequency")
    if channels <= 0 or count <= 0 or frequency is None or not _LOWEST <= frequency <= _HIGHEST:
        raise UnreadableWaveform("channels, samples or Sampling Frequency is missing or impossible")
    interpretation = group.text("WaveformSampleInterpretation") or ""
    bits = group.integer("WaveformBitsAllocated") or 0
    kind = _TYPES.get((interpretation, bits))
    if kind is None:
        shown = interpretation if interpretation.isalnum() and len(interpretation) < 4 else "(none)"
        raise UnreadableWaveform(f"samples of interpretation {shown} and {bits} bits are not read")
    values = _samples(group, kind, channels * count)
    definitions = group.items("ChannelDefinitionSequence")
    if len(definitions) != channels:
        raise UnreadableWaveform(f"{len(definitions)} channels are defined of {channels}")
    waveform = Waveform(
        recording,
        position,
        group.text("MultiplexGroupLabel"),
        group.term("WaveformOriginality", ("ORIGINAL", "DERIVED")) == "DERIVED",
        channels,
        count,
        frequency,
        values,
    )
    padding = _padding(group, kind)
    waveform.leads = [_lead(waveform, item, location, padding) for location, item in enumerate(definitions)]
    recording.skewed |= any(
        bool(item.number(keyword))
        for item in definitions
        for keyword in ("ChannelTimeSkew", "ChannelSampleSkew")
    )
    return waveform


def _samples(group: AttributeReader, kind: str, count: int) -> array[int] | None:
    values: array[int] = array(kind)
    needed = count * values.itemsize
    omitted = group.omitted("WaveformData")
    stored = group.data("WaveformData") if omitted is None else b""
    length = len(stored) if omitted is None else omitted
    if length < needed:
        raise UnreadableWaveform(f"Waveform Data has {length} bytes of {needed}")
    if omitted is not None:
        return None
    values.frombytes(stored[:needed])
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _lead(waveform: Waveform, item: AttributeReader, position: int, padding: int | None) -> Lead:
    scaling = {
        keyword: item.number(keyword)
        for keyword in ("ChannelSensitivity", "ChannelSensitivityCorrectionFactor", "ChannelBaseline")
    }
    lost = any(value is None and item.stated(keyword) for keyword, value in scaling.items())
    sensitivity, correction, baseline = scaling.values()
    unit = item.code("ChannelSensitivityUnitsSequence")
    factor = None
    if sensitivity is not None and not lost:
        product = sensitivity * (correction if correction is not None else 1)
        lost = bool(product) and not -16 < product.adjusted() < 16
        factor = None if lost else _short(product)
    if lost:
        item.report("FB-DCM-016", "the scaling of the channel can't be used, so its voltages are not known")
    known = None if unit is None or unit.scheme != "UCUM" else unit.value
    if known is not None and not ucum.is_valid(known):
        item.report(
            "FB-DCM-020",
            "the CodeValue of ChannelSensitivityUnitsSequence is no unit of UCUM and was left out",
        )
        known = None
    return Lead(
        waveform,
        position,
        item.code("ChannelSourceSequence"),
        factor,
        None if lost else baseline or Decimal(0),
        known if factor is not None else None,
        padding,
    )


def _padding(group: AttributeReader, kind: str) -> int | None:
    stored = group.value("WaveformPaddingValue")
    if stored is None or isinstance(stored, int):
        return stored
    value: array[int] = array(kind)
    if not isinstance(stored, bytes) or len(stored) < value.itemsize:
        group.report("FB-DCM-020", "WaveformPaddingValue can't be read and was left out")
        return None
    value.frombytes(stored[: value.itemsize])
    if sys.byteorder == "big":
        value.byteswap()
    return value[0]


def _annotate(recording: Recording, item: AttributeReader, position: int) -> None:
    code = item.code("ConceptNameCodeSequence")
    value = item.number("NumericValue")
    text = item.text("UnformattedTextValue")
    coded = item.code("ConceptCodeSequence")
    if code is not None and value is not None:
        recording.annotations.append(_measured(recording, item, position, code, value))
    elif text:
        recording.statements.append(text)
    elif coded is not None and (coded.meaning or coded.value):
        recording.statements.append(coded.meaning or coded.value or "")
        recording.statement_codes.append(coded)
    elif any(keyword in item for keyword in _PLACES):
        if code is None or not _mark(recording, item, code):
            recording.points += 1
            item.disregard()
    elif code is not None and (stated := item.stated("NumericValue")):
        reason = Code(None, None, f"not a number: {stated}")
        recording.annotations.append(Annotation(recording, position, code, None, None, reason))


def _measured(
    recording: Recording, item: AttributeReader, position: int, code: Code, value: Decimal
) -> Annotation:
    kind = measurement_kind(code)
    named = Code("8867-4", "LN", code.meaning) if kind == "heart_rate" else code
    changed, unit = in_profile_unit(named, value, item.code("MeasurementUnitsCodeSequence"))
    if implausible(kind, changed, unit.value if unit is not None and unit.scheme == "UCUM" else None):
        stated = f"{value} {unit.value if unit is not None else ''}".strip()
        item.report("FB-DCM-033", f"{code.meaning or code.value} can't be {stated}")
        reason = Code(None, None, f"implausible: {stated}")
        return Annotation(recording, position, code, None, None, reason, implausible=True)
    return Annotation(recording, position, code, changed, unit)


_PLACES: Final = {
    "ReferencedSamplePositions": "samples",
    "ReferencedTimeOffsets": "s",
    "ReferencedDateTime": "time",
}


def _mark(recording: Recording, item: AttributeReader, code: Code) -> bool:
    """Keep where something is annotated, with the other places of the same; False where that can't be read."""
    keyword = next(keyword for keyword in _PLACES if keyword in item)
    stated = item.value(keyword)
    values = stated if isinstance(stated, list) else [] if stated is None else [stated]
    if not values:
        return False
    group = None
    if keyword == "ReferencedSamplePositions":
        channels = item.value("ReferencedWaveformChannels")
        named = channels[0] if isinstance(channels, list) and channels else None
        group = named if isinstance(named, int) else 1
    ranged = item.text("TemporalRangeType")
    places = ["-".join(map(str, values))] if ranged == "SEGMENT" and len(values) == 2 else [*map(str, values)]
    for mark in recording.marks:
        if (mark.code.key, mark.unit, mark.group) == (code.key, _PLACES[keyword], group):
            mark.places += places
            return True
    recording.marks.append(Mark(code, _PLACES[keyword], group, places))
    return True


def _short(number: Decimal) -> Decimal:
    """A quotient or product without trailing zeros and without an exponent."""
    shortened = number.normalize()
    return shortened.quantize(Decimal(1)) if shortened == shortened.to_integral_value() else shortened
