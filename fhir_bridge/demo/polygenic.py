"""A polygenic score for the sample cohort: weights, reference and ancestries are made up, and each file says so.

The places are those of the cohort's VCF that are known for coronary risk; a real score has thousands to millions.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any, Final

from fhir_bridge.demo.cardiology_variants import VARIANTS, KnownVariant
from fhir_bridge.demo.genome import RISK_ALLELE
from fhir_bridge.demo.people import Person

__all__ = ["FOLDER", "REFERENCE", "SCORE", "options", "write"]

FOLDER: Final = "polygenic"
SCORE: Final = "DEMO-CAD"
REFERENCE: Final = "Synthetic reference of the demonstration"
_ANCESTRY, _OTHER = "made-up-A", "made-up-B"
"""One that the reference has, and one that it lacks: whoever is of that one gets no percentile."""
_WEIGHTS: Final = {"rs10455872": 0.42, "rs1333049": 0.19, "rs10757278": 0.21, "rs429358": 0.11}


def options(folder: Path) -> dict[str, str]:
    """What the adapter `pgs` is told: score, reference and ancestries below the cohort's folder."""
    below = folder / FOLDER
    return {
        "scores": str(below / "score.txt"),
        "distributions": str(below / "reference.yaml"),
        "ancestry": str(below / "ancestry.tsv"),
    }


def write(folder: Path, people: Sequence[Person]) -> list[Path]:
    """Write score, reference and ancestries into `folder`; the same people give the same bytes."""
    below = folder / FOLDER
    below.mkdir(parents=True, exist_ok=True)
    used = [variant for variant in VARIANTS if variant.rsid in _WEIGHTS]
    contents = {
        "score.txt": _score(used),
        "reference.yaml": _reference(used),
        "ancestry.tsv": _ancestries(people),
    }
    for name, text in contents.items():
        (below / name).write_text(text, encoding="utf-8", newline="\n")
    return [below / name for name in contents]


def _score(variants: Sequence[KnownVariant]) -> str:
    head = [
        "###SYNTHETIC: the weights are made up, for the demonstration of fhir-bridge; of no clinical meaning",
        "#format_version=2.0",
        f"#pgs_id={SCORE}",
        "#pgs_name=Demonstration score of coronary artery disease (synthetic)",
        "#trait_reported=Coronary artery disease (synthetic weights)",
        f"#variants_number={len(variants)}",
        "#genome_build=GRCh38",
        "\t".join(("rsID", "chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight")),
    ]
    rows = [
        "\t".join(map(str, (v.rsid, v.chromosome, v.position, v.alternate, v.reference, _WEIGHTS[v.rsid])))
        for v in variants
    ]
    return "".join(f"{line}\n" for line in (*head, *rows))


def _reference(variants: Sequence[KnownVariant]) -> str:
    """Mean and deviation of people whose alleles are drawn as the cohort's are."""
    weights = [_WEIGHTS[variant.rsid] for variant in variants]
    mean = sum(2 * RISK_ALLELE * weight for weight in weights)
    sd = sqrt(sum(2 * RISK_ALLELE * (1 - RISK_ALLELE) * weight**2 for weight in weights))
    row: dict[str, Any] = {
        "score": SCORE,
        "ancestry": _ANCESTRY,
        "samples": 10000,
        "variants": len(weights),
        "mean": round(mean, 6),
        "sd": round(sd, 6),
    }
    stated = ", ".join(f"{name}: {value}" for name, value in row.items())
    return (
        "# Synthetic: computed from made-up allele frequencies, of no clinical meaning.\n"
        f"reference: {REFERENCE}\ndistributions:\n- {{{stated}}}\n"
    )


def _ancestries(people: Sequence[Person]) -> str:
    sampled = [person.sample for person in people if person.sample is not None]
    rows = [f"{name}\t{_OTHER if name == sampled[-1] else _ANCESTRY}" for name in sampled]
    return "".join(f"{line}\n" for line in ("sample\tancestry", *rows))
