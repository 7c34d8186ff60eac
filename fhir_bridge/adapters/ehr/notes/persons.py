"""Who a sentence speaks of: relatives and other people, against the patient."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["FAMILY", "OTHER", "PATIENT", "leading_person", "names_another", "speaks_of_another"]

FAMILY: Final = re.compile(
    r"""\b(?:(?:step|god|grand|foster)-?\ ?(?:father|mother|son|daughter|child(?:ren)?|parents?|nephew|niece)
    |(?:father|mother)(?:-in-law)?|(?:half-?)?(?:brother|sister)|son|daughter
    |uncle|aunt|cousin
    |(?:ex-?)?(?:husband|wife)|partner|widow(?:er)?\ of|stepdad|stepmum|stepmom|child(?:ren)?(?!['’]s\ (?:hospital
    |clinic|ward))|kids?|infant|newborn|baby
    |mom|mum|dad|grand(?:ma|pa)|(?:grand)?parents?|siblings?|twins?|(?:boy|girl)?friend|spouse|nephew|niece
    |relatives|(?:a|one|blood)\ relative
    |fianc[ée]e?|companion
    |(?:room|flat|house|team|class|cell|work)-?mates?|neighbou?rs?|co-?workers?|colleague|\w*donor|recipient
    |(?:that|this\ other)\ (?:man|woman|person|gentleman|lady)
    |(?:previous|voriger?|vorherige[rn]?)\ patient|another\ (?:patient|man|woman|person|resident)
    |(?:other|second|further|different|next)\ (?:patient|man|woman|person|gentleman|lady|resident|passenger)s?
    |(?:patient|man|woman|gentleman|lady|boy|girl|person|occupant|someone|one)\ (?:opposite|across
    |next\ (?:to|door)|(?:in|of|from)\ the\ (?:next|neighbou?ring|adjacent|opposite|other))
    |fellow\ \w+|lodger|tenant|landlord|landlady|boss|(?:line\ )?manager|supervisor|employer|employee|manager['’]s
    |carer|caregiver
    |care\ worker|group\ members?|members?\ of|(?:two|three|four|some|several|many|both)\ others
    |someone|somebody|acquaintances?|guests?|Mitpatient\w*
    |Bettnachbar\w*|Betreuer\w*|Verlobte[rn]?|in-laws|fet(?:us|al)|foetal|[MP]G[MF]
    |(?:groß|gross|urgroß|schwieger|stief|halb|adoptiv|pflege|paten|kinds|kindes|zwillings|ur)?(?:vater|mutter
    |bruder|brüder|schwester|sohn|söhne|tochter|töchter|onkel|tante|eltern|enkel(?:in|innen|kind(?:er)?)?
    |nichte)n?s?|Geschwister\w*
    |Zwilling\w*|(?-i:Kind(?:er|ern|es|s)?)(?!\ regards)|Säugling\w*|(?:eine?[rsmn]?|der|die|seine?[rmn]?
    |ihre?[rmn]?)\ Bekannte[rn]?(?!\ (?-i:[A-ZÄÖÜ]))|Verwandte[rn]?|Angehörige[rn]?
    |Cousine?|(?:Ex-?)?Ehe(?:mann|frau|partner|gatt)\w*|Gatt(?:e|in)|Oma|Opa|Neffen?|Lebens(?:gefährt|partner)\w+
    |Freund(?:in|es|e)?|Partnerin|Kumpels?
    |\w*bewohner\w*|\w*(?:nachbar|genoss)\w*|\w*kolleg(?:e|in|en)
    |\w*kamerad\w*|\w*spender\w*|Empfänger\w*|fetale?[rns]?|Schwager\w*|Schwägerin\w*|Indexpatient\w*
    |\w*chef(?:in|s)?|Vorgesetzte[rn]?|\w*leiter(?:in)?|Pflege(?:kraft|kräfte|rin|r)|Haushaltshilfe
    |(?:Gruppen)?Mitglied\w*|(?:Unter
    |Ver)mieter\w*
    |(?:andere[rnms]?|weitere[rnms]?|zweite[rnms]?|nächste[rnms]?)\ (?:Patient\w*|Pat\.|Kranke\w*|Person\w*|Mann
    |Frau|Teilnehmer\w*)
    |proband|index\ case
    |(?:seine[rn]?|ihre[rn]?|die|der)\ (?:\w+e[rn]?\ )?Frau(?!\ (?-i:[A-ZÄÖÜ]))|(?:ihre?[nms]?|sein
    |der)\ (?:\w+e[rn]\ )?Mann(?:es)?)s?['’]?s?\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A person who is not the patient."""
_FAMILY_ITSELF: Final = re.compile(r"\b(?:family|FHx|familie\w*|familiär\w*)\b", re.IGNORECASE)
_IN_FAMILY: Final = re.compile(
    r"\s*\b(?:in\ (?:the|an?|his|her|der|ihrer|seiner)\ (?:family|Familie)|bei\ einem\ Familien)",
    re.IGNORECASE,
)
_HISTORY: Final = re.compile(
    r"\b(?:family\ (?:medical\ )?(?:history|hx)|FHx?|Familienanamnese|familiäre[rn]?\ (?:Vorb|B)elastung)\b",
    re.IGNORECASE | re.VERBOSE,
)
"""With which what is said of relatives begins: what stands before it is the patient's."""
OTHER: Final = re.compile(
    r"""\b(?:husband|wife|spouse|partner|friend|doctor)(?:in)?['’]?s\b|\b(?:Ehemann|Ehefrau|Partner)\w*\b
    |\b(?:wife|husband|spouse|friend|neighbou?r|step|foster|in-law|(?:step|foster)\w+|Schwieger\w+|Stief\w+
    |(?:seine|ihre)\ Frau
    |Pflege(?:mutter|vater|eltern)
    |Nachbar\w*|Freund\w*|Schwager|Schwägerin|angeheiratete[rnms]?\s+\w+|\w+\s+by\ marriage|adopt\w*|Adoptiv\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""A person who is no blood relative."""
PATIENT: Final = re.compile(
    r"\b(?:patient(?:in)?(?!['’]s)|pat\.|pt\b\.?(?!['’]s)|(?:s?he|s?ie|er|ich|I)\s+(?:himself|herself|selbst|own)"
    r"|his\s+own|her\s+own"
    r"|(?:Herrn?|Frau|Hr|Fr|Mr|Mrs|Ms|Miss)\b\.?(?=\s+(?:(?:Dr|Prof)\.?\s+)*(?-i:[A-ZÄÖÜ])[\w'’-]+))\b(?!['’]s)",
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
_OCCASION: Final = re.compile(
    r"\b(?:when|after|since|before|until|because|due to|for|als|nach|seit|bis|wegen|weil|bei(?:\s+der)?\s+Geburt)\b",
    re.IGNORECASE,
)
"""Before a person who is named for the time or the reason of what the patient did."""
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


_GENITIVE: Final = re.compile(r"\s*(?:,|(?:of|von)?\s*(?:the|der|des|dem|unsere[rs]|our))?\s*", re.IGNORECASE)
"""Between a person and the patient whose relative or friend it is."""
_DETERMINED: Final = re.compile(
    r"(?:^|[,;(]|\b(?:and|but|und|aber|dass|that|weil|because))\s*(?:the|an?|his|her|their|our|one|der|die|das"
    r"|eine?|sein|seine|ihre?|unsere?)\s+(?P<who>(?:[\w-]+\s+){1,4})\Z",
    re.IGNORECASE,
)
_OF_PATIENT: Final = re.compile(
    r"\b(?:patient(?:in)?|pat|pt|man|woman|lady|gentleman|male|female|mann|frau|herr|dame|rentner(?:in)?"
    r"|rehabilitand(?:in)?|versicherte[rn]?|betroffene[rn]?"
    r"|\d+[- ]?(?:year|jähr)\w*|year-old)\b",
    re.IGNORECASE,
)


def names_another(before: str) -> bool:
    """Whether the subject right before a verb is a person or thing by a name that is none for the patient."""
    match = _DETERMINED.search(before)
    return match is not None and _OF_PATIENT.search(match["who"]) is None


def speaks_of_another(text: str, start: int, end: int, clause: tuple[int, int]) -> bool:
    """Whether what is from `start` to `end` of a sentence is said of another person than the patient.

    One that is named before it may be, unless the patient is named in between, or it is one whom the patient lives
    or came with, or an item of a list that is on the patient; of those named after it, one within its clause.
    """
    for match in FAMILY.finditer(text, 0, end):
        if match.start() >= start:
            return True
        named = PATIENT.search(text, match.end(), start)
        if named is not None and _GENITIVE.fullmatch(text, match.end(), named.start()) is None:
            continue
        if (
            match.end() < clause[0]
            and _WITH.search(text, 0, match.start())
            and not _WHO.match(text, match.end())
        ):
            continue
        if _is_item(text, match, start, clause[0]):
            continue
        return True
    if _FAMILY_ITSELF.search(text, clause[0], end) or _IN_FAMILY.match(text, end):
        return True
    after = FAMILY.search(text, end, clause[1])
    return (
        after is not None
        and _WITH.search(text[end : after.start()]) is None
        and _SOURCE.search(text[end : after.start()]) is None
        and _OCCASION.search(text[end : after.start()]) is None
        and _HISTORY.search(text[end : after.start()]) is None
    )


def _is_item(text: str, person: re.Match[str], start: int, clause: int) -> bool:
    """Whether a person is named in an item of a list that began with the patient, and a finding begins another."""
    item = text.rfind(",", 0, person.start())
    own = text.rfind(",", 0, start)
    return (
        0 < item < person.end() <= own
        and own < clause <= start
        and len(text[clause:start].split()) <= 1
        and "(" not in text[person.end() : start]
        and len(text[item:own].split()) <= _SHORT
        and FAMILY.search(text, 0, item) is None
        and _VERB.search(text, item, own) is None
    )


_SHORT: Final = 7
_VERB: Final = re.compile(
    r"\b(?:who|is|was|has|had|der|die|hat|hatte|ist|war|wurde|lives?|lebt)\b(?!-)", re.IGNORECASE
)
