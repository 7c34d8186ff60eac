"""What sentences state of the left ventricular ejection fraction: its name, and the values after it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from fhir_bridge.adapters.ehr.notes.current import Finding, standing
from fhir_bridge.adapters.ehr.notes.evidence import is_asserted
from fhir_bridge.adapters.ehr.notes.modality import is_unreal
from fhir_bridge.adapters.ehr.notes.persons import names_another
from fhir_bridge.adapters.ehr.notes.sentences import MOST, UNCHANGED, Sentence, is_of_another
from fhir_bridge.adapters.ehr.notes.times import EARLIER, NOW, is_dated_otherwise, moment, without_dates
from fhir_bridge.adapters.ehr.notes.values import (
    FROM,
    TO,
    Report,
    Value,
    is_denied,
    is_of_another_time,
    shared,
    value_of_the_day,
    words_after,
)

__all__ = ["ejection_fraction"]

_OWNED: Final = re.compile(r"(?:has|had|hat|hatte|habe)\s+(?:an?|eine)\s+\Z", re.IGNORECASE)
"""Between who has a fraction and its name."""
_DELTA: Final = re.compile(r"(?:\bdelta|Δ)\W*$", re.IGNORECASE)
_FORMER_NAME: Final = re.compile(r"\b(?:Vor|Alt|Ausgangs)-\s*$", re.IGNORECASE)
_REFUTED: Final = re.compile(
    r"\b(?:(?:is|was) (?:wrong|incorrect|erroneous|an error)"
    r"|(?:can(?:not|['’]t)|could(?: not|n['’]t)) (?:be )?confirm\w*|(?:war|ist) (?:falsch|fehlerhaft)|nicht bestätig\w*"
    r"|ruled out|(?<!cannot be )excluded|error of transcription|(?<!nicht )ausgeschlossen|Übertragungsfehler)\b",
    re.IGNORECASE,
)
_NOT_EXCLUDED: Final = re.compile(
    r"[^,;]*\b(?:(?:cannot|can not|can't) be (?:excluded|ruled out)|auszuschließen)", re.IGNORECASE
)

_EF: Final = re.compile(
    r"""\b(?:LV[- ]?EF|(?:3D-)?LVEF|EF|(?:left\ ventric(?:ular|\.)\ |LV[- ]
    |linksventrikuläre\s+)?(?:ej\w{2,9}\s?fra\w{2,7}|EF\b)
    |Auswurffraktion|(?:linksventrikuläre|systolische|LV-?|linke)\ ?-?(?:systolische\ )?Pumpfunktion
    |(?:LV|left\ ventricular)\ (?:systolic\ )?function)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_OTHER_CHAMBER: Final = re.compile(
    r"""\b(?:right|RV|LA|RA|atrial|gallbladder|rechts\w*|rechter|RVEF|Gallenblasen?|linksatriale?|mitral
    |global\ longitudinal)\b
    (?:[\s-]+[\w-]+){0,2}[\s:-]*$""",
    re.IGNORECASE | re.VERBOSE,
)
"""What stands before the name of a fraction that is not the left ventricle's."""
_CHAMBER: Final = re.compile(
    r"""\b(?P<other>right\ ventric\w+|RV|recht\w+\ (?:Ventrikel\w*|Herz\w*)|RA|LA|left\ atri\w+)\b
    |\b(?:left\ ventric\w+|LV|link\w+\ Ventrikel\w*|biventri\w+|ventricle)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_OTHER_OWNER: Final = re.compile(
    r"\s*(?:-?\s*slope|(?:of\ the|des|im|of)?\s*(?:RV|right\ ventric\w+|rechten\s\w+|LA"
    r"|left\ atrium|gallbladder|donor)\b|\s*branch)",
    re.IGNORECASE | re.VERBOSE,
)
_TENS: Final = {
    "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70,
    "eighty": 80,
    "zehn": 10, "fünfzehn": 15, "zwanzig": 20, "dreißig": 30, "vierzig": 40, "fünfzig": 50, "sechzig": 60,
    "siebzig": 70, "achtzig": 80,
}  # fmt: skip
_ONES: Final = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_EINS: Final = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
_IN_WORDS: Final = rf"(?:(?:{'|'.join(_EINS)})und)?(?:{'|'.join(_TENS)})(?:-(?:{'|'.join(_ONES)}))?"
_NUMBER: Final = r"\d{1,3}(?:[.,]\d{1,2})?"
_SIGN: Final = r"""(?P<sign><=|>=|<|(?<![=-])>|≤|≥|~|≈)?\s*(?:\b(?:(?P<below>(?:less|lower|smaller)\ than|below|under
    |unter|kleiner(?:\ als)?|weniger\ als)|(?P<above>(?:more|greater|higher)\ than|above|over|über
    |größer(?:\ als)?|mehr\ als)
    |(?P<least>at\ least|mindestens|min\.)|(?P<most>at\ most|höchstens|maximal|max\.))\s+)?(?P<about>\b(?:about
    |around|almost|nearly|roughly|approximately|approx\.|circa|ca\.|etwa|rund|knapp|fast|um)\s*)?"""
_PERCENT: Final = re.compile(
    rf"""{_SIGN}(?<![\d.,/])(?P<low>{_NUMBER})\s*(?:(?:%|percent\b|Prozent\b)\s*)?(?:(?P<join>-|–|to|and|bis
    |und)\s*(?P<high>{_NUMBER})\s*)?(?:%|percent\b|per\ cent\b|Prozent\b)
    |\b(?P<words>{_IN_WORDS})\s+(?:%|percent\b|per\ cent\b|Prozent\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_FRACTION: Final = re.compile(
    r"\s*(?:[:=]|is|of|von|beträgt)?\s*0[.,](?P<low>[1-8]\d?)(?![\d%]|[.,]\d|\s?%)", re.IGNORECASE
)
_STEP: Final = re.compile(
    r"(?P<gap>(?:(?![A-ZÄÖÜ]{2})[^%\d.;]){0,50})(?:[<>≤≥]=?\s*\d{1,2}|\d{1,2}\s*(?:%\s*)?[-–]\s*\d{1,2})\s*%"
)
"""After a bound or a range, the next step of a scale."""
_BARE: Final = re.compile(
    r"\s*(?:[(\[]\s*%\s*[)\]])?\s*[:=]?\s*(?P<sign>[<>≤≥~]=?)?\s*(?P<low>[1-8]\d)(?:\s*[-–]\s*(?P<high>[1-8]\d))?(?=\s*(?:\((?:was|war|previously|before|vorher|zuvor|vor|from|von)\b|[,;)|\n](?!\d)"
    r"|\s/\s|\.?\s*$))"
)
"""A number right after the name, without unit, with nothing after it in its part of the sentence."""
_LOOSE: Final = re.compile(
    r"\b(?:about|around|almost|nearly|roughly|approx(?:imately)?|circa|ca|etwa|rund|knapp|fast)\b",
    re.IGNORECASE,
)
_GAP_WORDS: Final = r"""is|was|were|of|at|now|estimated|between|measured|mildly|moderately|severely|depressed
    |reduced|preserved|impaired|which|that|had|has|been
    |an?|the|with|biplane|approximately|approx|about|shows?|in|by|von|war|ist|liegt|lag|beträgt|betrug|nun|jetzt
    |aktuell|geschätzt|gesch|zwischen|only|nur
    |nach|Simpson|Teichholz|[23]D|MRT|MRI|CMR|TTE|TEE|Echo|ca|etwa|biplan|mit|hochgradig|mittelgradig
    |leichtgradig|eingeschränkt|reduziert|erhalten
    |visuell|auf|to|from|visually|echocardiographically|echokardiographisch|currently|today|heute|noch|wieder
    |again|inzwischen|mittlerweile|derzeit|nunmehr
    |previously|prev|früher|zuvor|ehemals|vormals|once|formerly|recovered|improved|normalised|normalized
    |normalisiert|gebessert|erholt|increased|risen|rose
    |fell|fallen|dropped|declined|decreased|down|up|come|gone|gestiegen|angestiegen|gefallen|abgefallen|gesunken
    |verbessert|verschlechtert|worsened
    |last\ (?:month|week)|letzte[nr]?\ (?:Monat|Woche)|admission|Aufnahme|discharge|after|ablation|nach|unter|on|um
    |vom|am|statt|vs|versus|then|dann|but|aber|and|und
    |bei|year|Jahr|im|prior|as
    |reported|calculated|gemessen|normal|normwertig|good|gut|gute|poor|low|borderline|grenzwertig|hyperdynamic
    |der|die|das|dem|hat|sich
    |lag|liegt|wird|be|Kontrolle|recheck|repeat|follow-?up|visit|review|akut|acutely|der|den|dem|to\ be|around|rund
    |geschätzte|measured|when|she|he|they|sie|er"""
_GAP: Final = re.compile(
    rf"(?:\s|[(\[]\s*%\s*[)\]]|[:=(),.\[\]/≈~'’…>→–-]|\b(?:{_GAP_WORDS})\b)*", re.IGNORECASE | re.VERBOSE
)
"""Words that may stand between name and value whatever the commas."""
_PLAIN_GAP: Final = re.compile(
    r"""(?:\s|[:=.'’/-]|\((?:[^()\d%]|[23]D|\d-?[DK]\b){0,30}\)|\b[23]D\b|\b(?-i:MOD|TTE|TEE|CMR|MRT|MRI|MUGA|BP
    |LV)\b
    |\b(?!(?:not?|if|below|above|under|over|since|vs|compared|last|and|or|but|while|than|until
    |pending|falls?|drops?|target|goal|stenosis|delta|right|gallbladder|atri\w+|Gallenblase|rechte\w*|nicht
    |kein\w*|wenn|falls|über|seit|gegenüber
    |oder|aber|während|dass|und|that|what|als|Ziel|Stenose|Vorbefund|calc|slope)\b)[a-zäöüß]\w*){0,14}""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words between name and value, but for those that make it another value; names of other values are in capitals."""
_CAPITALS: Final = re.compile(
    r"\b(?!(?:MOD|TTE|TEE|TOE|CMR|MRT|MRI|MUGA|BP|LV|2D|3D|LV|SPECT)\b)[A-ZÄÖÜ]{2,}"
)
_OTHER_MEASURE: Final = re.compile(
    r"\b(?:sat\w*|spo2|stenos\w+|strain|fs|gls|rvef|hba1c|hct|hk|fev1|mr|mi|ti|occlusion"
    r"|verschluss|regurg\w*|shortening|fraktions?verkürzung)\b",
    re.IGNORECASE,
)
_CHANGED_TO: Final = re.compile(
    r"""\b(?:recovered|normali[sz]ed|normalisiert|improved|rose|risen|increased|fell|fallen|dropped|declined
    |decreased|worsened|gestiegen|angestiegen|gefallen|gesunken|gebessert
    |verbessert|erholt|Anstieg|Abfall|Besserung|Verbesserung|Rückgang|is\ back|back|recovering)\b[^\d.;]{0,20}(?:to
    |auf|at
    |wieder)?\s*\(?\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_ASIDE: Final = re.compile(
    r"(?:\+/?-|±|\b(?:norm(?:al|wert|bereich)?|ref\w*|normal|range|[≥>]?\s*lower limit|LLN"
    r"|target|Ziel|Soll)\b[^\d]*)\s*[<>≥≤=]*\s*\Z",
    re.IGNORECASE,
)
"""Before a number that is no value of the patient's: its error, or what is normal."""
_OPENED: Final = re.compile(r"\([^()]*[^\W\d][^()]*\Z")
_BOUND_WORD: Final = re.compile(
    r"\b(?:niedriger|höher|größer|geringer|besser|schlechter|tiefer|kleiner|lower|higher"
    r"|better|worse|than|bis|bis zu|(?<!come )(?<!crept )(?<!gone )(?<!went )up to|within"
    r"|innerhalb|max\.?|min\.?|als|ab)\s*\Z",
    re.IGNORECASE,
)
"""Before a number that is a bound of which sort is not said."""
_COMPARED: Final = re.compile(
    r"\b(?:unchanged|unverändert|compared|gegenüber|im\ Vergleich)\b", re.IGNORECASE | re.VERBOSE
)

_REFERENCE: Final = re.compile(
    r"\b(?:compar(?:ed|ison)|gegenüber|vs|versus|Vergleich|verglichen|than|als|statt|instead|previously|zuvor"
    r"|vorher)\b[^%]*\Z",
    re.IGNORECASE,
)
"""Before a value that another is compared to."""
_FROM_ANOTHER: Final = re.compile(
    r"[\s,;(]*(?:up|down|improved|reduced|gebessert|vermindert)?\s*(?:from|von)\s*", re.IGNORECASE
)
"""After a value that another became."""
_ARROW: Final = re.compile(r"(?:->|=>|→)\s*\Z")
_AFTER_SOMETHING: Final = re.compile(
    rf"\b(?:after|nach|following|under|unter|seit|since)\s+(?:[^\W\d]+\s+){{1,3}}?({NOW.pattern})",
    re.IGNORECASE | re.VERBOSE,
)
_MID_RANGE: Final = re.compile(r"\b(?:HFmrEF|mid-?range|mildly reduced ejection)\b", re.IGNORECASE)
"""What has this range by its definition."""
_TO_ANOTHER: Final = re.compile(r"[^%;]{0,40}?\b(?:to|auf)\b[^%;]{0,30}\d\s*%", re.IGNORECASE)
_NOW_VALUE: Final = re.compile(
    rf"(?:{NOW.pattern})[^%;]{{0,40}}%|%[^%;]{{0,25}}(?:{NOW.pattern})", re.IGNORECASE | re.VERBOSE
)
"""Another value than that before it is the one of now."""


_RISE: Final = re.compile(
    r"""\b(?:(?:it|this|which|function|das|diese|sie)\s+(?:has\s+|had\s+)?(?:since\s+)?(?:rose|risen|improved
    |recovered|increased|fell|fallen|dropped|decreased|declined)
    \s+(?:\w+\s+)?to|(?:Anstieg|Abfall|Besserung|Verbesserung|Verschlechterung|Zunahme|Abnahme
    |Rückgang)\s+auf|(?:scan|echo\w*|study|MRI|MRT|kontrolle|follow-up)\b[^.;%]{0,40}?\b(?:shows?|showed|gave
    |zeigte?|ergab|ergibt|found|revealed|measured|maß)(?:\s+(?:now|jetzt|an?|eine))?)\s+(?=\d{1,2}\s*%)""",
    re.IGNORECASE | re.VERBOSE,
)
"""What became of a fraction that the sentence before names."""
_OUTSIDE: Final = re.compile(
    r"""\b(?:outside|external(?:ly)?|referring|referral|referrer\S*|elsewhere|quot\w+|extern\w*|ausw(?:ä|ae)rt\w*|zuweis\w*
    |vorbefund\w*|überweis\w*|fremdbefund\w*|mitgebracht\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Whose value is not that of who writes."""
_OURS: Final = re.compile(
    r"""\b(?:ours?|own|repeat(?:ed)?|here|in-?house|today|bei\ uns|eigen\w+|unser\w*|hier|hiesig\w*|aktuell\w*|heute
    |heutig\w*|kontroll\w*|nachmessung)\b(?P<gap>[^%.,;\d]{0,50}?)(?P<value>(?P<low>[1-8]\d)(?:\s*[-–]\s*(?P<high>[1-8]\d))?
    \s*(?:%|percent\b|Prozent\b))""",
    re.IGNORECASE | re.VERBOSE,
)
"""After another's value, the writer's own."""
_PLAUSIBLE: Final = (10.0, 90.0)
_WIDEST: Final = 10.0
"""Points between the ends of a range that somebody reads."""


def ejection_fraction(sentence: Sentence, day: date | None, doubt: Report) -> Iterator[Finding]:
    """The LVEF that a sentence states of the patient, and its standing; `doubt` is called for a value that can't be
    one."""
    text = sentence.text
    names = list(_EF.finditer(text))
    if not names:
        before = sentence.before
        if before is None or _EF.search(before.text) is None or (rise := _RISE.search(text)) is None:
            return
        names = [rise]
    if len(names) > MOST or _REFUTED.search(text):
        return
    for number, name in enumerate(names):
        limit = names[number + 1].start() if number + 1 < len(names) else len(text)
        before_it = text[: name.start()]
        if (
            _OTHER_CHAMBER.search(before_it)
            or _OTHER_OWNER.match(text, name.end())
            or _is_of_other_chamber(text, name)
        ):
            continue
        owner = _OWNED.search(before_it)
        if owner is not None and names_another(before_it[: owner.start()]):
            return
        if _DELTA.search(before_it) or _FORMER_NAME.search(before_it) or is_denied(before_it):
            return
        values = _fractions(sentence, name, limit, day)
        stated = value_of_the_day(values)
        if stated is None:
            continue
        if is_of_another(sentence, name.start(), stated.end):
            return
        bound = stated.value[:1] in "<>≤≥"
        if is_unreal(sentence, name.start(), stated.end, bound=bound) or (
            sentence.section.kind == "plan" and stated.moment <= 0
        ):
            return
        named = name.span() if _EF.match(name[0]) else (name.start(), name.start())
        if not is_asserted(sentence, named, (stated.start, stated.end), bound=bound):
            return
        if stated.moment == 0 and is_of_another_time(sentence, name.start(), stated.end, day):
            return
        numbers = [float(one) for one in stated.value.lstrip("<>=~≤≥≈").replace(",", ".").split("-")]
        if not _is_plausible(numbers, bound=bound):
            doubt("LVEF", *sentence.span(name.start(), stated.end))
            return
        yield sentence.fact("lvef", stated.value, name.start(), stated.end), standing(sentence, stated.moment)
        return


def _is_plausible(numbers: list[float], *, bound: bool) -> bool:
    if len(numbers) == 2:
        return 0 < numbers[0] < numbers[1] <= _PLAUSIBLE[1]
    return _PLAUSIBLE[0] <= numbers[0] <= _PLAUSIBLE[1] or (bound and 5 <= numbers[0] < _PLAUSIBLE[0])


def _is_of_other_chamber(text: str, name: re.Match[str]) -> bool:
    """Whether a name that does not say so itself is of the chamber that the sentence speaks of, which is not the
    left ventricle."""
    if re.match(r"(?:3D-)?(?:LV|left|links)", name[0], re.IGNORECASE):
        return False
    chambers = list(_CHAMBER.finditer(text, 0, name.start()))
    return bool(chambers) and all(one["other"] for one in chambers)


def _fractions(sentence: Sentence, name: re.Match[str], limit: int, day: date | None) -> list[Value]:
    """The values after a name, up to the next."""
    text = sentence.text
    if (own := _of_the_writer(text, name)) is not None:
        return [own]
    if (part := _FRACTION.match(text, name.end(), limit)) is not None:
        return [_decimal(sentence, name, part, limit, day)]
    matches = _percents(text, name, limit)
    values = _with_moments(sentence, name, matches, limit, day)
    if _is_dismissed(text, name, matches, values, limit):
        return []
    # a change between two numbers without a unit at the first: from 30 to 52 %
    return _turned(sentence, name, limit) or ([] if _is_scale(text, values, limit) else values)


def _of_the_writer(text: str, name: re.Match[str]) -> Value | None:
    """The writer's own value, where that of somebody else stands before it."""
    first = _PERCENT.search(text, name.end())
    if first is None or not (
        _OUTSIDE.search(text, 0, first.start()) or _OUTSIDE.search(text, first.end(), first.end() + 30)
    ):
        return None
    own = _OURS.search(text, first.end())
    if own is None or _OTHER_MEASURE.search(own["gap"]) or _OTHER_MEASURE.match(text[own.end() :].lstrip()):
        return None
    value = f"{own['low']}-{own['high']}" if own["high"] else own["low"]
    return Value(value, own.start("value"), own.end("value"), 1)


def _decimal(
    sentence: Sentence, name: re.Match[str], part: re.Match[str], limit: int, day: date | None
) -> Value:
    """A fraction of one, in percent: 0.35."""
    percent = part["low"] if len(part["low"]) == 2 else part["low"] + "0"
    lead = sentence.text[sentence.opening(name.start()) : part.start()]
    when = moment(lead, words_after(sentence, part.end(), limit), day)
    return Value(percent, part.start("low") - 2, part.end(), when)


def _percents(text: str, name: re.Match[str], limit: int) -> list[re.Match[str]]:
    """The numbers after a name that are its own: up to the first that something else stands before."""
    matches: list[re.Match[str]] = []
    last = name.end()
    at = last
    for _ in range(6):
        match = (_BARE.match(text, at) if not matches else None) or _PERCENT.search(text, at, limit)
        if match is None or match.end() > limit:
            break
        at = match.end()
        gap = text[last : match.start()]
        if (matches or _OPENED.search(gap)) and _ASIDE.search(gap):
            last = match.end()
            continue
        if not matches and _BOUND_WORD.search(gap):
            break
        turns = len(matches) == 1 and TO.search(gap) and _comes_from(text, name, matches)
        is_turned = turns and len(gap) < 40 and not _OTHER_MEASURE.search(gap)
        if not is_turned and not _is_transparent(gap, first=not matches):
            break
        matches.append(match)
        last = match.end()
    return matches


def _comes_from(text: str, name: re.Match[str], matches: list[re.Match[str]]) -> bool:
    """Whether "from" stands before the first number."""
    return FROM.search(text[name.end() : matches[0].start()]) is not None


def _with_moments(
    sentence: Sentence, name: re.Match[str], matches: list[re.Match[str]], limit: int, day: date | None
) -> list[Value]:
    """What the numbers say, each with whether it was before, is now, or came after another."""
    text = sentence.text
    values: list[Value] = []
    cited = moment(text[: name.start()], "", day) < 0 and is_dated_otherwise(text[: name.start()], day)
    for number, match in enumerate(matches):
        gap = text[matches[number - 1].end() if number else name.end() : match.start()]
        beyond = _PERCENT.search(text, match.end(), limit)
        following = matches[number + 1] if number + 1 < len(matches) else beyond
        nearest = following.start() if following else limit
        if nearest < limit:
            own = shared(text[match.end() : nearest], _tail(sentence, nearest))[0]
        else:
            own = words_after(sentence, match.end(), nearest)
        own = _COMPARED.split(own, maxsplit=1)[0]
        lead = shared(gap, _tail(sentence, match.start()))[1] if number else gap
        turned = _turn(text, name, matches, number)
        before = "" if number else text[sentence.opening(name.start()) : name.start()]
        when = turned or moment(f"{before} {lead}", own, day)
        if number and values and values[0].moment < 0 and cited:
            when = -1
        if not turned and number and when == 0 and _CHANGED_TO.search(gap):
            when = 1
        alone = not number and nearest < limit
        if when < 0 and alone and _FROM_ANOTHER.fullmatch(text, match.end(), nearest):
            when = 1
        if (value := _value(match, gap)) is not None:
            values.append(Value(value, match.start(), match.end(), when))
    return values


def _turn(text: str, name: re.Match[str], matches: list[re.Match[str]], number: int) -> int:
    """1 for a number that a change leads to, -1 for one that it comes from or that stands aside, else 0."""
    match = matches[number]
    if not number:
        gap = text[name.end() : match.start()]
        leads_on = len(matches) > 1 and TO.search(text[match.end() : matches[1].start()])
        return -1 if FROM.search(gap) and leads_on else 0
    gap = text[matches[number - 1].end() : match.start()]
    if TO.search(gap) and (_ARROW.search(gap) or _comes_from(text, name, matches)):
        return 1
    return -1 if FROM.search(gap) or _ASIDE.search(gap) or _REFERENCE.search(gap) else 0


def _is_dismissed(
    text: str, name: re.Match[str], matches: list[re.Match[str]], values: list[Value], limit: int
) -> bool:
    """Whether what stands around the values says that none of them is a reading of now."""
    if not matches:
        return False
    to_another = (len(values) < 2 or values[1].moment != 1) and _TO_ANOTHER.match(text, matches[0].end())
    if to_another and _comes_from(text, name, matches):
        return True
    if not values:
        return False
    first = values[0]
    if _NOT_EXCLUDED.match(text, first.end):
        return True
    if first.value in ("41-49", "40-49") and _MID_RANGE.search(text):
        return True
    changed = UNCHANGED.search(text, first.end)
    if changed and "%" in text[first.end : changed.start()]:
        return True
    return len(values) == 1 and first.moment == 0 and _NOW_VALUE.search(text, first.end, limit) is not None


_TURN: Final = re.compile(
    rf"""[^\d.;,]{{0,40}}?\b(?:from|von)\s+{_NUMBER}\s*(?:%|percent|Prozent)?\s*(?:to
    |auf)\s+(?P<then>{_NUMBER})\s*(?:%|percent\b|Prozent\b)""",
    re.IGNORECASE | re.VERBOSE,
)


def _turned(sentence: Sentence, name: re.Match[str], limit: int) -> list[Value]:
    match = _TURN.match(sentence.text, name.end(), limit)
    if match is None:
        return []
    if (
        match.end("then")
        and _PERCENT.search(sentence.text, match.end(), limit)
        and NOW.search(sentence.text, match.end(), limit)
    ):
        return []
    return [Value(match["then"], match.start("then"), match.end(), 0)]


def _tail(sentence: Sentence, start: int) -> str:
    """A value and what follows it in its clause."""
    return sentence.text[start : sentence.clause(start, start + 1)[1]]


def _is_scale(text: str, values: list[Value], limit: int) -> bool:
    """Whether values are the steps of a scale, or what is normal: bounds or ranges one after the other, or a range
    that is too wide for a reading."""
    for one in values:
        if one.value[0] not in "<>" and "-" not in one.value:
            continue
        low, *high = (float(end) for end in one.value.strip("<>=~").replace(",", ".").split("-"))
        if high and high[0] - low > _WIDEST:
            return True
        step = _STEP.match(text, one.end, limit)
        if step is not None and one.moment <= 0 and moment(step["gap"], "", None) == 0:
            return True
    return False


def _is_transparent(gap: str, *, first: bool) -> bool:
    if not first:
        gap = _AFTER_SOMETHING.sub(r"\1", gap)
    bare = without_dates(EARLIER.sub(" ", NOW.sub(" ", gap)))
    if _GAP.fullmatch(bare):
        return first or len(gap) < 60
    if first:
        plain = _PLAIN_GAP.fullmatch(bare.rstrip("( "))
        return plain is not None and _CAPITALS.search(re.sub(r"\(.*?\)", "", bare)) is None
    return (
        len(gap) < 70
        and _CHANGED_TO.search(gap) is not None
        and _OTHER_MEASURE.search(gap) is None
        and re.search(r"[\d.;]", bare) is None
    )


_BETWEEN: Final = re.compile(r"\b(?:between|zwischen)\b", re.IGNORECASE)


def _value(match: re.Match[str], gap: str) -> str | None:
    group = match.groupdict()
    if words := group.get("words"):
        return str(_in_words(words))
    low, high = match["low"], match["high"]
    if (group.get("join") or "").lower() in ("and", "und") and not _BETWEEN.search(gap):
        high = None
    sign = match["sign"] or ""
    for name, mark in (("below", "<"), ("above", ">"), ("least", ">="), ("most", "<=")):
        if group.get(name):
            sign = mark
    if high and sign not in ("", "~", "≈"):
        return None
    if float(low.replace(",", ".")) == 0 and not high:
        return low
    if (
        (not sign and _LOOSE.search(gap))
        or (not sign and _LOOSE.search(group.get("about") or ""))
        or sign == "≈"
    ):
        sign = "~"
    return sign + (f"{low}-{high}" if high else low)


def _in_words(words: str) -> int:
    folded = words.lower()
    tens = next(value for word, value in _TENS.items() if word in folded)
    if "-" in folded:
        return tens + _ONES.index(folded.split("-")[1]) + 1
    head = folded.split("und")[0] if "und" in folded else ""
    return tens + (_EINS.index(head) + 1 if head in _EINS else 0)
