"""RxNorm ingredients of the drugs that CPIC's guidelines name (CPIC data, CC0); others are text, or of the store."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.term import Term

__all__ = ["RXNORM", "medication"]

RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"

_INGREDIENTS = {
    "abacavir": 190521, "acenocoumarol": 154, "allopurinol": 519, "amitriptyline": 704, "aripiprazole": 89013,
    "atazanavir": 343047, "atomoxetine": 38400, "atorvastatin": 83367, "azathioprine": 1256, "capecitabine": 194000,
    "carbamazepine": 2002, "carvedilol": 20352, "celecoxib": 140587, "citalopram": 2556, "clomipramine": 2597,
    "clopidogrel": 32968, "codeine": 2670, "dapsone": 3108, "desflurane": 27340, "desipramine": 3247,
    "dexlansoprazole": 816346, "doxepin": 3638, "efavirenz": 195085, "enflurane": 3920, "escitalopram": 321988,
    "flecainide": 4441, "fluorouracil": 4492, "flurbiprofen": 4502, "fluvoxamine": 42355, "halothane": 5095,
    "hydralazine": 5470, "imipramine": 5691, "irinotecan": 51499, "isoflurane": 6026, "ivacaftor": 1243041,
    "lansoprazole": 17128, "mercaptopurine": 103, "methoxyflurane": 6857, "metoprolol": 6918, "nortriptyline": 7531,
    "omeprazole": 7646, "ondansetron": 26225, "oxcarbazepine": 32624, "oxycodone": 7804, "pantoprazole": 40790,
    "paroxetine": 32937, "phenprocoumon": 8150, "phenytoin": 8183, "pimozide": 8331, "pravastatin": 42463,
    "propafenone": 8754, "propranolol": 8787, "protriptyline": 8886, "rasburicase": 283821, "risperidone": 35636,
    "rosuvastatin": 301542, "sertraline": 36437, "sevoflurane": 36453, "simvastatin": 36567, "siponimod": 2121085,
    "succinylcholine": 10154, "tacrolimus": 42316, "tamoxifen": 10324, "thioguanine": 10485, "tramadol": 10689,
    "trimipramine": 10834, "tropisetron": 27392, "venlafaxine": 39786, "voriconazole": 121243, "vortioxetine": 1455099,
    "warfarin": 11289,
}  # fmt: skip


def medication(name: str) -> Term:
    """A drug as a coded term; text alone where the table lacks it."""
    code = _INGREDIENTS.get(name.lower())
    return Term(RXNORM, str(code), name) if code else Term(None, None, name)
