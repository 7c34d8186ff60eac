"""Small wrong changes to the rules of a mapping, each of which some example should notice."""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

__all__ = ["Mutant", "RuleDocument", "rule_documents"]

_NOT_ELEMENTS: Final = frozenset(
    "rule as for when let key profile time update on_error unpivot doc match else empty for".split()
)
_FIXED: Final = frozenset(("rule", "as", "for", "key", "profile", "doc", "unpivot", "on_error", "update"))
"""Keys of a rule that are left as they are: other ones make another mapping, not a wrong one."""
_IF: Final = re.compile(r"^=(?P<yes>[^()]+?) if (?P<test>.+?) else (?P<no>[^()]+)$")
_REF: Final = re.compile(r"\b(?:ref|keyed)\s*\(\s*(?:'\w+'\s*,\s*|\w+\s*,\s*)?'([\w-]+)'")

Path_ = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        line: of the mapping's file, from 1.
        what: the change in words.
    """

    rule: str
    line: int
    what: str
    path: Path_
    kind: str
    value: Any = None


@dataclass(slots=True)
class RuleDocument:
    """A mapping reduced to one rule and those that it refers to, so that a change of it compiles fast."""

    rule: str
    document: Any
    index: int
    """Place of the rule in the reduced document."""

    def text(self) -> str:
        """The document as YAML."""
        return _dumped(self.document)

    def mutants(self) -> Iterator[Mutant]:
        """The changes of the rule, in document order."""
        rule = self.document["rules"][self.index]
        yield from _mutants(rule, self.rule, ("rules", self.index), top=True)

    def changed(self, mutant: Mutant) -> str:
        """The document with a change, as YAML."""
        document = copy.deepcopy(self.document)
        holder = document
        for part in mutant.path[:-1]:
            holder = holder[part]
        last = mutant.path[-1]
        if mutant.kind == "drop":
            del holder[last]
        elif mutant.kind == "swap":
            first, second = mutant.value
            holder[last][first], holder[last][second] = holder[last][second], holder[last][first]
        else:
            holder[last] = mutant.value
        return _dumped(document)


def _yaml() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.version = "1.2"
    yaml.width = 10_000
    return yaml


def _dumped(document: Any) -> str:
    out = io.StringIO()
    _yaml().dump(document, out)
    return out.getvalue().replace("%YAML 1.2\n---\n", "")


def rule_documents(mapping: Path) -> list[RuleDocument]:
    """A document for each rule of a mapping.

    Raises:
        ruamel.yaml.error.YAMLError: it is no YAML; `mapping check` says where.
    """
    document = _yaml().load(mapping.read_text("utf-8-sig"))
    rules = list(document.get("rules") or ())
    by_name = {str(rule.get("rule")): number for number, rule in enumerate(rules)}
    results = []
    for number, rule in enumerate(rules):
        wanted = _closure(number, rules, by_name)
        reduced = copy.deepcopy(document)
        for other in reversed(range(len(rules))):
            if other not in wanted:
                del reduced["rules"][other]
        results.append(RuleDocument(str(rule.get("rule")), reduced, sorted(wanted).index(number)))
    return results


def _closure(number: int, rules: list[Any], by_name: dict[str, int]) -> set[int]:
    """A rule and all that it refers to."""
    seen: set[int] = set()
    following = [number]
    while following:
        current = following.pop()
        if current in seen:
            continue
        seen.add(current)
        following += [by_name[name] for name in _REF.findall(str(rules[current])) if name in by_name]
    return seen


def _mutants(node: Any, rule: str, path: Path_, *, top: bool = False) -> Iterator[Mutant]:
    if isinstance(node, dict):
        yield from _of_object(node, rule, path, top=top)
    elif isinstance(node, list):
        for number, item in enumerate(node):
            line = _line(node, number)
            if len(node) > 1:
                yield Mutant(
                    rule, line, f"item {number + 1} of {_shown(path)} is dropped", (*path, number), "drop"
                )
            yield from _value(item, rule, (*path, number), line)


def _of_object(node: Any, rule: str, path: Path_, *, top: bool) -> Iterator[Mutant]:
    cases = [key for key in node if key not in ("match",)] if "match" in node else []
    for first, second in pairwise(cases):
        if node[first] != node[second]:
            what = f"the cases {first} and {second} of {_shown(path)} are swapped"
            yield Mutant(rule, _line(node, first), what, path, "swap", (first, second))
    for key, item in list(node.items()):
        here = (*path, key)
        line = _line(node, key)
        if key == "when":
            yield Mutant(rule, line, f"the condition of {_shown(path)} is removed", here, "drop")
            yield Mutant(
                rule, line, f"the condition of {_shown(path)} is negated", here, "set", _negated(item)
            )
            continue
        if top and key in _FIXED:
            continue
        if key == "match":
            continue
        if "match" not in node and key not in _NOT_ELEMENTS and not (top and key == "time"):
            yield Mutant(rule, line, f"{_shown(here)} is dropped", here, "drop")
        yield from _value(item, rule, here, line)


def _value(item: Any, rule: str, path: Path_, line: int) -> Iterator[Mutant]:
    """The changes of what is at a place."""
    if isinstance(item, (dict, list)):
        yield from _mutants(item, rule, path)
    elif isinstance(item, bool):
        yield Mutant(rule, line, f"{_shown(path)} is {not item} instead", path, "set", not item)
    elif isinstance(item, str) and item.startswith("="):
        match = _IF.match(item)
        if match:
            swapped = f"={match['no']} if {match['test']} else {match['yes']}"
            yield Mutant(rule, line, f"the branches of {_shown(path)} are swapped", path, "set", swapped)
    elif (
        isinstance(item, str) and item not in ("flag", "reject") and path[-1] not in ("doc", "system", "url")
    ):
        yield Mutant(rule, line, f"the constant of {_shown(path)} is another", path, "set", f"{item}-x")


def _negated(condition: Any) -> str:
    text = str(condition).removeprefix("=")
    return f"not ({text})"


def _shown(path: Path_) -> str:
    """The element of a place, as people write it."""
    names = [str(part) for part in path[2:] if not isinstance(part, int)]
    return re.sub(r"\.?`", "", ".".join(names)) or "the rule"


def _line(node: Any, key: Any) -> int:
    position = getattr(node, "lc", None)
    try:
        place = position.key(key) if isinstance(node, dict) else position.item(key)  # type: ignore[union-attr]
        return int(place[0]) + 1
    except (AttributeError, KeyError, TypeError, IndexError):
        return 0
