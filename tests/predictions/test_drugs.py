"""Which drugs are taken: by codes of any system, by names, and what is said where neither is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.predictions import Prediction, PredictionRun, PredictorSettings, Refusal
from fhir_bridge.predictions.drugs import decide
from fhir_bridge.predictions.model_workers import ModelWorkers
from fhir_bridge.predictions.prevent import Prevent
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.predictions.value_sets import value_set
from tests.command import run_command
from tests.predictions.clinic import ENABLED, Clinic, in_clinic
from tests.predictions.records import answer, record
from tests.predictions.test_published_models import american

RXNORM, SNOMED = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://snomed.info/sct"
ATC = "http://www.whocc.no/atc"
LISTED = PredictorSettings(enabled=True)


def coded(system: str, code: str, display: str = "") -> dict[str, Any]:
    coding = {"system": system, "code": code}
    return {"coding": [coding | ({"display": display} if display else {})]}


def taken(concept: dict[str, Any], kind: str = "MedicationStatement", **more: Any) -> dict[str, Any]:
    found = {"resourceType": kind, "id": "drug", "status": "active", "subject": {"reference": "Patient/p"}}
    if kind == "MedicationRequest":
        found["intent"] = "order"
    return found | {"medicationCodeableConcept": concept} | more


def prevent(*medications: dict[str, Any]) -> Any:
    people = record(*american(drug=None), *medications, age=50, sex="female")
    return answer(Prevent("total_cvd", 10), people, LISTED)


UNTREATED = taken(coded(ATC, "N02BE01"))
ANTIHYPERTENSIVES = (
    "17767 29046 5487 52175 6918 1202 2409 69749 20352 9997 49276 7417 3443 5470 2599 5764 214354 19484 35296 3827 "
    "314076 308136 197361 310798 979485 866924"
).split()
STATINS = "83367 36567 301542 42463 861634 6472 41127 314231 617311 259255".split()
DIABETES = "6809 860975 5856 274783 1545653 4821 25789 1991302 33738 593411".split()


@pytest.mark.parametrize("code", ANTIHYPERTENSIVES)
def test_a_blood_pressure_lowering_drug_counts_by_ingredient_and_product_of_rxnorm(code: str) -> None:
    by_code, by_atc = prevent(taken(coded(RXNORM, code))), prevent(taken(coded(ATC, "C09AA03")))
    assert by_code.percent == by_atc.percent != prevent(UNTREATED).percent


@pytest.mark.parametrize(
    ("group", "system", "code"),
    [
        *(("statin", RXNORM, code) for code in STATINS),
        *(("statin", SNOMED, code) for code in ("372912004", "96302009", "373444002")),
        ("statin", ATC, "C10BX03"),
        ("statin", ATC, "A10BH51"),
        ("antihypertensive", ATC, "C10BX03"),
        ("antihypertensive", SNOMED, "386864001"),
        ("antihypertensive", SNOMED, "108537001"),
        ("antithrombotic", ATC, "C10BX08"),
        ("antithrombotic", ATC, "C07FX04"),
        ("antithrombotic", SNOMED, "387458008"),
        ("antithrombotic", SNOMED, "7947003"),
        *(("diabetes-drug", RXNORM, code) for code in DIABETES),
        *(("diabetes-drug", SNOMED, code) for code in ("372567009", "109081006", "67866001")),
    ],
)
def test_a_drug_is_of_its_group(group: str, system: str, code: str) -> None:
    assert decide(value_set(group), coded(system, code)) == "yes"


@pytest.mark.parametrize(
    ("group", "concept"),
    [
        ("statin", coded(ATC, "C10BA10")),
        ("statin", coded(ATC, "N02BE01")),
        ("statin", coded(RXNORM, "17767")),
        ("statin", coded(SNOMED, "386864001")),
        ("statin", coded(RXNORM, "313782", "Acetaminophen 325 MG Oral Tablet")),
        ("statin", coded(RXNORM, "748962", "Jolivette 28 Day Pack")),
        ("antithrombotic", coded(ATC, "N02BA01", "Aspirin")),
        ("antihypertensive", coded(RXNORM, "161")),
        ("antihypertensive", {"text": "Paracetamol 500 mg"}),
        ("antihypertensive", {"text": "Timolol 0,5 % Augentropfen"}),
        ("antithrombotic", {"text": "Heparinoid, Ibuprofen"}),
        ("diabetes-drug", {"text": "Ramipril 5 mg"}),
    ],
)
def test_a_known_drug_of_another_group_is_not_of_it(group: str, concept: dict[str, Any]) -> None:
    assert decide(value_set(group), concept) == "no"


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("antihypertensive", "Amlodipin 5 mg"),
        ("antihypertensive", "Hidroclorotiazida 25 mg"),
        ("antihypertensive", "idroclorotiazide"),
        ("antihypertensive", "HCT 12,5"),
        ("antihypertensive", "METOPROLOLSUCCINAT 47,5"),
        ("antihypertensive", "Ramipril/Amlodipin"),
        ("antihypertensive", "losartán"),
        ("antithrombotic", "ASS 100"),
        ("antithrombotic", "Acetylsalicylsäure"),
        ("antithrombotic", "acide acétylsalicylique"),
        ("antithrombotic", "Warfarina"),
        ("diabetes-drug", "Metformina"),
        ("diabetes-drug", "Insulinglargin"),
        ("statin", "atorvastatine"),
    ],
)
def test_a_name_counts_in_any_language_where_the_code_is_not_known(group: str, name: str) -> None:
    local = coded("http://fhir.de/CodeSystem/ifa/pzn", "00811638")
    assert decide(value_set(group), local | {"text": name}) == "yes"
    assert decide(value_set(group), coded("urn:local", "1", name)) == "yes"


UNKNOWN = [
    coded("http://hl7.org/fhir/sid/ndc", "00069-1530-68"),
    coded("http://fhir.de/CodeSystem/ifa/pzn", "00811638"),
    coded("https://dmd.nhs.uk", "319283006"),
    coded("urn:local", "AML5"),
    coded(RXNORM, "99999999"),
    coded(RXNORM, "99999999", "NORVASC 5 MG TABLET"),
    coded(SNOMED, "319283006"),
    coded(ATC, "C"),
    {"text": "Hausmischung"},
]


@pytest.mark.parametrize("concept", UNKNOWN)
def test_what_no_list_knows_is_never_taken_for_another_drug(concept: dict[str, Any]) -> None:
    result = prevent(taken(concept))
    assert isinstance(result, Refusal)
    assert result.reason == "missing-input"
    assert "MedicationStatement/drug" in result.text
    what = "whose code is not known here" if "coding" in concept else "without a code"
    system = concept.get("coding", [{}])[0].get("system", "")
    name = {SNOMED: "SNOMED CT", RXNORM: "RxNorm", "https://dmd.nhs.uk": "dm+d"}.get(system)
    remedy = (
        f" (import {name} with `fhir-bridge terminology import`, or send its name as text)" if name else ""
    )
    assert f"a medication {what}{remedy} may be " in result.text


def test_a_code_without_a_name_is_known_by_its_name_where_its_system_is_imported(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a hospital has SNOMED CT: concepts with names, of which the record holds the code alone."""
    system = {
        "resourceType": "CodeSystem",
        "url": SNOMED,
        "version": "http://snomed.info/sct/900000000000207008/version/20260101",
        "name": "SCT",
        "status": "active",
        "content": "fragment",
        "concept": [
            {"code": "1000003", "display": "Metformin 500 mg oral tablet"},
            {"code": "1000004", "display": "Paracetamol 500 mg oral tablet"},
            {"code": "1000005", "display": "Some other product"},
        ],
    }
    path = tmp_path / "sct.json"
    path.write_text(json.dumps(system))

    async def work(clinic: Clinic) -> None:
        said = {}
        for code in ("1000003", "1000004", "1000005"):
            await clinic.write(taken(coded(SNOMED, code), "MedicationRequest"))
            run = PredictionRun(Score2(), ENABLED, IdKey(DEMO_KEY), clinic.store, workers)
            result = (await run.for_patient("p")).result
            said[code] = result.text if isinstance(result, Refusal) else "a risk"
        if not imported:
            assert all("import SNOMED CT with" in text for text in said.values())
            return
        assert "by a drug that is used in it" in said["1000003"]
        assert said["1000004"] == "a risk"
        assert "may be one of diabetes" in said["1000005"]
        assert "send the ingredient as text" in said["1000005"]

    monkeypatch.setenv("FHIR_BRIDGE_TERMINOLOGY_STORE", str(tmp_path / "store"))
    workers = ModelWorkers()
    try:
        for imported in (False, True):
            if imported:  # while the model's process runs
                assert run_command("terminology", "import", str(path)).returncode == 0
            in_clinic(fresh_database_url, work)
    finally:
        workers.close()


@pytest.mark.parametrize(
    ("display", "said"),
    [
        ("Captopril 25 MG Oral Tablet", "yes"),  # as Synthea names it, wrongly
        ("acetaminophen 750 MG / hydrocodone bitartrate 7.5 MG Oral Tablet", "no"),
        ("", "unknown"),
    ],
)
def test_a_code_that_sources_use_for_two_drugs_decides_nothing(display: str, said: str) -> None:
    assert decide(value_set("antihypertensive"), coded(RXNORM, "833036", display)) == said


def test_one_that_decides_by_another_coding_needs_no_other() -> None:
    concept = coded("urn:local", "AML5")
    concept["coding"].append({"system": ATC, "code": "C08CA01"})
    assert prevent(taken(concept)).percent == prevent(taken(coded(ATC, "C08CA01"))).percent


@pytest.mark.parametrize("intent", ["proposal", "plan", "option", "directive"])
def test_what_is_proposed_or_planned_is_not_taken(intent: str) -> None:
    meant = taken(coded(ATC, "C09AA05"), "MedicationRequest", intent=intent)
    assert prevent(UNTREATED, meant | {"id": "meant"}).percent == prevent(UNTREATED).percent
    ordered = prevent(UNTREATED, meant | {"id": "meant", "intent": "order"})
    assert ordered.percent != prevent(UNTREATED).percent
    alone = prevent(meant)
    assert isinstance(alone, Refusal)
    assert "no medication list" in alone.text


@pytest.mark.parametrize(
    "period",
    [
        {"effectivePeriod": {"start": "2020-01-01", "end": "2021-01-01"}},
        {"effectivePeriod": {"start": "2299-02-01"}},
        {"effectiveDateTime": "2299-02-01"},
    ],
)
def test_what_has_ended_or_begins_later_is_not_taken_now(period: dict[str, Any]) -> None:
    found = taken(coded(ATC, "C09AA05"), **period)
    assert prevent(found).percent == prevent(UNTREATED).percent
    # Nor does what is not known and is not taken now matter.
    assert isinstance(prevent(taken({"text": "Hausmischung"}, **period)), Prediction)


@pytest.mark.parametrize(
    ("concept", "said"),
    [
        (coded(RXNORM, "860975"), "by a drug that is used in it: MedicationRequest/drug/"),
        (coded(SNOMED, "372567009"), "by a drug that is used in it: MedicationRequest/drug/"),
        ({"text": "Metformin 500 mg"}, "by a drug that is used in it: MedicationRequest/drug/"),
        (
            coded("urn:local", "MET"),
            "code is not known here may be one of diabetes: MedicationRequest/drug/",
        ),
        (coded("urn:local", "PAR") | {"text": "Paracetamol"}, ""),
    ],
)
def test_of_what_is_stored_score2_says_which_order_may_be_of_diabetes(
    concept: dict[str, Any], said: str, database_url: str
) -> None:
    async def work(clinic: Clinic) -> Any:
        await clinic.write(taken(concept, "MedicationRequest"))
        return (await clinic.predict()).result

    result = in_clinic(database_url, work)
    assert isinstance(result, Refusal) == bool(said)
    assert not said or said in result.text
