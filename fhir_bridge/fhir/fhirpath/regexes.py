"""Regular expressions of `matches`, `matchesFull` and `replaceMatches`, kept from running for ever.

Python's matcher goes back and tries again, which can take exponential time. A bound of its steps is read off the
pattern; where the subject would exceed the budget, RE2 answers instead, in time linear in the text. It has no
look-around and no references to groups: a pattern with these is refused there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from re import _parser as sre  # type: ignore[attr-defined]  # the only reader of Python's syntax there is
from typing import Any

import re2

from fhir_bridge.fhir.fhirpath.errors import FHIRPathError

__all__ = ["Pattern", "pattern"]

MAX_PATTERN = 4_096
BUDGET = 20_000_000
"""Steps that a match may take at worst; Python takes about 10 to 50 million a second."""

MAX_PRODUCT = 200_000_000
"""Size of a pattern for RE2 times that of a text: its steps at worst, some 100 million a second."""


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
            # Backtracking is costly by its steps; what RE2 does grows with pattern times text.
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
        # Python's matcher is faster where its worst case is bounded.
        if self._cheap(len(text)):
            return self.compiled.search(text) is not None
        return self._linear(text, full=False)

    def full(self, text: str) -> bool:
        """Whether the pattern matches the whole text; errors as of `search`."""
        if self._cheap(len(text)):
            return self.compiled.fullmatch(text) is not None
        return self._linear(text, full=True)

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

    def _linear(self, text: str, *, full: bool) -> bool:
        """The answer of RE2."""
        try:
            compiled = linear(self.compiled.pattern, full)
            content = text.encode()
        except (NotLinear, UnicodeEncodeError) as error:
            raise self._costly(text) from error
        # RE2's word boundary knows ASCII letters, Python's all.
        other_words = (
            not text.isascii() and "\\b" in compiled.pattern.lower()
        )  # RE2's letters are ASCII there
        if other_words or compiled.programsize * len(content) > MAX_PRODUCT:
            raise self._costly(text)
        match = compiled.fullmatch if full else compiled.search
        return match(content) is not None

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
        # sre's parser is private, and the only one that reads just what `re` reads.
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
            # A loop whose body can match in several ways: exponential.
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
            # A conditional group depends on what matched before; no bound is read off it.
            nested = True
        loops, choices, nested = loops + inner[0], choices + inner[1], nested or inner[2]
    return loops, choices, nested


# --- RE2 ------------------------------------------------------------------------------------------------------------


class NotLinear(Exception):
    """A pattern that RE2 has no form for: look-around, references to groups, what is too large for it."""


_OPTIONS = re2.Options()
_OPTIONS.dot_nl = True
_OPTIONS.log_errors = False

_CLASSES = {
    sre.CATEGORY_DIGIT: r"\p{Nd}",
    sre.CATEGORY_WORD: r"\p{L}\p{N}_",
    sre.CATEGORY_SPACE: r"\t-\r\x{1c}-\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}"
    r"\x{202f}\x{205f}\x{3000}",
}
"""Python's classes, which know all of Unicode; RE2's know ASCII."""

_COMPLEMENTS = {
    sre.CATEGORY_NOT_DIGIT: sre.CATEGORY_DIGIT,
    sre.CATEGORY_NOT_WORD: sre.CATEGORY_WORD,
    sre.CATEGORY_NOT_SPACE: sre.CATEGORY_SPACE,
}
_PLACES = {
    sre.AT_BEGINNING: r"\A",
    sre.AT_BEGINNING_STRING: r"\A",
    sre.AT_END_STRING: r"\z",
    sre.AT_BOUNDARY: r"\b",
    sre.AT_NON_BOUNDARY: r"\B",
}


@lru_cache(maxsize=256)
def linear(text: str, full: bool) -> Any:
    """A pattern, read as Python reads it, for RE2; `full` for matches of the whole text.

    Raises:
        NotLinear: it has none.
    """
    parsed = sre.parse(text, re.DOTALL)
    flags = parsed.state.flags & ~(re.DOTALL | re.UNICODE)
    # Other flags (verbose, ascii, multiline) change what the parsed form means to RE2.
    if flags & ~re.IGNORECASE:
        raise NotLinear("flags")
    # `$` of Python matches before a last line end as well.
    written = ("(?i)" if flags else "") + _sequence(parsed, r"\z" if full else r"(?:\n?\z)")
    try:
        return re2.compile(written, _OPTIONS)
    except re2.error as error:
        raise NotLinear(str(error)) from error


def _sequence(parsed: Any, end: str) -> str:
    """A sequence for RE2; `end` is what `$` means where it ends the pattern, empty elsewhere: there RE2 has no form."""
    last = len(parsed) - 1
    return "".join(_part(node, end if at == last else "") for at, node in enumerate(parsed))


def _part(node: Any, end: str) -> str:
    operator, argument = node
    match str(operator):
        case "LITERAL":
            return f"\\x{{{argument:x}}}"
        case "NOT_LITERAL":
            return f"[^\\x{{{argument:x}}}]"
        case "ANY":
            return "."
        case "IN":
            return _set(argument)
        case "SUBPATTERN" if not argument[1] and not argument[2]:
            return f"(?:{_sequence(argument[-1], end)})"
        case "BRANCH":
            return f"(?:{'|'.join(_sequence(branch, end) for branch in argument[1])})"
        case "MAX_REPEAT" | "MIN_REPEAT":
            low, high, body = argument
            # RE2 bounds repetitions at 1000; beyond, compilation fails and is reported as too costly.
            most = "" if high is sre.MAXREPEAT else int(high)
            return f"(?:{_sequence(body, '')}){{{int(low)},{most}}}"
        case "AT" if argument in _PLACES:
            return _PLACES[argument]
        case "AT" if argument is sre.AT_END and end:
            return end
    raise NotLinear(str(operator))


def _set(items: Any) -> str:
    """A set of characters; the complement of a class in it becomes an alternative beside it."""
    negated = bool(items) and items[0][0] is sre.NEGATE
    inside, beside = "", []
    for operator, argument in items[negated:]:
        if operator is sre.CATEGORY and argument in _COMPLEMENTS:
            beside.append(_CLASSES[_COMPLEMENTS[argument]])
        elif operator is sre.CATEGORY:
            inside += _CLASSES[argument]
        else:
            low, high = argument if operator is sre.RANGE else (argument, argument)
            inside += f"\\x{{{low:x}}}-\\x{{{high:x}}}"
    # Not in a negated set: a complement in a complement would be an intersection.
    if negated and beside:
        if inside or len(beside) > 1:
            raise NotLinear("a complement in a complement")
        return f"[{beside[0]}]"
    parts = [f"[{'^' if negated else ''}{inside}]"] if inside else []
    return f"(?:{'|'.join([*parts, *(f'[^{item}]' for item in beside)])})"
