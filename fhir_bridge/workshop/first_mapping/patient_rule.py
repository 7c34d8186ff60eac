# ruff: noqa: E501 - lines of YAML and patterns are written as they come out
"""The rule that makes Patients."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.workshop.first_mapping.coded_tables import languages_of
from fhir_bridge.workshop.first_mapping.guessing import Guess
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.statuses import by_word
from fhir_bridge.workshop.first_mapping.writing import Writer, concepts_of, listed, quoted

__all__ = ["PatientRule"]

_MARITAL: Final = {
    "M": "m|married|verh|verh.|verheiratet|marié|marie|mariée|coniugato|coniugata|sposato|casado|casada|mar|vh",
    "S": "s|single|never married|led|led.|ledig|célibataire|celibataire|celibe|nubile|soltero|soltera|unmarried|cel|ld",
    "D": "d|divorced|gesch|gesch.|geschieden|divorcé|divorce|divorcée|divorziato|divorziata|divorciado|divorciada|gs",
    "W": "w|widowed|widow|widower|verw|verw.|verwitwet|veuf|veuve|vedovo|vedova|viudo|viuda|vw",
    "L": "l|separated|legally separated|getrennt|getrennt lebend|séparé|séparée|separato|separata|separado|separada",
    "T": "t|domestic partner|partner|eingetragene lebenspartnerschaft|pacs|pacsé|pacsée|civil partnership|lebenspartnerschaft",
    "UNK": "u|unk|unknown|unbek|unbek.|unbekannt|inconnu|sconosciuto|desconocido|k.a.",
}
_MARITAL_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-MaritalStatus"
_UNKNOWN_SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
_EXTENSION: Final = "http://hl7.org/fhir/StructureDefinition/patient-"
_LANGUAGES: Final = quoted("urn:ietf:bcp:47")
_WORD: Final = 4
"""From so many letters a word for a language is no abbreviation."""
_EXTENSIONS: Final = (
    ("mothers-maiden", f"{{{{url: {_EXTENSION}mothersMaidenName, valueString: {{0}}}}}}"),
    ("birth-place", f"{{{{url: {_EXTENSION}birthPlace, valueAddress: {{{{text: {{0}}}}}}}}}}"),
    ("religion", f"{{{{url: {_EXTENSION}religion, valueCodeableConcept: {{{{text: {{0}}}}}}}}}}"),
    (
        "nationality",
        f"{{{{url: {_EXTENSION}nationality, extension: [{{{{url: code, valueCodeableConcept: {{{{text: {{0}}}}}}}}}}]}}}}",
    ),
)
"""R4's extensions of Patient by role."""
_TELECOM: Final = (
    ("phone", "phone", ""), ("phone-home", "phone", "home"), ("phone-mobile", "phone", "mobile"),
    ("phone-work", "phone", "work"), ("fax", "fax", ""), ("email", "email", ""),
)  # fmt: skip


class PatientRule(Writer):
    """Writes the rule of a table of people."""

    def _patient(self) -> Iterator[str]:
        key = self._one("patient-id")
        assert key is not None
        here = self._cell(key, "Patient.identifier")
        yield self._rule("patient")
        partly = [g for g in self._plan.partly if g not in self._numbers_partly]
        if partly:
            stated = [self._cell(g) for g in partly if g.role not in ("race", "ethnicity", "occupation")]
            names = ", ".join(g.column for g in partly)
            self._ask(
                f"{names}: blank in some rows of a patient; only rows that have one make the Patient: has each patient such a row?"
            )
            yield from [f"  when: {quoted(' or '.join(stated))}"] if stated else []
        yield "  as: Patient"
        yield f"  key: {quoted(f'=patient({here})')}"
        yield "  identifier:"
        yield f"  - {{system: {self._system(key, 'patient')}, value: {quoted('=' + here)}}}"
        others = self._all("person-id")
        if not self._plan.event and not self._plan.measures:
            others += [g for g in self._all("id") if g.header in ("person-id", "id") and g is not key]
        others = [g for g in others if g not in self._numbers_of_cover]
        for other in others:
            system = self._system(other, self._label(other))
            yield f"  - {{system: {system}, value: {quoted('=' + self._cell(other, 'Patient.identifier'))}}}"
        unknown = [g.column for g in (key, *others) if not g.system]
        if unknown:
            self._ask(f"{', '.join(unknown)}: which system (assigning authority) are these numbers of?")
        for other in self._numbers_partly:
            if other not in self._numbers_of_cover:
                self._ask(
                    f"{other.column}: blank in some rows of a patient: the Patient is that of the first of these rows, "
                    "another is withheld and reported; which row counts?"
                )
        yield from self._extensions()
        yield from self._name()
        if sex := self._one("sex"):
            yield from self._sex(sex)
        if born := self._one("birth-date"):
            yield f"  birthDate: {quoted('=' + self._date(born, 'Patient.birthDate', day=True))}"
        elif year := self._one("birth-year"):
            here = self._cell(year, "Patient.birthDate")
            month = next((g for g in self._all("birth-part") if "month" in concepts_of(g)), None)
            if month is not None and all(re.fullmatch(r"\d\d", value) for value in self._values(month)):
                here = f"coalesce({here} + '-' + {self._cell(month, 'Patient.birthDate')}, {here})"
            yield f"  birthDate: {quoted(f'=date({here})')}"
        if died := self._one("death-date"):
            yield f"  deceasedDateTime: {quoted('=' + self._date(died, 'Patient.deceasedDateTime'))}"
        elif (dead := self._one("deceased")) and dead.words:
            yield f"  deceasedBoolean: {self._boolean(dead, 'Patient.deceasedBoolean')}"
        if marital := self._one("marital"):
            yield from self._marital(marital)
        if language := self._one("language"):
            yield from self._language(language)
        yield from self._telecom()
        yield from self._contact()
        yield from listed(
            "generalPractitioner",
            [self._reference("Patient.generalPractitioner", g) for g in self._all("gp")],
        )

    def _extensions(self) -> Iterator[str]:
        """What R4 has extensions for."""
        items = []
        for role, form in _EXTENSIONS:
            for guess in self._all(role)[:1]:
                here = quoted("=" + self._cell(guess, f"Patient.extension ({role})"))
                items.append(form.format(here))
        yield from listed("extension", items)

    def _language(self, guess: Guess) -> Iterator[str]:
        """The language, by its code of BCP 47 where its word or letter is understood."""
        here = self._cell(guess, "Patient.communication")
        codes = languages_of(self._values(guess))
        text = quoted("=" + here)
        lacking = [word for word, code in codes.items() if not code]
        short = [f"{word.upper()} → {code}" for word, code in codes.items() if code and len(word) < _WORD]
        if lacking:
            self._ask(
                f"{guess.column}: which language does each of these mean: {', '.join(lacking[:12])}? They are kept as text"
            )
        if short:
            self._ask(
                f"{guess.column}: do its letters mean the languages {', '.join(short)} (BCP 47), as is assumed?"
            )
        cases = "".join(
            f"{quoted(word)}: {{coding: [{{system: {_LANGUAGES}, code: {code}}}], text: {text}}}, "
            for word, code in codes.items()
            if code
        )
        known = f"{{match: {quoted(f'lower({here})')}, {cases}empty: ~, else: {{text: {text}}}}}"
        yield f"  communication:\n  - {{language: {known if cases else f'{{text: {text}}}'}}}"

    def _boolean(self, guess: Guess, element: str) -> str:
        here = quoted(f"lower({self._cell(guess, element)})")
        return f"{{match: {here}, {quoted(guess.words['true'])}: true, {quoted(guess.words['false'])}: false, empty: ~, else: flag}}"

    def _name(self) -> Iterator[str]:
        main = self._all("name")[:1] + self._all("family")[:1]
        given, maiden = self._all("given")[:1] + self._all("middle")[:1], self._one("maiden")
        prefixes, suffixes = self._all("prefix"), self._all("suffix")[:1]
        items = []
        used = self._all("family")[:1] if maiden is not None else []
        partly = bool(used) and used[0].filled < len(self._sample.rows)
        for guess in main:
            if guess.role == "name" and guess.separator and not given:
                here = self._cell(guess, "Patient.name")
                before, after = f"=trim(split({here}, ',')[0])", f"split(trim(split({here}, ',')[1]), ' ')"
                items.append(f"text: {quoted('=' + here)}")
                items.append(f"family: {quoted(before)}")
                items.append(f"given: [{quoted('=' + after)}]")
                continue
            element = "text" if guess.role == "name" else "family"
            here = self._cell(guess, f"Patient.name.{element}")
            prefix = self._one("family-prefix") if element == "family" else None
            if prefix is not None:  # `de` and `Jong` are `de Jong`
                here = f"join([{self._cell(prefix, 'Patient.name.family')}, {here}])"
            second = self._all("family")[1:2] if element == "family" else []
            if second:  # two family names, as in Spain
                here = f"join([{here}, {self._cell(second[0], 'Patient.name.family')}])"
            if (
                element == "family" and partly and maiden is not None
            ):  # who has no other name has that of birth
                here = f"coalesce({here}, {self._cell(maiden, 'Patient.name.family')})"
            items.append(f"{element}: {quoted('=' + here)}")
        for element, guesses in (("given", given), ("prefix", prefixes), ("suffix", suffixes)):
            if guesses:
                values = ", ".join(quoted("=" + self._cell(g, f"Patient.name.{element}")) for g in guesses)
                items.append(f"{element}: [{values}]")
        names = [f"{{{', '.join(items)}}}"] if items else []
        if maiden is not None:
            stated = f"when: {quoted(self._cell(used[0]))}, " if partly else ""
            names.append(
                f"{{{stated}use: maiden, family: {quoted('=' + self._cell(maiden, 'Patient.name (maiden)'))}}}"
            )
        if (called := self._one("nickname")) is not None:
            here = self._cell(called, "Patient.name (nickname)")
            names.append(f"{{when: {quoted(self._cell(called))}, use: nickname, text: {quoted('=' + here)}}}")
        yield from listed("name", names)

    def _sex(self, guess: Guess) -> Iterator[str]:
        if not guess.words:
            return
        cases = ", ".join(f"{quoted(word)}: {code}" for word, code in guess.words.items())
        yield f"  gender: {{match: {quoted(self._cell(guess, 'Patient.gender'))}, {cases}, empty: ~, else: flag}}"

    def _marital(self, guess: Guess) -> Iterator[str]:
        known = by_word(_MARITAL)
        here = self._cell(guess, "Patient.maritalStatus")
        cases, lacking = [], []
        for word in dict.fromkeys(v.casefold() for v in cells_of(self._sample, guess)):
            code = known.get(word)
            if code is None:
                lacking.append(word)
                continue
            system = _UNKNOWN_SYSTEM if code == "UNK" else _MARITAL_SYSTEM
            cases.append(
                f"{quoted(word)}: {{coding: [{{system: {system}, code: {code}}}], text: {quoted('=' + here)}}}"
            )
        if lacking:
            self._ask(
                f"{guess.column}: which marital status does each of these mean: {', '.join(lacking)}? They are kept as text"
            )
        rest = f"else: {{text: {quoted('=' + here)}}}"
        yield f"  maritalStatus: {{match: {quoted(f'lower({here})')}, {', '.join([*cases, 'empty: ~', rest])}}}"

    def _telecom(self) -> Iterator[str]:
        items = []
        for role, system, use in _TELECOM:
            for guess in self._all(role):
                what = f"system: {system}, " + (f"use: {use}, " if use else "")
                items.append(f"{{{what}value: {quoted('=' + self._cell(guess, 'Patient.telecom'))}}}")
        yield from listed("telecom", items)
        parts = [
            (element, guess)
            for element, role in (
                ("line", "address"), ("city", "city"), ("district", "county"), ("state", "state"),
                ("postalCode", "postal-code"), ("country", "country"),
            )
            for guess in (self._all(role) if role == "address" else self._all(role)[:1])
        ]  # fmt: skip
        lines = [
            quoted("=" + self._cell(g, "Patient.address.line")) for element, g in parts if element == "line"
        ]
        items = [f"line: [{', '.join(lines)}]"] if lines else []
        items += [
            f"{element}: {quoted('=' + self._cell(g, f'Patient.address.{element}'))}"
            for element, g in parts
            if element != "line"
        ]
        if items:
            yield f"  address:\n  - {{{', '.join(items)}}}"

    def _contact(self) -> Iterator[str]:
        """A person to turn to."""
        parts = []
        for role, form in (
            ("contact-relationship", "relationship: [{{text: {0}}}]"),
            ("contact-name", "name: {{text: {0}}}"),
            ("contact-phone", "telecom: [{{system: phone, value: {0}}}]"),
        ):
            if guess := self._one(role):
                parts.append(form.format(quoted("=" + self._cell(guess, "Patient.contact"))))
        yield from listed("contact", [f"{{{', '.join(parts)}}}"] if parts else [])
