"""A text in sentences, with what makes one no statement about the patient of today: conditions, plans, other people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.notes.facts import Fact

__all__ = ["ASKED", "FAMILY", "HYPOTHETICAL", "UNCHANGED", "Sentence", "sentences"]

_END: Final = re.compile(r"([.!?;]+)\s+(?=[^\W\d_a-zäöü]|\d)|\n+")
_ABBREVIATED: Final = re.compile(
    r"""(?:\b(?:ca|dr|st|approx|est|vs|cl|pat|pt|hx|bzgl|entspr|inkl|ggf|resp|ehem|väterl|mütterl|art|kard|geb|gel|max
    |min|mind|stad|syst|vgl|fam|kongen|eingeschr|zw|evtl|wg|occ|prof|fr|hr|nr|left\ ventric|ventric|systol|z|n|v|a|b)
    |\d\ ?(?:J|Lj|yrs?|y))\.\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""A point after these ends no sentence."""

HYPOTHETICAL: Final = re.compile(
    r"""\b(?:if|should|unless|whether|would|could|may|might|goal|target|aim|planned|plan\ to|to\ (?:re)?assess
    |(?:indicated|approved|licensed)\ (?:when|if|for|in)|zugelassen
    |recommended|advised?|advisable|ask|please|consider(?:ing)?|refer\ for|criteria|trials?|study\ included
    |included\ patients|qualify|inclusion|exclusion
    |risk\ (?:is|of|factors?)|pending|to\ be\ (?:confirmed|determined|clarified)|document\ the|exceeds|eligible
    |patient\ education|requested|return\ (?:if|for)|cannot\ (?:rule\ out|exclude)|rule\ out|r/o
    |possibl[ey]|presumed|questionable|suspected
    |falls?|bei\ (?:Abfall|Verschlechterung|einer\ EF)|sollten?|ob|würden?|wäre|käme|könnte|Ziel|geplant
    |zur\ (?:Bestimmung|Reevaluation|Kontrolle)|falls|sofern
    |indiziert|empfohlen|ratsam|bitte|erwägen|prüfen|Einschlusskriterien|Eingeschlossen|Studie|möglicherweise
    |\w*einschluss|\w*ausschluss|Kriteri(?:en|um)|angefordert|angemeldet|evtl|eventuell|fraglich\w*
    |V\.\ ?a|Verdacht|vermutlich
    |(?:Wieder)?vorstellung\ bei|ab\ (?:NYHA|einer)    |ausstehend
    |Risiko|Risikofaktoren|zu\ klären|erfragen|bei\ NYHA|Patientenschulung|nächsten\ Termin\ nach)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a sentence speaks of what is not, or not yet."""

ASKED: Final = re.compile(
    r"""\?\W*$|\?\s*(?:y(?:es)?|ja|j|no?|nein)\b|^\W*\?|(?:\[\s*x?\s*\].*){2}|\b(?:circle\ one|tick|ankreuzen)\b
    |\b(?:y(?:es)?|ja)\s*/\s*n(?:o|ein)?\b""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
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

    def fact(self, kind: str, value: str, start: int, end: int) -> Fact:
        """A fact whose span is from `start` to `end` of the sentence."""
        return Fact(kind, value, self.start + start, self.start + end, self.text[start:end])

    def is_of_another(self, end: int) -> bool:
        """Whether what ends at `end` is said of another person than the patient.

        One that is named before it may be; of those named after it, one within its part of the sentence.
        """
        if FAMILY.search(self.text, 0, end):
            return True
        part = _PART.match(self.text, end)
        return FAMILY.search(self.text, end, part.end() if part else len(self.text)) is not None


_PART: Final = re.compile(r"(?:[^,;]|(?<=\d),(?=\d))*")
"""Up to the comma that ends a part; one within a number ends none."""


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a text; a line break ends one."""
    at = 0
    for match in _END.finditer(text):
        if match[1] == "." and _ABBREVIATED.search(text, max(at, match.start() - 16), match.start() + 1):
            continue
        end = match.end(1) if match[1] else match.start()
        if text[at:end].strip():
            yield Sentence(at, text[at:end])
        at = match.end()
    if text[at:].strip():
        yield Sentence(at, text[at:])
