# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rules of tables about diagnoses, procedures, medication, vaccines and allergies."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from fhir_bridge.workshop.first_mapping.allergy_rules import AllergyRules
from fhir_bridge.workshop.first_mapping.dispense_rules import DispenseRules
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.meanings import AFTER, CERTAINTY, UNKNOWN
from fhir_bridge.workshop.first_mapping.order_rules import OrderWriter
from fhir_bridge.workshop.first_mapping.parts import ATTENDED, RECORDED, did, part_of
from fhir_bridge.workshop.first_mapping.statuses import NOTHING_THERE
from fhir_bridge.workshop.first_mapping.vaccine_writing import VaccineWriter
from fhir_bridge.workshop.first_mapping.writing import either, listed, literal, quoted

__all__ = ["EventRules"]

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
_ELEMENTS: Final = {
    "MedicationStatement": ("medicationCodeableConcept", ("drug",)),
    "MedicationRequest": ("medicationCodeableConcept", ("drug",)),
    "MedicationAdministration": ("medicationCodeableConcept", ("drug",)),
    "MedicationDispense": ("medicationCodeableConcept", ("drug",)),
    "Immunization": ("vaccineCode", ("vaccine", "drug")),
    "Procedure": ("code", ("procedure",)),
    "ServiceRequest": ("code", ("procedure", "test")),
    "Condition": ("code", ("diagnosis",)),
    "AllergyIntolerance": ("code", ("allergy", "drug")),
}
_ASSUMED: Final = {
    "MedicationStatement": "active", "MedicationRequest": "unknown", "MedicationAdministration": "completed",
    "MedicationDispense": "completed", "Immunization": "completed", "Procedure": "completed", "ServiceRequest": "unknown",
}  # fmt: skip
_IN_CONTEXT: Final = frozenset(("MedicationStatement", "MedicationAdministration", "MedicationDispense"))
"""What has its visit in `context`."""
_ORDERED: Final = frozenset(("MedicationRequest", "Immunization", "Condition", "ServiceRequest"))
"""What has the number of an order as its own."""
_WORKPLACE: Final = re.compile(
    r"\b(op|or)?(saal|room|raum|theatre|salle|sala|quirofano|zaal|kamer|bloc|lab)\b"
)
"""Names of columns of rooms, where something was done, before the ward that the patient was from."""
_SUBSTANCE: Final = re.compile(
    r"princip[ie]o? (activo|attivo|actif)|principe actif|wirkstoff|substan[cz]|werkzame stof|\b(dci|inn|vtm|molecule|ingredient|generic)\b"
)
"""Names of columns of the active ingredient."""
_PRODUCT: Final = re.compile(
    r"medicament|medicinale|medikament|praeparat|handelsname|fertigarznei|specialit|product|produkt|prodott|geneesmiddel|medication|drug|brand|marca|farmaco|nombre"
)
"""Names of columns of the product beside it."""
_ACTIVE: Final = re.compile(r"a[kc]ti[vf]|attiv")
_NOT_DONE: Final = frozenset("not-done on-hold stopped cancelled not-taken".split())


class EventRules(DispenseRules, OrderWriter, AllergyRules, VaccineWriter):
    """Writes the rule of what a row is about."""

    def _event(self) -> Iterator[str]:
        kind = self._plan.event
        element, subjects = _ELEMENTS[kind]
        codes = (
            self._codes_of(*subjects) or [g for g in self._codes_of("", "test") if g.header != "concept"][:1]
        )
        text = self._text_of(codes, *subjects, "display")
        if not codes and text is None:
            codes = self._codes_of("", "test", "drug", "vaccine", "procedure", "diagnosis", "allergy")[:1]
        when = self._when(kind)
        end = self._one("end")
        yield self._rule(re.sub("(?<=[a-z])(?=[A-Z])", "-", kind).lower())
        needed = [g for g in (*codes, text) if g is not None]
        conditions = []
        if needed and all(g.filled < len(self._sample.rows) for g in needed):
            conditions.append(" or ".join(self._cell(g) for g in needed))
        elif kind in ("Condition", "AllergyIntolerance") and text is not None:
            conditions.append(self._is_stated(text, NOTHING_THERE if kind == "Condition" else UNKNOWN))
        conditions.append(self._has_status(kind))
        conditions = [f"({text})" if " or " in text else text for text in conditions if text]
        if conditions:
            yield f"  when: {quoted(' and '.join(conditions))}"
        yield f"  as: {kind}"
        stated = self._status_column(kind) if kind == "MedicationAdministration" else None
        action = stated[0] if stated is not None else None  # a bag that is hung and its rate have one minute
        what = codes[0] if codes else text
        more_of = self._all(
            "fill-number", "product-id"
        )  # one prescription has several supplies, a patient several bags
        yield self._key(
            self._one("patient-id"), self._one("encounter-id"), what, when, *more_of, action=action
        )
        yield from self._time(when)
        own = ("order-id",) if kind in _ORDERED and not self._all("event-id") else ()
        if kind == "MedicationAdministration":
            own = ("product-id",)
        yield from self._identifiers(kind + ".", "event-id", *self._own_role(), *own)
        yield from self._based_on(kind)
        yield from self._state(kind, end)
        more = []
        if element == "medicationCodeableConcept":
            more = [g for g in self._all("drug") if g is not text and not g.of]
            more += [] if self._states_strength(text) else self._all("strength", "form")
        elif kind == "Immunization" and text is not None and text.role == "vaccine":
            more = [g for g in self._all("drug") if not g.of]
        named = {code.column for code in codes}
        substances = [g for g in self._all("drug") if g.of in named and _SUBSTANCE.search(tokens(g.name))]
        shown = next((g for g in substances if g is not text), None)
        products = [g for g in more if g.role == "drug" and _PRODUCT.search(tokens(g.name))]
        if text is not None and text.of and products and _SUBSTANCE.search(tokens(text.name)):
            shown, text = text, products[0]  # what the code is of, beside what its product is called
            more.remove(text)
        if kind == "AllergyIntolerance" and text is not None:
            yield from self._allergens(codes, text)
        elif needed:
            yield from self._coded(element, codes, text, kind + ".", more, shown=shown)
        patient = "patient" if kind in ("Immunization", "AllergyIntolerance") else "subject"
        yield from self._subject(patient)
        yield from self._visit("context" if kind in _IN_CONTEXT else "encounter")
        if kind == "Condition":
            yield from self._condition(when, end)
        elif kind == "Procedure":
            yield from self._procedure(when, end)
        elif kind == "Immunization":
            yield from self._immunization(when)
        elif kind == "AllergyIntolerance":
            yield from self._allergy(when)
        elif kind == "MedicationDispense":
            yield from self._dispense(when)
        elif kind == "ServiceRequest":
            yield from self._ordered()
        else:
            yield from self._medication(kind, when, end)
        findings = self._all("diagnosis", "display") if kind == "Condition" else []
        yield from self._notes(kind + ".", *findings)

    def _states_strength(self, text: Guess | None) -> bool:
        """Whether what a drug is called has its strength in it: `Furosemide 10 mg/ml` beside `10 mg/ml`."""
        strength = self._one("strength")
        if text is None or strength is None:
            return False
        one, other = (self._sample.columns.index(g.column) for g in (text, strength))
        cells = [
            (row[one], row[other]) for row in self._sample.rows if row[one].strip() and row[other].strip()
        ]
        plain = [tuple("".join(cell.casefold().split()) for cell in pair) for pair in cells]
        return bool(plain) and sum(1 for called, much in plain if much in called) >= 0.5 * len(plain)

    def _note_refusals(self, kind: str) -> None:
        """A reason that only rows have which say that it was not done, or stopped, is that of the status."""
        if kind not in _ASSUMED:
            return
        stated = self._status_column(kind)
        if stated is None:
            return
        guess, codes = stated
        place = self._sample.columns.index(guess.column)
        for reason in self._all("complaint", "indication"):
            if reason.of:
                continue
            other = self._sample.columns.index(reason.column)
            with_reason = [row[place].strip().casefold() for row in self._sample.rows if row[other].strip()]
            if with_reason and {codes.get(word, "") for word in with_reason} <= _NOT_DONE:
                reason.role = "status-reason"
                reason.evidence.append(f"only rows have one that by {guess.column} were not done")

    def _based_on(self, kind: str) -> Iterator[str]:
        """The order that it carries out."""
        if kind == "Procedure":
            yield from self._order()
        elif kind in ("MedicationAdministration", "MedicationStatement"):
            item = next(iter(self._references("order-id", "MedicationRequest", "request")), "")
            if item and kind == "MedicationAdministration":
                yield f"  request: {item}"
            elif item:
                yield f"  basedOn: [{item}]"

    def _state(self, kind: str, end: Guess | None) -> Iterator[str]:
        if kind in ("Condition", "AllergyIntolerance"):
            yield from self._clinical(kind, end)
            return
        if (
            kind in ("MedicationStatement", "MedicationRequest")
            and end is not None
            and self._status_cases(kind) is None
            and not self._unread_status()
        ):
            self._ask(
                f"the status of a {kind} with an end is taken for completed, of any other for active: is it?"
            )
            yield self._unless_voided(kind, f"  status: {either(self._cell(end), 'completed', 'active')}")
        else:
            assumed = _ASSUMED[kind]
            yield self._status(kind, assumed, f"the status of every {kind} is taken for {assumed}: is it?")
        if kind == "MedicationRequest":
            yield "  intent: order"
            if (urgent := self._one("priority")) is not None:
                yield from self._priority(urgent, kind)
        reasons = self._all("status-reason") + (
            [] if kind != "Immunization" else [g for g in self._all("refused") if not g.words]
        )
        if reasons:
            undone = self._undone(kind)
            only = f"when: {quoted(undone)}, " if " and " in undone else ""
            value = f"{{{only}text: {quoted('=' + self._cell(reasons[0], kind + '.statusReason'))}}}"
            many = kind in ("MedicationStatement", "MedicationAdministration")
            yield f"  statusReason: {f'[{value}]' if many else value}"

    def _clinical(self, kind: str, end: Guess | None) -> Iterator[str]:
        system = (
            f"{_TERMINOLOGY}/{'condition-clinical' if kind == 'Condition' else 'allergyintolerance-clinical'}"
        )
        certainty = self._one("certainty")
        sure = self._meanings(certainty, CERTAINTY, "how sure") if certainty is not None else {}
        if kind == "AllergyIntolerance":  # R4 has no other for what is not sure
            unsure = ("provisional", "differential")
            sure = {word: "unconfirmed" if code in unsure else code for word, code in sure.items()}
        refuted = [word for word, code in sure.items() if code == "refuted"]
        ruled_out = self._ruled_out(sure)
        if kind == "AllergyIntolerance":  # R4 asks for a clinical status of all but errors (ait-1)
            ruled_out = [word for word in ruled_out if word not in refuted]
        after = [word for word in sure if word in AFTER]
        here = f"lower({self._cell(certainty)})" if certainty is not None else ""
        stated = self._status_cases(kind) or self._active()
        voided = []
        marked = self._voided(kind)
        if stated is not None:
            expression, codes = stated
            voided = [word for word, code in codes.items() if code == "entered-in-error"]
            cases = ", ".join(
                f"{quoted(word)}: ~"
                if code in ("", "entered-in-error")
                else f"{quoted(word)}: {{coding: [{{system: {system}, code: {code}}}]}}"
                for word, code in codes.items()
            )
            if marked:
                expression = f"(null if {marked} else {expression})"
            if ruled_out:
                expression = f"(null if {here} in [{', '.join(map(literal, ruled_out))}] else {expression})"
            yield f"  clinicalStatus: {{match: {quoted(expression)}, {cases}, empty: ~, else: flag}}"
        elif kind == "Condition" or end is not None:
            code = f"('resolved' if {self._cell(end)} else 'active')" if end is not None else "'active'"
            if after:
                code = f"('inactive' if {here} in [{', '.join(map(literal, after))}] else {code})"
            excluded = [f"not ({here} in [{', '.join(map(literal, ruled_out))}])"] if ruled_out else []
            excluded += [f"not ({marked})"] if marked else []
            condition = f"when: {quoted(' and '.join(excluded))}, " if excluded else ""
            yield f"  clinicalStatus: {{coding: [{{{condition}system: {system}, code: {quoted('=' + code)}}}]}}"
            if end is None:
                self.questions.append(f"every {kind} is taken for active: is it?")
        else:
            excluded = [f"not ({here} in [{', '.join(map(literal, ruled_out))}])"] if ruled_out else []
            excluded += [f"not ({marked})"] if marked else []
            condition = f"when: {quoted(' and '.join(excluded))}, " if excluded else ""
            state = "active"
            if refuted:
                state = either(f"{here} in [{', '.join(map(literal, refuted))}]", "inactive", "active")
            yield f"  clinicalStatus: {{coding: [{{{condition}system: {system}, code: {state}}}]}}"
            self.questions.append(f"every {kind} is taken for active: is it?")
        yield from self._verification(
            kind, certainty if sure else None, sure, stated[0] if stated is not None else "", voided, marked
        )

    def _ruled_out(self, sure: Mapping[str, str]) -> list[str]:
        """The words of a certainty by which there is no such condition."""
        return [word for word, code in sure.items() if code in ("refuted", "entered-in-error")]

    def _active(self) -> tuple[str, dict[str, str]] | None:
        """The column that says by yes and no whether a disease or an allergy is active; None without."""
        guess = next(
            (g for g in self._all("inactive") if g.words and _ACTIVE.search(g.column.casefold())), None
        )
        if guess is None:
            return None
        self._ask(
            f"{guess.column}: does it say whether the disease is active, as is assumed, or whether the row is valid?"
        )
        return f"lower({self._cell(guess, 'clinicalStatus')})", {
            guess.words["true"]: "active", guess.words["false"]: "inactive",
        }  # fmt: skip

    def _verification(
        self,
        kind: str,
        guess: Guess | None,
        sure: dict[str, str],
        status: str,
        voided: list[str],
        marked: str,
    ) -> Iterator[str]:
        """How sure it is; what by its status does not count was entered in error."""
        system = f"{_TERMINOLOGY}/{'condition-ver-status' if kind == 'Condition' else 'allergyintolerance-verification'}"
        sure = dict(sure)
        expression = "null"
        if guess is not None:
            expression = f"lower({self._cell(guess, kind + '.verificationStatus')})"
            shown = ", ".join(f"{word.upper()} → {code}" for word, code in sure.items())
            self._ask(f"{guess.column}: do its words mean {shown}, as is assumed?")
        if voided:
            words = ", ".join(map(literal, voided))
            expression = f"('entered-in-error' if {status} in [{words}] else {expression})"
            sure["entered-in-error"] = "entered-in-error"
            self._ask(
                f"{', '.join(voided)} is taken for a record that was entered in error (verificationStatus, without a clinical "
                "status): is it, or does it mean inactive?"
            )
        if marked:
            expression = f"('entered-in-error' if {marked} else {expression})"
            sure["entered-in-error"] = "entered-in-error"
        if guess is None and not voided and not marked:
            return
        cases = ", ".join(
            f"{quoted(word)}: {{coding: [{{system: {system}, code: {code}}}]}}" for word, code in sure.items()
        )
        if guess is not None:
            cases += self._left_out(guess, sure)
        rest = "else: flag" if guess is not None else "else: ~"
        yield f"  verificationStatus: {{match: {quoted(expression)}, {cases}, empty: ~, {rest}}}"

    def _condition(self, start: Guess | None, end: Guess | None) -> Iterator[str]:
        kinds = [
            f"{{text: {quoted('=' + self._cell(g, 'Condition.category'))}}}"
            for g in [g for g in self._all("diagnosis-kind", "category") if g.role == g.header][:1]
        ]
        yield from listed("category", kinds)
        yield from self._text("severity", "severity", of="Condition.")
        yield from self._texts("bodySite", "body-site", "laterality", of="Condition.")
        recorded = self._one("recorded")
        if start is not None and start.role in ("diagnosed", "date", "other-date"):
            self._ask(
                f"{start.column}: is it when the Condition began, as is assumed, or when it was recorded?"
            )
        if start is not None:
            yield f"  onsetDateTime: {quoted('=' + self._date(start, 'Condition.onsetDateTime'))}"
        elif (year := self._one("onset-year")) is not None:
            self._ask(f"{year.column}: is it the year in which the Condition began, as is assumed?")
            here = self._cell(year, "Condition.onsetDateTime")
            yield f"  onsetDateTime: {quoted(f'=date({here})')}"
        if end is not None:
            yield f"  abatementDateTime: {quoted('=' + self._abated(end))}"
        if recorded is not None:
            yield f"  recordedDate: {quoted('=' + self._date(recorded, 'Condition.recordedDate'))}"
        people = self._all("provider", "provider-id")
        recorder = next((g for g in people if part_of(g) == RECORDED), None)
        if recorder is not None:
            yield f"  recorder: {self._displayed('Condition.recorder', recorder)}"
        asserter = next((g for g in people if did(g) and part_of(g) != ATTENDED), None)
        if asserter is not None:
            yield f"  asserter: {self._displayed('Condition.asserter', asserter)}"
            self._ask(
                f"{asserter.column}: is it who made the diagnosis (asserter), as is assumed, who wrote it down (recorder), "
                "or whose patient it was (Encounter.participant)?"
            )

    def _abated(self, end: Guess) -> str:
        """The expression of an end, which only what is active no longer has (R4's con-4)."""
        ended = self._date(end, "Condition.abatementDateTime")
        certainty = self._one("certainty")
        sure = self._meanings(certainty, CERTAINTY, "how sure") if certainty is not None else {}
        excluded = self._ruled_out(sure)
        if excluded and certainty is not None:
            ended = f"(null if lower({self._cell(certainty)}) in [{', '.join(map(literal, excluded))}] else {ended})"
        if marked := self._voided("Condition"):
            ended = f"(null if {marked} else {ended})"
        stated = self._status_cases("Condition")
        if stated is None:
            return ended
        expression, codes = stated
        over = [
            literal(word) for word, code in codes.items() if code in ("resolved", "inactive", "remission")
        ]
        if not over:
            return "null"
        self._ask(
            f"{end.column}: is it right that what has another status than {', '.join(over)} has not ended?"
        )
        return f"{ended} if {expression} in [{', '.join(over)}] else null"

    def _procedure(self, start: Guess | None, end: Guess | None) -> Iterator[str]:
        if start is not None:
            ending = self._end_of(start, end, "Procedure.performed.end")
            if ending:
                period = f"=period({self._stamp(start, 'Procedure.performed.start')}, {ending})"
                yield f"  performedPeriod: {quoted(period)}"
            else:
                yield f"  performedDateTime: {quoted('=' + self._date(start, 'Procedure.performedDateTime'))}"
        else:
            self._ask("no column says when the procedure was done")
        items = []
        for guess in self._all("provider", "provider-id"):
            if not did(guess):
                continue
            function = quoted(guess.column)
            items.append(
                f"{{when: {quoted(self._cell(guess))}, function: {{text: {function}}}, actor: {self._reference('Procedure.performer', guess)}}}"
            )
        yield from listed("performer", items)
        rooms = sorted(self._all("ward"), key=lambda g: not _WORKPLACE.search(tokens(g.name)))
        if rooms:
            yield f"  location: {self._displayed('Procedure.location', rooms[0])}"
        yield from self._reasons("reasonCode", "Procedure.", "indication", "diagnosis", "complaint")
        yield from self._texts("bodySite", "body-site", "laterality", of="Procedure.")
        if device := self._device("Procedure.usedReference"):
            self._ask(
                f"{', '.join(g.column for g in self._all('device'))}: is it what was used, as is assumed, or what was left in (focalDevice)?"
            )
            yield f"  usedReference: [{device}]"
        outcome = self._one("disposition")
        if outcome is not None:
            yield f"  outcome: {{text: {quoted('=' + self._cell(outcome, 'Procedure.outcome'))}}}"
        yield from (
            self._texts("complication", "complication", of="Procedure.", without_none=True)
            if not any(g.words for g in self._all("complication"))
            else ()
        )

    def _immunization(self, when: Guess | None) -> Iterator[str]:
        if when is not None:
            yield f"  occurrenceDateTime: {quoted('=' + self._date(when, 'Immunization.occurrenceDateTime'))}"
            if when.filled < len(self._sample.rows):
                absent = f"='unknown' if not {self._cell(when)} else null"
                yield f"  occurrenceString: {quoted(absent)}"
        else:
            yield "  occurrenceString: unknown"
            self.questions.append("no column says when the vaccine was given")
        if recorded := self._one("recorded"):
            yield f"  recorded: {quoted('=' + self._date(recorded, 'Immunization.recorded'))}"
        if source := self._one("historical"):
            yield from self._immunization_source(source)
        if lot := self._one("lot-number"):
            yield f"  lotNumber: {quoted('=' + self._cell(lot, 'Immunization.lotNumber'))}"
        if expires := self._one("expires"):
            yield f"  expirationDate: {quoted('=' + self._date(expires, 'Immunization.expirationDate', day=True))}"
        if maker := self._one("manufacturer"):
            yield f"  manufacturer: {self._maker(maker)}"
        if place := self._one("organization", "organization-id", "ward"):
            yield f"  location: {self._displayed('Immunization.location', place)}"
        yield from self._text("site", "body-site", of="Immunization.")
        yield from self._text("route", "route", of="Immunization.")
        if (dose := self._one("dose")) is not None:
            yield f"  doseQuantity: {quoted(self._amount(dose, 'Immunization.doseQuantity'))}"
        yield from listed("performer", self._vaccinators())
        number, series = self._one("dose-number"), self._one("series")
        if number is not None:
            here = self._cell(number, "Immunization.protocolApplied")
            name = (
                f"series: {quoted('=' + self._cell(series, 'Immunization.protocolApplied'))}, "
                if series
                else ""
            )
            form = (
                f"doseNumberPositiveInt: {quoted(f'=integer({here})')}"
                if number.decimal
                else f"doseNumberString: {quoted('=' + here)}"
            )
            yield f"  protocolApplied:\n  - {{when: {quoted(here)}, {name}{form}{self._against()}}}"
        yield from self._reasons("reasonCode", "Immunization.", "indication", "complaint")
        yield from self._texts("programEligibility", "eligibility", of="Immunization.")
        yield from self._education()
        if payer := self._one("insurer"):
            yield f"  fundingSource: {{text: {quoted('=' + self._cell(payer, 'Immunization.fundingSource'))}}}"
        reactions = []
        for guess in self._all("reaction"):
            if guess.words:
                continue
            stated = self._is_stated(guess, NOTHING_THERE)
            only = f"when: {quoted(stated)}, " if stated else ""
            reactions.append(f"{{{only}detail: {self._displayed('Immunization.reaction', guess)}}}")
        yield from listed("reaction", reactions)
