"""`_filter` (R4 search_filter.html): an expression over search parameters, as the conditions that those are."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable

from fhir_bridge.storage.conditions import Condition, all_of, any_of, negation
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import BadSearch
from fhir_bridge.storage.indexed import find

__all__ = ["filtered"]

Compile = Callable[[str, str], Awaitable[Condition]]
"""The condition of a parameter, by its name with modifier or chain, and its value."""

# A string, a parenthesis, or a run of anything else. Brackets are of units; a path with a filter in them is no `_PATH`.
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[()]|[^\s()"]+)')
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(?::[A-Za-z]+)?(?:\.[A-Za-z_][A-Za-z0-9_-]*(?::[A-Za-z]+)?)*")
_ORDERED = frozenset({"date", "number", "quantity"})
_PREFIXES = frozenset({"eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb"})
_MODIFIERS = {
    "token": {"eq": "", "in": "in", "ss": "below", "sb": "above"},
    "string": {"eq": "=", "co": "contains", "sw": ""},
    "reference": {"eq": "", "re": ""},
    "uri": {"eq": "", "sb": "above", "ss": "below"},
}
"""By type the operators and the modifiers that they are; `ne` is the absence of `eq`."""
MOST_TERMS, DEEPEST = 50, 20


async def filtered(
    resource_type: str, text: str, dictionaries: Dictionaries, compile_one: Compile
) -> Condition:
    """The condition of a filter.

    Raises:
        BadSearch: it can't be read, or has an operator that is not supported for a parameter.
    """
    return await _Filter(resource_type, text, dictionaries, compile_one).read()


class _Filter:
    def __init__(
        self, resource_type: str, text: str, dictionaries: Dictionaries, compile_one: Compile
    ) -> None:
        self._type, self._text = resource_type, text
        self._dictionaries, self._compile = dictionaries, compile_one
        self._tokens: list[str] = []
        at = 0
        while text[at:].strip():
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._bad("it has a character that can't be there")
            self._tokens.append(match[1])
            at = match.end()
        self._at = self._depth = self._terms = 0

    async def read(self) -> Condition:
        condition = await self._either()
        if self._at < len(self._tokens):
            raise self._bad(f"{self._tokens[self._at][:40]!r} is not expected")
        return condition

    def _bad(self, why: str) -> BadSearch:
        return BadSearch(f"_filter: {self._text[:80]!r} can't be read: {why}")

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, what: str) -> str:
        item = self._next()
        if not item or item == ")":
            raise self._bad(f"{what} is missing")
        self._at += 1
        return item

    async def _either(self) -> Condition:
        parts = [await self._both()]
        while self._next() == "or":
            self._at += 1
            parts.append(await self._both())
        return any_of(parts)

    async def _both(self) -> Condition:
        parts = [await self._one()]
        while self._next() == "and":
            self._at += 1
            parts.append(await self._one())
        return all_of(parts)

    async def _one(self) -> Condition:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._bad(f"it goes deeper than {DEEPEST}")
        item = self._take("a parameter")
        if item in ("not", "("):
            if item == "not" and self._take("(") != "(":
                raise self._bad("not is followed by a filter in parentheses")
            inner = await self._either()
            if self._next() != ")":
                raise self._bad("a parenthesis is not closed")
            self._at += 1
            condition = negation(inner) if item == "not" else inner
        else:
            condition = await self._term(item, self._take("an operator"), self._take("a value"))
        self._depth -= 1
        return condition

    async def _term(self, path: str, operator: str, value: str) -> Condition:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise self._bad(f"it has more than {MOST_TERMS} comparisons")
        if not _PATH.fullmatch(path):
            raise self._bad(f"{path[:40]!r} is no parameter")
        quoted = value.startswith('"')
        if quoted:
            try:
                value = json.loads(value)
            except ValueError as error:
                raise self._bad("a string is malformed") from error
        if operator == "pr":
            if value not in ("true", "false"):
                raise self._bad("pr takes true or false")
            return await self._compile(f"{path}:missing", "false" if value == "true" else "true")
        if not value:
            raise self._bad("a value is empty")
        kinds = self._kinds(path)
        # The comma of a value is none of a list here; in a string neither is the mark between system and code.
        ordered = kinds <= _ORDERED
        value = re.sub(r"([\\,$|])" if quoted and "string" in kinds else r"([\\,$])", r"\\\1", value)
        if ordered and operator == "ne":
            return negation(await self._compile(path, f"eq{value}"))
        if ordered and operator in _PREFIXES:
            return await self._compile(path, f"{operator}{value}")
        known = [_MODIFIERS.get(kind, {}) for kind in kinds]
        positive = "eq" if operator == "ne" else operator
        modifiers = {of_kind.get(positive) for of_kind in known}
        modifier = modifiers.pop() if len(modifiers) == 1 else None
        if modifier is None:
            raise BadSearch(f"_filter: the operator {operator[:10]!r} is not supported for {path[:60]}")
        condition = await self._compile(f"{path}:{modifier}" if modifier else path, value)
        return negation(condition) if operator == "ne" else condition

    def _kinds(self, path: str) -> set[str]:
        """The search types that a path may end at."""
        *chain, last = path.split(".")
        types = {self._type} if not chain else self._targets(chain)
        kinds = {
            parameter.type
            for kind in types
            if (parameter := find(kind, last.partition(":")[0], self._dictionaries.definitions)) is not None
        }
        if not kinds:
            raise BadSearch(f"_filter: {path[:60]} is not a search parameter of {self._type} here")
        return kinds

    def _targets(self, chain: list[str]) -> set[str]:
        types = {self._type}
        for step in chain:
            code, _, wanted = step.partition(":")
            parameters = [find(kind, code, self._dictionaries.definitions) for kind in types]
            targets = {
                target for parameter in parameters if parameter is not None for target in parameter.targets
            }
            types = {wanted} if wanted else {"Patient"} if code == "patient" else targets
        return types
