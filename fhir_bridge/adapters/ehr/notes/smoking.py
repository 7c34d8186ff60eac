"""What sentences state of smoking."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.sentences import UNCHANGED, Sentence

__all__ = ["smoking"]

_FIELD: Final = r"""(?:tob(?:acco)?\.?|smoking|cigarettes?|cigs?|nicotine|nikotin\w*|rauchen|raucherstatus|tabak\w*)
    (?:\ (?:use|abuse|status|hx|history|consumption))?\s*[:=]\s*"""
"""The name of the field of a form."""
_AMOUNT: Final = r"""(?:~|ca\.\ ?|about\ |approx\.\ ?|bis\ zu\ )?(?:\d+(?:[-–]\d+)?|an?|half\ a|one|two|ein(?:e
    |en)?|zwei|halbe)\s*
    (?:[/x×]\ ?(?:d\b|day|tag|wk|week|woche)|(?:cig\w*|zig\w*|ppd|packs?|schachteln?|päckchen|packung(?:en)?
    |packerl|stück)\b)"""
_PACK_YEARS: Final = r"\d+\s*-?\s*(?:p\.?\ ?y\.?|pack(?:ung)?s?[- ]?y(?:ea)?rs?|pk[- ]?yrs?|packungsjahre)\b"

_STATES: Final = tuple(
    (status, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for status, pattern in (
        (
            "never",
            rf"""\bnever[ -](?:been\ )?(?:an?\ )?smok(?:ed|er)\b|\bhas\ never\ smoked\b
            |\blife-?\ ?long\ non-?\ ?smoker\b|\b{_FIELD}never\b
            |\bno\ (?:prior\ |past\ )?(?:history|hx)\ of\ (?:smoking|tobacco)\b
            |\bnever\ used\ (?:any\ )?(?:tobacco|cigarettes)\b
            |\bnie[- ]?raucher(?:in)?\b|\bnie(?:mals)?\ (?:geraucht|raucher(?:in)?)\b
            |\b(?:zeitlebens|lebenslang\w*|immer)\ nichtraucher(?:in)?\b|\b{_FIELD}nie(?:mals)?\b""",
        ),
        (
            "former",
            rf"""\b(?:former|previous|past|prior|ex)[- ]?(?:tobacco\ |cigarette\ )?smoker\b
            |\b(?:quit|stopp?ed|gave\ up|given\ up)\ smoking\b|\bused\ to\ smoke\b
            |\b{_FIELD}(?:former|ex|previous|quit|stopped)\b
            |\b{_PACK_YEARS}[^.;]{{0,30}}\b(?:quit|stopped|aufgehört|sistiert|bis\ (?:vor\b|\d{{4}}))
            |\b(?:tobacco|nicotine|smoking)\b[^.;]{{0,30}}\bin\ remission\b
            |\b(?:remote|former|previous|past)\ (?:smoking|tobacco)\b
            |\b(?:previously|formerly)\ smoked\b|\bsmoked\b[^.;]{{0,40}}\b(?:stopped|quit|until|till)\b
            |\b(?:smoke|tobacco)-?free\ (?:since|for)\b|\brauchfrei\ seit\b
            |\bquit\ (?:cigarettes|tobacco)\b
            |\bex[- ]?raucher(?:in)?\b|\behem(?:alige[rs]?|\.)?\ (?:starker?\ )?raucher(?:in)?\b
            |\bfrüherer?\ raucher(?:in)?\b
            |\b{_FIELD}(?:ehemals|ex|früher|ehemalig|z\.?\ ?n\.|beendet|sistiert)
            |\bmit\ dem\ rauchen\ aufgehört\b|\brauchen\ (?:\w+\ ){{0,3}}(?:eingestellt|aufgegeben)\b
            |\bdas\ rauchen\ (?:\w+\ ){{0,3}}aufgegeben\b
            |\bfrüher\ (?:[^;]{{0,25}}\ )?geraucht\b|\brauchen\ (?:\w+\ ){{0,3}}beendet\b|\bnikotin(?:abstinent
            |karenz)\ seit\b
            |\brauchstopp?\ (?:nach|seit|vor|im|in|(?:19|20)\d\d)\b
            |\b(?:z\.?\ ?n\.|st\.?\ ?n\.|status\ nach|zustand\ nach)\ (?:\w+\ )?(?:nikotin|tabak|rauchen)\w*
            |\bnikotin(?:abusus|konsum)\b[^.;]{{0,30}}\b(?:sistiert|abstinent|beendet|eingestellt|bis\ vor)\b
            |\bnikotin(?:abusus|konsum)\b\s*\(?bis\ (?:19|20)\d\d""",
        ),
        (
            "non",
            rf"""\bnon?-?\ ?sm\w{{0,2}}k\w{{0,2}}r\b|\bdo(?:es)?(?:\ not|n['’]t)\ smoke\b
            |\bdenies\ (?:any\ |current\ )?(?:smoking|tobacco|nicotine|cigarettes)\b
            (?!\ (?:\w+\ ){{0,2}}(?:replacement|cessation|withdrawal|counsel))
            |\bno\ (?:tobacco|nicotine|smoking|cigarettes?|cigs)\b
            (?!\ (?:\w+\ ){{0,2}}(?:replacement|patch|gum|cessation|withdrawal|counsel|ban|polic|history|hx
            |area|zone|status))
            |\b{_FIELD}(?:no(?:ne)?|neg\w*|denie[sd]|nein|keiner?|neg\.|∅|verneint)(?!\w)
            |\bnichtraucher(?:in)?\b|\braucht\ nicht\b|\bnikotin(?:konsum|abusus)\ (?:wird\ |wurde\ )?verneint\b
            |^\W*nikotin,?\ [^.;:]{{0,40}}\b(?:werden|wird)\ verneint\b
            |\bverneint\ (?:nikotin|rauchen|tabak)
            (?!\w*(?:karenz|abst|verzicht|ersatz|pflaster|entw))\w*
            |(?-i:\bNR\b)(?=[^.]*\b(?i:alk\w*|c2|drogen|kaffee)\b)
            |\bkein(?:en|e)?\ (?:nikotin|tabak|zigaretten|raucher\b)
            (?!\w*(?:karenz|abst|verzicht|ersatz|pflaster|kaugummi|entw|entzug))\w*""",
        ),
        (
            "current",
            rf"""\b(?:current|active|heavy|daily|every\ day|some\ day|chain|light|social|occasional)\s+smoker\b
            |\bsmokes\b|\bstill\ smok(?:es|ing)\b|\bcontinues\ (?:to\ smoke|smoking)\b
            |\b(?:admits\ to|reports|endorses)\ smoking\b|\bis\ smoking\b|\bsmoking\ again\b
            |\bcut\ (?:down|back)\ to\ {_AMOUNT}
            |\b(?:active|current|ongoing|continued)\ (?:tobacco|nicotine|cigarette)\ (?:use|abuse)\b
            |\b{_FIELD}(?:current|active|yes|daily|every\ day|some\ days|{_AMOUNT}|\d+\s*/\s*(?:d|tag|day))
            |(?:^|[;:,]\s*)(?:is\ an?\ )?smoker\s*(?=[,.;(]|$|since|x\b|with|\d)
            |\braucht\b|\b(?:gelegenheits|ketten|party)raucher(?:in)?\b
            |(?:^|\b(?:starke?r?|aktive?r?|tägliche?r?|ist|aktuelle?r?|gelegentliche?r?)\s
            |sozialanamnese:\s*)raucher(?:in)?\b
            (?!\s*/\s*\D|\s*(?:\w*husten|\w*beratung|\w*entwöhnungs?(?:kurs|programm|beratung)?\b))
            |\b{_FIELD}(?:aktuell|aktiv|ja|täglich|positiv|pos\.|fortgesetzt|{_AMOUNT}|\d+\s*(?:/|pro)\s*(?:d|tag))
            |\b(?:auf\ (?:\d+|eine|ein|zwei)\ (?:zig\w*|schachtel\w*)\ (?:\w+\ ){{0,2}}reduziert)
            |\bgibt\ an[^;]{{0,50}}\bzu\ rauchen\b
            |\b(?:aktive[rn]?|fortgesetzte[rn]?|aktuelle[rn]?|weiterhin|anhaltende[rn]?|fortbestehende[rn]?
            |persistierende[rn]?)
            \ (?:nikotin|tabak)(?:abusus|konsum)\b""",
        ),
    )
)
_NOT_SMOKING: Final = re.compile(
    r"""\b(?:lives\ with|programmes|leaflet|passive|second-?\ ?hand|lebt\ mit|zusammen|Kurse|Merkblatt|alarm|detector
    |unknown|not\ asked|unbekannt|nicht\ erfragt|nicht\ erhebbar|vap\w+|e-?zigarette\w*|e-?cig\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_OTHER_SMOKE: Final = re.compile(
    r"""\b(?:marijuana|cannabis|weed|haschisch|hasch|joints?|meat|fish|salmon|crack|heroin|pot)\b
    |:\s*\w+(?:\s*[/|]\s*[A-Za-zÄÖÜäöü]\w+){2}""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is smoked that is no tobacco, and a choice of answers."""
_AGAIN: Final = re.compile(r"\b(?:relaps\w+|resum\w+|again|wieder|rückfällig\w*)\b", re.IGNORECASE)
_NOT_SO: Final = {
    "never": re.compile(r"\b(?:not|nicht)\s+(?:\w+\s+){0,1}$", re.IGNORECASE),
    "former": re.compile(
        r"\b(?:not|never|to|n't|cannot|can't|trying|nicht|nie)\s+(?:\w+\s+){0,1}$", re.IGNORECASE
    ),
    "current": re.compile(
        r"(?:n[’\']t|\b(?:not|no\ longer|never|denies|stopped|nicht|nie|kein))\s+(?:\w+\s+){0,3}$",
        re.IGNORECASE | re.VERBOSE,
    ),
}
"""What stands before the words of a status and turns it."""


def smoking(sentence: Sentence) -> Iterator[Fact]:
    """Whether the patient smokes, as far as a sentence states it."""
    text = sentence.text
    if _NOT_SMOKING.search(text) or _OTHER_SMOKE.search(text) or UNCHANGED.search(text):
        return
    again = _AGAIN.search(text) is not None
    for status, pattern in _STATES:
        match = pattern.search(text)
        if match is None:
            continue
        if again and status != "current":  # who began again is no former smoker
            return
        before = _NOT_SO.get(status)
        if before and before.search(text[: match.start()]):
            return
        turned = match[0] if status == "former" else text[match.end() :] if status == "current" else ""
        if re.match(r"[^,;]*\bnicht\b", turned):
            return
        if sentence.is_of_another(match.end()) or _in_brackets(sentence, match.end()):
            return
        yield sentence.fact("smoking", status, match.start(), match.end())
        return


def _in_brackets(sentence: Sentence, end: int) -> bool:
    """Whether another person is named in brackets right after."""
    rest = sentence.text[end:].lstrip()
    return rest.startswith("(") and sentence.is_of_another(end + rest.find(")") + 1)
