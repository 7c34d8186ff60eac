"""What sentences state of the heart: the left ventricular ejection fraction and the NYHA class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.sentences import UNCHANGED, Sentence
from fhir_bridge.adapters.ehr.notes.times import is_of_another_time

__all__ = ["ejection_fraction", "functional_class"]

_EARLIER: Final = re.compile(
    r"^\W*(?:previous(?:ly)?|prior|earlier|former(?:ly)?|frühere[rsn]?|früher|zuvor|ehemals"
    r"|Vorbefund\w*|Vorunters\w*|Voraufnahme\w*|Vorecho\w*|Z\.\ ?n\.)\b",
    re.IGNORECASE,
)
_NOT: Final = re.compile(
    r"\b(?:no|not|never|without|previous(?:ly)?|prior|formerly|baseline|nadir|lowest|initial(?:ly)?|keine?[nmrs]?"
    r"|nicht|nie(?:mals)?|ohne|zuvor|vormals|früher\w*|initiale?[rns]?|Ausgangs\w*|niedrigste\w*|tiefste\w*)"
    r"\s+(?:[^\s,;:.]+\s+){0,4}$|\b(?:Vor|Ausgangs)-$",
    re.IGNORECASE,
)
"""What stands before a finding that is denied, or an earlier one."""
_DELTA: Final = re.compile(r"(?:\bdelta|Δ)\W*$", re.IGNORECASE)
_LATER: Final = re.compile(
    r"\b(?:now|current(?:ly)?|today|discharge|aktuell|jetzt|derzeit|heute|Entlassung)\b", re.IGNORECASE
)
"""What stands after a finding before that of the day."""
_REFUTED: Final = re.compile(
    r"\b(?:ruled out|(?<!cannot be )excluded|error of transcription|(?<!nicht )ausgeschlossen|Übertragungsfehler)\b",
    re.IGNORECASE,
)

_NOT_EXCLUDED: Final = re.compile(
    r"[^,;]*\b(?:(?:cannot|can not|can't) be (?:excluded|ruled out)|auszuschließen)", re.IGNORECASE
)


_EF: Final = re.compile(
    r"""\b(?:LV[- ]?EF|(?:3D-)?LVEF|EF|(?:left\ ventric(?:ular|\.)\ |LV\ )?(?:ejec\w*\ fract?ion|EF\b)
    |(?:linksventrikuläre\s+)?Eje[kc]tions?fra?[kc]?t?ion|Auswurffraktion)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_OTHER_CHAMBER: Final = re.compile(
    r"\b(?:right|RV|LA|RA|atrial|gallbladder|rechts\w*|RVEF|Gallenblasen?|linksatriale?)\b(?:[\s-]+[\w-]+){0,2}[\s-]*$",
    re.IGNORECASE,
)
"""What stands before the name of a fraction that is not the left ventricle's."""
_NUMBER: Final = r"\d{1,2}(?:[.,]\d)?"
_PERCENT: Final = re.compile(
    rf"""(?P<sign><=|>=|<|>|≤|≥|~|≈)?\s*(?P<about>\b(?:about|approximately|approx\.|circa|ca\.|etwa|um)\s*)?
    (?P<low>{_NUMBER})\s*(?:%\s*)?(?:(?:-|–|to|and|bis|und)\s*(?P<high>{_NUMBER})\s*)?(?:%|percent\b|Prozent\b)""",
    re.IGNORECASE | re.VERBOSE,
)
_BARE: Final = re.compile(
    r"\s*[:=]?\s*(?P<sign>[<>≤≥~]=?)?\s*(?P<low>[1-8]\d)(?:\s*[-–]\s*(?P<high>[1-8]\d))?(?=\s*(?:[,;)](?!\d)|\.?\s*$))"
)
"""A number right after the name, without unit, with nothing after it in its part of the sentence."""
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
"""Words that may stand between name and value whatever the commas."""
_PLAIN_GAP: Final = re.compile(
    r"""(?:\s|[:=.'’/-]|\((?:[^()\d%]|[23]D|\d-?[DK]\b){0,30}\)|\b[23]D\b|\b(?-i:MOD|TTE|TEE|CMR|MRT|MRI|MUGA|BP|LV)\b
    |\b(?!(?:not?|if|below|above|under|over|from|since|vs|compared|prior|previous|earlier|last|and|or|but|while|than|until
    |pending|with|falls?|drops?|target|goal|stenosis|delta|right|gallbladder|atri\w+|Gallenblase|rechte\w*|nicht|kein\w*|wenn|falls|bei|unter|über|von|seit|gegenüber
    |zu[mr]?|vor|früher|und|oder|aber|während|als|Ziel|Stenose|Vorbefund|mit|calc)\b)[a-zäöüß]\w*){0,12}""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words between name and value, but for those that make it another value; names of other values are in capitals."""
_CAPITALS: Final = re.compile(r"\b(?!(?:MOD|TTE|TEE|CMR|MRT|MRI|MUGA|BP|LV|2D|3D|LV)\b)[A-ZÄÖÜ]{2,}")
_TURN: Final = re.compile(
    rf"""^[^\d.;,]{{0,40}}?\b(?:from|von)\s+{_NUMBER}\s*(?:%|percent|Prozent)?\s*(?:to|auf)\s+(?P<then>{_NUMBER})
    \s*(?:%|percent\b|Prozent\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""From one value to another, which is that of the day."""


def ejection_fraction(sentence: Sentence, day: date | None) -> Iterator[Fact]:
    """The LVEF that a sentence states of the patient."""
    text = sentence.text
    if _EARLIER.search(text) or _REFUTED.search(text):
        return
    for name in _EF.finditer(text):
        before = text[: name.start()]
        if _OTHER_CHAMBER.search(before):
            continue
        if _NOT.search(before) or _DELTA.search(before):
            return
        stated = _fraction(sentence, name.start(), name.end())
        if stated is None:
            continue
        value, end = stated
        if not sentence.is_of_another(end) and not is_of_another_time(text, end, day):
            yield sentence.fact("lvef", value, name.start(), end)
        return


def _fraction(sentence: Sentence, begin: int, after: int) -> tuple[str, int] | None:
    """The value after a name, and where it ends."""
    text = sentence.text
    if turn := _TURN.match(text[after:]):
        return turn["then"], after + turn.end()
    value = _BARE.match(text, after) or _PERCENT.search(text, after)
    if value is None:
        return None
    gap = text[after : value.start()]
    plain = _PLAIN_GAP.fullmatch(gap)
    if _GAP.match(gap) is None and (plain is None or _CAPITALS.search(re.sub(r"\(.*?\)", "", gap))):
        return None
    if UNCHANGED.search(text) and not UNCHANGED.search(gap) and UNCHANGED.search(text[:begin]) is None:
        return None
    if _NOT_EXCLUDED.match(text, value.end()):
        return None
    if _PERCENT.search(text, value.end()) and _LATER.search(text, value.end()):
        return None
    low, high = value["low"], value["high"]
    if (high and value["sign"] not in (None, "~", "≈")) or float(low.replace(",", ".")) == 0:
        return None
    sign = value["sign"] or ""
    if (not sign and _LOOSE.search(text[after : value.start("low")])) or sign == "≈":
        sign = "~"
    return sign + (f"{low}-{high}" if high else low), value.end()


_ROMAN: Final = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "1": "1", "2": "2", "3": "3", "4": "4"}
_CLASS: Final = r"(?:IV|I{1,3}|[1-4])\b"
_NYHA: Final = re.compile(
    rf"""\b(?:NYHA|New\ York\ Heart\ Association)\b
    (?:\s*(?:[-:=]\s*)?(?:functional|Funktions|Klasse|class(?:ification)?|cl\.?|FC|stage|Stadium|Stad\.|Kl\.|status|of
    |currently|derzeit|aktuell|jetzt|now|today|heute|is|ist|at|worsened\ to|improved\ to|verschlechtert\ auf
    |verbessert\ auf)(?!\w))*\s*(?:[-:=]\s*)?
    (?P<low>{_CLASS})(?:\s*(?:-|–|/|to|or|bis|oder|and|und)\s*(?:NYHA[- ])?(?P<high>{_CLASS}))?""",
    re.IGNORECASE | re.VERBOSE,
)
_THEN: Final = re.compile(
    r"\b(?:to|auf)\s+(?:NYHA[- ]?)?(?:class |Klasse |Stadium )?(?P<then>IV|I{1,3}|[1-4])\b", re.IGNORECASE
)
_MORE: Final = re.compile(rf"\s*(?:[-–/,]|,?\s*(?:or|oder|and|und))\s*{_CLASS}", re.IGNORECASE)
_FROM: Final = re.compile(r"\b(?:from|von)\s*$", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"\b(?:between|zwischen|zw\.)\s*$", re.IGNORECASE)
_NOT_NYHA: Final = re.compile(
    r"\b(?:not in|no longer in|denies|nicht in|verneint|not documented|nicht dokumentiert)\b", re.IGNORECASE
)


def functional_class(sentence: Sentence, day: date | None) -> Iterator[Fact]:
    """The NYHA class that a sentence states of the patient."""
    text = sentence.text
    if _NOT_NYHA.search(text) or _EARLIER.search(text):
        return
    first = _NYHA.search(text)
    if first is None:
        return
    before = text[: first.start()]
    changed = UNCHANGED.search(text)
    if changed is None and _NOT.search(before):
        return
    if changed is not None and changed.start() > first.start():
        return
    if changed is not None and _NOT.search(before[changed.end() :]):
        return
    if _MORE.match(text, first.end()):
        return
    if (
        not _FROM.search(before)
        and len({m["low"].lower() for m in _NYHA.finditer(text)}) > 1
        and _LATER.search(text, first.end())
    ):
        return
    low, high, end = _ROMAN[first["low"].lower()], first["high"], first.end()
    joined = text[first.end("low") : first.start("high")].strip() if high else ""
    if joined.casefold() in ("and", "und") and not _BETWEEN.search(before):
        return
    if joined == "/" and high.upper() == "IV" and low in "12":  # of four
        high = None
    if _FROM.search(before):
        turn = _THEN.search(text, first.end("low"))
        if turn is None:
            return
        low, high, end = _ROMAN[turn["then"].lower()], None, turn.end()
    if sentence.is_of_another(end) or is_of_another_time(text, end, day):
        return
    yield sentence.fact("nyha", f"{low}-{_ROMAN[high.lower()]}" if high else low, first.start(), end)
