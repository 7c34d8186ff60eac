"""What sentences state of smoking.

Each mention of it has a status by its own words; words around it turn that: the end of it, a new beginning, a
denial, an earlier time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from fhir_bridge.adapters.ehr.notes.facts import Fact
from fhir_bridge.adapters.ehr.notes.modality import is_unreal
from fhir_bridge.adapters.ehr.notes.persons import FAMILY, names_another
from fhir_bridge.adapters.ehr.notes.sentences import MOST, UNCHANGED, Sentence, is_of_another
from fhir_bridge.adapters.ehr.notes.values import is_under_another_time

__all__ = ["smoking"]

_FIELD: Final = r"""(?:tob(?:acco)?\.?|smok(?:ing|er)|cigarettes?|cigs?|nicotine|nikotin\w*|rauchen
    |raucher(?:status|in|anamnese)?|tabak\w*)
    (?:\ (?:use|abuse|status|hx|history|consumption))?\s*(?:[:=]|[-–](?=\s))\s*"""
"""The name of the field of a form."""
_NAME: Final = r"(?:smok(?:ing|er)|tobacco|nicotine|nikotin|rauchen|raucher(?:in)?|tabak)"
_UNWISHED: Final = r"""(?:(?!\b(?:not|no|never|wants?|willing|wish\w*|interest\w*|advis\w*|attempt\w*|tr(?:y|ied
    |ies|ying)|plan\w*|motivat\w*|encourag\w*
    |counsel\w*|should|refus\w*|declin\w*|ready|to|nicht|nie|noch|will|wolle|möchte|soll\w*|versuch\w*|motiviert
    |bereit|empfohlen|geraten|kein\w*)\b)[^.;])"""
"""A character that begins no word by which what follows is only wished or denied."""
_AMOUNT: Final = r"""(?:~|ca\.\ ?|about\ |around\ |approx\.\ ?|bis\ zu\ )?(?:\d+(?:[-–/.,]\d+)?|an?|[½¼¾]
    |half\ an?|half|one|two|three|four|five|six|eight|ten|twelve|fifteen|twenty|ein(?:e
    |en)?|zwei|drei|vier|fünf|sechs|acht|zehn|zwölf|fünfzehn|zwanzig|halbe|eine\ halbe|a\ few|several|einige
    |wenige)\s*
    (?:(?:cig\w*|zig\w*)\s*)?(?:[/x×]\ ?(?:d\b|day|tag|wk|week|woche)|(?:cig\w*|zig\w*|ppd|packs?|schachteln?
    |päckchen|packung(?:en)?
    |packerl|stück|a\ day|daily|am\ tag|pro\ tag|täglich|tgl)\b)"""
_PACK_YEARS: Final = (
    r"\d+\s*-?\s*(?:p\.?\ ?y\.?|pack(?:ung)?s?[- ]?y(?:ea)?rs?|pk[- ]?yrs?|packungsjahren?)\b"
)
_SUBSTANCE: Final = r"(?:nikotin|tabak|zigaretten)(?:abusus|konsum|abhängigkeit|gebrauch|sucht)"
_USE: Final = (
    r"""(?:tobacco|nicotine|cigarette)\ (?:use\ disorder|abuse|dependence|dependency|addiction|misuse)"""
)

_STATES: Final = tuple(
    (status, re.compile(pattern, re.IGNORECASE | re.VERBOSE))
    for status, pattern in (
        (
            "never",
            rf"""\bno\ smoking\ ever\b|\b(?:nor|neither)\ (?:has\ |have\ )?(?:s?he\ )?ever\ smoked\b
            |\bnever[ -](?:been\ )?(?:an?\ )?(?:regular\ )?smok(?:ed|er)\b|\b(?:has|had
    |have)\ never\ (?:been\ a\ )?smok(?:ed|er)\b
            |\b(?:life-?\ ?long|lifetime)\ (?:non|never)-?\ ?smoker\b|\b{_FIELD}(?:never
    |(?:lifelong\ )?non-?smoker\ since\ birth)\b
            |\bno\ (?:prior\ |past\ |personal\ )?(?:history|hx)\ of\ (?:any\ )?(?:smoking|tobacco|cigarette)\b
    |\bno\ (?:smoking|tobacco)\ (?:history|hx)\b
            |\bno\ (?:prior|previous|past|lifetime)\ (?:tobacco|smoking|nicotine|cigarette)\ (?:use|history
    |exposure)\b|\bnever\ (?:used|touched)\ (?:any\ )?(?:tobacco|cigarettes|a\ cigarette)\b
    |\bdenie[sd]\ ever\ (?:having\ )?smok(?:ing|ed)\b
            |\bnie-?\ ?raucher(?:in)?\b|\brauchte\ (?:noch\ )?nie\b|\bnie(?:mals)?\ (?:(?:\w+\ ){{0,2}}geraucht
    |(?:ein(?:e)?\ )?raucher(?:in)?)\b
            |\bkeine\ (?:raucher|nikotin)anamnese\b|\b(?:zeitlebens|lebenslang\w*|immer
    |stets)\ nicht-?raucher(?:in)?\b|\b{_FIELD}(?:(?:noch\ )?nie(?:mals)?)\b""",
        ),
        (
            "former",
            rf"""\b(?:former|previous|past|prior|ex|remote|reformed|onetime)[- ]?(?:heavy\ |light\ |tobacco[ ]
    |cigarette\ |\d+\S*\ )?smok(?:er|ing)\b
            |\b(?:quit|stopp?ed|gave\ up|given\ up|ceased|discontinued)\ (?:smoking|tobacco|cigarettes?|cigs)\b
    |\bused\ to\ smoke\b|\bwas\ an?\ (?:\w+\ ){{0,2}}smoker\b
            |\b(?:smoking|cigarettes)\ (?:was\ |were\ )?(?:stopped|given\ up|discontinued)\b
            |\b{_FIELD}(?:former|ex\b|previous|quit|stopped|(?:seit|since)\ [^.;]{{1,30}}\ abstinent
    |bis\ (?:vor\b|(?:19|20)\d\d)|until|stopp\b|gave\ up|exraucher)
            |\b{_PACK_YEARS}{_UNWISHED}{{0,30}}\b(?:quit|stopped|aufgehört|sistiert|stopp|beendet|eingestellt
    |bis\ (?:vor\b|\d{{4}}))\b(?!\ (?:attempt|date|line))
            |\b(?:quit|stopped|ceased)\s+(?:all\ )?(?:smoking|tob(?:acco)?|cigarettes|cigs)\b(?!\ (?:attempt|date))
            |\bnikotin\w*\s+bis\s+(?:19|20)\d\d
            |\b(?:rauchen|zigaretten|nikotin)\b{_UNWISHED}{{0,40}}\bschluss\ gemacht\b
            |\b(?:kicked|gave\ up|broke)\ the\ habit\b|\bgeraucht\b{_UNWISHED}{{0,50}}\b(?:aufgehört|gelassen
            |eingestellt|beendet)\b
            |\bsmoking\ history\b[^.;]{{0,30}}\b(?:none|not|nothing)\ since\b
            |\b(?:smoking|tobacco)\ quit\ date:?\ (?:in\ )?(?:19|20)\d\d\b
            |\b(?:packed|jacked|given)\ (?:in|up)\ (?:the\ )?(?:smoking|cigarettes|tobacco)\b|\b(?:smoking
            |cigarettes|tobacco)\ (?:was\ |were\ )?(?:packed\ in|kicked)\b
            |\b(?:stay(?:ed|s|ing)?|kept|keeps|remain(?:ed|s)?)\ (?:away\ from|off|free\ (?:of
            |from))\ (?:the\ )?(?:cigarettes|tobacco|smoking|nicotine)\b
            |\bnot\ (?:smoked|touched\ (?:a\ cigarette|tobacco))\b{_UNWISHED}{{0,20}}\b(?:since|for|in)\b|\b(?:last
            |final)\ cigarettes?\b[^.;]{{0,60}}\b(?:ago|in\ (?:19|20)\d\d|before)\b
            |\b(?:rauchen|nikotin(?:konsum|abusus)?|zigaretten(?:konsum)?
            |tabak(?:konsum)?)\b{_UNWISHED}{{0,70}}\b(?:aufgehört|eingestellt|aufgegeben|abgewöhnt|gelassen
            |sein\ ?gelassen|an\ den\ nagel\ gehängt|abgeschworen|beendet|sistiert)\b
            |\b(?:seit|nach)\b[^.;]{{1,60}}\bkeine\ (?:einzige\ )?zigaretten?\ mehr\b
            |\bletzte\ zigarette\b[^.;]{{0,30}}\b(?:vor|(?:19|20)\d\d|bei)\b
            |\b(?:tobacco|nicotine|smoking)\b[^.;]{{0,30}}\bin\ (?:\w+\ )?remission\b
            |\b(?:remote|former|previous|past|prior)\ (?:tobacco|nicotine)(?:\ (?:use|user|abuse|history))?\b
    |\bformer\ [\w-]+\ smoker\b
            |\b(?:previously|formerly)\ smoked\b|\bsmoked\b[^.;]{{0,60}}\b(?:stopped|quit|until|till|gave\ up)\b
            |\b(?:smoke|tobacco|nicotine|cigarette)[- ]?free\ (?:since|for)\b|\b(?:rauch|nikotin)-?frei\ seit\b
    |\bseit\b[^.;,]{{1,45}}\b(?:rauch|nikotin)-?frei\b
            |\babstinent\ from\ (?:smoking|tobacco|cigarettes|nicotine)\b|\b(?:has|have)(?:n['’]t
    |\ not)\ smoked\ (?:for|since|in)\b
            |\bhas\ not\ (?:had|touched)\ a\ cigarette\ (?:since|for)\b
            |\bex[- ]?(?:\w+)?raucher(?:in)?\b|\behem(?:alige[rs]?|als
    |\.)?\ (?:starker?\ )?(?:\w+)?raucher(?:in)?\b|\bex-?\ ?nikotin\w*
            |\b(?:frühere?r?|vormalige?r?)\ (?:starker?\ )?(?:\w+)?raucher(?:in)?\b
            |\b{_FIELD}(?:ehemals|ex|früher|ehemalig|z\.?\ ?n\.|beendet|sistiert)
            |\bmit\ dem\ rauchen\ (?:\w+\ ){{0,3}}aufgehört\b|\brauchen\ (?:\w+\ ){{0,3}}(?:eingestellt
    |aufgegeben)\b
            |\bhörte?\ (?:\w+\ ){{0,4}}mit\ dem\ rauchen\ auf\b|\bdas\ rauchen\ (?:\w+\ ){{0,3}}aufgegeben\b
    |\bgab\ (?:\w+\ ){{0,4}}das\ rauchen\ auf\b
            |\bfrüher\ (?:[^;]{{0,25}}\ )?geraucht\b|\brauchen\ (?:\w+\ ){{0,3}}beendet\b|\bnikotin(?:abstinent
    |abstinenz|karenz|verzicht)\ seit\b
            |\bseit\b[^.;,]{{1,30}}\b(?:nikotin\s?karenz|nikotin\s?abstinenz|nikotin\s?abstinent
    |abstinent\ vo[nm]\ (?:nikotin|rauchen))
            |\bseit\b[^.;,]{{1,30}}\bkein(?:e|en)?\ (?:nikotin|zigaretten?|tabak)\ mehr\b|\b(?:bis
    |until)\b[^.;,]{{1,60}}\bgeraucht\b
            |\b(?:rauch|nikotin)stopp?\ (?:\w+\ )?(?:nach\ \w+|seit|vor|im|in|(?:19|20)\d\d)\b
            |\b(?:z\.?\ ?n\.|st\.?\ ?n\.|status\ nach|zustand\ nach)\ (?:\w+\ )?(?:nikotin|tabak|rauchen)\w*
            |\braucht\ (?:[^.;]{{1,40}}\ )?nicht\ mehr\b|\braucht\ nicht\ mehr\b
    |\b(?:ist\ )?(?:\w+\ ){{0,4}}kein(?:e)?\ raucher(?:in)?\ mehr\b
            |\b(?:(?:history|hx)\ of|h/o)\ (?:tobacco|nicotine|cigarette|smoking)\b[^.;]{{0,30}}\b(?:quit|stopped
            |ceased)\b
            |\bpast\ (?:history|hx)\ of\ (?:smoking|tobacco\ \w+)|\b{_FIELD}seit\ [^.;]{{1,20}}\ nicht\ mehr\b
    |\bsmoked\b[^.;]{{0,40}}\b(?:none\ since|not\ since|in\ (?:his|her)\ (?:youth|teens|twenties|20s
    |30s))|\b(?:in\ der\ jugend|als\ jugendliche[r]?)\ geraucht\b
            |\brauchte\b[^.;]{{1,60}}\b(?:seitdem|seither|seit)\b[^.;]{{1,40}}\b(?:(?:rauch|nikotin)-?frei|abstinent
            |nicht-?raucher(?:in)?|nicht\ mehr)\b
            |(?:\bbis\ zu[mr]\b[^.;,]{{1,40}}\brauchte\b|\brauchte\b[^.;,]{{0,20}}\bbis\ (?:zu[mr]\b|vor\b
            |(?:19|20)\d\d))
            (?![^.;,]{{0,40}}\b(?:nicht|nie|kein\w*)\b)(?![^.;]{{0,60}}\b(?:jetzt|aktuell|derzeit|nun|noch|wieder
            |weiter\w*|seitdem|seither)\b[^.;]{{0,30}}\d)
            |\bgeraucht\b[^.;]{{0,30}}\b(?:nicht\ mehr|aufgehört)\b|^\W*quit\ (?:in\ )?(?:(?:19|20)\d\d
    |\d+\ (?:years|yrs|months|weeks))
            |\b{_FIELD}vor\ \w+\ (?:jahren?|monaten?|wochen?)\ (?:eingestellt|aufgehört|gestoppt|beendet)
            |\boff\ (?:the\ )?(?:cigarettes|tobacco|smoking)\ (?:for|since)\b|\bdoes(?:\ not
    |n['’]t)\ smoke\ any\ ?more\b
            |\bno\ longer\ (?:smok(?:es|ing)|a\ smoker)\b|\bstopped\ being\ a\ smoker\b""",
        ),
        (
            "non",
            rf"""\b(?:non?-?\ ?|non\ [-–]\ )sm\w{{0,2}}k\w{{0,2}}r\b(?!\s*['’]s)
            |\bdoes(?:\ not|n['’]t)\ (?:currently\ )?smoke\b
    |\b(?:neither\ smokes|weder\ raucht)\b
            |\b\d+[- ]?(?:year|yr|y)[^.;,]{{0,25}}\bnon-?\ ?smoking\b|\bnon-?\ ?smoking\s+(?:\w+\s+){{0,2}}(?:man
            |woman|lady|gentleman|patient|male|female)\b
            |\bnicht-?\ ?rauchende[rnms]?\s+(?:\w+\s+){{0,2}}(?:patient\w*|mann\w*|frau|dame|herrn?)\b
            |\bdenie[sd]\ (?:any\ |current\ |(?:[a-z]+,?\ (?:or\ |and\ )?){{1,3}})?(?:smoking|tob(?:acco)?
    |nicotine|cigarettes)\b
            (?!\ (?:\w+\ ){{0,2}}(?:replacement|cessation|withdrawal|counsel))
            |\bno\ (?:tobacco|nicotine|smoking|cigarettes?|cigs)\b
            (?!\ (?:\w+\ ){{0,2}}(?:replacement|patch|gum|cessation|withdrawal|counsel|ban|polic|history|hx
            |area|zone|status|on|in|at|for|before|after|until|please|allowed|permitted)\b)(?!\s*!)
            |\b{_FIELD}(?:no(?:ne|n-?smoker)?|neg\w*\.?|-(?=\s*(?:$|[,;.]))|denie[sd]|nein|keiner?|kein|neg\.|keins
            |∅|ø|verneint|nil|0
    |n)(?!\w)
            |\b{_NAME}\s+(?:nein|no|none|0)(?=\s*(?:[,;.](?!\d)|\Z))
            |\bnicht(?:-?\ ?|\ [-–]\ )raucher(?:in)?\b|\braucht\ nicht\b(?!\ (?:mehr|derzeit|aktuell))
    |\b{_SUBSTANCE}\ (?:wird\ |wurde\ )?(?:verneint|negiert)\b
            |\braucht\ und\ trinkt\ nicht\b|\bnegative\ for\ (?:any\ )?(?:\w+,\ ){{0,2}}(?:tobacco|smoking
    |nicotine)\b|\bnikotin[-,/]?\ ?(?!ja\b)(?:[^\W\d]|[\ ,/-]){{0,40}}\b(?:(?:werden|wird)\ )?(?:verneint|negiert)\b
            |\bverneint\ (?:nikotin|rauchen|tabak)
            (?!\w*(?:karenz|abst|verzicht|ersatz|pflaster|entw))\w*
            |(?-i:\bNR\b)(?=[^.]*\b(?i:alk\w*|c2|drogen|kaffee)\b)|(?<![\w+/-])-(?:tob|tobacco|smoking|nikotin)\b
            |\bkein(?:en|e)?\ (?:nikotin|tabak|zigaretten|raucher(?:in)?\b)
            (?!\w*(?:karenz|abst|verzicht|ersatz|pflaster|kaugummi|entw|entzug))\w*(?!\ mehr\b)""",
        ),
        (
            "current",
            rf"""\b(?:current|active|heavy|daily|every\ day|some\ day|chain|light|social|occasional|cigarette
    |pipe|cigar|ongoing)\s+smoker\b
            |\bsmokes\b|\b(?:still|currently|presently|now)\ smok(?:es|ing)\b|\bcontinues\ (?:to\ smoke|smoking)\b
            |\b(?:admits\ to|reports|endorses)\ smoking\b|\bis\ smoking\b|\bsmoking\ again\b|\bsmoking\ {_AMOUNT}
            |\b(?:restarted|resumed|took\ up|taken\ up|gone\ back\ to|went\ back\ to|back\ to
    |relapsed\ to)\ (?:smoking|cigarettes)\b
            |\bhas\ smoked\ (?:\S+\ ){{0,4}}since\b
            |\bcut\ (?:down|back)\ (?:from\ \d+\ )?to\ {_AMOUNT}
            |\b(?:active|current|ongoing|continued)\ (?:tobacco|nicotine|cigarette)\ (?:user?|abuse|dependence)\b
            (?!:\s*(?:no|none|never|nil|denie|kein|0))
            |\b(?:active|current|ongoing|continued)\ (?:cigarette\ )?smoking(?=\s*(?:[,;)(]|\.\s|\.?\Z|and\b|\d|~))
            |\b(?:aktives|aktuelles|fortgesetztes|weiterhin)\ rauchen(?=\s*(?:[,;)(]|\.\s|\.?\Z|und\b|\d|~))
    |\b{_USE}\b|\bF17\.[0-2]\w*(?:\ G)?\b
            |\b{_FIELD}(?:current|active|yes|y\b|daily|every\ day|some\ days|ongoing|{_AMOUNT}
    |\d+(?:/\d+)?\s*(?:/|per)\s*(?:d|tag|day))
            |(?<![\w/?'’-])(?<!non\ )(?<!never\ )(?<!a\ )smoker(?![\w'’?-])(?!\s*[:=?/])|\b(?:is|remains|still
    |currently|now|been)\ an?\ smoker\b|\b(?:cigarettes|zigaretten),?\ (?:about\ |around\ |etwa[ ]
    |ca\.\ )?\d+\ ?(?:a\ day|am\ tag|daily|täglich|pro\ tag|/d)
            |(?<![\w?/-])\+\s?(?:tob|tobacco|smoking|nikotin|smoker)\b
            |\b(?:smok(?:e|er|ing)|tobacco|nicotine|raucher(?:in)?|rauchen(?:\ sie)?|raucht|nikotin)\s?\?\s*(?:yes
            |ja)\b(?!\s*[/|]|\s+no|\s+nein)
            |\b(?:down\ to|inzwischen\ bei|noch\ bei|now\ (?:on|at)|(?:is|derzeit|aktuell|jetzt
    |currently)\ (?:at|bei))[ ]
            (?=[^.;,]{{0,30}}\b(?:zig|cig|pack|schacht)){_AMOUNT}
            |\b(?:aktuell|derzeit|currently|at\ present)\s+(?:noch\ )?(?=[^.;,]{{0,30}}\b(?:zig|cig)){_AMOUNT}
            |(?=[^.;,]{{0,30}}\b(?:zig|cig)){_AMOUNT}\s*(?:aktuell|derzeit|currently|at\ present)\b
            |\b(?:smoking|smoker|tobacco|nikotin|rauchen)\s*(?:\(\+\)|\++(?!\w)|positive?\b|pos\.)
            |\b(?:rauc?ht|rauht|rauhct)\b|\brauchende[rnms]?\s+(?:\w+\s+){{0,2}}(?:patient\w*|mann\w*|frau|dame
            |herrn?)\b
            |\bsmoking\s+(?:man|woman|lady|gentleman|patient|male|female)\b|\b(?:gelegenheits|ketten|party
            |zigaretten|pfeifen
    |zigarren)raucher(?:in)?\b
            |(?<![\w?/-])raucher(?:in)?(?![\w?-])(?!\s+(?:wurden|werden|haben|sind|soll(?:t)?en|müssen|dürfen
            |können|hatten|waren)\b)(?!\s*[:=?]|\s*/\s*\D)
            |\b{_FIELD}(?:aktuell|aktiv|ja|täglich|positiv|pos\.|fortgesetzt|weiterhin|{_AMOUNT}
    |\d+(?:/\d+)?\s*(?:/|pro|per|a)\s*(?:d\b|day|tag))
            |\b{_NAME}\s+(?:ja|yes)(?=\s*(?:[,;.(]|\Z))
            |\b(?:nikotin|smoking|tobacco|rauchen)\s+(?:\({_AMOUNT}|\(\d+\ ?/|\({_PACK_YEARS}|{_AMOUNT})
            |\b(?:auf\ (?:\d+|eine|ein|zwei)\ (?:zig\w*|schachtel\w*)\ (?:\w+\ ){{0,3}}reduziert)
            |\b{_PACK_YEARS}[\s,;(]+(?:active|current|ongoing|aktiv|aktuell|fortgesetzt)\b
            |\bgibt\ an[^;]{{0,50}}\bzu\ rauchen\b|\bwieder\ (?:\w+\ ){{0,3}}(?:rauch\w+|zu\ rauchen
    |mit\ dem\ rauchen)
            |\bwieder\ rauchend\b|\b(?:aktive[rn]?|fortgesetzte[rn]?|aktuelle[rn]?|weiterhin|anhaltende[rn]?
    |fortbestehende[rn]?
            |persistierende[rn]?)\ {_SUBSTANCE}\b|\b{_SUBSTANCE}\b""",
        ),
    )
)
_UNKNOWN: Final = re.compile(
    r"""\bno\ (?:\w+\ )?(?:smoking|tobacco|nicotine|cigarette)\ (?:history|hx|use|status)\ (?:(?:is|was|has\ been
    |could\ be)\ )?
    (?:available|on\ file|on\ record|obtained|documented|recorded|known|taken|given|elicited|provided)\b
    |\bkeine\ (?:\w+anamnese|angaben?|auskunft|daten|informationen)\b(?:[^.;,]{0,30}\b(?:vorhanden|erhoben
    |bekannt|dokumentiert|erhebbar|verfügbar|möglich|rauch\w*|nikotin\w*|tabak\w*))
    |[:=]\s*(?:never\ (?:asked|assessed|recorded|documented|addressed)|no\ (?:data|info(?:rmation)?|answer|records?
    |details?|entry|response)\b|none\ (?:available|recorded|documented|on\ file)|keine\ (?:angaben?|daten|auskunft
    |information\w*)\b
    |nicht\ (?:erhoben|erfragt|bekannt|dokumentiert))""",
    re.IGNORECASE | re.VERBOSE,
)
"""That it is not known, which is no denial."""
_NOT_NON: Final = re.compile(
    r"\b(?:kein|not(?: an?)?|nicht(?: ein)?|(?:not true|stimmt nicht|untrue)\b[^.;]*)\s+(?:\w+\s+)?\Z",
    re.IGNORECASE,
)
"""Before a denial that is denied."""
_TO_BE: Final = re.compile(
    r"[^.;]{0,15}\b(?:werden|zu\s+sein|zu\s+werden|sein(?=\W*\Z))|\s+(?:in\s+(?:the\s+)?future|by\s+\w+)\b",
    re.IGNORECASE,
)
_WANTS: Final = re.compile(
    r"\b(?:will|möchte|plant|hofft|wünscht|wants?|wishes|plans?|hopes?|would like)\b", re.IGNORECASE
)
_RISK: Final = re.compile(
    r"""(?:\A|[,;:+&]|\b(?:and|und|sowie)\b)\W*(?P<name>smoking|tobacco(?:\ use)?|cigarettes|nicotine|nikotin
    |rauchen)\s*(?=[,;.+&]|\Z|(?:and|und|sowie)\b)""",
    re.IGNORECASE | re.VERBOSE,
)
"""An item of a list of risk factors."""
_NOT_SMOKING: Final = re.compile(
    r"""\b(?:(?:lives?|living|lebt)\ (?:with|mit|zusammen\ mit)\ (?:\w+\ ){0,2}(?:smok|rauch)\w*|programmes
    |leaflet|second-?\ ?hand|Kurse|Merkblatt|alarm|detector
    |unknown|not\ asked|not\ recorded|current\ or\ (?:former|quit|ex)|aktuelle[rn]?\ oder\ (?:ehemalige
    |frühere)\w*|unbekannt|nicht\ erfragt|nicht\ erhebbar|nicht\ erhoben|households?|Haushalt)\b|\b(?:room|ward
    |zimmer)\ (?:requested|gewünscht)""",
    re.IGNORECASE | re.VERBOSE,
)
_REFERENCE: Final = re.compile(
    r"""\b(?:Q-?RISK\w*|\w*score\w*|\w*(?:tables?|tabelle)|charts?|\w*(?:calculators?|rechner|algorithm\w*)|\w*berechnung
    |risk|Risiko)\b[^.;]*?\b(?:assum\w+|for|für|Annahme)\s+(?:s?he\s+is\s+)?(?:an?\s+|the\s+|eine[rs]?\s+)?(?:\w+\s+)?
    (?:non-?|ex-?|nicht-?)?\ ?(?:smok|rauch)
    |\b(?:calculat|estimat|berechn)\w+\s+(?:as|als|for|für)\s+(?:an?\s+|eine[nr]?\s+)?(?:non-?|ex-?|nicht-?)?\ ?
    (?:smok|rauch)
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""A tool, and of whom it speaks."""
_VAPING: Final = re.compile(r"\b(?:vap\w+|e-?zigarette\w*|e-?cig\w*|dampft)\b", re.IGNORECASE)
_PASSIVE: Final = re.compile(r"\b(?:passive?|passiv-?rauch\w*)\b", re.IGNORECASE)
_OTHER_SMOKE: Final = re.compile(
    r"""\b(?:mari[jh]uana|cannabis|weed|haschisch|hasch|joints?|meat|fish|salmon|crack|heroin|pot)\b
    |:\s*\w+(?:\s*[/|]\s*[A-Za-zÄÖÜäöü]\w+){2}""",
    re.IGNORECASE | re.VERBOSE,
)
"""What is smoked that is no tobacco, and a choice of answers."""
_AGAIN: Final = re.compile(
    r"\b(?:relaps\w+|resum\w+|restart\w*|again|wieder|rückfällig\w*|started (?:back|again)|neu begonnen)\b",
    re.IGNORECASE,
)
_NOT_AGAIN: Final = re.compile(r"\b(?:not|never|nicht|nie)\s+(?:\w+\s+){0,3}$", re.IGNORECASE)
_ENDED: Final = re.compile(
    r"""\b(?<!to\ )(?<!not\ )(?:quit(?!\ (?:date|line|attempt))|stopped|gave\ up|given\ up|until(?=\ (?:\w+\ )?(?:19
    |20)\d\d|\ \d|\ his|\ her|\ the)|till(?=\ (?:19|20)\d\d)
    |stopp(?=\ )|bis(?=\ (?:\w+\ )?(?:(?:19|20)\d\d|vor\b|zum\b|zur\b))|abstinent|aufgehört|none\ (?:since|for)
    |nothing\ (?:since|for)|nichts?\ mehr|nicht\ mehr|keiner\ mehr
    |(?:nikotin)?karenz\ seit|sistiert|beendet|eingestellt|in\ (?:\w+\ )?remission|in\ the\ past|remote|resolved
    |überwunden)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""After a mention: it has ended."""
_WISHED: Final = re.compile(
    r"\b(?:to|not|never|no|interest\w*|willing\w*|refus\w*|declin\w*|advis\w*|counsel\w*|encourag\w*|nicht|nie"
    r"|bereit\w*"
    r"|abgelehnt|lehnt|empfohlen|geraten|trying|tries|wants?|wish\w*|plans?|möchte|will|soll\w*|versuch\w*"
    r"|motiviert|attempt\w*|failed|unable)\b[^,;.]*\Z",
    re.IGNORECASE,
)
_DENIED: Final = re.compile(
    r"\b(?:no|not|never|nie|niemals|nicht|keine?[nmrs]?|neither|nor|weder|without|ohne"
    r"|denie[sd]|verneint|unlikely|excluded)\b",
    re.IGNORECASE,
)
_NONE: Final = re.compile(rf"{_DENIED.pattern}|\b(?:none|nil|nein|neg\w*|leer)\b", re.IGNORECASE)
_STILL: Final = re.compile(
    r"\b(?:but|now|currently|still|aber|jetzt|aktuell|noch|weiter\w*)\b", re.IGNORECASE
)
_DAVOR: Final = re.compile(r"[^.;]{0,25}\b(?:before that|davor|zuvor|previously)\b", re.IGNORECASE)
_YEARS: Final = r"(?:(?:19|20)\d\d|(?:years?|months?|weeks|Jahre?n?|Monate?n?|Wochen))"
_SINCE: Final = re.compile(
    r"\W*(?:(?:seit|since)\b(?!\s+(?:birth|childhood|Geburt|jeher|immer|(?:er|sie)\s+denken))"
    rf"|for\s+(?:\w+\s+){{0,4}}{_YEARS}\b)",
    re.IGNORECASE,
)
"""After a non-smoker who has not been one for ever."""
_SINCE_THEN: Final = re.compile(
    rf"\b(?:seit|since|for)\s+(?:\w+\.?\s+){{0,3}}{_YEARS}\s*,?\s*(?:ist\s+|is\s+)?(?:er\s+|sie\s+|s?he\s+)?(?:an?\s+)?\Z",
    re.IGNORECASE,
)
"""Before one."""
_DRINK: Final = re.compile(r"\b(?:C2|alk\w*|alco\w*|ETOH|drugs?|drogen)\b", re.IGNORECASE)
_ONCE: Final = re.compile(
    r"""\b(?:früher\w*|formerly|previous(?:ly)?|ehem\w*\.?|ex|remote(?:ly)?|past|h/o|hx\ of|history\ of
    |z\.?\s?n\.?|st\.?\s?n\.?|zustand\ nach|status\ nach
    |former|once|damals|was|war|prior|stattgehabt\w*)[\s-]+(?:[^\s,;:.]+\s+){0,2}\Z""",
    re.IGNORECASE | re.VERBOSE,
)
"""Before a mention: it was so."""
_NOT_SO: Final = {
    "never": re.compile(r"\b(?:not|nicht)\s+(?:\w+\s+){0,1}$", re.IGNORECASE),
    "former": re.compile(
        r"\b(?:not|never|(?<!managed )to|n't|cannot|can't|trying|nicht|nie|no|denies|without|keine?"
        r"|ohne)\s+(?:\w+\s+){0,1}$",
        re.IGNORECASE,
    ),
    "current": re.compile(
        r"(?:n[’\']t|\b(?:not|no\ longer|never|denies|stopped|nicht|nie|kein|keine|no|neither"
        r"|weder))\s+(?:\w+\s+){0,3}$",
        re.IGNORECASE | re.VERBOSE,
    ),
}
"""What stands before the words of a status and turns it."""
_ORDER: Final = re.compile(
    r"""(?:^|[.;,:]\s*|\b(?:please|bitte|must|should|to)\s+)\W*(?:please\ |bitte\ )?(?:do\ not|don['’]t|never
    |stop|quit|avoid|no)\ smok(?:e|ing)\b
    (?!\ (?:history|hx|at\ all)\b|\ (?:\w+\ ){0,3}(?:ago|since|in\ (?:19|20)\d\d|at\ (?:age|the\ age|\d)|after|\d
    |when|for\ \d+\ (?:years|yrs|months)))""",
    re.IGNORECASE | re.VERBOSE,
)
"""An order, which is no statement."""
_HEAD_NO: Final = re.compile(r"no\ smoking\s*(?:[.,;]|$)", re.IGNORECASE | re.VERBOSE)


def smoking(sentence: Sentence, day: date | None) -> Iterator[Fact]:
    """Whether the patient smokes, as far as a sentence states it."""
    text = sentence.text
    if sentence.carried or any(
        words.search(text) for words in (_REFERENCE, _NOT_SMOKING, _OTHER_SMOKE, _UNKNOWN, UNCHANGED)
    ):
        return
    mentions: list[tuple[str, int, int]] = []
    for status, pattern in _STATES:
        for match in pattern.finditer(text):
            if not any(start < match.end() and match.start() < end for _, start, end in mentions):
                mentions.append((status, match.start(), match.end()))
    if sentence.section.kind == "risk" and not mentions and _NONE.search(text) is None:
        mentions = [("current", *one.span("name")) for one in _RISK.finditer(text)]
    if len(mentions) > MOST:
        return
    stated: list[tuple[str, int, int]] = []
    for status, start, end in sorted(mentions, key=lambda one: one[1]):
        turned = _turned(sentence, status, start, end)
        if turned == "":
            return
        if turned is not None:
            stated.append((turned, start, end))
    if not stated:
        return
    order = ("never", "former", "non", "current")
    kinds = {status for status, _, _ in stated}
    if "current" in kinds and kinds & {"never", "non"}:
        return
    if {"never", "former"} <= kinds:
        return
    again = _AGAIN.search(text)
    if again is not None and is_of_another(sentence, again.start(), again.end()):
        again = None
    if again is not None and "former" in kinds and not _NOT_AGAIN.search(text[: again.start()]):
        kinds = {"current"}
        stated = [("current", stated[0][1], max(again.end(), stated[-1][2]))]
    if again is not None and kinds & {"never", "non"}:
        return
    status = next(one for one in order if one in kinds)
    _, start, end = next(one for one in stated if one[0] == status)
    if end > sentence.body and is_under_another_time(sentence, day):
        return
    yield sentence.fact("smoking", status, start, end)


def _turned(sentence: Sentence, status: str, start: int, end: int) -> str | None:
    """The status by the words around a mention; None of one that states nothing, empty where the whole sentence is
    in doubt."""
    text = sentence.text
    clause = sentence.clause(start, end)
    if (
        is_of_another(sentence, start, end)
        or _in_brackets(text, end)
        or _BESIDE.search(text, clause[0], start)
        or (_FINITE.match(text, start) and names_another(text[clause[0] : start]))
        or (
            _IN_APPOSITION.fullmatch(text, clause[0], start)
            and names_another(text[: clause[0]].rstrip(" ,(") + " ")
        )
    ):
        return None
    if _PASSIVE.search(text, *clause) or (_VAPING.search(text, *clause) and status == "current"):
        return None
    order = _ORDER.search(text)
    if (
        order is not None
        and order.start() <= end
        and order.end() >= start
        and not _HEAD_NO.match(text, start)
    ):
        return None
    if is_unreal(sentence, start, end, wish=True):
        return None if text[:start].strip() else ""
    before = text[:start]
    after = text[end:]
    if status in ("never", "non") and (
        _NOT_NON.search(before)
        or (_WANTS.search(before) and _TO_BE.match(after))
        or re.match(r"\s+nicht\s*\W*\Z", after)
    ):
        return ""
    if _NOT_SO.get(status) and _NOT_SO[status].search(before):
        return "former" if status == "current" and re.match(r"[^.;,]{0,20}\bmehr\b", after) else ""
    if status == "never":
        return status
    if status == "former":
        return "" if re.search(r"\bnicht\b(?!\ mehr)", text[start:end]) else status
    ended = _ENDED.search(after)
    if ended is not None and (
        FAMILY.search(after, 0, ended.start())
        or _WISHED.search(after[: ended.start()])
        or _DRINK.search(after, 0, ended.start())
    ):
        ended = None
    if status == "non":
        began = _SINCE.match(after) or _SINCE_THEN.search(before) or _DAVOR.match(after)
        return "former" if began else status
    if re.match(r"[^,;]*\bnicht\b(?!\ mehr|\ aufh|\ reduz)", after):
        return ""
    if status == "current" and _DENIED.search(before[clause[0] :]):
        return ""
    if ended is not None:
        return "former"
    led = _ENDED.search(before)
    if led is not None and not _WISHED.search(before[: led.start()]) and not _DRINK.search(before):
        return "" if _STILL.search(text, led.end()) else "former"
    if _DAVOR.search(after):
        return "former"
    if _ONCE.search(before[sentence.clause(start, end)[0] :]) or re.match(r"\s*in\ the\ past\b", after):
        return "former"
    return status


_FINITE: Final = re.compile(r"raucht|smokes|is an? |ist ", re.IGNORECASE)
_IN_APPOSITION: Final = re.compile(
    r"(?:(?:an?|eine?|selbst|himself|herself|also|auch)\s+)*(?:\w+\s+)?", re.IGNORECASE
)
"""Before a smoker as which the subject of the clause before is described."""
_BESIDE: Final = re.compile(
    r"\b(?:with|beside|next to|mit|neben|like|wie)\s+(?:an?|another|eine[mrn]|anderen|two|zwei"
    r"|other)\s+(?:[\w-]+\s+)?\Z",
    re.IGNORECASE,
)
"""Before a smoker whom the patient is with."""


def _in_brackets(text: str, end: int) -> bool:
    """Whether another person is named in brackets right after."""
    match = re.match(r"\s*\(([^)]*)\)", text[end:])
    return match is not None and len(match[1].split()) <= 3 and FAMILY.search(match[1]) is not None
