"""An ECL expression asked of a code system's content: is a code in it, and which codes are."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.operations.ecl.bind import Binder
from fhir_bridge.terminology.operations.ecl.concept_sets import Bits, ConceptSet, numbers
from fhir_bridge.terminology.operations.ecl.content import evaluation_set_of
from fhir_bridge.terminology.operations.ecl.parse import parse_ecl
from fhir_bridge.terminology.operations.ecl.work import TooManySteps, Work

__all__ = ["Query", "compile_ecl"]


class Query:
    """An expression bound to a content; safe to share between threads."""

    def __init__(self, text: str, content: CodeSystemContent, tick: Callable[[], None] | None = None) -> None:
        """An expression.

        Args:
            tick: called while it is evaluated; it may raise to end that.

        Raises:
            EclError: the text is not ECL, or asks what the content can't decide.
        """
        numbering, logic = evaluation_set_of(content)
        self._numbering, self._work = numbering, Work(numbering, logic, tick)
        self._selection = Binder(self._work).bind(parse_ecl(text))
        self._concepts: Bits | None = None
        self._marks: ConceptSet | None = None

    def matches(self, code: str) -> bool:
        """Whether the code, as the system writes it, is in it.

        That is decided for the one code where it takes few steps; else all codes are found, once, and kept.
        """
        number = self._numbering.number(code)
        if number is None:
            return False
        if self._concepts is None:
            try:
                return self._selection.has(number, self._work.limited())
            except TooManySteps:
                # Two threads may both find them, and find the same.
                self._concepts = Bits(self._selection.marked())
        return number in self._concepts

    def codes(self) -> Iterator[str]:
        """The codes, each once, in the order of the code system's numbers."""
        return map(self._numbering.code, numbers(self._all()))

    def count(self) -> int:
        """How many codes there are."""
        return self._all().count(1)

    def _all(self) -> ConceptSet:
        if self._marks is None:
            self._marks = self._selection.marked()
        return self._marks


def compile_ecl(text: str, content: CodeSystemContent, tick: Callable[[], None] | None = None) -> Query:
    """The expression bound to a content.

    Raises:
        EclError: the text is not ECL, or asks what the content can't decide.
    """
    return Query(text, content, tick)
