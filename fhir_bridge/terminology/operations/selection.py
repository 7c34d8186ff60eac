"""Which codes a value set selects: is one in it, and which are (R4 valueset.html#compositions).

The answer to "is it in" has three values: None where it takes a code system that is not available. `$validate-code`
says more about one coding (`membership.py`); everybody else asks here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.folding import words
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.operations.filters import Filter
from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.operations.scope import MAX_IMPORTS, Scope
from fhir_bridge.terminology.value_set_definitions import Part, ValueSetDefinition

__all__ = ["Selector", "all_of", "any_of"]

_Path = tuple[int, ...]
"""Value sets that are being looked into, each imported by the one before."""

MOST_WORDS = 100
"""Different words that a text filter may have."""

_KEPT = 10_000
"""Answers of imported value sets that are kept; beyond it they are forgotten all at once."""

_MORE = 8
"""So many times as many hits of a text are asked for, where too few of them pass the filters."""

_EVERY = 500
"""How many codes are looked at between two looks at the clock."""


class Selector:
    """Selects within the scope of one request, or of the process."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._answers: dict[tuple[int, str | None, str], tuple[ValueSetDefinition, bool | None]] = {}
        self._parts: dict[int, tuple[Part, CodeSystemContent | None, Sequence[Filter] | None]] = {}

    # --- one code ---

    def member(
        self, value_set: ValueSetDefinition, system: str | None, code: str, path: _Path = ()
    ) -> bool | None:
        """Whether the code is in the value set. `system` None asks for a bare code: each system of it is tried.

        Value sets that import each other in a circle, or in a chain of more than `MAX_IMPORTS`, decide nothing.
        """
        if len(path) > MAX_IMPORTS:
            return None
        path = (*path, id(value_set))
        if value_set.expanded is not None:
            return self._in_expansion(value_set, system, code)
        if not value_set.excludes and code in value_set.listed.get(system, ()):
            return True
        if system is None:
            systems = {part.system for part in value_set.includes if part.system}
            answers = [self.member(value_set, item, code, path) for item in systems]
            answers += [
                self._part(value_set, part, None, code, path)
                for part in value_set.includes
                if part.system is None
            ]
            return any_of(answers) if answers else None
        included = any_of([self._part(value_set, part, system, code, path) for part in value_set.includes])
        if included is False or not value_set.excludes:
            return included
        excluded = any_of([self._part(value_set, part, system, code, path) for part in value_set.excludes])
        if excluded:
            return False
        return None if excluded is None else included

    def _in_expansion(self, value_set: ValueSetDefinition, system: str | None, code: str) -> bool | None:
        entries = value_set.expanded or {}
        if (system, code) in entries or (system is None and any(code == key[1] for key in entries)):
            return True
        return False if value_set.expansion_whole else None

    def _part(
        self, value_set: ValueSetDefinition, part: Part, system: str | None, code: str, path: _Path
    ) -> bool | None:
        answers: list[bool | None] = []
        if part.system is not None:
            if part.system != system:
                return False
            answers.append(self.in_part(part, code))
        for reference in part.value_sets:
            if answers and answers[-1] is False:
                return False
            other = self._scope.value_set(reference, value_set)
            answers.append(None if other is None else self._imported(other, system, code, path))
        return all_of(answers) if answers else None

    def _imported(self, other: ValueSetDefinition, system: str | None, code: str, path: _Path) -> bool | None:
        """As `member`; worked out once however many value sets import this one."""
        if id(other) in path:
            return None
        key = (id(other), system, code)
        known = self._answers.get(key)
        if known is None:
            if len(self._answers) > _KEPT:
                self._answers.clear()
            # With the value set, so that no other gets its id while the answer is here.
            known = self._answers[key] = (other, self.member(other, system, code, path))
        return known[1]

    def in_part(self, part: Part, code: str) -> bool | None:
        """Whether an include or exclude has the code by its system, concepts and filters."""
        # A listed code is in, whether its code system is available or not.
        if part.concepts is not None and code in part.concepts and not part.filters:
            return True
        entry = self._parts.get(id(part))
        if entry is None:
            entry = self._parts[id(part)] = (part, *self._resolved(part))
        _, content, filters = entry
        if content is None:
            return False if part.concepts is not None else None
        return _selects(part, content, filters, code)

    def _resolved(self, part: Part) -> tuple[CodeSystemContent | None, Sequence[Filter] | None]:
        """The content of an include and its filters; None where they can't be used."""
        version = self._scope.rule_version(str(part.system), part.version)
        content = self._scope.code_system(str(part.system), version)
        return content, None if content is None else self._filters(part, content)

    def _filters(self, part: Part, content: CodeSystemContent) -> Sequence[Filter] | None:
        try:
            return self._scope.filters(part, content)
        except OperationError:
            # It leaves the question open here; who expands gets the error.
            return None

    def in_content(self, part: Part, content: CodeSystemContent, code: str) -> bool | None:
        """Whether an include or exclude has the code by its concepts and filters, the content being available."""
        return _selects(part, content, self._filters(part, content), code)

    # --- all codes ---

    def codes(self, part: Part, content: CodeSystemContent, value_set: ValueSetDefinition) -> Iterator[str]:
        """The codes that an include has by its system, concepts and filters, in the order of the source.

        Raises:
            OperationError: a filter can't be used, or it takes too long.
        """
        filters = self._scope.filters(part, content)
        if part.concepts is not None:
            results = (content.find(code) for code in part.concepts)
            yield from (
                code for code in results if code is not None and all(item.matches(code) for item in filters)
            )
            return
        quick = _quickest(filters)
        source = quick.codes() if quick is not None and quick.codes is not None else content.codes()
        others = [item for item in filters if item is not quick]
        for index, code in enumerate(source):
            if index % _EVERY == 0:
                self._scope.tick(value_set)
            if all(item.matches(code) for item in others):
                yield code

    def codes_by_text(
        self,
        part: Part,
        content: CodeSystemContent,
        text: str,
        limit: int,
        *,
        active_only: bool,
        also: Callable[[str], bool],
    ) -> Sequence[str]:
        """The codes of an include whose names have the text, best first; not more than `limit`.

        Args:
            also: what must hold of a code besides; it counts before the limit does.

        Raises:
            OperationError: a filter can't be used, the text has too many words, or it takes too long.
        """
        wanted = tuple(dict.fromkeys(words(text)))
        if len(wanted) > MOST_WORDS:
            raise OperationError(
                TxIssue("error", "too-costly", None, f"The filter has more than {MOST_WORDS} words")
            )
        if part.concepts is not None:
            return [
                code
                for value, entry in part.concepts.items()
                if (code := content.find(value)) is not None
                and _has_text(content, code, entry.get("display"), wanted, text)
                and also(code)
            ]
        filters = self._scope.filters(part, content)
        requested, looked = limit, 0
        results: list[str] = []
        while True:
            hits = content.search(text, requested, active_only)
            results.extend(
                code for code in hits[looked:] if all(item.matches(code) for item in filters) and also(code)
            )
            if len(hits) < requested or len(results) >= limit:
                return results[:limit]
            self._scope.tick()
            looked, requested = len(hits), requested * _MORE

    @staticmethod
    def listable(content: CodeSystemContent) -> bool:
        """Whether the codes of the system can be listed."""
        return not isinstance(content, GrammarContent)


def _quickest(filters: Sequence[Filter]) -> Filter | None:
    """The filter whose codes are to be listed, the others asked of each: of several the one with the fewest."""
    listing = [item for item in filters if item.codes is not None]
    if len(listing) < 2:
        return listing[0] if listing else None
    return min(listing, key=lambda item: math.inf if item.count is None else item.count())


def _selects(
    part: Part, content: CodeSystemContent, filters: Sequence[Filter] | None, code: str
) -> bool | None:
    # What is not listed is out, whether the system has it or not: some systems take long to read.
    if part.concepts is not None and content.case_sensitive and code not in part.concepts:
        return False
    right = content.find(code)
    if right is None:
        return False if content.content == "complete" or part.concepts is not None else None
    if part.concepts is not None and part.listed(right, case_sensitive=content.case_sensitive) is None:
        return False
    if filters is None:
        return None
    for item in filters:
        if not item.matches(right):
            # A fragment may lack the very property that the filter reads.
            return False if content.content == "complete" else None
    return True


def _has_text(
    content: CodeSystemContent, code: str, display: str | None, wanted: tuple[str, ...], text: str
) -> bool:
    detail = content.get(code)
    if detail is None:
        return False
    if code.casefold().startswith(text.casefold()):
        return True
    names = [display, detail.display, *(designation.value for designation in detail.designations)]
    for name in names:
        parts = tuple(words(name or ""))
        if wanted and all(any(part.startswith(word) for part in parts) for word in wanted):
            return True
    return False


def any_of(answers: Sequence[bool | None]) -> bool | None:
    """True where one is; otherwise None where one is."""
    if True in answers:
        return True
    return None if None in answers else False


def all_of(answers: Sequence[bool | None]) -> bool | None:
    """False where one is; otherwise None where one is."""
    if False in answers:
        return False
    return None if None in answers else True
