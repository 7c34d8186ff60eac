"""What a person may say about an import."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import orjson

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """Wishes for one import; None leaves it to what the file says.

    Attributes:
        system: url of the code system, where the file does not indicate it or states another; of a mapping file, of the
            source codes.
        version: version of the code system or map.
        as_of: of a release with history (RF2 Full), the state of this day, `YYYYMMDD`.
        language: BCP-47 tag of the names, where the file does not indicate it.
    """

    system: str | None = None
    version: str | None = None
    as_of: str | None = None
    language: str | None = None

    def text(self) -> str:
        """As it enters the digest of an import."""
        return orjson.dumps(asdict(self)).decode()
