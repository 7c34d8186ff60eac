# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""Columns whose names say nothing, or only what their last word is: what the cells say."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.cells import FEW, texts, zero_led
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.headers import unit_in
from fhir_bridge.workshop.first_mapping.lexicon import slots, tokens
from fhir_bridge.workshop.first_mapping.numbers import as_plain_number, numbers_in, states_quantity
from fhir_bridge.workshop.first_mapping.sentinels import words_for_nothing
from fhir_bridge.workshop.first_mapping.statuses import is_status
from fhir_bridge.workshop.first_mapping.values import number_form, share

__all__ = ["as_anything"]


def as_anything(guess: Guess, values: list[str]) -> None:
    """What the cells say, where the name says nothing."""
    quantity = states_quantity(guess.name, values)
    if not quantity and (
        _of_patient(guess, values) or _numbers_things(guess, values) or _by_head(guess, values)
    ):
        return
    numbers = None if zero_led(values) else numbers_in(guess, values, 0.6)
    if numbers is not None and as_plain_number(guess, *numbers):
        return
    if numbers is None and share(values, lambda v: re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", v)) > 0.9:
        guess.role = "email"
        guess.evidence.append("values are addresses of mail")
        return
    if is_status(values):
        guess.role = "status"
        guess.evidence.append("words for how far a result is: " + ", ".join(sorted(set(values))[:5]))
        return
    finding = words_for_nothing(values, numbers=False, finding=True)
    guess.missing = tuple(dict.fromkeys((*guess.missing, *finding)))
    longest = max(len(value) for value in values)
    few = guess.distinct <= max(12, min(FEW, guess.filled // 10))
    if (
        share(values, lambda v: re.fullmatch(r"[A-Za-z]{0,6}[-_ ]?\d{3,}[A-Za-z]?", v)) > 0.9
        and guess.distinct > 0.8 * guess.filled > 4
    ):
        guess.role = "id"
        guess.evidence.append("letters with a number, nearly all different")
    elif (
        few and share(values, lambda v: v.casefold().split()[0] in _SPECIMENS if v.split() else False) >= 0.7
    ):
        guess.role = "specimen"
        guess.evidence.append("values are specimens")
    elif guess.distinct > 1 and all(v.casefold().rstrip(".") in _SIDES for v in values):
        guess.role = "laterality"
        guess.evidence.append("values are sides of the body")
    elif few and longest <= 60:
        guess.role = "category"
        guess.evidence.append(f"{guess.distinct} different texts in {guess.filled} cells")
    else:
        guess.role = "text"
        guess.evidence.append("values are text of many kinds")


_SIDES: Final = frozenset(
    "l r li re left right both bilateral links rechts beidseits bds bilat od os ou gauche droite droit g d izquierda derecha izq dcha sinistra destra sx dx".split()
)
"""Words for a side of the body, whatever the column is called."""
_SPECIMENS: Final = frozenset(
    """blood blut sang sangue sangre plasma plasme serum sérum siero suero urine urin urina orina liquor csf lcr stool stuhl
    selles feci heces sputum saliva swab abstrich vollblut edta citrat""".split()
)
"""First words of specimens, whatever the column is called."""
_BY_HEAD: Final = {
    "provider": "provider", "ward": "ward", "organization": "organization", "insurer": "insurer", "device": "device",
    "phone": "phone", "money": "money", "specialty": "specialty", "unit": "unit-of", "flag": "flag-of", "role": "provider",
    "text": "note-of", "low": "limit-of", "high": "limit-of", "range": "limit-of", "address": "address-of", "status": "status-of",
    "account": "account-id", "form_admin": "administrative", "hash": "administrative", "deleted": "inactive", "name": "name-of", "diagnosis": "diagnosis",
}  # fmt: skip
"""What a column is by the head of its name alone; `-of` something that is not known."""


_NAMED: Final = frozenset("provider ward organization insurer device".split())
"""Of these, what has a name or a number of its own."""
_AMOUNTS: Final = frozenset("duration los count money age quantity dose rate".split())
"""What is counted or measured of such: the minutes of a doctor."""
_OF_PERSONS: Final = frozenset(
    "marital age sex race ethnicity insurer religion occupation address city state".split()
)
"""What a person is or has, at a diagnosis as well."""
_COUNTED: Final = 1000
"""Smaller numbers are no numbers of persons."""


def _by_head(guess: Guess, values: list[str]) -> bool:
    """What the head of the name says, where the rest of the name is not known: its last word, or its first in French."""
    parts = slots(tokens(guess.name))
    if len(parts) < 2:
        return False
    compound = " " not in tokens(guess.name)  # whose head is its last word: `Pflegetage` are days
    for part in parts[-1:] if compound else (parts[-1], parts[0]):
        role = next((_BY_HEAD[concept] for concept in part.concepts if concept in _BY_HEAD), "")
        if not role or (part is parts[0] and (role.endswith("-of") or role == "diagnosis")):
            continue
        if role == "diagnosis" and any(other.concepts & _OF_PERSONS for other in parts if other is not part):
            continue  # `Marital status at diagnosis`
        if role in _NAMED and any(other.concepts & _AMOUNTS for other in parts if other is not part):
            continue
        known = any(other.concepts - {"code", "id", "name", "label"} for other in parts[1:])
        if part is parts[0] and known and role == "ward":
            continue  # `UM_DOSE` is no ward
        numbers = number_form(values, least=0.8)
        if numbers is not None and role == "provider" and numbers.high < _COUNTED:
            continue
        if numbers is not None and role not in (
            "limit-of",
            "ward",
            "device",
            "provider",
            "account-id",
            "money",
            "administrative",
        ):
            continue
        stated = unit_in(guess.name) if numbers is not None else None
        if role in ("limit-of", "ward") and stated is not None and stated[1]:
            continue  # `door to doc min`: minutes; `CCT_um`: micrometres
        if role == "status-of" and guess.distinct <= 12:
            continue
        guess.role = "provider-id" if role == "provider" and numbers is not None else role
        guess.evidence.append(f"name ends as that of {guess.what}; {texts(guess)}")
        return True
    return False


def _of_patient(guess: Guess, values: list[str]) -> bool:
    """Whether the name says patient and one unknown word, and the cells number things: the patient's identifier."""
    parts = slots(tokens(guess.name))
    named = [part for part in parts if "patient" in part.concepts]
    unknown = [part for part in parts if not part.concepts]
    if len(named) != 1 or len(parts) != 2 or len(unknown) != 1:
        return False
    if share(values, lambda v: re.fullmatch(r"[A-Za-z]{0,4}\d{4,}\w*", v)) < 0.95:
        return False
    guess.role = "patient-id"
    guess.evidence.append(f"name says patient; {guess.distinct} different values in {guess.filled} cells")
    guess.questions.append(f"{guess.column}: does it identify the patient, as is assumed?")
    return True


def _numbers_things(guess: Guess, values: list[str]) -> bool:
    """Whether the name ends in a word for an identifier, and its cells may be that."""
    parts = slots(tokens(guess.name))
    shortened = (
        len(parts) == 1 and re.search(r"[a-z]{2}(nr|nummer|num)$", parts[0].text) and not parts[0].concepts
    )
    if not shortened and (len(parts) < 2 or "id" not in parts[-1].concepts | parts[0].concepts):
        return False
    if (
        share(values, lambda v: re.fullmatch(r"[\w./-]+", v)) < 0.9
        or share(values, lambda v: re.search(r"\d", v)) < 0.8
    ):
        return False
    if share(values, lambda v: re.fullmatch(r"\d+[.,]\d+", v)) > 0.1:
        return False
    if guess.distinct <= 12 and guess.filled >= 5 * guess.distinct and max(map(len, values)) <= 3:
        return False
    guess.role = "id"
    if any("patient" in part.concepts for part in parts):
        guess.role = "patient-id"
        guess.questions.append(f"{guess.column}: does it identify the patient, as is assumed?")
    guess.evidence.append(
        f"name ends as an identifier's; {guess.distinct} different values in {guess.filled} cells"
    )
    return True
