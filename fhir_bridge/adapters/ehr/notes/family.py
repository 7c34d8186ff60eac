"""Family history in a sentence: whose, which disease, and whether it is denied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from fhir_bridge.adapters.ehr.notes.conditions import (
    CONDITION,
    GERMAN,
    RELATIONS,
    WORDS,
    condition_name,
    relation_of,
)
from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.sentences import HYPOTHETICAL, UNCHANGED, Sentence

__all__ = ["RELATIONS", "family_history"]

_MEMBER: Final = re.compile(
    rf"""(?:^\W*|[:;,.(]\s*|\b(?:the\ patient's|pt['’]?s|his|her|the|an?|ihr|sein|der|die|bei\ der|beim|eine?|with|mit
    |maternal|paternal|in|and|und|both|beide|older|younger|half|elder|only|one|ein|mat\.?|pat\.?|beider|älterer|ältere
    |jüngerer|jüngere|leiblicher?|of|from)\ )
    (?P<member>{WORDS})\b(?!-)""",
    re.VERBOSE | re.IGNORECASE,
)
"""A relative who is the subject of a statement."""
_RELATIVE: Final = re.compile(rf"\b(?:{WORDS})s?\b", re.IGNORECASE)
_BETWEEN: Final = re.compile(
    rf"""(?:[\s:,;.(–/+&-]|\)|\d+(?:['’]?s)?|{CONDITION.pattern}
    |\b(?:mütterlicherseits|väterlicherseits|väterl|mütterl|des\ Patienten|der\ Patientin|maternal|paternal
    |had|has|have|having|with|w|died|dies|passed\ away|dead|deceased|of|from|is|ist|diagnosed|diag|dx|dxd|was
    |were|found\ to\ have
    |suffers?|suffered|carries|the\ diagnosis|survived|underwent|operated|surgery|treated|developed|h|o|s|p|hx
    |history|known
    |a|an|at|age|aged|in|his|her|their|early|late|mid|year|years|old|yrs?|yo|y|on|for|due|to|after|since|type
    |both|fatal|several
    |two|multiple|premature|severe|suddenly|and|und|alive|living
    |mit|hat|hatte|haben|hatten|leidet|litt|leiden|an|einem|einer|einen|eine|ein|am|im|erlitt|verstarb
    |verstorben|gestorben|starb|wurde|wegen|bei
    |Z|n|Zn|St|stattgehabt\w*|Alter|von|J|Jahren|Jahre|Lj|Lebensjahr|ca|Anfang|Mitte|Ende|plötzlich|art
    |arterielle\w*|Typ|bekannt\w*
    |beide|jung|früh|nach|tödlich\w*|rezidiv\w*|operiert\w*|diagnostiziert|erkrankt|betroffen|ebenfalls|auch
    |als|Kind|ED
    |und|sowie|familial|familiäre\w*|insulin|chronisch\w*|schwere\w*|ungefähr|rund|um|den|die|das|der)\b)*""",
    re.VERBOSE | re.IGNORECASE,
)
"""What may stand between a relative and a condition that is the relative's: any other word leaves it in doubt."""
_BEFORE: Final = re.compile(
    r"""[\s(]*(?:\b(?:in|of|an?|bei|beim|der|des|his|her|the|seiner|ihrer|seines|ihres|maternal|paternal
    |mother's|both|beiden
    |beide|fatal|at|age|aged|mit|im|Alter|von|J|Jahren)\b[\s.]*|\d+[\s,]*)*""",
    re.VERBOSE | re.IGNORECASE,
)
"""What may stand between a condition and the relative named after it."""
_HISTORY: Final = re.compile(
    r"""\b(?:family\ (?:history|hx)|fam\.?\ hx|FHx|FH|Familienanamnes(?:e|tisch)|FA|familiäre\ (?:Belastung
    |Vorbelastung)|familiär\ bekannte
    |in\ (?:the|his|her|der|ihrer|seiner)\ (?:family|Familie)|Familiär|runs\ in\ the\ family)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_IN_GERMAN: Final = re.compile(r"anamnes|är|\bFA\b|\b(?:der|ihrer|seiner)\b", re.IGNORECASE)
_DENIED: Final = re.compile(
    r"""^\W*(?:no|denies|denied|negative|keine?r?|kein\w*|verneint|without|ohne)\b|\bleer\b|\bunauffällig\b
    |\bneg(?:ativ\w*|\.)?(?=\s+(?:for|bzgl|für)\b)|\b(?:negativ|neg\.)|\bdenied\b|\bdenies\b|\bverneint\b
    |:\s*(?:none|keine)\W*$|\b(?:not|nicht)\ (?:known|bekannt)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_WITHOUT: Final = re.compile(
    r"\b(?:no|not|never|without|denies|negative|neg|keine?[nmrs]?|ohne|nicht|nie)\b[^,;:.]*$", re.IGNORECASE
)
"""Before a condition: a denial in its part of the sentence."""
_OF_ANOTHER: Final = re.compile(
    r"""\b(?:husband|wife|spouse|partner|friend|doctor)(?:in)?['’]?s\b|\b(?:Ehemann|Ehefrau|Partner)\w*\b
    |\b(?:wife|husband|friend|neighbou?r|step|foster|in-law|(?:step|foster)\w+|Schwieger\w+|Stief\w+
    |Pflege(?:mutter|vater|eltern)
    |Nachbar\w*|Freund\w*|Schwager|Schwägerin|adopt\w*)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_EXAMINED: Final = re.compile(
    r"\b(?:auf|screened|tested|examined|untersucht|getestet)\b.*\b(?:for|untersucht|getestet)\b",
    re.IGNORECASE,
)
_NO_STATEMENT: Final = re.compile(
    r"""\b(?:not\ obtained|unknown|not\ available|nicht\ erhoben|unbekannt|nicht\ verfügbar|healthy
    |alive\ and\ well|gesund
    |worri\w+|explained|discussed|informed|asks?|asked|screening|besprochen|erklärt|aufgeklärt|sorgt|besorgt|fragte?
    |Familiengespräch|Angehörigengespräch|meeting|ruled\ out|ausgeschlossen|V\.\ ?a|Verdacht
    |care\ of|while|während|visiting|clinic|Sprechstunde|holt|pick)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_PLAYED: Final = re.compile(
    r"\bwhile\ (?:playing|running|exercising|swimming|asleep|sleeping)\b", re.IGNORECASE
)
_SELF: Final = re.compile(r"\b(?:patient(?:in)?|pat\.|pt)\s+(?:is|ist|had|erlitt|hat|has)\b", re.IGNORECASE)


def family_history(sentence: Sentence) -> Iterator[Fact]:
    """The conditions of relatives that a sentence states or denies."""
    text = sentence.text
    history = _HISTORY.search(text)
    if history is None and _RELATIVE.search(text) is None:
        return
    if (
        HYPOTHETICAL.search(text)
        or UNCHANGED.search(text)
        or _NO_STATEMENT.search(_PLAYED.sub("", text))
        or _SELF.search(text)
        or _OF_ANOTHER.search(text)
        or _EXAMINED.search(text)
    ):
        return
    conditions = [match for match in CONDITION.finditer(text) if match[0]]
    members = list(_MEMBER.finditer(text))
    relatives = list(_RELATIVE.finditer(text))
    for match in conditions:
        whose = _whose(text, match, members, relatives)
        if whose is not None:
            relation, begin, end = whose
            if _WITHOUT.search(text[: match.start()]) or _denied_after(text, match.end()):
                continue
            name = condition_name(match, relation in GERMAN)
            if name is not None:
                yield _fact(sentence, name, begin, end, relation)
        elif history is not None:
            yield from _of_the_family(sentence, match, history, relatives)


def _whose(
    text: str, condition: re.Match[str], members: list[re.Match[str]], relatives: list[re.Match[str]]
) -> tuple[str, int, int] | None:
    """The relation, and the span of the statement."""
    last = next((member for member in reversed(members) if member.end() <= condition.start()), None)
    if last is not None:
        between = text[last.end() : condition.start()]
        relation = relation_of(last["member"])
        if relation and _BETWEEN.fullmatch(_PLAYED.sub("", between)) and not _RELATIVE.search(between):
            return relation, last.start("member"), condition.end()
    following = next((one for one in relatives if one.start() >= condition.end()), None)
    earlier = any(one.end() <= condition.start() for one in relatives)
    if following is not None and not earlier:
        relation = relation_of(following[0])
        if relation and _BEFORE.fullmatch(text, condition.end(), following.start()):
            return relation, condition.start(), following.end()
    return None


def _of_the_family(
    sentence: Sentence, match: re.Match[str], history: re.Match[str], relatives: list[re.Match[str]]
) -> Iterator[Fact]:
    """What is said of the family without saying of whom."""
    text = sentence.text
    if any(one.end() <= match.start() for one in relatives):
        return  # of one of them, in words that are not read
    name = condition_name(match, _IN_GERMAN.search(history[0]) is not None)
    if name is None:
        return
    part = text[: match.start()]
    if _DENIED.search(text) or _WITHOUT.search(part):
        end = max(match.end(), _anchor(history, match))
        yield _fact(sentence, name, len(text) - len(text.lstrip()), end, "", negated=True)
        return
    yield _fact(
        sentence, name, min(history.start(), match.start()), max(match.end(), _anchor(history, match)), ""
    )


def _anchor(history: re.Match[str], match: re.Match[str]) -> int:
    return history.end() if history.start() > match.start() else 0


def _denied_after(text: str, end: int) -> bool:
    return (
        re.match(r"\W*(?:denied|verneint|negativ|ruled out|ausgeschlossen)\b", text[end:], re.IGNORECASE)
        is not None
    )


def _fact(
    sentence: Sentence, name: str, start: int, end: int, relation: str, *, negated: bool = False
) -> Fact:
    begin = sentence.start
    return Fact("family", name, begin + start, begin + end, sentence.text[start:end], relation, negated)
