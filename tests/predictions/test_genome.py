"""The genome as a reason to decline: whose, of which cells, how many copies, by which classification."""

from __future__ import annotations

from typing import Any

import pytest

from fhir_bridge.predictions import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.hcm_risk_scd import HcmRiskScd
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.server.pages.variants import variants_of
from tests.predictions.clinic import Clinic, in_clinic
from tests.predictions.records import LOINC, answer, record, variant
from tests.predictions.test_hcm_risk_scd import complete as hcm_inputs
from tests.predictions.test_score2 import SETTINGS, complete

HOMOZYGOUS, HETEROZYGOUS = "LA6705-3", "LA6706-1"


def component(code: str, value: str | dict[str, Any]) -> dict[str, Any]:
    stated = {"coding": [{"system": LOINC, "code": value}]} if isinstance(value, str) else value
    return {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueCodeableConcept": stated}


def found(gene: str = "LDLR", name: str = "p.Gly592Glu", **more: Any) -> list[dict[str, Any]]:
    """A variant and its classification. more: zygosity, source, value, classified (LOINC answers), number."""
    resources = variant(gene, name, more.get("classified", "LA6668-3"))
    for code, value in (("53034-5", more.get("zygosity")), ("48002-0", more.get("source"))):
        if value:
            resources[0]["component"].append(component(code, value))
    if "value" in more:
        resources[0]["valueCodeableConcept"]["coding"][0]["code"] = more["value"]
    if "number" in more:
        for resource in resources:
            resource["id"] += f"-{more['number']}"
        resources[1]["derivedFrom"] = [{"reference": f"Observation/{resources[0]['id']}"}]
    return resources


def score2(*resources: dict[str, Any]) -> Any:
    return answer(Score2(), record(*complete(), *resources), SETTINGS)


def hcm(*resources: dict[str, Any]) -> Any:
    return answer(HcmRiskScd(), record(*hcm_inputs(), *resources, age=45), PredictorSettings(enabled=True))


@pytest.mark.parametrize("source", ["LA6684-0", "LA18195-0", "LA10429-1", "LA18196-8", "LA18197-6"])
def test_a_variant_that_is_not_of_the_germline_decides_nothing(source: str) -> None:
    assert isinstance(score2(*found(source=source)), Prediction)


@pytest.mark.parametrize("source", ["LA6683-2", "LA18194-3", "LA26807-0", None])
def test_one_of_the_germline_does(source: str | None) -> None:
    assert isinstance(score2(*found(source=source)), Refusal)


@pytest.mark.parametrize("value", ["LA9634-2", "LA18198-4", "LA11883-8"])
def test_an_absent_or_undecided_call_is_no_variant(value: str) -> None:
    assert isinstance(score2(*found(value=value)), Prediction)


def test_a_call_of_the_reference_is_no_variant() -> None:
    resources = found()
    for code in ("69547-8", "69551-0"):
        resources[0]["component"].append(
            {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueString": "G"}
        )
    assert isinstance(score2(*resources), Prediction)


def test_a_carrier_of_a_recessive_gene_is_mentioned_and_not_refused() -> None:
    for result, gene in (
        (score2(*found("LDLRAP1", zygosity=HETEROZYGOUS)), "LDLRAP1"),
        (hcm(*found("GAA", zygosity=HETEROZYGOUS)), "GAA"),
    ):
        assert isinstance(result, Prediction)
        assert any(f"{gene} variant" in text and "carrier" in text for text in result.cautions)


def test_both_copies_of_a_recessive_gene_refuse() -> None:
    assert "LDLRAP1" in score2(*found("LDLRAP1", zygosity=HOMOZYGOUS)).text
    assert "Pompe disease" in hcm(*found("GAA", zygosity=HOMOZYGOUS)).text


def test_what_may_be_both_copies_is_refused_as_not_known() -> None:
    two = [
        *found("GAA", "p.One", zygosity=HETEROZYGOUS, number=1),
        *found("GAA", "p.Two", zygosity=HETEROZYGOUS, number=2),
    ]
    for result in (hcm(*two), hcm(*found("GAA"))):
        assert isinstance(result, Refusal)
        assert result.reason == "missing-input"
        assert "GAA" in result.text


def test_a_woman_with_one_copy_of_gla_may_have_fabry_disease() -> None:
    assert "Fabry" in hcm(*found("GLA", zygosity=HETEROZYGOUS)).text


def test_the_newest_classification_counts() -> None:
    resources = found()
    resources[1]["effectiveDateTime"] = "2020-01-01"
    newer = resources[1] | {"id": "newer", "effectiveDateTime": "2025-01-01"}
    newer["component"] = [component("53037-8", "LA6675-8")]
    assert isinstance(score2(*resources, newer), Prediction)
    newer["component"] = [component("53037-8", "LA26333-7")]
    uncertain = score2(*resources, newer)
    assert isinstance(uncertain, Prediction)
    assert any("LDLR variant p.Gly592Glu of uncertain significance" in text for text in uncertain.cautions)
    newer["component"] = [component("53037-8", {"text": "Benign; Pathogenic"})]
    conflicting = score2(*resources, newer)
    assert isinstance(conflicting, Prediction)
    assert any("of uncertain significance" in text for text in conflicting.cautions)
    older = newer | {"effectiveDateTime": "2019-01-01"}
    assert isinstance(score2(*resources, older), Refusal)
    assert isinstance(score2(*resources, newer | {"status": "entered-in-error"}), Refusal)


@pytest.mark.parametrize(
    "gene",
    [
        {"coding": [{"system": "http://www.genenames.org/geneId", "code": "HGNC:6547"}]},
        {"coding": [{"system": "http://www.genenames.org", "code": "6547"}]},
        {"coding": [{"code": "LDLR"}]},
        {"text": "LDLR"},
    ],
)
def test_the_gene_is_known_by_symbol_or_hgnc_id(gene: dict[str, Any]) -> None:
    resources = found()
    resources[0]["component"][0]["valueCodeableConcept"] = gene
    assert "LDLR variant" in score2(*resources).text


def test_an_id_decides_before_a_symbol_that_contradicts_it() -> None:
    resources = found()
    resources[0]["component"][0]["valueCodeableConcept"] = {
        "coding": [{"code": "HGNC:12405", "display": "LDLR"}]
    }
    assert isinstance(score2(*resources), Prediction)


def test_the_variant_and_its_classification_are_of_this_patient() -> None:
    for place in (0, 1):
        resources = found()
        resources[place]["subject"] = {"reference": "Patient/brother"}
        assert isinstance(score2(*resources), Prediction)
        resources[place]["subject"] = {"reference": "Patient/p"}
        assert isinstance(score2(*resources), Refusal)


@pytest.mark.parametrize(
    ("stated", "refused"),
    [
        ("LA6668-3", True),
        ("LA26332-9", True),
        ("LA6675-8", False),
        ({"text": "Pathogenic"}, True),
        ({"text": "likely pathogenic (ACMG class 4)"}, True),
        ({"text": "Pathogenic/Likely_pathogenic"}, True),
        ({"text": "wahrscheinlich pathogen"}, True),
        ({"text": "Klasse 5"}, True),
        ({"coding": [{"system": "urn:lab", "code": "P", "display": "Pathogenic"}]}, True),
        ({"text": "Conflicting classifications of pathogenicity"}, False),
        ({"text": "nicht pathogen"}, False),
        ({"text": "Benign"}, False),
    ],
)
def test_a_variant_may_have_its_class_itself_and_as_a_text(
    stated: str | dict[str, Any], refused: bool, database_url: str
) -> None:
    """Both ways, in the stored record: on the variant, and on an implication."""
    alone, implication = found()
    alone["component"].append(component("53037-8", stated))
    of_implication, implication = found()
    implication["component"] = [component("53037-8", stated)]

    async def work(clinic: Clinic) -> list[Any]:
        said = []
        for resources in ([alone], [of_implication, implication]):
            for resource in resources:
                await clinic.write(resource | {"subject": {"reference": "Patient/p"}})
            said.append((await clinic.predict()).result)
        return said

    for result in in_clinic(database_url, work):
        assert isinstance(result, Refusal) == refused
        assert not refused or "pathogenic LDLR variant p.Gly592Glu" in result.text


def test_the_newer_implication_decides_before_the_class_of_the_variant() -> None:
    alone, implication = found(classified="LA6675-8")
    alone["component"].append(component("53037-8", "LA6668-3"))
    alone["effectiveDateTime"], implication["effectiveDateTime"] = "2020-01-01", "2025-01-01"
    assert isinstance(score2(alone, implication), Prediction)
    implication["effectiveDateTime"] = "2019-01-01"
    assert isinstance(score2(alone, implication), Refusal)


def test_the_page_shows_the_class_that_a_variant_has_itself() -> None:
    alone, _ = found()
    stated = {"coding": [{"system": LOINC, "code": "LA6668-3", "display": "Pathogenic"}]}
    alone["component"].append(component("53037-8", stated))
    (shown,) = variants_of([alone])
    assert (shown.classification, shown.rank) == ("Pathogenic", 0)
