"""Waveforms (PS3.3 C.10.9, C.10.10): leads with their samples and scaling, annotations, statements."""

from __future__ import annotations

import sys
from array import array
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from pydicom.dataset import Dataset

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.elements import element_value, item_value
from fhir_bridge.adapters.imaging.times import joined, valid_datetime
from fhir_bridge.adapters.imaging.vital_signs import in_profile_unit, is_vital_sign

__all__ = ["Annotation", "Lead", "Recording", "UnreadableWaveform", "Waveform", "read_recording"]

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
_MDC_POTENTIAL: Final = 131328
"""MDC_ECG_ELEC_POTL (2:256): the potential of lead n is this plus n (ISO/IEEE 11073-10102)."""

_LEADS: Final = {
    1: "I",
    2: "II",
    61: "III",
    62: "aVR",
    63: "aVL",
    64: "aVF",
    **{number + 2: f"V{number}" for number in range(1, 7)},
}


class UnreadableWaveform(ValueError):
    """A waveform's samples can't be had; the message says why."""


@dataclass(slots=True)
class Lead:
    """One channel of a multiplex group.

    The voltage of a sample is `sample * factor + baseline`, in `unit` (PS3.3 C.10.9.1.4.2: sensitivity times
    correction factor; the baseline is in the unit of the sensitivity).
    """

    outer: Waveform
    position: int
    source: Code | None
    factor: Decimal | None
    baseline: Decimal
    unit: str | None
    padding: int | None

    @property
    def number(self) -> int | None:
        """Lead number of the SCP-ECG and MDC lead tables (I 1, II 2, V1 3, III 61); None for other channels."""
        if self.source is None or not self.source.value:
            return None
        for scheme, prefix in (("SCPECG", "5.6.3-9-"), ("MDC", "2:")):
            if self.source.scheme == scheme and self.source.value.startswith(prefix):
                rest = self.source.value.removeprefix(prefix).strip()
                if rest.isdigit() and 0 < int(rest) < 256:
                    return int(rest)
        return None

    @property
    def name(self) -> str | None:
        """`aVR`, or what the source calls it."""
        return _LEADS.get(self.number or 0) or (self.source.text if self.source else None)

    @property
    def code(self) -> Code | None:
        """The MDC code of the lead's potential; another channel keeps the code of its source."""
        number = self.number
        if number is None:
            return self.source
        return Code(
            str(_MDC_POTENTIAL + number), "MDC", f"MDC_ECG_ELEC_POTL_{(self.name or str(number)).upper()}"
        )

    @property
    def samples(self) -> array[int]:
        """The samples as stored, before scaling."""
        return self.outer.values[self.position :: self.outer.channels]

    @property
    def text(self) -> str:
        """The samples as SampledData writes them: integers, `E` for padding."""
        samples = self.samples
        if self.padding is not None and self.padding in samples:
            return " ".join("E" if sample == self.padding else str(sample) for sample in samples)
        return " ".join(map(str, samples))


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
        values: all samples, channel by channel within a sample time.
    """

    outer: Recording
    position: int
    label: str | None
    derived: bool
    channels: int
    samples: int
    frequency: Decimal
    values: array[int]
    leads: list[Lead] = field(default_factory=list)

    @property
    def period(self) -> Decimal:
        """Milliseconds between samples."""
        return _short((Decimal(1000) / self.frequency).quantize(Decimal("1E-12")))

    @property
    def total_samples(self) -> int:
        return self.samples * self.channels

    @property
    def is_ecg(self) -> bool:
        """Whether every channel is an ECG lead."""
        return bool(self.leads) and all(lead.number is not None for lead in self.leads)

    @property
    def time(self) -> str | None:
        return self.outer.time


@dataclass(slots=True)
class Annotation:
    """A measured annotation (PS3.3 C.10.10): an interval, an axis, a rate."""

    outer: Recording
    position: int
    code: Code
    value: Decimal | None
    unit: Code | None

    @property
    def is_vital_sign(self) -> bool:
        return is_vital_sign(self.code)

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
class Recording:
    """A waveform instance.

    Attributes:
        statements: interpretive statements, in the source's words.
        points: annotations of points in time, which stay in the DICOM.
        skewed: channels are sampled at shifted times.
    """

    outer: Any
    uid: str
    time: str | None
    equipment: Any = None
    waveforms: list[Waveform] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)
    points: int = 0
    skewed: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def study(self) -> Any:
        return self.outer

    @property
    def conclusion(self) -> str | None:
        """The statements, one a line."""
        return "\n".join(self.statements) or None

    @property
    def is_ecg(self) -> bool:
        return any(waveform.is_ecg for waveform in self.waveforms)


def read_recording(dataset: Dataset, study: Any, equipment: Any = None) -> Recording:
    """Read a waveform instance; `equipment` is what made its series.

    A group that can't be read is named in `problems`; the others stay.
    """
    offset = study.offset
    recording = Recording(
        study,
        str(dataset.SOPInstanceUID),
        valid_datetime(_text(dataset, "AcquisitionDateTime"), offset)
        or joined(_text(dataset, "ContentDate"), _text(dataset, "ContentTime"), offset)[0]
        or study.started,
        equipment,
    )
    _, little = dataset.original_encoding
    for position, group in enumerate(dataset.get("WaveformSequence", ()), 1):
        try:
            recording.waveforms.append(_waveform(recording, group, position, little=bool(little)))
        except UnreadableWaveform as problem:
            recording.problems.append(f"group {position}: {problem}")
    for position, item in enumerate(dataset.get("WaveformAnnotationSequence", ()), 1):
        _annotate(recording, item, position)
    return recording


def _waveform(recording: Recording, group: Dataset, position: int, *, little: bool) -> Waveform:
    channels = int(group.get("NumberOfWaveformChannels") or 0)
    count = int(group.get("NumberOfWaveformSamples") or 0)
    frequency = _number(group, "SamplingFrequency")
    if not channels or not count or frequency is None or frequency <= 0:
        raise UnreadableWaveform("channels, samples or Sampling Frequency is missing")
    interpretation = str(group.get("WaveformSampleInterpretation") or "")
    bits = int(group.get("WaveformBitsAllocated") or 0)
    kind = _TYPES.get((interpretation, bits))
    if kind is None:
        raise UnreadableWaveform(
            f"samples of interpretation {interpretation or '(none)'} and {bits} bits are not read"
        )
    values: array[int] = array(kind)
    stored = bytes(group.get("WaveformData") or b"")
    needed = channels * count * values.itemsize
    if len(stored) < needed:
        raise UnreadableWaveform(f"Waveform Data has {len(stored)} bytes of {needed}")
    values.frombytes(stored[:needed])
    if little != (sys.byteorder == "little"):
        values.byteswap()
    definitions = list(group.get("ChannelDefinitionSequence", ()))
    if len(definitions) != channels:
        raise UnreadableWaveform(f"{len(definitions)} channels are defined of {channels}")
    waveform = Waveform(
        recording,
        position,
        _text(group, "MultiplexGroupLabel"),
        group.get("WaveformOriginality") == "DERIVED",
        channels,
        count,
        frequency,
        values,
    )
    padding = _padding(group, kind, little=little)
    waveform.leads = [_lead(waveform, item, place, padding) for place, item in enumerate(definitions)]
    recording.skewed |= any(
        bool(_number(item, keyword))
        for item in definitions
        for keyword in ("ChannelTimeSkew", "ChannelSampleSkew")
    )
    return waveform


def _lead(waveform: Waveform, item: Dataset, position: int, padding: int | None) -> Lead:
    sensitivity = _number(item, "ChannelSensitivity")
    correction = _number(item, "ChannelSensitivityCorrectionFactor")
    unit = _first_code(item, "ChannelSensitivityUnitsSequence")
    factor = None
    if sensitivity is not None:
        factor = _short(sensitivity * (correction if correction is not None else 1))
    return Lead(
        waveform,
        position,
        _first_code(item, "ChannelSourceSequence"),
        factor,
        _number(item, "ChannelBaseline") or Decimal(0),
        unit.value if unit is not None and unit.scheme == "UCUM" and unit.value else None,
        padding,
    )


def _padding(group: Dataset, kind: str, *, little: bool) -> int | None:
    stored = group.get("WaveformPaddingValue")
    if stored is None:
        return None
    if isinstance(stored, int):
        return stored
    value: array[int] = array(kind)
    if not isinstance(stored, bytes) or len(stored) < value.itemsize:
        return None
    value.frombytes(stored[: value.itemsize])
    if little != (sys.byteorder == "little"):
        value.byteswap()
    return value[0]


def _annotate(recording: Recording, item: Dataset, position: int) -> None:
    code = _first_code(item, "ConceptNameCodeSequence")
    value = _number(item, "NumericValue")
    text = _text(item, "UnformattedTextValue")
    if code is not None and value is not None:
        unit = _first_code(item, "MeasurementUnitsCodeSequence")
        changed, unit = in_profile_unit(code, value, unit)
        recording.annotations.append(Annotation(recording, position, code, changed, unit))
    elif text:
        recording.statements.append(text)
    elif (coded := _first_code(item, "ConceptCodeSequence")) is not None and (coded.meaning or coded.value):
        recording.statements.append(coded.meaning or coded.value or "")
    elif (
        "ReferencedSamplePositions" in item or "ReferencedTimeOffsets" in item or "ReferencedDateTime" in item
    ):
        recording.points += 1


def _first_code(item: Dataset, keyword: str) -> Code | None:
    for each in item.get(keyword) or ():
        value = item_value(each)
        return value if isinstance(value, Code) else None
    return None


def _number(item: Dataset, keyword: str) -> Decimal | None:
    if keyword not in item:
        return None
    value = element_value(item[keyword])
    first = value[0] if isinstance(value, list) else value
    return Decimal(first) if isinstance(first, int | Decimal) else None


def _text(item: Dataset, keyword: str) -> str | None:
    value = item.get(keyword)
    return str(value).strip() or None if value is not None else None


def _short(number: Decimal) -> Decimal:
    """A quotient or product without trailing zeros and without an exponent."""
    shortened = number.normalize()
    return shortened.quantize(Decimal(1)) if shortened == shortened.to_integral_value() else shortened
