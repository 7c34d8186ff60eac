"""ClinVar's INFO fields: CLNSIG, CLNREVSTAT, CLNDN, CLNDISDB (ClinVar's VCF README)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_bridge.adapters.genomics.term import Term
from fhir_bridge.adapters.genomics.values import unescaped

__all__ = ["CLINVAR_KEYS", "NONE", "REPORTABLE", "ClinVar", "read_clinvar", "unclear"]

CLINVAR_KEYS = ("CLNSIG", "CLNREVSTAT", "CLNDN", "CLNDISDB", "CLNVID")
"""INFO keys in the order in which `read_clinvar` takes their values."""
_CLASSES = {
    "pathogenic": "pathogenic",
    "likely pathogenic": "likely-pathogenic",
    "uncertain significance": "uncertain",
    "likely benign": "likely-benign",
    "benign": "benign",
}
_AGGREGATES = {
    # "Pathogenic/Likely pathogenic" holds at least the weaker claim.
    frozenset(("pathogenic", "likely-pathogenic")): "likely-pathogenic",
    frozenset(("benign", "likely-benign")): "likely-benign",
}
REPORTABLE = frozenset(("pathogenic", "likely-pathogenic"))
_OTHER_WORDS = frozenset(
    (
        "affects",
        "association",
        "association not found",
        "confers sensitivity",
        "conflicting classifications of pathogenicity",
        "conflicting data from submitters",
        "conflicting interpretations of pathogenicity",
        "drug response",
        "established risk allele",
        "likely risk allele",
        "no classification for the single variant",
        "no classifications from unflagged records",
        "no interpretation for the single variant",
        "not provided",
        "other",
        "protective",
        "risk factor",
        "uncertain risk allele",
    )
)
"""What CLNSIG says beside the five classes (ClinVar, "Representation of classifications")."""
_SILENT = frozenset(("", ".", "low penetrance"))
"""What stands beside a class, or for none."""
_STARS = {
    "practice guideline": "4-star",
    "reviewed by expert panel": "3-star",
    "criteria provided, multiple submitters, no conflicts": "2-star",
    "criteria provided, multiple submitters": "2-star",
    "criteria provided, single submitter": "1-star",
    "criteria provided, conflicting classifications": "1-star",
    "criteria provided, conflicting interpretations": "1-star",
    "no assertion criteria provided": "no-star",
    "no assertion provided": "no-star",
    "no classification provided": "no-star",
    "no classification for the single variant": "no-star",
    "no classifications from unflagged records": "no-star",
}
_SYSTEMS = {
    "MONDO": "http://purl.obolibrary.org/obo/mondo.owl",
    "MedGen": "http://www.ncbi.nlm.nih.gov/medgen",
    "OMIM": "http://www.omim.org",
    "Orphanet": "http://www.orpha.net",
    "Human_Phenotype_Ontology": "http://human-phenotype-ontology.org",
}
_NO_CONDITION = frozenset(("not provided", "not specified", "see cases", ""))


class Condition(tuple[Term, ...]):
    """One condition: its name as text, with the codes that CLNDISDB gives."""

    __slots__ = ()

    def codings(self) -> list[tuple[str | None, str | None, str | None, str | None]]:
        """The codes, as `(system, code, display, version)`."""
        return [coding for term in self for coding in term.codings()]

    @property
    def text(self) -> str:
        """The condition's name."""
        return self[0].display


@dataclass(frozen=True, slots=True)
class ClinVar:
    """What ClinVar says of an allele.

    Attributes:
        significance: the classification as written, with spaces (`Pathogenic/Likely pathogenic`); None without CLNSIG.
        classification: `pathogenic`, `likely-pathogenic`, `uncertain`, `likely-benign`, `benign`; None for classes
            that conflict and for anything else (drug response, risk factor) alone, which is kept as text.
        review_status: as written, with spaces.
        stars: the review status as `4-star` … `no-star`; None where it is missing or unknown.
        conditions: the named conditions.
        variation: ClinVar's variation id, where the file gives it.
    """

    significance: str | None = None
    classification: str | None = None
    review_status: str | None = None
    stars: str | None = None
    conditions: tuple[Condition, ...] = ()
    variation: str | None = None

    @property
    def reportable(self) -> bool:
        """Pathogenic or likely pathogenic."""
        return self.classification in REPORTABLE


NONE = ClinVar()


def _plain(text: str) -> str:
    return unescaped(text).replace("_", " ").strip()


def read_clinvar(
    significance: str | None,
    review_status: str | None,
    names: str | None,
    databases: str | None,
    variation: str | None,
) -> ClinVar:
    """ClinVar's statement from the raw INFO values of one allele; `NONE` without a classification."""
    if not significance or significance == ".":
        return NONE
    plain = _plain(significance)
    status = _plain(review_status) if review_status and review_status != "." else None
    return ClinVar(
        plain.replace("|", "; "),
        _classification(plain),
        status,
        _STARS.get(status.lower()) if status else None,
        tuple(_conditions(names or "", databases or "")),
        variation,
    )


def _words(plain: str) -> list[str]:
    """The single statements of a CLNSIG, in lower case; none for what states nothing."""
    words = (word.strip() for word in re.split(r"[|/,;]", plain.lower()))
    return [word for word in words if word not in _SILENT]


def _classification(plain: str) -> str | None:
    """The one class of `Pathogenic`, `not provided|Pathogenic`, `Pathogenic/Likely pathogenic/Likely risk allele`.

    None without one, and where classes conflict, whatever separates them.
    """
    words = _words(plain)
    if any(word.startswith("conflicting ") for word in words):
        return None
    classes = frozenset(_CLASSES[word] for word in words if word in _CLASSES)
    return next(iter(classes)) if len(classes) == 1 else _AGGREGATES.get(classes)


def unclear(text: str, *, tied: bool) -> bool:
    """Whether a CLNSIG that gave no pathogenic class may still mean one.

    Args:
        tied: it is of one allele. One that is not was left out, and matters where any of its words is pathogenic.
    """
    plain = _plain(text)
    words = _words(plain)
    if any(word not in _OTHER_WORDS and word not in _CLASSES for word in words):
        return True
    if tied:  # Classes that conflict.
        return _classification(plain) is None and any(word in _CLASSES for word in words)
    return any(_CLASSES.get(word) in REPORTABLE for word in words)


def _conditions(names: str, databases: str) -> list[Condition]:
    conditions: list[Condition] = []
    groups = databases.split("|")
    for position, name in enumerate(names.split("|")):
        plain = _plain(name)
        if plain.lower() in _NO_CONDITION or plain == ".":
            continue
        # Codes are taken only where names and groups pair off, one to one.
        codes = groups[position].split(",") if len(groups) == names.count("|") + 1 else []
        terms = [
            Term(_SYSTEMS[base], code, plain)
            for base, _, code in (item.partition(":") for item in codes)
            if base in _SYSTEMS
        ]
        conditions.append(Condition(terms or [Term(None, None, plain)]))
    return conditions
