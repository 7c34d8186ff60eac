# ruff: noqa: E501 - patterns are written as they come out
"""What part a person, or a place, had in what a row is about: the verb of its name decides, before what they are."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens

__all__ = [
    "ASKED",
    "ATTENDED",
    "DISPENSED",
    "RECORDED",
    "REVIEWED",
    "TOOK",
    "VALIDATED",
    "did",
    "part_of",
    "participation",
]

ASKED, RECORDED, DISPENSED, VALIDATED, TOOK = "asked", "recorded", "dispensed", "validated", "took"
REVIEWED, ATTENDED = "reviewed", "attended"
_PARTS: Final = (
    (DISPENSED, r"dispens|ausgegeb|ausgabe|abgegeb|abgabe|delivr|erogat|uitgegeven|uitgifte|apothek|pharmac(?!o)|farmac(?!o)|\bissued\b|\bfilled\b"),
    (ASKED, r"order|\brich\b|\bsolic\b|\bdem\b|\banf\b|request|requester|auth(o?ri|rz)|auth ?prov|prescri|solicit|peticion|petit|anforder|einsend|zuweis|ueberweis|einweis|adress|refer(r|ing|ral)|richied|demand|auftraggeb|origen|origin\b|verordn|aanvra|verwijz|voorschrij|derivad|derivant|inviante|remit(ent|ido|tent|ter)|henvis|rekvir|requisit|\bordinatoe?r|\bordiner|"
     r"\bref(d|erred)? (by|from|consultant|dr|doctor|phys|prov|clin|md|gp|surg|hosp|source)|\breq(d|stng)? (by|consultant|dr|doctor|phys|prov|clin|md|gp|surg|hosp|source|loc|ward|dept|unit)|bestaell|bestall|requisit|solicitante|pedid"),
    (RECORDED, r"record|kodier|\bcode par|\bcoder|\bcoded|codifi|gecodeerd|codeur|utilisateur|invoerder|utente ins|\benter|\bentry|\binput|eingab|eingegeb|aangemaakt|invoer|gewijzigd|bijgewerkt|inserit|registrad|grabad|erfass|saisi|\b(er|up|erf|cre|mod|chg|upd) ?usr|change|modif|updat|geaend|creat|anleg|angelegt|usu mod|dokument|ingevoerd|registr(?!ar\b)|modificad|aktualis|aggiorn|mis a jour"),
    (REVIEWED, r"review|reconcil|riconcil|revu\b|revis(ed|ad|to|e\b)|nachgepr|geprueft|gegengez|beoordeeld|double check|second check|witness|cosign|checked|controll|controlad|gecontrol|kontroll|co ?sign|countersign|contresign|cofirm|controfirm|medeonder"),
    (VALIDATED, r"valid|\bfirm|signat|unterz|ondertek|autoris|authoris|gefiatt|goedgek|verif|freigeb|freigegeben|vidier|signe|befund|refert|report|interpret|\bread\b|authenti"),
    (TOOK, r"collect|abgenomm|entnomm|prelev|preliev|\btaken\b|\bdrawn\b|extra[ck]|afgenomen"),
    (ATTENDED, r"attend|admitting|discharging|responsib|responsab|verantw|hoofdbeh|behand|zustaend|consultant|tratante|a cargo|referente?\b|aufnehm|entlassend|opnemend|curante|en charge"),
)  # fmt: skip
"""The verbs of each part, the one that says most first."""
_ELSEWHERE: Final = re.compile(
    r"\bgp\b|\bpcp\b|primary care|family (doctor|physician)|hausarzt|huisarts|traitant|\bmmg\b|(medico|med) (di |de )?(base|famiglia|familia|cabecera)|fastlege"
)


def part_of(guess: Guess) -> str:
    """The part that a column's name gives; nothing where it says none."""
    words = tokens(guess.column)
    return next((part for part, verbs in _PARTS if re.search(verbs, words)), "")


def did(guess: Guess) -> bool:
    """Whether a person may be who did it: no name says that they had another part."""
    return part_of(guess) not in (ASKED, RECORDED, DISPENSED, REVIEWED) and not _ELSEWHERE.search(
        tokens(guess.column)
    )


_PARTICIPATIONS: Final = (
    ("ADM", r"admitting|aufnehm|opnemend|d admission|admission (doctor|physician|prov)"),
    ("DIS", r"discharging|entlassend|discharge (doctor|physician|prov)"),
    ("REF", r"referr|zuweis|einweis|ueberweis|verwijz|adress|inviant|derivad|derivant|remitent"),
    ("CON", r"consulting|konsiliar|consulent"),
    ("ATND", r"attend|responsib|responsab|verantw|hoofdbeh|behand|zustaend|consultant|tratante|a cargo|referente?\b|curante|en charge"),
)  # fmt: skip


def participation(guess: Guess) -> str:
    """HL7's code of the part that a person has in a visit (v3-ParticipationType); nothing where the name says none."""
    words = tokens(guess.column)
    return next((code for code, verbs in _PARTICIPATIONS if re.search(verbs, words)), "")
