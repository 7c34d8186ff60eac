"""The cohort's CSV extracts, as a hospital's database hands them over: German headers, local codes, mixed units."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Final

from fhir_bridge.demo.people import AUTHORITY, Person

__all__ = ["ANALYTES", "LAB_SCHEME", "Analyte", "reported", "write"]

LAB_SCHEME: Final = "LAB-DEMO"
"""Name of the laboratory's own coding scheme, as extracts and messages write it."""

_MISSING: Final = "-"


@dataclass(frozen=True, slots=True)
class Analyte:
    """How the laboratory reports an analyte: local code, display, unit as it writes it, reference range.

    `factor` converts from the unit of `Person.laboratory`; `digits` are the decimal places reported.
    """

    code: str
    display: str
    unit: str
    range: str = ""
    factor: Decimal = Decimal(1)
    digits: int = 1


_CHOLESTEROL: Final = Decimal("38.665")
_TRIGLYCERIDE: Final = Decimal("88.57")

ANALYTES: Final[dict[str, tuple[Analyte, ...]]] = {
    "total cholesterol": (
        Analyte("CHOL", "Cholesterin gesamt", "mmol/l", "< 5.2"),
        Analyte("CHOLMG", "Cholesterin gesamt", "mg/dl", "< 200", _CHOLESTEROL, 0),
    ),
    "LDL cholesterol": (
        Analyte("LDL", "LDL-Cholesterin", "mmol/l", "< 3.0"),
        Analyte("LDLMG", "LDL-Cholesterin", "mg/dl", "< 116", _CHOLESTEROL, 0),
    ),
    "HDL cholesterol": (
        Analyte("HDL", "HDL-Cholesterin", "mmol/l", "> 1.0"),
        Analyte("HDLMG", "HDL-Cholesterin", "mg/dl", "> 40", _CHOLESTEROL, 0),
    ),
    "triglycerides": (Analyte("TG", "Triglyceride", "mmol/l", "< 1.7"),),
    "creatinine": (
        Analyte("KREA", "Kreatinin", "µmol/l", "45-104", digits=0),
        Analyte("KREAMG", "Kreatinin", "mg/dl", "0.5-1.2", 1 / Decimal("88.42"), 2),
    ),
    "eGFR": (Analyte("EGFR", "eGFR (CKD-EPI 2021)", "ml/min/1,73m2", "> 60", digits=0),),
    "HbA1c": (Analyte("HBA1C", "HbA1c (IFCC)", "mmol/mol", "20-42", digits=0),),
    "glucose": (Analyte("GLU", "Glukose", "mmol/l", "3.9-5.6"),),
    "troponin T": (Analyte("HSTNT", "Troponin T hochsensitiv", "ng/l", "< 14", digits=0),),
    "NT-proBNP": (Analyte("NTBNP", "NT-proBNP", "pg/ml", "< 125", digits=0),),
    "potassium": (Analyte("K", "Kalium", "mmol/l", "3.5-5.1"),),
    "sodium": (Analyte("NA", "Natrium", "mmol/l", "136-145", digits=0),),
    "haemoglobin": (Analyte("HB", "Hämoglobin", "g/dl", "12.0-17.5"),),
    "CRP": (Analyte("CRP", "C-reaktives Protein", "mg/l", "< 5.0"),),
    "TSH": (Analyte("TSH", "TSH basal", "mU/l", "0.4-4.0"),),
    "ALT": (Analyte("ALT", "GPT (ALT)", "U/l", "< 45", digits=0),),
}
"""Analyte of `Person.laboratory` -> the forms in which it is reported; every third person gets the second form."""

_UNMAPPED: Final = (
    ("HAEM", "Hämolyse-Index", Decimal(3), "1"),
    ("GALX", "Galectin-3 (Hausmethode)", Decimal("14.2"), "µg/l"),
    ("XSTS", "Sonderröhrchen Studie", Decimal(1), "1"),
)
"""Local results that no map knows, on purpose: they must be kept and reported."""


def write(folder: Path, people: Sequence[Person]) -> list[Path]:
    """Write the six extracts and return their paths. The same people give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    tables: tuple[
        tuple[str, str, tuple[str, ...], Callable[[Sequence[Person]], Iterator[tuple[str, ...]]]], ...
    ] = (
        ("patients.csv", "utf-8-sig", _PATIENT, _patients),
        ("laboratory.csv", "utf-8", _LABORATORY, _laboratory),
        ("vitals.csv", "cp1252", _VITALS, _vitals),
        ("medications.csv", "utf-8", _MEDICATION, _medications),
        ("conditions.csv", "utf-8", _CONDITION, _conditions),
        ("smoking.csv", "utf-8", _SMOKING, _smoking),
    )
    written = []
    for name, encoding, header, rows in tables:
        text = io.StringIO()
        writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
        writer.writerow(header)
        writer.writerows(rows(people))
        path = folder / name
        path.write_bytes(text.getvalue().encode(encoding))
        written.append(path)
    return written


_PATIENT: Final = (
    "PatNr", "Aussteller", "Nachname", "Vorname", "Geburtsdatum", "Geschlecht", "Straße", "PLZ", "Ort",
    "Telefon", "Stand", "Hinweis",
)  # fmt: skip
_LABORATORY: Final = (
    "PatNr", "Aussteller", "Auftrag", "Code", "Bezeichnung", "Wert", "Einheit", "Referenz", "Abnahme",
    "Freigabe", "Status",
)  # fmt: skip
_VITALS: Final = (
    "FallNr", "PatNr", "Aussteller", "Zeit", "RR syst", "RR diast", "Puls", "Temp °C", "Größe cm", "Gewicht kg",
    "SpO2 %",
)  # fmt: skip
_MEDICATION: Final = ("PatNr", "Aussteller", "ATC", "Wirkstoff", "Dosierung", "Beginn", "Stand")
_CONDITION: Final = ("PatNr", "Aussteller", "ICD10", "Diagnose", "Beginn", "Befund", "Stand")
_SMOKING: Final = ("PatNr", "Aussteller", "Datum", "Rauchstatus")


def _day(value: date | None) -> str:
    return value.strftime("%d.%m.%Y") if value else ""


def _minute(value: datetime) -> str:
    return value.strftime("%d.%m.%Y %H:%M")


def _comma(value: Decimal | int) -> str:
    return str(value).replace(".", ",")


def _patients(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    for person in people:
        yield (
            person.mrn,
            AUTHORITY,
            person.family,
            person.given,
            _day(person.birth_date),
            "m" if person.sex == "male" else "w",
            person.line,
            person.postal_code,
            person.city,
            person.phone,
            _minute(person.visit),
            "synthetisch",
        )


def reported(person: Person, number: int, name: str) -> tuple[Analyte, Decimal]:
    """The form in which the laboratory reports an analyte of a person, and the value in that form."""
    forms = ANALYTES[name]
    analyte = forms[-1] if number % 3 == 2 else forms[0]
    step = Decimal(1).scaleb(-analyte.digits)
    return analyte, (person.laboratory[name] * analyte.factor).quantize(step, ROUND_HALF_UP)


def _laboratory(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    for number, person in enumerate(people):
        order = f"L26-{4000 + number}"
        taken = person.visit + timedelta(minutes=20)
        when = (_minute(taken), _minute(taken + timedelta(hours=2)))
        for name in person.laboratory:
            analyte, value = reported(person, number, name)
            row = (
                order,
                analyte.code,
                analyte.display,
                _comma(value),
                analyte.unit,
                _comma_range(analyte.range),
            )
            yield (person.mrn, AUTHORITY, *row, *when, "F")
        if number < len(_UNMAPPED):
            code, display, value, unit = _UNMAPPED[number]
            yield (person.mrn, AUTHORITY, order, code, display, _comma(value), unit, "", *when, "F")
        if not person.issuer_stated:
            # An outside laboratory's row that does not say whose number this is: it can't be linked.
            row = (f"X26-{number}", "K", "Kalium", "4,4", "mmol/l", "")
            yield (person.mrn, "", *row, *when, "F")


def _comma_range(text: str) -> str:
    return text.replace(".", ",")


def _vitals(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    for number, person in enumerate(people):
        for position, vitals in enumerate(person.vitals):
            yield (
                f"F{2600 + number}-{position + 1}",
                person.mrn,
                AUTHORITY,
                _minute(vitals.time),
                str(vitals.systolic),
                str(vitals.diastolic),
                str(vitals.heart_rate),
                _comma(vitals.temperature),
                str(vitals.height) if position else _MISSING,
                _comma(vitals.weight),
                "n.b." if position == 0 and number % 5 == 0 else str(vitals.oxygen_saturation),
            )


def _medications(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    for person in people:
        for medication in person.medications:
            yield (
                person.mrn,
                AUTHORITY,
                medication.atc,
                medication.name,
                medication.dose,
                _day(medication.start),
                _minute(person.visit),
            )


def _conditions(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    for person in people:
        for finding in person.findings:
            yield (
                person.mrn,
                AUTHORITY,
                finding.code,
                finding.display,
                _day(finding.onset),
                "ja" if finding.present else "nein",
                _minute(person.visit),
            )


_SMOKES: Final = {"current": "raucht", "former": "ehemals", "never": "nie"}


def _smoking(people: Sequence[Person]) -> Iterator[tuple[str, ...]]:
    for person in people:
        yield (person.mrn, AUTHORITY, _day(person.visit.date()), _SMOKES[person.smoking])
