"""How large a document may be: what the mapping allows, and what the machine has memory for."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["MOST_MB", "free_megabytes", "refusal"]

MOST_MB: Final = 512
"""The highest limit that may be set. A document is kept whole in its DocumentReference, in base64: of a larger one
that is more than a value of PostgreSQL may have (1 GB)."""
_TIMES: Final = 30
"""What reading takes, by size of the file: measured 27 times where all of it is entries, 8 where it is one PDF."""
_SURE_MB: Final = 64
_MEMINFO: Final = Path("/proc/meminfo")
_GROUP: Final = Path("/sys/fs/cgroup")


def refusal(size: int, limit: int) -> str | None:
    """Why a file of so many bytes is not read; None where it may be.

    Args:
        limit: of the mapping, in megabytes.
    """
    if size > limit << 20:
        return f"the file is larger than {limit} MB (source.max_document_mb), and was not read"
    megabytes = size >> 20
    free = free_megabytes() if size > _SURE_MB << 20 else None
    if free is not None and megabytes * _TIMES > free:
        return (
            f"the file has {megabytes} MB; to read it takes up to {megabytes * _TIMES} MB of memory, of which "
            f"{free} MB are free, and it was not read"
        )
    return None


def free_megabytes() -> int | None:
    """Memory that can be had without swapping, within the container's limit; None where the system does not say."""
    free = None
    try:
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) >> 10
        allowed = (_GROUP / "memory.max").read_text(encoding="ascii").strip()
        if allowed != "max":
            used = int((_GROUP / "memory.current").read_text(encoding="ascii"))
            within = max(int(allowed) - used, 0) >> 20
            free = within if free is None else min(free, within)
    except (OSError, ValueError):
        pass  # another system, or no limit of its own
    return free
