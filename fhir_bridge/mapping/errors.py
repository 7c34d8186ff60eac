"""What is wrong with a mapping document, and where: every error names file, line and column."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

__all__ = ["MappingError", "MappingErrors", "Position", "Report", "nearest", "refuse"]


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


Report = Callable[[MappingError], None]
"""Takes an error, so that all of a document are found."""


def refuse(
    report: Report, position: Position, message: str, suggestion: str = "", number: str = "003"
) -> None:
    """Report what is wrong, under the issue code `FB-MAP-<number>`."""
    report(MappingError(position, message, suggestion, f"FB-MAP-{number}"))


class MappingErrors(ValueError):
    """A document does not compile. `errors` holds all that was found, in the order of the document."""

    def __init__(self, errors: Iterable[MappingError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.position, error.message)))
        super().__init__("\n".join(str(error) for error in self.errors))


_ALIKE = str.maketrans("oil", "011")
"""Letters that look like digits."""


def nearest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`did you mean "code"?` for the nearest known word, or an empty text where none is near.

    Of words that are as near, one that looks the same and one of the same letters go first, then one that begins so.
    """
    lowered = {name.lower(): name for name in known}
    text = word.lower()
    close = difflib.get_close_matches(text, lowered, n=40, cutoff=cutoff)
    if not close:
        return ""
    best = difflib.SequenceMatcher(None, text, close[0]).ratio()
    near = [name for name in close if difflib.SequenceMatcher(None, text, name).ratio() > best - 0.02]
    alike = [name for name in near if name.translate(_ALIKE) == text.translate(_ALIKE)]
    shuffled = [name for name in near if sorted(name) == sorted(text)]
    longer = [name for name in near if name.startswith(text)]
    chosen = dict.fromkeys([*alike[:1], *shuffled[:1]]) or dict.fromkeys([*longer, *near][:1])
    shown = " or ".join(f'"{lowered[name]}"' for name in chosen)
    return f"did you mean {shown}?"
