"""Conditions of relatives, and who relatives are, by the words of both languages."""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CONDITION",
    "CONDITIONS",
    "RELATIONS",
    "WORDS",
    "condition_name",
    "relation_by_side",
    "relation_name",
    "relation_of",
    "relative_alone",
]

_CANCER: Final = r"(?:\ ?karzinome?n?s?|-?\ ?Ca\b\.?|krebs(?:erkrankung(?:en)?)?|tumore?n?)"
"""What ends the German name of one, as `<cancer>` in the table."""
_TABLE: Final = (
    # English name, German name, English words, German words, words of both
    (
        "sudden cardiac death", "plötzlicher Herztod",
        r"sudden\ cardiac\ deaths?|died\ suddenly(?=[^.]{0,12}\bSCD)",
        r"plötzliche[rnms]?\ (?:Herz-?\ ?|kardiale[rnms]?\ )tode?s?|plötzlich\ verstorben(?=\W{0,3}PHT)"
        r"|Herztodesf[aä]ll\w*|plötzlichen?\ Herztodesf[aä]ll\w*|PHT|Sekundentod",
        "SCD",
    ),
    (
        "sudden death", "plötzlicher Tod",
        r"sudden(?:\ unexplained)?\ deaths?|died\ (?:[\w']+\ ){0,4}suddenly|suddenly\ died|dropped\ dead|found\ dead"
        r"|died\ in\ (?:his|her)\ sleep"
        r"|(?:collapsed|fell)\ (?:and\ died|dead)",
        r"plötzliche[rnms]?\ (?:Tode?s?|Todesf[aä]ll\w*)"
        r"|plötzlich\ (?:und\ unerwartet\ )?(?:\w+\ ){0,4}(?:verstorben|gestorben|tot)|(?:verstarb"
        r"|starb)\ (?:\w+\ ){0,4}plötzlich|tot\ (?:\w+\ ){0,3}(?:aufgefunden|um(?:gefallen)?\b|zusammengebrochen)",
        "",
    ),
    (
        "hypertrophic cardiomyopathy", "hypertrophe Kardiomyopathie",
        r"hypertrophic\ (?:obstructive\ )?cardiomyopathy",
        r"hypertrophe[rn]?\ (?:obstruktive[rn]?\ )?(?:Kardiomyopathie|CMP|KMP)",
        "H(?:O|N)?CM",
    ),
    (
        "dilated cardiomyopathy", "dilatative Kardiomyopathie",
        r"dilated\ cardiomyopathy",
        r"dilatative[rn]?\ (?:Kardiomyopathie|CMP|KMP)",
        "DCM|DCMP",
    ),
    (
        "arrhythmogenic cardiomyopathy", "arrhythmogene Kardiomyopathie",
        r"arrhythmogenic\ (?:right\ ventricular\ )?cardiomyopathy",
        r"arrhythmogene[rn]?\ (?:rechtsventrikuläre[rn]?\ )?Kardiomyopathie",
        "ARVC|ARVD|ACM",
    ),
    (
        "cardiomyopathy", "Kardiomyopathie",
        "cardiomyopath(?:y|ies)",
        "Kardiomyopathien?|CMP|KMP",
        "",
    ),
    (
        "myocardial infarction", "Myokardinfarkt",
        r"(?:myocardial\ |(?<!cerebral\ )(?<!brain\ )(?<!renal\ ))infarct(?:ion)?s?|(?:fatal\ )?heart\ attacks?"
        r"|coronary\ thrombosis",
        r"(?:Myokard|Hinterwand|Vorderwand|Herz|Re)?infarkte?n?s?|Herzanf[aä]lle?n?s?|HI|AMI",
        "N?STEMI|MIs?",
    ),
    (
        "coronary artery disease", "koronare Herzkrankheit",
        r"(?:premature\ )?(?:coronary|ischa?emic)\ (?:artery\ |heart\ )?disease|CAD|CHD|IHD",
        r"koronare[rn]?\ Herz(?:krankheit|erkrankung)(?:en)?|KHK",
        "",
    ),
    (
        "heart failure", "Herzinsuffizienz",
        r"(?:congestive\ )?(?:heart|cardiac)\ failure|CHF",
        "Herzinsuffizienz|Herz(?:muskel)?schwäche",
        "",
    ),
    (
        "atrial fibrillation", "Vorhofflimmern",
        r"atrial\ fibrillation|A-?fib|AF",
        "Vorhofflimmerns?|VHF",
        "",
    ),
    (
        "long QT syndrome", "Long-QT-Syndrom",
        "long[- ]QT(?:[- ]syndrome)?",
        "Long-QT-Syndroms?",
        "LQTS?",
    ),
    (
        "Brugada syndrome", "Brugada-Syndrom",
        r"Brugada(?:\ syndrome)?",
        r"Brugada-Syndroms?|Brugada-(?=\ (?:oder|und|noch|bzw\.)\ )",
        "",
    ),
    (
        "Marfan syndrome", "Marfan-Syndrom",
        r"Marfan(?:['’]?s)?(?:\ syndrome)?",
        "Marfan-Syndroms?",
        "",
    ),
    (
        "aortic dissection", "Aortendissektion",
        r"aortic\ dissections?",
        "Aortendissektion(?:en)?",
        "",
    ),
    (
        "aortic aneurysm", "Aortenaneurysma",
        r"(?:abdominal\ |thoracic\ )?aortic\ aneurysms?|aneurysm\ of\ the\ (?:\w+\ )?aorta|AAA",
        r"(?:thorakale\w*\ |abdominelle\w*\ )?(?:Bauch)?Aortenaneurysm(?:as?|en)"
        r"|Aneurysma\ der\ (?:\w+\ )?(?:Bauch)?aorta|BAA",
        "",
    ),
    (
        "congenital heart disease", "angeborener Herzfehler",
        r"congenital\ heart\ (?:disease|defects?)",
        r"angeborene[rnm]?\ Herzfehlern?",
        "",
    ),
    (
        "heart disease", "Herzerkrankung",
        r"(?:heart|cardiac)\ (?:disease|conditions?|problems?)",
        "Herz(?:erkrankung|krankheit|leiden|problem)(?:en|e)?",
        "",
    ),
    (
        "stroke", "Schlaganfall",
        r"strokes?|CVAs?|TIAs?(?=\ and\ stroke)",
        "Schlaganfalls?|Schlaganfällen?|Apople(?:x|xie)|Hirninfarkte?n?s?",
        "",
    ),
    (
        "pulmonary embolism", "Lungenembolie",
        r"pulmonary\ embol(?:ism|us)|PE",
        "Lungenembolien?|LAE",
        "",
    ),
    (
        "deep vein thrombosis", "tiefe Venenthrombose",
        r"deep[- ](?:vein|venous)\ thrombos[ei]s|DVTs?",
        r"(?:tiefe[rn]?\ )?(?:Bein)?Venenthrombosen?|TVT",
        "",
    ),
    (
        "venous thromboembolism", "venöse Thromboembolie",
        r"(?:venous\ )?(?:thromboembolism|(?<!coronary\ )thrombos[ei]s)|blood\ clots?|VTE",
        r"(?:venöse\ )?Thromboembolien?|Thrombosen?",
        "",
    ),
    (
        "hypertension", "Hypertonie",
        r"(?:arterial\ )?hypertension|(?:high|raised|elevated)\ blood\ pressure|HTN|hypertensive",
        r"(?:arterielle[rn]?\ |art\.\ ?)?Hypertonie|Bluthochdruck\w{0,2}|(?:hohe|erhöhte)[rnm]?\ Blutdruck"
        r"|Hypertonus|Hypertoniker(?:in)?|aHT",
        "",
    ),
    (
        "hypercholesterolemia", "Hypercholesterinämie",
        r"(?:familial\ )?hypercholesterola?emia|(?:high|raised|elevated)\ cholesterol|hyperlipida?emia",
        r"(?:familiäre\ )?Hypercholesterinämie|(?:hohe|erhöhte)[sn]?\ Cholesterin\w*|Hyperlipidämie"
        r"|Hyperlipoproteinämie",
        "",
    ),
    (
        "diabetes", "Diabetes",
        r"T[12]DM|(?:type\ [12I]+\ )?diabetic",
        "Zucker(?:krankheit)?|(?:Typ-[12I]+-)?Diabetiker(?:in)?",
        r"(?:type\ [12I]+\ |Typ-[12I]+-)?diabetes(?:\ mellitus)?(?:\ (?:type|Typ)\ [12I]+)?|(?-i:DM)(?:\ ?(?:Typ\ "
        r"|type\ )?[12I]+)?",
    ),
    (
        "breast cancer", "Mammakarzinom",
        r"(?:carcinoma|cancer)\ of\ the\ breast|breast(?:\ (?:cancers?|ca\b\.?|carcinoma)|(?=(?:,|\ and|\ or|/"
        r"|,\ \w+,?)\ (?:\w+,?\ (?:or"
        r"|and)\ )?ovarian\ c))",
        r"Mamma-?<cancer>|Brust<cancer>|(?:Mamma|Brust)-(?=,?\ (?:oder|und|noch|bzw\.)\ \w+(?:karzinom|krebs"
        r"|-?Ca\b))",
        "",
    ),
    (
        "ovarian cancer", "Ovarialkarzinom",
        r"ovarian(?:\ (?:cancers?|ca\b\.?|carcinoma)|(?=(?:\ and|\ or|/)\ breast\ c))",
        r"Ovarial-?<cancer>|Eierstock<cancer>|(?:Ovarial|Eierstock)-(?=\ (?:oder|und|noch|bzw\.)\ \w+(?:karzinom"
        r"|krebs|-?Ca\b))",
        "",
    ),
    (
        "colon cancer", "Kolonkarzinom",
        r"(?:col(?:on|orectal)|bowel|rectal)\ (?:cancer|ca\b\.?|carcinoma)",
        "(?:Kolon|Colon|Darm|Rektum)-?<cancer>",
        "CRC",
    ),
    (
        "lung cancer", "Bronchialkarzinom",
        r"lung\ (?:cancer|ca\b\.?|carcinoma)",
        "(?:Bronchial|Lungen|Bronchus)-?<cancer>",
        "",
    ),
    (
        "prostate cancer", "Prostatakarzinom",
        r"prostat(?:e|ic)\ (?:cancer|ca\b\.?|carcinoma)",
        "Prostata-?<cancer>",
        "",
    ),
    (
        "pancreatic cancer", "Pankreaskarzinom",
        r"pancreatic\ (?:cancer|ca\b\.?|carcinoma)",
        "Pankreas-?<cancer>|Bauchspeicheldrüsen<cancer>",
        "",
    ),
    (
        "gastric cancer", "Magenkarzinom",
        r"(?:gastric|stomach)\ (?:cancer|ca\b\.?|carcinoma)",
        "Magen-?<cancer>",
        "",
    ),
    (
        "renal failure", "Niereninsuffizienz",
        r"(?:renal|kidney)\ (?:failure|disease)|end-stage\ renal\ disease|ESRD",
        "Niereninsuffizienz|Nierenversagen|Nierenerkrankung",
        "",
    ),
    (
        "cancer", "Krebs",
        "cancer|malignan(?:cy|cies)",
        r"Krebs(?:erkrankung(?:en)?)?|Malignom\w*|Tumorerkrankung(?:en)?",
        "",
    ),
)  # fmt: skip
"""More specific conditions first."""

CONDITIONS: Final = tuple((english, german) for english, german, *_ in _TABLE)
"""What the rules know, by its names in both languages."""
_CASED: Final = frozenset(
    "MI MIs HI AF AMI CMP KMP BAA AAA PHT CAD CHD IHD CHF HTN SCD PE LAE ACM CRC VTE".split()
)


def _condition() -> re.Pattern[str]:
    parts = []
    for number, (_, _, english, german, both) in enumerate(_TABLE):
        words = "|".join(one for one in (english, german, both) if one).replace("<cancer>", _CANCER)
        parts.append(f"(?P<c{number}>{words})")
    return re.compile(
        rf"(?<![\w-])(?:{'|'.join(parts)})(?!\w)(?!-(?!(?:Belastung|Anamnese|Häufung|Vorgeschichte|Erkrankung)))",
        re.IGNORECASE | re.VERBOSE,
    )


CONDITION: Final = _condition()
"""A condition; its group says which."""


def condition_name(match: re.Match[str], german: bool) -> str | None:
    """The name of a condition in a language; None of an abbreviation in other letters than its own (`hi`, `mi`)."""
    if match[0] not in _CASED and match[0].upper() in _CASED and match[0] not in ("Mi", "mi"):
        return None
    if match[0] in ("Mi", "mi", "hi", "af", "pe"):
        return None
    row = _TABLE[int((match.lastgroup or "c0")[1:])]
    return row[1] if german else row[0]


_KIN: Final = {
    "MGRFTH": ("maternal grandfather", "Großvater mütterlicherseits", "MGF"),
    "PGRFTH": ("paternal grandfather", "Großvater väterlicherseits", "PGF"),
    "MGRMTH": ("maternal grandmother", "Großmutter mütterlicherseits", "MGM"),
    "PGRMTH": ("paternal grandmother", "Großmutter väterlicherseits", "PGM"),
    "MAUNT": ("maternal aunt", "Tante mütterlicherseits", ""),
    "PAUNT": ("paternal aunt", "Tante väterlicherseits", ""),
    "MUNCLE": ("maternal uncle", "Onkel mütterlicherseits", ""),
    "PUNCLE": ("paternal uncle", "Onkel väterlicherseits", ""),
    "MCOUSN": ("maternal cousin", "Cousin mütterlicherseits", ""),
    "PCOUSN": ("paternal cousin", "Cousin väterlicherseits", ""),
    "GRFTH": ("grandfather", "Großvater", "grandpa granddad grandfathers opa opas grossvater großvaters"),
    "GRMTH": ("grandmother", "Großmutter", "grandma granny grandmothers oma grossmutter großmütter"),
    "GRPRN": ("grandparents", "Großeltern", "grandparent"),
    "FTH": ("father", "Vater", "dad fathers vaters väter vätern"),
    "MTH": ("mother", "Mutter", "mom mum mothers mütter"),
    "BRO": ("brother", "Bruder", "brothers brüder brüdern bruders"
            " halbbruder halbbruders halbbrüder zwillingsbruder zwillingsbruders"),
    "SIS": ("sister", "Schwester", "sisters schwestern"
            " halbschwester halbschwestern zwillingsschwester zwillingsschwestern"),
    "SONC": ("son", "Sohn", "sons söhne söhnen sohnes sohns"),
    "DAUC": ("daughter", "Tochter", "daughters töchter töchtern"),
    "UNCLE": ("uncle", "Onkel", "uncles onkeln onkels"),
    "AUNT": ("aunt", "Tante", "aunts tanten"),
    "COUSN": ("cousin", "Cousin", "cousins cousine cousinen vetter vettern kusine kusinen"),
    "PRN": ("parents", "Eltern", "parent"),
    "SIB": ("sibling", "Geschwister", "siblings geschwistern"),
    "NEPHEW": ("nephew", "Neffe", "nephews neffen"),
    "NIECE": ("niece", "Nichte", "nieces nichten"),
}  # fmt: skip
"""Members of a family by their codes of v3-RoleCode: the names in both languages, and other words."""
RELATIONS: Final = {name: code for code, (english, german, _) in _KIN.items() for name in (english, german)}
"""The code of a relation by its name."""
_BY_WORD: Final = {
    word.lower(): code
    for code, (english, german, others) in _KIN.items()
    for word in (english, german, *others.split())
    if " " not in word
}


def relation_of(word: str) -> str | None:
    """The code of the relation that a word is for."""
    return _BY_WORD.get(word.lower())


def relation_by_side(code: str, side: str) -> str | None:
    """The code of a relation on the mother's (`M`) or the father's (`P`) side; None where it has none."""
    return f"{side}{code}" if f"{side}{code}" in _KIN else None


def relation_name(code: str, german: bool) -> str:
    """The name of a relation in a language."""
    return _KIN[code][1 if german else 0]


WORDS: Final = "|".join(sorted(_BY_WORD, key=len, reverse=True))
_ALONE: Final = re.compile(
    rf"\W*(?:(?:maternal|paternal|older|younger|ältere[rn]?|jüngere[rn]?|his|her|ihre?|seine?)\s+)?(?P<who>{WORDS})"
    r"\s*(?:\([^()]*\)|,?\s*\d+\s*\w*\.?)?\s*:?\s*",
    re.IGNORECASE,
)


def relative_alone(line: str) -> str:
    """The word for a relative in a line of nothing else, as a heading of what is the relative's; else empty."""
    match = _ALONE.fullmatch(line)
    return match["who"] if match is not None else ""
