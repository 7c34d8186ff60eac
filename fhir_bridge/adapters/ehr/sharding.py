"""Many small files as few pieces of a run: each piece has its own files on disk, which take longer than a document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

__all__ = ["together"]

_PER_JOB: Final = 8
"""Pieces that each worker has at least: one that is slow keeps the others waiting for an eighth of the run."""
_FILES: Final = 64
"""Files of a piece at most: so much is done again where a run is cut off."""


def together(paths: Sequence[Path], jobs: int) -> list[list[Path]]:
    """The files in their order, neighbours together; a file each where there are few."""
    count = min(max(len(paths) // (_PER_JOB * max(jobs, 1)), 1), _FILES)
    return [list(paths[start : start + count]) for start in range(0, len(paths), count)]
