"""The built-in extractor: LVEF, NYHA class, smoking and family history, by rules, in English and German."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.family import RELATIONS, family_history
from fhir_bridge.adapters.ehr.notes.sentences import (
    ASKED,
    FAMILY,
    HYPOTHETICAL,
    UNCHANGED,
    Sentence,
    sentences,
)

__all__ = ["RuleExtractor"]

_EARLIER: Final = re.compile(
    r"^\W*(?:previous(?:ly)?|prior|earlier|former(?:ly)?|frühere[rsn]?|früher|zuvor|ehemals"
    r"|Vorbefund\w*|Voruntersuchung|Z\.\ ?n\.)\b",
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
_NOT: Final = re.compile(
    r"\b(?:no|not|never|without|previous(?:ly)?|prior|formerly|keine?[nmrs]?|nicht|nie(?:mals)?|ohne|zuvor|vormals|früher)"
    r"\s+(?:[^\s,;:.]+\s+){0,4}$",
    re.IGNORECASE,
)
"""What stands before a finding that is denied, or an earlier one."""
_DELTA: Final = re.compile(r"(?:\bdelta|Δ)\W*$", re.IGNORECASE)
_LATER: Final = re.compile(
    r"\b(?:now|current(?:ly)?|today|discharge|aktuell|jetzt|derzeit|heute|Entlassung)\b", re.IGNORECASE
)
"""What stands after a finding before that of the day."""
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
    |by|nach|Simpson|Teichholz|[23]D|MRT|MRI|ca|etwa|biplan|mit|hochgradig|mittelgradig|leichtgradig|eingeschränkt|reduziert|erhalten|echokardiographisch
    |visuell|auf
    |echocardiographically|visually|currently|today|heute)\b|\.)*$""",
    re.IGNORECASE | re.VERBOSE,
)

_TURN: Final = re.compile(
    rf"""^[^\d.;,]{{0,40}}?\b(?:from|von)\s+{_NUMBER}\s*(?:%|percent|Prozent)?\s*(?:to|auf)\s+(?P<then>{_NUMBER})
    \s*(?:%|percent\b|Prozent\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""From one value to another, which is that of the day."""

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
_MORE: Final = re.compile(r"\s*[-–/]\s*(?:IV|I{1,3}|[1-4])\b", re.IGNORECASE)
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
            if ASKED.search(sentence.text):
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
    before = text[: name.start()]
    if _NOT.search(before) or _DELTA.search(before):
        return
    if turn := _TURN.match(text[name.end() :]):
        yield _fact("lvef", turn["then"], sentence, name.start(), name.end() + turn.end())
        return
    value = _PERCENT.search(text, name.end())
    if value is None or _GAP.match(text[name.end() : value.start()]) is None:
        return
    if _PERCENT.search(text, value.end()) and _LATER.search(text, value.end()):
        return
    low, high = value["low"], value["high"]
    if (high and value["sign"] not in (None, "~")) or float(low.replace(",", ".")) == 0:
        return
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
    if first is None or _NOT.search(text[: first.start()]) or _MORE.match(text, first.end()):
        return
    if (
        not _FROM.search(text[: first.start()])
        and len({m["low"].lower() for m in _NYHA.finditer(text)}) > 1
        and _LATER.search(text, first.end())
    ):
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
            |\bfrüher\ geraucht\b|\bnikotin(?:abstinent|karenz)\ seit\b
            |\bnikotin(?:abusus|konsum)\b[^.;]{0,30}\bsistiert\b""",
        ),
        (
            "non",
            r"""\bnon-?smoker\b|\bdo(?:es)?\ not\ smoke\b|\bdenies\ (?:any\ )?(?:smoking|tobacco|nicotine)\b
            (?!\ (?:\w+\ ){0,2}(?:replacement|cessation|withdrawal|counsel))
            |\bno\ (?:tobacco|nicotine)\b(?!\ (?:\w+\ ){0,2}(?:replacement|patch|gum|cessation|withdrawal|counsel))
            |\bnichtraucher(?:in)?\b|\braucht\ nicht\b|\bnikotin(?:konsum|abusus)\ (?:wird\ |wurde\ )?verneint\b
            |\bverneint\ (?:nikotin|rauchen|tabak)
            (?!\w*(?:karenz|abst|verzicht|ersatz|pflaster|entw))\w*
            |\bkein(?:en|e)?\ (?:nikotin|tabak)
            (?!\w*(?:karenz|abst|verzicht|ersatz|pflaster|kaugummi|entw|entzug))\w*""",
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


_OTHER_SMOKE: Final = re.compile(
    r"""\b(?:marijuana|cannabis|weed|haschisch|hasch|joints?|meat|fish|relaps\w+|resum\w+|again|wieder|rückfällig\w*)\b
    |:\s*\w+(?:\s*[/|]\s*\w+){2}""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is smoked that is no tobacco, who began again, and a choice of answers."""
_NOT_SO: Final = {
    "former": re.compile(
        r"\b(?:not|never|to|n't|cannot|can't|trying|nicht|nie)\s+(?:\w+\s+){0,1}$", re.IGNORECASE
    ),
    "current": re.compile(
        r"(?:n[’\']t|\b(?:not|no\ longer|never|denies|stopped|nicht|nie|kein))\s+(?:\w+\s+){0,3}$",
        re.IGNORECASE | re.VERBOSE,
    ),
}
"""What stands before the words of a status and turns it."""


def _smoking(sentence: Sentence) -> Iterator[Fact]:
    text = sentence.text
    if _NOT_SMOKING.search(text) or _OTHER_SMOKE.search(text):
        return
    for status, pattern in _STATES:
        if match := pattern.search(text):
            before = _NOT_SO.get(status)
            if before and before.search(text[: match.start()]):
                return
            if re.search(
                r"\bnicht\b",
                match[0] if status == "former" else text[match.end() :] if status == "current" else "",
            ):
                return
            yield _fact("smoking", status, sentence, match.start(), match.end())
            return
