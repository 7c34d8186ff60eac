"""What speaks for a value being a finding of the patient: a value without any of it is none, it may be anybody's."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.adapters.ehr.notes.sentences import Sentence
from fhir_bridge.adapters.ehr.notes.times import NOW

__all__ = ["is_asserted"]

_PATIENT: Final = re.compile(
    r"""\b(?:patient(?:in|en)?|pat|pts?|s?he|his|her|him|your?|er|sie|ihr\w*|sein(?:e[rmns]?)?|ihm|description
    |schilderung
    |angaben|account|Herrn?|Frau|Hr|Fr|Mr|Mrs|Ms)\b|\b\d+[- ]?(?:year|yr|y/?o|yo|jähr|[MF]\b|J\.)""",
    re.IGNORECASE | re.VERBOSE,
)
_EXAMINED: Final = re.compile(
    r"""\b(?:\w*echo\w*|TTE|TOE|TEE|[ck]?-?MR[TI]|CMR|MUGA|SPECT|\w*ventri[ck]ulogra\w+|l(?:ä|ae)vo\w*|\w*scan
    |\w*ultraschall\w*|ultrasound
    |\w*kardiogra\w+|\w*cardiogra\w+|\w*kathet\w+|cath\w*|szinti\w*|imaging|bildgebung|Simpson|biplane?|visuell
    |visually|eyeball\w*|teichholz|[234]D|GLS|images?|Bilder\w*|RVEF|TAPSE|LVEDD
    |MOD|bp|EDV|ESV|LAVI|LVEDV|sPAP|RVSP|E/[eA]['’]?|RWMA|WBST|QRS|LBBB|LSB|NT-?pro\w*|BNP)\b
    |\d\s*(?:mm|cm|ml|mmHg|/min|kg|ms|bpm|mg|pg|ng|µg|mcg|m\b|W\b|METs?)""",
    re.IGNORECASE | re.VERBOSE,
)
_FINITE: Final = re.compile(
    r"""\b(?:was|were|shows?|showed|reveal\w*|demonstrat\w*|measur\w+|estimat\w+|calculat\w+|report\w*|quantif\w+
    |quanti\w+|remain\w*|record\w+|assess\w+
    |improv\w+|recover\w+|normali[sz]\w+|f[ae]ll(?:en)?|dropped|declin\w+|deterior\w+|worsen\w*|rose|risen
    |increased|decreased|climb\w+|came|come|is|are|has|had
    |zeigt\w*|erg[ai]bt?|ergeben|betr(?:ug|ägt)|l(?:ag|iegt)|gemessen|geschätzt\w*|errechnet\w*|bestimmt|bleibt
    |blieb|ist|war|hat|hatte|besteht|bestand|gebessert|verbessert
    |verschlechtert|erholt|gestiegen|gesunken|abgefallen|angestiegen|wurde|findet|fand(?:en)?|weist|wies|sieht
    |befindet|stands|steht|reads|schafft|felt|judged|ordnet?|sch(?:ä|ae)tze|presents?|went|gone|progressed
    |vorstellung)\b""",
    re.IGNORECASE | re.VERBOSE,
)
_ILL: Final = re.compile(
    r"""(?:heart|cardiac|ventri[ck]|LV\b|HF\w*\b|cardiomyopath|CM\b|DCM|ICM|HCM|CMP|kardiomyopath|insuffizien|herz
    |dysfunction|LVSD|dysfunktion|funktion|function|impair|depress|inotrop|milrinon|dobutamin|reduc|reduz|preserv
    |erhalten
    |eingeschr|dyspn|breath|SOB|puff|symptom|beschwerde|luftnot|atemnot|belast|exertion|angina|AP\b|CCS|oedem|ödem
    |edema|orthopn|dilat|hypokin|akin|schock|shock|infar[ck]t|STEMI|KHK|CAD|CABG
    |PCI|AF\b|VHF|valve|klappe|stenos|insuff|CRT|ICD|TAVI|LVAD|HTX|dekomp|decomp|stabil|stable|euvol|leistung
    |capacity|AZ\b|tolerance|gehstrecke|walk|stair|treppe|fatigue|müde|tired
    |COPD|CKD|CHI\b|HI\b|DM\b|aHT|HTN|amyloid|myokard|myocard|tako|takotsubo|scar|narbe|thromb|ischä|ischae|diastol
    |systol|volumen|volume|status
    |grade|rhythm|comfort|beschwerdefrei|frei\b|unchanged|unverändert)""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words of illness and of what is seen of it."""
_COURSE: Final = re.compile(
    r"""->|→|\b(?:(?:on|unter)\ (?:\w+\ )?(?:therap\w+|treatment|behandlung)|arrival|admission|presentation
    |discharge|aufnahme|entlassung|rose|anstieg|despite|trotz|OMT|GDMT|latest|(?:most\ )?recent(?:ly)?
    |aktuellste\w*|zuletzt|weiterhin|persist\w*
    |zurzeit|still|anstieg|abfall|besserung|verbesserung|verschlechterung|progress\w*
    |rekompens\w*|mittelung|(?:down|up)\ to|crept|vermessen|this\ morning|yesterday|gestern)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words of the course of an illness."""
_SEVERE: Final = re.compile(
    r"""\b(?:hoch|mittel|leicht)gradig\w*|\b(?:severe|moderate|mild)(?:ly)?\b|\b(?:impaired|reduced|poor|preserved
    |reduziert\w*|erhaltene\w*|gute|good)\b
    |hypokin|akin|dilat|thromb|\b(?:fitted|implanted|angelegt|implantiert)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""How a function is seen to be."""
_DEFINITE: Final = re.compile(r"\b(?:the|this|die|diese)\s+(?:[\w-]+\s+){0,2}\Z", re.IGNORECASE)
_COLUMN: Final = re.compile(r"\s{4}|\n")
"""Between a name and its value in a form or a table."""
_DATED: Final = re.compile(r"\d{1,2}[./]\d{1,2}[./]|\b(?:19|20)\d\d\b|\b\d{1,2}/\d{2,4}\b")
_LISTED: Final = re.compile(
    r"""(?:[^\w]|\d|\b(?:a|an|the|with|mit|und|and|of|von|bei|at|in|ca|circa|about|etwa|approx\w*|noch|still|gut\w*
    |good|resting|normal\w*|mild\w*|leicht\w*|moderat\w*|severe\w*|hochgradig\w*
    |mittelgradig\w*|mod|sev|poor|class|klasse|stadium|stage|grad|NYHA|EF|LVEF|LV|est|calc|gesch|jetzt|aktuell|now
    |current\w*|between|zwischen|nur|only|just|grob|roughly|approximately|steady|low|high|tief\w*|niedrig\w*|range
    |bereich|im|the|to|is|ist|I{1,3}V?|IV|three
    |dimension\w*|dreidimension\w*|bestimmte\w*|klinisch\w*|clinical\w*|functional\w*|funktion\w*|status|FC|bis
    |ambulat\w*|mobil\w*|at\ least|mindestens|linksventrikul\w*|left|auswurf\w*|ejection|ejektions\w*
    |fraction)\b)*""",
    re.IGNORECASE | re.VERBOSE,
)
"""What stands beside a value in an item of a list that has no more than it."""


def is_asserted(
    sentence: Sentence, name: tuple[int, int], value: tuple[int, int], *, bound: bool = False
) -> bool:
    """Whether a sentence has words that make a name with its value a finding: the patient, an examination or other
    measurements, a verb of finding, now or a date, an illness; or whether it is an item of a list.

    `bound`: it may be a threshold too, for which verbs and illness say nothing.
    """
    text = sentence.text
    begin, stop = sentence.clause(name[0], value[1])
    words = [text[begin : name[0]].rpartition(":")[2], text[name[1] : value[0]], text[value[1] : stop]]
    threshold = bound and "<" in text[name[1] : value[1]] and _COLUMN.search(words[1]) is None
    if not threshold and _LISTED.fullmatch(" ".join(words)) is not None:
        return True
    kinds = (_PATIENT, _EXAMINED, NOW, _DATED, _COURSE)
    if bound and (_FINITE.search(words[1]) or _SEVERE.search(text)):
        return True
    if not bound and _DEFINITE.search(text, begin, name[0]):
        return True
    beside = " ".join((text[: name[0]], words[1], text[value[1] :]))
    return any(kind.search(beside) for kind in (kinds if bound else (*kinds, _FINITE, _ILL)))
