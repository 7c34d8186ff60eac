"""Filters of value sets on a code system's concepts (R4 valueset.html#filters, with R5's `child-of` and
`descendent-leaf`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_bridge.terminology.concepts import value_text
from fhir_bridge.terminology.content import CodeSystemContent, CountedContent
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.operations import ecl, messages
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.regex import RegexError, compile_regex
from fhir_bridge.terminology.value_set_definitions import FilterSpec

__all__ = ["OPERATORS", "Filter", "compile_filter", "with_ancestors", "with_descendants"]

OPERATORS = (
    "=",
    "is-a",
    "descendent-of",
    "is-not-a",
    "regex",
    "in",
    "not-in",
    "generalizes",
    "child-of",
    "descendent-leaf",
    "exists",
)
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"

_BESIDE = ("parent", "child")
"""Properties that the hierarchy shows."""

_Matches = Callable[[str], bool]
_Codes = Callable[[], Iterator[str]]
_Count = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of one code system.

    Attributes:
        matches: whether a code of the system, as it writes it, passes.
        codes: the codes that pass, where they are found faster than by asking of each; None where not.
        count: how many they are, where that is reported without listing them; None where not.
        timed: it looks at the clock of the operation that it was compiled for, and serves no other.
    """

    matches: _Matches
    codes: _Codes | None = None
    count: _Count | None = None
    timed: bool = False


def compile_filter(
    content: CodeSystemContent, spec: FilterSpec, tick: Callable[[], None] | None = None
) -> Filter:
    """The filter.

    Args:
        tick: called while codes are listed; it may raise to end that.

    Raises:
        OperationError: the filter has no value, or the code system has no such filter.
    """
    where = f"ValueSet.compose.{spec.where}"
    if not spec.value:
        issue = messages.empty_filter(where, content.url, spec.property, spec.op)
        raise OperationError(issue, status=400)
    try:
        if spec.property in ("concept", "code"):
            result = _on_code(content, spec, tick)
        elif spec.property in ("constraint", "expression") and spec.op == "=":
            result = _by_ecl(content, spec.value, tick)
        else:
            result = _on_property(content, spec)
    except RegexError as error:
        issue = messages.bad_regex(where, spec.property, spec.value, str(error))
        raise OperationError(issue, status=400) from error
    except ecl.EclError as error:
        issue = messages.bad_filter(where, spec.property, spec.op, spec.value, str(error))
        raise OperationError(issue, status=400) from error
    if result is None:
        issue = messages.bad_filter(where, spec.property, spec.op, spec.value)
        raise OperationError(issue, status=400)
    return result


def _by_ecl(content: CodeSystemContent, text: str, tick: Callable[[], None] | None) -> Filter:
    query = ecl.compile_ecl(text, content, tick)
    return Filter(query.matches, query.codes, query.count, timed=True)


def _on_code(content: CodeSystemContent, spec: FilterSpec, tick: Callable[[], None] | None) -> Filter | None:
    op, value = spec.op, spec.value
    root = content.find(value) or value
    below = content.count_below if isinstance(content, CountedContent) else None
    if op == "is-a":
        return Filter(
            lambda code: content.is_a(code, root),
            lambda: with_descendants(content, root),
            None if below is None else lambda: below(root) + (content.find(root) is not None),
        )
    if op == "descendent-of":
        return Filter(
            lambda code: code != root and content.is_a(code, root),
            lambda: content.descendants(root),
            None if below is None else lambda: below(root),
        )
    if op == "is-not-a":
        return Filter(lambda code: not content.is_a(code, root))
    if op == "child-of":
        return Filter(lambda code: root in content.parents(code), lambda: iter(content.children(root)))
    if op == "descendent-leaf":
        return Filter(
            lambda code: code != root and content.is_a(code, root) and not content.children(code),
            lambda: (code for code in content.descendants(root) if not content.children(code)),
        )
    if op == "generalizes":
        return Filter(lambda code: content.is_a(root, code), lambda: with_ancestors(content, root))
    if op == "=":
        return Filter(lambda code: code == root, lambda: _existing(content, [root]))
    if op in ("in", "not-in"):
        # R4 snomedct.html: `concept in` names one reference set, and its members are meant.
        if op == "in" and content.url == SNOMED and "," not in value:
            return _by_ecl(content, f"^{value}", tick)
        listed = frozenset(content.find(item) or item for item in _split(value))
        if op == "in":
            return Filter(lambda code: code in listed, lambda: _existing(content, sorted(listed)))
        return Filter(lambda code: code not in listed)
    if op == "regex":
        return Filter(compile_regex(value).matches)
    if op == "exists":
        return Filter(lambda _: value == "true")
    return None


def with_descendants(content: CodeSystemContent, root: str) -> Iterator[str]:
    """The code and all below it, each once; nothing where there is no such code."""
    if content.find(root) is not None:
        yield root
        yield from content.descendants(root)


def with_ancestors(content: CodeSystemContent, root: str) -> Iterator[str]:
    """The code and all above it, each once, the ones above first; nothing where there is no such code."""
    # Depth first, and a code after its last parent: by levels, one of several paths would come too early.
    seen: set[str] = set()
    waiting = [(root, False)] if content.find(root) is not None else []
    while waiting:
        code, parents_done = waiting.pop()
        if parents_done:
            yield code
        elif code not in seen:
            seen.add(code)
            waiting.append((code, True))
            waiting.extend((parent, False) for parent in content.parents(code))


def _existing(content: CodeSystemContent, codes: list[str]) -> Iterator[str]:
    return (code for code in codes if content.find(code) is not None)


def _split(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def _on_property(content: CodeSystemContent, spec: FilterSpec) -> Filter | None:
    op, value = spec.op, spec.value
    if spec.property == "ancestor" and content.url == LOINC and op in ("=", "in"):
        return _below_any(content, _split(value) if op == "in" else [value])
    values = _values(content, spec.property)
    if values is None:
        return None
    if op == "=":
        having = _having(content, spec.property, [value])
        return Filter(
            lambda code: value in values(code),
            None if having is None else _of_any(having, [value]),
            None if having is None else _count_of(content, spec.property, value),
        )
    if op in ("in", "not-in"):
        listed = frozenset(_split(value))
        if op == "in":
            having = _having(content, spec.property, sorted(listed))
            return Filter(
                lambda code: not listed.isdisjoint(values(code)),
                None if having is None else _of_any(having, sorted(listed)),
            )
        return Filter(lambda code: listed.isdisjoint(values(code)))
    if op == "regex":
        regex = compile_regex(value)
        return Filter(lambda code: any(regex.matches(item) for item in values(code)))
    if op == "exists" and value in ("true", "false"):
        wanted = value == "true"
        return Filter(lambda code: bool(values(code)) == wanted)
    return None


def _below_any(content: CodeSystemContent, roots: list[str]) -> Filter:
    """LOINC's `ancestor` (R4 loinc.html): what is below one of the parts."""
    results = [content.find(root) or root for root in roots]
    return Filter(
        lambda code: any(code != root and content.is_a(code, root) for root in results),
        _of_any(content.descendants, results),
    )


def _having(
    content: CodeSystemContent, name: str, values: Sequence[str]
) -> Callable[[str], Iterator[str]] | None:
    """Finds the codes that have one of these values of a property; None where each code has to be asked.

    That is so for a Coding that is named by its display: it can be found by its code alone.
    """
    if isinstance(content, GrammarContent):
        return None
    if name in _BESIDE:
        beside = content.children if name == "parent" else content.parents
        return lambda value: iter(beside(value))
    kind = next((item.type for item in content.properties if item.code == name), None)
    if kind is None:
        return None
    if kind == "Coding" and any(next(content.with_property(name, item), None) is None for item in values):
        return None
    return lambda value: content.with_property(name, value)


def _count_of(content: CodeSystemContent, name: str, value: str) -> _Count | None:
    if name in _BESIDE or not isinstance(content, CountedContent):
        return None
    return lambda: content.count_with_property(name, value)


def _of_any(listed: Callable[[str], Iterator[str]], values: Sequence[str]) -> _Codes:
    """Lists the codes of several values, each once."""
    return lambda: _each_once(map(listed, values))


def _each_once(lists: Iterable[Iterator[str]]) -> Iterator[str]:
    seen: set[str] = set()
    for codes in lists:
        for code in codes:
            if code not in seen:
                seen.add(code)
                yield code


def _values(content: CodeSystemContent, name: str) -> Callable[[str], list[str]] | None:
    """Reads a property's values of a code; None where the code system has no such property."""
    if isinstance(content, GrammarContent):
        return _grammar_values(content, name)
    if any(item.code == name for item in content.properties) and name not in _BESIDE:

        def declared(code: str) -> list[str]:
            detail = content.get(code)
            return [] if detail is None else [text for value in detail.values(name) for text in _texts(value)]

        return declared
    if name == "parent":
        return lambda code: list(content.parents(code))
    if name == "child":
        return lambda code: list(content.children(code))
    if name in ("display", "definition", "inactive", "notSelectable"):

        def own(code: str) -> list[str]:
            detail = content.get(code)
            if detail is None:
                return []
            value = {
                "display": detail.display,
                "definition": detail.definition,
                "inactive": not detail.active,
                "notSelectable": detail.abstract,
            }[name]
            return [] if value is None else [value_text(value)]

        return own
    return None


def _texts(value: Any) -> Iterator[str]:
    """What a property's value is compared as: a Coding also by its display (LOINC's parts have names and codes)."""
    yield value_text(value)
    if isinstance(value, Mapping) and isinstance(value.get("display"), str):
        yield value["display"]


def _grammar_values(content: GrammarContent, name: str) -> Callable[[str], list[str]]:
    def computed(code: str) -> list[str]:
        value = content.property_text(code, name)
        return [] if value is None else [value]

    return computed
