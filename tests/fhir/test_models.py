"""Objects of `fhir.resources` are accepted where a dict of FHIR is, with all that they hold."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest
from fhir.resources.R4B.attachment import Attachment
from fhir.resources.R4B.humanname import HumanName
from fhir.resources.R4B.patient import Patient

from fhir_bridge.fhir import dumps, get_validator, loads_exact
from fhir_bridge.fhir.models import is_model, model_type, plain, to_model
from fhir_bridge.plugins.extras import MissingExtra

OBSERVATION: dict[str, Any] = {
    "resourceType": "Observation",
    "id": "troponin",
    "meta": {"versionId": "3", "lastUpdated": "2026-02-03T04:05:06.120+01:00"},
    "contained": [{"resourceType": "Patient", "id": "p", "name": [{"given": ["Ann", None]}]}],
    "status": "final",
    "_status": {"extension": [{"url": "urn:why", "valueString": "x"}]},
    "code": {"coding": [{"system": "http://loinc.org", "code": "6598-7"}]},
    "subject": {"reference": "#p"},
    "effectiveDateTime": "2026-02",
    "issued": "2026-02-03T04:05:06Z",
    "valueQuantity": {"value": Decimal("1.50"), "unit": "ug/L"},
    "component": [{"code": {"text": "at"}, "valueTime": "10:30:00"}],
}


def test_a_resource_goes_to_an_object_and_back_with_the_digits_of_its_decimals() -> None:
    model = to_model(OBSERVATION)
    assert (is_model(model), model_type(model)) == (True, "Observation")
    assert plain(model) == OBSERVATION
    assert str(plain(model)["valueQuantity"]["value"]) == "1.50"
    assert loads_exact(dumps(model)) == OBSERVATION
    assert b'"value":1.50' in dumps({"resourceType": "Bundle", "entry": [{"resource": model}]})


@pytest.mark.parametrize("value", [OBSERVATION, b"{}", "text", None, 5, [1]])
def test_what_is_no_object_stays_as_it_is(value: Any) -> None:
    assert plain(value) is value
    assert not is_model(value)


def test_data_types_are_objects_too() -> None:
    assert plain(HumanName(family="Roe", given=["Ann"])) == {"family": "Roe", "given": ["Ann"]}
    assert plain(Attachment(data="aGVsbG8=", creation="2026-02-03")) == {
        "data": "aGVsbG8=",
        "creation": "2026-02-03",
    }


def test_validate_takes_an_object() -> None:
    assert get_validator().validate(Patient(id="p", gender="male", birthDate="1970-01-01")) == []
    (issue,) = get_validator().validate(Patient(id="p", gender="male", birthDate="1970-01-01", active=None),
                                        ["http://hl7.org/fhir/StructureDefinition/Observation"])[:1]  # fmt: skip
    assert issue.severity == "error"
    (wrong,) = get_validator().validate(Patient(id="p", gender="m"))
    assert (wrong.severity, wrong.expression) == ("error", "Patient.gender")


def test_without_the_package_an_object_asked_for_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fhir", None)
    with pytest.raises(MissingExtra, match=r'pip install "fhir-bridge\[models\]"'):
        to_model(OBSERVATION)


def test_a_resource_that_the_package_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="resourceType"):
        to_model({"id": "x"})
    with pytest.raises(ValueError, match="EffectEvidenceSynthesis"):
        to_model({"resourceType": "EffectEvidenceSynthesis"})
