"""What the parts of a patient's page say of a record, without a server."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.server.pages import predictions
from fhir_bridge.server.pages.history import history_of
from fhir_bridge.server.pages.imaging import studies_of
from fhir_bridge.server.pages.predictions import predictions_of
from fhir_bridge.server.pages.reading import local_code, name_of, quantity_text, value_text
from fhir_bridge.server.pages.results import days_of, newest
from fhir_bridge.server.pages.timeline import timeline_of
from fhir_bridge.server.pages.variants import studies_of as genomic_studies_of
from fhir_bridge.server.pages.variants import variants_of
from fhir_bridge.server.rest import summary
from fhir_bridge.storage import Store

AIAST = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}


def predicted(identity: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": identity,
        "meta": {"security": [AIAST], "versionId": "1"},
        "status": "preliminary",
        "code": {"text": "SCORE2 10-year risk of cardiovascular disease"},
        "device": {"reference": "Device/score2"},
        "issued": "2026-03-05T10:00:00.000Z",
    } | more


def own(code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": PREDICTION_CODES, "code": code}], "text": text}


class TestReading:
    def test_digits_stand_as_the_source_gave_them(self) -> None:
        assert quantity_text({"value": Decimal("5.40"), "unit": "mmol/L"}) == "5.40 mmol/L"
        assert quantity_text({"value": Decimal("0.00000012"), "comparator": "<"}) == "<0.00000012"

    def test_no_value_says_why(self) -> None:
        assert value_text({"dataAbsentReason": {"text": "haemolysed"}}) == "no value: haemolysed"

    def test_a_name_is_the_official_one(self) -> None:
        names = [{"use": "nickname", "given": ["Bo"]}, {"use": "official", "given": ["Bodo"], "family": "X"}]
        assert name_of({"name": names}) == "Bodo X"
        assert name_of({}) == "(no name)"

    @pytest.mark.parametrize(
        ("concept", "expected"),
        [
            (
                {
                    "coding": [
                        {"system": "http://loinc.org", "code": "2093-3"},
                        {"system": "urn:x", "code": "CH"},
                    ]
                },
                None,
            ),
            ({"coding": [{"system": "urn:lab", "code": "GALX"}]}, "local code GALX"),
            ({"text": "Galectin"}, "text only"),
        ],
    )
    def test_a_code_that_was_not_mapped_is_marked(
        self, concept: dict[str, Any], expected: str | None
    ) -> None:
        assert local_code(concept) == expected


class TestPredictions:
    def test_inputs_are_found_of_however_many_predictions(
        self, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(predictions, "_PAGE", 2)
        results = [predicted(f"p{number}") for number in range(5)]
        provenances = [
            {
                "resourceType": "Provenance",
                "id": f"of-{result['id']}",
                "target": [{"reference": f"Observation/{result['id']}"}],
                "recorded": "2026-03-05T10:00:00Z",
                "agent": [{"who": {"display": "model"}}],
                "entity": [{"role": "source", "what": {"reference": f"Observation/input-{result['id']}"}}],
            }
            for result in results
        ]

        async def work() -> dict[str, list[dict[str, Any]]]:
            async with await Store.open(fresh_database_url) as store:
                await store.load(provenances)
                return await predictions.sources_of(results, store, EVERYTHING)

        assert asyncio.run(work()) == {
            f"Observation/{result['id']}": [{"reference": f"Observation/input-{result['id']}"}]
            for result in results
        }

    def test_inputs_carry_dates_and_say_where_a_newer_version_stands(self) -> None:
        result = predicted("p", valueQuantity={"value": Decimal("9.0"), "unit": "%"})
        pressure = {
            "resourceType": "Observation",
            "id": "bp",
            "meta": {"versionId": "3"},
            "code": {"text": "Blood pressure"},
            "effectiveDateTime": "2026-02-15T08:00:00+01:00",
        }
        sources = {
            "Observation/p": [
                {"reference": "Observation/bp/_history/2", "display": "systolic blood pressure: 145 mm[Hg]"},
                {"reference": "Condition/gone/_history/1", "display": "diabetes: absent"},
                {"reference": "DocumentReference/card"},
            ]
        }
        [view] = predictions_of([result, pressure], sources)
        assert [(item.label, item.time, item.version, item.newer, item.known) for item in view.inputs] == [
            ("systolic blood pressure: 145 mm[Hg]", "2026-02-15T08:00:00+01:00", "2", "3", True),
            ("diabetes: absent", "", "1", "", False),
        ]

    def test_the_horizon_comes_from_the_risk_assessment(self) -> None:
        result = predicted("p", valueQuantity={"value": 9, "unit": "%"})
        risk = {
            "resourceType": "RiskAssessment",
            "id": "r",
            "basis": [{"reference": "Observation/p"}],
            "prediction": [{"whenRange": {"high": {"value": 10, "unit": "years"}}}],
        }
        assert predictions_of([result, risk], {})[0].horizon == "10 years"

    def test_a_refusal_says_why_and_which_modality_decided(self) -> None:
        reason = (
            "familial hypercholesterolaemia: pathogenic LDLR variant p.Gly592Glu, Observation/abc/_history/1"
        )
        refusal = predicted(
            "p",
            dataAbsentReason={"text": reason},
            note=[{"text": f"No result: {reason}"}, {"text": "Research use."}],
            component=[
                {
                    "code": own("deciding-modality", "Deciding modality"),
                    "valueCodeableConcept": own("genomics", "Genomics"),
                }
            ],
            derivedFrom=[{"reference": "Observation/abc/_history/1", "display": "LDLR variant"}],
        )
        [view] = predictions_of([refusal], {})
        assert view.value == ""
        assert view.refused == "familial hypercholesterolaemia: pathogenic LDLR variant p.Gly592Glu"
        assert (view.modality, view.modality_code) == ("Genomics", "genomics")
        assert [item.label for item in view.inputs] == ["LDLR variant"]
        assert view.notes == ("Research use.",)

    def test_a_newer_run_of_a_model_replaces_an_older_one_which_stays_visible(self) -> None:
        old = predicted("old", valueQuantity={"value": 7, "unit": "%"}, issued="2025-01-01T00:00:00Z")
        new = predicted("new", valueQuantity={"value": 9, "unit": "%"})
        [view] = predictions_of([old, new], {})
        assert view.value == "9 %"
        assert [(run.issued, run.text) for run in view.earlier] == [("2025-01-01T00:00:00Z", "7 %")]

    def test_contributions_are_drawn_to_one_scale_to_both_sides(self) -> None:
        result = predicted(
            "p",
            valueQuantity={"value": 9, "unit": "%"},
            component=[
                {"code": own("contribution-age", "Age"), "valueQuantity": {"value": Decimal("0.5")}},
                {"code": own("contribution-hdl", "HDL"), "valueQuantity": {"value": Decimal("-0.25")}},
            ],
        )
        [view] = predictions_of([result], {})
        assert [(bar.label, bar.x, bar.width) for bar in view.bars] == [
            ("Age", 60.0, 60.0),
            ("HDL", 30.0, 30.0),
        ]


class TestVariants:
    @pytest.fixture
    def example(self, repository: Path) -> list[dict[str, Any]]:
        """What the shipped mapping makes of a cardiology panel."""
        path = repository / "mappings/genomics/vcf/examples/cardiology/expected.ndjson"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def test_the_mapping_of_vcf_gives_gene_zygosity_hgvs_and_classification_with_its_source(
        self, example: list[dict[str, Any]]
    ) -> None:
        reportable = [variant for variant in variants_of(example) if variant.reportable]
        assert reportable
        first = reportable[0]
        assert first.gene
        assert first.zygosity
        assert any("c." in name or "g." in name for name in first.names)
        assert "athogenic" in first.classification
        assert first.source == "ClinVar"
        assert any(variant.review for variant in reportable)

    def test_the_mapping_of_vcf_says_what_was_studied(self, example: list[dict[str, Any]]) -> None:
        studied = genomic_studies_of(example)
        assert studied
        assert all(study.build in ("GRCh37", "GRCh38") for study in studied)

    def test_a_variant_without_a_name_is_called_by_its_place(self) -> None:
        def component(code: str, **value: Any) -> dict[str, Any]:
            return {"code": {"coding": [{"system": "http://loinc.org", "code": code}]}, **value}

        variant = {
            "resourceType": "Observation",
            "id": "v",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
            "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA9633-4"}]},
            "component": [
                component("48013-7", valueCodeableConcept={"coding": [{"code": "NC_000001.11"}]}),
                component("81254-5", valueRange={"low": {"value": 200}, "high": {"value": 202}}),
                component("69547-8", valueString="CAA"),
                component("69551-0", valueString="C"),
            ],
        }
        [found] = variants_of([variant])
        assert found.names == ("NC_000001.11 200 CAA>C",)
        # As it was written before, with the chromosome.
        whole = component("48000-4", valueCodeableConcept={"coding": [{"display": "Chromosome 1"}]})
        [found] = variants_of([{**variant, "component": [*variant["component"], whole]}])
        assert found.names == ("Chromosome 1 200 CAA>C",)

    def test_no_classification_is_not_reportable(self) -> None:
        variant = {
            "resourceType": "Observation",
            "id": "v",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
            "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA9633-4"}]},
        }
        [found] = variants_of([variant])
        assert not found.reportable
        assert found.classification == ""

    def test_an_absent_variant_is_never_reportable(self) -> None:
        variant = {
            "resourceType": "Observation",
            "id": "v",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "69548-6"}]},
            "valueCodeableConcept": {
                "coding": [{"system": "http://loinc.org", "code": "LA9634-2", "display": "Absent"}]
            },
        }
        implication = {
            "resourceType": "Observation",
            "id": "i",
            "status": "final",
            "code": {"text": "Diagnostic implication"},
            "derivedFrom": [{"reference": "Observation/v"}],
            "component": [
                {
                    "code": {"coding": [{"system": "http://loinc.org", "code": "53037-8"}]},
                    "valueCodeableConcept": {"coding": [{"system": "http://loinc.org", "code": "LA6668-3"}]},
                }
            ],
        }
        [found] = variants_of([variant, implication])
        assert found.presence == "Absent"
        assert found.rank == 0
        assert not found.reportable

    def test_a_record_without_a_report_was_not_studied(self) -> None:
        assert genomic_studies_of([]) == []


class TestResults:
    def test_results_of_a_day_stand_together_the_newest_day_first(self) -> None:
        def result(identity: str, time: str, label: str) -> dict[str, Any]:
            return {
                "resourceType": "Observation",
                "id": identity,
                "status": "final",
                "code": {"text": label},
                "effectiveDateTime": time,
                "valueInteger": 1,
            }

        resources = [
            result("a", "2025-01-01", "Sodium"),
            result("b", "2026-02-15T08:00:00+01:00", "Sodium"),
            result("c", "2026-02-15T08:00:00+01:00", "Albumin"),
        ]
        days = days_of(newest(resources, ()), {})
        assert [(day.date, [item.label for item in day.results]) for day in days] == [
            ("2026-02-15", ["Albumin", "Sodium"]),
            ("2025-01-01", ["Sodium"]),
        ]

    def test_predictions_variants_and_waveforms_are_no_results(self) -> None:
        genomic = {
            "resourceType": "Observation",
            "id": "g",
            "code": {},
            "category": [
                {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "GE"}]}
            ],
        }
        waveform = {
            "resourceType": "Observation",
            "id": "w",
            "code": {"text": "Median beat"},
            "component": [{"code": {}, "valueSampledData": {"data": "1 2"}}],
        }
        assert newest([genomic, waveform, predicted("p")], ()) == []


class TestImagingAndHistory:
    def test_measurements_stand_with_their_study(self) -> None:
        study = {
            "resourceType": "ImagingStudy",
            "id": "s",
            "status": "available",
            "started": "2026-02-15T09:00:00Z",
            "modality": [{"code": "US"}],
            "description": "Echocardiography",
            "numberOfSeries": 2,
        }
        measured = {
            "resourceType": "Observation",
            "id": "m",
            "status": "preliminary",
            "code": {"text": "LVEF"},
            "partOf": [{"reference": "ImagingStudy/s"}],
            "valueQuantity": {"value": 64, "unit": "%"},
            "component": [{"code": {"coding": [{"code": "112039"}]}, "valueString": "1.2.3"}],
        }
        [found] = studies_of([study, measured], ())
        assert [(item.label, item.value, item.detail, item.status) for item in found.measurements] == [
            ("LVEF", "64 %", "", "preliminary")
        ]

    def test_a_refuted_condition_is_absent_and_a_mistaken_one_withdrawn(self) -> None:
        def condition(label: str, code: str) -> dict[str, Any]:
            status = {"coding": [{"code": code}]}
            return {
                "resourceType": "Condition",
                "id": label,
                "code": {"text": label},
                "verificationStatus": status,
            }

        found = history_of(
            [
                condition("HCM", "confirmed"),
                condition("Syncope", "refuted"),
                condition("X", "entered-in-error"),
            ]
        )
        assert [entry.label for entry in found.present] == ["HCM"]
        assert [entry.label for entry in found.absent] == ["Syncope"]
        assert [entry.label for entry in found.withdrawn] == ["X"]

    @pytest.mark.parametrize(
        ("certainty", "status"),
        [("A", None), ("V", "active, suspected"), ("Z", "active, history of"), ("G", "active")],
    )
    def test_the_certainty_of_icd_10_gm_says_where_a_diagnosis_stands(
        self, certainty: str, status: str | None
    ) -> None:
        stated = {
            "url": "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit",
            "valueCoding": {"code": certainty},
        }
        coding = {
            "system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
            "code": "I50.1",
            "extension": [stated],
        }
        diagnosis = {
            "resourceType": "Condition",
            "id": "c",
            "code": {"coding": [coding], "text": "Heart failure"},
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "onsetDateTime": "2020-01-01",
        }
        found = history_of([diagnosis])
        assert [entry.status for entry in found.present] == ([] if status is None else [status])
        assert len(found.absent) == (status is None)
        assert len(timeline_of([diagnosis], []).events) == (status is not None)
        assert summary._is_right(diagnosis) == (status is not None)

    def test_what_the_page_does_not_show_is_counted(self) -> None:
        found = history_of([{"resourceType": "Specimen", "id": "1"}, {"resourceType": "Specimen", "id": "2"}])
        assert found.others == (("Specimen", 2),)
