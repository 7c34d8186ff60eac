"""A text in sentences, with what makes one no statement about the patient of today: conditions, plans, other people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["ASKED", "FAMILY", "HYPOTHETICAL", "UNCHANGED", "Sentence", "sentences"]

_END: Final = re.compile(
    r"(?<=[.!?;])(?<!\bca\.)(?<!\bDr\.)(?<!\bSt\.)(?<!\bapprox\.)\s+(?=[^\W\d_a-zäöü]|\d)|\n+"
)

HYPOTHETICAL: Final = re.compile(
    r"""\b(?:if|should|unless|whether|would|could|may|might|goal|target|aim|planned|plan\ to|to\ assess
    |(?:indicated|approved|licensed)\ (?:when|if|for|in)|zugelassen
    |recommended|advised?|advisable|ask|please|consider|refer\ for|criteria|trial|study\ included
    |included\ patients|qualify
    |risk\ (?:is|of|factors?)|pending|to\ be\ confirmed|document\ the|exceeds|eligible|patient\ education
    |falls?|bei\ (?:Abfall|Verschlechterung|einer\ EF)|sollten?|ob|würden?|wäre|käme|könnte|Ziel|geplant
    |zur\ Bestimmung
    |indiziert|empfohlen|ratsam|bitte|erwägen|prüfen|Einschlusskriterien|Eingeschlossen|Studie|möglicherweise
    |ausstehend
    |Risiko|Risikofaktoren|zu\ klären|erfragen|bei\ NYHA|Patientenschulung|nächsten\ Termin\ nach)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a sentence speaks of what is not, or not yet."""

ASKED: Final = re.compile(
    r"\?\W*$|(?:\[\s*x?\s*\].*){2}|\b(?:circle one|tick|ankreuzen)\b", re.IGNORECASE | re.DOTALL
)
"""A question, or a form with answers to choose from."""

UNCHANGED: Final = re.compile(
    r"\b(?:no (?:significant |relevant )?change|unchanged|keine (?:wesentliche )?Änderung"
    r"|unverändert(?:e[rsnm]?)?)\b",
    re.IGNORECASE,
)

FAMILY: Final = re.compile(
    r"""\b(?:(?:step|god|grand|foster)?(?:father|mother)|brother|sister|son|daughter|uncle|aunt|cousin|husband|wife|partner
    |mom|mum|dad|(?:grand)?parents?|siblings?|twins?|(?:boy|girl)?friend|spouse|nephew|niece|fianc[ée]e?
    |(?:room|flat|house)mates?|neighbou?rs?|co-?workers?|donor|fet(?:us|al)|foetal
    |\w*(?:vater|mutter|bruder|schwester|sohn|tochter|onkel|tante|eltern)s?|Geschwister\w*|Zwilling\w*
    |Cousine?|Ehemann\w*|Ehefrau|Frau|Oma|Opa|Neffen?|Nichten?|Lebensgefährt\w+|Freund(?:in)?|Partnerin
    |Mitbewohner\w*|Nachbar\w*|Kolleg\w+|Spender\w*|fetale?[rns]?
    |family|FHx|familie\w*|familiär\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)


class Sentence(NamedTuple):
    """A sentence and where it begins in the text."""

    start: int
    text: str


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text; a line break ends one."""
    at = 0
    for match in _END.finditer(text):
        if text[at : match.start()].strip():
            yield Sentence(at, text[at : match.start()])
        at = match.end()
    if text[at:].strip():
        yield Sentence(at, text[at:])
