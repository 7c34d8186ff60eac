"""What goes wrong with the content store and with files that are imported into it."""

from __future__ import annotations

__all__ = ["ImportProblem", "StoreError", "StoreNotWritten"]


class StoreError(ValueError):
    """The store, or one import in it, can't be used; the message names it and what to do."""


class StoreNotWritten(OSError):
    """The disk took no more of an import (it is full, or has failed); nothing of it is in the store."""


class ImportProblem(ValueError):
    """A file that can't be imported; nothing of it is in the store.

    Attributes:
        file: the file, inside an archive as `archive.zip!path`.
        line: line of the file, counted from 1; None where the trouble is not of one line.
        problem: what is wrong and what to do.
        code: issue code, see docs/issue-codes.md.
    """

    def __init__(self, file: str, line: int | None, problem: str, code: str = "FB-TERM-031") -> None:
        where = file if line is None else f"{file}, line {line}"
        super().__init__(f"{where}: {problem}")
        self.file = file
        self.line = line
        self.problem = problem
        self.code = code
