"""Diseases and variants that decide whether a model applies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fhir_bridge.predictions.inputs import LOINC, SNOMED
from fhir_bridge.predictions.record import Evidence, PatientRecord, codings, uncoded_names

__all__ = [
    "Disease",
    "PathogenicVariant",
    "find_disease",
    "find_unconfirmed",
    "find_unreadable",
    "is_refuted",
    "pathogenic_variants",
]

ICD10 = frozenset(
    {
        "http://hl7.org/fhir/sid/icd-10",
        "http://hl7.org/fhir/sid/icd-10-cm",
        "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    }
)


_NOT_DONE = frozenset({"not-done", "entered-in-error", "preparation"})
_SUSPECTED = frozenset({"provisional", "differential", "unconfirmed"})


@dataclass(frozen=True, slots=True)
class Disease:
    """A disease as the codes that may state it.

    Attributes:
        icd10: beginnings of ICD-10 codes (`E11`, `N18.3`).
        snomed: SNOMED CT concepts.
        procedures: SNOMED CT procedures that are done for this disease alone.
    """

    name: str
    icd10: tuple[str, ...]
    snomed: frozenset[str] = frozenset()
    procedures: frozenset[str] = frozenset()

    def states(self, concept: Any) -> bool:
        """Whether a CodeableConcept is of this disease. Sources write ICD-10 with and without dot, in either case."""
        beginnings = tuple(_plain(code) for code in self.icd10)
        return any(
            (system in ICD10 and _plain(code).startswith(beginnings))
            or (system == SNOMED and code in self.snomed)
            for system, code in codings(concept)
        )


def _plain(code: str) -> str:
    return code.upper().replace(".", "")


def find_disease(record: PatientRecord, disease: Disease) -> Evidence | None:
    """The first Condition that states the disease as present, or the first procedure that was done for it."""
    for condition, present in record.conditions():
        if present and disease.states(condition.get("code")):
            return record.evidence(condition, disease.name)
    for procedure in record.all("Procedure"):
        if procedure.get("status") not in _NOT_DONE and any(
            system == SNOMED and code in disease.procedures for system, code in codings(procedure.get("code"))
        ):
            return record.evidence(procedure, disease.name)
    return None


def find_unconfirmed(record: PatientRecord, disease: Disease) -> Evidence | None:
    """A Condition of the disease that is suspected alone (provisional, differential, unconfirmed)."""
    for condition, present in record.conditions():
        status = {code for _, code in codings(condition.get("verificationStatus"))}
        if present and status & _SUSPECTED and disease.states(condition.get("code")):
            return record.evidence(condition, disease.name)
    return None


def is_refuted(record: PatientRecord, disease: Disease) -> Evidence | None:
    """The Condition that says the disease was looked for and is absent."""
    for condition, present in record.conditions():
        if not present and disease.states(condition.get("code")):
            return record.evidence(condition, disease.name, "absent")
    return None


def find_unreadable(record: PatientRecord) -> Evidence | None:
    """A Condition that may be any disease, also one that excludes.

    It is, and has no code of ICD-10 or SNOMED CT, or a modifier extension, which nobody here knows.
    """
    for condition, present in record.conditions():
        if "modifierExtension" in condition:
            return record.evidence(condition, "condition with an unknown modifier")
        if present and not any(
            code and (system in ICD10 or system == SNOMED) for system, code in codings(condition.get("code"))
        ):
            return record.evidence(condition, "condition without a code of ICD-10 or SNOMED CT")
    return None


@dataclass(frozen=True, slots=True)
class PathogenicVariant:
    """A variant that is present and classified (likely) pathogenic."""

    gene: str
    name: str
    classification: str
    evidence: Evidence
    implication: Evidence

    def __str__(self) -> str:
        return f"{self.classification.lower()} {self.gene} variant{f' {self.name}' if self.name else ''}"


_VARIANT = (LOINC, "69548-6")
_PRESENT = (LOINC, "LA9633-4")
_GENE = (LOINC, "48018-6")
_HGVS = {"p": (LOINC, "48005-3"), "c": (LOINC, "48004-6"), "g": (LOINC, "81290-9")}
_SIGNIFICANCE = (LOINC, "53037-8")
_CLASSES = {(LOINC, "LA6668-3"): "Pathogenic", (LOINC, "LA26332-9"): "Likely pathogenic"}


def pathogenic_variants(record: PatientRecord, genes: frozenset[str]) -> Iterator[PathogenicVariant]:
    """(Likely) pathogenic variants in one of `genes`, as diagnostic implications classify them.

    Follows Genomics Reporting STU3: the implication's `derivedFrom` names the variant, its 53037-8 component the class.
    """
    variants = {
        f"Observation/{observation['id']}": observation
        for observation in record.all("Observation")
        if _VARIANT in codings(observation.get("code"))
        and observation.get("status") in ("final", "amended", "corrected")
        and _PRESENT in codings(observation.get("valueCodeableConcept"))
    }
    for implication in record.all("Observation"):
        classification = _classification(implication)
        if classification is None or implication.get("status") not in ("final", "amended", "corrected"):
            continue
        for reference in implication.get("derivedFrom", ()):
            variant = variants.get(str(reference.get("reference", "")).partition("/_history")[0])
            gene = _component_text(variant, _GENE) if variant else None
            if variant is None or gene not in genes:
                continue
            name = _name(variant)
            yield PathogenicVariant(
                str(gene),
                name.rpartition(":")[2],
                classification,
                record.evidence(variant, f"{gene} variant", name),
                record.evidence(implication, f"classification of the {gene} variant", classification),
            )


def _classification(observation: dict[str, Any]) -> str | None:
    for component in observation.get("component", ()):
        if _SIGNIFICANCE in codings(component.get("code")):
            for coding in codings(component.get("valueCodeableConcept")):
                if coding in _CLASSES:
                    return _CLASSES[coding]
    return None


def _name(variant: dict[str, Any]) -> str:
    """The protein's name, else that of the coding DNA, else of the genome."""
    stated = uncoded_names(variant)
    for kind, code in _HGVS.items():
        if text := _component_text(variant, code) or stated.get(kind):
            return text
    return ""


def _component_text(observation: dict[str, Any], code: tuple[str, str]) -> str | None:
    for component in observation.get("component", ()):
        if code in codings(component.get("code")):
            concept = component.get("valueCodeableConcept", {})
            first: dict[str, Any] = next(iter(concept.get("coding", ())), {})
            text = first.get("display") or concept.get("text") or first.get("code")
            return str(text) if text else None
    return None
