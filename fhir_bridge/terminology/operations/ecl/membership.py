"""Reference sets: `^`, `^R` and history supplements (ECL 6.1, 6.11)."""

from __future__ import annotations

from fhir_bridge.terminology.ecl_evaluation_set import Member
from fhir_bridge.terminology.operations.ecl.concept_sets import ConceptSet, merge
from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.rows import Rows
from fhir_bridge.terminology.operations.ecl.selection import Selection, SingleConcept
from fhir_bridge.terminology.operations.ecl.work import Steps, Work

__all__ = ["HISTORICAL", "Holding", "Members", "WithHistory"]

HISTORICAL = frozenset(
    {
        "900000000000523009",
        "900000000000524003",
        "900000000000525002",
        "900000000000526001",
        "900000000000527005",
        "900000000000528000",
        "900000000000530003",
        "900000000000531004",
        "1186921001",
        "1186924009",
    }
)
"""The international historical association reference sets."""

_TARGET = "targetComponentId"


class Members(Selection):
    """`^ …`, what a field of the rows has: the referenced concepts as a rule."""

    def __init__(self, rows: Rows, field: str | None, offset: int) -> None:
        """The members.

        Raises:
            EclError: no reference set of these has the field, or it does not hold concepts.
        """
        super().__init__(rows.work)
        self._rows = rows
        self._places: dict[int, int] | None = None
        if field is not None:
            self._places = {}
            for location, item in rows.sets.items():
                result = rows.field(item, field)
                if result is not None and item.fields[result][1] == "c":
                    self._places[location] = result
            if rows.sets and not self._places:
                raise EclError(f"no reference set here has a field {field} that holds concepts", offset)

    def has(self, number: int, steps: Steps) -> bool:
        if self._places is None:
            return any(True for _ in self._rows.of(number, steps))
        code = self.work.numbering.code(number)
        # Rows are looked up by the concept that they refer to, not by their fields.
        for _, location, row in self._rows.all():
            steps.take()
            if location in self._places and row.fields[self._places[location]] == code:
                return True
        return False

    def mark(self, into: ConceptSet) -> None:
        number_of = self.work.numbering.number
        for number, location, row in self._rows.all():
            if self._places is None:
                into[number] = 1
            elif location in self._places:
                target = number_of(row.fields[self._places[location]])
                if target is not None:
                    into[target] = 1


class Holding(Selection):
    """`^R …`: the reference sets that have an active row of one of the concepts."""

    def __init__(self, work: Work, of: Selection) -> None:
        super().__init__(work)
        self._of = of

    def has(self, number: int, steps: Steps) -> bool:
        code = self.work.numbering.code(number)
        return any(
            item.code == code and self._holds(location, steps)
            for location, item in enumerate(self.work.logic.reference_sets)
        )

    def _holds(self, position: int, steps: Steps) -> bool:
        if isinstance(self._of, SingleConcept):
            rows = () if self._of.number is None else self.work.logic.rows(position, self._of.number)
            return any(row.active for row in rows)
        for member, rows in self.work.logic.members(position):
            steps.take()
            if any(row.active for row in rows) and self._of.has(member, steps):
                return True
        return False

    def mark(self, into: ConceptSet) -> None:
        of = self._of.marked()
        for location, item in enumerate(self.work.logic.reference_sets):
            number = self.work.numbering.number(item.code)
            if number is not None and self._marked_by(location, of):
                into[number] = 1

    def _marked_by(self, position: int, of: ConceptSet) -> bool:
        for member, rows in self.work.logic.members(position):
            self.work.steps.take()
            if of[member] and any(row.active for row in rows):
                return True
        return False


class WithHistory(Selection):
    """A selection, with the concepts from which active rows of historical associations lead to it."""

    def __init__(self, work: Work, of: Selection, sets: Selection) -> None:
        """The supplemented selection.

        Args:
            sets: the association reference sets.
        """
        super().__init__(work)
        self._of = of
        self._rows = Rows(work, sets, (), lambda _: sets)
        self._targets = {
            location: field
            for location, item in self._rows.sets.items()
            if (field := self._rows.field(item, _TARGET)) is not None
        }

    def has(self, number: int, steps: Steps) -> bool:
        if self._of.has(number, steps):
            return True
        return any(
            target is not None and self._of.has(target, steps)
            for location, row in self._rows.of(number, steps)
            if (target := self._target(location, row)) is not None
        )

    def _target(self, position: int, row: Member) -> int | None:
        field = self._targets.get(position)
        return None if field is None else self.work.numbering.number(row.fields[field])

    def mark(self, into: ConceptSet) -> None:
        of = self._of.marked()
        for number, location, row in self._rows.all():
            target = self._target(location, row)
            if target is not None and of[target]:
                into[number] = 1
        merge(into, of)
