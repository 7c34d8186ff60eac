"""Family history in a sentence: whose, which disease, and whether it is denied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.sentences import HYPOTHETICAL, UNCHANGED, Sentence

__all__ = ["CONDITIONS", "RELATIONS", "family_history"]

CONDITIONS: Final = tuple(
    (name, re.compile(rf"(?<![\w-])(?:{pattern})(?![\w-])", re.IGNORECASE))
    for name, pattern in (
        ("sudden cardiac death", r"sudden (?:cardiac )?deaths?|SCD"),
        ("hypertrophic cardiomyopathy", r"hypertrophic (?:obstructive )?cardiomyopathy|HO?CM"),
        ("dilated cardiomyopathy", r"dilated cardiomyopathy|DCM"),
        ("cardiomyopathy", r"cardiomyopath(?:y|ies)"),
        ("myocardial infarction", r"myocardial infarctions?|heart attacks?|MI"),
        ("coronary artery disease", r"(?:premature )?coronary (?:artery|heart) disease|CAD|CHD"),
        ("heart failure", r"(?:congestive )?heart failure"),
        ("heart disease", r"heart disease"),
        ("atrial fibrillation", r"atrial fibrillation|AF"),
        ("long QT syndrome", r"long[- ]QT syndrome|LQTS"),
        ("aortic aneurysm", r"(?:abdominal |thoracic )?aortic aneurysms?"),
        ("stroke", r"strokes?"),
        ("hypertension", r"(?:arterial )?hypertension|high blood pressure"),
        ("hypercholesterolemia", r"(?:familial )?hypercholesterola?emia"),
        ("diabetes", r"(?:type [12I]+ )?diabetes(?: mellitus)?"),
        ("breast cancer", r"breast cancer"),
        ("colon cancer", r"colon cancer|colorectal cancer"),
        ("plötzlicher Herztod", r"plötzliche[rnms]?(?: Herz)? ?(?:Herz)?tode?s?"),
        ("hypertrophe Kardiomyopathie", r"hypertrophe[rn]? (?:obstruktive[rn]? )?Kardiomyopathie"),
        ("dilatative Kardiomyopathie", r"dilatative[rn]? Kardiomyopathie"),
        ("Kardiomyopathie", r"Kardiomyopathien?"),
        ("Myokardinfarkt", r"Myokardinfarkte?s?|Herzinfarkte?s?"),
        ("koronare Herzkrankheit", r"koronare[rn]? Herz(?:krankheit|erkrankung)|KHK"),
        ("Herzinsuffizienz", r"Herzinsuffizienz"),
        ("Vorhofflimmern", r"Vorhofflimmerns?|VHF"),
        ("Long-QT-Syndrom", r"Long-QT-Syndroms?"),
        ("Aortenaneurysma", r"(?:Bauch)?Aortenaneurysmas?"),
        ("Schlaganfall", r"Schlaganfalls?|Schlaganfälle"),
        ("Hypertonie", r"(?:arterielle[rn]? )?Hypertonie|Bluthochdruck"),
        ("Hypercholesterinämie", r"Hypercholesterinämie"),
        ("Diabetes", r"Diabetes mellitus(?: Typ [12I]+)?"),
        ("Mammakarzinom", r"Mammakarzinoms?|Brustkrebs"),
        ("Kolonkarzinom", r"Kolonkarzinoms?|Darmkrebs"),
    )
)
"""Conditions by the name that a fact gives, more specific ones first."""

RELATIONS: Final = {
    "grandfather": "GRFTH", "grandmother": "GRMTH", "father": "FTH", "mother": "MTH", "brother": "BRO", "sister": "SIS",
    "son": "SONC", "daughter": "DAUC", "uncle": "UNCLE", "aunt": "AUNT", "cousin": "COUSN",
    "Großvater": "GRFTH", "Großmutter": "GRMTH", "Vater": "FTH", "Mutter": "MTH", "Bruder": "BRO", "Schwester": "SIS",
    "Sohn": "SONC", "Tochter": "DAUC", "Onkel": "UNCLE", "Tante": "AUNT", "Cousin": "COUSN",
}  # fmt: skip
"""Members of a family, with their codes of v3-RoleCode."""

_MEMBER: Final = re.compile(
    rf"""(?P<before>^\W*|.*?:\s*|\b(?:[Tt]he\ patient's|[Hh]is|[Hh]er|[Tt]he|[Aa]n?|[Ii]hr|[Ss]ein|[Dd]er|[Dd]ie
    |[Bb]ei\ der|[Bb]eim|[Ee]ine?|with|
    [Mm]aternal|[Pp]aternal)\ )(?P<member>(?i:{"|".join(RELATIONS)}))\b""",
    re.VERBOSE,
)
_RELATIVE: Final = re.compile(rf"\b(?:{'|'.join(RELATIONS)})\b", re.IGNORECASE)
_HAS: Final = re.compile(
    r"""^(?:\ (?:mütterlicherseits|väterlicherseits|des\ Patienten|der\ Patientin))?\s*
    (?::|\b(?:had|has|with|died\ (?:of|from)|diagnosed\ with|was\ (?:found\ to\ have|diagnosed\ with)
    |suffers?\ from|carries\ the\ diagnosis\ of
    |mit|hat|hatte|leidet\ an|erlitt|verstarb|an|wurde)\b)""",
    re.VERBOSE | re.IGNORECASE,
)
_HISTORY: Final = re.compile(
    r"""\b(?:family\ history|FHx|FH|Familienanamnese|FA|familiäre\ Belastung|familiär\ bekannte|in\ der\ Familie
    |Familiär)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"^\W*(?:no|denies|negative|keine?|verneint)\b|\bleer\b|\bunauffällig\b|\bnegative? for\b|\bnegativ\b|\bdenied\b"
    r"|:\s*(?:none|keine)\W*$",
    re.IGNORECASE,
)
_WITHOUT: Final = re.compile(
    r"\b(?:no|not|never|without|keine?[nmrs]?|ohne|nicht|nie)\b[^,;]*$", re.IGNORECASE
)
"""Before a condition: a denial in its part of the sentence."""
_OF_ANOTHER: Final = re.compile(
    r"\b(?:husband|wife|spouse|partner|friend|doctor)(?:in)?['’]?s\b|\b(?:Ehemann|Ehefrau|Partner)\w*\b",
    re.IGNORECASE,
)
_EXAMINED: Final = re.compile(
    r"\b(?:auf|screened|tested|examined|untersucht|getestet)\b.*\b(?:for|untersucht|getestet)\b",
    re.IGNORECASE,
)
_NO_STATEMENT: Final = re.compile(
    r"""\b(?:not\ obtained|unknown|not\ available|nicht\ erhoben|unbekannt|nicht\ verfügbar|healthy
    |alive\ and\ well|gesund
    |worries|explained|discussed|informed|asked|screening|besprochen|erklärt|aufgeklärt|sorgt|fragte
    |Familiengespräch|meeting
    |care\ of|while|während|visiting|clinic|Sprechstunde|holt|pick)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_SELF: Final = re.compile(r"\b(?:patient(?:in)?)\s+(?:is|ist|had|erlitt|hat)\b", re.IGNORECASE)


def family_history(sentence: Sentence) -> Iterator[Fact]:
    """The conditions of relatives that a sentence states or denies."""
    text = sentence.text
    if (
        HYPOTHETICAL.search(text)
        or UNCHANGED.search(text)
        or _NO_STATEMENT.search(text)
        or _SELF.search(text)
        or _OF_ANOTHER.search(text)
        or _EXAMINED.search(text)
    ):
        return
    history = _HISTORY.search(text)
    member = _MEMBER.search(text)
    relation, begin, anchor = "", -1, 0
    if member is not None:
        name = member["member"]
        relation = next(known for known in RELATIONS if known.lower() == name.lower())
        if _HAS.match(text[member.end() :]):
            begin, anchor = member.start("member"), member.end()
        else:
            relation = ""
    if begin < 0:
        if history is None:
            return
        begin, anchor = history.start(), history.end()
    negated = bool(_DENIED.search(text))
    other = _RELATIVE.search(text, anchor) if relation and not negated else None
    end_of_part = other.start() if other else len(text)  # what comes there is of another relative
    for condition, pattern in CONDITIONS:
        match = pattern.search(text, 0 if negated or not relation else begin, end_of_part)
        if match is not None:
            if not negated and _WITHOUT.search(text[: match.start()]):
                continue
            start = len(text) - len(text.lstrip()) if negated else min(begin, match.start())
            end = max(match.end(), anchor if anchor > match.start() else 0)
            span = text[start:end]
            yield Fact(
                "family",
                condition,
                sentence.start + start,
                sentence.start + end,
                span,
                "" if negated else relation,
                negated,
            )
            return
