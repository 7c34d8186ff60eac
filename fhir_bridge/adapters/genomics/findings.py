"""What a study counts of its alleles, and which of them its report names."""

from __future__ import annotations

from decimal import Decimal

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.file import Finding, Study

__all__ = ["BALANCED", "count_allele"]

BALANCED = Decimal("0.6")
"""Fraction of reads below which a homozygous call is worth a look."""


def count_allele(study: Study, allele: Allele) -> bool:
    """Count an allele, and note it for the report where it is reportable; whether it is."""
    study.variants += 1
    copies = allele.call.genotype.alleles
    if len(copies) > 1 and copies.count(allele.number) == len(copies):
        fraction = allele.fraction
        study.unbalanced += fraction is not None and fraction < BALANCED
    classified = False
    if "CLNSIG" in allele.line.columns[7] or study.file.release is not None:
        classified = allele.clinvar.significance is not None
        study.unclear += allele.clinvar_unclear
        study.classified += classified
    options, panel = study.file.options, study.file.panel
    if panel is not None:
        if not panel.selects(allele):
            return False
    elif not (options.reportable == "all" or (classified and allele.clinvar.reportable)):
        study.unlisted += allele.acmg.classification in ("pathogenic", "likely-pathogenic")
        return False
    study.findings_count += 1
    if len(study.findings) < options.max_findings:
        study.findings.append(Finding(allele.key, classified, _sentence(allele), allele.acmg.stated))
    return True


def _sentence(allele: Allele) -> str:
    consequence, text = allele.consequence, allele.clinvar
    change = consequence.named or consequence.hgvs_c or allele.hgvs_g or allele.key
    protein = f" ({consequence.hgvs_p.rpartition(':')[2]})" if consequence.hgvs_p else ""
    words = (
        f"{consequence.symbol or ''} {change}{protein}".strip(),
        allele.allelic_state,
        allele.acmg.significance or text.significance,
    )
    return ", ".join(word for word in words if word)
