"""Family history in a sentence: whose, which disease, and whether it is denied.

A sentence is read from left to right. A relative is the subject of the conditions after it, as far as the words
between are known ones;
a condition without a subject is of the relative named right after it, or of the family where the sentence speaks
of that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from fhir_bridge.adapters.ehr.notes.conditions import (
    CONDITION,
    WORDS,
    condition_name,
    relation_by_side,
    relation_name,
    relation_of,
)
from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.modality import HYPOTHETICAL, general_words
from fhir_bridge.adapters.ehr.notes.persons import OTHER
from fhir_bridge.adapters.ehr.notes.sentences import MOST, UNCHANGED, Sentence

__all__ = ["family_history"]

_RELATIVE: Final = re.compile(rf"\b(?P<who>{WORDS})\b(?!-)(?!['’]s\b)(?!s['’])", re.IGNORECASE)
_IN_LAW: Final = (
    r"(?:Ehe)?Frau|(?:Ehe)?Mann(?:e?s)?|Partner(?:in|s)?|Freund(?:in|e?s)?|Lebensgefährt\w+|wife"
    r"|husband|partner|girlfriend|boyfriend"
)
_OTHER_PERSON: Final = re.compile(
    rf"\b(?:{WORDS})(?:-in-law|['’]s?\s+(?:\w+\s+)?(?:husband|wife|partner|friend|boyfriend"
    rf"|girlfriend|new\s+\w+))\b|\b(?:{_IN_LAW})\s+(?:of\s+)?(?:the|his|her|des|der|seine[rs]"
    rf"|ihre[rs])\s+(?:{WORDS})\b"
    rf"|\b(?:{WORDS})\s+(?:of\s+)?(?:his|her|des|der|seine[rs]|ihre[rs])\s+(?:{_IN_LAW})\b|{OTHER.pattern}",
    re.IGNORECASE | re.VERBOSE,
)
_SELF: Final = re.compile(
    r"\b(?:patient(?:in)?|pat\.|pt)\s+(?:is|ist|had|erlitt|hat|has)\b|\b(?:father|mother|dad"
    r"|mum|mom)\s+of\s+(?:two|three|four|five|six|\d)|\b(?:Mutter|Vater)\s+von\s+(?:zwei|drei"
    r"|vier|fünf|\d)|\b(?:is|ist)\s+(?:an?\s+|the\s+)?(?:father|mother|Vater|Mutter)\s+(?:of"
    r"|von)\b",
    re.IGNORECASE,
)
_KIN_WORDS: Final = r"""maternal|paternal|mat\.?|pat\.?|ms\.?|vs\.?|mütterlicherseits|väterlicherseits|väterl\.?
    |mütterl\.?|mütterliche[rs]?|väterliche[rs]?
    |older|younger|oldest|eldest|half|elder|only|one|two|three|several|both|beide|beiden|beider|zwei|drei|mehrere
    |älterer?|jüngerer?|leiblicher?|leibliche
    |the|his|her|an?|der|die|dem|den|ein|eine|einer|einem|beim|bei|ihr|ihre|ihrer|ihrem|sein|seine|seiner|seinem
    |patient['’]s|twin|all|alle|first|(?:ersten|zweiten|1\.|2\.)\ Grades|on\ (?:the|his|her)\ (?:mother|father
    |maternal|paternal|mum
    |dad)(?:['’]s)?\ side(?:\ of\ the\ family)?|in|of|auch|also|sowie|great"""
_SIDE_BEFORE: Final = re.compile(
    r"\b(?:(?P<mother>maternal|mat\.|mütterl(?:iche[rnms]?|\.))|paternal|(?-i:pat\.)|väterl(?:iche[rnms]?|\.))"
    r"\s*(?:(?:half|first|older|oldest|eldest|younger|youngest|late|ältere[rn]?|jüngere[rn]?)[\s-]+)?\Z",
    re.IGNORECASE,
)
_SIDE: Final = r"""(?:(?P<mother{0}>mütterlicherseits|mütterl\.|ms\.|maternal|(?:auf|on)\ (?:(?:the|his|her)\ )?
    (?:(?:mother|mum|mom)['’]s|maternal|mütterlicher)\ (?:side|Seite))|(?:väterlicherseits|väterl\.|vs\.|paternal
    |(?:auf|on)\ (?:(?:the|his|her)\ )?(?:(?:father|dad)['’]s|paternal|väterlicher)\ (?:side|Seite)))(?!\w)"""
_SIDE_AFTER: Final = re.compile(
    rf"(?:\s*\(\s*{_SIDE.format(1)}\s*\)|,?\s+{_SIDE.format(2)}(?!\s+(?:{WORDS})\b))",
    re.IGNORECASE | re.VERBOSE,
)
_JOINED: Final = re.compile(
    rf"(?:[\s,&/+(]|\b(?:and|und|u\.|as\ well\ as|plus|or|oder|sowie|{_KIN_WORDS})(?!\w))*",
    re.IGNORECASE | re.VERBOSE,
)
"""Between two relatives of whom the same is said."""
_PLAYED: Final = re.compile(
    r"\bwhile\ (?:playing|running|exercising|swimming|asleep|sleeping)(?:\ \w+)?\b|\bim\ (?:Schlaf|Training"
    r"|Urlaub)\w*\b|\bbeim\ "
    rf"(?!(?:{WORDS})\b)(?-i:[A-ZÄÖÜ])\w+",
    re.IGNORECASE | re.VERBOSE,
)
_OTHER_VERB: Final = rf"""\b(?:{WORDS}|patient(?:in)?|ask\w*|fear\w*|worr\w*|believ\w*|think\w*|thought|told
    |inform\w*|accompan\w*|visit\w*|br(?:ing|ought)\w*|car(?:es|ed|ing)
    |says?|said|reports?|concern\w*|tested(?!\ positive)|screen\w*|examin\w*|counsel\w*|risk\w*|exclude\w*
    |suspect\w*|possib\w*
    |question\w*|whether|if|until|because\ of\ h(?:is|er)
    |angst|frag\w*|sorg\w*|glaub\w*|mein[te]\w*|denk\w*|begleit\w*|br(?:ing|acht)\w*|pfleg\w*|bericht\w*|sag\w*
    |informier\w*|wünsch\w*|getestet|\w*testung|einbestell\w*|untersuch\w*
    |risiko\w*|ausgeschlossen|ausschluss|verdacht\w*|fraglich\w*|ob|falls|wenn|gesund\w*|healthy|well|normal\w*
    |unauffällig\w*|he|she|er|sie|his|her|him|ihm|ihr|daughter|son|wife|husband)\b"""
_BETWEEN: Final = re.compile(
    rf"""(?:[\s:,;.()\[\]–/+&@~†-]|\d+(?:['’]?s)?|¤
    |\b(?:{_KIN_WORDS}
    |des\ Patienten|der\ Patientin|who|which|whom|dem|dessen|deren|bei
    |had|has|have|having|with|w|d|died|dies|passed\ away|dead|deceased|of|from|is|ist|sind|are|diagnosed|diag|dx
    |dxd|was|recently|kürzlich|got
    |were|found\ to\ have|known|carr(?:y|ies)|remission|surveillance|under|born|Kontrolle|suffer|develop|die
    |\w+zigern?|transplant|list|\w*liste|auf|Vorjahr|letzte[nrs]?|vergangene[nrs]?|Jahr|last|ago|screening|dialys\w+|jetzt
    |now|den|neu|newly
    |diagnostizierte[rnms]?
    |(?:the\ )?diagnosis|Diagnose
    |survived|underwent|operated|surgery|treated
    |developed|h|o|s|p|hx|pos|positive
    |suffers?|suffered|history|statins|jeweils|each
    |an|at|age|aged|in|his|their|early|late|mid|year|years|old|yrs?|yo|y|on|for|due|to|after|since|type|before
    |vor|dem|under
    |both|fatal|several|two|multiple|premature|severe|suddenly|and|alive|living|lebt|verst|gest|recent|proven
    |confirmed|gesichert\w*
    |mit|hat|hatte|hatten|haben|leidet|litt|leiden|an|einen|am|im|erlitt|erlitten|verstarb|erkrankte|besteht
    |bestand|festgestellt
    |verstorben|gestorben|starb|wurde|wurden|wegen|Z|n|Zn|St|stattgehabt\w*|Alter|von|J|Jahren|Jahre|Lj
    |Lebensjahr\w*|ca|Anfang|Mitte|Ende|plötzlich|art|unter\ der\ Pille
    |arterielle\w*|Typ|bekannt\w*|jung|früh|nach|tödlich\w*|rezidiv\w*|operiert\w*|diagnostiziert|erkrankt
    |betroffen|ebenfalls|auch|postoperativ|als|Kind|ED
    |familial|familiäre\w*|insulin|chronisch\w*|schwere\w*|schweren|ungefähr|rund|um|das|schon|bereits|already|mg
    |hohen?|u|und
    |been|being|rupturiert\w*|ruptured|followed|ablation|CABG|PCI|stent\w*|bypass|ACB|transplant\w*|HTX|ICD
    |behandelt|Behandlung|Geburt
    |childbirth|OP|pregnancy|chemotherapy|(?!gesund|healthy|normal|unauff|relative|no\b)\w{{3,}}(?:ige|liche|ische
    |ale|äre|ive|ose)[rnms]?|\w{{4,}}(?:ic|al|ive|ous|ary))(?!\w))*""",
    re.VERBOSE | re.IGNORECASE,
)
"""What may stand between a relative and a condition that is the relative's, where no verb says that it is."""
_PREDICATE: Final = re.compile(
    rf"""(?:,\s*(?:(?:an?|the|ein|eine|der|die)\s+)?\w+(?:\s\w+)?,|[\s:,(]|\([^()]*\)|\d+|\b(?:{_KIN_WORDS}
    |des\ Patienten|der\ Patientin|who|which|der|die|dem|bei|at
    |aged?|J|im\ Alter\ von|Jahren)(?!\w)\.?)*(?:tested\ positive\ and\ )?
    \b(?:has|had|have|having|is|was|were|are|got|died|suffer(?:s|ed)|survived|developed|diagnosed|found|carries
    |carried|underwent|need(?:s|ed)|required|received
    |experienced|takes|lived|lebte|lost|fell|brach|collapsed|presented|became|hat|hatte|hatten|haben|habe|wird
    |werden|being|ist|sind
    |war|waren
    |wurde|wurden
    |kam|trägt|tragen|leidet|leiden|litt|litten|erlitt|erlitten|bekam
    |bekamen|starb|starben|verstarb|verstorben|gestorben|erkrankte|erkrankten|entwickelte|nimmt|nehmen|musste|fiel
    |überlebte|sei|seien|stehen|steht)\b
    (?:(?!{_OTHER_VERB})[^;:?]){{0,80}}""",
    re.IGNORECASE | re.VERBOSE,
)
"""A verb by which a condition after it is the relative's, with the words between."""
_POST_MORTEM: Final = re.compile(
    rf"""(?:(?!{_OTHER_VERB})[^;?]){{0,70}}?\b(?:post-?\ ?mortem|autops\w+|necropsy|coroner\w*|obduktion|sektion
    |autoptisch|pathologisch)\b(?:(?!{_OTHER_VERB})[^;?]){{0,50}}""",
    re.IGNORECASE | re.VERBOSE,
)
"""What was found after the death of a relative."""
_APPOSITION: Final = re.compile(r",\s*(?:an?\s+)?[^\W\d]+(?:\s[^\W\d]+)?,")
"""What a relative is, between commas."""
_BEFORE: Final = re.compile(
    rf"""(?:[\s(–-]|\b(?:{_KIN_WORDS}|des|fatal|at|age|aged|mit|im|Alter|von|J|Jahren|confirmed|bekannt\w*|known
    |familiär|familial
    |recently|festgestellt|gesichert)(?!\w)[\s.,]*|\d+[\s,]*)*""",
    re.VERBOSE | re.IGNORECASE,
)
"""What may stand between a condition and the relative named after it."""
_HISTORY: Final = re.compile(
    r"""\b(?:family\ (?:medical\ )?(?:history|hx)|fam\.?\ hx|FHx|FmHx|FH|Familienanamnes(?:e|tisch)|FA
    |familiäre[rn]?\ (?:Belastung|Disposition|Häufung
    |Vorbelastung)|familiär(?:\ bekannte)?
    |familiäre[rnms]?(?=[^.;]*\bverneint)|auf\ (?:mütterlicher|väterlicher|beiden)\ Seiten?
    |familiäre[rnms]?(?=\s+\S+-(?:Belastung|Anamnese|Häufung|Vorgeschichte|Erkrankung))
    |(?<=Hinweis\ auf\ )familiäre[rnms]?|(?<=Anhalt\ für\ )familiäre[rnms]?
    |in\ (?:(?:the|his|her|their|der|ihrer|seiner)\ )?(?:immediate\ |close\ |wider\ |extended\ |engeren[ ]
    |gesamten\ )?(?:family|Familie)(?:\ history)?
    |(?:members?\ of\ (?:the|his|her)|(?:no\ one|nobody|anyone|anybody|none|someone|others)\ in\ (?:the|his
    |her))\ family|family\ members?|Familienmitglied\w*|Blutsverwandte\w*
    |(?:(?:first|second|1st|2nd|close|near)[- ](?:degree\ )?|blood\ |any\ )?relatives?(?!\ (?:reduction|contra|wall
    |change|decrease|increase))|(?:next\ of\ )?kin|(?:nahen?\ )?(?:Verwandte|Angehörige)[nr]?(?:\ (?:ersten
    |1\.)\ Grades)?|Verwandtschaft
    |on\ (?:either|both|the\ (?:mother|father)['’]s|his\ \w+['’]s|her\ \w+['’]s|the\ (?:maternal|paternal))\ sides?
    |runs?\ in\ the\ family
    |Familie)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_IS_HISTORY: Final = re.compile(
    r"(?:family\ (?:medical\ )?(?:history|hx)|fam\.?\ hx|FHx|FmHx|FH|Familienanamnese|FA|familiäre[rn]?\ \w+)\Z",
    re.IGNORECASE | re.VERBOSE,
)
"""Words for the history of the family: its conditions follow, what stands before is the patient's."""
_OF: Final = re.compile(r"\s*(?:of|for|für|mit|durch|von)\b", re.IGNORECASE)
_GOES_ON: Final = re.compile(
    r"\s*(?:(?:is\ |ist\ )?pos(?:itive?|itiv)?\.?\s*)?(?:,|(?:and|und|sowie|plus|as\ well\ as)\b)[^:]*\Z",
    re.IGNORECASE | re.VERBOSE,
)
"""After a history of which nothing is stated: what follows is the patient's."""
_BEGINS: Final = re.compile(
    r"\b(?:and|und|sowie|but|aber|jedoch|plus|with|mit)\s+(?:(?:an?|eine[rnm]?|no|keine?[rnm]?"
    r"|(?:known|strong|positive?|bekannte?|positiv|stark)(?:e[rnm])?)\s+)*\Z",
    re.IGNORECASE,
)
"""Before words for the family with which another part of the sentence begins."""
_ANOTHER: Final = re.compile(r"¤.*\b(?:and|und|sowie|plus)\b", re.IGNORECASE)
_NAMED: Final = re.compile(r"\s*(?::\s*(?:(?:no|keine?|strong|positive?|negative?)\s+)?)?", re.IGNORECASE)
"""Between a condition and the history that is asked of it: `CAD: no family history`."""
_RISKS: Final = ("hypertension", "diabetes", "hypercholesterolemia")
"""What stands beside a family history in a list of the patient's risk factors."""
_LINK_WORDS: Final = r"""of|for|with|positive?|positiv|negativ|pos|significant|notable|remarkable|strong
    |premature|early|known|affected|by|betroffen|does|do|bekannt\w*|has|have|had|been|suffered|several|many|members
    |one|anyone|who|kommt|kommen
    |traten|trat|besteht|bestehen|gibt|gab|es|liegt|vor
    |mehrere|mehrfach|mehrmals|einige|viele|hat|haben|hatte|hatten|litt|litten|an|bei|unter|among|on|to|of\ note
    |worth|der\ Patientin|des\ Patienten|engeren|nahen|Hinweise?|Anhalt|evidence|bzgl|bezüglich|hinsichtlich|für
    |von|mit|gehäuft\w*|is|are|ist|sind
    |includes?|including|and|or|und|oder|sowie|hx|history|an?|eine?|einer|eines|fälle|vermehrt|durch|belastet
    |there|in|the|der|die|das|no|nil|none|not|any|neg|negative?|nor|neither|weder|noch
    |keine?[nrms]?|relevant\w*|leer|frühe[rn]?|finden|findet|sich|wird|werden|wurde|other|sonst|family|familiär
    |familial|familiäre\w*|plus|also|auch|but|aber|jedoch|however|auftreten|s|hereditary|runs"""
_LINK: Final = re.compile(rf"(?:[\s:,./()–-]|\b(?:{_LINK_WORDS})(?!\w)|¤)*", re.IGNORECASE | re.VERBOSE)
"""Between words for the family and a condition in it."""
_CLOSED: Final = re.compile(
    r"\b(?:leer|nil|none|negative?|negativ|o\.?\ ?B|unauffällig|unremarkable"
    r"|neg)\s*[.,;](?!\s*(?:for|für|bzgl|bezüglich))",
    re.IGNORECASE | re.VERBOSE,
)
"""The family has nothing: what follows is of the patient."""
_NO: Final = (
    r"(?:no|nil|not|never|nobody|none|niemand|without|denie[sd]|negative?|neg|neither|nor|keine?[nmrs]?|ohne|nicht"
    r"|nie|weder|noch|negativ"
    r"|leer|unauffällig|verneint|free)"
)
_WITHOUT: Final = re.compile(rf"\b{_NO}\b", re.IGNORECASE)
_YES: Final = re.compile(
    r"\b(?:but|aber|jedoch|however|positive?|pos\.?|except|apart from|other than|save for|außer|bis auf"
    r"|abgesehen von|mit Ausnahme|dafür|sondern)\b",
    re.IGNORECASE,
)
_OR: Final = re.compile(r"\b(?:or|nor|oder|noch|und|and|bzw)\b|/", re.IGNORECASE)
_DENIED_AFTER: Final = re.compile(
    r"""\b(?:denied|verneint\w*|negiert\w*|negative?|leer|ausgeschlossen|ruled\ out|unauffällig|unremarkable
    |bland\w*|(?:not|nicht)\ (?:known
    |bekannt|present|vorhanden|vor|aufgetreten|vorgekommen|beobachtet)|(?:familie|verwandtschaft
    |family)\ (?:bisher\ )?nicht|(?:family|familie)\ (?:none|nil|keine?[rs]?)|gibt\ es\ [^,;.]*\bnicht
    |unknown\ to)\b|(?::
    |-)\s*(?:none|no|nein|keine|nil|negativ)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_EMPTY: Final = re.compile(r"\W*(?:leer|negativ)\b", re.IGNORECASE)
_DENIED_ALL: Final = re.compile(
    rf"[,;]\s*(?:(?:and|but|und|aber)\s+)?(?P<no>{_NO})\s+(?:(?:other|further|weiteren?|sonstigen?)\s+)?\Z",
    re.IGNORECASE,
)
"""After what is stated of relatives: a condition is denied of the family, where it is in the plural."""
_PLURAL: Final = re.compile(
    r"""(?:strokes|attacks|deaths|MIs|CVAs|DVTs|clots|cancers|infarct(?:ion)?s|aneurysms|dissections|defects
    |opathies|malignancies|fällen?|infarkten?|[kc]arzinomen?|tumoren?|thrombosen|embolien|opathien|krankungen
    |aneurysmen|dissektionen|fehlern?)\Z""",
    re.IGNORECASE | re.VERBOSE,
)
_EXAMINED: Final = re.compile(
    r"\b(?:auf|screened|tested|examined|untersucht|getestet)\b.*\b(?:for|untersucht|getestet)\b|\bscreening\ (?:for"
    r"|auf|of|der|des|aller|recommended|advised|offered|empfohlen|geplant|is|wird|ist)\b",
    re.IGNORECASE,
)
_NO_STATEMENT: Final = re.compile(
    r"""\b(?:not\ obtained|unknown|not\ available|could\ not\ be|nicht\ erhoben|nicht\ erhebbar|unbekannt
    |nicht\ verfügbar|explained|discussed|informed
    |asks?|asked|besprochen|erklärt|aufgeklärt|sorgt|besorgt|\w*frag(?:te?|en|ten)|enquire\w*|inquire\w*
    |Familiengespräch|Angehörigengespräch|meeting
    |V\.\ ?a|Verdacht
    |care\ of|takes\ care|while\ (?:s?he|caring|looking)|während\ (?:sie|er|eines|des)|visiting|(?:heart|cardiac
    |genetics?|cancer|diabetes|family)\ (?:\w+\ )?clinic|Sprechstunde|holt|pick|ruled\ out|Angst|afraid|anxious
    |Beistand|is\ pregnant|unconfirmed|unclear|unsicher|unklar|angeblich|reportedly|allegedly|probabl[ey]|likely
    |maybe|perhaps|vielleicht|wahrscheinlich|ist\ schwanger)\b
    |\b(?:wurde|was)\b[^.;]*\b(?:ausgeschlossen|excluded)\b""",
    re.VERBOSE | re.IGNORECASE,
)
_UNSETTLED: Final = re.compile(
    r"""\b(?:abgeklärt|Abklärung|vermutet\w*|befürchtet\w*|angenommen\w*|vermeintlich\w*|angeblich\w*|mutmaßlich\w*
    |ausstehend\w*|suppos(?:ed|edly|ition)|alleged|putative|presum\w+|thought\ to|believed\ to|assumed\ to|mistaken\w*
    |turned\ out|(?:entpuppt|stellt)e\ sich|work-?up|worked\ up|awaited|outstanding
    |under\ (?:investigation|evaluation)|being\ (?:evaluated|investigated|assessed|tested|considered)
    |withdrawn|revised|rejected|retracted|revidiert|verworfen|widerrufen|(?:nicht|not)\ (?:bestätigt|confirmed)
    |wird\b[^,;]*\b(?:untersucht|geprüft|getestet|diskutiert)|steh(?:t|en)\b[^,;]*\baus)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""In the clause of a condition: it is suspected, looked into, or was another."""
_HEALTHY: Final = re.compile(
    r"\b(?:healthy|alive\ and\ well|gesund\w*|unaffected|well|nicht\ betroffen|not\ affected)\b",
    re.IGNORECASE | re.VERBOSE,
)
_RISK: Final = re.compile(
    r"\b(?:risk\ of|risks?\ for|(?<!familiäres\ )Risiko|Risk-SCD|risk\ score)\b", re.IGNORECASE | re.VERBOSE
)


class _Kin(NamedTuple):
    code: str
    """Empty of a person who is no relative, or the patient."""
    start: int
    end: int


def _kin(text: str, match: re.Match[str]) -> _Kin:
    """A relative, with the words for the mother's or father's side."""
    code, start, end = relation_of(match["who"]) or "", match.start(), match.end()
    side = _SIDE_BEFORE.search(text, 0, start) or _SIDE_AFTER.match(text, end)
    if side is None or not (sided := relation_by_side(code, "M" if any(side.groups()) else "P")):
        return _Kin(code, start, end)
    return _Kin(sided, min(start, side.start()), max(end, side.end()))


_NOT_KNOWN: Final = re.compile(
    r"""\b(?:no|without)\ (?:information|data|details|records?|knowledge)\b
    |\bkeine\ (?:angaben?|informationen|daten|auskunft|kenntnis\w*)\b|\b(?:is|are|was)\ (?:not\ )?known\ because\b
    |\b(?:does|did|do)\ not\ deny\b|\bverneint\b[^.;]*\bnicht\b|\b(?:not\ true|stimmt\ nicht|untrue)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""That nothing is known, or that a denial is denied."""


def family_history(sentence: Sentence) -> Iterator[Fact]:
    """The conditions of relatives that a sentence states or denies."""
    text = sentence.text
    if (
        UNCHANGED.search(text)
        or _NOT_KNOWN.search(text)
        or _NO_STATEMENT.search(_PLAYED.sub("", text))
        or _SELF.search(text)
        or _EXAMINED.search(text)
        or _RISK.search(text)
        or general_words(text, 0, 0) is not None
        or sentence.section.kind in ("general", "plan")
    ):
        return
    others = list(_OTHER_PERSON.finditer(text))
    kin = [
        _kin(text, one)
        for one in _RELATIVE.finditer(text)
        if not any(other.start() <= one.start() < other.end() for other in others)
    ]
    kin = sorted([*kin, *(_Kin("", one.start(), one.end()) for one in others)], key=lambda one: one.start)
    anchors = list(_HISTORY.finditer(text))
    dead = _of_the_dead(sentence, kin)
    if sentence.heir and not kin:
        dead = [_Kin(relation_of(sentence.heir) or "", 0, 0)]
    if not (kin or anchors or dead) and sentence.section.kind != "family":
        return
    conditions = [one for one in CONDITION.finditer(text) if condition_name(one, True) is not None]
    if len(conditions) + len(kin) + len(anchors) > 2 * MOST:
        return
    seen: set[tuple[str, str, bool]] = set()
    for fact in _walk(sentence, kin, conditions, anchors, dead):
        key = (fact.value, fact.relation, fact.negated)
        if key not in seen:
            seen.add(key)
            yield fact


def _walk(
    sentence: Sentence,
    kin: list[_Kin],
    conditions: list[re.Match[str]],
    anchors: list[re.Match[str]],
    subjects: list[_Kin],
) -> Iterator[Fact]:
    text = _masked(sentence.text, conditions)
    german = sentence.in_german
    loose: list[re.Match[str]] = []
    """Conditions without a subject so far."""
    first = False
    """Whether the subjects were named after their conditions."""
    at = 0
    marks: list[_Kin | re.Match[str]] = sorted(
        [*kin, *conditions], key=lambda one: one.start if isinstance(one, _Kin) else one.start()
    )
    for number, mark in enumerate(marks):
        if isinstance(mark, _Kin):
            gap = text[at : mark.start]
            following = marks[number + 1] if number + 1 < len(marks) else None
            own = (
                following is not None
                and not isinstance(following, _Kin)
                and bool(_BETWEEN.fullmatch(_PLAYED.sub("", text[mark.end : following.start()])))
                and ")" not in text[mark.end : following.start()]
            )
            previous = marks[number - 1] if number else None
            if first and isinstance(previous, _Kin) and _JOINED.fullmatch(gap) and not own and mark.code:
                subjects.append(mark)
                for condition in loose:
                    yield from _stated(sentence, mark, condition, german)
            elif isinstance(previous, _Kin) and subjects and not first and _JOINED.fullmatch(gap):
                subjects.append(mark)
            elif (
                isinstance(previous, re.Match)
                and not subjects
                and loose
                and (_BEFORE.fullmatch(gap) or _is_cell(sentence, text, loose[0].start(), gap, mark.end))
                and not (own and "," in gap)
                and not _is_negated(text, loose[-1])
            ):
                subjects, first = [mark], True
                listed = _listed(text, loose)
                others = [one for one in loose if one not in listed]
                yield from _of_the_family(sentence, text, others, anchors, kin, german)
                loose = listed
                for condition in loose:
                    yield from _stated(sentence, mark, condition, german)
            else:
                if not first:
                    yield from _of_the_family(sentence, text, loose, anchors, kin, german)
                subjects, first, loose = [mark], False, []
            at = mark.end
            continue
        gap = text[at : mark.start()]
        if subjects and not first and _WITHOUT.search(gap) and _link(sentence, text, mark, anchors, False):
            subjects, loose = [], [mark]
        elif (
            subjects
            and sentence.section.kind == "family"
            and not sentence.is_owned
            and _PLURAL.search(mark[0])
            and (no := _DENIED_ALL.search(gap)) is not None
            and (name := condition_name(mark, german)) is not None
        ):
            yield sentence.fact("family", name, at + no.start("no"), mark.end(), negated=True)
            subjects, first = [], False
        elif subjects and not first:
            plain = _APPOSITION.sub("", _WITHOUT.sub("", _YES.sub("", _PLAYED.sub("", gap))))
            clear = any(kind.fullmatch(plain) for kind in (_BETWEEN, _PREDICATE, _POST_MORTEM))
            aside = at > subjects[-1].end or gap.lstrip().startswith(")")
            ended = sentence.section.kind == "risk" and "," in gap and aside
            if clear and not ended and all(one.code for one in subjects):
                for one in subjects:
                    yield from _stated(sentence, one, mark, german)
            elif subjects[-1].code and (
                ended or any(anchor.start() >= subjects[-1].end for anchor in anchors)
            ):
                subjects, loose = [], [mark]
            else:
                subjects = [_Kin("", mark.start(), mark.end())]
        elif first and subjects:
            subjects, first, loose = [], False, [mark]
        else:
            loose.append(mark)
        at = mark.end()
    if not first:
        yield from _of_the_family(sentence, text, loose, anchors, kin, german)


_CELL: Final = re.compile(r"\s*[:|\n]\s*")
_ROW_ENDS: Final = re.compile(r"\s*(?:[,;(.\n:|]|\Z|(?:and|und|sowie)\b|\d)", re.IGNORECASE)


def _is_cell(sentence: Sentence, text: str, start: int, gap: str, end: int) -> bool:
    """Whether a relative is named in the cell after that of a condition, in a row of a table on the family."""
    return (
        sentence.section.kind == "family"
        and not text[:start].strip(" |+")
        and _CELL.fullmatch(gap) is not None
        and _ROW_ENDS.match(text, end) is not None
    )


def _of_the_dead(sentence: Sentence, kin: list[_Kin]) -> list[_Kin]:
    """The relative of whose post-mortem a sentence begins to speak: the last one of the sentence before it."""
    match = _POST_MORTEM.match(sentence.text)
    if match is None or sentence.before is None or any(one.start < match.end() for one in kin):
        return []
    *_, last = [None, *_RELATIVE.finditer(sentence.before.text)]
    return [_Kin(_kin(sentence.before.text, last).code, 0, 0)] if last is not None else []


def _masked(text: str, conditions: list[re.Match[str]]) -> str:
    """A text with a sign for each character of its conditions."""
    pieces: list[str] = []
    at = 0
    for one in conditions:
        pieces += (text[at : one.start()], "¤" * (one.end() - one.start()))
        at = one.end()
    return "".join(pieces) + text[at:]


def _listed(text: str, conditions: list[re.Match[str]]) -> list[re.Match[str]]:
    """The last of some conditions, with those that are joined to it."""
    joined = [conditions[-1]]
    for one in reversed(conditions[:-1]):
        if not re.fullmatch(r"[\s/]*(?:and|und|or|oder)?\s*", text[one.end() : joined[0].start()]):
            break
        joined.insert(0, one)
    return joined


def _stated(sentence: Sentence, kin: _Kin, condition: re.Match[str], german: bool) -> Iterator[Fact]:
    text = sentence.text
    name = condition_name(condition, german)
    start, end = min(kin.start, condition.start()), max(kin.end, condition.end())
    clause = sentence.clause(condition.start(), condition.end())
    around = _around(sentence, start, end)
    if not kin.code or name is None or HYPOTHETICAL.search(text, *around) or _UNSETTLED.search(text, *around):
        return
    denied = None
    if kin.end <= condition.start():
        for match in _WITHOUT.finditer(text, kin.end, condition.start()):
            denied = match
        if denied is not None and not _YES.search(text, denied.end(), condition.start()):
            return
    if (
        text[: condition.start()].rstrip().endswith("?")
        or text[:start].rstrip().endswith("?")
        or (not german and _RIVAL.match(text, condition.end()))
        or _is_negated(text, condition)
        or re.match(
            r"[\s:]*(?:denied|verneint|negativ|ruled out|ausgeschlossen|none|nein|no)\b",
            text[end:],
            re.IGNORECASE,
        )
    ):
        return
    if _HEALTHY.search(text, *clause) and not re.search(r"\b(?:not|nicht)\b", text[clause[0] : clause[1]]):
        return
    yield sentence.fact("family", name, start, end, relation_name(kin.code, german))


_RIVAL: Final = re.compile(r"\s*(?:vs\.?|versus)\s+\w", re.IGNORECASE)
"""Between two conditions of which one is meant; in German `vs.` is the father's side."""


def _around(sentence: Sentence, start: int, end: int) -> tuple[int, int]:
    """The clauses from one place to another."""
    return sentence.clause(start, start + 1)[0], sentence.clause(end - 1, end)[1]


_SHORTENED: Final = re.compile(r"\b(?:bzgl|bez|insb|inkl|v\.\ ?a|i\.\ ?S|z\.\ ?B)\.\s", re.IGNORECASE)


def _is_negated(text: str, condition: re.Match[str]) -> bool:
    """Whether a denial stands before a condition in its part of the sentence."""
    return _denial(text, condition) is not None


def _denial(text: str, condition: re.Match[str]) -> re.Match[str] | None:
    last = None
    for match in _WITHOUT.finditer(text, 0, condition.start()):
        last = match
    if last is None:
        return None
    between = _SHORTENED.sub(" ", text[last.end() : condition.start()])
    if _YES.search(between) or ";" in between or re.search(r"[.:]\s", between.lstrip(".")):
        return None
    listed = between.replace("¤", "")
    if "," in listed and not (re.search(r"\b(?:or|nor|oder|noch)\b", text[last.start() :], re.IGNORECASE)):
        return None if re.search(r",[^,]*\w", listed) or not listed.strip(" ,") else last
    if re.search(rf"\b(?:{WORDS})\b", between, re.IGNORECASE) and "," in between:
        return None
    return last


def _of_the_family(
    sentence: Sentence,
    text: str,
    conditions: list[re.Match[str]],
    anchors: list[re.Match[str]],
    kin: list[_Kin],
    german: bool,
) -> Iterator[Fact]:
    """What is said of the family without saying of whom."""
    headed = sentence.section.kind == "family" and (
        sentence.is_under_heading or sentence.is_joined or _goes_on_to_deny(sentence)
    )
    for condition in conditions:
        name = condition_name(condition, german)
        span = _link(sentence, text, condition, anchors, headed)
        if span is None or name is None:
            continue
        around = _around(sentence, *span)
        if HYPOTHETICAL.search(text, *around) or _UNSETTLED.search(text, *around):
            continue
        if any(
            one.code and one.start >= condition.end() and _BEFORE.fullmatch(text, condition.end(), one.start)
            for one in kin
        ):
            continue
        if any(
            one.start < condition.start() and anchors and one.start > anchors[0].end() and one.code
            for one in kin
        ):
            continue
        denial = _denial(text, condition)
        after = text[condition.end() :]
        stop = re.search(r"[;]|\b(?:but|aber|jedoch)\b", after)
        after = after[: stop.start()] if stop else after
        if denial is not None:
            yield sentence.fact("family", name, min(denial.start(), span[0]), span[1], negated=True)
        elif (follows := _DENIED_AFTER.search(after) or _EMPTY.match(after)) is not None:
            end = max(span[1], condition.end() + follows.end())
            yield sentence.fact("family", name, span[0], end, negated=True)
        elif _WITHOUT.search(
            text, condition.end(), sentence.clause(condition.start(), condition.end())[1]
        ) or (_WITHOUT.search(text[: condition.start()]) and not _YES.search(text[: condition.start()])):
            continue
        else:
            yield sentence.fact("family", name, span[0], span[1])


_DENIES: Final = re.compile(
    rf"\W*(?:s?he|er|sie|(?:the\s+)?patient(?:in)?|pt|pat\.?)?\s*{_NO}\b", re.IGNORECASE
)


def _goes_on_to_deny(sentence: Sentence) -> bool:
    """Whether a sentence after one on relatives does nothing but deny conditions."""
    before = sentence.before
    return (
        before is not None
        and before.section is sentence.section
        and (_RELATIVE.search(before.text) is not None or _goes_on_to_deny(before))
        and _DENIES.match(sentence.text) is not None
    )


def _link(
    sentence: Sentence, text: str, condition: re.Match[str], anchors: list[re.Match[str]], headed: bool
) -> tuple[int, int] | None:
    """The span of a condition and the words for the family that it is linked to; None where it is to none."""
    at_risk = sentence.section.kind == "risk"
    for anchor in anchors:
        if anchor.end() <= condition.start():
            gap = text[anchor.end() : condition.start()]
            led = not at_risk and (anchor.start() <= 2 or sentence.body >= anchor.end())
            commas = (
                "," in gap
                and not led
                and (at_risk or not re.search(r"\b(?:neither|weder|no|keine?)\b", gap, re.IGNORECASE))
            )
            if commas or (_IS_HISTORY.match(anchor[0]) and _GOES_ON.match(gap)):
                continue
            if at_risk and _ANOTHER.search(gap) and condition_name(condition, False) in _RISKS:
                continue
            if _LINK.fullmatch(gap) and not _CLOSED.search(gap):
                return anchor.start(), condition.end()
        elif anchor.start() >= condition.end():
            gap = text[condition.end() : anchor.start()]
            if _BEGINS.search(gap) or (_IS_HISTORY.match(anchor[0]) and not _NAMED.fullmatch(gap)):
                continue
            if _IS_HISTORY.match(anchor[0]) and _OF.match(text, anchor.end()):
                continue
            if at_risk and "," in gap and not _WITHOUT.search(text, 0, condition.start()):
                continue
            if _LINK.fullmatch(gap) and not re.search(r"\(|,\s*$", gap):
                return condition.start(), anchor.end()
    if sentence.is_owned:
        return None
    if headed and _LINK.fullmatch(text[sentence.body : condition.start()].lstrip("+ ")):
        return condition.start(), condition.end()
    if (
        sentence.body
        and sentence.section.kind == "family"
        and _LINK.fullmatch(text[sentence.body : condition.start()])
        and not _CLOSED.search(text[: condition.start()])
    ):
        return condition.start(), condition.end()
    return None
