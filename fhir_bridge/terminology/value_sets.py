"""Membership in value sets given as FHIR JSON, answered without expanding them (R4 valueset.html#compositions)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

__all__ = ["Asks", "LocalValueSet"]

MAX_DEPTH = 20
"""Value sets that import each other deeper than this are taken as cyclic: the part that asks can't be decided."""


@dataclass(frozen=True)
class Asks:
    """What a value set needs to know of the terminology around it.

    Attributes:
        exists: whether a code exists in a system; None where the system is not at hand.
        filtered: whether a code passes a filter (property, op, value) of a system; None where that can't be decided.
        member: whether a coding is in another value set.
    """

    exists: Callable[[str, str], bool | None]
    filtered: Callable[[str, str, tuple[str, str, str]], bool | None]
    member: Callable[[str, str | None, str, int], bool | None]


@dataclass(frozen=True)
class LocalValueSet:
    """A ValueSet resource of a folder."""

    resource: Mapping[str, Any]

    def member(self, system: str | None, code: str, asks: Asks, depth: int = 0) -> bool | None:
        """Whether the coding is in the value set; None where that takes terminology that is not at hand.

        `system` None asks for a bare code: every system of the value set is tried.
        """
        if depth > MAX_DEPTH:
            return None
        compose = self.resource.get("compose")
        if not isinstance(compose, dict):
            return self._expanded(system, code)
        if system is None:
            answers = [self.member(one, code, asks, depth) for one in self._systems]
            return _any(answers) if answers else None
        excluded = _any([self._selects(p, system, code, asks, depth) for p in compose.get("exclude", ())])
        if excluded:
            return False
        included = _any([self._selects(p, system, code, asks, depth) for p in compose.get("include", ())])
        return None if included and excluded is None else included

    @cached_property
    def _systems(self) -> tuple[str, ...]:
        parts = self.resource.get("compose", {}).get("include", ())
        return tuple(dict.fromkeys(part["system"] for part in parts if isinstance(part.get("system"), str)))

    def _selects(
        self, part: Mapping[str, Any], system: str, code: str, asks: Asks, depth: int
    ) -> bool | None:
        """One include or exclude: system, concepts or filters, and imported value sets must all hold."""
        answers: list[bool | None] = []
        if isinstance(part.get("system"), str):
            if part["system"] != system:
                return False
            if concepts := part.get("concept"):
                answers.append(any(concept.get("code") == code for concept in concepts))
            elif filters := part.get("filter"):
                for one in filters:
                    condition = (str(one.get("property")), str(one.get("op")), str(one.get("value")))
                    answers.append(asks.filtered(system, code, condition))
            else:
                answers.append(asks.exists(system, code))
        answers.extend(asks.member(url, system, code, depth + 1) for url in part.get("valueSet", ()))
        return _all(answers) if answers else None

    def _expanded(self, system: str | None, code: str) -> bool | None:
        """A value set that holds only an expansion; one with a total beyond what is listed can't say no."""
        expansion = self.resource.get("expansion")
        if not isinstance(expansion, dict):
            return None
        listed = 0
        waiting = list(expansion.get("contains", ()))
        while waiting:
            entry = waiting.pop()
            listed += 1
            if (
                entry.get("code") == code
                and system in (None, entry.get("system"))
                and not entry.get("abstract")
            ):
                return True
            waiting.extend(entry.get("contains", ()))
        total = expansion.get("total")
        return False if not isinstance(total, int) or total <= listed else None


def _any(answers: list[bool | None]) -> bool | None:
    if True in answers:
        return True
    return None if None in answers else False


def _all(answers: list[bool | None]) -> bool | None:
    if False in answers:
        return False
    return None if None in answers else True
