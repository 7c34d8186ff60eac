"""LOINC's maps to other code systems, as ConceptMaps under the urls of LOINC's own FHIR server (`…/cm/loinc-…`)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.terminology.imports.loinc_files import COPYRIGHT, SYSTEM, LoincFiles
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import MapHeader, MapRow, Staging

__all__ = ["read_maps"]

_TARGETS = {
    "http://snomed.info/sct": "snomed-ct",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "http://pubchem.ncbi.nlm.nih.gov": "pubchem",
    "http://www.radlex.org": "radlex",
    "https://www.ebi.ac.uk/chebi": "chebi",
    "https://www.ncbi.nlm.nih.gov/clinvar": "ncbi-clinvar",
    "https://www.ncbi.nlm.nih.gov/gene": "ncbi-gene",
    "https://www.ncbi.nlm.nih.gov/taxonomy": "ncbi-taxonomy",
}
"""Code systems that parts are mapped to, as the ids of the maps call them."""

_EQUIVALENCES = (
    "equivalent",
    "equal",
    "wider",
    "narrower",
    "inexact",
    "relatedto",
    "subsumes",
    "specializes",
)


def read_maps(files: LoincFiles, staging: Staging, version: str | None) -> None:
    """Put parts' and terms' maps into the staging.

    Raises:
        ImportProblem: a column is missing, a line is broken, or an equivalence is not known.
    """
    parts: dict[str, list[MapRow]] = {}
    for row in _parts(files):
        parts.setdefault(str(row.target_system), []).append(row)
    for target, rows in parts.items():
        name = _TARGETS.get(target) or target.split("//", 1)[-1].strip("/").replace("/", "-")
        _put(staging, f"loinc-parts-to-{name}", target, rows, version)
    for name, target, result in (
        ("loinc-to-ieee-11073-10101", "urn:iso:std:iso:11073:10101", _devices(files)),
        ("loinc-to-radlex", "http://www.radlex.org", _playbook(files)),
    ):
        if rows := list(dict.fromkeys(result)):
            _put(staging, name, target, rows, version)


def _put(staging: Staging, name: str, target: str, rows: list[MapRow], version: str | None) -> None:
    url = f"{SYSTEM}/cm/{name}"
    resource: dict[str, Any] = {
        "resourceType": "ConceptMap",
        "id": name,
        "url": url,
        **({"version": version} if version else {}),
        "name": name.replace("-", "_"),
        "title": name.replace("-", " "),
        "status": "active",
        "copyright": COPYRIGHT,
        "sourceUri": f"{SYSTEM}/vs",
        "targetUri": target,
    }
    staging.map_rows(staging.concept_map(MapHeader(url, version, name, resource)), rows)


def _parts(files: LoincFiles) -> Iterator[MapRow]:
    wanted = ("PartNumber", "PartName", "ExtCodeId", "ExtCodeSystem")
    file = "PartRelatedCodeMapping.csv"
    for line, row in files.rows(file, wanted, ("ExtCodeDisplayName", "Equivalence")):
        part, name, code, system, display, details = (value.strip() for value in row)
        equivalence = details.lower() or "relatedto"
        if equivalence not in _EQUIVALENCES:
            label = files.source.label(files.find(file) or file)
            raise ImportProblem(label, line, f'has the equivalence "{details[:40]}", which R4 does not have')
        if part and code and system:
            yield MapRow(SYSTEM, part, name, system, code, display or None, equivalence)


def _devices(files: LoincFiles) -> Iterator[MapRow]:
    wanted = ("LOINC_NUM", "LOINC_LONG_COMMON_NAME", "IEEE_CF_CODE10", "IEEE_REFID")
    for _, (term, name, code, display) in files.rows("LoincIeeeMedicalDeviceCodeMappingTable.csv", wanted):
        if term and code:
            system = "urn:iso:std:iso:11073:10101"
            yield MapRow(SYSTEM, term, name, system, code.strip(), display or None, "equivalent")


def _playbook(files: LoincFiles) -> Iterator[MapRow]:
    """Terms and the RSNA playbook's procedures; a term is in a row for each of its attributes."""
    wanted = ("LoincNumber", "LongCommonName", "RPID")
    for _, (term, name, code, display) in files.rows("LoincRsnaRadiologyPlaybook.csv", wanted, ("LongName",)):
        if term and code:
            yield MapRow(
                SYSTEM, term, name, "http://www.radlex.org", code.strip(), display or None, "equivalent"
            )
