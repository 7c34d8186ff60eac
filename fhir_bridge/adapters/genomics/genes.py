"""HGNC ids of genes that panels of cardiology and of medication name (HGNC, CC0); an annotation's own goes before."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.term import Term

__all__ = ["HGNC", "HGNC_SYSTEM", "gene"]

HGNC_SYSTEM = "http://www.genenames.org"

HGNC = {
    "ACTC1": 143, "APOB": 603, "APOE": 613, "BAG3": 939, "CACNA1C": 1390, "CALM1": 1442, "CASQ2": 1513,
    "CDKN2B-AS1": 34341, "DSC2": 3036, "DSG2": 3049, "DSP": 3052, "FBN1": 3603, "FLNC": 3756, "GLA": 4296,
    "KCNE1": 6240, "KCNE2": 6242, "KCNH2": 6251, "KCNQ1": 6294, "LAMP2": 6501, "LDLR": 6547, "LDLRAP1": 18640,
    "LMNA": 6636, "LPA": 6667, "MYBPC3": 7551, "MYH7": 7577, "MYL2": 7583, "MYL3": 7584, "PCSK9": 20001,
    "PKP2": 9024, "PLN": 9080, "PRKAG2": 9386, "RYR2": 10484, "SCN5A": 10593, "TNNI3": 11947, "TNNT2": 11949,
    "TPM1": 12010, "TTN": 12403, "TTR": 12405,
    "ABCG2": 74, "CACNA1S": 1397, "CFTR": 1884, "CYP2B6": 2615, "CYP2C19": 2621, "CYP2C9": 2623, "CYP2D6": 2625,
    "CYP3A4": 2637, "CYP3A5": 2638, "CYP4F2": 2645, "DPYD": 3012, "G6PD": 4057, "HLA-A": 4931, "HLA-B": 4932,
    "IFNL3": 18365, "MT-RNR1": 7470, "NAT2": 7646, "NUDT15": 23063, "RYR1": 10483, "SLCO1B1": 10959, "TPMT": 12014,
    "UGT1A1": 12530, "VKORC1": 23663,
}  # fmt: skip


def gene(symbol: str, identifier: str | None = None) -> Term:
    """A gene as a coded term; text alone where its HGNC id is neither given nor in the table.

    Args:
        symbol: HGNC symbol.
        identifier: HGNC id from the annotation, `HGNC:7577` or `7577`.
    """
    number = (identifier or "").removeprefix("HGNC:")
    if not number.isdigit():
        number = str(HGNC.get(symbol, ""))
    return Term(HGNC_SYSTEM, f"HGNC:{number}", symbol) if number else Term(None, None, symbol)
