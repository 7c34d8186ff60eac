"""Value sets as lists of codes: `ValueSet.compose` worked out over the code systems that are available.

What can't be listed (a system that is not here, a filter on its properties) is kept as an open part, so that a look-up
says "not from here" instead of no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["ExpansionError", "Expansions", "SystemTree", "compact_code_system", "value_set_row"]

Codes = dict[str, set[str]]
Expansion = tuple[Codes, list[Any]]
"""The listed codes by system, and the open parts as [system, [[property, op, value], …]]; system "" is any."""

ANYTHING: list[Any] = ["", []]


class ExpansionError(ValueError):
    """A value set that can't be worked out: it includes itself. The message names it."""


def compact_code_system(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A CodeSystem with complete content as a row: concepts are [code, display, parent, …].

    `t` holds the codes that are `inactive`, `deprecated` or `abstract` (R4 codesystem.html#4.8.11).
    """
    parents_of = {
        p["code"]
        for p in definition.get("property", ())
        if str(p.get("uri", "")).endswith("concept-properties#parent")
        or p["code"] in ("subsumedBy", "parent")
    }
    row: dict[str, Any] = {
        "v": definition.get("version", ""),
        "n": definition.get("name", ""),
        "s": int(definition.get("caseSensitive", True)),
        "c": [],
    }
    states: dict[str, list[str]] = {}
    known: set[str] = set()
    # A stack instead of recursion: hierarchies may be deeper than Python's own; reversed,
    # it keeps the order of the file.
    todo: list[tuple[Mapping[str, Any], str | None]] = [(c, None) for c in reversed(definition["concept"])]
    while todo:
        concept, parent = todo.pop()
        code = _text(concept["code"])
        parents = [parent] if parent else []
        parents += [
            p["valueCode"]
            for p in concept.get("property", ())
            if p["code"] in parents_of and "valueCode" in p and p["valueCode"] not in parents
        ]
        if code not in known:
            known.add(code)
            row["c"].append([code, concept.get("display"), *parents])
            for state in sorted(_states(concept)):  # a table is the same at each build
                states.setdefault(state, []).append(code)
        todo += [(c, code) for c in reversed(concept.get("concept", ()))]
    if states:
        row["t"] = states
    return row


def _states(concept: Mapping[str, Any]) -> set[str]:
    """What the concept's properties and its standards status say of its use."""
    statements = {
        (p["code"], str(next((p[key] for key in p if key.startswith("value")), "")).casefold())
        for p in concept.get("property", ())
    }
    status = {value for name, value in statements if name == "status"}
    status |= {
        str(e.get("valueCode", "")).casefold()
        for e in concept.get("extension", ())
        if str(e.get("url", "")).endswith("/structuredefinition-standards-status")
    }
    results: set[str] = set()
    if ("notSelectable", "true") in statements:
        results.add("abstract")
    if ("inactive", "true") in statements or status & {"retired", "inactive", "withdrawn"}:
        results.add("inactive")
    elif "deprecated" in status or any(
        name in ("deprecated", "deprecationDate") and value != "false" for name, value in statements
    ):
        results.add("deprecated")
    return results


class SystemTree:
    """A code system's codes and what each subsumes, from its row."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.codes = frozenset(c[0] for c in row["c"])
        self._children: dict[str, set[str]] = {}
        for concept in row["c"]:
            for parent in concept[2:]:
                self._children.setdefault(parent, set()).add(concept[0])

    def descendants(self, code: str) -> set[str]:
        """What the code subsumes, without itself."""
        results, todo = set[str](), [code]
        while todo:
            for child in self._children.get(todo.pop(), ()):
                if child not in results:
                    results.add(child)
                    todo.append(child)
        return results


class Expansions:
    """Works out value sets on demand and remembers them.

    Args:
        find: a ValueSet's `compose` by canonical; None where the value set is not available.
        system: a code system's tree by canonical; None where its content is not available.
        ready: an expansion that is already worked out, by canonical; None where there is none.
    """

    def __init__(
        self,
        find: Callable[[str], Mapping[str, Any] | None],
        system: Callable[[str], SystemTree | None],
        ready: Callable[[str], Expansion | None] = lambda _canonical: None,
    ) -> None:
        self._find, self._system, self._ready = find, system, ready
        self._done: dict[str, Expansion] = {}

    def expand(self, canonical: str, inside: tuple[str, ...] = ()) -> Expansion | None:
        """The expansion; None where the value set is not known.

        Raises:
            ExpansionError: the value set includes itself.
        """
        if canonical in inside:
            raise ExpansionError(f"the value set {canonical} includes itself")
        if canonical not in self._done:
            compose = self._find(canonical)
            if compose is None:
                return self._ready(canonical)
            self._done[canonical] = self._compose(compose, (*inside, canonical))
        return self._done[canonical]

    def _compose(self, compose: Mapping[str, Any], inside: tuple[str, ...]) -> Expansion:
        codes: Codes = {}
        rest: list[Any] = []
        for include in compose.get("include", ()):
            listed, unlisted = self._include(include, inside)
            for system, result in listed.items():
                codes.setdefault(system, set()).update(result)
            rest += [r for r in unlisted if r not in rest]
        for exclude in compose.get("exclude", ()):
            listed, unlisted = self._include(exclude, inside)
            for system, result in listed.items():
                if system in codes:
                    codes[system] -= result
            # What is taken away can't be listed, so of its system neither yes nor no can be said.
            rest += [[r[0], [["excluded", "=", ""]]] for r in unlisted]
        # R4 wants an include; without one nothing is known of the content.
        if not compose.get("include"):
            rest.append(ANYTHING)
        return codes, rest

    def _include(self, include: Mapping[str, Any], inside: tuple[str, ...]) -> Expansion:
        parts: list[Expansion] = []
        if system := include.get("system"):
            version = include.get("version")
            parts.append(self._of_system(f"{system}|{version}" if version else system, system, include))
        parts.extend(self.expand(url, inside) or ({}, [ANYTHING]) for url in include.get("valueSet", ()))
        if not parts:
            return {}, [ANYTHING]
        codes, rest = parts[0]
        for more, unlisted in parts[1:]:  # several in one include: the intersection
            if not rest and not unlisted:
                codes = {s: result & more.get(s, set()) for s, result in codes.items()}
            else:  # what is in an open part can't be determined, so nothing of the intersection can
                rest = [*rest, *unlisted, *([s, [["intersection", "=", ""]]] for s in codes)]
                codes = {}
        return codes, rest

    def _of_system(self, canonical: str, system: str, include: Mapping[str, Any]) -> Expansion:
        if not isinstance(system, str):
            raise TypeError("the system of an include is no string")
        if concepts := include.get("concept"):
            return {system: {_text(c["code"]) for c in concepts}}, []
        filters = [[f["property"], f["op"], f["value"]] for f in include.get("filter", ())]
        tree = self._system(canonical)
        if tree is None:
            return {}, [[system, filters]]
        codes = set(tree.codes)
        for _, operator, value in filters:
            match operator:
                case "is-a":
                    codes &= tree.descendants(value) | {value}
                case "descendent-of":
                    codes &= tree.descendants(value)
                case "is-not-a":
                    codes -= tree.descendants(value) | {value}
                case _:
                    return {}, [[system, filters]]
        return {system: codes}, []


def _text(code: Any) -> str:
    """A code.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(code, str):
        raise TypeError(f"a code is {code!r}, expected a string"[:200])
    return code


def value_set_row(version: str, expansion: Expansion) -> dict[str, Any]:
    """An expansion as a row of the table."""
    codes, rest = expansion
    row: dict[str, Any] = {
        "v": version,
        "c": {system: sorted(result) for system, result in sorted(codes.items()) if result},
    }
    if rest:
        row["o"] = _distinct(rest)
    return row


def _distinct(parts: Iterable[Any]) -> list[Any]:
    result: list[Any] = []
    for part in parts:
        if part not in result:
            result.append(part)
    return result
