# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rule that makes Encounters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.classes import STAY, class_of
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.headers import bare
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.main_diagnosis import MainDiagnosisWriter
from fhir_bridge.workshop.first_mapping.parts import ASKED, ATTENDED, did, part_of, participation
from fhir_bridge.workshop.first_mapping.people import depends_on
from fhir_bridge.workshop.first_mapping.spans import days_of
from fhir_bridge.workshop.first_mapping.values import LOINC, SNOMED
from fhir_bridge.workshop.first_mapping.writing import either, listed, literal, quoted

__all__ = ["EncounterRule"]

_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
_PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_PLACE: Final = re.compile(r"destin|ziel|location|place|\bto\b|verlegt nach")
"""Names of columns of where a patient went, beside one of how."""
_EMERGENCY: Final = re.compile(
    r"\b(ed|er|edstays?|emergency|triage|notaufnahme|zna|urgences?|urgencias|pronto soccorso|ps)\b|arrival transport"
)
"""Names of tables and columns of emergency departments."""


_CLASS: Final = re.compile(
    r"class|type|\b(typ|art|kind|klasse|soort|tipo|classe|clase)\b|(fall|behandlungs|patienten|aufenthalts)(art|typ)\b|(opname|patient)soort"
)
"""Names of columns of a few words that may be the class of a visit."""
_VISIT: Final = re.compile(
    r"\b(contact|kontakt|visit|visite|visita|besuch|bezoek|encounter|consult\w*|konsult\w*|venue)"
)
"""Names of columns of the day of a visit."""
_FEW_STAYS: Final = 2
_LETTERS: Final = 3
"""Shorter cells are codes and no names."""
_LISTED: Final = frozenset(
    ("Condition", "AllergyIntolerance", "MedicationRequest", "MedicationStatement", "")
)
"""What is listed at a visit and has times of its own, and a chart of measurements, which were made in it."""
_DISPOSITIONS: Final = "http://terminology.hl7.org/CodeSystem/discharge-disposition"
_ENDS: Final = (
    ("exp", re.compile(
        r"(tod|todesfall|verstorben|gestorben|exitus( letalis)?|died|deceased|expired|death|dead|died in (hospital|icu)|hospital death|"
        r"d[ée]c[èe]s|d[ée]c[ée]d[ée]e?|deceduto|deceduta|decesso|morte|fallecid[oa]|fallecimiento|[ée]xitus|muerte|defunci[oó]n|overleden|overlijden|[oó]bito)"
    )),
    ("home", re.compile(
        r"(home|own home|zuhause|zu hause|nach hause|hause|domicile|retour( au)? domicile|domicilio|a domicilio|casa|thuis|naar huis|huis)"
    )),
)  # fmt: skip
"""Words for how a stay ended, by R4's code."""
_ABSENT: Final = (
    "{extension: [{url: http://hl7.org/fhir/StructureDefinition/data-absent-reason, valueCode: unknown}]}"
)


_OPEN: Final = frozenset("category text display insurer coverage-type encounter-type admit-source".split())
"""Roles of columns that may say the class of visits as well."""
_FEW_CLASSES: Final = 12
_REGIME: Final = re.compile(
    r"\b(regime|setting|ambito|encounter class|patient class|care setting|aufenthaltsart|behandlungsart|fallart|versorgungsform|erogazione|"
    r"prise en charge|modalidad asistencial|ambito asistencial)\b"
)
"""Names of columns of how a patient is cared for."""


class EncounterRule(MainDiagnosisWriter):
    """Writes the rule of visits."""

    def _of_visit(self, *roles: str) -> list[Guess]:
        """The columns of roles that have one value for each visit."""
        number = self._one("encounter-id", "account-id")
        return [
            g
            for g in self._all(*roles)
            if number is None or self._plan.event == "Encounter" or depends_on(self._sample, g, number)
        ]

    def _day_of_visit(self) -> Guess | None:
        """Beside an event the date that by its name is the visit's."""
        if self._plan.event not in _LISTED:
            return None
        dates = [g for g in self._of_visit("collected", "date", "performed") if _VISIT.search(tokens(g.name))]
        if dates:
            self._ask(f"{dates[0].column}: is it when the visit was (Encounter.period), as is assumed?")
        return next(iter(dates), None)

    def _encounter(self) -> Iterator[str]:
        own = self._plan.event == "Encounter"  # beside an event the dates of rows are the event's
        start = self._when("Encounter") if own else self._one("admitted") or self._day_of_visit()
        end = self._one("discharged", "end") if own else self._one("discharged")
        number = self._one("encounter-id", "account-id", "event-id") or next(
            (g for g in self._all("id") if g.header != "row-id"), None
        )
        yield self._rule("encounter")
        patient = self._one("patient-id")
        complete = number is not None and number.filled == len(self._sample.rows) and not number.local
        if number is not None and not complete and (start is None or patient is None):
            yield f"  when: {quoted(self._cell(number))}"
        yield "  as: Encounter"
        if number is None and patient is not None and start is not None:  # rows of one visit may be several
            yield f"  key: [{quoted(self._cell(patient, 'key'))}, {quoted(self._cell(start, 'key') + ('?' if start.filled < len(self._sample.rows) or start.missing else ''))}]"
            self._ask(f"rows of one patient and {start.column} are one visit, as is assumed: are they?")
        elif number is None:
            yield self._key(patient, start)
        elif complete or start is None or patient is None:
            yield f"  key: [{quoted(self._cell(number, 'key'))}]"
        else:  # a visit without a number is that of its patient and time
            here = self._cell(number, "key")
            other = f"join([{self._cell(patient, 'key')}, {self._cell(start, 'key')}], '|')"
            yield f"  key: [{quoted(f'coalesce({here}, {other})')}]"
        yield from self._time(start)
        identifiers = self._all(
            "encounter-id", "account-id", *(("event-id",) if self._plan.event == "Encounter" else ())
        )
        if number is not None and number not in identifiers:
            identifiers.append(number)
        items = []
        for guess in identifiers:
            label = "encounter" if guess is number else self._label(guess)
            value = quoted("=" + self._cell(guess, "Encounter.identifier"))
            items.append(f"{{system: {quoted(f'{self._authority}:{label}')}, value: {value}}}")
        yield from listed("identifier", items)
        if end is not None and (self._plan.event != "Encounter" or self._status_cases("Encounter") is None):
            line = f"  status: {either(self._cell(end), 'finished', 'in-progress')}"
            yield self._unless_voided("Encounter", line) if own else line
        elif self._plan.event == "Encounter":
            yield self._status(
                "Encounter", "finished", "the status of every visit is taken for finished: is it?"
            )
        else:
            self._ask("the status of every visit is taken for finished: is it?")
            yield "  status: finished"
        yield from self._class(self._class_column())
        if self._plan.event == "Encounter":
            yield from self._types()
        else:
            yield from self._texts("type", "encounter-type", of="Encounter.")
        yield from self._text("serviceType", "specialty", of="Encounter.")
        urgent = (
            self._of_visit("priority")
            if self._plan.event not in ("MedicationRequest", "ServiceRequest")
            else []
        )
        if urgent and not self._plan.request:
            yield f"  priority: {self._concept('Encounter.priority', urgent[0])}"
        yield from self._subject()
        yield from self._participants()
        if start is not None or end is not None:
            beginning = self._stamp(start, "Encounter.period.start") if start is not None else "null"
            ending = self._end_of(start if own else None, end, "Encounter.period.end") or "null"
            yield f"  period: {quoted(f'=period({beginning}, {ending})')}"
        spent = self._all("los") + (self._of_visit("duration") if own or not self._plan.event else [])
        los = next((g for g in spent if "icu" not in g.column.casefold()), None)
        if los is not None and los.decimal:
            self._ask(
                f"{los.column}: is the length of stay in days, as is assumed?"
            ) if not los.unit else None
            amount = f"=quantity({self._cell(los, 'Encounter.length')}, {literal(los.unit or 'd')})"
            yield f"  length: {quoted(amount)}"
        yield from self._diagnosis()
        if self._plan.event == "Encounter":
            yield from self._reasons("reasonCode", "Encounter.", "complaint", "diagnosis", "indication")
        elif self._plan.event in ("", "Observation"):
            yield from self._texts("reasonCode", "complaint", of="Encounter.")
        yield from self._hospitalization()
        organizations = [g for g in self._all("organization-id", "organization") if part_of(g) != ASKED]
        organizations.sort(key=lambda g: bool(re.search(r"standort|site|location|campus", tokens(g.name))))
        places = [*self._of_visit("ward"), *organizations[1:]]
        names = {p.column: name for p in places for name in places if self._is_name(name, p)}
        places = [p for p in places if p not in names.values()]
        yield from listed(
            "location",
            [
                f"{{when: {quoted(self._cell(p))}, location: {self._named_place('Encounter.location', p, names.get(p.column))}}}"
                for p in places
            ],
        )
        if organizations and (self._plan.event == "Encounter" or organizations[0].system):
            yield f"  serviceProvider: {self._reference('Encounter.serviceProvider', organizations[0])}"

    def _procedures(self) -> Iterator[str]:
        """What was done in a visit: a Procedure for each code."""
        codes = [g for g in self._codes_of("procedure") if not g.separator and not g.of]
        patient = self._one("patient-id")
        number, start = self._one("encounter-id"), self._when("Encounter")
        if self._plan.event != "Encounter" or patient is None or (number is None and start is None):
            return
        for code in codes:
            text = self._text_of([code])
            yield self._rule(self._label(code))
            yield f"  when: {quoted(self._cell(code))}"
            yield "  as: Procedure"
            yield self._key(patient, number if number is not None else start, code)
            yield "  status: completed"
            yield from self._coded("code", [code], text, "Procedure.")
            yield from self._subject()
            yield from self._visit()
        if codes:
            self._ask("the status of every Procedure is taken for completed: is it?")

    def _types(self) -> Iterator[str]:
        """Types in words, and codes that are no diagnosis."""
        codes = [
            g
            for g in self._codes_of("", "test")
            if not g.separator and "drg" not in g.header and g.system not in (SNOMED, LOINC)
        ]
        items = []
        for code in codes:
            text = self._text_of([code])
            more = (
                f", text: {quoted('=' + self._cell(text, 'Encounter.type.text'))}" if text is not None else ""
            )
            items.append(f"{{coding: [{self._coding(code, text, 'Encounter.type')}]{more}}}")
        items += [
            f"{{text: {quoted('=' + self._cell(g, 'Encounter.type'))}}}" for g in self._all("encounter-type")
        ]
        yield from listed("type", items)

    def _participants(self) -> Iterator[str]:
        people = [
            g
            for g in self._of_visit("provider", "provider-id")
            if (self._plan.event == "Encounter" and (did(g) or self._referred(g)))
            or (did(g) and self._plan.event != "Procedure" and part_of(g) == ATTENDED)
        ]
        numbers = self._paired(people)
        people = [g for g in people if g not in numbers.values()]
        items = [
            f"{{type: [{{{self._part(guess)}text: {quoted(bare(guess.column))}}}], individual: {self._person('Encounter.participant', guess, numbers)}}}"
            for guess in people
        ]
        yield from listed(
            "participant",
            [f"{{when: {quoted(self._cell(g))}, {item[1:]}" for g, item in zip(people, items, strict=True)],
        )

    def _referred(self, guess: Guess) -> bool:
        """Whether a person referred the patient, by no order that has them as its requester."""
        return participation(guess) == "REF" and not self._plan.request

    @staticmethod
    def _part(guess: Guess) -> str:
        """The coding of a person's part in the visit, where the column's name says it."""
        code = participation(guess)
        return f"coding: [{{system: {_PARTICIPATION}, code: {code}}}], " if code else ""

    def _hospitalization(self) -> Iterator[str]:
        parts = []
        sources, goals = self._of_visit("admit-source"), self._of_visit("disposition")
        if self._plan.event in ("Procedure", "Immunization"):
            goals = []
        places = [g for g in goals if _PLACE.search(tokens(g.name))] if len(goals) > 1 else []
        goals = [g for g in goals if g not in places]
        numbered = [g for g in places if self._is_numbered(g)]  # kinds of places, not their names
        places = [g for g in places if g not in numbered]
        if numbered and all(self._is_numbered(g) for g in goals):
            goals = numbered
        sources = sources[:1] + [g for g in sources[1:] if not self._is_numbered(g)]
        for element, guess in (
            ("admitSource", next(iter(sources), None)),
            ("dischargeDisposition", next(iter(goals), None)),
        ):
            if guess is not None:
                words = sorted(set(self._values(guess)))
                if self._is_numbered(guess):
                    self._ask(
                        f"{guess.column}: what does each of its numbers mean: {', '.join(words[:12])}? They are kept as text"
                    )
                parts.append(f"{element}: {self._place_or_way(element, guess)}")
        for element, others in (("origin", sources[1:2]), ("destination", places[:1])):
            parts += [
                f"{element}: {self._displayed(f'Encounter.hospitalization.{element}', g)}" for g in others
            ]
        readmission = self._one("readmission")
        if readmission is not None and readmission.words:
            here = quoted(f"lower({self._cell(readmission, 'Encounter.hospitalization.reAdmission')})")
            code = "{coding: [{system: http://terminology.hl7.org/CodeSystem/v2-0092, code: R}]}"
            parts.append(
                f"reAdmission: {{match: {here}, {quoted(readmission.words['true'])}: {code}, else: ~}}"
            )
        if parts:
            yield f"  hospitalization: {{{', '.join(parts)}}}"

    def _place_or_way(self, element: str, guess: Guess) -> str:
        """Where the patient came from or went, in words: with R4's code where they died or went home, which is asked."""
        of = f"Encounter.hospitalization.{element}"
        here = self._cell(guess, of)
        words = dict.fromkeys(v.casefold() for v in self._values(guess))
        codes = {word: code for word in words for code, known in _ENDS if known.fullmatch(word)}
        if element == "admitSource" or not codes:
            return (
                self._concept(of, guess)
                if not self._is_numbered(guess)
                else f"{{text: {quoted('=' + here)}}}"
            )
        shown = ", ".join(f"{word!r} → {code}" for word, code in codes.items())
        self._ask(
            f"{guess.column}: do its words mean R4's codes of a discharge disposition, as is assumed: {shown}?"
        )
        cases = "".join(
            f"{quoted(word)}: {{coding: [{{system: {_DISPOSITIONS}, code: {code}}}], text: {quoted('=' + here)}}}, "
            for word, code in codes.items()
        )
        return f"{{match: {quoted(f'lower({here})')}, {cases}empty: ~, else: {{text: {quoted('=' + here)}}}}}"

    def _is_numbered(self, guess: Guess) -> bool:
        """Whether a column has the numbers of a list and no words."""
        return all(word.isdigit() or len(word) < _LETTERS for word in self._values(guess))

    def _class_column(self) -> Guess | None:
        kinds = self._all("class")
        spelt = [g for g in kinds if not self._is_numbered(g)]  # beside the numbers of the same
        if kinds:
            return (spelt or kinds)[0]
        if self._plan.event != "Encounter":
            return None
        for guess in self._all("category"):
            if _CLASS.search(tokens(guess.name)):
                return guess
        return None

    def _class(self, kind: Guess | None) -> Iterator[str]:
        if kind is None:
            words = " ".join([tokens(self._sample.path.stem), *(tokens(g.name) for g in self._guesses)])
            if _EMERGENCY.search(words):
                self._ask("the class of every visit is taken for emergency (EMER): is it?")
                yield f"  class: {{system: {_SYSTEM}, code: EMER}}"
                return
            perhaps = [guess.column for guess in self._readable if self._may_say_class(guess)]
            if perhaps:
                self._ask(
                    f"{', '.join(perhaps)}: does it say the class of the visit (Encounter.class: inpatient IMP, ambulatory AMB, "
                    "emergency EMER)? The visits have none until that is known"
                )
                yield f"  class: {_ABSENT}"
                return
            if self._one("disposition", "admit-source", "los", "ward") is not None:
                self._ask("the class of every visit is taken for inpatient (IMP): is it?")
                yield f"  class: {{system: {_SYSTEM}, code: IMP}}"
                return
            self._ask("the class of every visit is taken for ambulatory (AMB): is it?")
            yield f"  class: {{system: {_SYSTEM}, code: AMB}}"
            return
        place = self._sample.columns.index(kind.column)
        yield f"  class:\n    match: {quoted(self._cell(kind, 'Encounter.class'))}"
        classes = {word: class_of(word) for word in self._sample.values(place)}
        if any(not code for word, code in classes.items() if len(word) < _LETTERS):
            classes = {word: "" if len(word) < _LETTERS else code for word, code in classes.items()}
        for word, code in classes.items():
            if not code and self._stays_overnight(kind, word):
                code = "IMP"
                self._ask(
                    f"{kind.column}: {word!r} is taken for inpatient (IMP), since such stays are of days: is it?"
                )
            elif not code:
                self._ask(
                    f"{kind.column}: which class of visit (Encounter.class) is {word!r}? It is kept as text"
                )
            elif len(word) <= _LETTERS:
                self._ask(f"{kind.column}: {word!r} is taken for {code} (Encounter.class): is it?")
            here = quoted("=" + self._cell(kind))
            yield f"    {quoted(word)}: {f'{{system: {_SYSTEM}, code: {code}}}' if code else f'{{display: {here}}}'}"
        yield f"    empty: {_ABSENT}\n    else: flag"

    def _may_say_class(self, guess: Guess) -> bool:
        """Whether a column may say the class of visits, by its name or by two of its words."""
        if guess.role not in _OPEN or guess.of or guess.measure or not 1 < guess.distinct <= _FEW_CLASSES:
            return False
        words = {value.casefold() for value in self._values(guess)}
        known = {class_of(word) for word in words if STAY.fullmatch(word)} - {""}
        return len(known) > 1 or bool(_REGIME.search(tokens(guess.name)))

    def _stays_overnight(self, kind: Guess, word: str) -> bool:
        """Whether nearly all stays of a class end on a later day than they began."""
        start, end = self._one("admitted"), self._one("discharged")
        if start is None or end is None:
            return False
        place = self._sample.columns.index(kind.column)
        days = [
            (first, last)
            for row, first, last in zip(
                self._sample.rows, days_of(self._sample, start), days_of(self._sample, end), strict=True
            )
            if row[place].strip() == word and first and last
        ]
        return len(days) > _FEW_STAYS and sum(1 for first, last in days if last > first) >= 0.9 * len(days)
