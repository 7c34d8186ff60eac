"""Reference sets: `^`, `^R` and history supplements (ECL 6.1, 6.11)."""

from __future__ import annotations

from fhir_bridge.terminology.operations.ecl.errors import EclError
from fhir_bridge.terminology.operations.ecl.marks import Marks, merge
from fhir_bridge.terminology.operations.ecl.rows import Rows
from fhir_bridge.terminology.operations.ecl.selection import One, Selection
from fhir_bridge.terminology.operations.ecl.work import Steps, Work
from fhir_bridge.terminology.substrate import Member

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
            for place, one in rows.sets.items():
                found = rows.field(one, field)
                if found is not None and one.fields[found][1] == "c":
                    self._places[place] = found
            if rows.sets and not self._places:
                raise EclError(f"no reference set here has a field {field} that holds concepts", offset)

    def has(self, number: int, steps: Steps) -> bool:
        if self._places is None:
            return any(True for _ in self._rows.of(number, steps))
        code = self.work.numbering.code(number)
        for _, place, row in self._rows.all():
            steps.take()
            if place in self._places and row.fields[self._places[place]] == code:
                return True
        return False

    def mark(self, into: Marks) -> None:
        number_of = self.work.numbering.number
        for number, place, row in self._rows.all():
            if self._places is None:
                into[number] = 1
            elif place in self._places:
                target = number_of(row.fields[self._places[place]])
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
            one.code == code and self._holds(place, steps)
            for place, one in enumerate(self.work.logic.reference_sets)
        )

    def _holds(self, place: int, steps: Steps) -> bool:
        if isinstance(self._of, One):
            rows = () if self._of.number is None else self.work.logic.rows(place, self._of.number)
            return any(row.active for row in rows)
        for member, rows in self.work.logic.members(place):
            steps.take()
            if any(row.active for row in rows) and self._of.has(member, steps):
                return True
        return False

    def mark(self, into: Marks) -> None:
        of = self._of.marked()
        for place, one in enumerate(self.work.logic.reference_sets):
            number = self.work.numbering.number(one.code)
            if number is not None and self._marked_by(place, of):
                into[number] = 1

    def _marked_by(self, place: int, of: Marks) -> bool:
        for member, rows in self.work.logic.members(place):
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
            place: found
            for place, one in self._rows.sets.items()
            if (found := self._rows.field(one, _TARGET)) is not None
        }

    def has(self, number: int, steps: Steps) -> bool:
        if self._of.has(number, steps):
            return True
        return any(
            target is not None and self._of.has(target, steps)
            for place, row in self._rows.of(number, steps)
            if (target := self._target(place, row)) is not None
        )

    def _target(self, place: int, row: Member) -> int | None:
        field = self._targets.get(place)
        return None if field is None else self.work.numbering.number(row.fields[field])

    def mark(self, into: Marks) -> None:
        of = self._of.marked()
        for number, place, row in self._rows.all():
            target = self._target(place, row)
            if target is not None and of[target]:
                into[number] = 1
        merge(into, of)
