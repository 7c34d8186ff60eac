"""The pharmacogenomics of the sample cohort: reports in the form of PharmCAT 3, for three drugs of cardiology.

What CPIC says of a genotype is published (CPIC, CC0), here in short words; who has which genotype is made up.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fhir_bridge.demo.people import Person
from fhir_bridge.fhir.serialization import dumps

__all__ = ["write"]

_TIME: Final = "2026-03-03T09:00:00.000Z"
_VKORC1: Final = ("rs9923231 reference (C)", "rs9923231 variant (T)")
_CALLS: Final[dict[str, tuple[tuple[str, str, str, str | None], ...]]] = {
    "poor": (
        ("CYP2C19", "*2/*2", "Poor Metabolizer", None),
        ("CYP2C9", "*1/*3", "Intermediate Metabolizer", "1.0"),
        ("SLCO1B1", "*1/*5", "Decreased Function", None),
        ("VKORC1", "/".join(_VKORC1), "-1639 AG", None),
    ),
    "normal": (
        ("CYP2C19", "*1/*1", "Normal Metabolizer", None),
        ("CYP2C9", "*1/*1", "Normal Metabolizer", "2.0"),
        ("SLCO1B1", "*1/*1", "Normal Function", None),
        ("VKORC1", f"{_VKORC1[0]}/{_VKORC1[0]}", "-1639 GG", None),
    ),
}
_GUIDELINES: Final[dict[str, tuple[str, str | None, tuple[str, ...], dict[str, tuple[str, str, bool]]]]] = {
    "clopidogrel": (
        "PA166104948",
        "CVI ACS PCI",
        ("CYP2C19",),
        {
            "poor": (
                "Much less active metabolite is formed: platelets stay reactive, and the risk of events rises",
                "Avoid clopidogrel if possible; prasugrel or ticagrelor at standard dose, if not contraindicated",
                True,
            ),
            "normal": ("Clopidogrel is activated as usual", "Clopidogrel at standard dose", False),
        },
    ),
    "simvastatin": (
        "PA166105005",
        None,
        ("SLCO1B1",),
        {
            "poor": (
                "More simvastatin acid reaches the muscles: the risk of myopathy is increased",
                "Prescribe another statin, or less than 20 mg of simvastatin a day",
                True,
            ),
            "normal": ("The risk of myopathy is the usual one", "The desired starting dose", False),
        },
    ),
    "warfarin": (
        "PA166104949",
        None,
        ("CYP2C9", "VKORC1"),
        {
            "poor": (
                "Warfarin is cleared more slowly, and its target is more sensitive: a lower dose is needed",
                "Calculate the dose with a published pharmacogenetic algorithm",
                False,
            ),
            "normal": (
                "Clearance and sensitivity are the usual ones",
                "Calculate the dose with a published pharmacogenetic algorithm",
                False,
            ),
        },
    ),
}


def write(folder: Path, people: Sequence[Person]) -> list[Path]:
    """Write a report for the first two people whose sample the crosswalk knows; the same people give the same bytes."""
    known = [person for person in people if person.sample is not None and person.sample_linked]
    paths = []
    for person, kind in zip(known, _CALLS, strict=False):
        path = folder / f"{person.sample}.report.json"
        path.write_bytes(dumps(_report(str(person.sample), kind)) + b"\n")
        paths.append(path)
    return paths


def _report(sample: str, kind: str) -> dict[str, Any]:
    calls = {call[0]: _diplotype(*call) for call in _CALLS[kind]}
    return {
        "title": sample,
        "timestamp": _TIME,
        "pharmcatVersion": "v3.1.0 (form only: synthetic genotypes)",
        "dataVersion": "2025-11-05",
        "genes": {
            symbol: {
                "geneSymbol": symbol,
                "callSource": "MATCHER",
                "sourceDiplotypes": [entry],
                "messages": [],
            }
            for symbol, entry in calls.items()
        },
        "drugs": {"CPIC Guideline Annotation": {name: _drug(name, kind, calls) for name in _GUIDELINES}},
        "messages": [],
        "matcherMetadata": {"sampleId": sample, "genomeBuild": "GRCh38.p14", "timestamp": _TIME},
    }


def _diplotype(gene: str, label: str, phenotype: str, activity: str | None) -> dict[str, Any]:
    first, second = label.split("/")
    entry: dict[str, Any] = {
        "gene": gene,
        "label": label,
        "allele1": {"gene": gene, "name": first},
        "allele2": {"gene": gene, "name": second},
        "phenotypes": [phenotype],
    }
    return entry if activity is None else entry | {"activityScore": activity}


def _drug(name: str, kind: str, calls: dict[str, dict[str, Any]]) -> dict[str, Any]:
    identifier, population, genes, advice = _GUIDELINES[name]
    implication, recommendation, alternative = advice[kind]
    annotation: dict[str, Any] = {
        "implications": [implication],
        "drugRecommendation": recommendation,
        "classification": "Strong",
        "population": population or "general",
        "genotypes": [{"diplotypes": [calls[gene] for gene in genes]}],
        "phenotypes": {gene: calls[gene]["phenotypes"][0] for gene in genes},
        "dosingInformation": name == "warfarin" or alternative,
        "alternateDrugAvailable": alternative,
        "otherPrescribingGuidance": False,
    }
    guideline = {
        "id": identifier,
        "name": f"CPIC guideline for {name} and {', '.join(genes)}",
        "url": f"https://www.clinpgx.org/guidelineAnnotation/{identifier}",
        "annotations": [annotation],
    }
    return {"name": name, "guidelines": [guideline]}
