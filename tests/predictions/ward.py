"""Patients of a store as the command line loads them and asks a model about them: what it answers to each."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.storage import Store
from tests.command import run_command
from tests.predictions.records import ICD10, LOINC, SNOMED, quantity, smoking

CM, GM = "http://hl7.org/fhir/sid/icd-10-cm", "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ATC, OPS = "http://www.whocc.no/atc", "http://fhir.de/CodeSystem/bfarm/ops"
SYSTEMS = {"icd": ICD10, "cm": CM, "gm": GM, "sct": SNOMED, "ops": OPS, "loinc": LOINC}
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
VITAL_SIGNS = {"8480-6", "39156-5"}
VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
MODELS = "score2 score2-diabetes smart2 cha2ds2-va hcm-risk-scd pooled-cohort prevent-total-cvd-10".split()


@dataclass(frozen=True)
class Said:
    """An answer.

    Attributes:
        value: percent or points; None where it was refused.
        text: of all notes.
    """

    value: float | None
    text: str
    observation: dict[str, Any] = field(repr=False)


def concept(system: str, code: str, **more: Any) -> dict[str, Any]:
    """A CodeableConcept of a short name in `SYSTEMS`, or of a url."""
    return {"coding": [{"system": SYSTEMS.get(system, system), "code": code, **more}]}


def diagnosis(system: str, code: str, **more: Any) -> dict[str, Any]:
    """A confirmed Condition of some years ago."""
    found = {
        "resourceType": "Condition",
        "code": concept(system, code),
        "clinicalStatus": concept(CLINICAL, "active"),
        "verificationStatus": concept(VERIFICATION, "confirmed"),
        "onsetDateTime": "2019-04-05",
    }
    return found | more


def european() -> list[dict[str, Any]]:
    """Inputs of SCORE2."""
    return [
        quantity("8480-6", 140, "mm[Hg]"),
        quantity("14647-2", 6.3, "mmol/L"),
        quantity("14646-4", 1.4, "mmol/L"),
        quantity("98979-8", 90, "mL/min/{1.73_m2}"),
        smoking("266919005"),
    ]


def american() -> list[dict[str, Any]]:
    """Inputs of PREVENT but the list of drugs."""
    return [
        quantity("8480-6", 140, "mm[Hg]"),
        quantity("2093-3", 200, "mg/dL"),
        quantity("2085-9", 45, "mg/dL"),
        quantity("98979-8", 90, "mL/min/{1.73_m2}"),
        quantity("39156-5", 28, "kg/m2"),
        smoking("266919005"),
    ]


class Ward:
    """A store, and the patients that are in it."""

    def __init__(self, folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._url, self._count = folder, url, 0
        monkeypatch.setenv("FHIR_BRIDGE_DATABASE_URL", url)
        lines = ["site: ward", "demo_key: true", "parameters:", "  predictions:"]
        more = {"smart2": ", region: low"}
        lines += [f"    {name}: {{enabled: true{more.get(name, ', region: moderate')}}}" for name in MODELS]
        self.site = folder / "site.yaml"
        self.site.write_text("\n".join(lines))

    def load(
        self, patients: dict[str, list[dict[str, Any]]], born: str = "1966-03-04", **patient: Any
    ) -> None:
        """Patients by id, each with what is in the record."""
        lines = []
        for name, resources in patients.items():
            lines.append(
                {"resourceType": "Patient", "id": name, "gender": "male", "birthDate": born, **patient}
            )
            for resource in resources:
                self._count += 1
                owner = "patient" if resource["resourceType"] == "FamilyMemberHistory" else "subject"
                own: dict[str, Any] = {"id": f"r{self._count}", owner: {"reference": f"Patient/{name}"}}
                for coding in resource.get("verificationStatus", {}).get("coding", ()):
                    coding["system"] = VERIFICATION
                if "valueQuantity" in resource:
                    resource["valueQuantity"]["unit"] = resource["valueQuantity"]["code"]
                if {coding["code"] for coding in resource.get("code", {}).get("coding", ())} & VITAL_SIGNS:
                    own["category"] = [concept(CATEGORY, "vital-signs")]
                stated = {key: item for key, item in resource.items() if key != "meta" and item is not None}
                lines.append(stated | own)
        file = self._folder / "ward.ndjson"
        file.write_text("\n".join(map(json.dumps, lines)))
        done = run_command("load", file, "--site", self.site)
        assert done.returncode == 0, done.stderr

    def ask(self, model: str, *patients: str, fails: bool = False) -> dict[str, Said]:
        """What a model answers to each patient, or to these; `fails`: a run of it does."""
        chosen = [argument for name in patients for argument in ("--patient", name)] or ["--all"]
        done = run_command("predict", model, *chosen, "--site", self.site)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return asyncio.run(self._read(model))

    async def _read(self, model: str) -> dict[str, Said]:
        said = {}
        async with await Store.open(self._url) as store:
            page = await store.search("Observation", [("_security", "AIAST")], EVERYTHING, count=500)
            for item in map(loads, (entry.bytes for entry in page.entries)):
                codes = {coding["code"] for coding in item["code"]["coding"]}
                tags = {tag["code"] for tag in item["meta"].get("tag", ())}
                if "superseded" in tags or not any(code.startswith(model) for code in codes):
                    continue
                value = item.get("valueQuantity", {}).get("value")
                said[item["subject"]["reference"].removeprefix("Patient/")] = Said(
                    None if value is None else float(value),
                    " ".join(note["text"] for note in item.get("note", ())),
                    item,
                )
        return said


@pytest.fixture
def ward(tmp_path: Path, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Ward:
    """An empty one."""
    return Ward(tmp_path, fresh_database_url, monkeypatch)
