"""How many patients a minute a predictor does: `python benchmarks/predictions.py [--patients N]`.

SCORE2 over a cohort from the store, Observation, RiskAssessment, Provenance and commit included. The embedded
PostgreSQL with its default settings in a temporary folder. Counts processor time, not the clock: of this process, of
the model's worker process and of PostgreSQL, so that what else runs on the machine matters little.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from processor_time import postmaster_of, seconds_of

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import PredictionRun
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage import EmbeddedServer, Store

PARAMETERS = {"predictions": {"score2": {"enabled": True, "region": "moderate"}}}
RECENTLY = (datetime.now(UTC) - timedelta(days=20)).isoformat(timespec="seconds")


def observation(patient: int, code: str, category: str, value: dict[str, Any]) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/observation-category"
    return {
        "resourceType": "Observation",
        "id": f"o{patient}-{code}",
        "meta": {"source": "urn:fhir-bridge:csv:lab"},
        "status": "final",
        "category": [{"coding": [{"system": system, "code": category}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/p{patient}"},
        "effectiveDateTime": RECENTLY,
        **value,
    }


def quantity(value: float, unit: str) -> dict[str, Any]:
    return {
        "valueQuantity": {
            "value": value,
            "unit": unit,
            "system": "http://unitsofmeasure.org",
            "code": unit,
        }
    }


def cohort(patients: int) -> Iterator[dict[str, Any]]:
    """Patients for whom SCORE2 is meant: its four inputs, eGFR, and five results that it does not read."""
    smoking = {"coding": [{"system": "http://snomed.info/sct", "code": "266919005"}]}
    for number in range(patients):
        yield {
            "resourceType": "Patient",
            "id": f"p{number}",
            "identifier": [{"system": "urn:oid:2.25.1", "value": str(number)}],
            "name": [{"family": f"Family{number}", "given": ["Given"]}],
            "gender": ("male", "female")[number % 2],
            "birthDate": f"{1960 + number % 20}-01-01",
        }
        yield observation(number, "8480-6", "vital-signs", quantity(110 + number % 60, "mm[Hg]"))
        yield observation(number, "14647-2", "laboratory", quantity(4 + number % 30 / 10, "mmol/L"))
        yield observation(number, "14646-4", "laboratory", quantity(1 + number % 10 / 10, "mmol/L"))
        yield observation(number, "98979-8", "laboratory", quantity(75 + number % 30, "mL/min/{1.73_m2}"))
        yield observation(number, "72166-2", "social-history", {"valueCodeableConcept": smoking})
        for code in ("718-7", "2951-2", "2823-3", "1742-6", "6690-2"):
            yield observation(number, code, "laboratory", quantity(5 + number % 10, "1"))


def processor_seconds(postmaster: int) -> dict[str, float]:
    """Seconds of processor time so far: this process, its children, PostgreSQL."""
    program = time.process_time()
    return {
        "program": program,
        "models": seconds_of(os.getpid()) - program,
        "PostgreSQL": seconds_of(postmaster),
    }


async def measure(server: EmbeddedServer, patients: int) -> None:
    postmaster = postmaster_of(server.url())
    async with await Store.open(server.url()) as store:
        await store.load(cohort(patients))
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)  # as the program has it (`cli.main`)
        run = PredictionRun(Score2(), PARAMETERS, IdKey(DEMO_KEY), store)
        await run.for_patient("p0")  # what is started once (a worker, prepared statements) is not counted
        for name in ("first run", "unchanged"):
            before = processor_seconds(postmaster)
            count = 0
            async for _ in run.for_all():
                count += 1
            spent = {part: now - before[part] for part, now in processor_seconds(postmaster).items()}
            total = sum(spent.values())
            parts = ", ".join(f"{part} {seconds / count * 1000:.2f} ms" for part, seconds in spent.items())
            print(f"{name:10} {count / total * 60:8,.0f} patients/min of processor time  ({parts} a patient)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-benchmark-") as folder:
        Path(folder).chmod(0o711)
        server = EmbeddedServer.start(Path(folder) / "postgres")
        try:
            asyncio.run(measure(server, options.patients))
        finally:
            server.release()


if __name__ == "__main__":
    main()
