"""Whether a text states a value: it is the value, or has it behind a label or among words of the same source.

`Not detected` has the word of `Detected` and states the opposite: a result is never read out of a longer text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final

from fhir_bridge.workshop.normal_forms import folded, plain, words

__all__ = ["is_negated", "states"]

_NEGATIONS: Final = frozenset(
    """not no non none never without neither nor negative denies denied absent excluded false nicht kein keine keinen
    keiner ohne nie negativ ausgeschlossen verneint pas ne sans aucun aucune jamais senza nessun nessuna mai sin ningún
    ninguna""".split()
)
_LABEL: Final = re.compile(r"(?:^|[\n;|]|\.\s)\s*[^:=\n;|]{1,60}[:=]\s*\Z")
_END: Final = re.compile(r"\s*(?:[\n;|,]|\.(?!\d)|\Z)")
_LONG: Final = 6
"""Words of a text that says by itself whether it is denied."""


def states(text: str, value: str, source: Collection[str]) -> bool:
    """Whether a text says a value and no more than its source.

    Args:
        source: words of the values that may stand around it.
    """
    if folded(text) == folded(value) or plain(text) == plain(value):
        return True
    outer = words(text)
    for start, end in _places(outer, words(value)):
        if all(word in source for word in (*outer[:start], *outer[end:])):
            return True
    own = text.casefold()
    for match in re.finditer(rf"(?<![\w.,]){re.escape(value.casefold())}(?!\w|[.,]\d)", own):
        label = _LABEL.search(own[: match.start()])
        after = own[match.end() :]
        ends = _END.match(after) or all(word in source for word in words(after))
        if label and ends and not _NEGATIONS & set(words(label[0])):
            return True
    return False


def is_negated(text: str, value: str, source: Collection[str]) -> bool:
    """Whether a text denies a value wherever it has it: by a negation in front that the source lacks."""
    inner = words(value)
    if len(inner) > _LONG:
        return False
    denied = stated = False
    for clause in re.split(r"[\n;|]|\.\s", text):
        outer = words(clause)
        for start, _ in _places(outer, inner):
            near = _NEGATIONS.intersection(outer[max(0, start - 3) : start])
            denied = denied or not near <= {*inner, *source}
            stated = stated or near <= {*inner, *source}
    return denied and not stated


def _places(outer: tuple[str, ...], inner: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where words follow one another in others."""
    for start in range(len(outer) - len(inner) + 1 if inner else 0):
        if outer[start : start + len(inner)] == inner:
            yield start, start + len(inner)
