"""Records that have to wait: their sources are kept in the store, and processed again once they find their patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.plugins import IssueLike
from fhir_bridge.storage import Store
from fhir_bridge.storage.inbox import InboxItem

__all__ = ["UNLINKED", "Waiting", "keep_waiting", "waiting_issue"]

UNLINKED = frozenset({"FB-ID-001", "FB-ID-002", "FB-ID-003"})
"""Issues that say: no patient could be linked, and the site holds such records."""

MOST_KEPT = 1 << 28
"""Bytes of a source file beyond which it is named in the inbox, and not kept: it has to be sent again."""

_PER_FILE = "FB-ID-003"
"""A sample without patient holds it in every line of its file: one entry says so."""

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Waiting:
    """A record that waits, and why. key: of a record of parts, whose parts the store has."""

    kind: Literal["held", "refused"]
    locator: str
    code: str
    message: str
    key: str = ""


def waiting_issue(issues: Iterable[IssueLike]) -> IssueLike | None:
    """The issue for which a record waits for its patient."""
    return next((issue for issue in issues if issue.code in UNLINKED), None)


async def keep_waiting(store: Store, run: SinkRun, waiting: Sequence[Waiting]) -> None:
    """Enter what waits in the inbox, each source file kept once."""
    keep = run.keep
    if keep is None:
        return
    links = await store.number_of_links()
    kept: dict[Path, bytes | None] = {}
    items: dict[tuple[str, str, str, str], InboxItem] = {}
    for one in waiting:
        path = None if one.key else _file(one.locator, keep.paths)
        if path is not None and path not in kept:
            kept[path] = None if path.stat().st_size > MOST_KEPT else await store.keep_source(_pieces(path))
        locator = path.name if path is not None and one.code == _PER_FILE else one.locator
        name = one.key if path is None else path.name
        again = {"mapping": keep.mapping, "options": dict(keep.options), "key": one.key}
        description = {**again, "context": run.context, "links": links}
        item = InboxItem(
            one.kind,
            run.adapter,
            locator,
            one.code,
            one.message,
            name,
            description,
            kept.get(path) if path else None,
        )
        items.setdefault((item.kind, item.source, item.locator, item.code), item)
    await store.note_inbox(list(items.values()))


def _file(locator: str, paths: Sequence[Path]) -> Path | None:
    """The file that a locator is in: locators begin with a file's name."""
    found = [path for path in paths if path.name in locator]
    return max(found, key=lambda path: len(path.name), default=None)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
