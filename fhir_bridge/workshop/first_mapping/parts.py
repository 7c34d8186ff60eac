# ruff: noqa: E501 - patterns are written as they come out
"""What part a person, or a place, had in what a row is about: the verb of its name decides, before what they are."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.lexicon import tokens

__all__ = ["ASKED", "DISPENSED", "RECORDED", "TOOK", "VALIDATED", "did", "part_of"]

ASKED, RECORDED, DISPENSED, VALIDATED, TOOK = "asked", "recorded", "dispensed", "validated", "took"
_PARTS: Final = (
    (DISPENSED, r"dispens|ausgegeb|ausgabe|abgegeb|abgabe|delivr|erogat|uitgegeven|uitgifte|apothek|pharmac(?!o)|farmac(?!o)|\bissued\b|\bfilled\b"),
    (ASKED, r"order|request|requester|auth(o?ri|rz)|auth ?prov|prescri|solicit|peticion|petit|anforder|einsend|zuweis|ueberweis|einweis|adress|refer(r|ing|ral)|richied|demand|auftraggeb|origen|origin\b|verordn|aanvra|verwijz|voorschrij|derivad|inviante"),
    (RECORDED, r"record|enter|erfass|saisi|\b(er|up|erf|cre|mod|chg|upd) ?usr|change|modif|updat|geaend|creat|anleg|angelegt|usu mod|dokument|ingevoerd|registr"),
    (VALIDATED, r"valid|verif|freigeb|freigegeben|vidier|signe|befund|refert|report|interpret|\bread\b|authenti"),
    (TOOK, r"collect|abgenomm|entnomm|prelev|preliev|\btaken\b|\bdrawn\b|extra[ck]|afgenomen"),
)  # fmt: skip
"""The verbs of each part, the one that says most first."""
_ELSEWHERE: Final = re.compile(r"\bgp\b|hausarzt|huisarts|traitant")


def part_of(guess: Guess) -> str:
    """The part that a column's name gives; nothing where it says none."""
    words = tokens(guess.column)
    return next((part for part, verbs in _PARTS if re.search(verbs, words)), "")


def did(guess: Guess) -> bool:
    """Whether a person may be who did it: no name says that they had another part."""
    return part_of(guess) not in (ASKED, RECORDED, DISPENSED) and not _ELSEWHERE.search(tokens(guess.column))
