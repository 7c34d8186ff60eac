"""The built-in extractor: LVEF, NYHA class, smoking and family history, by rules, in English and German."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.family import RELATIONS, family_history
from fhir_bridge.adapters.ehr.notes.sentences import FAMILY, HYPOTHETICAL, UNCHANGED, Sentence, sentences

__all__ = ["RuleExtractor"]

_EARLIER: Final = re.compile(
    r"^\W*(?:previous(?:ly)?|prior|earlier|former(?:ly)?|frühere[rsn]?|früher|zuvor|ehemals|Z\.\ ?n\.)\b",
    re.IGNORECASE,
)
_ANOTHER_TIME: Final = re.compile(
    r"""\b(?:last|previous)\ (?:year|month)\b|\b(?:years?|months?)\ (?:ago|earlier)\b
    |\b(?:im\ (?:Vorjahr|Vormonat)|(?:letzte[smn]|vorige[smn])\ (?:Jahre?s?|Monats?))\b
    |\bvor\ (?:\w+\ )?(?:Jahr|Monat)(?:e|en)?\b""",
    re.IGNORECASE | re.VERBOSE,
)
_DAY: Final = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?((?:19|20)\d\d)\b|\b((?:19|20)\d\d)-(\d\d)-(\d\d)\b")
_YEAR: Final = re.compile(r"\b(?:19|20)\d\d\b")
_OF_THE_NOTE: Final = timedelta(days=60)
"""A finding of a day so short before the note is one of the note."""
_REFUTED: Final = re.compile(
    r"\b(?:ruled out|excluded|error of transcription|ausgeschlossen|Übertragungsfehler)\b", re.IGNORECASE
)

_EF: Final = re.compile(
    r"""\b(?:LV[- ]?EF|EF|(?:left\ ventricular\ |LV\ )?ejection\ fraction
    |(?:linksventrikuläre\s+)?Ejektionsfraktion|Auswurffraktion)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_OTHER_CHAMBER: Final = re.compile(
    r"\b(?:right|RV|atrial|gallbladder|rechts\w*|RVEF|Gallenblase|linksatriale?)\b", re.IGNORECASE
)
_NUMBER: Final = r"\d{1,2}(?:[.,]\d)?"
_PERCENT: Final = re.compile(
    rf"""(?P<sign><=|>=|<|>|≤|≥|~)?\s*(?P<about>\b(?:about|approximately|approx\.|circa|ca\.|etwa)\s*)?
    (?P<low>{_NUMBER})\s*(?:%\s*)?(?:(?:-|–|to|and|bis|und)\s*(?P<high>{_NUMBER})\s*)?(?:%|percent\b|Prozent\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_LOOSE: Final = re.compile(r"\b(?:about|etwa)\b", re.IGNORECASE)
_GAP: Final = re.compile(
    r"""^(?:\s|[:=(),]|\b(?:is|was|of|at|now|estimated|between|measured|mildly|moderately|severely|depressed
    |reduced|preserved
    |an?|the|with|biplane|approximately|approx|about|shows?|in|by|von|war|ist|beträgt|betrug|nun|jetzt|aktuell
    |geschätzt|zwischen
    |ca|etwa|biplan|mit|hochgradig|mittelgradig|leichtgradig|eingeschränkt|reduziert|erhalten|echokardiographisch
    |visuell|auf
    |echocardiographically|visually|currently|today|heute)\b|\.)*$""",
    re.IGNORECASE | re.VERBOSE,
)

_ROMAN: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "1": "1", "2": "2", "3": "3", "4": "4"}
_NYHA: Final = re.compile(
    r"""\b(?:NYHA|New\ York\ Heart\ Association)\b(?:\s*[-:]?\s*(?:functional|Funktions|Klasse|class|stage
    |Stadium))*\s*[-:]?\s*
    (?P<low>IV|I{1,3}|[1-4])\b(?:\s*(?:-|–|/|to|or|bis|oder)\s*(?P<high>IV|I{1,3}|[1-4])\b)?""",
    re.IGNORECASE | re.VERBOSE,
)
_THEN: Final = re.compile(
    r"\b(?:to|auf)\s+(?:NYHA[- ]?)?(?:class |Klasse |Stadium )?(?P<then>IV|I{1,3}|[1-4])\b", re.IGNORECASE
)
_FROM: Final = re.compile(r"\b(?:from|von)\s*$", re.IGNORECASE)
_NOT_NYHA: Final = re.compile(
    r"\b(?:not in|no longer in|denies|nicht in|verneint|not documented|nicht dokumentiert)\b", re.IGNORECASE
)

_SUBJECTS: Final = re.compile(
    "|".join(
        (
            r"\b(?:LV)?EF\b|ejection|ejektion|auswurf|pumpfunktion|NYHA|New York Heart",
            r"smok|rauch|nikotin|nicotin|tobacco|tabak",
            r"famil|\bFHx?\b|\bFA\b",
            *RELATIONS,
        )
    ),
    re.IGNORECASE,
)
"""A word of what the rules know: a text without any has no fact, and most texts have none."""


class RuleExtractor:
    """Facts by rules that give nothing where they are in doubt."""

    name = "rules"
    version = "1"

    def extract(self, text: str) -> Iterable[Fact]:
        """The facts of a text, in its order."""
        return self.extract_as_of(text, None)

    def extract_as_of(self, text: str, day: date | None) -> Iterable[Fact]:
        """The facts of a text that was written on a day: a finding of another time is none of it."""
        if _SUBJECTS.search(text) is None:
            return
        for sentence in sentences(text):
            if _SUBJECTS.search(sentence.text) is None:
                continue
            yield from family_history(sentence)
            if HYPOTHETICAL.search(sentence.text) or UNCHANGED.search(sentence.text):
                continue
            if FAMILY.search(sentence.text):  # whose it is would have to be guessed
                continue
            if not _is_of_another_time(sentence.text, day):
                yield from _ejection_fraction(sentence)
                yield from _functional_class(sentence)
            yield from _smoking(sentence)


def _is_of_another_time(text: str, day: date | None) -> bool:
    """Whether a sentence names another time than that of the note; a year where that is unknown is one."""
    if _ANOTHER_TIME.search(text):
        return True
    rest = text
    for match in _DAY.finditer(text):
        try:
            named = (
                date(int(match[3]), int(match[2]), int(match[1]))
                if match[3]
                else date(int(match[4]), int(match[5]), int(match[6]))
            )
        except ValueError:
            return True
        if day is None or abs(day - named) > _OF_THE_NOTE:
            return True
        rest = rest.replace(match[0], "")
    return any(day is None or int(year) != day.year for year in _YEAR.findall(rest))


def _fact(kind: str, value: str, sentence: Sentence, start: int, end: int) -> Fact:
    return Fact(kind, value, sentence.start + start, sentence.start + end, sentence.text[start:end])


def _ejection_fraction(sentence: Sentence) -> Iterator[Fact]:
    text = sentence.text
    name = _EF.search(text)
    if name is None or _OTHER_CHAMBER.search(text) or _EARLIER.search(text) or _REFUTED.search(text):
        return
    value = _PERCENT.search(text, name.end())
    if value is None or _GAP.match(text[name.end() : value.start()]) is None:
        return
    low, high = value["low"], value["high"]
    figure = f"{low}-{high}" if high else low
    sign = value["sign"] or ""
    if not sign and _LOOSE.search(text[name.end() : value.start("low")]):
        sign = "~"
    yield _fact("lvef", sign + figure, sentence, name.start(), value.end())


def _functional_class(sentence: Sentence) -> Iterator[Fact]:
    text = sentence.text
    if _NOT_NYHA.search(text) or _EARLIER.search(text):
        return
    first = _NYHA.search(text)
    if first is None:
        return
    low, high = _ROMAN[first["low"].lower()], first["high"]
    end = first.end()
    if _FROM.search(text[: first.start()]):
        if high and (turn := _THEN.search(text, first.end("low"))):
            low, high, end = _ROMAN[turn["then"].lower()], None, turn.end()
        else:
            turn = _THEN.search(text, first.end())
            if turn is None:
                return
            low, high, end = _ROMAN[turn["then"].lower()], None, turn.end()
    value = f"{low}-{_ROMAN[high.lower()]}" if high else low
    yield _fact("nyha", value, sentence, first.start(), end)


_STATES: Final = tuple(
    (status, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for status, pattern in (
        (
            "never",
            r"""\bnever[ -]?smok(?:ed|er)\b|\bhas\ never\ smoked\b|\blifelong\ non-?smoker\b
            |\b(?:smoking(?:\ status)?|tobacco)\s*:\s*never\b|\bnie[- ]?raucher(?:in)?\b|\bnie(?:mals)?\ geraucht\b
            |\bzeitlebens\ nichtraucher(?:in)?\b|\b(?:raucherstatus|nikotin|rauchen)\s*:\s*nie\b""",
        ),
        (
            "former",
            r"""\b(?:former|previous|ex)[- ]?smoker\b|\b(?:quit|stopped|gave\ up)\ smoking\b|\bused\ to\ smoke\b
            |\b(?:smoking(?:\ status)?|tobacco)\s*:\s*(?:former|ex|previous|quit)\b
            |\bex[- ]?raucher(?:in)?\b|\behemalige[rs]?\ raucher(?:in)?\b|\b(?:raucherstatus|nikotin
            |rauchen)\s*:\s*(?:ehemals|ex|früher|ehemalig)
            |\bmit\ dem\ rauchen\ aufgehört\b|\brauchen\ (?:\w+\ ){0,3}(?:eingestellt|aufgegeben)\b
            |\bfrüher\ geraucht\b""",
        ),
        (
            "non",
            r"""\bnon-?smoker\b|\bdo(?:es)?\ not\ smoke\b|\bdenies\ (?:any\ )?(?:smoking|tobacco|nicotine)
            |\bno\ (?:tobacco|nicotine)\b
            |\bnichtraucher(?:in)?\b|\braucht\ nicht\b|\bverneint\ (?:nikotin|rauchen|tabak)\w*|\bkein(?:en
            |e)?\ (?:nikotin|tabak)\w*""",
        ),
        (
            "current",
            r"""\b(?:current|active|heavy|daily|every\ day)\s+smoker\b|\bsmokes\b|\bstill\ smok(?:es|ing)\b
            |\bcontinues\ to\ smoke\b
            |\b(?:active|current|ongoing)\ tobacco\ use\b|\b(?:smoking(?:\ status)?|tobacco)\s*:\s*(?:current
            |active|yes)\b
            |\braucht\b|(?:^|\b(?:starker?|aktiver?|täglicher?|ist)\ )raucher(?:in)?\b
            |\b(?:raucherstatus|nikotin|rauchen)\s*:\s*(?:aktuell|aktiv|ja|täglich\w*)
            |\b(?:aktiver?|fortgesetzter?|aktueller?|weiterhin|anhaltender?)\ nikotin(?:abusus|konsum)\b""",
        ),
    )
)
_NOT_SMOKING: Final = re.compile(
    r"\b(?:lives with|programmes|leaflet|passive|lebt mit|zusammen|Kurse|Merkblatt|alarm|detector)\b",
    re.IGNORECASE,
)


def _smoking(sentence: Sentence) -> Iterator[Fact]:
    text = sentence.text
    if _NOT_SMOKING.search(text):
        return
    for status, pattern in _STATES:
        if match := pattern.search(text):
            yield _fact("smoking", status, sentence, match.start(), match.end())
            return
