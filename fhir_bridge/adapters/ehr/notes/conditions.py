"""Conditions of relatives, and who relatives are, by the words of both languages."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["CONDITION", "GERMAN", "RELATIONS", "WORDS", "condition_name", "relation_of"]

_TABLE: Final = (
    # English name, German name, English words, German words, words of both
    ("sudden cardiac death", "plötzlicher Herztod", r"sudden(?:\ (?:cardiac|unexplained))?\ deaths?|died\ suddenly"
     r"(?=[^.]{0,12}\bSCD)", r"plötzliche[rnms]?(?:\ Herz)?\ ?(?:Herz)?tode?s?"
     r"|plötzlich\ verstorben(?=\W{0,3}PHT)|PHT|Sekundentod", r"SCD"),
    ("hypertrophic cardiomyopathy", "hypertrophe Kardiomyopathie", r"hypertrophic\ (?:obstructive\ )?cardiomyopathy",
     r"hypertrophe[rn]?\ (?:obstruktive[rn]?\ )?Kardiomyopathie", r"H(?:O|N)?CM"),
    ("dilated cardiomyopathy", "dilatative Kardiomyopathie", r"dilated\ cardiomyopathy",
     r"dilatative[rn]?\ (?:Kardiomyopathie|CMP|KMP)", r"DCM|DCMP"),
    ("cardiomyopathy", "Kardiomyopathie", r"cardiomyopath(?:y|ies)", r"Kardiomyopathien?|CMP|KMP", ""),
    ("myocardial infarction", "Myokardinfarkt", r"myocardial\ infarctions?|(?:fatal\ )?heart\ attacks?|MIs?",
     r"Myokardinfarkte?s?|(?:Hinterwand|Vorderwand|Herz)infarkte?s?|HI|AMI", r"N?STEMI"),
    ("coronary artery disease", "koronare Herzkrankheit",
     r"(?:premature\ )?coronary\ (?:artery|heart)\ disease|CAD|CHD|IHD", r"koronare[rn]?\ Herz(?:krankheit|erkrankung)"
     r"|KHK", ""),
    ("heart failure", "Herzinsuffizienz", r"(?:congestive\ )?heart\ failure|CHF", r"Herzinsuffizienz|Herzschwäche", ""),
    ("heart disease", "Herzerkrankung", r"heart\ disease", r"", ""),
    ("atrial fibrillation", "Vorhofflimmern", r"atrial\ fibrillation|A-?fib|AF", r"Vorhofflimmerns?|VHF", ""),
    ("long QT syndrome", "Long-QT-Syndrom", r"long[- ]QT[- ]syndrome", r"Long-QT-Syndroms?", r"LQTS?"),
    ("aortic aneurysm", "Aortenaneurysma", r"(?:abdominal\ |thoracic\ )?aortic\ aneurysms?|AAA",
     r"(?:thorakale\w*\ |abdominelle\w*\ )?(?:Bauch)?Aortenaneurysmas?|BAA", ""),
    ("stroke", "Schlaganfall", r"strokes?|CVAs?", r"Schlaganfalls?|Schlaganfälle|Apople(?:x|xie)|Hirninfarkte?s?", ""),
    ("hypertension", "Hypertonie", r"(?:arterial\ )?hypertension|high\ blood\ pressure|HTN|hypertensive",
     r"(?:arterielle[rn]?\ |art\.\ )?Hypertonie|Bluthochdruck|Hypertonus", ""),
    ("hypercholesterolemia", "Hypercholesterinämie", r"(?:familial\ )?hypercholesterola?emia",
     r"(?:familiäre\ )?Hypercholesterinämie", r""),
    ("diabetes", "Diabetes", r"T[12]DM|(?:type\ [12I]+\ )?diabetic",
     r"Zucker(?:krankheit)?|(?:Typ-[12I]+-)?Diabetiker(?:in)?",
     r"(?:type\ [12I]+\ )?diabetes(?:\ mellitus)?(?:\ (?:type|Typ)\ [12I]+)?|(?-i:DM)(?:\ ?(?:Typ\ |type\ )?[12I]+)?"),
    ("breast cancer", "Mammakarzinom", r"breast\ (?:cancer|ca\b\.?)", r"Mammakarzinoms?|Brustkrebs|Mamma-?Ca\b\.?", ""),
    ("colon cancer", "Kolonkarzinom", r"col(?:on|orectal)\ (?:cancer|ca\b\.?)",
     r"Kolonkarzinoms?|Darmkrebs|Kolon-?Ca\b\.?", ""),
)  # fmt: skip
"""More specific conditions first."""

_CASED: Final = frozenset("MI MIs HI AF AMI CMP KMP BAA AAA PHT CAD CHD IHD CHF HTN SCD".split())


def _condition() -> re.Pattern[str]:
    parts = []
    for number, (_, _, english, german, both) in enumerate(_TABLE):
        for mark, words in (("e", english), ("g", german), ("b", both)):
            if words:
                parts.append(f"(?P<{mark}{number}>{words})")
    return re.compile(rf"(?<![\w-])(?:{'|'.join(parts)})(?![\w-])", re.IGNORECASE | re.VERBOSE)


CONDITION: Final = _condition()
"""A condition; its group says which, and of which language its words are."""


def condition_name(match: re.Match[str], german: bool) -> str | None:
    """The name that a fact gives the condition; None of an abbreviation in other letters than its own (`hi`, `mi`)."""
    if match[0] not in _CASED and match[0].upper() in _CASED:
        return None
    group = match.lastgroup or ""
    row = _TABLE[int(group[1:])]
    return row[1] if group[0] == "g" or (german and group[0] == "b") else row[0]


RELATIONS: Final = {
    "grandfather": "GRFTH", "grandmother": "GRMTH", "father": "FTH", "mother": "MTH", "brother": "BRO", "sister": "SIS",
    "son": "SONC", "daughter": "DAUC", "uncle": "UNCLE", "aunt": "AUNT", "cousin": "COUSN", "parents": "PRN",
    "nephew": "NEPHEW", "niece": "NIECE",
    "Großvater": "GRFTH", "Großmutter": "GRMTH", "Vater": "FTH", "Mutter": "MTH", "Bruder": "BRO", "Schwester": "SIS",
    "Sohn": "SONC", "Tochter": "DAUC", "Onkel": "UNCLE", "Tante": "AUNT", "Cousin": "COUSN", "Eltern": "PRN",
    "Neffe": "NEPHEW", "Nichte": "NIECE",
}  # fmt: skip
"""Members of a family, with their codes of v3-RoleCode."""
_ALSO: Final = {
    "dad": "father", "mom": "mother", "mum": "mother", "oma": "Großmutter", "opa": "Großvater", "cousine": "Cousin",
    "grandpa": "grandfather", "grandma": "grandmother",
}  # fmt: skip
_BY_WORD: Final = {**{name.lower(): name for name in RELATIONS}, **_ALSO}
GERMAN: Final = frozenset(list(RELATIONS)[list(RELATIONS).index("Großvater") :])
"""The relations of German texts."""
_PLURAL: Final = re.compile(
    r"(?:brothers|sisters|sons|daughters|uncles|aunts|cousins|brüder|schwestern|söhne|töchter)"
)


def relation_of(word: str) -> str | None:
    """The relation that a word is for; None of several people, of whom a text does not say which."""
    folded = word.lower()
    return None if _PLURAL.fullmatch(folded) else _BY_WORD.get(folded)


WORDS: Final = "|".join(sorted(_BY_WORD, key=len, reverse=True))
