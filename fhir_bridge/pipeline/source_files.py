"""Many files by their names, and what was seen of each, in little memory: a folder may hold 200,000."""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, overload

from fhir_bridge.pipeline.context import SourceState

__all__ = ["SourceFiles", "SourceStates"]


class SourceFiles(Sequence[Path]):
    """Paths of files: folders once, names in one buffer; a path is created when it is asked for.

    Kept as `Path`s they would take half a kilobyte each.
    """

    __slots__ = ("_ends", "_folder_of", "_folders", "_names")

    def __init__(self, files: Iterable[str]) -> None:
        self._folder_of = array("L")
        self._ends = array("L")
        names = bytearray()
        folders: dict[str, int] = {}
        for file in files:
            start = file.rfind(os.sep) + 1
            self._folder_of.append(folders.setdefault(file[:start], len(folders)))
            names += file[start:].encode()
            self._ends.append(len(names))
        self._folders = list(folders)
        self._names = bytes(names)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, position: int) -> Path: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[Path]: ...

    def __getitem__(self, position: int | slice) -> Path | Sequence[Path]:
        if isinstance(position, slice):
            return SourceFiles(self._text(number) for number in range(*position.indices(len(self))))
        return Path(self._text(range(len(self))[position]))

    def __iter__(self) -> Iterator[Path]:
        return map(Path, map(self._text, range(len(self))))

    def _text(self, number: int) -> str:
        start = self._ends[number - 1] if number else 0
        return self._folders[self._folder_of[number]] + self._names[start : self._ends[number]].decode()


class SourceStates(Sequence[SourceState]):
    """The states of the files of a shard, in order.

    Raises:
        ValueError: what is given is no state of a file.
    """

    __slots__ = ("_packed",)

    def __init__(self, states: Iterable[SourceState] = ()) -> None:
        self._packed = bytearray()
        for state in states:
            try:
                self._packed += _STATE.pack(*state.status, bytes.fromhex(state.content))
            except struct.error as error:
                raise ValueError(f"no state of a file: {error}") from error

    def __len__(self) -> int:
        return len(self._packed) // _STATE.size

    @overload
    def __getitem__(self, position: int) -> SourceState: ...

    @overload
    def __getitem__(self, position: slice) -> Sequence[SourceState]: ...

    def __getitem__(self, position: int | slice) -> SourceState | Sequence[SourceState]:
        if isinstance(position, slice):
            return [self[number] for number in range(*position.indices(len(self)))]
        *status, content = _STATE.unpack_from(self._packed, range(len(self))[position] * _STATE.size)
        return SourceState(tuple(status), content.hex())


_STATE: Final = struct.Struct("<QQqq16s")
"""As `SourceState` has them: inode, size, two times; the hash."""
