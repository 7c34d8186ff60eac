# ruff: noqa: E501
"""What the name of a column says, in English, German, French, Italian and Spanish."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from fhir_bridge.workshop.units import ucum_of

__all__ = ["language_of", "role_in", "tokens", "unit_in", "without_unit"]

_ID: Final = r"(id|ids|uuid|uid|guid|cod|no|nr|num|number|nummer|numero|nro|key|identifier|identifikator|code|codice|codigo|kennung|source value)"
_RULES: Final[tuple[tuple[str, str], ...]] = (
    ("concept", r"concept id"),
    ("patient-id", rf"(patient|pat|pt|patients|person|subject|subj|participant|client|klient|patienten|paziente|paciente|assistito|case report) {_ID}"),
    ("patient-id", rf"{_ID} (patient|pat|person|subject|participant|klient|patienten|paziente|paciente|assistito|du patient|del paziente|del paciente)"),
    ("patient-id", r"^(patient|patnr|patid|patientid|personid|pid|pidnum|subj|subjid|usubjid|mrn|ipp|nhc|subject|medical record( number)?|codice fiscale|n dossier|dossier|(no |n |num )?historia( clinica)?|(patient|pat) mrn|patient(en)?(nummer|nr|kennung)|(no|num|numero)( de| du)? dossier( (patient|medical))?)$"),
    ("encounter-id", rf"(encounter|visit|visit occurrence|episode|stay|case|admission|hadm|fall|aufenthalt|aufnahme|besuchs?|sejour|venue|ricovero|episodio) {_ID}"),
    ("encounter-id", r"^(no|n|nr|num|numero) (de |di |del? )?(episodio|episode|sejour|venue|visite|visita|ricovero|fall|encounter|visit|stay)$"),
    ("encounter-id", r"^(encounter|visit|fallnr|fallnummer|aufnahmenr|aufnahmenummer|besuchsnr|hadm|iep|nosologico|encounterid|visitid|episodio)$"),
    ("order-id", rf"(order|auftrag|accession|request|sample|specimen|probe|probe|demande|richiesta|muestra|peticion) {_ID}"),
    ("order-id", r"^(auftrag|auftragsnr|ordernr|accession|probennr)$"),
    ("provider-id", rf"(provider|practitioner|physician|doctor|arzt|medecin|medico) {_ID}|^(provider|practitioner|physician|arzt|medecin|medico)$|(^|[ ])npi$"),
    ("organization-id", rf"^(siteid|site {_ID}|centerid|center {_ID}|zentrum {_ID})$"),
    ("organization-id", rf"(organization|organisation|hospital|facility|care site|department|payer|insurer) {_ID}|^(organization|organisation|hospital|facility|payer|department)$"),
    ("authority", r"(authority|issuer|aussteller|autorite|autorita)"),
    ("birth-date", r"birth ?date|date of birth|^dob$|^d o b$|geburts(datum|tag)|^geb( ?dat(um)?)?$|^geboren$|^born$|^ddn$|^nee?( e)? le$|^nat[oa]( a)? il$|date (de )?naissance|data (di )?nascita|fecha (de )?nacimiento|birth ?(datetime|day)|^dt nasc"),
    ("birth-place", r"birth ?place|place of birth|geburtsort|lieu (de )?naissance|luogo (di )?nascita|lugar (de )?nacimiento"),
    ("death-date", r"death ?(date|datetime|time)|date of death|deceased date|todesdatum|sterbedatum|date (de )?deces|data (di )?(decesso|morte)|fecha (de )?(defuncion|muerte)"),
    ("birth-year", r"year of birth|birth ?year|geburtsjahr"),
    ("birth-part", r"(month|day) of birth"),
    ("name", r"^(name|nachname|familienname|cognome|nom|apellidos?|last ?name|surname)( e| et| y| und| and)? (vorname|nome|prenom|nombres?|first ?name|given ?name)$|^(vorname|nome|prenom|nombres?|first ?name)( e| et| y| und| and)? (name|nachname|cognome|nom|apellidos?|last ?name|surname)$"),
    ("maiden", r"maiden|geburtsname|nom (de )?(naissance|jeune fille)"),
    ("middle", r"^middle ?(names?|initials?)$|^zweiter vorname$|^deuxieme prenom$|^secondo nome$|^segundo nombre$"),
    ("language", r"^((primary|preferred|native|spoken|patient) )?(language|sprache|langue|lingua|idioma)( (spoken|preferred))?$|muttersprache|langue maternelle"),
    ("given", r"^(first|given|fore)( ?names?)?$|vorname|^prenoms?$|^nome$|^nombres?$|^firstname$|^givenname$|(patient|pat) first ?name"),
    ("family", r"^(last|family|sur) ?names?$|^(last|surname|familienname|nachname|zuname|nom|cognome|apellidos?|lastname)$|nom (de famille|usuel)|(patient|pat) last ?name"),
    ("prefix", r"^(prefix|title|anrede|titel|titre|titolo|titulo|name prefix)$"),
    ("suffix", r"^(suffix|name suffix)$"),
    ("sex", r"^(birth |assigned )?(sex|gender)( (assigned )?at birth)?$|^(sex|gender|geschlecht|sexe|sexo|sesso|genere|genero|m f|sexm)$|(gender|sex) (source value|code)|(patient|pat) (sex|gender)"),
    ("age", r"^(age|alter|eta|edad)( (in )?(years?|jahren?|anni|anos|ans|yrs?|y|at .*|bei .*))?$|^(patient )?age$|^age ?(yrs?|years?)$"),
    ("race", r"^(race|rasse)( source value)?$"),
    ("ethnicity", r"^(ethnicity|ethnie|ethnic group|ethnicity source value|etnia)$"),
    ("marital", r"^(marital|marital status|familienstand|zivilstand|etat civil|stato civile|estado civil)$"),
    ("phone", r"(^|[ ])(phone|telephone|telefon|telefono|tel|mobile|handy|fax)( (number|nr|nummer))?$"),
    ("email", r"e ?mail"),
    ("postal-code", r"^(zip|zip ?code|postal ?code|postcode|plz|postleitzahl|code postal|cap|codigo postal|cp)$"),
    ("city", r"^(city|town|ort|wohnort|stadt|ville|commune|citta|comune|ciudad|localidad|municipality)$"),
    ("state", r"^(state|province|bundesland|kanton|canton|provincia|state headquartered)$"),
    ("county", r"^(county|landkreis|bezirk|departement)$"),
    ("country", r"^(country|land|pays|paese|pais|nation)$"),
    ("address", r"address|^(street|strasse|adresse|rue|via|indirizzo|direccion|calle|domicilio|anschrift)( .*)?$"),
    ("range-low", r"(range|normal|reference|ref|norm) (low|lower|min|unten|inf)|^(low|lower limit|untergrenze|referenz unten|normlow)$"),
    ("range-high", r"(range|normal|reference|ref|norm) (high|upper|max|oben|sup)|^(high|upper limit|obergrenze|referenz oben|normhigh)$"),
    ("range", r"^(reference|ref|normal) ?(range|interval|bereich|wert)?$|referenz(bereich|intervall)?$|normbereich|valeurs? de reference|(intervallo|valori|range) di riferimento|valeurs normales|normalwerte?|valores? de referencia"),
    ("id", rf"^(lot|lotto|lote|charge|chargennr|chargennummer|batch)( {_ID})?$"),
    ("unit", r"^[a-z]{2}(orresu|stresu)$|(^|[ ])(units?|einheit|unite|unita|unidad)$|^(units?|einheit|unite|unita|unidad|uom|mass?einheit)( (code|of measure|de mesure|di misura|de medida|source value))?$|unit (source value|of measure)|value unit"),
    ("value", r"^[a-z]{2}(orres|stresn)$|^(value|wert|messwert|result|resultat|ergebnis|valeur|valore|risultato|valor|resultado|numeric value|result value|messergebnis)( (as )?(number|numeric))?$|value as number"),
    ("flag", r"^(flag|abnormal( flag)?|pathologisch|bewertung|interpretation|anormal)$"),
    ("money", r"(cost|costs|price|(?<!dis)charge|(?<!dis)charges|amount|expenses?|coverage|revenue|kosten|betrag|preis|cout|montant|costo|importo|precio|coste|outstanding|payments?|totalcost|fee)( .*)?$"),
    ("start", r"^(start|begin|beginn|from|von|onset|debut|inizio|inicio|admit|admission|admitted|arrival|aufnahme|eintritt|entree|ingreso|ingresso)( ?(date|datetime|time|datum|zeit|zeitpunkt|dt|dtm|dttm|ts|on|at))?$|start (date|datetime|time)|(aufnahme|eintritts?|beginn)(datum|zeit|zeitpunkt)|date (de |d )?(entree|debut|inizio)|(data|fecha) (di |de )?(inizio|inicio|ingreso|ricovero|ingresso)"),
    ("end", r"^(stop|end|ende|to|bis|fin|fine|until|abatement|resolved|discharge|discharged|departure|entlassung|austritt|sortie|alta|dimissione)( ?(date|datetime|time|datum|zeit|zeitpunkt|dt|dtm|dttm|ts|on|at))?$|end (date|datetime|time)|(entlass(ungs?)?|austritts?|end)(datum|zeit|zeitpunkt)|date (de )?(sortie|fin)|(data|fecha) (di |de )?(fine|fin|alta|dimissione)"),
    ("date", r"(^|[ ])(date|datum|data|fecha|datetime|timestamp|time|zeit|zeitpunkt|uhrzeit|heure|ora|hora|taken|collected|abnahme|abgenommen|prelevement|prelievo|when|dtc|dat)( .*)?$|(date|datum|zeitpunkt|dtc|datetime)[a-z]?$|^(rec|diag|death|birth|visit|lab|sample)dat"),
    ("display", r"^(vs|lb|eg|qs|pe|mb)test$|^(libelle|bezeichnung|descripcion|descrizione) [a-z]+$|^(description|desc|display|bezeichnung|beschreibung|libelle|descrizione|descripcion|label|code text|term|test ?name|testname|analyse|analyt|analyte|parameter|parametro|parametre|examen|esame|prueba|test|untersuchung|name of test|diagnose ?text|drug ?name|medication ?name)[0-9]*$|(description|bezeichnung|libelle|descrizione|descripcion|display)$"),
    ("code", r"^[a-z]{2}testcd$|^(code|codice|codigo) [a-z]+$|(^|[ ])(code|codes|loinc|icd|icd ?(9|10)( ?(cm|gm))?|snomed|sct|atc|rxnorm|rxcui|ndc|cvx|cpt|ops|codice|codigo|schluessel|kode|kuerzel)[0-9]*$|(source value|code[0-9]?)$"),
    ("status", r"^((vital|result|order|encounter|visit|clinical|verification|record|report|claim) )?(status|stato|statut|zustand)( ?[0-9p])?$|^(befund|auftrags|ergebnis|fall|diagnose|freigabe)status$"),
    ("text", r"^(notes?|comments?|kommentar|bemerkung(en)?|remarque|commentaire|nota|commento|observaciones|freitext|text|hinweis|befundtext|sig|remarks?)$"),
    ("category", r"^(category|class|type|kind|group|kategorie|art|gruppe|categorie|categoria|tipo|klasse|encounterclass|modality)$|(class|type|category|group|stage|grade|level)$"),
    ("name", r"^(name|full ?name|patient ?name|patientenname|nom complet|nome completo|nombre completo|staff name|person name)$"),
    ("row-id", r"^(id|uid|uuid|guid|key|index|nr|no|lfd nr|lfdnr|row|row ?id|seq|sequence)$"),
    ("id", r"(^|[ ])(id|uid|uuid|identifier|nummer|numero|nr|number)$|^(ssn|drivers?|passport|ahv ?(nr|nummer)?|insurance|versicherten ?(nr|nummer)?)$"),
)  # fmt: skip
"""Role and pattern over the words of a name; the first that fits counts."""

_WORDS: Final = {
    "de": "datum nummer wert einheit geburtsdatum geschlecht nachname vorname bezeichnung auftrag befund ort plz strasse "
    "aufnahme entlassung alter nr zeit fall bemerkung arzt station groesse gewicht puls",
    "fr": "prenom nom sexe naissance valeur unite libelle adresse ville resultat poids taille medecin date",
    "it": "cognome nome sesso nascita valore unita descrizione indirizzo citta risultato peso altezza data esame",
    "es": "apellido apellidos nombre sexo nacimiento valor unidad descripcion direccion ciudad resultado peso fecha",
}


@lru_cache(5_000)
def tokens(name: str) -> str:
    """The words of a name, folded, with single blanks: `PatientID` and `patient_id` are `patient id`."""
    name = re.sub(r"(?i)\bn[°º]", "no ", name)
    text = re.sub(r"(?<=[a-zäöüß0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", " ", name)
    text = unicodedata.normalize("NFKD", text.replace("ß", "ss")).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z]+|\d+", text.casefold()))


@lru_cache(5_000)
def role_in(name: str) -> str:
    """The role that a column's name gives it; nothing where it says none."""
    bare, _ = without_unit(name)
    words = tokens(bare)
    return next((role for role, pattern in _RULES if re.search(pattern, words)), "")


def language_of(columns: tuple[str, ...]) -> str:
    """The language of most names, by words of other languages than English; `en` without any."""
    words = {word for column in columns for word in tokens(column).split()}
    compounds = " ".join(words)
    counts = {
        language: sum(1 for word in known.split() if word in words or (len(word) > 5 and word in compounds))
        for language, known in _WORDS.items()
    }
    best = max(counts, key=lambda language: counts[language])
    return best if counts[best] >= 2 or (counts[best] == 1 and len(columns) < 4) else "en"


_BRACKETED: Final = re.compile(r"\s*[(\[]([^()\[\]]+)[)\]]\s*$")
_SUFFIXES: Final = frozenset(
    "kg cm mm mmhg bpm mg g ml dl ug ng pg mmol umol nmol mol iu miu meq hours hour hrs hr days day weeks months years "
    "year yrs min minutes sec seconds ms percent pct celsius fahrenheit mgdl mmoll gdl".split()
)
_RATIO: Final = re.compile(
    r"(?:[fpnµμumk]?g|[fpnµμumk]?mol|[µμumk]?(?:IU|IE|U|Eq|eq)|m?[lL]|[GT]|10\^?\d+)/(?:[dmµ]?[lL]|min|h|24h|d|kg|g|m2)"
)
"""An amount in another one, as headers write it after a blank: `CRP mg/l`, `TSH µU/ml`, `Leuko G/l`."""
_PER: Final = frozenset("dl l ml min h kg m m2 mol".split())
_DURATION: Final = re.compile(
    r"time|dauer|duration|duree|durata|duracion|zeit|tiempo|temps|tempo|length|exercise"
)
_SYMBOLS: Final = frozenset("% °C °F in inch inches ft lb lbs".split())
_IMPERIAL: Final = re.compile(
    r"(?i)(?:(?<=height)|(?<=height.)|(?<=stature.)|(?<=waist.)|(?<=ht.)|(?<=size.)|(?<=length.))[ _(]?(in|inch|inches|ft)$"
    r"|(?:(?<=weight)|(?<=weight.)|(?<=wt.)|(?<=mass.))[ _(]?(lbs?)$"
)
_JOINED: Final = re.compile(r"(?i)^(?:wt|weight|ht|height|bmi|size)(kg|cm|mm|m2)$")


@lru_cache(5_000)
def without_unit(name: str) -> tuple[str, str]:
    """A name without the unit that it states, and this as written; empty where there is none."""
    match = _BRACKETED.search(name)
    if match and (ucum_of(match[1].strip()) or "/" in match[1] or match[1].strip() in _SYMBOLS):
        return name[: match.start()], match[1].strip()
    last = name.rsplit(" ", 1)
    if len(last) == 2 and last[1] in ("%", "°C", "°F", "mmHg"):
        return last[0], last[1]
    per_minute = re.fullmatch(r"(.*[^\W\d_])(/ ?min)", name)
    if per_minute and not ucum_of(name.rsplit(" ", 1)[-1]):
        return per_minute[1], "/min"
    if len(last) == 2 and _RATIO.fullmatch(last[1]):
        return last[0], last[1]
    imperial = _IMPERIAL.search(name)
    if imperial:
        return _before(name, imperial), imperial[1] or imperial[2]
    joined = _JOINED.match(name)
    if joined:
        return name[: joined.start(1)], joined[1]
    pieces = list(re.finditer(r"[^\W\d_]+|[%°]+|\d+", name))
    words = [match[0] for match in pieces]
    for count in (3, 2):
        tail = words[-count:]
        if (
            len(words) > count
            and tail[0].casefold() in _SUFFIXES
            and len(tail) == count
            and all(word.isalnum() for word in tail)
        ):
            if count == 3 and tail[1].casefold() == "per":
                return _before(name, pieces[-3]), f"{tail[0]}/{tail[2]}"
            if count == 2 and tail[1].casefold() in _PER:
                return _before(name, pieces[-2]), f"{tail[0]}/{tail[1]}"
    if len(words) > 1 and words[-1].casefold() == "min" and not _DURATION.search(tokens(name)):
        return name, ""  # the smallest, beside `max` and `mean`
    if len(words) > 1 and words[-1].casefold() == "hr" and not _DURATION.search(tokens(name)):
        return name, ""  # the heart rate, not hours
    if len(words) > 1 and words[-1].casefold() in _SUFFIXES:
        return _before(name, pieces[-1]), words[-1]
    return name, ""


def _before(name: str, unit: re.Match[str]) -> str:
    """The words before a unit, with single blanks."""
    return re.sub(r"[\W_]+", " ", name[: unit.start()]).strip()


def unit_in(name: str) -> tuple[str, str] | None:
    """The unit that a name states, as written and in UCUM (empty where it has none)."""
    _, unit = without_unit(name)
    return (unit, _ucum(unit)) if unit else None


_SPELT: Final = {
    "hours": "h", "hrs": "h", "days": "d", "day": "d", "weeks": "wk", "months": "mo", "years": "a", "year": "a",
    "yrs": "a", "minutes": "min", "seconds": "s", "sec": "s", "percent": "%", "pct": "%", "celsius": "Cel",
    "fahrenheit": "[degF]", "bpm": "/min", "1/min": "/min", "mgdl": "mg/dL", "mmoll": "mmol/L", "gdl": "g/dL", "mmhg": "mm[Hg]",
    "hour": "h", "ug/l": "ug/L", "mg/dl": "mg/dL", "g/dl": "g/dL", "mmol/l": "mmol/L", "°c": "Cel", "°f": "[degF]",
    "in": "[in_i]", "inch": "[in_i]", "inches": "[in_i]", "ft": "[ft_i]", "lb": "[lb_av]", "lbs": "[lb_av]",
}  # fmt: skip


_BY_CASE: Final = {"G": "10*9/L", "T": "10*12/L"}
"""Counts of cells in giga and tera a litre; `G` alone is gauss in UCUM, and `g` is gram."""


def _ucum(unit: str) -> str:
    counted = re.fullmatch(r"([GT])/[lL]", unit)
    if counted:
        return _BY_CASE[counted[1]]
    folded = unit.casefold().replace("μ", "u").replace("µ", "u")
    units = re.fullmatch(r"([um]?)(iu|ie|u)/(ml|l)", folded)
    if units and units[2] != "u":
        return f"{units[1]}[IU]/{'mL' if units[3] == 'ml' else 'L'}"
    if units:
        return f"{units[1]}U/{'mL' if units[3] == 'ml' else 'L'}"
    return _SPELT.get(folded) or ucum_of(unit) or ucum_of(folded) or ""


def bare(name: str) -> str:
    """The name without its unit."""
    return without_unit(name)[0].strip(" _-.") or name
