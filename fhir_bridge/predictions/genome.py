"""Variants that decide whether a model applies: germline, present, and enough of them for the gene's inheritance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

from fhir_bridge.predictions.inputs import LOINC, UnusableInput
from fhir_bridge.predictions.record import SETTLED, Evidence, PatientRecord, codings, moment_of, uncoded_names
from fhir_bridge.predictions.value_sets import MENTIONED

__all__ = [
    "GENES",
    "GENOMIC_CODES",
    "Gene",
    "PathogenicVariant",
    "pathogenic_variants",
    "uncertain_variants",
]


@dataclass(frozen=True, slots=True)
class Gene:
    """A gene: HGNC symbol and id, and how many altered copies make the disease.

    Attributes:
        inheritance: `dominant`, one copy is enough; `recessive`, both; `x-linked`, one is enough in either sex, since
            women with one (GLA, LAMP2) fall ill too.
    """

    symbol: str
    hgnc: str
    inheritance: Literal["dominant", "recessive", "x-linked"]


GENES: Final = {
    gene.symbol: gene
    for gene in (
        Gene("LDLR", "HGNC:6547", "dominant"),
        Gene("APOB", "HGNC:603", "dominant"),
        Gene("PCSK9", "HGNC:20001", "dominant"),
        Gene("LDLRAP1", "HGNC:18640", "recessive"),
        Gene("TTR", "HGNC:12405", "dominant"),
        Gene("GLA", "HGNC:4296", "x-linked"),
        Gene("LAMP2", "HGNC:6501", "x-linked"),
        Gene("PRKAG2", "HGNC:9386", "dominant"),
        Gene("GAA", "HGNC:4065", "recessive"),
    )
}
_BY_ID: Final = {gene.hgnc: gene for gene in GENES.values()}


@dataclass(frozen=True, slots=True)
class PathogenicVariant:
    """A variant that is present and classified (likely) pathogenic, or of uncertain significance."""

    gene: str
    name: str
    classification: str
    evidence: Evidence
    implication: Evidence
    zygosity: str = ""

    def __str__(self) -> str:
        return f"{self.classification.lower()} {self.gene} variant{f' {self.name}' if self.name else ''}"


_VARIANT = (LOINC, "69548-6")
_PRESENT = (LOINC, "LA9633-4")
_GENE = (LOINC, "48018-6")
_HGVS = {"p": (LOINC, "48005-3"), "c": (LOINC, "48004-6"), "g": (LOINC, "81290-9")}
_SIGNIFICANCE = (LOINC, "53037-8")
GENOMIC_CODES: Final = frozenset({_VARIANT, _SIGNIFICANCE})
"""Codes of the Observations that are read here."""
_CLASSES = {
    (LOINC, "LA6668-3"): "Pathogenic",
    (LOINC, "LA26332-9"): "Likely pathogenic",
    (LOINC, "LA26333-7"): "Uncertain significance",
    (LOINC, "LA26334-5"): "Likely benign",
    (LOINC, "LA6675-8"): "Benign",
}
_DECISIVE = frozenset({"Pathogenic", "Likely pathogenic"})
_ALLELIC_STATE = (LOINC, "53034-5")
_ZYGOSITY = {
    (LOINC, "LA6705-3"): "homozygous",
    (LOINC, "LA6706-1"): "heterozygous",
    (LOINC, "LA6707-9"): "hemizygous",
    (LOINC, "LA6703-8"): "heteroplasmic",
    (LOINC, "LA6704-6"): "homoplasmic",
}
_SOURCE_CLASS = (LOINC, "48002-0")
_GERMLINE = frozenset({(LOINC, "LA6683-2"), (LOINC, "LA18194-3"), (LOINC, "LA26807-0")})
"""Germline, likely germline, de novo. A variant without a source class counts as germline; somatic, of a fetus and of
unknown origin do not."""

_REFERENCE_ALLELE, _ALTERNATE_ALLELE = (LOINC, "69547-8"), (LOINC, "69551-0")


def pathogenic_variants(record: PatientRecord, genes: frozenset[str]) -> Iterator[PathogenicVariant]:
    """(Likely) pathogenic germline variants in `genes` that make the disease by the gene's inheritance.

    Follows Genomics Reporting STU3: the implication's `derivedFrom` names the variant, its 53037-8 component the class,
    which the variant may have itself; of several the newest counts. In a recessive gene one heterozygous variant is a
    carrier's and decides nothing.

    Raises:
        UnusableInput: in a recessive gene the zygosity of a variant is not stated, or two heterozygous ones may lie
            on one copy or on both.
    """
    by_gene: dict[str, list[PathogenicVariant]] = {}
    for variant in _classified(record, genes):
        if variant.classification in _DECISIVE:
            by_gene.setdefault(variant.gene, []).append(variant)
    for symbol, variants in by_gene.items():
        if GENES[symbol].inheritance != "recessive":
            yield from variants
            continue
        both = [item for item in variants if item.zygosity in ("homozygous", "hemizygous")]
        if both:
            yield from both
            continue
        unknown = [item for item in variants if item.zygosity != "heterozygous"]
        if unknown:
            raise UnusableInput(
                f"whether both copies of {symbol} are altered is not stated", unknown[0].evidence
            )
        if len(variants) > 1:
            raise UnusableInput(
                f"whether two {symbol} variants are on one copy or on both is not known", variants[1].evidence
            )


def uncertain_variants(record: PatientRecord, genes: frozenset[str]) -> tuple[str, ...]:
    """What a result says of variants of uncertain significance, and of carriers: mentioned, and decide nothing."""
    mentioned = []
    for variant in _classified(record, genes):
        if variant.classification == "Uncertain significance":
            mentioned.append(
                f"{variant.gene} variant{f' {variant.name}' if variant.name else ''} of uncertain significance, "
                f"{MENTIONED}: {variant.evidence.reference}"
            )
        elif (
            variant.classification in _DECISIVE
            and GENES[variant.gene].inheritance == "recessive"
            and variant.zygosity == "heterozygous"
        ):
            mentioned.append(f"{variant}, of a carrier, {MENTIONED}: {variant.evidence.reference}")
    return tuple(mentioned)


def _classified(record: PatientRecord, genes: frozenset[str]) -> list[PathogenicVariant]:
    """The variants of these genes that are present in the germline, each with its newest classification."""
    present = [item for item in record.with_codes(frozenset({_VARIANT})) if _is_present(record, item)]
    if not present:
        return []
    variants = {f"Observation/{item['id']}": item for item in present}
    newest: dict[str, tuple[Any, str, dict[str, Any]]] = {}
    for implication in record.with_codes(frozenset({_SIGNIFICANCE})):
        classification = _classification(implication)
        if (
            classification is None
            or implication.get("status") not in SETTLED
            or not _own(record, implication)
        ):
            continue
        # A variant may have its class itself.
        targets = {f"Observation/{implication['id']}"} | {
            str(reference.get("reference", "")).partition("/_history")[0]
            for reference in implication.get("derivedFrom", ())
        }
        for target in targets:
            # Of one time the graver counts, and of the same the order of ids.
            rank = (_time(implication), -list(_CLASSES.values()).index(classification), implication["id"])
            if target in variants and (target not in newest or rank > newest[target][0]):
                newest[target] = (rank, classification, implication)
    results = []
    for target, (_, classification, implication) in newest.items():
        variant = variants[target]
        gene = _gene(variant, genes)
        if gene is None:
            continue
        name = _name(variant)
        zygosity = next(
            (_ZYGOSITY[code] for code in _answers(variant, _ALLELIC_STATE) if code in _ZYGOSITY), ""
        )
        results.append(
            PathogenicVariant(
                gene.symbol,
                name.rpartition(":")[2],
                classification,
                record.evidence(variant, f"{gene.symbol} variant", name),
                record.evidence(implication, f"classification of the {gene.symbol} variant", classification),
                zygosity,
            )
        )
    return results


def _is_present(record: PatientRecord, variant: dict[str, Any]) -> bool:
    """Whether the variant was found, in the germline of this patient."""
    if variant.get("status") not in SETTLED or not _own(record, variant):
        return False
    if _PRESENT not in codings(variant.get("valueCodeableConcept")):
        return False
    source = set(_answers(variant, _SOURCE_CLASS))
    if source and not source & _GERMLINE:
        return False
    reference, alternate = _text(variant, _REFERENCE_ALLELE), _text(variant, _ALTERNATE_ALLELE)
    return not (reference and reference == alternate)


def _own(record: PatientRecord, resource: dict[str, Any]) -> bool:
    """Whether the subject is this patient, or a record that was merged into this one."""
    subject = str((resource.get("subject") or {}).get("reference", "")).partition("/_history")[0]
    if not subject.startswith("Patient/"):
        return True
    linked = {str((link.get("other") or {}).get("reference", "")) for link in record.patient.get("link", ())}
    return subject == f"Patient/{record.patient.get('id')}" or subject in linked


def _time(implication: dict[str, Any]) -> Any:
    text = (
        implication.get("effectiveDateTime")
        or implication.get("issued")
        or implication.get("meta", {}).get("lastUpdated")
        or ""
    )
    moment = moment_of(str(text))
    return moment.timestamp() if moment is not None else float("-inf")


def _classification(observation: dict[str, Any]) -> str | None:
    """The class by its LOINC answer, else by what the text says."""
    coded = next((_CLASSES[code] for code in _answers(observation, _SIGNIFICANCE) if code in _CLASSES), None)
    text = None if coded else _text(observation, _SIGNIFICANCE)
    return coded or (_class_of(text) if text else None)


def _class_of(text: str) -> str | None:
    """The class that a text states, in English or German, or by its number (ACMG 1 to 5); None where it states none.

    What is between two classes is the graver one; what is in conflict is uncertain.
    """
    words = " ".join(re.findall(r"[a-z0-9]+", text.casefold()))
    number = re.search(r"\b(?:class|klasse|classe|acmg|tier)? ?([1-5])$", words)
    if re.search(r"conflict|uncertain|unknown|unklar|unsicher|\bvus\b", words):
        return "Uncertain significance"
    positive = re.sub(r"(?:not|non|nicht) ?pathogen\w*", "gutartig", words)
    if re.search(r"benign|gutartig", positive):
        if "pathogen" in positive:
            return "Uncertain significance"
        likely = re.search(r"likely|probabl|wahrscheinlich", words)
        return "Likely benign" if likely else "Benign"
    if "pathogen" in words:
        likely = re.match(r"likely|probabl|wahrscheinlich", words)
        return "Likely pathogenic" if likely else "Pathogenic"
    return [*_CLASSES.values()][5 - int(number[1])] if number else None


def _gene(variant: dict[str, Any], genes: frozenset[str]) -> Gene | None:
    """The gene, by its HGNC id or its symbol."""
    for component in variant.get("component", ()):
        if _GENE not in codings(component.get("code")):
            continue
        concept = component.get("valueCodeableConcept") or {}
        ids = [code if code.startswith("HGNC:") else f"HGNC:{code}" for _, code in codings(concept)]
        known = next((_BY_ID[item] for item in ids if item in _BY_ID), None)
        if known is not None:
            return known if known.symbol in genes else None
        names = {concept.get("text"), *(code for _, code in codings(concept))}
        names |= {coding.get("display") for coding in concept.get("coding", ())}
        return next((GENES[name] for name in names if name in GENES and name in genes), None)
    return None


def _name(variant: dict[str, Any]) -> str:
    """The protein's name, else that of the coding DNA, else of the genome."""
    stated = uncoded_names(variant)
    for kind, code in _HGVS.items():
        if text := _text(variant, code) or stated.get(kind):
            return text
    return ""


def _answers(observation: dict[str, Any], code: tuple[str, str]) -> Iterable[tuple[str, str]]:
    """Codings of the components under a code."""
    for component in observation.get("component", ()):
        if code in codings(component.get("code")):
            yield from codings(component.get("valueCodeableConcept"))


def _text(observation: dict[str, Any], code: tuple[str, str]) -> str | None:
    for component in observation.get("component", ()):
        if code in codings(component.get("code")):
            if isinstance(component.get("valueString"), str):
                return str(component["valueString"])
            concept = component.get("valueCodeableConcept", {})
            first: dict[str, Any] = next(iter(concept.get("coding", ())), {})
            text = first.get("display") or concept.get("text") or first.get("code")
            return str(text) if text else None
    return None
