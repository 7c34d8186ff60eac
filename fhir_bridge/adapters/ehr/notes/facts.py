"""What a text states, and where: the form in which extractors give it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Doubt", "Fact"]


class Fact(NamedTuple):
    """A statement in a text. It is derived, never measured.

    Attributes:
        kind: `lvef`, `nyha`, `smoking`, `family`, or a word of the extractor's own.
        value: as the kind has it: a number or range (`35-40`, `<35`), a class (`2`, `2-3`), a status, a condition.
        start, end: the span in the text, in characters from 0.
        text: the span itself.
        relation: of `family`, whose condition it is; empty where the text does not say.
        negated: the text denies it (`no family history of …`).
    """

    kind: str
    value: str
    start: int
    end: int
    text: str
    relation: str = ""
    negated: bool = False


class Doubt(NamedTuple):
    """A value that a text states and that can be none: nothing is made of it.

    Attributes:
        kind: what it would be, in words.
        start, end: the span in the text, in characters from 0.
    """

    kind: str
    start: int
    end: int
