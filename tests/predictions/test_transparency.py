"""What a model leaves beside its result, by the profiles of HL7 AI Transparency on FHIR."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.definitions.packages import load_packages
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.predictions import (
    ClassOutput,
    Interval,
    ModelCard,
    Prediction,
    PredictorSettings,
    QuantityOutput,
    SurvivalOutput,
    TextOutput,
)
from fhir_bridge.predictions.answers import answer_of, encoded, plain
from fhir_bridge.predictions.model_card import SOURCE_ATTRIBUTES
from fhir_bridge.predictions.resources import observation
from fhir_bridge.predictions.transparency import model_card
from fhir_bridge.terminology import get_terminology
from tests.predictions.clinic import ENABLED, Clinic, in_clinic
from tests.predictions.models import Model, prediction
from tests.predictions.records import record

GUIDE = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition"
PACKAGE = "data/packages/hl7.fhir.uv.aitransparency-1.0.0-current.2026-08-06.tgz"
PROFILES = {"Device": "AI-Device", "DocumentReference": "AI-ModelCard", "Provenance": "AI-Provenance"}


def test_there_are_31_source_attributes_and_the_card_names_each() -> None:
    keys = [key for _, entries in SOURCE_ATTRIBUTES for key, _ in entries]
    assert len(keys) == len(set(keys)) == 31
    assert len(SOURCE_ATTRIBUTES) == 9
    model = Model()
    model.card = ModelCard("machine-learned", *("-" for _ in range(8)), attributes={"funding": "a grant"})
    card = model_card("c", model, PredictorSettings(), "d")
    text = base64.b64decode(card["content"][0]["attachment"]["data"]).decode()
    assert text.count("\n- ") == 31 + 6
    assert "Funding of the technical implementation: a grant" in text
    assert text.count("not stated") == 31 - 8


@pytest.mark.shared
@pytest.mark.parametrize("model", [None, Model()])
def test_device_card_and_provenance_are_valid_by_the_guides_profiles(
    model: Any, fresh_database_url: str, shared: Path, tmp_path: Path
) -> None:
    parameters = {"predictions": {**ENABLED["predictions"], "model": {"enabled": True}}}
    validator = with_guide(shared, tmp_path)

    async def work(clinic: Clinic) -> None:
        if model is not None:
            person = await clinic.read("Patient", "p")
            await clinic.write(person | {"name": [{"family": "Good"}]})
        await clinic.predict(parameters, model=model)
        for kind, profile in PROFILES.items():
            (resource,) = await clinic.find(kind)
            issues = validator.validate(resource, [f"{GUIDE}/{profile}"])
            assert [issue for issue in issues if issue.severity in ("error", "fatal")] == []
            resource.pop("agent", None) or resource.pop("type", None)
            assert any(
                issue.severity == "error" for issue in validator.validate(resource, [f"{GUIDE}/{profile}"])
            )

    in_clinic(fresh_database_url, work)


def with_guide(shared: Path, cache: Path) -> Validator:
    definitions = load_packages([shared / PACKAGE], cache).definitions
    return Validator.of(get_terminology(definitions=definitions), definitions=definitions)


OUTPUTS: list[dict[str, Any]] = [
    {"interval": Interval(Decimal(8), Decimal("19.5"))},
    {"percent": None, "horizon_years": None, "output": ClassOutput("sinus", "Sinus rhythm")},
    {
        "percent": None,
        "horizon_years": None,
        "output": ClassOutput(
            "af", "Atrial fibrillation", (("af", "AF", Decimal("0.8")), ("sr", "SR", Decimal("0.2")))
        ),
    },
    {
        "percent": None,
        "output": QuantityOutput(Decimal("5.4"), "mmol/L", Interval(Decimal(5), Decimal(6), Decimal("0.9"))),
    },
    {"output": SurvivalOutput(((Decimal(1), Decimal("0.98")), (Decimal(5), Decimal("0.875"))))},
    {"percent": None, "horizon_years": None, "output": TextOutput("No acute finding.")},
    {"population": "moderate-risk region", "guideline": "ESC 2021"},
]


@pytest.mark.parametrize("changes", OUTPUTS)
def test_every_kind_of_output_is_valid_fhir_and_comes_back_from_the_models_process(
    changes: dict[str, Any],
) -> None:
    said = prediction(record(), **changes)
    answer = answer_of(loads(encoded(plain(said, record()))))
    assert isinstance(answer, Prediction)
    assert answer == said
    written = observation("o", "p", Model(), PredictorSettings(), answer, "d", datetime.now(UTC))
    issues = Validator.of(get_terminology()).validate(written)
    assert [issue for issue in issues if issue.severity in ("error", "fatal")] == []


BAD: dict[str, dict[str, Any]] = {
    "unit": {"percent": None, "output": QuantityOutput(Decimal(1), "apples")},
    "NaN": {"percent": None, "output": QuantityOutput(Decimal("NaN"), "mm")},
    "float": {"percent": None, "output": QuantityOutput(1.5, "mm")},  # type: ignore[arg-type]
    "outside": {"interval": Interval(Decimal(20), Decimal(30))},
    "beyond": {"interval": Interval(Decimal(10), Decimal(130))},
    "level": {"interval": Interval(Decimal(10), Decimal(30), Decimal(95))},
    "sum": {
        "percent": None,
        "output": ClassOutput("a", "A", (("a", "A", Decimal("0.8")), ("b", "B", Decimal("0.9")))),
    },
    "rises": {"output": SurvivalOutput(((Decimal(1), Decimal("0.5")), (Decimal(2), Decimal("0.6"))))},
    "text": {"percent": None, "output": TextOutput("x" * 20_000)},
    "nothing": {"percent": None},
}


@pytest.mark.parametrize("name", BAD)
def test_an_output_that_can_not_be_is_a_failed_run(name: str) -> None:
    assert "failed" in plain(prediction(record(), **BAD[name]), record())
