"""Variants as a clinician reads them: gene, zygosity, HGVS, classification and source; and what was not studied.

Reads the profiles of Genomics Reporting STU3 (3.0.0): variant, diagnostic-implication, molecular-consequence,
genomic-study-analysis, genomic-report.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.predictions.inputs import LOINC
from fhir_bridge.predictions.record import codings, uncoded_names
from fhir_bridge.server.pages.reading import codes_of, concept_text, target_of, time_of, value_text

__all__ = ["REPORTABLE", "Studied", "Variant", "studies_of", "variants_of"]

_VARIANT: Final = (LOINC, "69548-6")
_REPORT: Final = (LOINC, "51969-4")
_SIGNIFICANCE: Final = "53037-8"
_EVIDENCE: Final = "93044-6"
_PHENOTYPE: Final = "81259-4"
_CONSEQUENCE: Final = "feature-consequence"
_CONFIDENCE: Final = "variant-confidence-status"
_PRESENT: Final = "LA9633-4"
_BUILD: Final = "genomic-study-analysis-genome-build"
_TITLE: Final = "genomic-study-analysis-title"

REPORTABLE: Final = {
    "LA6668-3": "Pathogenic",
    "LA26332-9": "Likely pathogenic",
    "LA26333-7": "Uncertain significance",
}
"""LOINC answers that make a variant reportable, the gravest first (ACMG classes 5, 4 and 3)."""

_STARS: Final = {"4-star": 4, "3-star": 3, "2-star": 2, "1-star": 1, "no-star": 0}

_COMPONENTS: Final = {
    "gene": "48018-6",
    "zygosity": "53034-5",
    "coding": "48004-6",
    "protein": "48005-3",
    "genomic": "81290-9",
    "transcript": "51958-7",
    "chromosome": "48000-4",
    "sequence": "48013-7",
    "position": "81254-5",
    "ref": "69547-8",
    "alt": "69551-0",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant and what is said of it.

    Attributes:
        names: HGVS (coding, protein, genomic), else position and alleles.
        rank: 0 for the gravest reportable class; larger is less; not reportable from `len(REPORTABLE)`.
        source: who classified it; review: how well that is reviewed; stars: ClinVar's, None where not given.
        presence: empty where the variant is present; else what was found instead (absent, no call).
        caution: why the call itself is in doubt; empty where it is not.
    """

    id: str
    gene: str
    zygosity: str
    names: tuple[str, ...]
    consequence: str
    classification: str
    rank: int
    source: str
    review: str
    stars: int | None
    conditions: tuple[str, ...]
    presence: str
    caution: str
    evidence: str

    @property
    def reportable(self) -> bool:
        """Present, and pathogenic, likely pathogenic or of uncertain significance."""
        return not self.presence and self.rank < len(REPORTABLE)


@dataclass(frozen=True, slots=True)
class Studied:
    """What a genomic study looked at; genes and regions both empty means that it does not say."""

    date: str
    title: str
    build: str
    genes: tuple[str, ...]
    regions: tuple[str, ...]
    conclusion: str
    status: str
    notes: tuple[str, ...]


def variants_of(resources: Sequence[dict[str, Any]]) -> list[Variant]:
    """All variants, the gravest first; without a classification a variant is not reportable."""
    observations = [resource for resource in resources if resource["resourceType"] == "Observation"]
    about = _about(observations)
    variants = [
        _variant(observation, about.get(f"Observation/{observation['id']}", ()))
        for observation in observations
        if _VARIANT in codings(observation.get("code")) and observation.get("status") != "entered-in-error"
    ]
    return sorted(
        variants, key=lambda variant: (bool(variant.presence), variant.rank, variant.gene, variant.names)
    )


def _about(observations: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Reference of an Observation to the genomic Observations that were derived from it."""
    wanted = {_SIGNIFICANCE, _EVIDENCE, _PHENOTYPE, _CONSEQUENCE}
    results: dict[str, list[dict[str, Any]]] = {}
    for observation in observations:
        codes = {code for item in observation.get("component", ()) for code in codes_of(item.get("code"))}
        if observation.get("status") != "entered-in-error" and wanted & codes:
            # A variant may have its class itself.
            if _SIGNIFICANCE in codes and _VARIANT in codings(observation.get("code")):
                results.setdefault(f"Observation/{observation['id']}", []).append(observation)
            for reference in observation.get("derivedFrom", ()):
                results.setdefault(target_of(reference)[0], []).append(observation)
    return results


def _variant(observation: dict[str, Any], about: Sequence[dict[str, Any]]) -> Variant:
    by_code = {
        code: value_text(component)
        for component in observation.get("component", ())
        for code in codes_of(component.get("code"))
    }
    parts = {name: by_code.get(code, "") for name, code in _COMPONENTS.items()}
    if parts["coding"] and parts["transcript"] and ":" not in parts["coding"]:
        parts["coding"] = f"{parts['transcript']}:{parts['coding']}"
    stated = uncoded_names(observation)
    parts["coding"] = parts["coding"] or stated.get("c", "")
    parts["protein"] = parts["protein"] or stated.get("p", "")
    names = tuple(parts[name] for name in ("coding", "protein", "genomic") if parts[name])
    if not names:
        position = parts["position"].split(" to ")[0]
        sequence = parts["chromosome"] or parts["sequence"]
        names = (f"{sequence} {position} {parts['ref']}>{parts['alt']}".strip(),)
    presence = concept_text(observation.get("valueCodeableConcept"))
    if _PRESENT in codes_of(observation.get("valueCodeableConcept")):
        presence = ""
    text = _summarize(about)
    # By code, not by text: several laboratories may have classified it, the gravest counts.
    rank = min((list(REPORTABLE).index(code) for code in text.codes if code in REPORTABLE), default=3)
    return Variant(
        id=observation["id"],
        gene=parts["gene"],
        zygosity=parts["zygosity"],
        names=names,
        consequence=", ".join(text.consequences),
        classification=", ".join(text.classifications),
        rank=rank,
        source=", ".join(text.sources),
        review=", ".join(text.reviews),
        stars=text.stars,
        conditions=tuple(text.conditions),
        presence=presence,
        caution="" if _is_sure(observation) else by_code.get(_CONFIDENCE, ""),
        evidence=_note(observation),
    )


def _is_sure(observation: dict[str, Any]) -> bool:
    """Whether the call is of a confidence that needs no word: none stated, or another than low."""
    return not any(
        _CONFIDENCE in codes_of(component.get("code"))
        and "low" in codes_of(component.get("valueCodeableConcept"))
        for component in observation.get("component", ())
    )


class _Summary:
    """What the Observations derived from a variant say of it, each thing once."""

    def __init__(self) -> None:
        self.classifications: list[str] = []
        self.codes: set[str] = set()
        self.sources: list[str] = []
        self.reviews: list[str] = []
        self.stars: int | None = None
        self.conditions: list[str] = []
        self.consequences: list[str] = []


def _summarize(about: Sequence[dict[str, Any]]) -> _Summary:
    statement = _Summary()
    for observation in about:
        for component in observation.get("component", ()):
            code, text = codes_of(component.get("code")), value_text(component)
            values = codes_of(component.get("valueCodeableConcept"))
            if _SIGNIFICANCE in code:
                _add(statement.classifications, text)
                statement.codes |= values
                _add(statement.sources, _source(observation))
            elif _EVIDENCE in code:
                _add(statement.reviews, text)
                stars = [_STARS[value] for value in values if value in _STARS]
                statement.stars = max(stars, default=statement.stars)
            elif _PHENOTYPE in code:
                _add(statement.conditions, text)
            elif _CONSEQUENCE in code:
                _add(statement.consequences, text.replace("_", " "))
    return statement


def _add(texts: list[str], text: str) -> None:
    if text and text not in texts:
        texts.append(text)


def _source(implication: dict[str, Any]) -> str:
    """Whose classification it is: the cited artifact, else the method, else a note, else a performer."""
    for extension in implication.get("extension", ()):
        artifact = extension.get("valueRelatedArtifact", {})
        if artifact.get("type") == "citation" and artifact.get("display"):
            return str(artifact["display"])
    performer: dict[str, Any] = next(iter(implication.get("performer", ())), {})
    return concept_text(implication.get("method")) or _note(implication) or str(performer.get("display", ""))


def _note(resource: dict[str, Any]) -> str:
    return next((str(note["text"]) for note in resource.get("note", ()) if note.get("text")), "")


def studies_of(resources: Sequence[dict[str, Any]]) -> list[Studied]:
    """What each genomic study looked at, newest first; empty where the genome was not studied."""
    reports = [
        resource
        for resource in resources
        if resource["resourceType"] == "DiagnosticReport" and _REPORT in codings(resource.get("code"))
    ]
    procedures = {
        f"Procedure/{resource['id']}": resource
        for resource in resources
        if resource["resourceType"] == "Procedure"
    }
    results = [
        _studied(report, procedures) for report in reports if report.get("status") != "entered-in-error"
    ]
    return sorted(results, key=lambda study: study.date, reverse=True)


def _studied(report: dict[str, Any], procedures: dict[str, dict[str, Any]]) -> Studied:
    nodes = [node for resource in _reached(report, procedures) for node in _extensions(resource)]
    genes = {
        concept_text(node.get("valueCodeableConcept"))
        for node in nodes
        if node.get("url") == "studied" or str(node.get("url", "")).endswith("genomic-study-analysis-gene")
    }
    regions = [str(node["valueString"]) for node in nodes if node.get("url") == "description"]
    build = [concept_text(node.get("valueCodeableConcept")) for node in _ending(nodes, _BUILD)]
    title = [str(node.get("valueString", "")) for node in _ending(nodes, _TITLE)]
    notes = [
        str(note["text"])
        for resource in _reached(report, procedures)
        for note in resource.get("note", ())
        if note.get("text")
    ]
    return Studied(
        time_of(report),
        ", ".join(filter(None, title)),
        ", ".join(dict.fromkeys(filter(None, build))),
        tuple(sorted(filter(None, genes))),
        tuple(regions),
        str(report.get("conclusion", "")),
        str(report.get("status", "")),
        tuple(dict.fromkeys(notes)),
    )


def _reached(report: dict[str, Any], procedures: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The report, the studies it names and their analyses."""
    results, names = [report], {""}
    # The list grows while it is walked: a study names its analyses.
    for resource in results:
        for extension in _extensions(resource):
            name = target_of(extension.get("valueReference", {}))[0]
            if name in procedures and name not in names:
                names.add(name)
                results.append(procedures[name])
    return results


def _extensions(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for extension in node.get("extension", ()):
        yield extension
        yield from _extensions(extension)


def _ending(nodes: Sequence[dict[str, Any]], name: str) -> Iterator[dict[str, Any]]:
    return (node for node in nodes if str(node.get("url", "")).endswith(f"/{name}"))
