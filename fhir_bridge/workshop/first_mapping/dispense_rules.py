# ruff: noqa: E501 - lines of YAML are written as they come out
"""The rules of tables of what a pharmacy gave out, and of the prescriptions that it was given out on."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.keys import depends_on_all
from fhir_bridge.workshop.first_mapping.medication_rules import MedicationRules
from fhir_bridge.workshop.first_mapping.parts import ASKED, DISPENSED, did, part_of
from fhir_bridge.workshop.first_mapping.tables import requester
from fhir_bridge.workshop.first_mapping.writing import listed, literal, quoted

__all__ = ["DispenseRules"]


class DispenseRules(MedicationRules):
    """Writes supplies and the prescriptions behind them."""

    def _prescription(self) -> Iterator[str]:
        """The prescription that supplies are of: who wrote it, and when."""
        order, patient = self._one("order-id"), self._one("patient-id")
        if self._plan.event != "MedicationDispense" or order is None or patient is None:
            return
        ordered, asking = self._one("ordered"), requester(self._readable)
        about = [
            g
            for g in (ordered, asking)
            if g is not None and depends_on_all(self._sample, g, [patient, order])
        ]
        if not about or order.filled < len(self._sample.rows):
            return
        self._prescribed = True
        codes = self._codes_of("drug")
        text = self._text_of(codes, "drug")
        codes = [g for g in codes if depends_on_all(self._sample, g, [patient, order])]
        if text is None or not depends_on_all(self._sample, text, [patient, order]):
            return
        yield self._rule("prescription")
        yield "  as: MedicationRequest"
        yield f"  key: [{quoted(self._cell(patient))}, {quoted(self._cell(order, 'key'))}]"
        value = quoted("=" + self._cell(order, "MedicationRequest.identifier"))
        yield f"  identifier: [{{system: {self._system(order, self._label(order))}, value: {value}}}]"
        self._ask("the status of every prescription is unknown: which column or what says it?")
        yield "  status: unknown"
        yield "  intent: order"
        yield from self._coded("medicationCodeableConcept", codes, text, "MedicationRequest.")
        yield from self._subject()
        if ordered in about and ordered is not None:
            yield f"  authoredOn: {quoted('=' + self._date(ordered, 'MedicationRequest.authoredOn'))}"
        if asking in about and asking is not None:
            numbers = self._paired([g for g in self._readable if g.role.startswith("provider")])
            yield f"  requester: {self._person('MedicationRequest.requester', asking, numbers)}"

    def _dispense(self, when: Guess | None) -> Iterator[str]:
        """What was handed over, by whom, when, and for how long it lasts."""
        of = "MedicationDispense."
        if self._prescribed:
            yield f"  authorizingPrescription: {quoted('=ref(' + literal('prescription') + ')')}"
        else:
            yield from listed(
                "authorizingPrescription",
                self._references("order-id", "MedicationRequest", "authorizingPrescription"),
            )
        if when is not None:
            yield f"  whenHandedOver: {quoted('=' + self._date(when, of + 'whenHandedOver'))}"
        else:
            self._ask("no column says when it was handed over")
        givers = [g for g in self._all("provider", "provider-id") if part_of(g) == DISPENSED or did(g)]
        places = [g for g in self._all("organization") if part_of(g) != ASKED]
        numbers = self._paired(givers)
        people = [g for g in givers if g not in numbers.values()]
        yield from listed(
            "performer",
            [
                *(f"{{actor: {self._person(of + 'performer', g, numbers)}}}" for g in people[:1]),
                *(f"{{actor: {self._reference(of + 'performer', g)}}}" for g in places[:1]),
            ],
        )
        quantity, duration = self._one("quantity"), self._one("duration")
        if quantity is not None and quantity.decimal:
            yield f"  quantity: {quoted(self._amount(quantity, of + 'quantity'))}"
            if self._unit_of(quantity) is not None:
                self._ask(
                    f"{quantity.column}: which units of UCUM do the words of its unit mean? They are kept as written"
                )
        if duration is not None and duration.decimal:
            duration.unit = duration.unit or "d"
            yield f"  daysSupply: {quoted(self._amount(duration, of + 'daysSupply'))}"
        yield from self._reasons("reasonCode", of, "indication")
        yield from self._dosage("MedicationDispense", None, None)
        left = self._one("refills-left")
        if left is not None:
            self._ask(
                f"{left.column}: how many supplies remain is not how many are allowed (MedicationRequest.dispenseRequest.numberOfRepeatsAllowed): what is the total?"
            )
        for role, what in (
            ("fill-number", "is it which supply of the prescription this is (MedicationDispense.type, first or refill)"),
            ("substitution", "may another product be given (MedicationRequest.substitution.allowed, the other way round), or was one (MedicationDispense.substitution)"),
        ):  # fmt: skip
            for guess in self._all(role):
                self._ask(f"{guess.column}: {what}?")
