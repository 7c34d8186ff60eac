"""Regular expressions of value-set filters, matched in linear time whatever the expression is.

An expression comes from a request, so a backtracking matcher is out of the question: `(a+)+` would stop the server.
Here an expression becomes a nondeterministic automaton whose set of states moves along the text (Thompson's
construction); sets that were reached once are kept as a deterministic automaton. An expression matches the whole text,
as ValueSet.compose.include.filter asks. Back references and look-around, which no automaton has, are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

__all__ = ["Regex", "RegexError", "compile_regex"]

MAX_STATES = 5_000
"""An expression that needs more (`(a{1,100}){1,100}`) is refused."""

MAX_CACHED = 2_000
"""Sets of states that are kept; beyond it the cache begins anew, so that memory is bounded."""

_Test = Callable[[str], bool]


class RegexError(ValueError):
    """An expression that can't be read, or is too large."""


@dataclass(slots=True, eq=False)
class _State:
    """A state: goes to `out` on a character that passes `test`, or to all of `free` without one."""

    test: _Test | None = None
    out: _State | None = None
    free: list[_State] = field(default_factory=list)
    anchor: str = ""


class Regex:
    """A compiled expression."""

    def __init__(self, start: _State, final: _State) -> None:
        self._final = final
        self._start = start
        self._sets: dict[frozenset[_State], int] = {}
        self._members: list[frozenset[_State]] = []
        self._moves: list[dict[str, int]] = []
        self._first = -1

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        if self._first < 0 or len(self._members) > MAX_CACHED:
            self._sets, self._members, self._moves = {}, [], []
            self._first = self._number(_closure({self._start}, "^"))
        current = self._first
        for character in text:
            following = self._moves[current].get(character)
            if following is None:
                reached = {
                    state.out
                    for state in self._members[current]
                    if state.test is not None and state.out is not None and state.test(character)
                }
                following = self._number(_closure(reached, ""))
                self._moves[current][character] = following
            if not self._members[following]:
                return False
            current = following
        return self._final in _closure(set(self._members[current]), "$" if text else "^$")

    def _number(self, members: frozenset[_State]) -> int:
        number = self._sets.get(members)
        if number is None:
            number = self._sets[members] = len(self._members)
            self._members.append(members)
            self._moves.append({})
        return number


def _closure(states: set[_State], anchors: str) -> frozenset[_State]:
    """All states that are reached without a character; `anchors` are those that hold here."""
    found: set[_State] = set()
    waiting = list(states)
    while waiting:
        state = waiting.pop()
        if state in found:
            continue
        found.add(state)
        if not state.anchor or state.anchor in anchors:
            waiting.extend(state.free)
    return frozenset(found)


@lru_cache(maxsize=256)
def compile_regex(expression: str) -> Regex:
    """The compiled expression.

    Raises:
        RegexError: it is not a regular expression, uses what no automaton has, or is too large.
    """
    return _Parser(expression).parse()


_Piece = tuple[_State, _State]
_Builder = Callable[[], _Piece]

_CLASSES: dict[str, _Test] = {
    "d": lambda c: c.isdigit(),
    "w": lambda c: c.isalnum() or c == "_",
    "s": lambda c: c.isspace(),
}
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "v": "\v"}


class _Parser:
    """Recursive descent over the expression; a piece is built anew for each repetition."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.states = 0
        self.depth = 0

    def parse(self) -> Regex:
        build = self._alternatives()
        if self.at < len(self.text):
            raise self._error("unmatched )")
        start, end = build()
        return Regex(start, end)

    def _error(self, problem: str) -> RegexError:
        return RegexError(f"{problem} at character {self.at + 1}")

    def _state(self, test: _Test | None = None) -> _State:
        self.states += 1
        if self.states > MAX_STATES:
            raise RegexError(f"needs more than {MAX_STATES} states")
        return _State(test)

    def _peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def _alternatives(self) -> _Builder:
        self.depth += 1
        if self.depth > 100:
            raise self._error("nested too deeply")
        branches = [self._sequence()]
        while self._peek() == "|":
            self.at += 1
            branches.append(self._sequence())
        self.depth -= 1
        if len(branches) == 1:
            return branches[0]

        def build() -> _Piece:
            start, end = self._state(), self._state()
            for branch in branches:
                first, last = branch()
                start.free.append(first)
                last.free.append(end)
            return start, end

        return build

    def _sequence(self) -> _Builder:
        parts: list[_Builder] = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))

        def build() -> _Piece:
            start = end = self._state()
            for part in parts:
                first, last = part()
                end.free.append(first)
                end = last
            return start, end

        return build

    def _repeated(self, atom: _Builder) -> _Builder:
        while (sign := self._peek()) in ("*", "+", "?", "{"):
            if sign == "{":
                bounds = self._bounds()
                if bounds is None:
                    break
                low, high = bounds
            else:
                self.at += 1
                low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
            if self._peek() in (
                "?",
                "+",
            ):  # lazy or possessive: the same set of texts, as the whole must match
                self.at += 1
            atom = self._times(atom, low, high)
        return atom

    def _bounds(self) -> tuple[int, int | None] | None:
        close = self.text.find("}", self.at)
        inner = self.text[self.at + 1 : close] if close > 0 else ""
        low, comma, high = inner.partition(",")
        if not (low.isdecimal() or (comma and not low and high)) or (high and not high.isdecimal()):
            raise self._error("{ is not followed by a number of repetitions")
        least = int(low or 0)
        most = int(high) if high else (None if comma else least)
        if least > MAX_STATES or (most is not None and (most > MAX_STATES or most < least)):
            raise self._error("repetitions out of range")
        self.at = close + 1
        return least, most

    def _times(self, atom: _Builder, low: int, high: int | None) -> _Builder:
        def build() -> _Piece:
            start = end = self._state()
            for _ in range(low):
                first, last = atom()
                end.free.append(first)
                end = last
            final = self._state()
            if high is None:
                first, last = atom()
                end.free.extend((first, final))
                last.free.extend((first, final))
            else:
                end.free.append(final)
                for _ in range(high - low):
                    first, last = atom()
                    end.free.append(first)
                    last.free.append(final)
                    end = last
            return start, final

        return build

    def _atom(self) -> _Builder:
        sign = self._peek()
        self.at += 1
        if sign == "(":
            return self._group()
        if sign == "[":
            return self._one(self._set())
        if sign == ".":
            return self._one(lambda c: c not in "\n\r")
        if sign == "\\":
            return self._escape_atom()
        if sign in ("^", "$"):
            return self._anchor(sign)
        if sign in ("*", "+", "?"):
            self.at -= 1
            raise self._error(f"nothing to repeat before {sign}")
        return self._one(_equal(sign))

    def _anchor(self, sign: str) -> _Builder:
        def build() -> _Piece:
            state, end = self._state(), self._state()
            state.anchor = sign
            state.free.append(end)
            return state, end

        return build

    def _one(self, test: _Test) -> _Builder:
        def build() -> _Piece:
            start, end = self._state(test), self._state()
            start.out = end
            return start, end

        return build

    def _group(self) -> _Builder:
        if self.text.startswith("?:", self.at):
            self.at += 2
        elif self._peek() == "?":
            raise self._error("look-around, flags and named groups are not supported")
        build = self._alternatives()
        if self._peek() != ")":
            raise self._error("missing )")
        self.at += 1
        return build

    def _escape_atom(self) -> _Builder:
        letter = self._peek()
        if letter in ("A", "z", "Z"):
            self.at += 1
            return self._anchor("^" if letter == "A" else "$")
        if letter.isdigit() and letter != "0":
            raise self._error("back references are not supported")
        if letter in ("b", "B"):
            raise self._error("word boundaries are not supported")
        return self._one(self._escape())

    def _escape(self) -> _Test:
        """What stands after a backslash."""
        letter = self._peek()
        if not letter:
            raise self._error("nothing after \\")
        self.at += 1
        if letter.lower() in _CLASSES:
            test = _CLASSES[letter.lower()]
            return test if letter.islower() else _negated(test)
        if letter in ("p", "P"):
            return self._category(negated=letter == "P")
        if letter in ("x", "u"):
            digits = self.text[self.at : self.at + (2 if letter == "x" else 4)]
            try:
                character = chr(int(digits, 16))
            except ValueError:
                raise self._error(f"\\{letter} needs hexadecimal digits") from None
            self.at += len(digits)
            return _equal(character)
        if letter.isalnum() and letter not in _ESCAPES:
            raise self._error(f"\\{letter} has no meaning")
        return _equal(_ESCAPES.get(letter, letter))

    def _category(self, *, negated: bool) -> _Test:
        import unicodedata

        close = self.text.find("}", self.at)
        if self._peek() != "{" or close < 0:
            raise self._error("\\p needs a category in braces")
        category = self.text[self.at + 1 : close]
        self.at = close + 1

        def test(character: str) -> bool:
            return unicodedata.category(character).startswith(category)

        return _negated(test) if negated else test

    def _set(self) -> _Test:
        negated = self._peek() == "^"
        self.at += negated
        tests: list[_Test] = []
        characters: set[str] = set()
        ranges: list[tuple[str, str]] = []
        first = True
        while (sign := self._peek()) != "]" or first:
            if not sign:
                raise self._error("missing ]")
            first = False
            self.at += 1
            low = sign
            if sign == "\\":
                begin = self.at
                test = self._escape()
                escaped = self.text[begin]
                if escaped.lower() in _CLASSES or escaped in ("p", "P", "x", "u"):
                    tests.append(test)
                    continue
                low = _ESCAPES.get(escaped, escaped)
            if self._peek() == "-" and self.text[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                high = self._peek()
                self.at += 1
                if high == "\\":
                    high = self._peek()
                    self.at += 1
                    high = _ESCAPES.get(high, high)
                if high < low:
                    raise self._error(f"the range {low}-{high} is empty")
                ranges.append((low, high))
            else:
                characters.add(low)
        self.at += 1
        chosen = frozenset(characters)

        def member(c: str) -> bool:
            return c in chosen or any(a <= c <= b for a, b in ranges) or any(t(c) for t in tests)

        return _negated(member) if negated else member


def _equal(character: str) -> _Test:
    return lambda c: c == character


def _negated(test: _Test) -> _Test:
    return lambda c: not test(c)
