"""The comparison of an expected answer, which is a template, with an actual one, as the suite's guide defines it.

An expected string may be a template (`$uuid$`, `$choice:a|b$`, …). An object may name properties that may be absent
(`$optional-properties$`) and lists of which only the length counts (`$count-arrays$`); an entry of a list may be
optional (`$optional$`), or required in one version and forbidden in others (`$only$`). As with HL7's own runner, texts
that are the same but for punctuation and blanks are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_PATTERNS = {
    "$instant$": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
    "$date$": r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?)?)?",
    "$uuid$": r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "$id$": r"[A-Za-z0-9\-.]{1,64}",
    "$url$": r"https?://\S+",
    "$token$": r"[0-9a-zA-Z_][0-9a-zA-Z_.\-]*",
    "$semver$": r"\d+\.\d+(\.\d+)?([-+].*)?",
}
_MARKS = frozenset({"$optional$", "$only$", "$optional-properties$", "$count-arrays$"})


@dataclass(frozen=True)
class Rules:
    """What the comparison depends on.

    Attributes:
        version: FHIR version of the server.
        modes: modes of the run.
        externals: texts by number, for `$external:n$`; another text passes that has the fragments which are named.
        pattern: whether the actual answer may have more properties and entries than are expected.
    """

    version: str
    modes: frozenset[str] = frozenset({"general"})
    externals: dict[str, str] | None = None
    pattern: bool = False

    def difference(self, expected: Any, actual: Any) -> str | None:
        """The first difference; None where there is none."""
        return self._objects("", expected, actual)

    def _objects(self, path: str, expected: dict[str, Any], actual: dict[str, Any]) -> str | None:
        optional = set(expected.get("$optional-properties$", ()))
        counted = set(expected.get("$count-arrays$", ()))
        for name, value in actual.items():
            if name in expected:
                wanted = expected[name]
                if self._forbidden(wanted):
                    return f"{path}.{name}: must not be there"
                result = self._values(f"{path}.{name}", wanted, value, count_only=name in counted)
                if result:
                    return result
            elif not self.pattern and name not in optional and "*" not in optional:
                return f"{path}.{name}: not expected"
        for name, value in expected.items():
            absent = (
                name not in actual and name not in _MARKS and name not in optional and "*" not in optional
            )
            if absent and not self._forbidden(value) and not self._all_optional(value):
                return f"{path}.{name}: missing"
        return None

    def _values(self, path: str, expected: Any, actual: Any, *, count_only: bool = False) -> str | None:
        if isinstance(expected, dict) and isinstance(actual, dict):
            return self._objects(path, expected, actual)
        if isinstance(expected, list) and isinstance(actual, list):
            if count_only:
                same = len(expected) == len(actual)
                return None if same else f"{path}: {len(expected)} entries expected, {len(actual)} found"
            return self._lists(path, expected, actual)
        if isinstance(expected, str) and isinstance(actual, str):
            if self._text(expected, actual):
                return None
        elif expected == actual and (
            type(expected) is type(actual) or (_number(expected) and _number(actual))
        ):
            return None
        return f"{path}: expected {expected!r}, found {actual!r}"

    def _lists(self, path: str, expected: list[Any], actual: list[Any]) -> str | None:
        wanted = [item for item in expected if not self._forbidden(item)]
        if self.pattern:
            for item in wanted:
                if not any(self._values(path, item, other) is None for other in actual):
                    return f"{path}: no entry is like {item!r}"
            return None
        least = sum(1 for item in wanted if not self._optional(item))
        if not least <= len(actual) <= len(wanted):
            return f"{path}: {least} to {len(wanted)} entries expected, {len(actual)} found"
        at = 0
        for index, item in enumerate(wanted):
            if at >= len(actual):
                rest = wanted[index:]
                if all(self._optional(left) for left in rest):
                    return None
                return f"{path}: nothing found for entry {index}"
            result = self._values(f"{path}[{index}]", item, actual[at])
            if result is None:
                at += 1
            elif not self._optional(item):
                return result
        return None if at == len(actual) else f"{path}[{at}]: not expected"

    def _text(self, expected: str, actual: str) -> bool:
        if expected == "$$":
            return True
        if expected == "$string$":
            return actual == actual.strip()
        if expected in _PATTERNS:
            return re.fullmatch(_PATTERNS[expected], actual) is not None
        if expected.startswith("$choice:"):
            return actual in expected[8:-1].split("|")
        if expected.startswith("$fragments:"):
            return _has_all(actual, expected[11:-1])
        if expected.startswith("$external:"):
            number, _, fragments = expected[10:-1].partition(":")
            known = (self.externals or {}).get(number)
            same = known is not None and _letters(actual) == _letters(known)
            return same or not fragments or _has_all(actual, fragments)
        expected = expected.replace("$version$", self.version)
        return actual == expected or (bool(_letters(actual)) and _letters(actual) == _letters(expected))

    def _optional(self, entry: Any) -> bool:
        mark = entry.get("$optional$") if isinstance(entry, dict) else None
        return mark is True or (isinstance(mark, str) and self._passes(mark))

    def _forbidden(self, entry: Any) -> bool:
        mark = entry.get("$only$") if isinstance(entry, dict) else None
        return isinstance(mark, str) and not self._passes(mark)

    @staticmethod
    def _all_optional(value: Any) -> bool:
        """Whether a list holds no object that must be there; one of plain values (`location`) may be absent."""
        return isinstance(value, list) and not any(
            isinstance(item, dict) and "$optional$" not in item for item in value
        )

    def _passes(self, mark: str) -> bool:
        if mark.startswith("!"):
            return mark[1:] not in self.modes
        if mark.startswith("warning:"):
            return True
        if mark.startswith("version:"):
            return self.version.startswith(mark[8:])
        return mark in self.modes


def _has_all(actual: str, fragments: str) -> bool:
    return all(item.lower() in actual.lower() for item in fragments.split("|"))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9+/_\-]", "", text)
