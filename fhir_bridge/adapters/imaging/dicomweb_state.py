"""What was read of archives in earlier runs, in a file: UIDs and counts, nothing of patients."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fhir_bridge.adapters.imaging.dicomweb_archives import ArchiveError

__all__ = ["ArchiveState", "KnownStudy", "States"]


@dataclass(slots=True)
class KnownStudy:
    """A study as it was read: number of series and instances by the archive, keys of the parts that came of it."""

    counts: list[int]
    parts: list[str]


@dataclass(slots=True)
class ArchiveState:
    """How far one archive was read.

    Attributes:
        change: of Orthanc's `/changes`, the last one; None where they were never asked for.
        totals: studies and instances that Orthanc counted then.
        swept: when all studies were looked at.
        studies: by Study Instance UID.
    """

    change: int | None = None
    totals: list[int] = field(default_factory=list)
    swept: datetime | None = None
    studies: dict[str, KnownStudy] = field(default_factory=dict)

    def due(self, days: float, now: datetime) -> bool:
        """Whether all studies are to be looked at again."""
        return self.swept is None or now - self.swept >= timedelta(days=days)


class States:
    """The states of all archives of a list; without a file each run begins anew."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.archives: dict[str, ArchiveState] = {}
        if path is None or not path.exists():
            return
        try:
            for name, item in json.loads(path.read_bytes()).items():
                studies = {uid: KnownStudy(*known) for uid, known in item["studies"].items()}
                swept = datetime.fromisoformat(item["swept"]) if item["swept"] else None
                self.archives[name] = ArchiveState(item["change"], item["totals"], swept, studies)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArchiveError(
                f"{path.name} is no file of ours ({type(error).__name__}); remove it"
            ) from error

    def of(self, archive: str) -> ArchiveState:
        """The state of one archive, which may be changed."""
        return self.archives.setdefault(archive, ArchiveState())

    def elsewhere(self, archive: str, study: str) -> set[str]:
        """Keys of the study's parts that other archives have."""
        return {
            key
            for name, state in self.archives.items()
            if name != archive and study in state.studies
            for key in state.studies[study].parts
        }

    def save(self) -> None:
        """Write the file, whole or not at all."""
        if self._path is None:
            return
        content: dict[str, Any] = {
            name: {
                "change": state.change,
                "totals": state.totals,
                "swept": state.swept and state.swept.isoformat(),
                "studies": {uid: [known.counts, known.parts] for uid, known in state.studies.items()},
            }
            for name, state in self.archives.items()
        }
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        temporary.write_text(json.dumps(content))
        temporary.replace(self._path)


def now() -> datetime:
    """The time, for what is asked now."""
    return datetime.now(UTC)
