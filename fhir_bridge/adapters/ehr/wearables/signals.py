"""Recordings of channels at fixed rates: WFDB and EDF (BDF), by the libraries of their authors."""

from __future__ import annotations

import warnings
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from fhir_bridge.adapters.ehr.wearables.readings import Channel, Device, Recording
from fhir_bridge.fhir import ucum
from fhir_bridge.fhir.ecg_leads import lead_number
from fhir_bridge.fhir.sampled_data import Scaling, period_of, sampled_data
from fhir_bridge.plugins.extras import require

__all__ = ["SignalError", "read_edf", "read_wfdb"]

_MISSING: Final = {
    "8": None,
    "16": -32768,
    "24": -8388608,
    "32": -2147483648,
    "61": -32768,
    "80": -128,
    "160": -32768,
    "212": -2048,
    "310": -512,
    "311": -512,
}
"""Format -> the sample that stands for a missing one (signal(5) of WFDB)."""
_UNITS: Final = {
    "mmHg": "mm[Hg]",
    "µV": "uV",
    "bpm": "/min",
    "BPM": "/min",
    "degC": "Cel",
    "°C": "Cel",
    "NU": None,
    "nd": None,
}
_NOTES: Final = 50


class SignalError(ValueError):
    """The recording can't be read."""


def read_wfdb(path: Path, limit: int) -> tuple[Recording, list[Path]]:
    """A recording of WFDB by its header, and the files that it is in.

    Args:
        limit: samples of all channels beyond which none is read.

    Raises:
        SignalError: the header or a file of samples can't be read.
    """
    require("signals")
    wfdb = _wfdb()
    stem = str(path.with_suffix(""))
    segments: list[Any] = []
    try:
        header = wfdb.rdheader(stem)
        multiple = getattr(header, "n_seg", None) is not None
        parts = [str(name) for name in (getattr(header, "seg_name", None) or ()) if name != "~"]
        names = sorted({str(name) for name in (getattr(header, "file_name", None) or ())})
        names += [f"{part}.hea" for part in sorted(set(parts))]
        if any("/" in name or "\\" in name or name.startswith(".") for name in names):
            raise SignalError("the header names files outside of its folder")
        files = [path, *(path.parent / name for name in names)]
        if lost := [file.name for file in files if not file.exists()]:
            raise SignalError(f"files of the recording are missing: {', '.join(lost)}")
        if multiple:
            segments = [wfdb.rdheader(str(path.parent / part)) for part in dict.fromkeys(parts)]
            inner = sorted(
                {str(name) for one in segments for name in (getattr(one, "file_name", None) or ())}
            )
            files += [file for name in inner if (file := path.parent / Path(name).name).exists()]
        elif (short := _cut_off(header, path.parent)) is not None:
            raise SignalError(f"{short} is cut off: the header states more samples than it has")
        whole = int(header.sig_len or 0) * int(header.n_sig or 0)
        inline = 0 < whole <= limit and not multiple
        record: Any = wfdb.rdrecord(stem, physical=False, smooth_frames=False) if inline else header
    except SignalError:
        raise
    except Exception as error:  # noqa: BLE001 - the library fails on a damaged file in any way
        raise SignalError(f"its header or samples can't be read ({_reason(error, path)})") from None
    frequency = Decimal(str(record.fs or 0))
    if frequency <= 0 or not _states_rate(path):
        raise SignalError("the header states no rate of samples")
    channels = []
    notes = []
    # The header of several segments names no channel; the first that is as wide does.
    described = next((one for one in segments if one.n_sig == record.n_sig), None) if multiple else record
    for number in range(int(record.n_sig or 0)):
        rate = frequency * int(_of_channel(described, "samps_per_frame", number) or 1)
        name = str(_of_channel(described, "sig_name", number) or f"channel {number + 1}")
        stated = str(_of_channel(described, "units", number) or "mV") if described is not None else ""
        unit = _unit(stated)
        notes += _unit_note(name, stated, unit)
        sampled = None
        if inline:
            try:
                gain = Decimal(repr(float(record.adc_gain[number])))
                scaling = Scaling.by_gain(gain, Decimal(int(record.baseline[number])), unit)
            except ValueError as error:
                raise SignalError(f"{name}: {error}") from None
            missing = _MISSING.get(str(record.fmt[number]))
            sampled = sampled_data(
                map(int, record.e_d_signal[number]), scaling, period_of(rate), missing=missing
            )
        channels.append(Channel(number + 1, name, unit, rate, sampled, lead_number(name)))
    start = None
    if record.base_time is not None:
        start = f"{record.base_date}T{record.base_time.isoformat()}" if record.base_date is not None else None
    elif record.base_date is not None:
        start = str(record.base_date)
    notes += [text.strip() for text in record.comments or () if text.strip()]
    if (annotated := Path(f"{stem}.atr")).exists():
        files.append(annotated)
        notes += _annotated(annotated, frequency)
    seconds = Decimal(int(record.sig_len)) / frequency if record.sig_len else None
    recording = Recording(
        str(record.record_name), start, seconds, channels, None, whole, inline, _is_ecg(channels), notes
    )
    return recording, files


def _states_rate(path: Path) -> bool:
    """Whether the record line has a rate: without one the library takes 250 Hz, which nobody stated."""
    with path.open(encoding="latin-1") as lines:
        stated = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    return len(stated.split()) > 2


def _wfdb() -> Any:
    """The library, whose import uses what pandas is about to remove."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import wfdb
    return wfdb


def _annotated(path: Path, frequency: Decimal) -> list[str]:
    """What reference annotations say: how many there are of each symbol, and when a rhythm begins or a text is."""
    wfdb = _wfdb()
    try:
        annotations = wfdb.rdann(str(path.with_suffix("")), path.suffix[1:])
        symbols = Counter(annotations.symbol)
        texts = [
            (Decimal(int(sample)) / frequency, symbol, text)
            for sample, symbol, aside in zip(
                annotations.sample, annotations.symbol, annotations.aux_note or (), strict=False
            )
            if (text := aside.replace("\0", "").strip())
        ]
    except Exception:  # noqa: BLE001 - the library fails on a damaged file in any way
        return ["the annotations can't be read"]
    counted = ", ".join(f"{symbol}: {count}" for symbol, count in sorted(symbols.items()))
    # A rhythm is `(AFIB` beside the symbol `+` (WFDB, annotations).
    timed = [
        f"{float(seconds):g} s: {f'rhythm {text[1:]}' if symbol == '+' and text[0] == '(' else text}"
        for seconds, symbol, text in texts
    ]
    return [*([f"annotations (WFDB codes): {counted}"] if counted else []), *_first(timed)]


def _first(notes: list[str]) -> list[str]:
    """No more notes than an Observation is to have; the file has all."""
    if len(notes) <= _NOTES:
        return notes
    return [*notes[:_NOTES], f"{len(notes) - _NOTES} more annotations are in the file"]


def read_edf(path: Path, limit: int) -> tuple[Recording, str | None]:
    """A recording of EDF or BDF, and the patient's code that it states.

    Raises:
        SignalError: it is no such file, or is cut off.
    """
    require("signals")
    import pyedflib

    try:
        with pyedflib.EdfReader(str(path)) as reader:
            return _edf(reader, path, limit)
    except SignalError:
        raise
    except Exception as error:  # noqa: BLE001 - the library fails on a damaged file in any way
        raise SignalError(f"its header or samples can't be read ({_reason(error, path)})") from None


def _reason(error: Exception, path: Path) -> str:
    return f"{type(error).__name__}: {str(error).replace(str(path), path.name)[:120]}"


_BYTES: Final = {"8": 1.0, "16": 2.0, "24": 3.0, "32": 4.0, "61": 2.0, "80": 1.0, "160": 2.0, "212": 1.5}
"""Format of WFDB -> bytes of a sample."""


def _cut_off(header: Any, folder: Path) -> str | None:
    """A file that has fewer samples than the header of the recording states."""
    needed: dict[str, float] = {}
    frames = header.samps_per_frame or [1] * len(header.file_name or ())
    for name, form, each in zip(header.file_name or (), header.fmt or (), frames, strict=False):
        if str(form) in _BYTES:
            needed[name] = needed.get(name, 0) + _BYTES[str(form)] * int(header.sig_len or 0) * int(each or 1)
    for name, size in needed.items():
        if (folder / Path(name).name).stat().st_size < int(size):
            return Path(name).name
    return None


def _edf(reader: Any, path: Path, limit: int) -> tuple[Recording, str | None]:
    counts = [int(count) for count in reader.getNSamples()]
    whole = sum(counts)
    inline = whole <= limit
    channels = []
    of_units: list[str] = []
    for number in range(reader.signals_in_file):
        label = reader.getLabel(number).strip() or f"channel {number + 1}"
        name = label.removeprefix("ECG ").removeprefix("EKG ").strip()
        stated = reader.getPhysicalDimension(number).strip()
        unit = _unit(stated)
        of_units += _unit_note(label, stated, unit)
        rate = Decimal(repr(float(reader.getSampleFrequency(number))))
        sampled = None
        if inline:
            digital = (
                Decimal(int(reader.getDigitalMinimum(number))),
                Decimal(int(reader.getDigitalMaximum(number))),
            )
            physical = (
                Decimal(repr(float(reader.getPhysicalMinimum(number)))),
                Decimal(repr(float(reader.getPhysicalMaximum(number)))),
            )
            try:
                scaling = Scaling.by_range(digital, physical, unit)
            except ValueError as error:
                raise SignalError(f"{label}: {error}") from None
            samples = reader.readSignal(number, digital=True)
            sampled = sampled_data(map(int, samples), scaling, period_of(rate))
        lead = lead_number(name) or (0 if label.upper().startswith(("ECG", "EKG")) else None)
        channels.append(Channel(number + 1, label, unit, rate, sampled, lead))
    onsets, _, texts = reader.readAnnotations()
    notes = [f"{float(onset):g} s: {text}" for onset, text in zip(onsets, texts, strict=False)]
    notes = [*of_units, *_first(notes)]
    start = reader.getStartdatetime()
    code = reader.getPatientCode().strip()
    model = reader.getEquipment().strip()
    device = Device(model) if model and model not in ("X", "equipment") else None
    recording = Recording(
        path.stem,
        start.isoformat(timespec="seconds"),
        Decimal(repr(float(reader.getFileDuration()))),
        channels,
        device,
        whole,
        inline,
        _is_ecg(channels),
        notes,
    )
    return recording, code if code and code != "X" else None


def _is_ecg(channels: list[Channel]) -> bool:
    """Whether a recording is an ECG: a channel is named as a lead of one."""
    return any(
        channel.lead is not None or channel.name.upper().startswith(("ECG", "EKG", "MLI", "V1", "V2", "V5"))
        for channel in channels
    )


def _unit(text: str) -> str | None:
    code = _UNITS.get(text, text)
    return code if code and ucum.is_valid(code) else None


def _unit_note(name: str, stated: str, unit: str | None) -> list[str]:
    """What a note says of a unit that UCUM does not have: the number of a sample means nothing without it."""
    return [f"{name} is in {stated}"] if stated and unit is None and stated not in ("NU", "nd") else []


def _of_channel(record: Any, name: str, number: int) -> Any:
    """What a header says of a channel; None where it does not."""
    values = getattr(record, name, None) or ()
    return values[number] if number < len(values) else None
