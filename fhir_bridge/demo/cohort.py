"""The sample cohort on disk, as a hospital would hand it over: extracts, messages, images, a VCF, and a site file."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fhir_bridge.demo import dicom_studies, ehr_extracts, genome, hl7_messages, pharmacogenomics, polygenic
from fhir_bridge.demo.people import AUTHORITY, AUTHORITY_SYSTEM, HOSPITAL, Person
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import dumps

__all__ = ["FOLDERS", "LAB_SYSTEM", "clinician_id", "patient_id", "site_settings", "write_cohort"]

LAB_SYSTEM = "https://fhir-bridge.org/fhir/demo/CodeSystem/lab-demo"
"""Code system of the hospital's own laboratory codes."""

FOLDERS = {
    "csv": "ehr",
    "hl7v2": "hl7v2",
    "dicom": "dicom",
    "vcf": "genomics",
    "pharmcat": "pharmacogenomics",
}
"""Adapter to the folder of the cohort that it reads."""


MODELS = ("demo-ecg-rhythm", "demo-multimodal-risk")
"""Models that were trained on synthetic data, and say so; they run where the extra `onnx` is installed."""


def patient_id(mrn: str) -> str:
    """The id that every adapter gives the Patient with this medical record number."""
    return IdKey(DEMO_KEY).id("Patient", AUTHORITY_SYSTEM, mrn)


def site_settings() -> dict[str, Any]:
    """The demonstration hospital's site file."""
    return {
        "site": HOSPITAL,
        "zone": "Europe/Rome",
        "demo_key": True,
        "identity": {
            "patient_authority": AUTHORITY_SYSTEM,
            "authorities": {AUTHORITY: AUTHORITY_SYSTEM},
            "crosswalk": "crosswalk.csv",
            "unlinked": "hold",
        },
        "schemes": {"LAB-DEMO": LAB_SYSTEM},
        "precedence": {"Patient": ["csv", "hl7v2", "dicom", "vcf", "pgs", "pharmcat"]},
        "parameters": {
            "predictions": {
                "score2": {"enabled": True, "region": "moderate"},
                "hcm-risk-scd": {"enabled": True},
                "cad-polygenic": {
                    "enabled": True,
                    "score": polygenic.SCORE,
                    "reference": polygenic.REFERENCE,
                    "synthetic": True,
                    "high": 80,
                },
                **{
                    name: {"enabled": True, "model": f"models/{name}/model.yaml"}
                    for name in (MODELS if find_spec("onnxruntime") else ())
                },
            }
        },
    }


def write_cohort(
    folder: Path, people: Sequence[Person], on_step: Callable[[str], None] = lambda _name: None
) -> Path:
    """Write the whole cohort below `folder` and return the path of its site file. The same people, the same bytes."""
    for name in (*FOLDERS.values(), "fhir"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    on_step("writing the EHR extracts")
    ehr_extracts.write(folder / "ehr", people)
    on_step("writing the HL7 v2 messages")
    hl7_messages.write(folder / "hl7v2", people)
    on_step("writing the DICOM studies")
    dicom_studies.write(folder / "dicom", people)
    on_step("writing the genomes")
    genome.write(folder, people)
    polygenic.write(folder, people)
    pharmacogenomics.write(folder / "pharmacogenomics", people)
    _write_consents(folder / "fhir" / "Consent.ndjson", people)
    (folder / "fhir" / "Practitioner.ndjson").write_bytes(dumps(_clinician()) + b"\n")
    for name in MODELS:
        shutil.copytree(Path(__file__).parent / "models" / name, folder / "models" / name, dirs_exist_ok=True)
    site = folder / "site.yaml"
    with site.open("w", encoding="utf-8") as file:
        file.write(
            "# The demonstration hospital. Its key is public: never use this file for real patients.\n"
        )
        YAML().dump(site_settings(), file)
    return site


def clinician_id() -> str:
    """The Practitioner who signs in as the demonstration's clinician."""
    return IdKey(DEMO_KEY).id("Practitioner", "demo", "clinician")


def _clinician() -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": clinician_id(),
        "active": True,
        "name": [{"text": "Dr. Demo Clinician (synthetic)", "family": "Clinician", "given": ["Demo"]}],
    }


def _write_consents(path: Path, people: Sequence[Person]) -> None:
    """Refusals of research, as Consent resources (IHE PCF: patient-privacy, deny for HRESCH)."""
    lines = [_research_refusal(person) for person in people if person.research_opt_out]
    path.write_bytes(b"".join(dumps(consent) + b"\n" for consent in lines))


def _research_refusal(person: Person) -> dict[str, Any]:
    subject = patient_id(person.mrn)
    return {
        "resourceType": "Consent",
        "id": IdKey(DEMO_KEY).id("Consent", "research-refusal", AUTHORITY_SYSTEM, person.mrn),
        "status": "active",
        "scope": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/consentscope",
                    "code": "patient-privacy",
                    "display": "Privacy Consent",
                }
            ]
        },
        "category": [
            {"coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Consent Document"}]}
        ],
        "patient": {"reference": f"Patient/{subject}"},
        "dateTime": person.visit.date().isoformat(),
        "policyRule": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}]
        },
        "provision": {
            "type": "deny",
            "purpose": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
                    "code": "HRESCH",
                    "display": "healthcare research",
                }
            ],
        },
    }
