"""What sentences state of the NYHA class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.notes.current import Finding, standing
from fhir_bridge.adapters.ehr.notes.evidence import is_asserted
from fhir_bridge.adapters.ehr.notes.modality import is_unreal
from fhir_bridge.adapters.ehr.notes.sentences import MOST, UNCHANGED, Sentence, is_of_another
from fhir_bridge.adapters.ehr.notes.times import moment
from fhir_bridge.adapters.ehr.notes.values import (
    FROM,
    PIVOT,
    TO,
    Report,
    is_denied,
    is_of_another_time,
    words_after,
)

__all__ = ["functional_class"]

_ROMAN: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "1": "1", "2": "2", "3": "3", "4": "4"}
_CLASS: Final = r"(?:IV|I{1,3}|[1-4])"
_SUB: Final = r"(?:\s?[ab](?![\w-]))?(?![\w%])"
_NAME: Final = r"(?:NYHAA?|NHYA|NYAH|NYH|New\ York\ Heart(?:\ Association)?)"
_JOIN: Final = r"(?:\s*(?P<join>-|–|/|to|or|bis|oder|and|und)\s*(?:(?:NYHA|class|Klasse|Stadium)[- ])?"
_BETWEEN_NAME: Final = r"""(?:\s*(?:[-:=]\s*)?(?:[()]|(?:(?:at|on|upon|bei|zum|zur)\ (?:the\ |hospital[ ]
    |time\ of\ |Zeitpunkt\ der\ )*
    (?:discharge|admission|arrival|presentation|follow-?up|baseline|diagnosis|Entlassung(?:szeitpunkt)?|Aufnahme
    |Vorstellung|Kontrolle|Diagnose|Erstdiagnose|Einschluss)|functional|Funktions|Klasse|class(?:ification)?|cl\.?|FC
    |stage
    |Stadium|Stad\.|Grad|grade|Kl\.|status
    |Funktionsklasse|of|was|war|beträgt|entspricht|liegt\ bei|gives|prior|symptoms?|Beschwerden|at|bei|currently
    |derzeit|aktuell|jetzt|now|today
    |unchanged|unverändert|stable|stabil|remains|remained|bleibt|weiterhin
    |heute|is|ist|at|worsened\ to|improved\ to
    |verschlechtert\ auf|verbessert\ auf)(?!\w)))*\s*(?:[-:=]\s*)?"""
_NYHA: Final = re.compile(
    rf"""\b{_NAME}\b{_BETWEEN_NAME}(?P<low>{_CLASS}){_SUB}{_JOIN}(?P<high>{_CLASS}){_SUB})?
    |\b(?:functional\ |Funktions)?(?:class|Klasse|Stadium|Grad|grade)\s+(?P<low2>{_CLASS}){_SUB}(?:\s*(?:-|–|/|to
    |bis)\s*(?:class\ )?(?P<high2>{_CLASS}){_SUB})?
    \s*(?:[(,]?\s*|(?:(?:heart\ failure|HF)\s+)?(?:symptoms?\s+)?(?:by|nach|of|per
    |according\ to|gemäß|laut|according)\s+(?:the\s+|der\s+)?){_NAME}\b""",
    re.IGNORECASE | re.VERBOSE,
)
_CHANGED: Final = re.compile(
    rf"""\b{_NAME}\b(?:[\s-]*(?:class|Klasse|Stadium|symptoms|has|have|hat|sich|is|was|now|jetzt|since|seither
    |improv\w+|verbess\w+|gebess\w+|worsen\w+|verschl\w+|changed?|went|gone|fell|fallen|dropped|rose|\w*creased
    |declined
    |recovered|progress\w+|down|up)\b)*\s*\b(?:from|von)\s+(?:(?:class|Klasse|Stadium
    |NYHA)\s+)?{_CLASS}{_SUB}\s*(?:to|auf|nach)\s+
    (?:(?:class|Klasse|Stadium|NYHA)\s+)?(?P<low>{_CLASS}){_SUB}(?:\s*[-–/]\s*(?P<high>{_CLASS}){_SUB})?""",
    re.IGNORECASE | re.VERBOSE,
)
_AGAIN: Final = re.compile(
    rf"""(?P<before>[^.;]{{0,50}}?)(?:\b(?:class|Klasse|Stadium|stage)\ (?P<low>{_CLASS}){_SUB}(?:\s*(?:-|–|to
    |bis)\s*(?P<high>{_CLASS}){_SUB})?
    |(?P<turn>to\ |auf\ |->\s?|=>\s?|→\s?)(?P<low2>{_CLASS}){_SUB}|\b(?P<now>now|jetzt|aktuell|currently|today|heute
    |derzeit)\ (?P<low3>IV|I{{1,3}}){_SUB}(?P<none>))""",
    re.IGNORECASE | re.VERBOSE,
)
"""A class that is named after another in the same sentence."""
_OTHER_CLASS: Final = re.compile(
    r"\b(?:CCS|ASA|WHO|Killip|Child\S*|mMRC|recommendation|Empfehlung|Fontaine|Rutherford|KDIGO|AHA)\b",
    re.IGNORECASE,
)
_MORE: Final = re.compile(
    rf"\s*(?:[-–/,]|,?\s*(?:or|oder|and|und))\s*(?:NYHA\s*)?{_CLASS}(?![\w-]|\s[a-zäöü])", re.IGNORECASE
)
_UPTO: Final = re.compile(rf"\s*[-–/]\s*({_CLASS}){_SUB}", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\b(?:between|zwischen|zw\.)\s*$", re.IGNORECASE)
_NOT_NYHA: Final = re.compile(
    r"\b(?:not in|no longer in|denies|nicht in|verneint|not documented|nicht dokumentiert"
    r"|not any ?more|nicht mehr|never|nie(?:mals)?|at no (?:point|time)|zu kein(?:em Zeitpunkt|er Zeit)"
    r"|(?:not|nicht) (?:present|vorhanden|gegeben)|(?:besteh|bestand|l[aäi]e?g|find|fand|wurde?)\w*"
    r"(?: (?:derzeit|aktuell|zurzeit|jedoch|aber|sich|im \w+))* nicht(?: vor)?)\b",
    re.IGNORECASE,
)
"""In the clause of a class that the patient does not have it."""
_AND_IS: Final = re.compile(
    r"\b(?:and|but|und|aber)\s+(?:(?:s?he|er|sie)\s+)?(?:is|remains|was|ist|bleibt|war|befindet)\b",
    re.IGNORECASE,
)
"""After what is denied, what is so."""
_THAN: Final = re.compile(
    r"(?:[<>≤≥]=?|\b(?:than|als|at least|at most|mindestens|höchstens|maximal|below|above"
    r"|under|unter|über|bis|up to|not beyond))\s*\Z",
    re.IGNORECASE,
)
_AT_SUCH: Final = re.compile(
    r"(?<!Aufnahme )(?<!Dyspnoe )(?<!insuffizienz )(?<!Belastbarkeit )(?<!Symptomatik )(?<!Beschwerden )(?<!Luftnot )"
    r"\bbei\s*\Z",
    re.IGNORECASE,
)
_LEGEND: Final = re.compile(
    r"""\s*(?:=|[:–-]\s*(?:no|none|slight|mild|marked|severe|symptoms|unable|keine|leichte|geringe|deutliche
    |höhergradige|Beschwerden|\d+\s*(?:pat\w*|pts))\b
    |\s*(?:in\s+)?\(?\d+\s*%|\s*\(?n\s*=|(?:keine|no)\s+(?:Einschränkung|limitation|symptoms
    |Beschwerden)\b(?![^.]*\))|\s*(?:Patienten
    |patients|pts)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""After a class: what it means, or how many have it."""
_EVER: Final = re.compile(
    r"\b(?:ever|jemals|(?:no|any|keine?n?)\ (?:evidence|indication|record|sign|documentation|Hinweise?|Anhalt)"
    r"|irgendwann)\b",
    re.IGNORECASE | re.VERBOSE,
)
"""Before a class that it is asked, or denied, that the patient had."""
_NAMED: Final = 4
"""Characters of the name of a class."""
_UNKNOWN_CLASS: Final = re.compile(
    r"\bNYHA(?:[- ](?:class|Klasse|Stadium))?\s*[:=]?\s*(?P<class>VI?|0|[5-9])(?![\w/%]|[.,]\d)"
)


class _Mention(NamedTuple):
    low: str
    high: str
    join: str
    start: int
    end: int
    moment: int
    named: bool


def functional_class(sentence: Sentence, day: date | None, doubt: Report) -> Iterator[Finding]:
    """The NYHA class that a sentence states of the patient, and its standing; `doubt` is called for a class that
    there is not."""
    text = sentence.text
    mentions = list(_mentions(sentence, day))
    if not mentions:
        unknown = _UNKNOWN_CLASS.search(text)
        if (
            unknown is not None
            and not sentence.carried
            and not is_unreal(sentence, unknown.start(), unknown.end())
        ):
            doubt("NYHA class", *sentence.span(unknown.start(), unknown.end()))
        return
    if any(_LEGEND.match(text, one.end) for one in mentions) or len({one.low for one in mentions}) > 2:
        return
    stated = next((one for one in mentions if one.moment > 0), None)
    if stated is None:
        neutral = [one for one in mentions if one.moment == 0]
        if not neutral or len({(one.low, one.high) for one in neutral}) > 1:
            return
        stated = neutral[0]
    before = text[: stated.start]
    clause = sentence.clause(stated.start, stated.end)
    denial = _NOT_NYHA.search(text, *clause)
    if denial is not None and not _AND_IS.search(text, denial.end(), max(denial.end(), stated.start)):
        return
    changed = UNCHANGED.search(text)
    if changed is not None and changed.start() > stated.end + 20 and stated.moment == 0:
        return
    if changed is None and is_denied(before):
        return
    if changed is not None and changed.end() <= stated.start and is_denied(before[changed.end() :]):
        return
    if _MORE.match(text, stated.end):
        return
    low, high = _ROMAN[stated.low.lower()], _ROMAN[stated.high.lower()] if stated.high else ""
    if high and stated.join.casefold() in ("and", "und", "or", "oder") and not _BETWEEN.search(before):
        return
    if stated.join == "/" and high == "4" and low in "12":  # of four
        high = ""
    if stated.join == "/" and f"{stated.low}{stated.high}" == "34":  # of four, or both
        return
    if high and int(high) - int(low) > 1:  # of many patients
        return
    if high and high <= low:
        doubt("NYHA class", *sentence.span(stated.start, stated.end))
        return
    if is_of_another(sentence, stated.start, stated.end):
        return
    if (
        _EVER.search(text[clause[0] : stated.start])
        or _AT_SUCH.search(before)
        or _THAN.search(before)
        or is_unreal(sentence, stated.start, stated.end)
        or (sentence.section.kind == "plan" and stated.moment <= 0)
    ):
        return
    named = (
        stated.start + _NAMED if text[stated.start : stated.start + 2].lower() in ("ny", "nh") else stated.end
    )
    if not is_asserted(sentence, (stated.start, named), (stated.end, stated.end)):
        return
    if stated.moment == 0 and is_of_another_time(sentence, stated.start, stated.end, day):
        return
    fact = sentence.fact("nyha", f"{low}-{high}" if high else low, stated.start, stated.end)
    yield fact, standing(sentence, stated.moment)


def _mentions(sentence: Sentence, day: date | None) -> Iterator[_Mention]:
    """The classes of a sentence in their order."""
    text = sentence.text
    spans: list[tuple[str, str, str, int, int, bool, bool]] = []
    at = 0
    if (changed := _CHANGED.search(text)) is not None:
        end = changed.end()
        spans.append((changed["low"], changed["high"] or "", "-", changed.start(), end, True, True))
        at = end
    while True:
        match = _NYHA.search(text, at)
        again = _AGAIN.match(text, at) if spans else None
        if again is not None and (match is None or again.start() + len(again["before"]) < match.start()):
            if _OTHER_CLASS.search(again["before"]) or not (again["low"] or again["low2"] or again["low3"]):
                again = None
        else:
            again = None
        if again is not None:
            low = again["low"] or again["low2"] or again["low3"]
            spans.append(
                (
                    low,
                    again["high"] or "",
                    "-",
                    again.start() + len(again["before"]),
                    again.end(),
                    False,
                    bool(again["turn"]),
                )
            )
            at = again.end()
            continue
        if match is None:
            break
        low = match["low"] or match["low2"]
        if match["high"] and match["join"] == "to" and FROM.search(text[at : match.start()]):
            spans.append((low, "", "-", match.start(), match.end("low"), True, False))
            wider = _UPTO.match(text, match.end("high"))
            at = wider.end() if wider else match.end()
            spans.append((match["high"], wider[1] if wider else "", "-", match.start("high"), at, True, True))
            continue
        spans.append(
            (
                low,
                match["high"] or match["high2"] or "",
                match["join"] or "-",
                match.start(),
                match.end(),
                True,
                False,
            )
        )
        at = match.end()
    if len(spans) > MOST:
        return
    for number, (low, high, join, start, end, named, turn) in enumerate(spans):
        limit = spans[number + 1][3] if number + 1 < len(spans) else len(text)
        begin = spans[number - 1][4] if number else 0
        gap = text[max(begin, sentence.opening(start)) : start]
        after = words_after(sentence, end, limit)
        if number + 1 < len(spans):
            after = PIVOT.split(after, maxsplit=1)[0] if PIVOT.search(after) else after
        if number + 1 < len(spans) and FROM.search(gap):
            when = -1
        elif turn or (number and TO.search(gap)):
            when = 1
        else:
            when = moment(gap + " " + text[start:end], after, day)
        yield _Mention(low, high, join, start, end, when, named)
