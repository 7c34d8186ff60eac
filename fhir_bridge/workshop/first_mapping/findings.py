# ruff: noqa: E501 - patterns are written as they come out
"""Which columns of a chart of which nothing is known are findings of the patient, and which are about the record or the visit."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.grades import is_graded
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.medicines import names_drug
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["LARGE", "about_record", "is_finding", "is_finding_beside", "is_other_number"]

LARGE: Final = 5
"""From so many measurements a chart's columns of a few words, of which nothing is known, are findings."""
_RECORD: Final = re.compile(
    r"consent|einwillig|consens|consent|active|aktiv|deleted|valid|verified|checked|complete|imported|export|quality|site|centre|center|zentrum|"
    r"device|machine|operator|user|source|version|file|batch|arm\b|group|gruppe|cohort|visit|event|status|"
    r"planned|geplant|prevu|programad|programmat|"
    r"closed|billed|billing|paid|printed|scanned|signed|notified|reminder|\bsms\b|enrol|eligib|inclu[ds]|exclu[ds]|withdr|randomi[sz]|booked|confirmed|"
    r"abgeschlossen|gedruckt|abgerechnet|freigegeben|cerrad|firmad|impres|factur|fattur|chius|stampat|clotur|imprim|afgesloten|gefactureerd|encerrad|fechad"
)
"""Names of columns about the record, not about the patient."""
_CIRCUMSTANCES: Final = re.compile(
    r"married|marri|residen|rural|urban|educat|school|litera|income|salary|employ|household|housing|dwelling|insur|scholarship|depriv|"
    r"bildung|schul|einkommen|wohnform|wohnsit|haushalt|escolar|educac|ingresos econ|vivienda|istruz|titolo studio|revenu|logement|etudes|"
    r"opleiding|inkomen|woonsit|utbildning|inkomst|uddannelse|utdanning|escolaridade|moradia|renda"
)
"""Names of columns about how a person lives, which are no findings of an examination."""
_AROUND: Final = frozenset(
    """admission discharge disposition admitsource ward organization provider insurer insured money form_admin hash
    year month place postal city state county country address latitude specialty encounter account referral""".split()
)
"""Concepts of names that speak of the visit, of places and of the record."""
_PLACES: Final = frozenset("ward organization provider specialty".split())


_LISTED: Final = re.compile(r"offset|\b(type|kind|typ|tipo|seq|sequence|no|nr|code|rank)$")
"""How names of whole numbers end that are of a list, of an order or of time since something, and measure nothing."""


def about_record(guess: Guess) -> bool:
    """Whether a name speaks of the visit, the record or a person's circumstances, so that no number or word of it is measured."""
    words = tokens(guess.name)
    if _RECORD.search(words) or _CIRCUMSTANCES.search(words):
        return True
    parts = slots(words)
    if len(parts) == 1 and parts[0].concepts & _PLACES:
        return False  # cells that are no person's and no place's have said what it is not
    return any(part.concepts & _AROUND and len(part.text) > 1 for part in parts)


def is_other_number(guess: Guess) -> bool:
    """Whether a number of which nothing is known may be measured."""
    if guess.role == "count":
        return True
    if guess.whole and not guess.unit and _LISTED.search(tokens(guess.name)):
        return False
    return (
        guess.role == "number" and not _is_number_of(guess) and (bool(guess.unit) or not about_record(guess))
    )


def _is_number_of(guess: Guess) -> bool:
    """Whether whole numbers look like those of things: long, or long and all different."""
    return guess.whole and (
        guess.high >= 1_000_000 or (guess.distinct == guess.filled > 3 and guess.low >= 1_000)
    )


def is_finding(sample: Sample, guess: Guess, known: int) -> bool:
    """Whether a column of a few words in a chart is a finding: yes or no, how much, or what nothing else is known of."""
    words = tokens(guess.name)
    if guess.of or _RECORD.search(words) or _CIRCUMSTANCES.search(words):
        return False
    if guess.role == "boolean":
        guess.questions.append(
            f"{guess.column}: is it a finding (yes or no), as is assumed, or does it say that the patient takes the drug (MedicationStatement)?"
            if names_drug(guess)
            else f"{guess.column}: is it a finding (yes or no), as is assumed, or of the record?"
        )
        return True
    if guess.role not in ("category", "text", "status-of", "complaint"):
        return False
    if is_graded(cells_of(sample, guess)):
        guess.evidence.append("its words say how much of something there is")
        return True
    qualified = guess.header == "category" and len(words.split()) > 1  # `Mode of Del`
    return (
        known >= LARGE
        and guess.role == "category"
        and (guess.header == "" or qualified)
        and 1 < guess.distinct <= 12
    )


def is_finding_beside(sample: Sample, guess: Guess, known: int) -> bool:
    """Whether a column beside an event is a finding, which is then asked."""
    kinds = ("category", "boolean", "text") if known else ("category", "text")
    if guess.role not in kinds or guess.uses or not is_finding(sample, guess, known):
        return False
    guess.questions.append(f"{guess.column}: is it a finding of the patient (Observation), as is assumed?")
    return True
