"""What may have been meant by a code or a code system that is not available."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from fhir_bridge.terminology.check_digits import is_well_formed
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.folding import words
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.library import Library

__all__ = ["did_you_mean", "near_codes", "near_names", "near_systems"]

_LONGEST, _SHORTEST = 40, 3
"""Of a longer or shorter code the slips are not gone through: they would be too many, or lead anywhere."""


def near_codes(
    content: CodeSystemContent, code: str, display: str | None = None, limit: int = 3
) -> list[str]:
    """Codes that differ by one slip of the pen (a character missing, doubled, wrong or exchanged with the next), then
    those that are called just as the code or display says. As fast for a large code system as for a small one."""
    results: dict[str, None] = {}
    if isinstance(content, GrammarContent):
        return []  # what is one slip away is well formed too, and means something else
    if len(code) <= _LONGEST:
        for written in _slips(code):
            right = content.find(written)
            if right is not None and is_well_formed(content.url, right):
                results[right] = None
                if len(results) == limit:
                    return list(results)
    for text in (display, code):
        if text and len(text) > 2 and not text.isdigit():
            named = tuple(words(text))
            called = (
                item
                for item in content.search(text, limit)
                if tuple(words(content.display(item) or "")) == named
            )
            results.update(dict.fromkeys(called))
    return list(results)[:limit]


def did_you_mean(content: CodeSystemContent, codes: Sequence[str]) -> str:
    """`"a" (Display of a) or "b"`."""
    names = []
    for code in codes:
        display = content.display(code)
        names.append(f'"{code}"' + (f" ({display})" if display else ""))
    return " or ".join(names)


def near_names(names: Sequence[str], name: str, limit: int = 1) -> list[str]:
    """The names that are written most alike: those that end alike first, for urls mostly begin alike."""
    tail = name.rstrip("/").rpartition("/")[2].casefold()
    same = [item for item in names if tail and item.rpartition("/")[2].casefold() == tail]
    return (same or difflib.get_close_matches(name, names, limit, 0.8))[:limit]


def near_systems(library: Library, url: str) -> list[str]:
    """Code systems available whose url is most like this one."""
    return near_names(sorted(library.code_system_urls()), url)


def _slips(code: str) -> Iterator[str]:
    """Other writings of a code, the likeliest first, each perhaps more than once."""
    yield from (code.strip(), code.upper(), code.lower(), code.replace("_", "-"), code.replace("-", "_"))
    if len(code) < _SHORTEST:
        return
    kinds = ["0123456789"]
    if any(item.isupper() for item in code):
        kinds.append("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if any(item.islower() for item in code):
        kinds.append("abcdefghijklmnopqrstuvwxyz")
    letters = "".join(kinds) + "-._"
    for at in range(len(code) - 1):
        yield code[:at] + code[at + 1] + code[at] + code[at + 2 :]
    for at in range(len(code)):
        yield code[:at] + code[at + 1 :]
    for at in range(len(code)):
        yield from (code[:at] + letter + code[at + 1 :] for letter in letters)
    for at in range(len(code) + 1):
        yield from (code[:at] + letter + code[at:] for letter in letters)
