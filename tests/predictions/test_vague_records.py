"""Dates that are a month or a year, a death in a merged record, limits by unit, and what could not be decided."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.predictions import Prediction, Refusal
from fhir_bridge.predictions.cha2ds2 import Cha2ds2
from fhir_bridge.predictions.decoding import decode
from fhir_bridge.predictions.manifest import OutputBlock
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.predictions.tensors import ModelFailure, Tensor
from tests.predictions.clinic import Clinic, in_clinic, of_patient
from tests.predictions.records import SNOMED, answer, blood_pressure, quantity, record
from tests.predictions.test_plausible import SETTINGS, inputs
from tests.predictions.test_published_models import OPTIONS


@pytest.mark.parametrize("digits", [4, 7])
def test_another_value_of_a_date_that_may_be_newer_is_refused(digits: int, database_url: str) -> None:
    vague = of_patient(blood_pressure(190)) | {"id": "vague"}
    vague["effectiveDateTime"] = vague["effectiveDateTime"][:digits]

    async def work(clinic: Clinic) -> list[Any]:
        said = []
        older = vague | {"effectiveDateTime": "2019"}
        same = of_patient(blood_pressure(137)) | {
            "id": "vague",
            "effectiveDateTime": vague["effectiveDateTime"],
        }
        for resource in (vague, older, same):
            await clinic.write(resource)
            said.append((await clinic.predict()).result)
        return said

    refused, older, same = in_clinic(database_url, work)
    assert isinstance(refused, Refusal)
    assert (
        f"another value, whose date ({vague['effectiveDateTime']}) may be newer: Observation/vague/"
        in refused.text
    )
    assert isinstance(older, Prediction)
    assert isinstance(same, Prediction)


@pytest.mark.parametrize("death", [{"deceasedDateTime": "2026-03-04"}, {"deceasedBoolean": True}])
def test_who_died_by_a_record_that_was_merged_gets_no_risk(
    death: dict[str, Any], fresh_database_url: str
) -> None:
    old = {"resourceType": "Patient", "id": "old", "active": False}
    replaced = {"link": [{"other": {"reference": "Patient/p"}, "type": "replaced-by"}]}
    replaces = {"link": [{"other": {"reference": "Patient/old"}, "type": "replaces"}]}

    async def work(clinic: Clinic) -> list[Any]:
        await clinic.write(old | replaced)
        await clinic.write(record().patient | replaces)
        said = [(await clinic.predict()).result]
        await clinic.write(old | replaced | death)
        return [*said, (await clinic.predict()).result]

    alive, dead = in_clinic(fresh_database_url, work)
    assert isinstance(alive, Prediction)
    assert isinstance(dead, Refusal)
    assert "the patient has died" in dead.text


@pytest.mark.parametrize(
    ("code", "value", "unit", "excluded"),
    [
        ("59261-8", 47.9, "mmol/mol", False),
        ("59261-8", 48, "mmol/mol", True),
        ("4548-4", 6.4, "%", False),
        ("4548-4", 6.5, "%", True),
        ("4548-4", 6.5, "%{HbA1c}", True),
    ],
)
def test_the_limit_of_hba1c_is_that_of_its_unit(code: str, value: float, unit: str, excluded: bool) -> None:
    result = answer(Score2(), record(*inputs(), quantity(code, value, unit)), SETTINGS)
    assert isinstance(result, Refusal) == excluded


def atrial(code: str) -> Any:
    concept = {"coding": [{"system": SNOMED, "code": code}]}
    confirmed = {"coding": [{"code": "confirmed"}]}
    found = {"resourceType": "Condition", "id": "af", "code": concept, "verificationStatus": confirmed}
    return answer(Cha2ds2(with_sex=False), record(found, age=70), OPTIONS)


@pytest.mark.parametrize("code", ["282825002", "426749004", "440059007", "440028005", "5370000"])
def test_kinds_of_atrial_fibrillation_are_known_without_an_import(code: str) -> None:
    assert isinstance(atrial(code), Prediction)


def test_a_refusal_says_that_snomed_ct_is_not_imported_where_that_may_be_why() -> None:
    result = atrial("999000111222101")
    assert isinstance(result, Refusal)
    assert "no diagnosis of atrial fibrillation; Not decided: SNOMED CT is not imported" in result.text
    assert "SNOMED CT" not in answer(Cha2ds2(with_sex=False), record(age=70), OPTIONS).text


@pytest.mark.parametrize("kind", ["INT64", "BOOL", "BYTES"])
def test_a_whole_number_is_no_probability(kind: str) -> None:
    block = OutputBlock(tensor="label", kind="probability", code="risk", display="Risk")
    with pytest.raises(ModelFailure, match=f"of {kind}, which holds no probability"):
        decode(block, {"label": Tensor("label", (1, 1), kind, [0])}, 0)
    assert decode(block, {"label": Tensor("label", (1, 1), "FP32", [0.25])}, 0).percent == 25
