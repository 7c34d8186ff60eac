"""Of when a finding is: of the day of its note, or of another."""

from __future__ import annotations

import re
from datetime import date
from typing import Final

__all__ = [
    "EARLIER",
    "NOW",
    "day_order",
    "is_as_before",
    "is_dated",
    "is_dated_otherwise",
    "moment",
    "without_dates",
]

_MONTHS: Final = "j[aä]n feb m[aä]r apr ma[iy] jun jul aug sep o[ck]t nov de[cz]".split()
_WORDS: Final = rf"(?:{'|'.join(_MONTHS)})[a-zä]*\.?"
_DATE: Final = re.compile(
    rf"""(?<![\d.,])(?:
    (?P<y1>(?:19|20)\d\d)-(?P<m1>\d\d)-(?P<d1>\d\d)
    |(?P<d2>\d{{1,2}})\.\s?(?P<m2>\d{{1,2}})\.\s?(?P<y2>(?:19|20)?\d\d)(?!\d)
    |(?P<d3>\d{{1,2}})/(?P<m3>\d{{1,2}})/(?P<y3>(?:19|20)?\d\d)(?!\d)
    |(?P<d4>\d{{1,2}})\.?[\s-](?P<w4>{_WORDS})[\s-](?P<y4>(?:19|20)\d\d)
    |(?P<m5>\d{{1,2}})[/.](?P<y5>(?:19|20)\d\d)(?![\d.])
    |(?P<w6>{_WORDS})\s(?:\d{{1,2}},?\s)?(?P<y6>(?:19|20)\d\d)
    |(?P<d7>\d{{1,2}})\.(?P<m7>\d{{1,2}})\.(?=\D|$)
    |(?P<y8>(?:19|20)\d\d)(?![\d%]|\s?(?:ml|mg|ng|pg|cm|mm|g|kg|x)\b)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_FULL_MONTHS: Final = (
    "January|February|March|April|June|July|August|September|October|November|December"
    "|Januar|Jänner|Februar|März|Mai|Juni|Juli|Oktober|Dezember"
)
_NEAR_DAYS: Final = 60
"""A finding of a day so short before the note is one of the note."""
_SPAN: Final = re.compile(
    r"""\b(?:last|previous|past)\ (?:year|spring|summer|autumn|fall|winter|christmas|visit|review|admission
    |appointment|time|clinic)
    |\b(?:years?|yrs?|months?|mos?)\ (?:ago|earlier|before|prior)\b
    |\b(?:im|seit\ dem)\ (?:Vorjahr|Vormonat)|\bVorjahr\b|\b(?:letzte|vorige|vergangene)[smnr]?\ (?:Jahre?s?
    |Frühjahr|Sommer|Herbst
    |Winter|Vorstellung|Kontrolle|Visite|Aufenthalt\w*|Besuch|Mal)\b
    |\bvor\ (?:\w+\ ){0,2}(?:Jahr|Monat)(?:e|en)?\b""",
    re.IGNORECASE | re.VERBOSE,
)
NOW: Final = re.compile(
    r"""\b(?:now|current(?:ly)?|today(?:['’]s)?|at\ present|presently|(?:at|on)\ (?:the\ time\ of[ ]
    |hospital\ )?discharge|pre-?discharge|at\ (?:the\ )?(?:exit|completion)
    |this\ (?:time|visit|study|scan|admission|stay)|diese[mr]\ (?:Aufenthalt|Vorstellung|Untersuchung|Visite)
    |present\ (?:one|value|study|scan|echo)
    |aktuelle?[rnms]?|jetzt|derzeit(?:ig\w*)?|heute|heutige[rnms]?|inzwischen|mittlerweile|momentan|nunmehr|nun
    |gegenwärtig|bei\ Entlassung
    |zum\ (?:Entlassungszeitpunkt|Zeitpunkt\ der\ Entlassung)|(?:wir|können)\ [^.;]{0,40}\bentlassen
    |Abschluss(?:echo|untersuchung|befund)\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
EARLIER: Final = re.compile(
    r"""\b(?:previous(?:ly)?|prev|prior(?!\ to\b)|earlier|former(?:ly)?|once|had\ (?:been|fallen|risen|sunk|come
    |gone|\w+ed)
    |used\ to\ be
    |initial(?:ly)?|initiale?[rnms]?|baseline|nadir|lowest|worst|Tiefpunkt|minimal(?!\s+(?:\w+\s+)?(?:exertion|effort|activity|walking))|usually|normally|habitual(?:ly)?
    |üblicherweise|normalerweise|original(?:ly)?|old|
     (?:at|on|since|before)\ (?:initial\ |first\ |the\ time\ of\ )?(?:diagnosis|presentation)
    |at\ (?:that|the)\ time(?!\ of\ discharge)|back\ then|at\ (?:the\ time\ of\ )?(?:implant\w*|surgery|operation
    |transplant\w*|enrol\w*)|(?:bei|vor)\ (?:\w*implantation|OP|Operation|Einschluss|Transplantation|Therapiebeginn)
    |then(?=\ (?:showed|revealed|gave|was|demonstrated))
    |at\ onset|back\ in|in\ the\ past|in\ der\ Vergangenheit
    |vor\ (?:der|dem
    |seiner|ihrer)\ (?!Entlassung|Krankenhausentlassung|Belastung|nächsten)\w+|as\ a\ child|in\ childhood
    |in\ der\ Kindheit
    |zwischenzeitlich\w*|vorübergehend\w*|temporar\w+|transient(?:ly)?|Alt(?:akte|befund\w*)|Vorbrief\w*
    |old\ records
    |first\ (?:presented|seen|diagnosed)|when\ (?:\w+\ ){0,4}(?:diagnosed|presented)
    |pre-?\ ?(?:op\w*(?!\w*\ (?:assessment|evaluation|work-?up|review|clinic|echo|check))|transplant|CRT|TAVI|MI
    |chemo\w*(?!\ cycles?\ (?:\d\d|[2-9]))|procedure|ablation|implant\w*)
    |(?<!as\ )(?:before|prior\ to)(?!\ (?:discharge|dismissal|leaving|exercise|(?:the\ |his\ |her\ |each\ )?(?:next
    |upcoming|planned|forthcoming)\b|cycles?\ (?:\d\d|[2-9])))
    |Erst(?:vorstellung|kontakt|manifestation|untersuchung)|als\ [^,;]{1,40}\ (?:diagnostiziert|festgestellt)
    |früher\w*|zuvor|vormals|vorher\w*|ehemals|ehemalige?\w*|damals|damalige\w*|seinerzeit|ursprünglich\w*|einst
    |alte?[rnms]?
    |Vor-?\ ?(?:EF|LVEF|befund\w*|unters\w*|aufnahme\w*|echo\w*|wert\w*)|Ausgangs\w*|niedrigste\w*|tiefste\w*
    |sonst
    |(?:bei|zum\ Zeitpunkt\ der)\ (?:Erstdiagnose|ED|Diagnose\w*|Erstmanifestation|Diagnosestellung)
    |prä-?\ ?(?:op\w*(?!\w*\ (?:Abklärung|Untersuchung|Vorbereitung|Diagnostik|Evaluation|Visite))
    |interventionell)|vor\ (?:der\ |dem\ )?(?:OP|HTX|TAVI|CRT\w*|ICD\w*|AKE|\w*operation|\w*implantation
    |\w*ablation|\w*therapie|Chemo\w*|PCI
    |\w*transplantation|\w*eingriff|\w*beginn|\w*ersatz)|war\ (?:noch|schon)|noch(?=\ (?:bei\ )?\d))\b""",
    re.IGNORECASE | re.VERBOSE,
)
_MONTH: Final = re.compile(
    r"\b(?:in|from|im|vom|of|last|letzten|\d{1,2}\.?)\s+(?:early\s|late\s|mid-?|Anfang\s|Mitte\s|Ende\s)?"
    rf"(?P<month>(?-i:{_FULL_MONTHS}))\b(?!\s*(?:\d|will|zur|wird))",
    re.IGNORECASE,
)
"""A month without its year."""
_STAY_BEFORE: Final = re.compile(
    r"\b(?:previous|prior|last|vorherige[rnms]?|letzte[rnms]?|vorige[rnms]?)\s+(?:admission"
    r"|hospitali[sz]ation|stay|discharge|Aufenthalt\w*|Entlassung)",
    re.IGNORECASE,
)
_CITED: Final = re.compile(
    r"\b(?:according to|as per|per|laut|gemäß|in)\s+(?:the\s+|a\s+|dem\s+"
    r"|einem\s+)?(?:\w+\s+)?(?:discharge\s+)?(?:summary|letter|report|records?|\w*(?:brief|bericht|befund"
    r"|unterlagen))\b",
    re.IGNORECASE,
)
"""A document that is cited."""
_EVENT: Final = re.compile(
    r"""(?:\b(?:s/p|status\ post|h/o|hx\ of|history\ of|known|since|Status\ nach|Zustand\ nach|diagnosed(?:\ in)?
    |bekannt|seit|ED)\b|Z\.?\ ?n\.|St\.?\ ?n\.)
    [^,;()%]*?(?:(?:19|20)\d\d)(?!\s+(?:with|mit)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""What happened to the patient, with a time of its own."""


def without_dates(text: str) -> str:
    """A text without what is a date, a year or a word of time in it."""
    return _DATE.sub(" ", text)


def _apart(match: re.Match[str], day: date | None) -> bool:
    """Whether a date is of another time than the day."""
    if match["m7"]:  # day and month alone
        return False
    group = match.groupdict()
    year = next(int(group[f"y{n}"]) for n in (1, 2, 3, 4, 5, 6, 8) if group.get(f"y{n}"))
    year += 2000 if year < 100 else 0
    if day is None:
        return True
    if match["y8"]:
        return year != day.year
    days: list[tuple[int, int]] = []
    if match["y1"]:
        days = [(int(match["m1"]), int(match["d1"]))]
    elif match["y2"]:
        days = [(int(match["m2"]), int(match["d2"]))]
    elif match["y3"]:
        one, other = int(match["d3"]), int(match["m3"])
        days = [(one, other), (other, one)]
    elif match["y4"]:
        days = [(_month(match["w4"]), int(match["d4"]))]
    elif match["y5"]:
        days = [(int(match["m5"]), 0)]
    elif match["y6"]:
        days = [(_month(match["w6"]), 0)]
    for month, of_month in days:
        if of_month == 0:
            if 0 <= (day.year - year) * 12 + day.month - month <= 2:
                return False
            continue
        try:
            named = date(year, month, of_month)
        except ValueError:
            continue
        if abs((day - named).days) <= _NEAR_DAYS:
            return False
    return True


def day_order(text: str) -> tuple[int, int, int] | None:
    """Year, month and day of a text that is a date, as far as it says; None of one that is none."""
    match = _DATE.fullmatch(text.strip(" ():."))
    if match is None:
        return None
    group = {name: int(word) for name, word in match.groupdict().items() if word and name[0] != "w"}
    words = next((_month(match[name]) for name in ("w4", "w6") if match[name]), 0)
    year = next((group[name] for name in group if name[0] == "y"), 0)
    month = words or next((group[name] for name in group if name[0] == "m"), 0)
    return (
        year + 2000 if 0 < year < 100 else year,
        month,
        next((group[name] for name in group if name[0] == "d"), 0),
    )


def _month(word: str) -> int:
    folded = word[:3].lower()
    return next(at for at, each in enumerate(_MONTHS, 1) if re.match(each, folded))


def is_dated(text: str) -> bool:
    """Whether a text names a day, month or year."""
    return _DATE.search(text) is not None or _MONTH.search(text) is not None


def is_dated_otherwise(text: str, day: date | None, *, events: bool = False) -> bool:
    """Whether a text names another time than a day; a year where that is unknown is one. Times of events are not
    its own."""
    own = text if events else _EVENT.sub(" ", text)
    return (
        _SPAN.search(own) is not None
        or any(_apart(match, day) for match in _DATE.finditer(own))
        or any(_is_far(_month(match["month"]), day) for match in _MONTH.finditer(own))
    )


def _is_far(month: int, day: date | None) -> bool:
    """Whether a month, by its name alone, is another time than a day."""
    return day is None or (day.month - month) % 12 > 2


_AS_BEFORE: Final = re.compile(
    r"\b(?:unchanged|no\s+(?:\w+\s+)?change|unverändert\w*|keine\s+(?:\w+\s+)?Änderung|stable|stabil)\b[^:;,%\d]{0,50}:",
    re.IGNORECASE,
)
"""A comparison to an earlier finding, after which the one of now is stated."""
_BASELINE: Final = re.compile(
    r"\b(?:baseline|Ausgangs)(?:\b|(?=echo|befund|wert|untersuchung))-?", re.IGNORECASE
)
"""What is earlier, but where it has a date near that of the note."""


def is_as_before(text: str) -> bool:
    """Whether words compare a finding of now to an earlier one that was the same."""
    return _AS_BEFORE.search(text) is not None


def moment(before: str, after: str, day: date | None) -> int:
    """Of when a value is by the words around it: 1 of now, -1 of another time, 0 where they do not say."""
    before = _AS_BEFORE.sub(" ", before)
    if is_dated(before) and not is_dated_otherwise(before, day):
        before = _BASELINE.sub(" ", before)
    if _STAY_BEFORE.search(before) or _STAY_BEFORE.search(after):
        return -1
    if _CITED.search(before) and is_dated_otherwise(before, day):
        return -1
    if NOW.search(before) or NOW.search(after):
        return 1
    if EARLIER.search(before) or EARLIER.search(after):
        return -1
    return -1 if is_dated_otherwise(before, day) or is_dated_otherwise(after, day) else 0
