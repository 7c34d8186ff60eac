"""What the value of an attribute must be."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from operator import eq, ge, gt, le, lt, ne

from fhir_bridge.terminology.ecl_evaluation_set import LITERAL
from fhir_bridge.terminology.operations.ecl.concept_sets import Bits
from fhir_bridge.terminology.operations.ecl.selection import All, Selection
from fhir_bridge.terminology.operations.ecl.work import Steps, Work

__all__ = ["COMPARED", "ConceptValue", "LiteralValue", "NumberValue", "Value", "decimal"]

COMPARED: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge
}  # fmt: skip

_CODED = ("code", "Coding")


def decimal(text: str) -> Decimal | None:
    """A number; None for what is none."""
    try:
        result = Decimal(text)
    except InvalidOperation:
        return None
    return result if result.is_finite() else None


class Value(ABC):
    """A test of values: numbers of concepts, or literals."""

    def __init__(self, work: Work) -> None:
        self._work = work

    @abstractmethod
    def fits(self, value: int, steps: Steps) -> bool:
        """Whether the value is wanted."""

    def few(self) -> Sequence[int] | None:
        """The wanted values, where they are few and known."""
        return None

    def resolved(self) -> Value:
        """The same with all that it asks for found."""
        return self


class ConceptValue(Value):
    """`= <<…` and `!= <<…`."""

    def __init__(self, work: Work, of: Selection, *, negated: bool, concepts: Bits | None = None) -> None:
        """The values of a selection.

        Args:
            concepts: its concepts, once they are known.
        """
        super().__init__(work)
        self._of, self._negated, self._concepts = of, negated, concepts

    def fits(self, value: int, steps: Steps) -> bool:
        if value < LITERAL:
            inside = self._of.has(value, steps) if self._concepts is None else value in self._concepts
            return inside != self._negated
        if isinstance(self._of, All):
            return not self._negated
        kind, text = self._work.logic.literal(value)
        return (kind in _CODED and self._of.names(text, steps)) != self._negated

    def few(self) -> Sequence[int] | None:
        # Not where literals hold codes, of which some may be wanted as well.
        if self._negated or self._concepts is None or self._work.logic.has_coded_literals:
            return None
        return self._concepts.few()

    def resolved(self) -> ConceptValue:
        if isinstance(self._of, All):
            return self
        return ConceptValue(self._work, self._of, negated=self._negated, concepts=Bits(self._of.marked()))


class NumberValue(Value):
    """`>= #10`."""

    def __init__(self, work: Work, comparator: str, wanted: Decimal) -> None:
        super().__init__(work)
        self._compared, self._wanted = COMPARED[comparator], wanted

    def fits(self, value: int, steps: Steps) -> bool:  # noqa: ARG002
        if value < LITERAL:
            return False
        kind, text = self._work.logic.literal(value)
        result = decimal(text) if kind in ("integer", "decimal") else None
        return result is not None and self._compared(result, self._wanted)


class LiteralValue(Value):
    """`= "text"`, `= ("one" "other")` and `= true`; `!=` wants another literal of that type."""

    def __init__(self, work: Work, texts: Sequence[str], *, boolean: bool, negated: bool) -> None:
        super().__init__(work)
        self._texts, self._boolean, self._negated = frozenset(texts), boolean, negated

    def fits(self, value: int, steps: Steps) -> bool:  # noqa: ARG002
        if value < LITERAL:
            return False
        kind, text = self._work.logic.literal(value)
        if (kind == "boolean") != self._boolean or kind in ("integer", "decimal"):
            return False
        return (text in self._texts) != self._negated
