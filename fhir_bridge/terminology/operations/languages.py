"""Languages that a client asks for, as `Accept-Language` and `displayLanguage` write them (RFC 9110, 12.5.4)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

__all__ = ["Language", "LanguageError", "Languages", "parse_languages"]

_TAG = re.compile(r"\*|[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)")


class LanguageError(ValueError):
    """A list of languages that can't be read."""


@dataclass(frozen=True, slots=True)
class Language:
    """One wanted language: a BCP-47 tag or `*`, and how much it is wanted (0 says that it is not)."""

    tag: str
    quality: float = 1.0

    def match(self, tag: str) -> int:
        """How well a tag suits: 3 the same, 2 the same language and region, 1 the same language, 0 not at all."""
        if self.quality <= 0:
            return 0
        if self.tag == "*":
            return 1
        mine, other = self.tag.casefold().split("-"), tag.casefold().split("-")
        if mine == other:
            return 3
        if mine[0] != other[0]:
            return 0
        return 2 if len(mine) > 1 and len(other) > 1 and _region(mine) == _region(other) else 1


@dataclass(frozen=True, slots=True)
class Languages:
    """A list of wanted languages, the most wanted first.

    Attributes:
        text: the list as the client wrote it, white space tidied.
        wanted: in the order of quality, then of the list.
    """

    text: str
    wanted: tuple[Language, ...]

    def accepts(self, tag: str | None) -> bool:
        """Whether one of the named languages suits the tag; `*` suits each, and no tag suits always."""
        return tag is None or any(item.match(tag) for item in self.wanted)

    @property
    def closed(self) -> bool:
        """Whether other languages are ruled out (`*;q=0`)."""
        return any(item.tag == "*" and item.quality <= 0 for item in self.wanted)


def _region(parts: list[str]) -> str | None:
    return next((part for part in parts[1:] if len(part) == 2 or part.isdigit()), None)


@lru_cache(maxsize=256)
def parse_languages(text: str) -> Languages:
    """The list.

    Raises:
        LanguageError: an entry is neither a language tag nor `*`.
    """
    languages: list[Language] = []
    written: list[str] = []
    for entry in text.split(","):
        tag, *parameters = (part.strip() for part in entry.split(";"))
        if not tag and not parameters:
            continue
        if not _TAG.fullmatch(tag):
            raise LanguageError(f'"{tag}" is not a language tag')
        quality = 1.0
        for parameter in parameters:
            match = _QUALITY.fullmatch(parameter.replace(" ", ""))
            if match is None:
                raise LanguageError(f'"{parameter}" is not a quality between 0 and 1')
            quality = float(match[1])
        languages.append(Language(tag, quality))
        written.append("; ".join([tag, *parameters]))
    if not languages:
        raise LanguageError("no language is named")
    ordered = sorted(languages, key=lambda item: -item.quality)
    return Languages(_joined(text, written), tuple(ordered))


def _joined(text: str, written: list[str]) -> str:
    """As it was written, apart from the blank after a comma, which is where an entry has parameters."""
    if any(";" in item for item in written) or ", " in text:
        return ", ".join(written)
    return ",".join(written)
