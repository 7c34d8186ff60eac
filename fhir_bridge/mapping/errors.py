"""What is wrong with a mapping document, and where: every error names file, line and column."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["MappingError", "MappingErrors", "Position", "nearest"]


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in a mapping document.

    Attributes:
        file: the document's path as it was given.
        line: from 1.
        column: from 1, in characters.
        reads: the selectors that the expression there reads, for issues on its value.
    """

    file: str
    line: int
    column: int
    reads: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class MappingError:
    """One error of a document.

    Attributes:
        position: where it is.
        message: what is wrong.
        suggestion: what was probably meant, or what to write; empty where nothing is near.
        code: the declared issue code (`FB-MAP-0nn`).
    """

    position: Position
    message: str
    suggestion: str = ""
    code: str = "FB-MAP-001"

    def __str__(self) -> str:
        text = f"{self.position}: {self.message}"
        return f"{text} ({self.suggestion})" if self.suggestion else text


class MappingErrors(ValueError):
    """A document does not compile. `errors` holds all that was found, in the order of the document."""

    def __init__(self, errors: Iterable[MappingError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.position, error.message)))
        super().__init__("\n".join(str(error) for error in self.errors))


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean "code"?` for the nearest known word, or an empty text where none is near."""
    names = list(known)
    lowered = {name.lower(): name for name in names}
    result = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=0.6)
    return f'did you mean "{lowered[result[0]]}"?' if result else ""
