"""What makes a finding none of the patient: a condition, a plan, a guideline, a definition, a threshold."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.adapters.ehr.notes.sentences import Sentence

__all__ = ["HYPOTHETICAL", "is_unreal"]

_GENERAL: Final = re.compile(
    r"""\b(?:guidelines?|leitlinie\w*|(?<!NYHA\ )criteri(?:a|on)|kriteri(?:en|um)|trials?|study\ included|studie
    |inclusion|exclusion|\w+kriterien
    |\w*einschluss\w*|\w*ausschluss\w*|eingeschlossen|defined|definition|definiert|thresholds?|schwellen?\w*
    |cut-?off|grenzwerte?n?s?
    |reference|referenz\w*|normwerte?|normbereich\w*|eligib\w+|qualif(?:y|ies)|legend\w*|legende|means|bedeutet
    |patients|pts|(?<!des\ )(?<!dem\ )(?<!den\ )(?<!Ihren\ )patienten
    |core\ measures?|patient\ education|patientenschulung|all\ pts|licensed|approved|zugelassen|zulassung
    |required|erforderlich
    |category|kategorie|entity|entität|example|beispiel\w*|beispielsweise|z\.\ ?B\.|e\.g\.|template|average|mean
    |median|durchschnitt\w*|mittlere[rnms]?|im\ Mittel|cohort|kohorte|registry|register
    |generally|in\ general|im\ Allgemeinen|classified\ as|called|termed|bezeichnet|spricht\ man|nennt\ man
    |minimum|maximum\ of|(?:upper|lower)\ limit
    |voraussetzung\w*|bedingung\w*|requirements?|depend(?:s|ing)|abhängig|je\ nach|calculator
    |classification\ (?:is|of|ranges)|klassifikation|klassen|classes
    |leitlinien-\ ?schwelle|included\ patients)\b|^\W*(?:(?:an?|eine|the|die)\s+)?(?:norm
    |normale?):?\s*(?:LV)?EF\s*(?:is|:|=|beträgt|liegt
    |\d)|^\W*Norm(?:al)?(?:wert)?:""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a sentence speaks of no one."""
_CONDITION: Final = re.compile(
    r"""\b(?:if|should|unless|whether|in\ case|provided\ that|falls?|sofern|wenn|sollten?|soll|ob|im\ Falle?
    |were\ there|läge\w*|gäbe|hätten?|once(?=\s+[a-z])|until(?=\ (?:the\ (?:next|LV|EF)|LV|EF|next|further|review
    |seen|follow))
    |bei\ (?:Abfall|Verschlechterung|Absinken|Unterschreiten|Unterschreitung|Progress\w*|Zunahme|LVEF-Abfall
    |EF-Abfall|Erreichen))\b
    |^\W*(?-i:Sinkt|Fällt|Steigt|Liegt|Bleibt|Beträgt|Verschlechtert|Erreicht|Persistiert)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words that begin what is not, or not yet."""
_PLAN: Final = re.compile(
    r"""\b(?:would(?!\ (?:put|grade|class|classify|say|estimate|place|call|rate|describe))|could|may|might|goals?
    |target|aim\w*|planned
    |plan\ (?:to|for)|to\ (?:re)?assess|to\ be(?=\ (?:re)?(?:assess|confirm|determin|clarif|check|done|repeat
    |discuss|document|perform|measur))|hope\w*|wants?|wish\w*|needs?\ to|must|ensure|muss|müsste|dürfte
    |thinking\ (?:of|about)|denkt\ (?:über|an)|überlegt|decide\w*|expect\w*|desired|anticipat\w*|erhoff\w*
    |erwart\w*|wünsch\w*|indicated|indication|recommend\w*|advised?|advisable|please|consider(?:ing|ed)?
    |refer\ (?:for|if|when)
    |pending|document\ the|exceeds|requested|return\ (?:if|for)|cannot\ (?:rule\ out|exclude)|rule\ out|r/o
    |await\w*
    |possibl[ey]|maybe|perhaps|probabl[ey]|likely|vielleicht|wahrscheinlich|unconfirmed|presumed|questionable
    |suspected|benefits?|apply|applies|counts?\ as|booked|scheduled
    |würden?|wäre|käme|könnte|Ziel\w*|anzustreben|angestrebt|geplant|zur\ (?:Bestimmung|Reevaluation)
    |indiziert|Indikation\w*|\w+-Indikation|empf[oe]h\w+|ratsam|bitte|erwägen|erwogen|prüfen|möglicherweise
    |profitier\w+
    |angefordert|angemeldet|evtl|eventuell|fraglich\w*|V\.\ ?a|Verdacht|vermutlich|gilt|gelten
    |(?:Wieder)?vorstellung\ bei|ab\ (?:NYHA|einer)|ausstehend|zu\ klären|erfragen|zu\ dokumentieren
    |nächsten\ Termin\ nach
    |zur\ Kontrolle\ der|\w*kontrolle\ in|risks?\ (?:is|of)|Risiko|worri\w+)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a clause speaks of what is to be."""
_ACTION: Final = re.compile(
    r"""\b(?:ICD|CRT|LVAD|HTX|AVR|AKE|OP|surgery|indicat\w+|\w*indikation\w*|candidate|refer\w*|therap\w+
    |\w*therapie\w*|stop\w*|hold|pausier\w+
    |\w*pause\w*|absetzen|start\w*|beta-?blockers?|betablocker|MRA|SGLT2\S*|ACE\S*|discontinu\w+|benefit\w*
    |profit\w+|recommend\w*|empf\w+
    |appl(?:y|ies)|gilt|preferred|bevorzug\w+|all|alle[nrm]?|prescribed|considered|vorstellung\w*|\w+vorstellung
    |add|ergänzen|beginnen|würde\w*
    |would|could|may|might|möglich|LVEF-Abfall|drops?)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""With what a bound of a value is a threshold for."""
_NOT_INDICATED: Final = re.compile(
    r"\b(?:keine?|no|not|without|ohne)\s+(?:\w+[- ])?(?:Indikation|indication|indicated|indiziert|Ziel|plan)\w*",
    re.IGNORECASE,
)
_UNDER_THERAPY: Final = re.compile(
    r"\b(?:despite|trotz|unter|on|after|nach)\s+(?:\w+\s+){0,2}(?:therap\w+|\w*therapie)\b", re.IGNORECASE
)
_BOUND_FOR: Final = re.compile(
    r"\b(?:bei|for|once|when|ab|für|to|as|nach)\s+(?:an?\s+|the\s+|einer\s+|der\s+)?\Z", re.IGNORECASE
)
_OR_LESS: Final = re.compile(
    r"\s*(?:or\s+(?:less|more|below|above|lower|higher|greater)|oder\s+(?:weniger|mehr|darunter|darüber|niedriger|höher))\b",
    re.IGNORECASE,
)
"""After a value that is a bound."""
_CONCLUDES: Final = re.compile(
    r"\s*(?::|->|=>|→|\bor\ (?:less|more|below|above)\b|\boder\ (?:weniger|mehr|darunter)\b)",
    re.IGNORECASE | re.VERBOSE,
)

HYPOTHETICAL: Final = re.compile(
    f"{_GENERAL.pattern}|{_CONDITION.pattern}|{_PLAN.pattern}", re.IGNORECASE | re.VERBOSE
)
"""Any of these words."""


def is_unreal(sentence: Sentence, start: int, end: int, *, bound: bool = False) -> bool:
    """Whether what is from `start` to `end` of a sentence is no finding; `bound`: it is a bound (`< 35 %`), as
    thresholds are."""
    text = sentence.text
    if sentence.section.kind == "general" or _GENERAL.search(text) or text[end:].lstrip().startswith("?"):
        return True
    clause = sentence.clause(start, end)
    if _OR_LESS.match(text, end):
        return True
    for match in _CONDITION.finditer(text):
        if match.start() < end or match.start() < clause[1] or bound:
            return True
    if _PLAN.search(_NOT_INDICATED.sub(" ", text[clause[0] : clause[1]])):
        return True
    if not bound:
        return False
    if sentence.section.kind == "plan" or _BOUND_FOR.search(text[:start]) or _CONCLUDES.match(text, end):
        return True
    return _PLAN.search(text) is not None or _ACTION.search(_UNDER_THERAPY.sub(" ", text)) is not None
