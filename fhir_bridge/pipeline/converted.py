"""A source record after conversion, as sinks take it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fhir_bridge.mapping import Output
from fhir_bridge.plugins import DeliveredRecord, IssueLike

__all__ = ["ConvertedRecord"]


@dataclass(slots=True)  # frozen ones take three times as long to make, and there is one for each row
class ConvertedRecord:
    """What a source record became. Nobody changes it.

    Attributes:
        outputs: its resources; none where the record says nothing (any more).
        key: business key within the source, the same whenever the record is sent; empty where the adapter gives none.
        source: URI of the system it comes from (`urn:fhir-bridge:<adapter>:<name>`).
        mapping: version of the mapping.
        sequence: orders records of one business time.
        records: how many records it counts for; skipped: how many more it was read of, which do not count in it.
        of: the record it was built from, where that is part of a delivery.
        outcome: `converted`, `partial` or `rejected` as it was counted; a sink that can't write it counts it anew.
        issues: of the conversion.
        last_changed: see `RecordSet`.
        withheld: how many resources were made and are not among the outputs, since they are not valid.
    """

    outputs: Sequence[Output]
    key: str
    source: str
    mapping: str
    locator: str
    sequence: str = ""
    records: int = 1
    outcome: str = "converted"
    issues: Sequence[IssueLike] = ()
    withheld: int = 0
    skipped: int = 0
    of: DeliveredRecord | None = None
    last_changed: datetime | None = None
