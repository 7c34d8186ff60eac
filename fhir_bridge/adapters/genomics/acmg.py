"""ACMG/AMP criteria and class of an allele, as a laboratory's annotation writes them in INFO.

Criteria: Richards et al., Genet Med 2015, doi:10.1038/gim.2015.30 (PVS1 … BP7), with a strength after an underscore
where it is another than the criterion's own (ClinGen's recommendation: `PM2_Supporting`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from fhir_bridge.adapters.genomics.values import unescaped

__all__ = ["CLASSES", "CLASS_KEYS", "CRITERIA_KEYS", "NONE", "Acmg", "read_acmg"]

CRITERIA_KEYS = ("ACMG_CRITERIA", "acmg_criteria", "ACMG_criteria", "GENEBE_ACMG_CRITERIA")
CLASS_KEYS = ("ACMG_CLASS", "acmg_classification", "ACMG_CLASSIFICATION", "GENEBE_ACMG_CLASSIFICATION")
"""INFO keys; of each the first that a line has is read."""
CLASSES = {
    "pathogenic": "pathogenic",
    "likely pathogenic": "likely-pathogenic",
    "uncertain significance": "uncertain",
    "vus": "uncertain",
    "likely benign": "likely-benign",
    "benign": "benign",
    "5": "pathogenic",
    "4": "likely-pathogenic",
    "3": "uncertain",
    "2": "likely-benign",
    "1": "benign",
}
_CRITERION = re.compile(
    r"(?:PVS1|PS[1-5]|PM[1-7]|PP[1-6]|BA1|BS[1-4]|BP[1-7])"
    r"(?:[_-](?:very[ _-]?strong|strong|moderate|supporting|stand[ _-]?alone))?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[,;|&+/ ]+")


@dataclass(frozen=True, slots=True)
class Acmg:
    """What is stated of an allele.

    Attributes:
        significance: the class as written; classification: the same as one of five; None of other words.
        criteria: those that are met, in their order; text: what is none of them, as written.
    """

    significance: str | None = None
    classification: str | None = None
    criteria: tuple[str, ...] = ()
    text: str | None = None

    @property
    def stated(self) -> bool:
        """Whether anything is."""
        return bool(self.significance or self.criteria or self.text)


NONE = Acmg()


def read_acmg(significance: str | None, criteria: str | None) -> Acmg:
    """The class and criteria of one allele from their texts."""
    words = (
        None if significance in (None, "", ".") else unescaped(str(significance)).replace("_", " ").strip()
    )
    parts = [part for part in _BETWEEN.split(unescaped(criteria or "")) if part not in ("", ".")]
    met = [part for part in parts if _CRITERION.fullmatch(part)]
    others = [part for part in parts if not _CRITERION.fullmatch(part)]
    return Acmg(
        words,
        CLASSES.get(words.lower()) if words else None,
        tuple(dict.fromkeys(met)),
        " ".join(others) or None,
    )
