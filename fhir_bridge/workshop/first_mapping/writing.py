# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""What the rules of a first mapping have in common: cells in expressions, keys, dates, codes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final

from fhir_bridge.workshop.first_mapping.cells import IDENTIFIERS
from fhir_bridge.workshop.first_mapping.codes import subject_of
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.keys import examination_numbers, own_number, tells_apart, tie_breakers
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.relations import DATES
from fhir_bridge.workshop.first_mapping.statuses import speaks_of_giving, status_codes, unknown_status
from fhir_bridge.workshop.first_mapping.table import Sample
from fhir_bridge.workshop.first_mapping.tables import Plan, asks
from fhir_bridge.workshop.first_mapping.values import LOINC

__all__ = [
    "ELSEWHERE",
    "VITAL_SIGNS",
    "Writer",
    "cell",
    "concepts_of",
    "either",
    "listed",
    "literal",
    "quoted",
]

VITAL_SIGNS = frozenset(
    "85353-1 9279-1 8867-4 2708-6 59408-5 8310-5 8302-2 9843-4 29463-7 39156-5 85354-9 8480-6 8462-4 8478-0".split()
)
"""Codes for which R4 asks for the form of a vital sign (R4 observation-vitalsigns.html): category, subject, time, unit."""

_REFUSED = r"refus|declin|not (given|done)|abgelehnt|verweigert|nicht geimpft|rifiut|rechaz"
"""Names of columns that say of a vaccine that it was not given."""

_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/"
ELSEWHERE: Final = r"refer|zuweis|einsend|einweis|überweis|adress|order|anforder|request|prescri|record|enter|erfass|saisi|gp\b|hausarzt|(er|up|erf|cre|mod|chg|upd)_?usr|change|modif|updat|geaend|geänd|creat|anleg|angelegt|usu_mod"
"""Names of columns of providers who had another part than doing it."""
_OTHER: Final = re.compile(
    r"type|status|unit|value|operator|modifier|qualifier|route|race|gender|visit|class|admitted|discharged"
)
"""Names of OMOP's concepts of something else than what a row is about."""
_TREATMENTS: Final = frozenset(
    ("MedicationAdministration", "MedicationStatement", "MedicationRequest", "Immunization", "Procedure")
)
"""What may not have happened at all."""
_WAS: Final = r"\b(given|administered|gegeben|verabreicht|administre|administrado|somministrato|geimpft|vaccinated|applied)\b"
"""Names of columns that say of medication that it was given."""
_WHEN: Final = {
    "Observation": ("collected", "performed", "administered", "date", "start"),
    "Condition": ("start", "diagnosed", "date"),
    "Procedure": ("performed", "start", "collected", "date"),
    "Immunization": ("administered", "performed", "collected", "start", "date"),
    "MedicationRequest": ("start",),
    "MedicationStatement": ("start", "date"),
    "MedicationAdministration": ("administered", "start", "performed", "collected", "date"),
    "AllergyIntolerance": ("start", "diagnosed"),
    "Encounter": ("admitted", "start", "collected", "performed", "date"),
}
"""The roles of the date that says when it was, by resource type, the surest first."""
_PERHAPS: Final = {
    "Observation": ("recorded", "received", "other-date"),
    "Procedure": ("other-date",),
    "Condition": ("other-date",),
    "Immunization": ("other-date",),
    "MedicationAdministration": ("scheduled", "other-date"),
    "MedicationStatement": ("other-date",),
}
"""Roles of a date that may say so, which is then asked."""


def cell(column: str) -> str:
    """A column in an expression."""
    return f"row.{column}" if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) else f"row.`{column}`"


def quoted(text: str) -> str:
    """A YAML scalar."""
    return json.dumps(text, ensure_ascii=False)


def literal(text: str) -> str:
    """A text inside an expression."""
    return "'" + text.replace("'", "''") + "'"


def either(condition: str, yes: str, no: str) -> str:
    """One code or the other."""
    return quoted(f"={literal(yes)} if {condition} else {literal(no)}")


def listed(element: str, items: list[str]) -> Iterator[str]:
    """A list of flow objects; nothing without any."""
    if items:
        yield f"  {element}:"
        yield from (f"  - {item}" for item in items)


def _given(kind: str, guess: Guess) -> dict[str, str] | None:
    """What yes and no mean for whether something was given; None where the name says nothing of that."""
    if kind not in ("Immunization", "MedicationAdministration"):
        return None
    yes, no = guess.words.get("true", ""), guess.words.get("false", "")
    name = tokens(guess.name)
    if re.search(_REFUSED, name) or guess.role == "refused":
        return {yes: "not-done", no: "completed"}
    return {yes: "completed", no: "not-done"} if re.search(_WAS, name) else None


def _may_say_status(guess: Guess) -> bool:
    """Whether a column that no rule understands may say whether a row happened."""
    if "`" in guess.column or guess.of or guess.role in ("code-status", "marital", "empty"):
        return False
    if guess.role in ("status", "status-of", "refused"):
        return True
    words = concepts_of(guess)
    return guess.role in ("category", "text", "boolean", "display") and bool(words & {"status", "refusal"})


def _may_be_words_of_status(guess: Guess) -> bool:
    """Whether a column of a few words, of which nothing is known, may say it."""
    few = guess.role in ("category", "boolean") and 1 < guess.distinct <= 12
    return few and not guess.of and not guess.measure and "`" not in guess.column


def concepts_of(guess: Guess) -> frozenset[str]:
    """What the words of a column's name stand for."""
    return frozenset[str]().union(*(part.concepts for part in slots(tokens(guess.name))))


class Writer:
    """Writes rules of a plan.

    Attributes:
        used: the columns that the rules read so far.
        read: the columns that the rules write, where a first pass has found them: a key of whole rows is of these.
        questions: what the rules assume.
    """

    def __init__(
        self, name: str, sample: Sample, guesses: list[Guess], plan: Plan, read: frozenset[str] = frozenset()
    ) -> None:
        self._sample, self._guesses, self._plan = sample, guesses, plan
        self._read = read
        self.used: set[str] = set()
        self.questions: list[str] = []
        self._authority = f"urn:x-local:{name}"
        self._visits = plan.encounter or plan.event == "Encounter"

    def _one(self, *roles: str) -> Guess | None:
        """The first column of a role, in the order of the roles."""
        return next(iter(self._all(*roles)), None)

    def _all(self, *roles: str) -> list[Guess]:
        """All columns of the roles, in the order of the roles."""
        return [
            guess
            for role in roles
            for guess in self._guesses
            if guess.role == role and "`" not in guess.column and guess.column not in self._plan.varying
        ]

    def _cell(self, guess: Guess, element: str = "") -> str:
        """A column in an expression, noted as read; its own words for no value give none."""
        self.used.add(guess.column)
        if element and element not in guess.uses:
            guess.uses.append(element)
        here = cell(guess.column)
        whole = here
        for mark in guess.marks:
            whole = f"replace({whole}, {literal(mark)}, '')"
        if not guess.local:
            return whole
        return f"(null if {here} in [{', '.join(map(literal, guess.local))}] else {whole})"

    def _system(self, guess: Guess, label: str) -> str:
        """The system of a number: that which a country gives it, else one of this site."""
        return quoted(guess.system or f"{self._authority}:{label}")

    def _text(self, element: str, *roles: str, of: str = "") -> Iterator[str]:
        """An element that is a concept in words."""
        guess = self._one(*roles)
        if guess is not None:
            yield f"  {element}: {{text: {quoted('=' + self._cell(guess, of + element))}}}"

    def _texts(self, element: str, *roles: str, of: str = "") -> Iterator[str]:
        """A list of concepts in words."""
        items = [f"{{text: {quoted('=' + self._cell(g, of + element))}}}" for g in self._all(*roles)]
        yield from listed(element, items)

    def _notes(self, of: str, *more: Guess) -> Iterator[str]:
        notes = [
            g for g in [*(self._all("note") or self._all("note-of")[:1]), *more] if not set(g.uses) - {"key"}
        ]
        items = [f"{{text: {quoted('=' + self._cell(g, of + 'note'))}}}" for g in notes]
        yield from listed("note", items)

    def _own_role(self) -> tuple[str, ...]:
        """The role of numbers that each row has its own of, where that says no more: they identify the event."""
        unique = any(g.distinct == g.filled == len(self._sample.rows) > 1 for g in self._all("id"))
        return ("id",) if unique else ()

    def _identifiers(self, of: str, *roles: str) -> Iterator[str]:
        items = []
        for guess in self._all(*roles):
            if guess.column not in self.used or guess.uses in ([], ["key"]):
                system = self._system(guess, self._label(guess))
                items.append(
                    f"{{system: {system}, value: {quoted('=' + self._cell(guess, of + 'identifier'))}}}"
                )
        yield from listed("identifier", items)

    @staticmethod
    def _label(guess: Guess) -> str:
        return tokens(guess.column).replace(" ", "-") or "id"

    def _when(self, kind: str) -> Guess | None:
        """The date that says when it was; what is not sure is asked."""
        sure = self._one(*_WHEN[kind])
        if sure is not None:
            same = self._all(sure.role)  # of a date and a time for the same, the time
            sure = next((g for g in same if g.timed or g.clock), sure)
        if sure is not None:
            if sure.role in ("date", "collected", "performed", "start", "diagnosed"):
                others = [g.column for g in self._all("date", "other-date") if g is not sure]
                if sure.role == "date" and others:
                    self._ask(
                        f"{sure.column}: it is taken for the time of the {kind}; or is that {', '.join(others)}?"
                    )
            return sure
        unsure = self._all(*_PERHAPS.get(kind, ()))
        if len([g for g in unsure if g.role == "other-date"]) > 1:
            unsure = [g for g in unsure if g.role != "other-date"]
        perhaps = unsure[0] if unsure else None
        if perhaps is not None:
            self._ask(
                f"{perhaps.column}: is it when the {kind} was, as is assumed? It looks like {perhaps.what}"
            )
        return perhaps

    def _date(self, guess: Guess, element: str = "", *, day: bool = False) -> str:
        """The expression of a date or time."""
        form = f", format={literal(guess.format)}" if guess.format else ""
        here = self._cell(guess, element)
        if guess.format == "MM/yyyy":
            return f"date(split({here}, '/')[1] + '-' + split({here}, '/')[0])"
        if guess.clock is not None and not day:
            return self._moment(guess, guess.clock, form, element)
        if day and not guess.timed:
            return f"date({here}{form})"
        if day:
            return f"datetime({here}{form}) | date()" if not form else f"date({here}{form})"
        return f"datetime({here}{form})"

    def _moment(self, guess: Guess, clock: Guess, form: str, element: str = "") -> str:
        """A date and the time of day of another column."""
        timed = f", format={literal(f'{guess.plain} {clock.format}')}"
        whole = f"datetime({self._cell(guess, element)} + ' ' + {self._cell(clock, element)}{timed})"
        if clock.filled == guess.filled:
            return whole
        return f"{whole} if {cell(clock.column)} else datetime({cell(guess.column)}{form})"

    def _reported(self) -> Guess | None:
        """The column of when results were reported: an instant has a time of day."""
        return next((g for g in self._all("issued") if g.timed or g.clock), None)

    def _instant(self, guess: Guess, element: str) -> str:
        """The expression of an instant, which needs a zone."""
        form = f", format={literal(guess.format)}" if guess.format else ""
        if guess.clock is not None:
            form = f", format={literal(f'{guess.plain} {guess.clock.format}')}"
            here = f"{self._cell(guess, element)} + ' ' + {self._cell(guess.clock, element)}"
        else:
            here = self._cell(guess, element)
        text = f"instant({here}{form})"
        return text if guess.zoned else f"{text} if site.zone else null"

    def _stamp(self, guess: Guess, element: str = "") -> str:
        return (
            self._date(guess, element)
            if guess.format or guess.timed or guess.clock
            else self._cell(guess, element)
        )

    @property
    def date_format(self) -> str:
        """The format that the source block states: that of the dates that are the time of rows."""
        kind = self._plan.event if self._plan.event in _WHEN else "Observation"
        when = self._when(kind)
        return when.format if when is not None else ""

    def _time(self, guess: Guess | None) -> Iterator[str]:
        """The business time of a row's resources."""
        if guess is not None and guess.clock is None and guess.format in ("", self.date_format):
            yield f"  time: {quoted(self._cell(guess))}"

    def _status_cases(self, kind: str) -> tuple[str, dict[str, str]] | None:
        """The expression that says the status of rows, and the code of each of its words; None where no column does."""
        stated = self._status_column(kind)
        if stated is None:
            return None
        guess, codes = stated
        if guess.words:
            self._ask(f"{guess.column}: does it say whether it was given or done, as is assumed?")
        short = [f"{word.upper()} → {code}" for word, code in codes.items() if code and len(word) < 3]
        if short:
            self._ask(f"{guess.column}: do its letters mean {', '.join(short)}, as is assumed?")
        lacking = [word for word, code in codes.items() if not code]
        if lacking:
            self._ask(f"{guess.column}: which status does each of these mean: {', '.join(lacking)}?")
        element = "clinicalStatus" if kind in ("Condition", "AllergyIntolerance") else "status"
        return f"lower({self._cell(guess, f'{kind}.{element}')})", {
            word: code or unknown_status(kind) for word, code in codes.items()
        }

    def _status_column(self, kind: str) -> tuple[Guess, dict[str, str]] | None:
        """The column that says the status of rows, and the code of each of its words; empty for one that is not known."""
        for guess in self._readable:
            if guess.of or guess.column in self._plan.varying:
                continue
            values = self._values(guess)
            if guess.words and guess.role != "sex":
                yes_no = _given(kind, guess)
                if yes_no is None:
                    continue
                return guess, yes_no
            if guess.role != "status" and not speaks_of_giving(kind, guess.role, values):
                continue
            codes = status_codes(kind, values)
            lacking = [word for word, code in codes.items() if not code]
            if len(lacking) == len(codes) or (lacking and not unknown_status(kind)):
                continue
            return guess, codes
        return None

    def _values(self, guess: Guess) -> list[str]:
        """The cells of a column without its words for no value."""
        cells = self._sample.values(self._sample.columns.index(guess.column))
        return [cell for cell in cells if cell not in guess.missing]

    def _unread_status(self) -> list[str]:
        """Columns that by their names say whether something happened, in words that are not understood."""
        return [guess.column for guess in self._guesses if _may_say_status(guess)]

    def _status(self, kind: str, assumed: str, question: str) -> str:
        """The element `status`: of the column that says it, else what is assumed, which is asked."""
        stated = self._status_cases(kind)
        if stated is None:
            unread = self._unread_status() if kind in _TREATMENTS else []
            if unread:
                self._ask(
                    f"{', '.join(unread)}: does it say the status of each {kind}? Its words are not understood"
                )
                assumed = unknown_status(kind) or assumed
            else:
                words = [g.column for g in self._guesses if _may_be_words_of_status(g)]
                possible = kind in ("MedicationAdministration", "Immunization") and words
                self._ask(
                    f"{question.rstrip('?')}, or does {', '.join(words)} say it?" if possible else question
                )
            return f"  status: {assumed}"
        expression, codes = stated
        cases = ", ".join(f"{quoted(word)}: {code}" for word, code in codes.items())
        empty = f"empty: {unknown_status(kind)}, " if unknown_status(kind) else ""
        return f"  status: {{match: {quoted(expression)}, {cases}, {empty}else: flag}}"

    def _ask(self, question: str) -> None:
        if question not in self.questions:
            self.questions.append(question)

    def _subject(self, element: str = "subject") -> Iterator[str]:
        patient = self._one("patient-id")
        if patient is None:
            self._ask("no column identifies the patient: whose are these rows? The subject is left out")
            return
        yield f"  {element}: {quoted(f'=patient({self._cell(patient, element)})')}"

    def _key(
        self,
        *guesses: Guess | None,
        extra: str = "",
        always: Guess | None = None,
        action: Guess | None = None,
    ) -> str:
        """What distinguishes the resources of rows: the row's own number, else whose, of which visit, order and time.

        Dates, times and numbers of examinations count though the sample can be told apart without them.
        """
        own = own_number(self._readable, len(self._sample.rows), self._plan.event or "Observation")
        chosen = [own] if own is not None else self._distinguishing(guesses, action)
        if chosen:
            parts = [
                self._cell(part, "key") + ("?" if part.filled < len(self._sample.rows) or part.local else "")
                for part in chosen
            ]
        else:
            columns = [g for g in self._readable if g.role != "empty"]
            columns = [
                g
                for g in columns
                if not self._read or g.column in self._read or g.role in DATES | IDENTIFIERS
            ]
            parts = [f"join([{', '.join(self._cell(g, 'key') for g in columns)}], '|')"]
            self._ask("no column or few columns tell the rows apart: the key is the whole row")
        if always is not None and not any(cell(always.column) in part for part in parts):
            optional = "?" if always.filled < len(self._sample.rows) or always.local else ""
            parts.append(self._cell(always, "key") + optional)
        if extra:
            parts.append(extra)
        return f"  key: [{', '.join(quoted(part) for part in parts)}]"

    @property
    def _readable(self) -> list[Guess]:
        return [guess for guess in self._guesses if "`" not in guess.column]

    def _distinguishing(self, guesses: Sequence[Guess | None], action: Guess | None) -> list[Guess]:
        """The columns of a key; none where they don't tell rows apart, or nobody says whose they are."""
        patient = self._one("patient-id")
        if patient is None:
            return []
        numbers = [g for g in examination_numbers(self._readable) if g.column not in self._plan.varying]
        listed_ones = [*(g for g in guesses if g is not None), *numbers]
        chosen: list[Guess] = []
        for guess in listed_ones:
            for each in (guess, guess.clock):
                if each is not None and each not in chosen:
                    chosen.append(each)
        if action is not None and action not in chosen:
            chosen.append(action)
        for more in tie_breakers(self._readable, self._plan.event):
            if tells_apart(self._sample, [g.column for g in chosen]):
                break
            if more not in chosen:
                chosen.append(more)
        if not tells_apart(self._sample, [g.column for g in chosen]):
            return []
        dated = any(guess.format or guess.timed or guess.role in DATES for guess in chosen)
        if not dated and not numbers:
            self._ask(
                f"nothing but {' and '.join(g.column for g in chosen)} distinguishes the rows: a second row of a patient would "
                "replace the first; is there a date, or the number of the examination?"
            )
        return chosen

    def _codes_of(self, *subjects: str) -> list[Guess]:
        """The columns of codes of a subject, those of a standard system first."""
        fitting = [
            g
            for g in self._all("code")
            if subject_of(g) in subjects and not (g.system == "OMOP" and _OTHER.search(tokens(g.name)))
        ]
        return sorted(fitting, key=lambda g: (not g.system, g.system == "OMOP"))

    def _coded(
        self,
        element: str,
        codes: list[Guess],
        text: Guess | None,
        of: str = "",
        more: Sequence[Guess] = (),
        extra: str = "",
    ) -> Iterator[str]:
        """A CodeableConcept of columns of codes and a text, with what more the text says."""
        yield f"  {element}:"
        codings = [*([extra] if extra else []), *(self._coding(code, text, of + element) for code in codes)]
        if codings:
            yield f"    coding: [{', '.join(codings)}]"
        if text is not None and more:
            words = [
                self._cell(g, of + element + ".text")
                for guess in (text, *more)
                for g in (guess, self._unit_of(guess))
                if g
            ]
            joined = ", ".join(words)
            yield f"    text: {quoted(f'=join([{joined}])')}"
        elif text is not None:
            yield f"    text: {quoted('=' + self._cell(text, of + element + '.text'))}"

    def _coding(self, code: Guess, text: Guess | None, element: str) -> str:
        here = self._cell(code, f"{element}.coding")
        if code.systems:
            stated = next(g for g in self._guesses if g.role == "code-system" and g.of == code.column)
            cases = ", ".join(f"{quoted(word)}: {quoted(system)}" for word, system in code.systems.items())
            local = quoted(f"{self._authority}:{self._label(code)}")
            match = quoted(self._cell(stated, f"{element}.coding.system"))
            return f"{{system: {{match: {match}, {cases}, else: {local}}}, code: {quoted('=' + here)}}}"
        known = bool(code.system) and code.system != "OMOP"
        system = quoted(code.system if known else f"{self._authority}:{self._label(code)}")
        if code.system == LOINC and any("are not of" in question for question in code.questions):
            system = quoted(
                f"={literal(LOINC)} if matches({here}, '[0-9]+-[0-9]') else {literal(self._authority + ':code')}"
            )
        shown = (
            f", display: {quoted('=' + self._cell(text, element + '.display'))}"
            if text is not None and not known
            else ""
        )
        return f"{{system: {system}, code: {quoted('=' + here)}{shown}}}"

    def _text_of(self, codes: list[Guess], *roles: str) -> Guess | None:
        """The column that is the text of codes, else one of the roles that is the text of no other code."""
        names = {code.column for code in codes}
        texts = [
            g
            for g in self._guesses
            if g.of in names and g.role not in ("unit", "time-of-day") and "`" not in g.column
        ]
        return next(iter(texts), None) or next(
            (g for g in self._all(*roles) if not g.of or g.of in names), None
        )

    def _reasons(self, element: str, of: str, *texts: str) -> Iterator[str]:
        """Reasons: codes of diagnoses, each with its text, and texts alone."""
        items = []
        for code in self._codes_of("indication", "diagnosis"):
            if set(code.uses) - {"key"}:
                continue
            if code.separator:
                here = self._cell(code, of + element)
                items.append(
                    f"{{for: {quoted(f'piece in split({here}, {literal(code.separator)})')}, "
                    f"coding: [{{system: {quoted(code.system)}, code: {quoted('=trim(piece)')}}}]}}"
                )
                continue
            text = self._text_of([code])
            more = (
                f", text: {quoted('=' + self._cell(text, of + element + '.text'))}"
                if text is not None
                else ""
            )
            items.append(f"{{coding: [{self._coding(code, text, of + element)}]{more}}}")
        items += [
            f"{{text: {quoted('=' + self._cell(guess, of + element))}}}"
            for guess in self._all(*texts)
            if not set(guess.uses) - {"key"}
        ]
        yield from listed(element, items)

    def _visit(self, element: str = "encounter") -> Iterator[str]:
        visit = self._one("encounter-id", "account-id")
        if visit is None:
            return
        if self._visits:
            self._cell(visit)
            yield f"  {element}: {quoted('=ref(' + literal('encounter') + ')')}"
            return
        if visit.role == "account-id":
            self._ask(
                f"{visit.column}: is it the number of the visit, as is assumed, or of an account of several?"
            )
        value = quoted("=" + self._cell(visit, f"{element}.identifier"))
        system = quoted(self._authority + ":encounter")
        yield f"  {element}: {{when: {quoted(cell(visit.column))}, type: Encounter, identifier: {{system: {system}, value: {value}}}}}"

    def _references(self, role: str, target: str, element: str) -> list[str]:
        """References by identifier to what the columns of a role are the numbers of."""
        items = []
        for guess in self._all(role):
            system = self._system(guess, self._label(guess))
            here = self._cell(guess)
            value = quoted("=" + self._cell(guess, element))
            items.append(
                f"{{when: {quoted(here)}, type: {target}, identifier: {{system: {system}, value: {value}}}}}"
            )
        return items

    def _order(self) -> Iterator[str]:
        """The order that a result is of."""
        order = self._one("order-id")
        if self._plan.request and order is not None:
            self._cell(order, "basedOn")
            yield f"  basedOn: {quoted('=ref(' + literal('order') + ')')}"
            return
        yield from listed("basedOn", self._references("order-id", "ServiceRequest", "basedOn"))

    def _displayed(self, element: str, guess: Guess, of: str = "") -> str:
        return f"{{display: {quoted('=' + self._cell(guess, of + element))}}}"

    def _reference(self, element: str, guess: Guess) -> str:
        """A reference by the number that a country gives, else by what is written."""
        if not guess.system and not guess.role.endswith("-id"):
            return self._displayed(element, guess)
        here = self._cell(guess, element)
        system = self._system(guess, self._label(guess))
        return f"{{when: {quoted(here)}, identifier: {{system: {system}, value: {quoted('=' + here)}}}}}"

    def _paired(self, people: list[Guess]) -> dict[str, Guess]:
        """The number of each person who has a name in a column and a number in the one beside it."""
        pairs: dict[str, Guess] = {}
        for person in people:
            for number in people:
                beside = abs(self._guesses.index(person) - self._guesses.index(number)) == 1
                if (
                    person.role == "provider"
                    and number.role == "provider-id"
                    and beside
                    and number not in pairs.values()
                ):
                    pairs[person.column] = number
        return pairs

    def _person(self, element: str, guess: Guess, numbers: dict[str, Guess]) -> str:
        """A reference to a person by name, and by number where there is one."""
        number = numbers.get(guess.column)
        if number is None:
            return self._reference(element, guess)
        system = self._system(number, self._label(number))
        value = quoted("=" + self._cell(number, element))
        shown = quoted("=" + self._cell(guess, element))
        return f"{{identifier: {{system: {system}, value: {value}}}, display: {shown}}}"

    def _place(self) -> Iterator[str]:
        """Where it was: in the extension that R4 has for it, where no Encounter says it."""
        items = []
        for guess in self._all("ward"):
            if asks(guess) or any(use.startswith("Encounter") for use in guess.uses):
                continue
            here = self._cell(guess, "extension (event-location)")
            items.append(
                f"{{when: {quoted(here)}, url: {_EXTENSION}event-location, valueReference: {{display: {quoted('=' + here)}}}}}"
            )
            self._ask(f"{guess.column}: is it where the event of the row was, as is assumed?")
        if (
            self._plan.event in ("", "Observation")
            and (lying := self._one("body-position"))
            and lying not in self._plan.measures
        ):
            here = self._cell(lying, "extension (bodyPosition)")
            items.append(
                f"{{when: {quoted(here)}, url: {_EXTENSION}observation-bodyPosition, valueCodeableConcept: {{text: {quoted('=' + here)}}}}}"
            )
        yield from listed("extension", items)

    def _unit_of(self, amount: Guess) -> Guess | None:
        """The column of a number's unit."""
        return next((g for g in self._readable if g.of == amount.column and g.role.endswith("unit")), None)

    def _amount(self, amount: Guess, element: str) -> str:
        """The expression of a Quantity."""
        unit = self._unit_of(amount)
        stated = (
            self._cell(unit, element) if unit is not None else literal(amount.unit) if amount.unit else "null"
        )
        return f"=quantity({self._cell(amount, element)}, {stated})"
