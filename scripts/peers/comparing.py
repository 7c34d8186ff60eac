"""Element by element: what both say, what one says alone, and whether the other says it somewhere else."""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.peers.aligning import Aligned, Subject
from scripts.peers.statements import Statement, all_forms, words

__all__ = ["OUTCOMES", "Finding", "compare"]

OUTCOMES = ("equal", "we", "they", "different")
"""Of a value: both have it in this element; one side alone has a value there; each has another."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A value of an element, and how the two sides differ in it.

    Attributes:
        where: the input.
        outcome: one of `OUTCOMES`.
        aligned: whether the resource has a partner on the other side.
        elsewhere: of a value that one side alone has there: the other has it in another element or resource.
    """

    where: str
    element: str
    outcome: str
    ours: str
    theirs: str
    aligned: bool = True
    elsewhere: bool = False


def compare(where: str, aligned: Aligned) -> Iterator[Finding]:
    """What both sides say of one input."""
    here = _pool([*(mine for mine, _ in aligned.both), *aligned.ours])
    there = _pool([*(other for _, other in aligned.both), *aligned.theirs])
    for mine, other in aligned.both:
        yield from _of_pair(where, mine, other, here, there)
    for subject in aligned.ours:
        for each in subject.content:
            yield _alone(where, each, "we", there, aligned=False)
    for subject in aligned.theirs:
        for each in subject.content:
            yield _alone(where, each, "they", here, aligned=False)


def _of_pair(
    where: str, mine: Subject, other: Subject, here: frozenset[str], there: frozenset[str]
) -> Iterator[Finding]:
    left, right = _by_element(mine.content), _by_element(other.content)
    for element in sorted(left.keys() | right.keys()):
        ours, theirs = left.get(element, []), right.get(element, [])
        for each in list(ours):
            same = next((one for one in theirs if one.keys & each.keys), None)
            if same is not None:
                ours.remove(each)
                theirs.remove(same)
                yield Finding(where, element, "equal", each.shown, same.shown)
        for a, b in zip(ours, theirs, strict=False):
            yield Finding(where, element, "different", a.shown, b.shown)
        for each in ours[len(theirs) :]:
            yield _alone(where, each, "we", there, aligned=True)
        for each in theirs[len(ours) :]:
            yield _alone(where, each, "they", here, aligned=True)


def _by_element(statements: Iterable[Statement]) -> dict[str, list[Statement]]:
    results = defaultdict(list)
    for each in statements:
        results[each.element].append(each)
    return results


def _alone(where: str, each: Statement, side: str, pool: frozenset[str], *, aligned: bool) -> Finding:
    ours, theirs = (each.shown, "") if side == "we" else ("", each.shown)
    return Finding(where, each.element, side, ours, theirs, aligned, _within(each, pool))


def _pool(subjects: Iterable[Subject]) -> frozenset[str]:
    """All that a side says, wherever: keys of its statements, and what is within its texts, attachments included."""
    results: set[str] = set()
    for subject in subjects:
        for each in subject.content:
            results.update(each.keys)
        for resource in subject.resources:
            for text in _texts(resource):
                results |= all_forms(text)
    return frozenset(results)


def _texts(part: Any, name: str = "") -> Iterator[str]:
    """The values of a resource as text, but those of its narrative and its own id."""
    if isinstance(part, Mapping):
        for key, inner in part.items():
            if key not in ("div", "id", "resourceType"):
                yield from _texts(inner, key)
    elif isinstance(part, list):
        for inner in part:
            yield from _texts(inner, name)
    elif part is not None:
        yield _decoded(str(part)) if name == "data" else str(part)


def _decoded(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except ValueError:
        return ""


def _within(each: Statement, pool: frozenset[str]) -> bool:
    """Whether a value, the code of a coding, the number or name of a reference is somewhere in a pool."""
    if each.keys & pool:
        return True
    text = words(each.shown.rpartition("|")[2])
    short = " ".join(text.split()[:9])
    return bool(text) and (text in pool or short in pool)
