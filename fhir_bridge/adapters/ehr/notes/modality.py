"""What makes a finding none of the patient: a condition, a plan, a guideline, a definition, a threshold."""

from __future__ import annotations

import re
from typing import Final

from fhir_bridge.adapters.ehr.notes.sentences import Sentence
from fhir_bridge.adapters.ehr.notes.times import NOW

__all__ = ["HYPOTHETICAL", "general_words", "is_unreal"]

_GENERAL: Final = re.compile(
    r"""\b(?:guidelines?|leitlinie\w*|\w*kriteri(?:en|um|ums)|trials?|RCTs?|study\ included|studien?(?!nr|nummer)
    |eingeschlossen|einschluss\w*|ausschlussgr\w+|ausschluss(?=:)|inclusion|exclusion|defin(?:es?|ed|ing|itions?)
    |definier\w*|case\ (?:report|presentation|vignette|study)|vignette|(?:student|trainee)s?\ present\w*
    |\w*-?vortrag|fall(?:bericht|vorstellung|beispiel|vignette)|quiz|simulation\w*
    |thresholds?|schwellen?\w*
    |cut-?offs?|(?:grenz|norm|soll|ziel|richt|schwellen|referenz|normal)-?(?:werte?n?s?|bereich\w*)
    |(?:normal|reference|target|limit)\ (?:values?|ranges?|limits?)|norms?|references?|referenz\w*|grading|einteilung
    |eligib\w+|qualif(?:y|ies)|legend\w*|legende|means|bedeutet
    |patients|pts|(?<!des\ )(?<!dem\ )(?<!den\ )(?<!Ihren\ )(?<!unseren\ )patienten|those\ with|people|individuals
    |subjects|adults|Betroffene|Erwachsene
    |in\ (?:wo)?men|bei\ (?:Frauen|Männern)
    |core\ measures?|patient\ education|\w*schulung\w*|education|lecture|vortrag|leaflet|brochure|broschüre|booklet
    |flyer|poster|merkblatt|website|article
    |all\ pts|licensed|approved|zugelassen|\w*zulassung
    |category|kategorie|entity|entität|example|beispiel\w*|beispielsweise|z\.\ ?B\.|e\.g\.|template|textbaustein
    |average|median|mean\ (?:LV)?EF|mean\ age
    |durchschnitt\w*|mittlere[sr]?\ (?:Alter|EF|LVEF)|im\ Mittel|cohort|kohorte|registry|register|\w*gruppe\ \(n
    |generally|in\ general|im\ Allgemeinen|as\ a\ rule|in\ der\ Regel|typically|typischerweise|classified\ as
    |called|termed|bezeichnet|spricht\ man
    |nennt\ man|is\ considered|gelten|gilt\ als
    |minimum|maximum\ of|(?:upper|lower)\ limit|irrespective|regardless|independent(?:ly)?\ of|unabhängig
    |ungeachtet|whatever\ the
    |voraussetzung\w*|bedingung\w*|prerequisites?|conditions?\ for|requirements?|requires?|required|erforderlich
    |gefordert|fordert|verlangt|vorausgesetzt
    |infrage|in\ Frage|(?:is|are|an)\ (?:an\ )?(?:option|alternative)|(?:contra|kontra)indi[ck]\w+|avoid(?:ed)?
    |(?:ver)?meiden|vermieden|mandatory|necessary|obligatory|notwendig|depend(?:s|ing)|abhängig|je\ nach
    |calculat(?:or|ion)s?|\w*rechner|inputs?|eingaben|belong\w*|gehörte?\ (?:nicht\ )?zu|namesake|namensvetter\w*
    |(?:half|most|many|some|several|thirds?|quarters?|majority)\ of\ (?:the|his|her|our|all|these|those)
    |(?:die\ )?(?:hälfte|mehrheit|meisten|drittel|viertel)\ (?:der|des|aller|von)|wrong\ patient|misfiled|verwechs\w*
    |falsch\ zugeordnet
    |licen[cs]e|fahrerlaubnis
    |führerschein|fahreignung|tauglichkeit\w*
    |insurer|insurance|krankenkasse|payer|reimburse\w*
    |classifi(?:cation|es)(?!\ II|\ I\b|\ IV)|klassifikation|klassen|classes|staging
    |included\ patients|(?:risk\ )?(?:\w+-?)?scores?(?=\s*(?::|items?\b|of\b|für\b|for\b))|points?\ each|punkte
    |(?:risk|risiko)[- ]?(?:markers?|features?|marker\w*|calculat\w+|stratifi\w+)
    |high[- ]risk\ features?|red\ flags?|warnzeichen|risk\ factors?\ (?:for|of)|risikofaktoren\ (?:für|des|der)
    |predictors?|prädiktor\w*)\b
    |(?<!his\ )(?<!her\ )(?<!cardiovascular\ )(?<!CV\ )(?<!cardiac\ )\brisk\ factors?\ include\b|\bcriteri(?:a|on)\b
    |(?:\([1-9]\ ?(?:P|Pkt|pts?|points?|Punkte?)?\.?\).*){2}
    |\b(?:inhibitors?|blockers?|drugs?|ICDs|LVADs?|\w*hemmer|\w*blocker|medikamente)\ (?:work|help|reduce|improve
    |lower|wirken|helfen|senken|reduzieren|verbessern
    |should|are|sind|may|can|können|sollten)\b
    |^\W*(?:(?:an?|eine|the|die)\s+)?(?:norm|normale?):?\s*(?:LV)?EF\s*(?:is|:|=|beträgt|liegt|\d)
    |\b(?:normale?|healthy|gesunde)\ (?:LV-?)?(?:EF|ejection\ fraction|Ejektionsfraktion|Auswurffraktion|Pumpfunktion)
    \ (?:[\d<>]+\ ?%\ )?(?:is|are|lies|ranges|should|would|ist|liegt|beträgt|sollte)
    |stud(?:y|ien)[- ]?(?:population|kollektiv|participants|teilnehmer\w*|patient\w*)
    |^\W*Norm(?:al)?(?:wert)?:|\b(?-i:Norm)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a sentence speaks of no one."""
_OF_THE_PATIENT: Final = re.compile(
    rf"""\b(?:his|her|(?<!you\ )have\ an?|has\ an?|hat\ eine|seine|ihre)\ (?:\w+\ ){{0,3}}?(?:LV)?EF\b|\b(?:EF
    |LVEF)\b[^,;]*\b(?:{NOW.pattern})|\bdie\ (?:LV)?EF\ (?:jetzt\ |aktuell\ )?(?:beträgt|liegt|ist|war)
    |\b(?:s?he|patient(?:in)?|the\ EF|er|sie)\ (?:is|was|remains|ist|war|bleibt|befindet)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""In a clause beside one that speaks of no one: this one speaks of the patient."""
_CONDITION: Final = re.compile(
    r"""\b(?:if|should|unless|whether|in\ case|provided\ that|(?<![a-z]\ )falls|sofern|wenn|sollten?|soll|ob
    |im\ Falle?
    |were\ there|läge\w*|gäbe|hätten?|once(?=\s+[a-z])|until(?=\ (?:the\ (?:next|LV|EF)|LV|EF|next|further|review
    |seen|follow))
    |(?:with|on|upon|after)\ (?:persistence|recurrence|worsening|progression)\ (?:of|to)
    |as\ long\ as|solange|sobald|irgendwann|im\ Falle|assuming|suppos(?:e|ing)|angenommen
    |(?:when|whenever|once|where|for|at|bei(?=[^.;]*:)|ab|with(?=[^.;]*:)|in)\ (?:an?\ |the\ |any\ |eine[rmn]?[ ]
    |der\ )?(?:LV-?)?(?:EF|NYHA|ejection\ fraction)(?=\b(?!\ (?:was|on|at))[^.;]*(?::|,\ (?:\w+\ )?(?:start
    |consider|add|give|stop|beginn|geb|refer|SGLT|MRA|ICD)))
    |bei\ (?:Abfall|Persist(?:enz|ieren)|Fortbestehen|Anhalten|(?:erneutem\ |Wieder)?Auftreten
    |Verschlechterung|Absinken|Unterschreiten|Unterschreitung|Progress\w*|Zunahme|LVEF-Abfall
    |EF-Abfall|Erreichen))\b
    |^\W*(?-i:Sinkt|Fällt|Steigt|Liegt|Bleibt(?=\s+(?:die|der|das|es|LVEF|EF|NYHA))|Beträgt|Verschlechtert|Erreicht
    |Persistiert)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words that begin what is not, or not yet."""
_PLAN: Final = re.compile(
    r"""\b(?:would(?!\ (?:put|grade|class|classify|say|estimate|place|call|rate|describe))|could|may|might|goals?
    |target|aim\w*|planned
    |plan\ (?:to|for)|to\ (?:re)?assess|to\ be(?=\ (?:re)?(?:assess|confirm|determin|clarif|check|done|repeat
    |discuss|document|perform|measur))|hop(?:e|es|ed|ing)\w*|hopefully|strive|aspire|wants?|wish\w*|needs?\ to|must
    |ensure|muss|müsste|dürfte
    |thinking\ (?:of|about)|denkt\ (?:über|an)|überlegt|decide\w*|expect\w*|desired|anticipat\w*|predicted|achieve
    |reach(?:es)?|erreichen|erhoff\w*
    |erwart\w*|wünsch\w*|indicated|indication|recommend\w*|advised?|advisable|please|consider(?:ing|ed)?
    |refer\ (?:for|if|when)
    |(?:nicht|not)\ auszuschließen|pending|document\ the|exceeds|requested|return\ (?:if|for)|cannot\ (?:rule\ out
    |exclude)|rule\ out|r/o
    |await\w*
    |possibl[ey]|maybe|perhaps|probabl[ey]|likely|vielleicht|wahrscheinlich|unconfirmed|presumed|questionable
    |suspected|benefits?|apply|applies|counts?\ as|booked|scheduled
    |würden?(?![^.;]*\b(?:einstufen|einschätzen|einordnen|klassifizieren|sagen|schätzen|beziffern)\b)|wäre|käme
    |könnte|(?:\w+-?)?ziel(?:e|s|wert\w*)?|rechnen|gerechnet|in\ Aussicht|prognos\w+|hoff\w+|anzustreben|angestrebt
    |geplant
    |zur\ (?:Bestimmung|Reevaluation)
    |indiziert|Indikation\w*|\w+-Indikation|empf[oe]h\w+|ratsam|bitte|erwägen|erwogen|prüfen|möglicherweise
    |profitier\w+
    |angefordert|angemeldet|evtl|eventuell|fraglich\w*|V\.\ ?a|Verdacht|vermutlich|gilt|gelten
    |(?:Wieder)?vorstellung\ bei|ab\ (?:NYHA|einer)|ausstehend|zu\ klären|erfragen|zu\ dokumentieren
    |nächsten\ Termin\ nach
    |zur\ Kontrolle\ der|\w*kontrolle\ in|risks?\ (?:is|of)|(?<!familiäres\ )Risiko|worri\w+)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""Words by which a clause speaks of what is to be."""
_ACTION: Final = re.compile(
    r"""\b(?:ICD|CRT|LVAD|HTX|AVR|AKE|OP|surgery|indicat\w+|\w*indikation\w*|candidate|refer\w*|therap\w+|treat\w*
    |behandel\w*
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
    r"\s*(?:or\s+(?:less|more|below|above|lower|higher|greater)|oder\s+(?:weniger|mehr|darunter|darüber|niedriger"
    r"|höher))\b",
    re.IGNORECASE,
)
"""After a value that is a bound."""
_CONCLUDES: Final = re.compile(r"\s*(?::|->|=>|→)")

HYPOTHETICAL: Final = re.compile(
    f"{_GENERAL.pattern}|{_CONDITION.pattern}|{_PLAN.pattern}", re.IGNORECASE | re.VERBOSE
)
"""Any of these words."""


_QUOTES: Final = re.compile(r"[„“”\"«»]")
_DEFINED: Final = re.compile(
    r"(?:=\s*(?=(?:an?\s+|eine\s+)?(?:LV-?)?EF)|\b(?:means|heißt|bedeutet)\s+)(?:an?\s+|eine\s+)?",
    re.IGNORECASE,
)
"""Before what defines a name."""
_DEFINES: Final = re.compile(r"\s*(?::\s*(?![\s\d<>~])|=\s*[^\W\d])")
"""After a value of which something is said in general."""
_HOPED: Final = re.compile(
    r"\b(?:hop(?:e[sd]?|ing)|expect\w*|aim\w*|hoff\w+|erhoff\w*|erwart\w*|wünsch\w*|Ziel\s+ist)\b[^.;:]{0,20}?,?\s*"
    r"\b(?:that|dass)\b[^.;:]*\Z",
    re.IGNORECASE,
)
"""Before what is hoped for in a clause of its own."""
_COORDINATED: Final = re.compile(r"\b(?:and|but|und|aber|or|oder)\b", re.IGNORECASE)


_ALLOWS: Final = re.compile(
    r"\W*(?:with|mit|at|bei|ab)\s+(?:an?|einer)\b[^.;]*\b(?:can|may|kann|darf|dürfen|können|is\s+(?:allowed|fit|eligible)"
    r"|ist\s+(?:\w+\s+)?(?:erlaubt|\w*tauglich|\w*geeignet))\b",
    re.IGNORECASE,
)
"""A clause that says what a bound is enough for."""
_LEADS_TO: Final = re.compile(r"(?:->|=>|→)\s*(?!(?:NYHA\s*)?(?:[<>~]?\s?\d|I{1,3}V?\b|IV\b))")
"""After what is a condition for something."""
_INDEFINITE: Final = re.compile(
    r"(?:^\W*(?:(?:and|but|und|aber)\s+)?|\b(?:that|dass)\s+)(?:an?|eine)\s+(?:\w+\s+){0,2}\Z", re.IGNORECASE
)
"""Before what is the subject of a clause and no one's."""
_NORMAL: Final = re.compile(
    r"\s*(?:(?:is|was|would be)\s+(?:\w+\s+)?normal|(?:\w+\s+)?normal\s+(?:ist|sei|wäre)|ist\s+(?:\w+\s+)?normal)\b",
    re.IGNORECASE,
)
_READ: Final = re.compile(
    r"\b(?:was|were|wurde|ist|is now|found|measured|recorded|noted|seen|zeigte|ergab|bestimmt|gemessen|dokumentiert"
    r"|fand|errechnet\w*)\b",
    re.IGNORECASE,
)


def _is_indefinite(text: str, clause: tuple[int, int], start: int, end: int) -> bool:
    """Whether a value is the subject of a clause about any such value: `an EF of 50 % does not exclude …`."""
    return (
        re.search(r"\d", text[start:end]) is not None
        and _INDEFINITE.search(text[clause[0] : start]) is not None
        and (
            _NORMAL.match(text, end) is not None
            or (len(text[end : clause[1]].split()) > 2 and _READ.search(text, end, clause[1]) is None)
        )
    )


def general_words(text: str, start: int, end: int) -> re.Match[str] | None:
    """The words by which a text speaks of no one; those in brackets are only for what is in them."""
    for match in _GENERAL.finditer(text):
        opened, closed = text.rfind("(", 0, match.start()), text.find(")", match.end())
        within = opened >= 0 and text.find(")", opened, match.start()) < 0 and closed >= 0
        if not within or (opened < start and end <= closed):
            return match
    return None


def is_unreal(sentence: Sentence, start: int, end: int, *, bound: bool = False, wish: bool = False) -> bool:
    """Whether what is from `start` to `end` of a sentence is no finding; `bound`: it is a bound (`< 35 %`), as
    thresholds are; `wish`: what the patient wants, or is told to do, after it takes nothing of it."""
    text = sentence.text
    clause = sentence.clause(start, end)
    general = general_words(text, start, end)
    if general is not None and (
        bound or clause[0] <= general.start() < clause[1] or not _OF_THE_PATIENT.search(text, *clause)
    ):
        return True
    if sentence.section.kind == "general" or text[end:].lstrip().startswith("?"):
        return True
    if len(_QUOTES.findall(text, 0, start)) % 2 or len(_QUOTES.findall(text, end)) % 2:
        return True
    if (
        _OR_LESS.match(text, end)
        or _DEFINES.match(text, end)
        or any(one.end() == start for one in _DEFINED.finditer(text))
    ):
        return True
    if _HOPED.search(text[:start]) or _LEADS_TO.search(text, end) or _is_indefinite(text, clause, start, end):
        return True
    for match in _CONDITION.finditer(text):
        if match.start() < end or match.start() < clause[1] or bound:
            return True
    planned = text[clause[0] : clause[1]]
    if wish:
        rest = _COORDINATED.search(text, end, clause[1])
        planned = text[clause[0] : rest.start() if rest else clause[1]]
    if _PLAN.search(_NOT_INDICATED.sub(" ", planned)):
        return True
    if not bound:
        return False
    if sentence.section.kind == "plan" or _BOUND_FOR.search(text[:start]) or _CONCLUDES.match(text, end):
        return True
    if _ALLOWS.match(text, clause[0]):
        return True
    return _PLAN.search(text) is not None or _ACTION.search(_UNDER_THERAPY.sub(" ", text)) is not None
