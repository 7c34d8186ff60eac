"""The plan of a run: which mapping reads which files, in which shards."""

from __future__ import annotations

import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fhir_bridge.mapping import Site, source_block
from fhir_bridge.pipeline.shard import Selection, ValidateMode
from fhir_bridge.plugins import Adapter, AssigningAdapter, CompletingAdapter, SplittingAdapter, adapters

__all__ = ["RunRequest", "Shard", "complete", "divided", "is_short", "plan"]


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a person asked for; plain values, so that it travels to worker processes.

    Attributes:
        mapping: name or file; None lets the adapter choose for each file.
        options: `--set K=V` pairs, over the mapping's `source:` block.
        validate: `sample` (first outputs of a rule, then 1 in 100), `all` or `none`.
        remap: a store lets an older version of a mapping replace what a newer one made.
        jobs: worker processes that a reader may use of its own, where all sources are read as one piece.
        short: the input is so short that compiling a mapping for speed would take longer than it gains.
    """

    adapter: str
    mapping: str | None = None
    site: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    validate: ValidateMode = "sample"
    remap: bool = False
    short: bool = False
    jobs: int = 1

    @property
    def records_of(self) -> str:
        """The adapter that the records are of: its own, but where an adapter reads records of another one's kind."""
        return str(getattr(adapters()[self.adapter], "records_of", self.adapter))

    def load_site(self) -> Site:
        """The site's settings, or the defaults where no file is named.

        Raises:
            SiteError: the file can't be used.
        """
        return Site.load(self.site) if self.site else Site()


@dataclass(frozen=True, slots=True)
class Shard:
    """Files that are read together by one mapping.

    Attributes:
        piece: what of its only file it is, where it is read in pieces (`SplittingAdapter`).
        states: of the last shard of such a file: what the pieces came to.
    """

    mapping: str
    paths: Sequence[Path]
    piece: Mapping[str, Any] | None = None
    states: tuple[Mapping[str, Any], ...] | None = None

    @property
    def ends(self) -> bool:
        """Whether it is read after all others."""
        return self.states is not None


SHORT_BYTES = 400_000
"""Input below which outputs are made as dicts: some 200 messages."""


def is_short(paths: Sequence[Path]) -> bool:
    """Whether files are short together; what has no size (a pipe) is not known to be."""
    total = 0
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            return False
        total += status.st_size
        if not stat.S_ISREG(status.st_mode) or total > SHORT_BYTES:
            return False
    return True


def plan(request: RunRequest, adapter: Adapter, paths: Sequence[Path], jobs: int) -> list[Shard]:
    """Shards in output order. An adapter with several mappings (`assign`) says which file is read by which."""
    assigned: Mapping[str, Sequence[Path]]
    if request.mapping is not None:
        assigned = {request.mapping: paths}
    elif isinstance(adapter, AssigningAdapter):
        assigned = adapter.assign(paths)
    else:
        assigned = {adapter.choose_mapping(paths): paths}
    return [
        Shard(mapping, piece)
        for mapping, files in assigned.items()
        if files
        for piece in adapter.shards(files, jobs)
    ]


def divided(request: RunRequest, adapter: Adapter, shards: Sequence[Shard], jobs: int) -> list[Shard]:
    """The pieces of the only file, where a run is of one and all records of it are asked for."""
    if (
        jobs > 1
        and len(shards) == 1
        and len(shards[0].paths) == 1
        and request.selection == Selection()
        and isinstance(adapter, SplittingAdapter)
    ):
        (shard,) = shards
        options = {**source_block(shard.mapping), **request.options}
        if pieces := adapter.pieces(shard.paths[0], jobs, options):
            return [
                *(replace(shard, piece=piece) for piece in pieces),
                replace(shard, piece=pieces[0], states=()),
            ]
    return list(shards)


def complete(request: RunRequest, adapter: Adapter, shards: Sequence[Shard]) -> None:
    """Let an adapter remember what a whole run has read and written; a run of some records only remembers nothing."""
    selection = request.selection
    if (
        not isinstance(adapter, CompletingAdapter)
        or selection.only is not None
        or selection.limit is not None
    ):
        return
    for shard in shards:
        adapter.complete(shard.paths, {**source_block(shard.mapping), **request.options})
