"""A folder whose files are received as DICOM objects once nobody writes to them any more."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from fhir_bridge.pipeline.instances import InstanceReceiver
from fhir_bridge.pipeline.receiving import Unavailable

__all__ = ["watch"]

LOOK_SECONDS = 1.0
"""How often it is looked; a file that had the same size and time at two looks is complete."""
RECEIVED, REFUSED = "received", "refused"

_log = logging.getLogger("fhir_bridge.dicom")

_Status = tuple[int, int, int]


async def watch(folder: Path, receiver: InstanceReceiver, stopped: asyncio.Event) -> None:
    """Receive what appears in the folder and below it, until `stopped`.

    A file is moved into `received` or `refused` once that is decided, under the name that it had. One whose name begins
    with a dot or ends in `.part` or `.tmp` is still being written.
    """
    before: dict[Path, _Status] = {}
    while not stopped.is_set():
        try:
            now = await asyncio.to_thread(_files, folder)
        except OSError as error:
            _log.error("the folder %s can't be read: %s", folder, error.strerror)
            now = {}
        for path, status in now.items():
            if before.get(path) == status and not stopped.is_set():
                try:
                    await _take(folder, path, receiver)
                except Unavailable as error:
                    _log.error("files wait: the database does not answer (%s)", error)
                    break
                except OSError as error:
                    _log.error("a file can't be moved: %s", error.strerror)
        before = now
        try:
            await asyncio.wait_for(stopped.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue


def _files(folder: Path) -> dict[Path, _Status]:
    matched = {}
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not (path == str(folder) and name in (RECEIVED, REFUSED))
        )
        for name in sorted(names):
            each = Path(path, name)
            if name.startswith(".") or name.endswith((".part", ".tmp")) or each.is_symlink():
                continue
            try:
                status = each.stat()
            except FileNotFoundError:
                continue
            matched[each] = (status.st_size, status.st_mtime_ns, status.st_ino)
    return matched


async def _take(folder: Path, path: Path, receiver: InstanceReceiver) -> None:
    kept = await receiver.receive(path, named=True)
    if kept.outcome != "kept":
        _log.warning("%s is refused: %s", path.relative_to(folder), kept.reason)
    below = folder / (RECEIVED if kept.outcome == "kept" else REFUSED) / path.relative_to(folder)
    await asyncio.to_thread(_move, path, below)


def _move(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):  # the same name came before
        if not target.exists():
            break
        target = target.with_name(f"{path.name}.{number}")
    path.rename(target)
