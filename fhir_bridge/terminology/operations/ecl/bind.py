"""An expression bound to a code system: its parts become selections, and what the code system lacks is refused."""

from __future__ import annotations

from decimal import Decimal

from fhir_bridge.terminology.operations.ecl.description_filters import Described
from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.filter_model import (
    Active,
    Coded,
    ConceptFilter,
    DescriptionFilter,
)
from fhir_bridge.terminology.operations.ecl.filtering import Activity, ByProperty, Filter, Narrowed
from fhir_bridge.terminology.operations.ecl.membership import (
    HISTORICAL,
    Holding,
    Members,
    WithHistory,
)
from fhir_bridge.terminology.operations.ecl.model import (
    Attribute,
    AttributeGroup,
    Compound,
    Concept,
    Constraint,
    Dotted,
    Everything,
    Filtered,
    MembersOf,
    ReferenceSetsOf,
    Refined,
    Refinement,
    RefinementSet,
    Related,
    Supplemented,
)
from fhir_bridge.terminology.operations.ecl.refinement import (
    Attributes,
    AttributeTest,
    GroupTest,
    Joined,
    Refinements,
    Restricted,
)
from fhir_bridge.terminology.operations.ecl.rows import Rows
from fhir_bridge.terminology.operations.ecl.selection import (
    All,
    Ends,
    Intersection,
    Relatives,
    Selection,
    SingleConcept,
    Union,
    Without,
    chosen,
)
from fhir_bridge.terminology.operations.ecl.values import ConceptValue, LiteralValue, NumberValue, Value
from fhir_bridge.terminology.operations.ecl.work import Work

__all__ = ["Binder"]

_HISTORICAL_SETS = "900000000000522004"


class Binder:
    """Binds expressions to the code system of one piece of work."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def bind(self, constraint: Constraint) -> Selection:
        """The selection.

        Raises:
            EclError: the code system can't determine what is asked for.
        """
        work = self._work
        match constraint:
            case Concept(code):
                return SingleConcept(work, code)
            case Everything():
                return All(work)
            case Related("!!>" | "!!<" as operator, of):
                return Ends(work, self.bind(of), top=operator == "!!>")
            case Related(operator, of):
                return Relatives(work, operator, self.bind(of))
            case Compound(operator, parts):
                return self._compound(operator, [self.bind(part) for part in parts])
            case Refined(of, refinement):
                return Restricted(work, self.bind(of), self._refinement(refinement))
            case Dotted(of, attribute):
                return Attributes(work, self.bind(of), self._attributes(attribute))
            case MembersOf():
                return self._members(constraint)
            case ReferenceSetsOf(of):
                return Holding(work, self.bind(of))
            case Filtered(of, filters):
                return Narrowed(
                    work, self.bind(of), [result for item in filters for result in self._filters(item)]
                )
            case Supplemented(of, sets, offset):
                return WithHistory(work, self.bind(of), self._historical(sets, offset))
        raise TypeError(type(constraint))

    def _compound(self, operator: str, parts: list[Selection]) -> Selection:
        if operator == "OR":
            return Union(self._work, parts)
        if operator == "AND":
            return Intersection(self._work, parts)
        return Without(self._work, *parts)

    # --- refinements ---

    def _refinement(self, refinement: Refinement) -> Refinements:
        if isinstance(refinement, Attribute):
            return self._attribute(refinement)
        if isinstance(refinement, RefinementSet):
            parts = [self._refinement(part) for part in refinement.parts]
            return Joined(self._work, parts, all_of=refinement.operator == "AND")
        return self._group(refinement)

    def _group(self, group: AttributeGroup) -> GroupTest:
        if self._work.logic.lacking_groups is not None:
            raise EclError(
                f"attribute groups can't be checked here, {self._work.logic.lacking_groups}", group.offset
            )
        return GroupTest(self._work, self._refinement(group.refinement), group.low, group.high)

    def _attribute(self, attribute: Attribute) -> AttributeTest:
        names = self._attributes(attribute.name)
        bounds = (attribute.low, attribute.high)
        return AttributeTest(self._work, names, self._value(attribute), bounds, reverse=attribute.reverse)

    def _attributes(self, name: Constraint) -> frozenset[int]:
        """Places of the attributes in use that an expression names."""
        known = self._work.logic.attributes
        wanted = set(chosen(self.bind(name), known))
        return frozenset(location for location, code in enumerate(known) if code in wanted)

    def _value(self, attribute: Attribute) -> Value:
        value, negated = attribute.value, attribute.comparator == "!="
        if isinstance(value, Constraint):
            return ConceptValue(self._work, self.bind(value), negated=negated)
        if isinstance(value, Decimal):
            return NumberValue(self._work, attribute.comparator, value)
        if isinstance(value, bool):
            text = "true" if value else "false"
            return LiteralValue(self._work, [text], boolean=True, negated=negated)
        return LiteralValue(self._work, value, boolean=False, negated=negated)

    # --- filters and reference sets ---

    def _filters(self, requested: ConceptFilter | DescriptionFilter) -> list[Filter]:
        work = self._work
        if isinstance(requested, DescriptionFilter):
            return [Described(work, requested, self.bind)]
        return [
            Activity(work, condition)
            if isinstance(condition, Active)
            else ByProperty.of(
                work, condition, self.bind(condition.value) if isinstance(condition, Coded) else None
            )
            for condition in requested.conditions
        ]

    def _members(self, members: MembersOf) -> Members:
        if members.filters or members.field is not None:
            self._work.needs("fields of reference sets", members.offset)
        rows = Rows(self._work, self.bind(members.of), members.filters, self.bind)
        return Members(rows, members.field, members.offset)

    def _historical(self, sets: Constraint | None, offset: int) -> Selection:
        """The reference sets of a history supplement."""
        work = self._work
        work.needs("history supplements", offset)
        known = [reference_set.code for reference_set in work.logic.reference_sets]
        below = Relatives(work, "<", SingleConcept(work, _HISTORICAL_SETS))
        every = Union(work, [*(SingleConcept(work, code) for code in sorted(HISTORICAL)), below])
        if not chosen(every, known):
            raise EclError("history supplements: no historical association was imported", offset)
        return every if sets is None else self.bind(sets)
