"""FHIR as DSTU2 and STU3 have it, and Bundles within Bundles, become R4 under the right patient."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.ehr.fhir.earlier import as_r4
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import Site
from tests.adapters.ehr.conftest import Converted, convert

Write = Callable[..., Path]
SITE = Site(site="test", demo_key=True)
PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"family": ["von", "Old"]}]}


def converted(write: Write, *resources: dict[str, Any]) -> Converted:
    lines = "\n".join(json.dumps(one) for one in (PATIENT, *resources))
    result = convert("ehr/fhir", [write("vendor.ndjson", lines)], SITE)
    for resource in result.resources:
        assert not [i for i in get_validator().validate(resource) if i.severity in ("error", "fatal")]
    assert not result.issues
    return result


@pytest.mark.parametrize("element", [{"taken": "n"}, {"wasNotTaken": True}])
def test_medication_that_was_not_taken_is_never_one_that_was(write: Write, element: dict[str, Any]) -> None:
    owner = "patient" if "wasNotTaken" in element else "subject"
    statement = {
        "resourceType": "MedicationStatement",
        "id": "m",
        "status": "active",
        "medicationCodeableConcept": {"text": "warfarin"},
        owner: {"reference": "Patient/p"},
        **element,
    }
    result = converted(write, statement)
    (stored,) = result.of("MedicationStatement")
    assert stored["status"] == "not-taken"
    assert stored["subject"]["reference"] == f"Patient/{result.of('Patient')[0]['id']}"


UNDONE = [
    ("Procedure", {"notDone": True, "notDoneReason": {"text": "refused"}, "code": {"text": "bypass"}}),
    (
        "Procedure",
        {"notPerformed": True, "reasonNotPerformed": [{"text": "refused"}], "code": {"text": "bypass"}},
    ),
    ("Immunization", {"notGiven": True, "explanation": {"reasonNotGiven": [{"text": "refused"}]}}),
    ("Immunization", {"wasNotGiven": True, "explanation": {"reasonNotGiven": [{"text": "refused"}]}}),
    ("MedicationAdministration", {"notGiven": True, "reasonNotGiven": [{"text": "refused"}]}),
    ("MedicationAdministration", {"wasNotGiven": True, "reasonNotGiven": [{"text": "refused"}]}),
    ("Communication", {"notDone": True, "notDoneReason": {"text": "refused"}}),
]


@pytest.mark.parametrize(
    ("kind", "stated"), UNDONE, ids=lambda value: value if isinstance(value, str) else next(iter(value))
)
def test_what_was_not_done_is_never_something_that_was(
    write: Write, kind: str, stated: dict[str, Any]
) -> None:
    more = {
        "Immunization": {
            "patient": {"reference": "Patient/p"}, "vaccineCode": {"text": "flu"}, "date": "2018-01-01",
            "primarySource": True,
        },
        "MedicationAdministration": {
            "patient": {"reference": "Patient/p"}, "medicationCodeableConcept": {"text": "heparin"},
            "effectiveTimeDateTime": "2015-01-01",
        },
    }.get(kind, {"subject": {"reference": "Patient/p"}})  # fmt: skip
    resource = {"resourceType": kind, "id": "u", "status": "completed", **more, **stated}
    (stored,) = converted(write, resource).of(kind)
    assert stored["status"] == "not-done"
    reason = stored["statusReason"]
    assert (reason[0] if isinstance(reason, list) else reason)["text"] == "refused"
    done = {**resource, "id": "d", **{name: False for name in stated if stated[name] is True}}
    for name in ("notDoneReason", "reasonNotPerformed", "reasonNotGiven", "explanation"):
        done.pop(name, None)
    (stored,) = converted(write, done).of(kind)
    assert stored["status"] == "completed"


def test_a_second_reason_stays_to_be_reported() -> None:
    stated = {"statusReason": {"text": "refused"}, "reasonNotPerformed": [{"text": "fever"}]}
    built = as_r4(
        {"resourceType": "Procedure", "id": "u", "status": "completed", "notPerformed": True, **stated}
    )
    assert {name: built[name] for name in stated} == stated


def test_a_family_history_that_was_not_taken_is_unknown(write: Write) -> None:
    resource = {
        "resourceType": "FamilyMemberHistory", "id": "f", "status": "completed", "notDone": True,
        "patient": {"reference": "Patient/p"}, "relationship": {"text": "father"},
    }  # fmt: skip
    (stored,) = converted(write, resource).of("FamilyMemberHistory")
    assert stored["status"] == "health-unknown"


def test_elements_of_earlier_versions_are_those_of_r4(write: Write) -> None:
    subject = {"reference": "Patient/p"}
    text = {"text": "x"}
    result = converted(
        write,
        {
            "resourceType": "Condition", "id": "c", "patient": subject, "code": text, "clinicalStatus": "active",
            "verificationStatus": "confirmed", "assertedDate": "2017-01-01", "context": {"reference": "Encounter/e"},
        },
        {"resourceType": "Encounter", "id": "e", "status": "finished", "class": "outpatient", "patient": subject},
        {
            "resourceType": "Observation", "id": "o", "status": "final", "code": text, "subject": subject,
            "comment": "haemolytic", "context": {"reference": "Encounter/e"}, "valueString": "v",
        },
        {"resourceType": "ProcedureRequest", "id": "r", "status": "active", "intent": "order", "code": text,
         "subject": subject},
        {"resourceType": "MedicationOrder", "id": "q", "status": "active", "patient": subject,
         "medicationCodeableConcept": text},
    )  # fmt: skip
    (encounter,) = result.of("Encounter")
    (condition,) = result.of("Condition")
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active"
    assert condition["recordedDate"] == "2017-01-01"
    assert condition["encounter"]["reference"] == f"Encounter/{encounter['id']}"
    assert encounter["class"]["code"] == "AMB"
    assert result.of("Observation")[0]["note"] == [{"text": "haemolytic"}]
    assert len(result.of("ServiceRequest")) == len(result.of("MedicationRequest")) == 1
    assert result.of("Patient")[0]["name"][0]["family"] == "von Old"


@pytest.mark.parametrize("name", ["answers.json", "answers.ndjson"])
def test_bundles_in_the_answer_of_a_batch_are_read_with_their_places(write: Write, name: str) -> None:
    def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "entry": [{"resource": one} for one in resources],
        }

    observation = {
        "resourceType": "Observation", "id": "o", "status": "final", "code": {"text": "x"},
        "subject": {"reference": "Patient/p"}, "valueString": "v",
    }  # fmt: skip
    answers = bundle(bundle(PATIENT), bundle(observation, {"resourceType": "Zebra", "id": "z"}))
    result = convert("ehr/fhir", [write(name, json.dumps(answers))], SITE)
    (stored,) = result.of("Observation")
    assert stored["subject"]["reference"] == f"Patient/{result.of('Patient')[0]['id']}"
    place = f"{name}{':1' if name.endswith('.ndjson') else ''}#entry[1].entry[1]"
    assert [issue.source for issue in result.issues] == [place]
