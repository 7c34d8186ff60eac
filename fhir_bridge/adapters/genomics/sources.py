"""What each derived selector is computed from, so that the selectors of a mapping say what of a line it represents.

Selectors `INFO.x`, `FORMAT.x` and the columns by name are their own source. A source is `INFO/x`, `FORMAT/x`, a column,
or `annotation/x` for a field of the consequence annotation (`annotation.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fhir_bridge.adapters.genomics.acmg import CLASS_KEYS, CRITERIA_KEYS
from fhir_bridge.adapters.genomics.local_alleles import LOCAL
from fhir_bridge.adapters.genomics.tiers import TIERED

__all__ = ["SYMBOLIC", "represented"]

SYMBOLIC: Final = frozenset(
    "INFO/END INFO/SVLEN INFO/CHR2 INFO/CIPOS INFO/CIEND INFO/IMPRECISE INFO/RU INFO/RN INFO/RUS INFO/RUC "
    "FORMAT/CN".split()
)
"""Sources that only a symbolic allele is computed from; of others they say nothing that is read."""

_EVIDENCE: Final = "FORMAT/GT FORMAT/DP FORMAT/GQ FORMAT/PS QUAL FILTER"
_READS: Final = " ".join(f"FORMAT/{key}" for key in sorted(TIERED | LOCAL))
_STRUCTURE: Final = "INFO/END INFO/SVLEN INFO/CHR2 INFO/CIPOS INFO/CIEND INFO/IMPRECISE"
_SOURCES: Final[Mapping[str, str]] = {
    "acmg.classification": " ".join(f"INFO/{key}" for key in CLASS_KEYS),
    "acmg.criteria": " ".join(f"INFO/{key}" for key in CRITERIA_KEYS),
    "acmg.significance": " ".join(f"INFO/{key}" for key in CLASS_KEYS),
    "acmg.text": " ".join(f"INFO/{key}" for key in CRITERIA_KEYS),
    "call.allele_depth": f"FORMAT/AD {_READS}",
    "call.allelic_state": "FORMAT/GT",
    "call.copy_number": "FORMAT/CN",
    "call.depth": "FORMAT/DP",
    "call.evidence": _EVIDENCE,
    "call.failed_filters": "FORMAT/FT",
    "call.filtered": "FILTER FORMAT/FT INFO/AS_FilterStatus",
    "call.confidence": "FILTER FORMAT/FT FORMAT/GQ QUAL INFO/AS_FilterStatus",
    "call.fraction": f"FORMAT/AF FORMAT/VAF FORMAT/AD {_READS}",
    "call.genotype": "FORMAT/GT",
    "call.phase_set": "FORMAT/PS",
    "call.phased": "FORMAT/GT",
    "call.quality": "FORMAT/GQ",
    "clinvar.classification": "INFO/CLNSIG",
    "clinvar.conditions": "INFO/CLNDN INFO/CLNDISDB",
    "clinvar.reportable": "INFO/CLNSIG",
    "clinvar.review_status": "INFO/CLNREVSTAT",
    "clinvar.significance": "INFO/CLNSIG",
    "clinvar.stars": "INFO/CLNREVSTAT",
    "clinvar.variation": "INFO/CLNVID",
    "consequence.gene": "annotation/symbol annotation/hgnc_id",
    "consequence.hgvs_c": "annotation/hgvs_c annotation/feature",
    "consequence.hgvs_p": "annotation/hgvs_p",
    "consequence.impact": "annotation/impact",
    "consequence.named": "annotation/hgvs_c annotation/hgvs_p",
    "consequence.names": "annotation/hgvs_c annotation/hgvs_p annotation/amino_acids",
    "consequence.symbol": "annotation/symbol",
    "consequence.terms": "annotation/terms",
    "consequence.transcript": "annotation/feature annotation/hgvs_c",
    "line.end": "INFO/END",
    "line.failed_filters": "FILTER",
    "variant.end": _STRUCTURE,
    "variant.first": _STRUCTURE,
    "variant.frequencies": (
        "INFO/AF_EXAC INFO/AF_TGP INFO/AF_ESP INFO/gnomAD_AF INFO/gnomADe_AF INFO/gnomADg_AF "
        "annotation/af annotation/exac_af annotation/gnomad_af annotation/gnomade_af annotation/gnomadg_af"
    ),
    "variant.gene": "annotation/symbol annotation/hgnc_id INFO/GENEINFO",
    "variant.other_genes": "annotation/symbol INFO/GENEINFO",
    "variant.identifiers": "ID INFO/RS",
    "variant.inheritance": "FORMAT/GT",
    "variant.inner": _STRUCTURE,
    "variant.last": _STRUCTURE,
    "variant.length": "INFO/SVLEN",
    "variant.outermost": _STRUCTURE,
    "variant.begins": _STRUCTURE,
    "phase.relation": "FORMAT/GT FORMAT/PS",
    "phase.set": "FORMAT/PS",
    "junction.text": "INFO/MATEID",
    "variant.repeats": "INFO/RU INFO/RN INFO/RUS INFO/RUC",
    "variant.source_class": "INFO/SOMATIC",
}


def represented(selectors: Iterable[str]) -> frozenset[str]:
    """What selectors read of a line, derived values by what they are computed from."""
    results: set[str] = set()
    for text in selectors:
        group, dot, key = text.partition(".")
        if dot and group in ("INFO", "FORMAT"):
            results.add(f"{group}/{key}")
        elif text in ("ID", "QUAL", "FILTER"):
            results.add(text)
            if text == "ID":
                results.add("ID as written")
        else:
            results.update(_SOURCES.get(text, "").split())
    return frozenset(results)
