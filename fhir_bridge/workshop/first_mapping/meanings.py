# ruff: noqa: E501 - lists of words are written as they come out
"""What words mean by their own, whatever the column is called: how sure, how severe, of what sort; that there is no allergy."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

__all__ = ["AFTER", "ALLERGENS", "ALLERGY_TYPES", "CERTAINTY", "ROUTES", "SEVERITY", "UNKNOWN", "no_allergy"]

CERTAINTY: Final = {
    "confirmed": "g|gesichert|confirmed|c|sicher|certain|confirmé|confermata|confermato|confirmado|confirmada|confirmée|bestätigt|established|definite|definitive|proven|z|zustand nach|status after|certo|bevestigd|zeker",
    "provisional": "v|verdacht|suspected|verdacht auf|provisional|suspect|suspecté|suspectée|suspicion|sospetta|sospetto|sospecha|possible|probable|working|p|s|vermoed|waarschijnlijk|mogelijk|"
    "rule out|query|presumed|presumptive|likely|wahrscheinlich|möglich|vermutet|vermutlich|vd|v.a.|va|verdenking|verdacht op|soupçonné|présumé|possibile|probabile|posible|sospechoso|tentative|unconfirmed diagnosis",
    "refuted": "a|ausschluss|ausgeschlossen|refuted|excluded|ruled out|ruled-out|exclu|exclue|éliminé|esclusa|escluso|descartado|descartada|excluido|excluida|uitgesloten|verworpen|disproved|r",
    "differential": "differential|dd|differentialdiagnose",
    "unconfirmed": "unconfirmed|u|unsicher|incertain",
    "entered-in-error": "entered-in-error|entered in error|error|falsch|storniert|annulé|annulée|cancelled|canceled|anulado|anulada|annullato|annullata|geannuleerd|irrtum",
}
AFTER: Final = frozenset(("z", "zustand nach", "status after"))
"""Words for what was a disease and is one no longer."""
ALLERGENS: Final = {
    "food": "food|food allergy|comida|nutrient|voeding|voedsel|lebensmittel|nahrung|nahrungsmittel|aliment|alimentaire|alimento|alimentare|alimentaria|fa",
    "medication": "medication|drug allergy|drugs|medications|medicijn|arznei|medicina|pharmaceutical|geneesmiddel|medicatie|drug|medicine|medikament|arzneimittel|médicament|medicament|farmaco|fármaco|medicamento|da",
    "environment": "environment|environmental allergy|pollen/environment|aeroallergen|inhalation|inhalatie|inhalationsallergen|seasonal|omgeving|environmental|umwelt|environnement|ambiente|ambiental|ambientale|ea|pollen|inhalant",
    "biologic": "biologic|biological|vaccine",
}
SEVERITY: Final = {
    "mild": "mild|licht|leicht|léger|legere|légère|lieve|leve|low|minor|1|gering",
    "moderate": "moderate|matig|mittel|mäßig|modéré|modérée|moderata|moderato|moderada|moderado|medium|2|mittelschwer",
    "severe": "severe|severe allergy|very severe|sehr schwer|très sévère|muy grave|molto grave|zeer ernstig|anaphylactic|anaphylaktisch|severa|severo|ernstig|schwer|sévère|grave|high|critical|3|life-threatening|lebensbedrohlich|anaphylaxis",
}

ALLERGY_TYPES: Final = {
    "allergy": "allergy|allergic|true allergy|allergie|allergisch|allergique|alergia|alérgica|allergia|allergica|al",
    "intolerance": "intolerance|intolerant|intoleranz|unverträglichkeit|intolérance|intolerancia|intolleranza|intolerantie|overgevoeligheid|in",
}
"""R4's type of an allergy; what else a reaction may be (a side effect, toxicity) is neither."""
ROUTES: Final = frozenset(
    "oral|orally|oraal|orale|os|per os|po|p.o.|by mouth|peroral|iv|i.v.|intravenous|intravenös|intraveneus|intraveineuse|intravenosa|endovenosa|ev|e.v.|"
    "sc|s.c.|subcutaneous|subcutan|subkutan|subcutaan|sous-cutanée|sous cutanée|subcutánea|subcutanea|sottocutanea|im|i.m.|intramuscular|intramuskulär|"
    "intramusculair|intramusculaire|intramuscolare|topical|topisch|topique|tópica|topica|cutaan|cutané|cutanée|inhalation|inhalative|inhalativ|inhalatie|inhalée|inhalatoria|"
    "inhalatoir|rectal|rektal|rectaal|rectale|nasal|nasaal|nasale|intranasal|sublingual|sublinguaal|sublinguale|transdermal|transdermaal|transdermique|ophthalmic|ocular|"
    "oculair|oculaire|vaginal|vaginaal|vaginale|epidural|epiduraal|intradermal|intrathecal|intrathekal|intrathecaal|nebulised|nebulized|vernebelen|nebulizer|"
    "via sonde|per sonde|peg|ng|enteral|enteraal|buccal|dermal|otic|inhaled|inh|pr|sl|td|sonde".split("|")
)
"""Words in small letters for the way that medication is given."""
_NO_KNOWN: Final = re.compile(
    r"nka|nkda|nkfa|nkma|nkea|no known .*(allerg|intoler|reaction).*|no .*allergies|(keine|ohne|keinerlei) .*allergie.*|geen .*allergie.*|(pas d|aucune) ?'?.*allergie.*|nessuna .*allergi.*|"
    r"(no|sin|ninguna) .*alergi.*"
)
_OF_WHAT: Final = (
    (re.compile(r"nk[dm]a|.*(medic|drug|arznei|medik|médic|geneesm|medicij|farmac|fármac).*"), "409137002", "No known drug allergy"),
    (re.compile(r"nkfa|.*(food|lebensm|nahrung|aliment|voeding|voedsel).*"), "429625007", "No known food allergy"),
    (re.compile(r"nkea|.*(environ|umwelt|omgeving|ambient).*"), "428607008", "No known environmental allergy"),
)  # fmt: skip
UNKNOWN: Final = frozenset(
    "unknown|unbekannt|inconnu|inconnue|onbekend|desconocido|desconocida|sconosciuto|not assessed|nicht erhoben".split(
        "|"
    )
)
"""Words for that nobody knows whether there is an allergy, which is not that none is known."""


def no_allergy(word: str, none: Collection[str]) -> tuple[str, str] | None:
    """The code of SNOMED CT and its name of a cell that says that no allergy is known; None for any other.

    Args:
        word: the cell, in small letters.
        none: words that say that in a column of allergies.
    """
    if word in UNKNOWN or not (word in none or _NO_KNOWN.fullmatch(word)):
        return None
    for pattern, code, name in _OF_WHAT:
        if pattern.fullmatch(word):
            return code, name
    return "716186003", "No known allergy"
