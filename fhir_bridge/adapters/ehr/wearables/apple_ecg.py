"""An ECG of Apple Health's export (`electrocardiograms/*.csv`): lines of names and values, then a sample a line."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import IO, Final

from fhir_bridge.adapters.ehr.wearables.apple import iso_time
from fhir_bridge.adapters.ehr.wearables.readings import Channel, Device, Recording
from fhir_bridge.adapters.ehr.wearables.signals import SignalError
from fhir_bridge.fhir.ecg_leads import lead_number
from fhir_bridge.fhir.sampled_data import Scaling, period_of, sampled_data

__all__ = ["is_ecg", "read_ecg"]

_VALUE: Final = re.compile(r"[+-]?\d+(?:[.,]\d{1,6})?")
_RATE: Final = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:hertz|hz)\b", re.IGNORECASE)
_UNITS: Final = {"µV": "uV", "μV": "uV", "uV": "uV", "mV": "mV"}
_KEPT: Final = ("Classification", "Symptoms", "Software Version")
_MOST: Final = 4_000_000


def is_ecg(beginning: bytes) -> bool:
    """Whether a file begins as an ECG of the export does."""
    return beginning.lstrip(b"\xef\xbb\xbf").startswith(b"Name,") and b"Sample Rate," in beginning


def read_ecg(file: IO[bytes], name: str, limit: int) -> Recording:
    """The recording; its samples in thousandths of the stated unit.

    Args:
        name: names the recording within the export.
        limit: samples beyond which none is read.

    Raises:
        SignalError: it states no time, rate, lead or unit, or a line is no number.
    """
    lines = io.TextIOWrapper(file, "utf-8-sig", "replace", newline=None)
    stated: dict[str, str] = {}
    samples: list[int] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        key, comma, value = text.partition(",")
        if comma and key[:1].isalpha():
            stated[key.strip()] = value.strip().strip('"')
        elif _VALUE.fullmatch(text.strip('"')):
            samples.append(int(Decimal(text.strip('"').replace(",", ".")).scaleb(3)))
            if len(samples) > _MOST:
                raise SignalError(f"line {number}: more than {_MOST} samples")
        else:
            raise SignalError(f"line {number}: it is no number")
    start, rate = iso_time(stated.get("Recorded Date")), _RATE.search(stated.get("Sample Rate", ""))
    unit, lead = _UNITS.get(stated.get("Unit", "")), stated.get("Lead", "")
    for what, item in (("Recorded Date", start), ("Sample Rate", rate), ("Unit", unit), ("Lead", lead)):
        if not item:
            raise SignalError(f"its {what} is missing or can't be read")
    assert rate is not None
    assert unit is not None
    if not samples:
        raise SignalError("it has no samples")
    frequency = Decimal(rate[1].replace(",", "."))
    if not frequency:
        raise SignalError("its Sample Rate is 0")
    inline = len(samples) <= limit
    scaling = Scaling.by_gain(Decimal(1000), Decimal(0), unit)
    sampled = sampled_data(samples, scaling, period_of(frequency)) if inline else None
    channel = Channel(1, lead, unit, frequency, sampled, lead_number(lead.removeprefix("Lead").strip()))
    device = Device(stated.get("Device") or "Apple Watch", None, None, None)
    return Recording(
        name,
        start,
        len(samples) / frequency,
        [channel],
        device,
        len(samples),
        inline,
        True,
        list(_notes(stated)),
    )


def _notes(stated: dict[str, str]) -> Iterator[str]:
    names: Iterable[str] = _KEPT
    for name in names:
        if stated.get(name):
            yield f"{name}: {stated[name]}"
