# ruff: noqa: E501 - lines of YAML are written as they come out
"""The rules of what stands around an event: the order that it carries out, who pays, what is known of the person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.headers import bare
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.meanings import UNKNOWN, no_allergy
from fhir_bridge.workshop.first_mapping.order_rules import OrderWriter
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.result_rules import CATEGORY
from fhir_bridge.workshop.first_mapping.statuses import NO_ALLERGY
from fhir_bridge.workshop.first_mapping.tables import requester
from fhir_bridge.workshop.first_mapping.values import SNOMED
from fhir_bridge.workshop.first_mapping.writing import listed, quoted

__all__ = ["AroundRules"]

_CLINICAL: Final = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
_OF_COVER: Final = re.compile(
    r"plan|class|klasse|\b(typ|type|tipo|kind|art|status|category|group|product|regimen|financiacion)\b|\w(art|typ|status)\b|convenio|convenzione"
)
"""Names of columns of what kind an insurance is, beside one of who pays."""
_BACKGROUND: Final = ("race", "ethnicity", "occupation")
"""What is known of a person and has no element in R4's Patient: an Observation of social history each."""


class AroundRules(OrderWriter):
    """Writes the rules of orders, coverages and what is known of people."""

    def _background(self) -> Iterator[str]:
        guesses = [g for role in _BACKGROUND for g in self._all(role)]
        patient = self._one("patient-id")
        if not guesses or patient is None or not self._plan.patient:
            return
        yield self._rule("background")
        yield "  unpivot:"
        for guess in guesses:
            self.used.add(guess.column)
            guess.uses.append(f"Observation ({bare(guess.column)})")
            missing = f", missing: [{', '.join(quoted(word) for word in guess.local)}]" if guess.local else ""
            yield f"    {quoted(guess.column)}: {{text: {quoted(bare(guess.column))}{missing}}}"
        if any(guess.local for guess in guesses):
            yield '  when: "not (value in spec.missing)"'
        yield "  as: Observation"
        yield f"  key: [{quoted(self._cell(patient))}, column]"
        yield "  status: final"
        yield f"  category: [{{coding: [{{system: {CATEGORY}, code: social-history}}]}}]"
        yield '  code: {text: "=spec.text"}'
        yield from self._subject()
        coded = [(g, value) for g in guesses if (value := self._coded_concept(g, "value"))]
        cases = "".join(f"{quoted(g.column)}: {value}, " for g, value in coded)
        text = '{text: "=value"}'
        yield f"  valueCodeableConcept: {f'{{match: column, {cases}else: {text}}}' if coded else text}"

    def _coverage(self) -> Iterator[str]:
        """Who pays for a patient."""
        payers = self._all("insurer")
        patient = self._one("patient-id")
        if self._plan.event == "Immunization" or not payers or patient is None or not self._plan.patient:
            return
        payer = next((g for g in payers if g.system or not g.of), payers[0])
        here = self._cell(payer, "Coverage.payor")
        yield self._rule("coverage")
        yield f"  when: {quoted(here)}"
        yield "  as: Coverage"
        others = [g for g in payers if g is not payer and _OF_COVER.search(tokens(g.name))]
        kinds = (self._all("coverage-type") or others)[:1]
        parts = [self._cell(patient), here, *(self._cell(g, "Coverage.type") + "?" for g in kinds)]
        parts += [self._cell(g) + "?" for g in self._numbers_of_cover]
        yield f"  key: [{', '.join(map(quoted, parts))}]"
        for insured in self._numbers_of_cover[:1]:
            value = quoted("=" + self._cell(insured, "Coverage.identifier"))
            yield f"  identifier:\n  - {{system: {self._system(insured, self._label(insured))}, value: {value}}}"
            self._ask(
                f"{insured.column}: blank in some rows of a patient, so it is that of the Coverage (identifier) and not of "
                "the Patient: is it right that rows without it are covered otherwise?"
            )
        yield "  status: active"
        self._ask("every Coverage is taken for active: is it?")
        yield f"  beneficiary: {quoted(f'=patient({self._cell(patient)})')}"
        number = next((g for g in self._all("organization-id") if g.system and not self._visits), None)
        if not payer.system and number is not None:  # beside the payer's name its number
            value = quoted("=" + self._cell(number, "Coverage.payor"))
            named = f"{{identifier: {{system: {quoted(number.system)}, value: {value}}}, display: {quoted('=' + here)}}}"
        elif payer.system:
            named = f"{{type: Organization, identifier: {{system: {quoted(payer.system)}, value: {quoted('=' + here)}}}}}"
        else:
            named = f"{{display: {quoted('=' + here)}}}"
        yield f"  payor: [{named}]"
        if kinds:
            yield f"  type: {{text: {quoted('=' + self._cell(kinds[0], 'Coverage.type'))}}}"

    def _allergies(self) -> Iterator[str]:
        """What patients are allergic to, beside what their rows are about; that nothing is known is stated as such."""
        patient = self._one("patient-id")
        guesses = [g for g in self._all("allergy") if not g.words and g not in self._plan.measures]
        if self._plan.event == "AllergyIntolerance" or patient is None or not self._plan.patient:
            return
        for guess in guesses:
            here = self._cell(guess, "AllergyIntolerance.code")
            words = sorted({v.casefold() for v in self._values(guess)})
            none = {word: each for word in words if (each := no_allergy(word, NO_ALLERGY)) is not None}
            stated = self._is_stated(guess, UNKNOWN)
            yield self._rule("allergy")
            yield f"  when: {quoted(stated or here)}"
            yield "  as: AllergyIntolerance"
            yield f"  key: [{quoted(self._cell(patient))}, {quoted(f'lower({here})')}]"
            yield f"  clinicalStatus: {{coding: [{{system: {_CLINICAL}, code: active}}]}}"
            known = f"{{text: {quoted('=' + here)}}}"
            cases = "".join(
                f"{quoted(word)}: {{coding: [{{system: {SNOMED}, code: '{code}', display: {name}}}], text: {quoted('=' + here)}}}, "
                for word, (code, name) in none.items()
            )
            yield f"  code: {{match: {quoted(f'lower({here})')}, {cases}else: {known}}}"
            yield f"  patient: {quoted(f'=patient({self._cell(patient)})')}"
            self._ask(
                f"{guess.column}: every allergy is taken for active, each cell for one"
                + "".join(f", {word} for {name} (SNOMED CT {code})" for word, (code, name) in none.items())
                + ": is that right?"
            )

    def _ask_of_cancelled(self) -> None:
        """Whether an order is completed of which no result is."""
        stated = self._status_column("Observation") if self._plan.event == "Observation" else None
        if stated is None:
            return
        guess, codes = stated
        words = [word.upper() for word, code in codes.items() if code in ("cancelled", "entered-in-error")]
        if words:
            self._ask(
                f"{guess.column}: every order is taken for completed: is one, too, all of whose results are {' or '.join(words)}?"
            )

    def _request(self) -> Iterator[str]:
        """The order of results: who asked for them, when, and for what."""
        order, patient = self._one("order-id"), self._one("patient-id")
        if not self._plan.request or order is None or patient is None:
            return
        yield self._rule("order")
        stated = [order] if order.filled < len(self._sample.rows) or order.local else []
        stated += self._plan.ordered
        if stated:
            yield f"  when: {quoted(' and '.join(self._cell(g) for g in stated))}"
        for guess in self._plan.ordered:
            self._ask(
                f"{guess.column}: blank in some rows of an order; only rows that have one make the order: has each such a row?"
            )
        yield "  as: ServiceRequest"
        yield f"  key: [{quoted(self._cell(patient))}, {quoted(self._cell(order, 'key'))}]"
        value = quoted("=" + self._cell(order, "ServiceRequest.identifier"))
        yield f"  identifier: [{{system: {self._system(order, self._label(order))}, value: {value}}}]"
        if self._plan.event or self._plan.measures:
            self._ask_of_cancelled()
            yield "  status: completed  # it has results"
        else:
            self._ask("the status of every order is unknown: which column or what says it?")
            yield "  status: unknown"
        yield "  intent: order"
        panel = self._one("panel")
        if panel is None and not self._plan.event and not self._plan.measures:
            panel = self._one("test", "procedure")
        if panel is not None:
            yield f"  code: {{text: {quoted('=' + self._cell(panel, 'ServiceRequest.code.text'))}}}"
        yield from self._subject()
        yield from self._visit()
        if urgent := self._one("priority"):
            yield from self._priority(urgent)
        if ordered := self._one("ordered"):
            yield f"  authoredOn: {quoted('=' + self._date(ordered, 'ServiceRequest.authoredOn'))}"
        asking = requester(self._readable)
        if asking is not None and asking.column not in self._plan.varying:
            people = [
                g for g in self._all("provider", "provider-id") if g is asking or g.role == "provider-id"
            ]
            yield f"  requester: {self._person('ServiceRequest.requester', asking, self._paired(people))}"
        why = ("indication",) if self._visits else ("indication", "complaint")
        reasons = [g for g in self._all(*why) if not g.of and depends_on(self._sample, g, order)]
        yield from listed(
            "reasonCode",
            [f"{{text: {quoted('=' + self._cell(g, 'ServiceRequest.reasonCode'))}}}" for g in reasons],
        )
