"""An ECL expression asked of a code system's content: is a code in it, and which codes are.

Attributes are the content's properties whose values are codes; a role group is told by a property's name alone, so that
attributes in braces are matched as attributes of the concept. `^` reads the property `refset` (also `memberOf`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation

from fhir_bridge.terminology.concepts import value_text
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.operations.ecl.model import (
    Attribute,
    AttributeGroup,
    Compound,
    Constraint,
    Dotted,
    Focus,
    Refined,
    Refinement,
    RefinementSet,
)
from fhir_bridge.terminology.operations.ecl.parse import parse_ecl

__all__ = ["MEMBERSHIP", "Query", "compile_ecl"]

MEMBERSHIP = ("refset", "memberOf")
"""Properties that name the reference sets a concept is in."""

SNOMED = "http://snomed.info/sct"
"""Here attributes are concepts; what else a concept has (its module, when it was made) is none for `*`."""

_EVERY = 500
"""How many codes are listed between two calls of `tick`."""


class Query:
    """An expression bound to a content. Sets that parts come down to are found once, when first needed."""

    def __init__(
        self, constraint: Constraint, content: CodeSystemContent, tick: Callable[[], None] | None = None
    ) -> None:
        """An expression.

        Args:
            tick: called while codes are listed; it may raise to end that.
        """
        self._constraint = constraint
        self._content = content
        self._tick = tick
        self._sets: dict[int, frozenset[str]] = {}

    def matches(self, code: str) -> bool:
        """Whether the code is in it."""
        return self._content.find(code) is not None and self._test(self._constraint, code)

    def codes(self) -> Iterator[str]:
        """The codes, each once."""
        return iter(dict.fromkeys(self._list(self._constraint)))

    # --- one code ---

    def _test(self, constraint: Constraint, code: str) -> bool:
        if isinstance(constraint, Compound):
            if constraint.operator == "AND":
                return all(self._test(part, code) for part in constraint.parts)
            if constraint.operator == "OR":
                return any(self._test(part, code) for part in constraint.parts)
            return self._test(constraint.parts[0], code) and not self._test(constraint.parts[1], code)
        if isinstance(constraint, Refined):
            return self._test(constraint.focus, code) and self._refined(constraint.refinement, code)
        if isinstance(constraint, Dotted):
            return code in self._set(constraint)
        return self._focus(constraint, code)

    def _focus(self, focus: Focus, code: str) -> bool:
        target = focus.target
        if focus.member:
            return code in self._set(focus)
        if target == "*":
            return self._everything(focus.operator, code)
        content = self._content
        if not isinstance(target, str):
            return self._test(target, code) if focus.operator == "" else code in self._set(focus)
        return {
            "": lambda: code == target,
            "<": lambda: code != target and content.is_a(code, target),
            "<<": lambda: content.is_a(code, target),
            "<!": lambda: target in content.parents(code),
            "<<!": lambda: code == target or target in content.parents(code),
            ">": lambda: code != target and content.is_a(target, code),
            ">>": lambda: content.is_a(target, code),
            ">!": lambda: code in content.parents(target),
            ">>!": lambda: code == target or code in content.parents(target),
            "!!>": lambda: code == target,
            "!!<": lambda: code == target,
        }[focus.operator]()

    def _everything(self, operator: str, code: str) -> bool:
        """What an operator leaves of all concepts: `< *` lacks the roots, `> *` the leaves."""
        if operator in ("<", "<!"):
            return bool(self._content.parents(code))
        if operator in (">", ">!"):
            return bool(self._content.children(code))
        if operator == "!!>":
            return not self._content.parents(code)
        if operator == "!!<":
            return not self._content.children(code)
        return True

    def _refined(self, refinement: Refinement, code: str) -> bool:
        if isinstance(refinement, RefinementSet):
            results = (self._refined(part, code) for part in refinement.parts)
            return all(results) if refinement.operator == "AND" else any(results)
        if isinstance(refinement, AttributeGroup):
            holds = self._refined(refinement.refinement, code)
            return not holds if refinement.high == 0 else holds or refinement.low == 0
        return self._attribute(refinement, code)

    def _attribute(self, attribute: Attribute, code: str) -> bool:
        if attribute.reverse:
            names = self._names(attribute)
            sources = (
                source
                for name in names
                for source in self._content.with_property(name, code)
                if self._value_matches(attribute, source)
            )
            count = len(set(sources))
        else:
            detail = self._content.get(code)
            properties = () if detail is None else detail.properties
            count = sum(
                1
                for name, value, _ in properties
                if self._name_matches(attribute, name) and self._value_matches(attribute, value_text(value))
            )
        low = 1 if attribute.low is None else attribute.low
        return count >= low and (attribute.high is None or count <= attribute.high)

    def _name_matches(self, attribute: Attribute, name: str) -> bool:
        focus = attribute.name
        if isinstance(focus, Focus) and focus.target == "*" and not focus.operator:
            return self._content.url != SNOMED or self._content.find(name) is not None
        return self._test(focus, name)

    def _names(self, attribute: Attribute) -> list[str]:
        return [one.code for one in self._content.properties if self._name_matches(attribute, one.code)]

    def _value_matches(self, attribute: Attribute, value: str) -> bool:
        wanted, comparator = attribute.value, attribute.comparator
        if not isinstance(wanted, str):
            return self._test(wanted, value) == (comparator == "=")
        if wanted.startswith("#"):
            try:
                found, limit = Decimal(value.removeprefix("#")), Decimal(wanted[1:])
            except InvalidOperation:
                return False
            return {
                "=": found == limit,
                "!=": found != limit,
                "<": found < limit,
                "<=": found <= limit,
                ">": found > limit,
                ">=": found >= limit,
            }[comparator]
        text = wanted[1:-1].replace('\\"', '"') if wanted.startswith('"') else wanted
        return (value == text) == (comparator == "=")

    # --- all codes ---

    def _set(self, constraint: Constraint) -> frozenset[str]:
        found = self._sets.get(id(constraint))
        if found is None:
            found = self._sets[id(constraint)] = frozenset(self._list(constraint))
        return found

    def _list(self, constraint: Constraint) -> Iterator[str]:
        for place, code in enumerate(self._listed(constraint)):
            if place % _EVERY == 0 and self._tick is not None:
                self._tick()
            yield code

    def _listed(self, constraint: Constraint) -> Iterator[str]:
        if isinstance(constraint, Compound):
            if constraint.operator == "OR":
                for part in constraint.parts:
                    yield from self._list(part)
                return
            first, *others = constraint.parts
            minus = constraint.operator == "MINUS"
            for code in self._list(first):
                if all(self._test(other, code) != minus for other in others):
                    yield code
        elif isinstance(constraint, Refined):
            for code in self._list(constraint.focus):
                if self._refined(constraint.refinement, code):
                    yield code
        elif isinstance(constraint, Dotted):
            yield from self._values(constraint)
        else:
            yield from self._widened(constraint)

    def _values(self, dotted: Dotted) -> Iterator[str]:
        for code in self._list(dotted.focus):
            detail = self._content.get(code)
            for name, value, _ in () if detail is None else detail.properties:
                if self._test(dotted.attribute, name) and self._content.find(value_text(value)) is not None:
                    yield value_text(value)

    def _widened(self, focus: Focus) -> Iterator[str]:
        content, target = self._content, focus.target
        if target == "*" and not focus.member:
            yield from (code for code in content.codes() if self._everything(focus.operator, code))
            return
        if isinstance(target, str):
            roots = [target] if content.find(target) is not None else []
        else:
            roots = list(dict.fromkeys(self._list(target)))
        if focus.member and target == "*":
            roots = [code for code in content.codes() if self._is_member(code)]
        elif focus.member:
            sets = [target] if isinstance(target, str) else roots
            roots = list(dict.fromkeys(code for one in sets for code in self._members(one)))
        operator = focus.operator
        if operator in ("!!>", "!!<"):
            yield from self._ends(operator, roots)
            return
        for root in roots:
            if operator in ("", "<<", "<<!", ">>", ">>!"):
                yield root
            if operator in ("<", "<<"):
                yield from content.descendants(root)
            elif operator in ("<!", "<<!"):
                yield from content.children(root)
            elif operator in (">!", ">>!"):
                yield from content.parents(root)
            elif operator in (">", ">>"):
                yield from self._above(root)

    def _members(self, reference_set: str) -> Iterator[str]:
        for name in MEMBERSHIP:
            yield from self._content.with_property(name, reference_set)

    def _is_member(self, code: str) -> bool:
        detail = self._content.get(code)
        return detail is not None and any(name in MEMBERSHIP for name, _, _ in detail.properties)

    def _above(self, code: str) -> Iterator[str]:
        seen = {code}
        waiting = [code]
        while waiting:
            for parent in self._content.parents(waiting.pop()):
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
                    yield parent

    def _ends(self, operator: str, codes: list[str]) -> Iterator[str]:
        """Those that no other of the set is above (`!!>`) or below (`!!<`)."""
        inside = set(codes)
        for code in codes:
            others = self._above(code) if operator == "!!>" else self._content.descendants(code)
            if not any(other in inside for other in others):
                yield code


def compile_ecl(text: str, content: CodeSystemContent, tick: Callable[[], None] | None = None) -> Query:
    """The expression bound to a content.

    Raises:
        EclError: the text is not ECL.
    """
    return Query(parse_ecl(text), content, tick)
