"""Who a sentence speaks of: relatives and other people, against the patient."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FAMILY", "OTHER", "PATIENT", "leading_person", "speaks_of_another"]

FAMILY: Final = re.compile(
    r"""\b(?:(?:step|god|grand|foster)?(?:father|mother)|(?:half-?)?(?:brother|sister)|(?:grand)?(?:son|daughter)
    |uncle|aunt|cousin
    |husband|wife|partner
    |mom|mum|dad|grand(?:ma|pa)|(?:grand)?parents?|siblings?|twins?|(?:boy|girl)?friend|spouse|nephew|niece
    |fianc[ée]e?
    |(?:room|flat|house)mates?|neighbou?rs?|co-?workers?|colleague|donor|another\ patient|Mitpatient\w*
    |Bettnachbar\w*|boss|carer|caregiver|Betreuer\w*|Verlobte[rn]?|in-laws|fet(?:us|al)|foetal|[MP]G[MF]
    |(?:groß|gross|urgroß|schwieger|stief|halb|adoptiv|pflege|paten)?(?:vater|mutter|bruder|brüder|schwester|sohn|söhne|tochter|töchter|onkel|tante|eltern)n?s?|Geschwister\w*
    |Zwilling\w*
    |Cousine?|Ehemann\w*|Ehefrau|Ehepartner\w*|Gatt(?:e|in)|Oma|Opa|Neffen?|Nichten?|Lebensgefährt\w+
    |Freund(?:in)?|Partnerin
    |Mitbewohner\w*|Nachbar\w*|Kolleg(?:e|in)|Spender\w*|fetale?[rns]?|Schwager|Schwägerin|Indexpatient\w*
    |proband|index\ case
    |(?:seine|ihre|die|der)\ Frau|(?:ihr|sein|der)\ Mann|children|Kinder)s?['’]?s?\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A person who is not the patient."""
_FAMILY_ITSELF: Final = re.compile(r"\b(?:family|FHx|familie\w*|familiär\w*)\b", re.IGNORECASE)
OTHER: Final = re.compile(
    r"""\b(?:husband|wife|spouse|partner|friend|doctor)(?:in)?['’]?s\b|\b(?:Ehemann|Ehefrau|Partner)\w*\b
    |\b(?:wife|husband|spouse|friend|neighbou?r|step|foster|in-law|(?:step|foster)\w+|Schwieger\w+|Stief\w+
    |(?:seine|ihre)\ Frau
    |Pflege(?:mutter|vater|eltern)
    |Nachbar\w*|Freund\w*|Schwager|Schwägerin|adopt\w*|Adoptiv\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A person who is no blood relative."""
PATIENT: Final = re.compile(
    r"\b(?:patient(?:in)?(?!['’]s)|pat\.|pt\b\.?(?!['’]s)|himself|herself|selbst|Herr|Frau|Mr|Mrs|Ms|Miss)\b(?!['’])",
    re.IGNORECASE,
)
_WITH: Final = re.compile(
    r"\b(?:live[sd]?|living|lebt|lebend|wohnt|wohnhaft|zusammen|accompanied|attended|attends"
    r"|came|comes|Begleitung|verheiratet|married)\b[^,;]*\Z",
    re.IGNORECASE,
)
_SOURCE: Final = re.compile(
    r"\b(?:per|laut|according\ to|says|said|reported\ by|by)\s+(?:\w+\s+)?\Z", re.IGNORECASE | re.VERBOSE
)
"""Before a person who only reports."""
_WHO: Final = re.compile(
    r"[^,;(]{0,30}[,(]\s*(?:who|which|whose|der|die|dessen|deren|welche[rs]?|he|she|er|sie)\b", re.IGNORECASE
)
_LEADING: Final = re.compile(
    r"""\W*(?:(?:the|his|her|their|our|my|patient['’]s|pt['’]?s|ihr|sein|ihre|seine|der|die|ein|eine|one|an?|auch
    |both|beide|only|older|oldest|eldest|younger
    |youngest|elder|maternal|paternal|mat\.?|pat\.?|late|biological|leiblicher?|älterer?|jüngerer?|verst\.?
    |verstorbener?|bei|beim
    |zwei|drei|two|three|mütterliche[rs]?|väterliche[rs]?)\s+){0,4}(?P<who>"""
    + FAMILY.pattern
    + r""")(?!-)|\W*(?:the\ |der\ |die\ )?(?:proband|index(?:patient\w*|\ case|\ patient))\s+(?:is|ist|was|war)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_MEN: Final = re.compile(
    r"(?:father|brother|son|uncle|husband|dad|grandpa|nephew|boyfriend|[mp]gf|vater|bruder"
    r"|brüder|sohn|söhne|onkel|mann|opa|neffe|gatte|freund|schwager)",
    re.IGNORECASE,
)
_WOMEN: Final = re.compile(
    r"(?:mother|sister|daughter|aunt|wife|mom|mum|grandma|niece|girlfriend|[mp]gm|mutter"
    r"|schwester|tochter|töchter|tante|frau|oma|nichte|gattin"
    r"|freundin|schwägerin|cousine|partnerin)",
    re.IGNORECASE,
)


def leading_person(text: str) -> str | None:
    """The person that a sentence begins with, by the pronouns for them: `m`, `f`, or `?`; None where it begins
    with none."""
    match = _LEADING.match(text)
    if match is None:
        return None
    who = match["who"] or text[match.end() : match.end() + 40]
    if _WOMEN.search(who):
        return "f"
    return "m" if _MEN.search(who) else "?"


def speaks_of_another(text: str, start: int, end: int, clause: tuple[int, int]) -> bool:
    """Whether what is from `start` to `end` of a sentence is said of another person than the patient.

    One that is named before it may be, unless the patient is named in between, or it is one whom the patient lives
    or came with; of those
    named after it, one within its clause.
    """
    for match in FAMILY.finditer(text, 0, end):
        if match.start() >= start:
            return True
        if PATIENT.search(text, match.end(), start):
            continue
        if (
            match.end() < clause[0]
            and _WITH.search(text, 0, match.start())
            and not _WHO.match(text, match.end())
        ):
            continue
        return True
    if _FAMILY_ITSELF.search(text, clause[0], end):
        return True
    after = FAMILY.search(text, end, clause[1])
    return (
        after is not None
        and _WITH.search(text[end : after.start()]) is None
        and _SOURCE.search(text[end : after.start()]) is None
    )
