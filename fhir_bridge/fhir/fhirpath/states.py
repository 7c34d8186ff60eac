"""A regular expression as a set of states: matching without going back (Thompson's construction)."""

from __future__ import annotations

from collections.abc import Callable
from re import _compiler, _parser  # type: ignore[attr-defined]
from typing import Any

__all__ = ["Automaton", "NoAutomaton"]

MAX_STATES = 10_000


class NoAutomaton(Exception):
    """A pattern that is no regular language (references to groups, look-around), or is too large."""


Test = Callable[[str, int], bool]
"""Whether a place in the text is one: start, end, boundary of a word."""


class Automaton:
    """States with three kinds of arrows: a character, a condition on the place, or nothing."""

    def __init__(self, flags: int, state: Any) -> None:
        self._flags = flags
        self._state = state
        self._free: list[list[int]] = []
        self._conditions: list[list[tuple[Test, int]]] = []
        self._characters: list[list[tuple[Callable[[str], bool], int]]] = []
        self._start = self._node()
        self._end = self._node()

    @classmethod
    def of(cls, parsed: Any, flags: int) -> Automaton:
        """The automaton of a parsed pattern.

        Raises:
            NoAutomaton: there is none, or it has too many states.
        """
        made = cls(flags | parsed.state.flags, parsed.state)
        made._sequence(parsed, made._start, made._end)
        return made

    @property
    def size(self) -> int:
        """The number of states."""
        return len(self._free)

    # --- construction ---------------------------------------------------------------------------------------------

    def _node(self) -> int:
        if len(self._free) >= MAX_STATES:
            raise NoAutomaton("too many states")
        self._free.append([])
        self._conditions.append([])
        self._characters.append([])
        return len(self._free) - 1

    def _sequence(self, parsed: Any, start: int, end: int) -> None:
        here = start
        for node in parsed:
            following = self._node()
            self._part(node, here, following)
            here = following
        self._free[here].append(end)

    def _part(self, node: Any, start: int, end: int) -> None:
        operator, argument = node
        name = str(operator)
        if name in ("LITERAL", "NOT_LITERAL", "IN", "ANY"):
            self._characters[start].append((self._one(node), end))
        elif name == "SUBPATTERN":
            if argument[1] or argument[2]:
                raise NoAutomaton("flags in a group")
            self._sequence(argument[-1], start, end)
        elif name == "BRANCH":
            for branch in argument[1]:
                self._sequence(branch, start, end)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            low, high, body = argument
            self._repeat(low, high, body, start, end)
        elif name == "AT":
            self._conditions[start].append((_place(str(argument)), end))
        else:
            raise NoAutomaton(name)

    def _repeat(self, low: Any, high: Any, body: Any, start: int, end: int) -> None:
        here = start
        for _ in range(int(low)):
            following = self._node()
            self._sequence(body, here, following)
            here = following
        if high is _parser.MAXREPEAT:
            loop = self._node()
            self._free[here].append(loop)
            self._sequence(body, loop, loop)
            self._free[loop].append(end)
            return
        for _ in range(int(high) - int(low)):
            self._free[here].append(end)
            following = self._node()
            self._sequence(body, here, following)
            here = following
        self._free[here].append(end)

    def _one(self, node: Any) -> Callable[[str], bool]:
        """A test of one character, by Python's own matcher; answers are kept."""
        single = _parser.SubPattern(self._state, [node])
        match = _compiler.compile(single, self._flags).match
        known: dict[str, bool] = {}

        def test(character: str) -> bool:
            answer = known.get(character)
            if answer is None:
                answer = known[character] = match(character) is not None
            return answer

        return test

    # --- matching -------------------------------------------------------------------------------------------------

    def run(self, text: str, *, anywhere: bool) -> bool:
        """Whether the text matches: somewhere in it, or as a whole."""
        current = self._closed({self._start}, text, 0)
        for place, character in enumerate(text):
            if anywhere and self._end in current:
                return True
            following: set[int] = set()
            for state in current:
                for test, target in self._characters[state]:
                    if target not in following and test(character):
                        following.add(target)
            if anywhere:
                following.add(self._start)
            elif not following:
                return False
            current = self._closed(following, text, place + 1)
        return self._end in current

    def _closed(self, states: set[int], text: str, place: int) -> set[int]:
        """The states, and those reached without a character."""
        todo = list(states)
        while todo:
            state = todo.pop()
            for target in self._free[state]:
                if target not in states:
                    states.add(target)
                    todo.append(target)
            for test, target in self._conditions[state]:
                if target not in states and test(text, place):
                    states.add(target)
                    todo.append(target)
        return states


def _word(text: str, place: int) -> bool:
    return 0 <= place < len(text) and (text[place].isalnum() or text[place] == "_")


def _boundary(text: str, place: int) -> bool:
    return _word(text, place - 1) != _word(text, place)


_PLACES: dict[str, Test] = {
    "AT_BEGINNING": lambda _, place: place == 0,
    "AT_BEGINNING_STRING": lambda _, place: place == 0,
    "AT_END": lambda text, place: place == len(text) or (place == len(text) - 1 and text[-1] == "\n"),
    "AT_END_STRING": lambda text, place: place == len(text),
    "AT_BOUNDARY": _boundary,
    "AT_NON_BOUNDARY": lambda text, place: not _boundary(text, place),
}


def _place(name: str) -> Test:
    test = _PLACES.get(name)
    if test is None:
        raise NoAutomaton(name)
    return test
