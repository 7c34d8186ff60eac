"""How fast views run: `python benchmarks/views.py [--resources N] [--repeat N]`.

Three views over made-up resources: a flat one of Patients, one of blood pressures with a row a component, one of
Conditions. For each: rows a second from parsed resources, and from NDJSON text to CSV. Beside it the baseline, the same
table by hand-written Python, and two peers of PyPI where they are installed: sqlonfhir (a ViewDefinition runner on
fhirpathpy; it has no %rowIndex, so it is given the view without) and fhirpathpy evaluating the same paths compiled.
One process, processor time; the best of the repeats.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from fhir_bridge.fhir.views import View, compile_view
from fhir_bridge.pipeline.views import run_view
from fhir_bridge.pipeline.views_sinks import CsvSink, Target
from fhir_bridge.pipeline.views_sources import Record, parse_record

LOINC = "http://loinc.org"


def patient(number: int) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "meta": {"source": "urn:fhir-bridge:csv:patients"},
        "identifier": [{"system": "urn:oid:2.25.1", "value": str(number)}],
        "active": True,
        "name": [
            {"use": "official", "family": f"Family{number}", "given": ["Anna", "Maria"]},
            {"use": "nickname"},
        ],
        "telecom": [{"system": "phone", "value": "0"}],
        "gender": "female",
        "birthDate": f"19{10 + number % 90}-0{1 + number % 9}-01",
        "address": [{"line": ["Street 1"], "city": "Bern", "postalCode": "3000", "country": "CH"}],
    }


def pressure(number: int) -> dict[str, Any]:
    def part(code: str, value: int) -> dict[str, Any]:
        quantity = {
            "value": value,
            "unit": "mmHg",
            "system": "http://unitsofmeasure.org",
            "code": "mm[Hg]",
        }
        return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity}

    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "category": [{"coding": [{"code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": "85354-9", "display": "Blood pressure"}]},
        "subject": {"reference": f"Patient/p{number % 500}"},
        "effectiveDateTime": f"20{10 + number % 15}-0{1 + number % 9}-1{number % 10}T10:00:00+01:00",
        "component": [part("8480-6", 100 + number % 80), part("8462-4", 60 + number % 40)],
    }


def condition(number: int) -> dict[str, Any]:
    system = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    return {
        "resourceType": "Condition",
        "id": f"c{number}",
        "clinicalStatus": {"coding": [{"system": system, "code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": str(number)}], "text": "Something"},
        "subject": {"reference": f"Patient/p{number % 500}"},
        "onsetDateTime": "2020-01-02",
        "recordedDate": "2020-01-03T10:00:00+01:00",
    }


def columns(**paths: str) -> list[dict[str, str]]:
    return [{"name": name, "path": path} for name, path in paths.items()]


VIEWS: dict[str, dict[str, Any]] = {
    "Patient, flat": {
        "resource": "Patient",
        "select": [
            {
                "column": columns(
                    id="id",
                    active="active",
                    family="name.where(use = 'official').family.first()",
                    given="name.where(use = 'official').given.first()",
                    gender="gender",
                    birth_date="birthDate",
                    city="address.first().city",
                    postal_code="address.first().postalCode",
                )
            }
        ],
    },
    "Observation, forEach component": {
        "resource": "Observation",
        "where": [{"path": "status = 'final'"}],
        "select": [
            {
                "column": columns(
                    id="id",
                    patient="subject.getReferenceKey(Patient)",
                    effective="effective.ofType(dateTime)",
                )
            },
            {
                "forEach": "component",
                "column": columns(
                    n="%rowIndex",
                    code="code.coding.first().code",
                    value="value.ofType(Quantity).value",
                    unit="value.ofType(Quantity).code",
                ),
            },
        ],
    },
    "Condition": {
        "resource": "Condition",
        "select": [
            {
                "column": columns(
                    id="id",
                    patient="subject.getReferenceKey(Patient)",
                    status="clinicalStatus.coding.first().code",
                    system="code.coding.first().system",
                    code="code.coding.first().code",
                    text="code.text",
                    onset="onset.ofType(dateTime)",
                    recorded="recordedDate",
                )
            }
        ],
    },
}
MAKERS = {"Patient, flat": patient, "Observation, forEach component": pressure, "Condition": condition}
Rows = Iterator[tuple[Any, ...]]


def patient_by_hand(p: dict[str, Any]) -> Rows:
    official = [name for name in p.get("name", ()) if name.get("use") == "official"]
    family = next((name["family"] for name in official if "family" in name), None)
    given_name = next((name["given"][0] for name in official if name.get("given")), None)
    address = (p.get("address") or [{}])[0]
    yield (
        p.get("id"),
        p.get("active"),
        family,
        given_name,
        p.get("gender"),
        p.get("birthDate"),
        address.get("city"),
        address.get("postalCode"),
    )


def pressure_by_hand(o: dict[str, Any]) -> Rows:
    if o.get("status") != "final":
        return
    head = (o.get("id"), (o.get("subject") or {}).get("reference"), o.get("effectiveDateTime"))
    for number, part in enumerate(o.get("component", ())):
        coding = (part.get("code", {}).get("coding") or [{}])[0]
        quantity = part.get("valueQuantity") or {}
        yield (*head, number, coding.get("code"), quantity.get("value"), quantity.get("code"))


def condition_by_hand(c: dict[str, Any]) -> Rows:
    status = ((c.get("clinicalStatus") or {}).get("coding") or [{}])[0]
    coding = ((c.get("code") or {}).get("coding") or [{}])[0]
    yield (
        c.get("id"),
        (c.get("subject") or {}).get("reference"),
        status.get("code"),
        coding.get("system"),
        coding.get("code"),
        (c.get("code") or {}).get("text"),
        c.get("onsetDateTime"),
        c.get("recordedDate"),
    )


BY_HAND: dict[str, Callable[[dict[str, Any]], Rows]] = {
    "Patient, flat": patient_by_hand,
    "Observation, forEach component": pressure_by_hand,
    "Condition": condition_by_hand,
}


def with_fhirpathpy(definition: dict[str, Any]) -> Callable[[dict[str, Any]], Rows]:
    """The same table by fhirpathpy's compiled paths; what it lacks (getReferenceKey) reads the reference instead."""
    import fhirpathpy
    from fhirpathpy.models import models

    model = models["r4"]

    def path(text: str) -> Any:
        if text == "%rowIndex":
            return None
        return fhirpathpy.compile(text.replace("getReferenceKey(Patient)", "reference"), model)

    conditions = [path(where["path"]) for where in definition.get("where", ())]
    head = [path(column["path"]) for column in definition["select"][0]["column"]]
    nested = definition["select"][1:]
    each = path(nested[0]["forEach"]) if nested else None
    inner = [path(column["path"]) for column in nested[0]["column"]] if nested else []

    def first(values: list[Any]) -> Any:
        return values[0] if values else None

    def rows(resource: dict[str, Any]) -> Rows:
        if not all(condition(resource) == [True] for condition in conditions):
            return
        own = tuple(first(column(resource)) for column in head)
        if each is None:
            yield own
            return
        for number, element in enumerate(each(resource)):
            yield own + tuple(number if column is None else first(column(element)) for column in inner)

    return rows


def with_sqlonfhir(definition: dict[str, Any], resources: Sequence[dict[str, Any]]) -> int:
    """The rows that sqlonfhir gives."""
    from sqlonfhir.sqlonfhir import eval as run

    selects = [
        {**select, "column": [column for column in select["column"] if column["path"] != "%rowIndex"]}
        for select in definition["select"]
    ]
    return len(run(resources, {**definition, "select": selects}))


def best(repeat: int, work: Callable[[], int]) -> float:
    """Rows a second of processor time, which other work on the machine does not change."""
    result = 0.0
    for _ in range(repeat):
        start = time.process_time()
        rows = work()
        result = max(result, rows / (time.process_time() - start))
    return result


def counted(rows_of: Callable[[dict[str, Any]], Rows], resources: Sequence[dict[str, Any]]) -> int:
    return sum(1 for resource in resources for _ in rows_of(resource))


def to_csv(view: View, lines: Sequence[bytes]) -> int:
    records = (Record("", parse_record(line, exact=view.exact), len(line)) for line in lines)
    return run_view(view, records, CsvSink(view.columns, Target(None, io.BytesIO()))).rows


def to_csv_by_hand(rows_of: Callable[[dict[str, Any]], Rows], lines: Sequence[bytes]) -> int:
    import csv

    out = io.StringIO(newline="")
    writer = csv.writer(out)
    count = 0
    for line in lines:
        for row in rows_of(orjson.loads(line)):
            writer.writerow(row)
            count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", type=int, default=5000)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    print(f"{'rows/s':34}{'view':>12}{'by hand':>12}{'sqlonfhir':>12}{'fhirpathpy':>12}")
    for name, definition in VIEWS.items():
        view = compile_view(definition)
        resources = [MAKERS[name](number) for number in range(arguments.resources)]
        lines = [orjson.dumps(resource) for resource in resources]
        few = resources[: max(1, arguments.resources // 20)]
        peers = {
            "sqlonfhir": lambda: with_sqlonfhir(definition, few),  # noqa: B023
            "fhirpathpy": lambda: counted(with_fhirpathpy(definition), few),  # noqa: B023
        }
        hand = BY_HAND[name]
        own = best(arguments.repeat, lambda: counted(view.rows, resources))  # noqa: B023
        baseline = best(arguments.repeat, lambda: counted(hand, resources))  # noqa: B023
        theirs = [
            f"{best(1, work):>12,.0f}" if importlib.util.find_spec(peer) else f"{'absent':>12}"
            for peer, work in peers.items()
        ]
        print(f"{name:34}{own:>12,.0f}{baseline:>12,.0f}{''.join(theirs)}")
        own = best(arguments.repeat, lambda: to_csv(view, lines))  # noqa: B023
        baseline = best(arguments.repeat, lambda: to_csv_by_hand(hand, lines))  # noqa: B023
        print(f"{'  NDJSON to CSV':34}{own:>12,.0f}{baseline:>12,.0f}")


if __name__ == "__main__":
    main()
