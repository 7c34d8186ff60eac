"""Regular expressions of `matches`, `matchesFull` and `replaceMatches`, kept from running for ever.

Python's matcher goes back and tries again, which can take exponential time. A bound of its steps is read off the
pattern; where the subject would exceed the budget, the pattern runs as a set of states instead (Thompson's
construction), whose time is the product of both lengths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from re import _parser as sre  # type: ignore[attr-defined]  # the only reader of Python's syntax there is
from typing import Any

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.states import Automaton, NoAutomaton

__all__ = ["Pattern", "pattern"]

MAX_PATTERN = 4_096
BUDGET = 20_000_000
"""Steps that a match may take at worst; Python takes about 10 to 50 million a second."""


@dataclass(frozen=True)
class Pattern:
    """A regular expression with a bound on its cost.

    Attributes:
        loops: repetitions whose length is open: each may be tried at every length.
        choices: alternatives and options: each may double the work.
        nested: a repetition in a repetition, so that no bound is polynomial.
    """

    compiled: re.Pattern[str]
    loops: int
    choices: int
    nested: bool

    @property
    def heavy(self) -> bool:
        """Whether the work may grow with more than the square of the text."""
        return self.nested or self.loops > 1 or self.choices > 4

    def price(self, length: int) -> int:
        """What a match costs at worst, in items of an evaluation."""
        if self._cheap(length):
            return int(self._steps(length) // 100) if self.heavy else length // 100
        return len(self.compiled.pattern) * length // 10

    def _steps(self, length: int) -> float:
        return float(max(length, 2)) ** (self.loops + 1) * 2.0 ** min(self.choices, 500)

    def _cheap(self, length: int) -> bool:
        return not self.nested and self._steps(length) <= BUDGET

    def search(self, text: str) -> bool:
        """Whether the pattern is found anywhere.

        Raises:
            FHIRPathError: it can't be decided within the budget.
        """
        if self._cheap(len(text)):
            return self.compiled.search(text) is not None
        return self._automaton(text).run(text, anywhere=True)

    def full(self, text: str) -> bool:
        """Whether the pattern matches the whole text; errors as of `search`."""
        if self._cheap(len(text)):
            return self.compiled.fullmatch(text) is not None
        return self._automaton(text).run(text, anywhere=False)

    def substitutable(self, text: str) -> re.Pattern[str]:
        """The pattern for a substitution in this text.

        Raises:
            FHIRPathError: it could take too long.
        """
        if self._cheap(len(text)) or (not self.nested and self._cheap_once(len(text))):
            return self.compiled
        raise self._costly(text)

    def _cheap_once(self, length: int) -> bool:
        """Without an open repetition each place is tried once."""
        return self.loops == 0 and length * 2.0 ** min(self.choices, 500) <= BUDGET

    def _automaton(self, text: str) -> Automaton:
        try:
            automaton = _automaton(self.compiled.pattern)
        except NoAutomaton as error:
            raise self._costly(text) from error
        if automaton.size * len(text) > BUDGET:
            raise self._costly(text)
        return automaton

    def _costly(self, text: str) -> FHIRPathError:
        return FHIRPathError(
            f"'{self.compiled.pattern[:80]}' on {len(text)} characters could take too long: "
            "write it without repetitions inside repetitions"
        )


@lru_cache(maxsize=1024)
def pattern(text: str) -> Pattern:
    """The compiled pattern; `.` takes line ends too (N1 §5.6.8).

    Raises:
        FHIRPathError: it is no regular expression.
    """
    if len(text) > MAX_PATTERN:
        raise FHIRPathError(f"a regular expression of {len(text)} characters, at most {MAX_PATTERN} are read")
    try:
        compiled = re.compile(_python_groups(text), re.DOTALL)
        loops, choices, nested = _weight(sre.parse(compiled.pattern, re.DOTALL))
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        raise FHIRPathError(f"'{text[:80]}' is no regular expression: {error}") from error
    return Pattern(compiled, loops, choices, nested)


_NAMED_GROUP = re.compile(
    r"""(?P<other>\\[^k]|\[\^?\]?(?:\\.|[^\]\\])*\])|\(\?<(?P<name>[A-Za-z]\w*)>|\\k<(?P<again>\w+)>""", re.S
)


def _python_groups(text: str) -> str:
    """Named groups, `(?<name>…)` and `\\k<name>` in N1's example and in PCRE, as Python writes them."""

    def rewritten(match: re.Match[str]) -> str:
        if match["other"] is not None:
            return match["other"]
        return f"(?P<{match['name']}>" if match["name"] else f"(?P={match['again']})"

    return _NAMED_GROUP.sub(rewritten, text)


@lru_cache(maxsize=256)
def _automaton(text: str) -> Automaton:
    return Automaton.of(sre.parse(text, re.DOTALL), re.DOTALL)


def _weight(parsed: Any) -> tuple[int, int, bool]:
    """(open repetitions, choices, nested) of a parsed pattern."""
    loops = choices = 0
    nested = False
    for operator, argument in parsed:
        name = str(operator)
        inner = (0, 0, False)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, body = argument
            inner = _weight(body)
            variable = low != high
            if int(high) > 1 and (inner[0] or inner[1]):
                nested = True
            if variable and int(high) > 1:
                loops += 1
            elif variable:
                choices += 1
        elif name == "SUBPATTERN":
            inner = _weight(argument[-1])
        elif name == "BRANCH":
            weights = [_weight(branch) for branch in argument[1]]
            choices += len(weights) - 1
            inner = (sum(w[0] for w in weights), sum(w[1] for w in weights), any(w[2] for w in weights))
        elif name in ("ASSERT", "ASSERT_NOT"):
            inner = _weight(argument[1])
        elif name == "ATOMIC_GROUP":
            inner = _weight(argument)
        elif name == "GROUPREF_EXISTS":
            nested = True
        loops, choices, nested = loops + inner[0], choices + inner[1], nested or inner[2]
    return loops, choices, nested
