# ruff: noqa: E501 - lists of words and patterns are written as they come out
"""What the words of a status column mean for a resource, and how a rule says it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from fhir_bridge.workshop.first_mapping.lexicon import rows_of

__all__ = [
    "MARKS",
    "NOTHING_THERE",
    "NO_ALLERGY",
    "STATUS_KINDS",
    "URGENT",
    "by_word",
    "is_status",
    "is_urgency",
    "of_appointments",
    "speaks_of_giving",
    "status_codes",
    "unknown_status",
]

_OBSERVATION: Final = {
    "final": "definitief|geautoriseerd|gefiatteerd|eind|einduitslag|v|val|vd|valid|val.|validada|validados|confirmed|signed|finalized|approved|auth|authenticated|auth (verified)|final|f|complete|completed|verified|validated|authorised|authorized|released|freigegeben|validiert|"
    "endgültig|endbefund|vollständig|définitif|validé|validée|definitivo|validado|validato|final result|fin|definitive|result final|"
    "firmado|firmato|refertato|informado|rendu|signé|freigeg.|fg|vidiert|medizinisch validiert|med. validiert|techn. und med. validiert|completo|completato",
    "preliminary": "voorlopig|vlp|provisorisch|t|techn. validiert|technisch validiert|pre|pv|prov|prov.|provisional|unconfirmed|unverified|draft|preliminary|p|prelim|provisional|interim|partial|vorläufig|vorbefund|teilbefund|provisoire|"
    "provvisorio|preliminar|provisional|preliminare|préliminaire|preliminaire|parziale|parcial|partiel|à valider|non validé|non validée|"
    "da validare|da confermare|pendiente de validar|pendiente validar|pendiente validación|sin validar|in validazione|deeluitslag|deelresultaat|niet gefiatteerd",
    "corrected": "gecorrigeerd|corrected|c|correction|korrigiert|korrektur|corrigé|corretto|corregido",
    "amended": "amended|a|addended|ergänzt|modifié|modificato|modificado",
    "cancelled": "geannuleerd|vervallen|cancelled|canceled|x|storniert|abgebrochen|annulé|annullato|cancelado|anulado",
    "registered": "aangevraagd|in bewerking|registered|pending|in process|in progress|received|ordered|i|o|s|ausstehend|in arbeit|en cours|"
    "en attente|in corso|in attesa|pendiente|en curso",
    "entered-in-error": "entered-in-error|entered in error|wrong|w|error|d|deleted|irrtümlich|gelöscht|falsch",
}
_TREATMENT: Final = {
    "completed": "completed|complete|done|finished|f|abgeschlossen|beendet|erledigt|durchgeführt|terminé|fait|"
    "completato|terminato|completado|terminado|finalizado|concluso|achevé|afgerond|voltooid|beëindigd",
    "stopped": "stopped|discontinued|aborted|abgesetzt|abgebrochen|arrêté|interrompu|sospeso|interrotto|suspendido|"
    "interrumpido|gestopt|gestaakt|stopgezet",
    "on-hold": "on-hold|on hold|held|hold|paused|pausiert|en pause|in pausa|en pausa|suspended|suspendu|suspendue",
    "entered-in-error": "entered-in-error|entered in error|error|wrong|irrtümlich|falsch",
}
_VOID: Final = (
    "entered-in-error|entered in error|cancelled|canceled|void|voided|deleted|error|storniert|gelöscht|irrtümlich|annulé|supprimé|"
    "annullato|cancellato|anulado|eliminado|geannuleerd|verwijderd"
)
"""Words for a record that does not count."""
_WORDS: Final = {
    "Observation": _OBSERVATION,
    "MedicationRequest": {
        **_TREATMENT,
        "active": "active|a|current|ongoing|verified|signed|aktiv|laufend|en cours|actif|attivo|in corso|activo|en curso|new|released|actief|lopend",
        "cancelled": "cancelled|canceled|storniert|annulé|annullato|cancelado|anulado|voided|geannuleerd",
        "draft": "draft|pending|planned|entwurf|geplant|prévu|unsigned|pending verify",
        "stopped": "stopped|discontinued|aborted|abgesetzt|abgebrochen|arrêté|interrompu|sospeso|interrotto|suspendido|"
        "interrumpido|expired|dc|d/c|ended|gestopt|gestaakt|stopgezet",
    },
    "MedicationAdministration": {
        **_TREATMENT,
        "completed": "toegediend|gegeven|completed|complete|done|given|administered|gegeben|verabreicht|fait|administré|somministrato|administrado|"
        "transfundiert|transfused|transfusé|transfundido|transfundida|trasfuso|trasfusa|getransfundeerd|infundiert|infused|donné|dado|dato|applied|flushed|confirmed|new bag|g|finished",
        "not-done": "niet gegeven|niet toegediend|geweigerd|overgeslagen|not-done|not done|not given|held|refused|missed|omitted|nicht gegeben|verweigert|non fait|refusé|"
        "non somministrato|no administrado|patient refused|non administré|refus|refusé par le patient|non donné|nicht verabreicht|abgelehnt|"
        "zurück|retour|zurückgegeben|returned|verworfen|discarded|wasted|devuelto|devuelta|détruit|reso|retourné|retournée|nicht transfundiert|"
        "not transfused|ausgelassen|not administered|withheld|refused by patient|rifiutato|rechazado|rehusado|no dado|omitido|omis|omesso|sospeso",
        "in-progress": "in-progress|in progress|started|running|laufend|en cours|in corso|started during downtime|rate change|rate verify|rate/dose verify|rate/dose change|rate dose change|restarted|new syringe|new cartridge",
        "on-hold": "on-hold|on hold|paused|pausiert",
    },
    "MedicationDispense": {
        **_TREATMENT,
        "completed": "completed|complete|dispensed|filled|issued|supplied|collected|picked up|handed over|abgegeben|ausgegeben|delivre|délivré|"
        "délivrée|dispensado|dispensada|entregado|erogato|erogata|uitgegeven|sold|verified|done|finished",
        "cancelled": "cancelled|canceled|returned to stock|returned|rts|voided|reversed|not collected|not dispensed|storniert|annulé|annulée|"
        "annullato|cancelado|anulado|zurückgegeben|retourné|devuelto|reso|geannuleerd",
        "preparation": "preparation|pending|in preparation|ready|ready for pickup|filling|in process|queued|in vorbereitung|en préparation|preparado",
        "declined": "declined|rejected|refused|abgelehnt|refusé|rechazado|rifiutato",
    },
    "MedicationStatement": {
        **_TREATMENT,
        "active": "active|a|current|ongoing|taking|aktiv|laufend|en cours|actif|attivo|in corso|activo|en curso",
        "intended": "intended|planned|geplant|prévu|previsto",
        "not-taken": "not-taken|not taken|refused|nicht eingenommen|non pris",
    },
    "Procedure": {
        **_TREATMENT,
        "in-progress": "in-progress|in progress|active|laufend|en cours|in corso|en curso",
        "preparation": "preparation|planned|scheduled|geplant|prévu|programmato|programado",
        "not-done": "not-done|not done|cancelled|canceled|refused|storniert|annulé|annullato|cancelado",
    },
    "ServiceRequest": {
        "active": "active|accepted|booked|scheduled|open|pending|requested|new|in progress|triaged|received|waiting|angenommen|geplant|offen|terminiert|"
        "angefordert|prenotato|prenotata|in attesa|en attente|programmé|planifié|pendiente|citado|citada|aceptado|gepland|ingepland|confirmed",
        "completed": "completed|complete|done|finished|attended|seen|closed|discharged|erogato|erogata|eseguito|eseguita|realizado|realizada|réalisé|"
        "effectué|durchgeführt|abgeschlossen|erledigt|befundet|reported|afgerond|cerrada|cerrado|performed",
        "revoked": "revoked|cancelled|canceled|rejected|declined|withdrawn|annullato|annullata|anulado|anulada|cancelado|cancelada|annulé|annulée|"
        "storniert|abgelehnt|rechazado|rechazada|geannuleerd|rifiutato|returned",
        "on-hold": "on-hold|on hold|deferred|suspended|zurückgestellt|aplazado|aplazada|reporté|sospeso|aangehouden",
        "draft": "draft|entwurf|borrador|brouillon|bozza",
        "entered-in-error": _TREATMENT["entered-in-error"],
    },
    "Immunization": {
        "completed": "completed|complete|done|given|administered|verabreicht|geimpft|fait|eseguito|administrado|administrada|aplicada|puesta|"
        "somministrato|somministrata|eseguita|faite|réalisé|réalisée|vaccinated",
        "not-done": "not-done|not done|refused|refusal|declined|not given|abgelehnt|nicht geimpft|refusé|rifiutato|rechazado|rechazada|rifiutata|"
        "refusée|contraindicada|contraindicado|contraindicated|contre-indiqué|contre-indiquée|no administrada|no administrado|non fait|"
        "reporté|reportée|ajourné|postponed|rimandato|deferred|aplazada|verschoben|verweigert|kontraindiziert|controindicato|controindicata|non eseguita|missed|not administered",
        "entered-in-error": _TREATMENT["entered-in-error"],
    },
    "Encounter": {
        "finished": "afgehandeld|afgerond|finished|completed|complete|discharged|closed|d|attended|seen|atendida|atendido|realizada|honoré|vu|presentato|verschenen|abgeschlossen|beendet|entlassen|terminé|sorti|"
        "concluso|dimesso|finalizado|alta",
        "in-progress": "in-progress|in progress|admitted|active|open|a|aktiv|aufgenommen|laufend|en cours|in corso|"
        "en curso|ingresado",
        "planned": "gepland|ingepland|planned|scheduled|booked|pending|pendiente|citada|citado|confirmed|confirmada|geplant|prévu|programmato|programado",
        "cancelled": "geannuleerd|afgezegd|no-show|noshow|cancellato|cancelled|canceled|no show|did not attend|dna|no presentado|no presentada|no acude|non presentato|non venu|nicht erschienen|"
        "niet verschenen|anulada|cancelada|annullata|annulée|storniert|abgesagt|annulé|annullato|cancelado",
        "arrived": "arrived|checked in|eingetroffen|arrivé|arrivato",
        "entered-in-error": _TREATMENT["entered-in-error"],
    },
    "Condition": {
        "active": "active|a|current|ongoing|chronic|aktiv|laufend|chronisch|actif|attivo|activo|actief|lopend|en cours|in corso|en curso",
        "resolved": "resolved|r|cured|closed|abgeschlossen|ausgeheilt|geheilt|résolu|guéri|risolto|guarito|resuelto",
        "inactive": "inactive|past|i|inaktiv|inactif|inattivo|inactivo|inactief",
        "remission": "remission|in remission|rémission|remissione|remisión",
        "recurrence": "recurrence|recurrent|rezidiv|récidive|recidiva",
        "relapse": "relapse|rückfall|rechute|ricaduta|recaída",
        "entered-in-error": _VOID,
    },
    "AllergyIntolerance": {
        "active": "active|a|current|aktiv|actif|attivo|activo|actief",
        "inactive": "inactive|i|inaktiv|inactif|inattivo|inactivo|inactief",
        "resolved": "resolved|r|cured|abgeklungen|résolu|risolto|resuelto|opgelost|genezen",
        "entered-in-error": _VOID,
    },
}
"""Words in small letters by resource type and R4's code (of `clinicalStatus` where the type has no other)."""


NOTHING_THERE: Final = frozenset(
    "no|none|nil|nein|kein|keine|keiner|keines|ohne|ohne befund|non|aucun|aucune|néant|neant|ras|nessuna|nessuno|ninguna|ninguno|sin|nee|geen|"
    "ingen|inga|inget|intet|nej|não|nao|-|ingen reaktion|keine reaktion|no reaction|no reactions|geen reactie|sin reacción|sin reaccion|aucune réaction|pas de réaction|nessuna reazione|nenhuma reação|ingen biverkan|inga biverkningar|nenhuma|nenhum|negative|neg|no complications|none known|keine komplikationen|keine bekannt|sin complicaciones|sans complication|"
    "pas de complication|nessuna complicanza|geen complicaties|unauffällig|sin incidencias|uneventful|n|0".split(
        "|"
    )
)
"""Words in small letters for that there is nothing: an absence, and no finding of that name."""
NO_ALLERGY: Final = NOTHING_THERE | frozenset(
    "nkda|nka|nkfa|no known allergies|no known drug allergies|no known allergy|no conocidas|no conocida|no conocidos|no refiere|no alergias|"
    "no alergias conocidas|sin alergias|sin alergias conocidas|keine allergie|keine allergien|keine bekannten|nicht bekannt|pas d'allergie|"
    "pas d'allergie connue|aucune connue|aucune allergie|nessuna nota|nessuna allergia|non note|non noto|nega|niega|geen bekend|geen allergie|"
    "geen allergieën|ingen kjente|ingen kända|unknown|unbekannt|inconnu|inconnue|onbekend".split("|")
)
"""Words for that no allergy is known."""
MARKS: Final = {
    **dict.fromkeys("x j ja y yes o oui s si sí sim 1 true wahr vrai vero waar + ✓ ✔ ☑".split(), "true"),
    **dict.fromkeys("n no nein nee non não nej nei 0 false falsch faux falso onwaar ☐".split(), "false"),
    "-": "~",
}
"""What marks a row by yes (true) or no in a column whose name asks for that, in small letters."""
_DONE: Final = frozenset("final completed finished".split())
"""The strongest statuses, which nothing becomes that is not understood."""


def _more(kind: str, words: Mapping[str, str]) -> dict[str, str]:
    """The words of a resource type by code with those of `vocabulary/statuses.tsv`, none of which has another code already."""
    result = dict(words)
    known = {word for each in words.values() for word in each.split("|")}
    for of, code, more in rows_of("statuses.tsv"):
        if of == kind:
            new = [word for word in more.split("|") if word not in known]
            known.update(new)
            result[code] = "|".join([*filter(None, [result.get(code, "")]), *new])
    return result


def by_word(codes: Mapping[str, str]) -> dict[str, str]:
    """The code of each word, of the words by code that `|` divides."""
    return {word: code for code, words in codes.items() for word in words.split("|")}


_URGENT: Final = {
    "routine": "routine|normal|elective|r|programado|prog|programada|elektiv|planmäßig|programmé|programmato|electief|non urgent|nicht dringend|p|d|programmabile|differibile",
    "urgent": "urgent|urg|dringend|dringlich|urgente|u|soon|spoed|2ww|two week wait|expedited|rapid|b|breve",
    "stat": "stat|emergency|notfall|cito|immediate|emergencia|emergenza|s",
    "asap": "asap|sofort|schnellstmöglich",
}
"""Words for how urgent something is, by R4's code of a priority."""
URGENT: Final = _more("Urgency", _URGENT)
"""The same with those of `vocabulary/statuses.tsv`."""


def is_urgency(values: Iterable[str]) -> bool:
    """Whether some words say how urgent something is."""
    known = by_word(URGENT)
    return any(value.casefold() in known for value in values)


_TABLES: Final = {
    "Immunization": ({"cp": "completed", "pa": "completed", "na": "not-done", "re": "not-done"},),
    "MedicationAdministration": ({"cp": "completed", "pa": "stopped", "na": "not-done", "re": "not-done"},),
    "ServiceRequest": (
        {"a": "active", "ip": "active", "sc": "active", "cm": "completed", "hd": "on-hold", "er": "entered-in-error", "ca": "revoked", "dc": "revoked", "rp": "revoked"},
    ),
    "MedicationRequest": (
        {"a": "active", "ip": "active", "sc": "active", "cm": "completed", "hd": "on-hold", "er": "entered-in-error", "ca": "cancelled", "dc": "stopped", "rp": "stopped"},
    ),
}  # fmt: skip
"""Codes of tables of HL7 by resource type: 0322 (completion) and 0038 (orders), where all words of a column are of one."""


_ENDINGS: Final = (("é", "ée"), ("i", "ie"), ("u", "ue"), ("o", "a"), ("a", "o"))
"""Ends of words for men and women in French, Italian and Spanish: `activo`, `activa`; `annulé`, `annulée`."""


def _in_both_genders(codes: Mapping[str, str]) -> dict[str, str]:
    """Words in both genders, a word that is there as it is; words of some letters alone, since `a` and `o` are codes."""
    forms = {
        word[: -len(end)] + other: code
        for word, code in codes.items()
        for end, other in _ENDINGS
        if word.endswith(end) and len(word) > 4
    }
    return {**forms, **codes}


_CODES: Final = {kind: _in_both_genders(by_word(_more(kind, codes))) for kind, codes in _WORDS.items()}
STATUS_KINDS: Final = tuple(_WORDS)
"""The resource types whose status words are known."""
_LACK_UNKNOWN: Final = frozenset(("Immunization", "Condition", "AllergyIntolerance"))


def is_status(values: Iterable[str]) -> bool:
    """Whether words say, whatever the column is called, how far a result is: two at least, none of one letter."""
    words = {value.casefold() for value in values}
    known = _CODES["Observation"]
    return len({known.get(word) for word in words}) >= 2 and all(
        len(word) > 2 and word in known for word in words
    )


def status_codes(kind: str, values: Iterable[str]) -> dict[str, str]:
    """The code of each word in small letters; empty text for a word that is none of the type's."""
    words = dict.fromkeys(re.sub(r"\s+", " ", value.casefold()) for value in values)
    if any(len(word) > 1 for word in words):
        table = next((t for t in _TABLES.get(kind, ()) if words.keys() <= t.keys()), None)
        if table is not None:
            return dict(table)  # with those that the sample lacks
    known = _CODES.get(kind, {})
    codes = {word: known.get(word, "") for word in words}
    return _as_a_set(kind, codes)


_SEEN: Final = frozenset("attended seen atendida atendido afgehandeld verschenen honoré discharged".split())
_SURE_OR_NOT: Final = frozenset("confirmed confirmada confirmado pending pendiente".split())
"""Words of appointments that say of a diagnosis how sure it is."""


def of_appointments(values: Iterable[str], *, named: bool, listed: bool) -> frozenset[str]:
    """The words in small letters that say of an appointment that it was called off, where a column's words are of appointments.

    Args:
        values: the column's words.
        named: whether its own name speaks of appointments.
        listed: whether another column's does.
    """
    words = {value.casefold() for value in values}
    visits, diagnoses = _CODES["Encounter"], _CODES["Condition"]
    called_off = {word for word in words if visits.get(word) == "cancelled"}
    clinical = any(diagnoses.get(word, "entered-in-error") != "entered-in-error" for word in words)
    sure = any(
        word in _SEEN
        or (visits.get(word) in ("arrived", "planned") and word not in _SURE_OR_NOT)
        or (word in called_off and word not in diagnoses)
        for word in words
    )
    return frozenset(called_off) if named or (not clinical and (listed or sure)) else frozenset()


def _as_a_set(kind: str, codes: dict[str, str]) -> dict[str, str]:
    """The codes of words, their single letters read together: one that has several meanings has that of the set.

    Beside `E` (Endbefund) `V` is vorläufig, beside `P` it is validated; beside a letter that is not understood, or alone, it is
    nothing that is known. No letter of such a set is taken for done but `F`, which HL7 has for final.
    """
    letters = {word for word in codes if len(word) == 1 and word.isalpha()}
    if kind == "Observation" and {"e", "v"} <= letters and not letters & {"f", "p"}:
        return {**codes, "e": "final", "v": "preliminary"}
    unsure = any(not codes[letter] for letter in letters) or (letters == {"v"} and len(codes) == 1)
    doubtful = {letter for letter in letters - {"f"} if codes[letter] in _DONE} if unsure else set[str]()
    return {word: "" if word in doubtful else code for word, code in codes.items()}


def unknown_status(kind: str) -> str:
    """The code for a status that is not known; empty where the type has none."""
    return "" if kind in _LACK_UNKNOWN else "unknown"


def speaks_of_giving(kind: str, role: str, values: Iterable[str]) -> bool:
    """Whether words say, whatever the column is called, of each row whether it was given or done."""
    if kind not in ("MedicationAdministration", "MedicationDispense", "Immunization", "Procedure"):
        return False
    if role not in (
        "category",
        "text",
        "status-of",
        "value",
        "disposition",
        "flag",
        "refused",
        "administered",
    ):
        return False
    words = {value.casefold() for value in values}
    if any("cp" in table and {"cp"} < words <= table.keys() for table in _TABLES.get(kind, ())):
        return True
    codes = [_CODES[kind].get(word, "") for word in words if len(word) > 2]
    return {"completed", "not-done"} <= set(codes) and 2 * sum(map(bool, codes)) >= len(words)
