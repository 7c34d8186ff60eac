# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""What rules of medication have of their own: when, dosage, supply."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.parts import ASKED, ATTENDED, VALIDATED, did, part_of
from fhir_bridge.workshop.first_mapping.statuses import MARKS
from fhir_bridge.workshop.first_mapping.writing import Writer, listed, quoted

__all__ = ["MedicationRules"]


class MedicationRules(Writer):
    """Writes what is given, ordered or taken: times, doses, rates, supplies."""

    def _medication(self, kind: str, start: Guess | None, end: Guess | None) -> Iterator[str]:
        ordered, recorded = self._one("ordered"), self._one("recorded")
        if kind == "MedicationRequest":
            authored = ordered or self._one("date") or recorded
            if authored is not None:
                yield f"  authoredOn: {quoted('=' + self._date(authored, 'MedicationRequest.authoredOn'))}"
                if authored is recorded:
                    self._ask(f"{authored.column}: is it when the medication was ordered, as is assumed?")
            people = [
                g
                for g in self._all("provider", "provider-id")
                if (did(g) and part_of(g) not in (ATTENDED, VALIDATED)) or part_of(g) == ASKED
            ]
            people.sort(key=lambda g: part_of(g) != ASKED)
            if people:
                yield f"  requester: {self._person('MedicationRequest.requester', people[0], self._paired(people))}"
        elif kind == "MedicationStatement":
            if start is not None:
                ending = self._end_of(start, end, "MedicationStatement.effective.end") or "null"
                period = f"=period({self._stamp(start, 'MedicationStatement.effective.start')}, {ending})"
                yield f"  effectivePeriod: {quoted(period)}"
            if recorded is not None:
                yield f"  dateAsserted: {quoted('=' + self._date(recorded, 'MedicationStatement.dateAsserted'))}"
            people = [g for g in self._all("provider", "provider-id") if did(g) and part_of(g) != ATTENDED]
            for provider in people[:1]:
                self._ask(
                    f"{provider.column}: is it who said that it is taken (informationSource), as is assumed?"
                )
                yield f"  informationSource: {self._reference('MedicationStatement.informationSource', provider)}"
        else:
            yield from self._given_at(start, end)
        if kind == "MedicationAdministration":
            yield from self._place()
            givers = [g for g in self._all("provider", "provider-id") if did(g)]
            items = [f"{{actor: {self._reference(kind + '.performer', g)}}}" for g in givers[:1]]
            yield from listed("performer", items)
        yield from self._reasons("reasonCode", kind + ".", "indication", "complaint")
        yield from self._dosage(kind, start, end)
        if kind == "MedicationRequest":
            yield from self._supply()

    def _given_at(self, start: Guess | None, end: Guess | None) -> Iterator[str]:
        """When medication was given; R4 asks for that, so that it is absent where no column or cell says it."""
        absent = "extension: [{url: http://hl7.org/fhir/StructureDefinition/data-absent-reason, valueCode: unknown}]"
        if start is None:
            yield f"  effectivePeriod: {{{absent}}}"
            self._ask("no column says when the medication was given")
            return
        partly = start.filled < len(self._sample.rows) or bool(start.missing)
        ending = self._end_of(start, end, "MedicationAdministration.effective.end")
        if not ending:
            yield f"  effectiveDateTime: {quoted('=' + self._given(start))}"
            if partly and self._one("scheduled") is None:
                yield f"  effectivePeriod: {{when: {quoted(f'not {self._cell(start)}')}, {absent}}}"
            return
        period = quoted(f"=period({self._stamp(start, 'MedicationAdministration.effective')}, {ending})")
        if partly:
            self._ask(f"{start.column}: rows without it were not given, or at an unknown time: which?")
            period = f"{{match: {quoted(self._cell(start))}, empty: {{{absent}}}, else: {period}}}"
        yield f"  effectivePeriod: {period}"

    def _given(self, start: Guess) -> str:
        """The expression of when medication was given: for what was not, when it was due."""
        element = "MedicationAdministration.effectiveDateTime"
        given, due = self._date(start, element), self._one("scheduled")
        if due is None or start is due or start.filled == len(self._sample.rows):
            return given
        self._ask(f"{due.column}: rows without {start.column} have it as their time: is that right?")
        return f"coalesce({given}, {self._date(due, element)})"

    def _dosage(self, kind: str, start: Guess | None, end: Guess | None) -> Iterator[str]:
        of = kind + ".dosage."
        parts: list[str] = []
        dose, sig, frequency = self._one("dose"), self._one("sig"), self._one("frequency")
        in_words = [
            g for g in (sig, dose if dose is not None and not dose.decimal else None) if g is not None
        ]
        if kind == "MedicationAdministration" and frequency is not None:
            in_words.append(frequency)
        times = self._all("dose-part")
        if times:  # `1-0-1-0`, with what is counted
            counts = ", ".join(f"coalesce({self._cell(g, of + 'text')}, '0')" for g in times)
            units = [self._cell(g, of + "text") for g in self._all("unit", "dose-unit") if not g.of][:1]
            more = [self._cell(g, of + "text") for g in in_words]
            joined = ", ".join([f"join([{counts}], '-')", *units, *more])
            stated = " or ".join(self._cell(g) for g in times)  # a row that has none is of no dose
            otherwise = f"join([{', '.join(more)}])" if more else "null"
            parts.append(f"text: {quoted(f'=join([{joined}]) if {stated} else {otherwise}')}")
        elif len(in_words) == 1:
            parts.append(f"text: {quoted('=' + self._cell(in_words[0], of + 'text'))}")
        elif in_words:
            parts.append(
                f"text: {quoted('=join([' + ', '.join(self._cell(g, of + 'text') for g in in_words) + '])')}"
            )
        if kind != "MedicationAdministration":
            timing = []
            if kind == "MedicationRequest" and start is not None and start.role == "start":
                ending = self._stamp(end, of + "timing.end") if end is not None else "null"
                period = f"=period({self._stamp(start, of + 'timing.start')}, {ending})"
                timing.append(f"repeat: {{boundsPeriod: {quoted(period)}}}")
            if frequency is not None:
                timing.append(f"code: {{text: {quoted('=' + self._cell(frequency, of + 'timing'))}}}")
            if timing:
                parts.append(f"timing: {{{', '.join(timing)}}}")
            parts += self._as_needed(of + "asNeeded")
        for element, role in (("site", "body-site"), ("route", "route")):
            if guess := self._one(role):
                parts.append(f"{element}: {self._concept(of + element, guess)}")
        rate = self._one("rate")
        dose, rate = (g if g is not None and g.decimal else None for g in (dose, rate))
        for name, amount in (("dose", dose), ("rate", rate)):
            if amount is not None and self._unit_of(amount) is None and not amount.unit:
                self._ask(f"{amount.column}: what unit does the {name} have?")
        if kind == "MedicationAdministration":
            yield from self._administered(parts, dose, rate)
            return
        amounts = [(name, g) for name, g in (("dose", dose), ("rate", rate)) if g is not None]
        if amounts:
            quantities = ", ".join(
                f"{name}Quantity: {quoted(self._amount(g, of + name))}" for name, g in amounts
            )
            parts.append(f"doseAndRate: [{{{quantities}}}]")
        yield from listed(
            "dosageInstruction" if kind in ("MedicationRequest", "MedicationDispense") else "dosage",
            [f"{{{', '.join(parts)}}}"] if parts else [],
        )

    def _as_needed(self, element: str) -> list[str]:
        """Whether it is taken as needed, and for what: a mark says that it is, other words what for."""
        needed = self._one("prn")
        reason = needed or self._one("prn-reason")
        if reason is None:
            return []
        cell = self._cell(reason, element)
        here, text = quoted(f"lower({cell})"), f"{{text: {quoted('=' + cell)}}}"
        if needed is not None and needed.words:
            yes, no = quoted(needed.words["true"]), quoted(needed.words["false"])
            return [f"asNeededBoolean: {{match: {here}, {yes}: true, {no}: false, empty: ~, else: flag}}"]
        words = {value.casefold() for value in self._values(reason)} if needed is not None else set[str]()
        known = {word: code for word, code in MARKS.items() if word in words}
        if not known or (len(words) > 1 and any(w.isdecimal() and w not in known for w in words)):
            return [f"asNeededCodeableConcept: {text}"]
        marks = ", ".join(word for word, code in known.items() if code == "true")
        if marks:
            self._ask(f"{reason.column}: does {marks} mean that it is taken as needed, as is assumed?")
        cases = ", ".join(f"{quoted(word)}: {code}" for word, code in known.items())
        none = ", ".join(f"{quoted(word)}: ~" for word in known)
        return [
            f"asNeededBoolean: {{match: {here}, {cases}, empty: ~, else: ~}}",
            f"asNeededCodeableConcept: {{match: {here}, {none}, empty: ~, else: {text}}}",
        ]

    def _administered(self, parts: list[str], dose: Guess | None, rate: Guess | None) -> Iterator[str]:
        """The dosage of what was given: wherever any part of it is; R4 asks for a dose or a rate (mad-1), so one is absent."""
        of = "MedicationAdministration.dosage."
        if not parts and dose is None and rate is None:
            return
        others = [g for g in self._guesses if any(use.startswith(of) for use in g.uses)]
        amounts = [self._cell(g, of + name) for name, g in (("dose", dose), ("rate", rate)) if g is not None]
        others = [g for g in others if g not in (dose, rate) and not g.role.endswith("unit")]
        absent = "{extension: [{url: http://hl7.org/fhir/StructureDefinition/data-absent-reason, valueCode: unknown}]}"
        amount = quoted(self._amount(dose, of + "dose")) if dose is not None else "~"
        if others:
            stated = f"coalesce({', '.join(amounts)})" if amounts else "null"
            parts.append(f"dose: {{match: {quoted(stated)}, empty: {absent}, else: {amount}}}")
        elif dose is not None:
            parts.append(f"dose: {amount}")
        if rate is not None:
            parts.append(f"rateQuantity: {quoted(self._amount(rate, of + 'rate'))}")
        condition = " or ".join([*amounts, *(self._cell(g) for g in others)])
        yield f"  dosage: {{when: {quoted(condition)}, {', '.join(parts)}}}"

    def _supply(self) -> Iterator[str]:
        parts = []
        refills = self._one("refills")
        if refills is not None and refills.decimal and refills.whole:
            count = f"=integer({self._cell(refills, 'MedicationRequest.dispenseRequest')})"
            parts.append(f"numberOfRepeatsAllowed: {quoted(count)}")
        quantity = self._one("quantity")
        if quantity is not None and not quantity.decimal:
            parts += self._counted(quantity)
        elif quantity is not None:
            parts.append(f"quantity: {quoted(self._amount(quantity, 'MedicationRequest.dispenseRequest'))}")
        duration = self._one("duration")
        if duration is not None and duration.decimal:
            if (
                not duration.unit
                and self._unit_of(duration) is None
                and not re.search(r"(?i)day|tag|jour|giorn|dia", duration.column)
            ):
                self._ask(f"{duration.column}: what unit does the duration have?")
            else:
                duration.unit = duration.unit or "d"
                amount = self._amount(duration, "MedicationRequest.dispenseRequest")
                parts.append(f"expectedSupplyDuration: {quoted(amount)}")
        if parts:
            yield f"  dispenseRequest: {{{', '.join(parts)}}}"

    def _counted(self, guess: Guess) -> list[str]:
        """A quantity whose cells have what is counted behind the number: `28 tablets`."""
        if not all(re.fullmatch(r"\d+([.,]\d+)? \S.*", value) for value in self._values(guess)):
            return []
        here = self._cell(guess, "MedicationRequest.dispenseRequest")
        number = f"split({here}, ' ')[0]"
        amount = f"=quantity({number}, replace({here}, {number} + ' ', ''))"
        return [f"quantity: {quoted(amount)}"]
