"""Code systems by the names that vocabularies and prefixes give them."""

from __future__ import annotations

__all__ = ["OMOP", "PREFIXES", "VOCABULARIES", "WITH_PREFIX", "coding"]

OMOP = "https://fhir-terminology.ohdsi.org"
"""OMOP's concept ids as a code system (OHDSI FHIR terminology)."""

VOCABULARIES = {
    "SNOMED": "http://snomed.info/sct",
    "LOINC": "http://loinc.org",
    "RxNorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD10PCS": "http://www.cms.gov/Medicare/Coding/ICD10",
    "ICD10GM": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "ICD9CM": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICD9Proc": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICDO3": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "CPT4": "http://www.ama-assn.org/go/cpt",
    "HCPCS": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "NDC": "http://hl7.org/fhir/sid/ndc",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "ATC": "http://www.whocc.no/atc",
    "UCUM": "http://unitsofmeasure.org",
    "MeSH": "http://id.nlm.nih.gov/mesh",
    "OPS": "http://fhir.de/CodeSystem/bfarm/ops",
    "HGNC": "http://www.genenames.org",
}
"""OMOP vocabulary ids; those of others are `{OMOP}/{vocabulary}`."""

PREFIXES = {
    "SNOMED": "http://snomed.info/sct",
    "SNOMEDCT": "http://snomed.info/sct",
    "SCTID": "http://snomed.info/sct",
    "SCT": "http://snomed.info/sct",
    "LOINC": "http://loinc.org",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ICD10": "http://hl7.org/fhir/sid/icd-10",
    "ICD10WHO": "http://hl7.org/fhir/sid/icd-10",
    "ICD10CM": "http://hl7.org/fhir/sid/icd-10-cm",
    "ICD9": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICD9CM": "http://hl7.org/fhir/sid/icd-9-cm",
    "ICDO": "http://terminology.hl7.org/CodeSystem/icd-o-3",
    "ATC": "http://www.whocc.no/atc",
    "UCUM": "http://unitsofmeasure.org",
    "OMIM": "http://www.omim.org",
    "ORPHA": "http://www.orpha.net",
    "ORPHANET": "http://www.orpha.net",
    "MESH": "http://id.nlm.nih.gov/mesh",
    "UMLS": "http://terminology.hl7.org/CodeSystem/umls",
    "OMOP": OMOP,
}
"""CURIE prefixes (upper case) of systems whose codes are without the prefix."""

WITH_PREFIX = {
    "HP": "http://human-phenotype-ontology.org",
    "MONDO": "http://purl.obolibrary.org/obo/mondo.owl",
    "HGNC": "http://www.genenames.org",
    "SO": "http://www.sequenceontology.org",
    "GO": "http://www.geneontology.org",
}
"""CURIE prefixes of systems whose codes are whole CURIEs (`HP:0000001`)."""


def coding(curie: str, prefixes: dict[str, str]) -> tuple[str, str] | None:
    """System and code of a CURIE or URI; None where its prefix is not known.

    Args:
        curie: `SCTID:22298006`, or a URI.
        prefixes: what a file says of its prefixes.
    """
    if curie.startswith(("http://", "https://")):
        for name, start in (*prefixes.items(), *_STARTS.items()):
            if curie.startswith(start) and len(curie) > len(start):
                return coding(f"{name}:{curie[len(start) :]}", prefixes)
        return None
    prefix, colon, local = curie.partition(":")
    if not colon or not local:
        return None
    upper = prefix.upper()
    if upper in WITH_PREFIX:
        return WITH_PREFIX[upper], f"{upper}:{local}"
    if upper in PREFIXES:
        return PREFIXES[upper], local
    expansion = prefixes.get(prefix)
    if expansion is None:
        return None
    if expansion.startswith("http://purl.obolibrary.org/obo/"):
        return f"http://purl.obolibrary.org/obo/{prefix.lower()}.owl", f"{prefix}:{local}"
    return expansion.rstrip("/#_"), local


_STARTS = {
    "SNOMEDCT": "http://snomed.info/id/",
    "HP": "http://purl.obolibrary.org/obo/HP_",
    "MONDO": "http://purl.obolibrary.org/obo/MONDO_",
    "LOINC": "http://loinc.org/rdf/",
}
