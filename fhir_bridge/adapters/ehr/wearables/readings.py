"""What a source of measurements gives: samples, summaries of samples, recordings, the device and the original."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

from fhir_bridge.fhir.datatypes import SampledData
from fhir_bridge.mapping import Record
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = [
    "Channel",
    "Coded",
    "Device",
    "Export",
    "Original",
    "Owner",
    "Part",
    "Reading",
    "Recording",
    "Sample",
    "Summary",
]

_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose the measurements are, as `patient()` takes it."""

    authority: str | None
    value: str

    @property
    def key(self) -> str:
        """The same for the same person."""
        return f"{self.authority or ''}|{self.value}"


@dataclass(frozen=True, slots=True)
class Coded:
    """The source's own name of what is measured."""

    system: str
    code: str
    text: str | None = None

    def codings(self) -> list[tuple[str, str, None, None]]:
        """System and code."""
        return [(self.system, self.code, None, None)]


@dataclass(frozen=True, slots=True)
class Device:
    """What measured: a watch, a scale, an application, a recorder."""

    name: str
    manufacturer: str | None = None
    model: str | None = None
    version: str | None = None

    @property
    def key(self) -> str:
        """The same for the same device; a new version of its software is the same device."""
        return "|".join((self.name, self.manufacturer or "", self.model or ""))


@dataclass(slots=True)
class Original:
    """A file that measurements come from. What is no larger than the limit is kept with it."""

    path: Path
    content_type: str
    inline: int
    outer: Any = None
    _hash: str | None = None

    @property
    def title(self) -> str:
        """The file's name."""
        return self.path.name

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    @property
    def hash(self) -> str:
        """SHA-1 in base64, as R4 asks for (datatypes.html#Attachment)."""
        if self._hash is None:
            digest = hashlib.sha1(usedforsecurity=False)
            with self.path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
            self._hash = base64.b64encode(digest.digest()).decode()
        return self._hash

    @property
    def data(self) -> str | None:
        """The content in base64; None where the file is larger than the limit."""
        return base64.b64encode(self.path.read_bytes()).decode() if self.size <= self.inline else None

    @property
    def place(self) -> str | None:
        """Where a file is that is not kept."""
        return None if self.size <= self.inline else f"file:{self.path.name}"


@dataclass(slots=True)
class Part:
    """A file within an export (a route, an ECG), as `Original`."""

    title: str
    content_type: str
    size: int
    hash: str
    data: str | None
    place: str | None
    outer: Any = None

    @classmethod
    def read(cls, file: IO[bytes], title: str, content_type: str, place: str, inline: int) -> Part:
        """Read it once; what is no larger than `inline` bytes is kept with it."""
        digest, size, kept = hashlib.sha1(usedforsecurity=False), 0, bytearray()
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if size <= inline:
                kept += block
        whole = size <= inline
        data = base64.b64encode(kept).decode() if whole else None
        sha1 = base64.b64encode(digest.digest()).decode()
        return cls(title, content_type, size, sha1, data, None if whole else place)


@dataclass(slots=True)
class Measured:
    """What samples and summaries share."""

    code: Coded
    unit: str | None
    start: str
    end: str | None
    device: Device | None
    locator: str
    outer: Any = None


@dataclass(slots=True)
class Sample(Measured):
    """One measured value. `low`, in `low_unit`, is the diastolic pressure beside a systolic one.

    An `event` (an irregular rhythm, a symptom) has the category that it is of in place of a value.
    """

    value: str | None = None
    low: str | None = None
    text: str | None = None
    low_unit: str | None = None
    event: str | None = None


@dataclass(slots=True)
class Summary(Measured):
    """All samples of a day or hour: `start` is the day, or the hour with its offset."""

    count: int = 0
    least: Decimal | None = None
    most: Decimal | None = None
    total: Decimal | None = None
    mean: Decimal | None = None
    daily: bool = True
    statistic: str = "mean"


@dataclass(slots=True)
class Channel:
    """A channel of a recording."""

    number: int
    name: str
    unit: str | None
    frequency: Decimal
    sampled: SampledData | None
    lead: int | None = None
    outer: Any = None


@dataclass(slots=True)
class Recording:
    """Channels recorded together."""

    name: str
    start: str | None
    seconds: Decimal | None
    channels: list[Channel]
    device: Device | None
    samples: int
    inline: bool
    is_ecg: bool
    notes: list[str] = field(default_factory=list)
    locator: str = ""
    outer: Any = None


@dataclass(slots=True)
class Export:
    """All that a phone holds at a time (a `SourceDelivery`): a newer one replaces what an older one says.

    It has no name: the exports of all phones are called `export.zip`.
    """

    id: str
    time: datetime
    name: str = ""
    assembly: str = ""
    complete: bool = True
    sexes: Mapping[str, str] = field(default_factory=dict)


class Reading(Record):
    """A source record with the objects that it holds, by scope."""

    root = "Reading"
    ends_delivery = False
    undated_key = ""
    """The key of the same record in a store of a version that did not look at an export's date."""

    def __init__(
        self,
        locator: str,
        origin: str,
        owner: Owner | None,
        objects: Sequence[Any] = (),
        *,
        source: str = "",
        records: int = 1,
        outcome: RecordOutcome = "read",
        issues: Sequence[IssueLike] = (),
        key: str = "",
        time: datetime | None = None,
        file: str = "",
        kept_for: Owner | None = None,
        delivery: Export | None = None,
        place: int | None = None,
    ) -> None:
        super().__init__(
            locator,
            source=source or origin,
            records=records,
            outcome=outcome,
            issues=list(issues),
            key=key,
            time=time,
        )
        self.origin = origin
        self.patient = owner
        # Files of two people may have one name (`export.zip`): what is made of them is never the same resource.
        self.series = f"{origin}\0{owner.key}" if owner else origin
        self.kept: str | None = f"{origin}\0{kept_for.key}" if kept_for else origin
        self.file = file
        self.delivery = delivery
        self.place = place
        self.part = "export" if delivery is not None else ""
        self.device = next((one.device for one in objects if getattr(one, "device", None)), None)
        self._objects = objects
        for one in objects:
            one.outer = self
        for one in objects:
            if isinstance(one, Recording):
                for channel in one.channels:
                    channel.outer = one

    def scope(self, name: str) -> Iterable[Any]:
        """The objects of a scope."""
        if name == self.root:
            return (self,)
        return [
            one
            for one in self._objects
            if one.__class__.__name__ == name or (name == "Original" and isinstance(one, Part))
        ]
