# ruff: noqa: E501 - patterns are written as they come out
"""Pressures of a vessel or a chamber of the heart: other measurements than the blood pressure of the body."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final

from fhir_bridge.workshop.first_mapping import headers
from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens
from fhir_bridge.workshop.first_mapping.selecting import cells_of
from fhir_bridge.workshop.first_mapping.sentinels import number_of
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["PRESSURES", "SYSTEMIC", "elsewhere", "is_elsewhere", "is_of_lungs", "is_too_high", "pressures"]

SYSTEMIC: Final = frozenset(
    ("8480-6", "8462-4", "8478-0", "85354-9", "55284-4", "8459-0", "8460-8", "8454-1")
)
"""Codes of LOINC for the blood pressure of the body."""
PRESSURES: Final = {
    "pulmonary artery": {
        "systolic": ("8440-0", "Pulmonary artery Systolic blood pressure"),
        "diastolic": ("8385-7", "Pulmonary artery Diastolic blood pressure"),
        "mean": ("8414-5", "Pulmonary artery Mean blood pressure"),
        "": ("76284-9", "Pulmonary artery Blood pressure"),
    },
    "left ventricle": {
        "systolic": ("8430-1", "Left ventricular Intrachamber systolic pressure"),
        "diastolic": ("8375-8", "Left ventricular Intrachamber diastolic pressure"),
    },
}
"""Codes of LOINC for pressures, by where they are measured and which part of the beat they are of; empty for the whole."""
_PLACES: Final = (
    ("pulmonary artery", r"pap|pulm|pulmonal\w*|pulmonary|pulmonaires?|pulmonar|polmonare|art pulm\w*|apulm"),
    ("left ventricle", r"lv|vg|^vi|left ventric\w*|links ?ventrik\w*|ventricule gauche|ventricolo sinistro|ventriculo izquierdo"),
    (
        "another place",
        r"rv|vd|right ventric\w*|rechts ?ventrik\w*|ventricule droit|ventricolo destro|ventriculo derecho|ra|rap|od|^la|lap|og|\w*atri\w*|oreillette|aurikel|vorhof|"
        r"ao|aort\w*|central|zentral|wedge|pcwp?|pawp|paop|papo|cvp|zvd|pvc|ven|venous|venoes\w*|icp|intracrani\w*|ankle|knoechel|cheville|toe|thigh|calf|"
        r"umbilical|portal|hepatic|uterine|fetal|foetal|retinal|ophthalm\w*|popliteal|tibial|pedis|carotid|ivc|svc|lvot|mv|tv|pv|av",
    ),
)  # fmt: skip
_EITHER: Final = "pa|ap"
"""The artery of the lungs, or a pressure in an artery: in Romance languages `PA systolique`."""
_EITHER_WAY: Final = re.compile(rf"\b({_EITHER})\b|\bpa[sdm]$")
_JOINED: Final = re.compile(r"\b(pap|pa|rv|lv|ao|ra|la)(s|d|m|sys|dia|syst|diast|mean)\b")
_PARTS: Final = {
    "systolic": r"s|sys|syst\w*|sist\w*",
    "diastolic": r"d|dia|dias|diast\w*",
    "mean": r"m|mean|moy\w*|mitt\w*|med\w*|avg",
}
_BESIDE: Final = re.compile(
    r"mm|hg|mmhg|press\w*|pressure|druck|pression|presion|pressione|bp|blood|art|artery|arter\w*|a|of|the|de|la|le|di|in|der|des|rest|pre|post|baseline|\d+"
)
"""Words beside the place and the part of a pressure that leave it what it is."""
_RIGHT_HEART: Final = re.compile(
    r"\b(rv|ra|rap|pcwp?|pawp|paop|papo|wedge|pvr|rvp|rvedp|rvsp|pap|papm|mpap|tpg|dpg|svo2|fick|thermo\w*|swan|ganz|rhc|vd|od|od moy)\b|right (heart|ventric|atri)|pulmonary|pulmonaire|pulmonal|rechtsherz|coeur droit"
)
"""Words for what a catheter in the right heart measures."""
_PRESSED: Final = re.compile(
    r"press|druck|mm ?hg|edp|\b(pcwp?|pawp|paop|papo|wedge|pvr|svr|tpg|dpg)\b|svo2|fick|cath|kathet|catet|pap\b"
)
"""Names of columns beside which a chamber has pressures, and not the dimensions of an echo."""
_HIGH: Final = 90
"""A systolic pressure of the lungs is rarely above this."""


def _words(name: str) -> str:
    """The words of a name, those for place and part of the beat apart: `PAs`."""
    return _JOINED.sub(r"\1 \2", tokens(headers.bare(name)))


def is_elsewhere(name: str) -> bool:
    """Whether a name speaks of a pressure in a vessel or chamber, so that it is none of the body's."""
    words = _words(name)
    return any(re.search(rf"\b({pattern})\b", words) for _, pattern in _PLACES)


def elsewhere(name: str, *, lungs: bool) -> tuple[str, str]:
    """Where a pressure is measured and which part of the beat it is, of a name that says that alone; nothing else.

    Args:
        lungs: whether `PA` is the artery of the lungs here.
    """
    words = _words(name)
    if words in ("pas", "pad", "pam"):
        words = f"{words[:2]} {words[2]}"
    places = ((_PLACES[0][0], f"{_PLACES[0][1]}|{_EITHER}"), *_PLACES[1:]) if lungs else _PLACES
    for place, pattern in places:
        rest, count = re.subn(rf"\b({pattern})\b", " ", words, count=1)
        if not count:
            continue
        for part, written in _PARTS.items():
            letters = place == _PLACES[0][0]  # `LV d` may be a dimension
            spoken = written if letters else written.partition("|")[2]
            others, hits = re.subn(rf"\b({spoken})\b", " ", rest, count=1)
            if hits and all(_BESIDE.fullmatch(word) for word in others.split()):
                return place, part
        if all(_BESIDE.fullmatch(word) for word in rest.split()):
            return place, ""
    return "", ""


def is_of_lungs(names: Iterable[str], columns: tuple[str, ...]) -> bool:
    """Whether `PA` is the artery of the lungs, by what else is measured or by the language."""
    return any(_RIGHT_HEART.search(_words(name)) for name in names) or not is_romance(columns)


def is_romance(columns: tuple[str, ...]) -> bool:
    """Whether a table is in a language in which `PA` is the pressure in the arteries."""
    return headers.language_of(columns) in ("fr", "it", "es")


def pressures(sample: Sample, guesses: list[Guess]) -> None:
    """Give pressures of a vessel or chamber their own codes, or none: they are not those of the body."""
    lungs = is_of_lungs(sample.columns, sample.columns)
    high = any(_is_high(sample, guess) for guess in guesses)
    if high and is_romance(sample.columns):
        lungs = False  # `PAS` is the pressure of the body, whatever is measured beside it
    pressed = any(_PRESSED.search(_words(column)) for column in sample.columns)
    for guess in guesses:
        if guess.role not in ("number", "blood-pressure") or guess.of:
            continue
        place, part = elsewhere(guess.column, lungs=lungs)
        pressing = guess.role == "blood-pressure" or guess.unit in ("", "mm[Hg]", "s", "d", "m")
        if not place or not pressing or (guess.role == "number" and not part):
            if is_elsewhere(guess.column) and guess.coding is not None and guess.coding[1] in SYSTEMIC:
                _uncode(guess)
            continue
        _uncode(guess)
        if high and _EITHER_WAY.search(_words(guess.column)):
            guess.measure = True
            guess.questions.append(
                f"{guess.column}: is it the pressure in the artery of the lungs or of the body? It has no code until that is known"
            )
            continue
        stated = any("mmHg is in" in text or "mm[Hg] is in" in text for text in guess.evidence)
        if place != _PLACES[0][0] and not stated and not pressed:
            guess.unit = ""  # as of the dimensions of an echo
            guess.evidence = [text for text in guess.evidence if "such measurements" not in text]
            guess.questions = [q for q in guess.questions if "unit" not in q]
            guess.questions.append(f"{guess.column}: is it a pressure, and in which vessel or chamber?")
            continue
        guess.place = place
        guess.evidence.append(
            f"a pressure in the {place}, not of the body"
            if place in PRESSURES
            else "a pressure in a vessel or chamber, not the body's"
        )
        if guess.role == "blood-pressure":
            guess.questions.append(f"{guess.column}: is it the pressure in the {place}, as is assumed?")
            continue
        guess.measure = True
        if guess.unit != "mm[Hg]":
            guess.unit = "mm[Hg]"
            guess.questions = [q for q in guess.questions if "unit" not in q and "UCUM" not in q]
            guess.questions.append(f"{guess.column}: no unit is stated; is it mm[Hg], as is usual?")
        code = PRESSURES.get(place, {}).get(part)
        if code is not None:
            guess.coding = ("http://loinc.org", *code, 1.0)
            guess.evidence.append(f"{code[1]} (LOINC {code[0]}) is suggested")
            guess.questions.append(f"{guess.column}: is it {code[1]} (LOINC {code[0]}), as is suggested?")


def _is_high(sample: Sample, guess: Guess) -> bool:
    """Whether what may be the systolic pressure of the lungs is too high for that in most rows."""
    if guess.role != "number" or elsewhere(guess.column, lungs=True)[1] != "systolic":
        return False
    cells = [number for value in cells_of(sample, guess) if (number := number_of(value)) is not None]
    return is_too_high(guess.column, cells)


def is_too_high(name: str, numbers: Sequence[float]) -> bool:
    """Whether the numbers of what may be the systolic pressure of the lungs are too high for that."""
    return bool(numbers and _EITHER_WAY.search(_words(name))) and median(numbers) >= _HIGH


def _uncode(guess: Guess) -> None:
    """Take away a code of the body's blood pressure, with what was said of it."""
    guess.coding, guess.near = None, ()
    guess.evidence = [text for text in guess.evidence if "suggested" not in text and "speaks of" not in text]
    guess.questions = [text for text in guess.questions if "suggested" not in text]
