"""What became of one source leaf: it arrived, or it did not, or not as it was."""

from __future__ import annotations

import re
from datetime import tzinfo

from fhir_bridge.workshop.audit.comparison import contains
from fhir_bridge.workshop.audit.contexts import Contexts
from fhir_bridge.workshop.audit.fhir_pool import FhirLeaf, Pool
from fhir_bridge.workshop.audit.leaves import STATUS_WORDS, Role, SourceLeaf, SourceRecord
from fhir_bridge.workshop.audit.moments import moment
from fhir_bridge.workshop.audit.outcomes import ARRIVED, DEPENDENT, LOST, Kind, Outcome
from fhir_bridge.workshop.audit.places import CODE_ELEMENTS, ELEMENTS, Places
from fhir_bridge.workshop.audit.quantities import Quantities
from fhir_bridge.workshop.audit.rows import code_at
from fhir_bridge.workshop.audit.stated import is_negated
from fhir_bridge.workshop.audit.times import Times
from fhir_bridge.workshop.audit.translations import (
    display_stems,
    same_family,
    statuses,
    system_of,
    translations,
)
from fhir_bridge.workshop.first_mapping.statuses import STATUS_KINDS, status_codes
from fhir_bridge.workshop.normal_forms import digits, folded, stems, words

__all__ = ["Checker"]


class Checker:
    """Compares the leaves of one record with the FHIR that it may have become."""

    def __init__(self, record: SourceRecord, pool: Pool, contexts: Contexts, zone: tzinfo | None) -> None:
        self._places = Places(record, pool, contexts)
        self._quantities, self._times = Quantities(self._places), Times(self._places, zone)
        self._values = {folded(leaf.value) for leaf in record.leaves}
        self._matched: dict[int, list[FhirLeaf]] = {}
        self._codes: dict[int, SourceLeaf] = {}
        self._arrived: dict[int, list[FhirLeaf]] = {}

    def shifted(self) -> list[tuple[SourceLeaf, Outcome]]:
        """Times of FHIR that are no time of the source, and are a whole zone away from one of theirs."""
        return self._times.unexplained()

    def codes(self, leaf: SourceLeaf) -> frozenset[str]:
        """The codes of the results that a value became; none where it is something else too."""
        if leaf.role is Role.UNIT:
            return frozenset()
        codes = [code_at(match) for match in self._arrived.get(leaf.number, ())]
        return frozenset() if None in codes else frozenset(code for code in codes if code)

    def check(self, leaf: SourceLeaf) -> Outcome:
        """What became of the leaf; leaves are to be asked for in order, as a display follows its code."""
        if leaf.role is Role.CODE or leaf.part not in self._codes:
            self._codes[leaf.part] = leaf
        if leaf.role is Role.TIME:
            return self._time(leaf)
        if leaf.role is Role.STATUS:
            return self._status(leaf)
        if leaf.role is Role.UNIT:
            return self._quantities.unit(leaf)
        if leaf.role is Role.SYSTEM:
            return self._system(leaf)
        if leaf.role is Role.COMPARATOR and leaf.value == "=":
            return ARRIVED
        if (leaf.field == "PID-8" or leaf.table == "sex") and (outcome := self._sex(leaf)) is not None:
            return outcome
        inside = self._places.inside(leaf)
        if self._quantities.is_marked(leaf):
            inside = [match for match in inside if self._quantities.has_mark(leaf, match)]
        if not inside and self._quantities.went_with_amount(leaf):
            return ARRIVED
        if inside:
            self._arrived[leaf.number] = inside
            self._matched.setdefault(leaf.part, []).extend(inside)
            return ARRIVED
        if leaf.role in (Role.NUMBER, Role.TEXT) and self._quantities.apart(leaf):
            return ARRIVED
        return self._changed(leaf)

    def _time(self, leaf: SourceLeaf) -> Outcome:
        """A time, or what a sender of another version put in its place: a name, where NDL has the start."""
        outcome = self._times.check(leaf)
        if outcome.kind is not Kind.NEVER:
            return outcome
        named = moment(leaf.value) is None and any(
            contains(match.text, leaf.value) for match in self._places.scoped(leaf)
        )
        return ARRIVED if named or self._noted(leaf) else outcome

    def _changed(self, leaf: SourceLeaf) -> Outcome:
        """Whether a value that is nowhere is there in another form."""
        if self._beside(leaf) or self._implied_code(leaf):
            return ARRIVED
        if leaf.role is Role.CODE and leaf.table and self._by_name(leaf):
            self._arrived[leaf.number] = []
            return ARRIVED
        if leaf.role is Role.YES_NO and leaf.value.upper() in ("Y", "N", "YES", "NO"):
            wanted = "true" if leaf.value.upper().startswith("Y") else "false"
            place = ELEMENTS.get(leaf.field)
            if any(
                ((isinstance(match.value, bool) and match.text == wanted) or _implied(leaf, match))
                and (not place or place.search(match.path))
                for match in self._places.scoped(leaf)
            ):
                return ARRIVED
        if leaf.role is Role.DISPLAY and self._code_is_there(leaf) and self._named(leaf):
            return ARRIVED
        if leaf.role in (Role.TEXT, Role.DISPLAY) and len(leaf.value) >= 12:
            text = folded(leaf.value)
            for match in self._places.scoped(leaf):
                shown = folded(match.text)
                if len(shown) >= 8 and text.startswith(shown) and shown not in self._values:
                    return Outcome(Kind.VALUE, "it is cut short", match.path, match.text)
        if leaf.role in (Role.TEXT, Role.CODE, Role.DISPLAY) and self._quantities.names_unit(leaf):
            return ARRIVED
        if leaf.role is Role.NAME and self._name_apart(leaf):
            return ARRIVED
        if leaf.role is Role.PHONE and self._phone(leaf):
            return ARRIVED
        if self._noted(leaf):
            return ARRIVED
        if leaf.role in (Role.NUMBER, Role.TEXT):
            return self._quantities.near(leaf)
        return self._quantities.other_unit(leaf) or LOST

    def _noted(self, leaf: SourceLeaf) -> bool:
        """Whether a note of the resource has the whole value as it was behind a label: `Transport: WALK`."""
        parts = {
            other.value
            for other in self._places.record.units[leaf.unit].leaves
            if other.part == leaf.part and other.role is not Role.STRUCTURE
        }
        for match in self._places.scoped(leaf):
            label, colon, text = match.text.partition(": ")
            note = colon and match.path.endswith(".note.text") and len(label.split()) <= 6
            if note and parts <= {text, *re.split(r"[\^&~]", text)}:
                return True
        return False

    def _implied_code(self, leaf: SourceLeaf) -> bool:
        """Whether the code of a result says where its value went: `Immunization.programEligibility`."""
        if not leaf.field.startswith("OBX-3") or self._places.contexts.primary[leaf.unit] is not None:
            return False
        unit = self._places.record.units[leaf.unit]
        return any(
            match.resource.type not in unit.types
            for other in unit.leaves
            if other.field.startswith("OBX-5")
            for match in self._places.inside(other)
        )

    def _beside(self, leaf: SourceLeaf) -> bool:
        """Whether a short value is in a text that has other parts of the same value: `SMITH--Angela--L`."""
        return leaf.role is not Role.NUMBER and any(
            contains(match.text, leaf.value) and self._places.is_stated(leaf, match.text)
            for match in self._matched.get(leaf.part, ())
        )

    def _by_name(self, leaf: SourceLeaf) -> bool:
        """Whether a code of a table is there by its name in words."""
        return self._named_in(leaf, display_stems(leaf.table, leaf.value), 0.5)

    def _named_in(self, leaf: SourceLeaf, names: frozenset[str], share: float) -> bool:
        place = ELEMENTS.get(leaf.field.split(".")[0])
        if not names:
            return False
        for match in self._places.scoped(leaf):
            if CODE_ELEMENTS.search(match.path) and (not place or place.search(match.path)):
                shown = stems(match.text)
                if shown and len(shown & names) >= share * len(shown):
                    return True
        return False

    def _code_is_there(self, leaf: SourceLeaf) -> bool:
        code = self._codes.get(leaf.part)
        return code is not None and code.number in self._arrived

    def _named(self, leaf: SourceLeaf) -> bool:
        """Whether the name of a code that arrived is there by another name of it, or by its translation."""
        code = self._codes[leaf.part]
        matches = self._arrived[code.number]
        if code.table and all(folded(match.text) != folded(code.value) for match in matches):
            return True  # what a table's code was translated to says what its name says
        own = set(words(leaf.value))
        return any(
            sibling.element == "display"
            and (own & set(words(sibling.text)) or leaf.value == code.value)
            and not is_negated(sibling.text, leaf.value, ())
            for match in matches
            for sibling in match.resource.holders[match.holder]
        )

    def _phone(self, leaf: SourceLeaf) -> bool:
        """Whether the digits are in a telephone number; those of an area, before the local ones."""
        parts = [
            digits(other.value)
            for other in self._places.record.units[leaf.unit].leaves
            if other.part == leaf.part and other.role is Role.PHONE and other.number >= leaf.number
        ]
        telephone = parts[0] if len(parts[0]) >= 3 else "".join(parts[:2])
        return len(telephone) >= 3 and any(
            "telecom" in match.path and telephone in digits(match.text) for match in self._places.scoped(leaf)
        )

    def _name_apart(self, leaf: SourceLeaf) -> bool:
        """Whether the words of a name are in several elements of one name: `Anna Maria` as two given names."""
        wanted = set(words(leaf.value))
        for place in sorted(self._places.contexts.scopes[leaf.unit]) if len(wanted) > 1 else ():
            for siblings in self._places.pool.resources[place].holders.values():
                if ".name." in siblings[0].path:
                    stated = {word for match in siblings for word in words(match.text)}
                    if wanted <= stated:
                        return True
        return False

    def _system(self, leaf: SourceLeaf) -> Outcome:
        code = self._codes.get(leaf.part)
        uri = system_of(leaf.value)
        if code is None or code.number not in self._arrived or uri is None:
            return DEPENDENT
        other: FhirLeaf | None = None
        bare = False
        arrived = self._arrived[code.number]
        primary = self._places.contexts.primary[leaf.unit]
        # Another segment may have the same code: the one in what this segment became counts.
        arrived = [match for match in arrived if match.resource.index == primary] or arrived
        for match in arrived:
            siblings = match.resource.holders[match.holder]
            if match.element != "code":
                continue
            systems = [s for s in siblings if s.element == "system"]
            if any(s.text == uri or same_family(s.text, uri) for s in systems):
                return ARRIVED
            if systems:
                other = systems[0]
            else:
                bare = True
        if other is not None:
            return Outcome(Kind.VALUE, "the code is of another coding system", other.path, other.text)
        return Outcome(Kind.NEVER, "the code has no coding system") if bare else DEPENDENT

    def _with_status(self, leaf: SourceLeaf) -> list[int]:
        """The resources whose status a code decides: the unit's own; of the status of results, the report."""
        contexts, resources = self._places.contexts, self._places.pool.resources
        types = self._places.record.units[leaf.unit].types
        primary = contexts.primary[leaf.unit]
        own = [place for place in sorted(contexts.own[leaf.unit]) if resources[place].type in types]
        near = [place for place in sorted(contexts.scopes[leaf.unit]) if resources[place].type in types]
        if leaf.field == "OBR-25":
            for group in (own, near):
                reports = [place for place in group if resources[place].type == "DiagnosticReport"]
                if reports:
                    return reports
            if primary is None:  # it became the Observation of a panel
                return [place for place in sorted(contexts.own[leaf.unit]) if self._has_code(leaf, place)]
        places = [] if primary is None else [primary]
        if primary is None or leaf.field.startswith(("OBR", "ORC", "TXA")):
            places += near
        return places

    def _has_code(self, leaf: SourceLeaf, place: int) -> bool:
        """Whether an Observation has the code of the order that a leaf is of."""
        return any(
            match.resource.index == place and match.path.startswith("Observation.code.")
            for other in self._places.record.units[leaf.unit].leaves
            if other.field.startswith("OBR-4")
            for match in self._places.contexts.matching(other)
        )

    def _row_status(self, leaf: SourceLeaf) -> Outcome:
        """The status in words that a row states: of the resources that share most with the row."""
        codes = {kind: status_codes(kind, [leaf.value])[leaf.value.casefold()] for kind in STATUS_KINDS}
        allowed = {*codes.values(), folded(leaf.value)}
        other: FhirLeaf | None = None
        arrived = False
        for place in self._places.contexts.best(leaf.unit):
            resource = self._places.pool.resources[place]
            for match in resource.leaves:
                if match.path.count(".") == 1 and match.element in ("status", "docStatus"):
                    if match.text in allowed:
                        arrived = True
                    elif codes.get(resource.type):
                        return Outcome(Kind.STATUS, "the status is another one", match.path, match.text)
                    other = other or match
        if arrived:
            return ARRIVED
        if other is not None:
            return Outcome(Kind.STATUS, "the status is another one", other.path, other.text)
        return ARRIVED if self._places.inside(leaf) else LOST

    def _status(self, leaf: SourceLeaf) -> Outcome:
        if leaf.table == STATUS_WORDS:
            return self._row_status(leaf)
        allowed = statuses(leaf.field.removesuffix(".1"), leaf.value)
        places = self._with_status(leaf)
        other: FhirLeaf | None = None
        for place in places:
            for match in self._places.pool.resources[place].leaves:
                if match.path.count(".") == 1 and match.element in ("status", "docStatus"):
                    if match.text in allowed:
                        return ARRIVED
                    other = other or match
        if other is not None and allowed:
            return Outcome(Kind.STATUS, "the status is another one", other.path, other.text)
        kept = any(
            match.resource.index in self._places.contexts.scopes[leaf.unit]
            and folded(match.text) == folded(leaf.value)
            and "extension" in match.path
            for match in self._places.contexts.matching(leaf)
        )  # where no status contradicts it
        return ARRIVED if kept or (not allowed and self._places.inside(leaf)) else LOST

    def _sex(self, leaf: SourceLeaf) -> Outcome | None:
        """What the Patient's gender says of a sex that has a code there; what an extension repeats does not count."""
        wanted = {folded(text) for text in (leaf.value, *translations(leaf))}
        if not wanted & {"female", "male"}:
            return None
        primary = self._places.contexts.primary[leaf.unit]
        scoped = self._places.scoped(leaf) if primary is None else self._places.pool.resources[primary].leaves
        genders = [match for match in scoped if match.path == "Patient.gender"]
        if not genders or any(folded(match.text) in wanted for match in genders):
            return None
        return Outcome(Kind.VALUE, "the sex is another one", genders[0].path, genders[0].text)


def _implied(leaf: SourceLeaf, match: FhirLeaf) -> bool:
    """Whether a yes follows from a time or a number: of death, of a multiple birth."""
    return (
        leaf.field in ("PID-24", "PID-30") and leaf.value.upper() == "Y" and not isinstance(match.value, bool)
    )
