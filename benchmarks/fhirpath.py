"""How fast FHIRPath is evaluated: `python benchmarks/fhirpath.py [--seconds N]`.

Microseconds for one evaluation on one blood pressure Observation (a parsed dict), parsed and compiled beforehand where
the engine can. Ours twice: `evaluate` as callers use it (compiled for the type), and the general evaluator behind it.
fhirpathpy and fhirpathrs (PyPI) are beside it where they are installed; an engine that fails on an expression, or
answers otherwise, is reported so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from fhir_bridge.fhir.fhirpath import compile  # noqa: A004

LOINC = "http://loinc.org"


def _part(code: str, value: float) -> dict[str, Any]:
    unit = {"value": value, "unit": "mmHg", "system": "http://unitsofmeasure.org", "code": "mm[Hg]"}
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": unit}


OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "bp",
    "meta": {"profile": ["http://hl7.org/fhir/StructureDefinition/bp"]},
    "status": "final",
    "category": [
        {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                    "code": "vital-signs",
                }
            ]
        }
    ],
    "code": {"coding": [{"system": LOINC, "code": "85354-9"}], "text": "Blood pressure"},
    "subject": {"reference": "Patient/p1"},
    "effectiveDateTime": "2024-02-02T10:00:00+01:00",
    "component": [_part("8480-6", 120), _part("8462-4", 80)],
}

EXPRESSIONS = {
    "path": "Observation.code",
    "union of 12 types": (
        "AllergyIntolerance.recordedDate | CarePlan.period | CareTeam.period | ClinicalImpression.date | "
        "Composition.date | Consent.dateTime | DiagnosticReport.effective | Encounter.period | "
        "EpisodeOfCare.period | FamilyMemberHistory.date | Flag.period | Observation.effective"
    ),
    "where": f"Observation.component.where(code.coding.where(system = '{LOINC}' and code = '8480-6').exists()).value",
    "invariant (obs-7)": (
        "value.empty() or component.code.where(coding.intersect(%resource.code.coding).exists()).empty()"
    ),
    "invariant (vs-2)": (
        "(component.empty() and hasMember.empty()) implies (dataAbsentReason.exists() or value.exists())"
    ),
}

Engine = Callable[[str], Callable[[], Any]]


def _ours(expression: str) -> Callable[[], Any]:
    compiled = compile(expression, published=True)
    return lambda: compiled.evaluate(OBSERVATION)


def _general(expression: str) -> Callable[[], Any]:
    compiled = compile(expression, published=True)
    return lambda: [item.value for item in compiled.items(OBSERVATION)]


def engines() -> Mapping[str, Engine | str]:
    """The engines by name; a text says why one is left out."""
    results: dict[str, Engine | str] = {"fhir-bridge": _ours, "fhir-bridge, general": _general}
    try:
        fhirpathpy, models = import_module("fhirpathpy"), import_module("fhirpathpy.models").models

        def of_fhirpathpy(expression: str) -> Callable[[], Any]:
            run = fhirpathpy.compile(expression, models["r4"])
            return lambda: run(OBSERVATION, {"resource": OBSERVATION})

        results["fhirpathpy"] = of_fhirpathpy
    except ImportError:
        results["fhirpathpy"] = "not installed"
    try:
        fhirpathrs = import_module("fhirpathrs")
        results["fhirpathrs"] = lambda expression: lambda: fhirpathrs.evaluate(expression, OBSERVATION)
    except ImportError:
        results["fhirpathrs"] = "not installed"
    return results


def measured(run: Callable[[], Any], seconds: float) -> float:
    """Microseconds of one call: the best of five rounds."""
    run()
    times, best = 1, float("inf")
    while True:
        started = time.perf_counter()
        for _ in range(times):
            run()
        if time.perf_counter() - started > seconds / 10:
            break
        times *= 2
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(times):
            run()
        best = min(best, (time.perf_counter() - started) / times)
    return best * 1e6


def _plain(result: Any) -> Any:
    listed = result if isinstance(result, list) else [] if result is None else [result]
    return [getattr(value, "value", value) for value in listed]


def cell(engine: Engine | str, expression: str, expected: Any, seconds: float) -> str:
    """Microseconds, or why there are none."""
    if isinstance(engine, str):
        return engine
    try:
        run = engine(expression)
        answer = _plain(run())
    except Exception as error:  # noqa: BLE001 -- another engine's failure is a result here
        return f"fails: {type(error).__name__}"
    time_of_one = f"{measured(run, seconds):.1f}"
    return time_of_one if answer == expected else f"{time_of_one} (other answer)"


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=1.0, help="time for one cell (about)")
    seconds = arguments.parse_args().seconds
    known = engines()
    print("| µs for one evaluation | " + " | ".join(known) + " |")
    print("|---" * (len(known) + 1) + "|")
    for name, expression in EXPRESSIONS.items():
        expected = _ours(expression)()
        cells = [cell(engine, expression, expected, seconds) for engine in known.values()]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
