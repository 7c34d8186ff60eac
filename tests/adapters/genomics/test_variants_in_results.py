"""A variant in an HL7 v2 result and in a VCF of the same sample: one patient, one specimen, the same statements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.genomics.query import read_observation
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters

EXAMPLE = Path(__file__).parents[3] / "mappings" / "ehr" / "hl7v2" / "examples" / "oru-genomics"
GUIDE = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"
VCF = """##fileformat=VCFv4.3
##fileDate=20260309
##contig=<ID=chr11,length=135086622>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
chr11\t47342698\t.\tG\tA\t99\tPASS\t.\tGT\t0/1
"""


class Reading:
    def __init__(self, mapping: Any, site: Site) -> None:
        self.options = mapping.source_options
        self.site = site
        self.selectors = mapping.selectors


def converted(name: str, path: Path, site: Site) -> dict[str, list[dict[str, Any]]]:
    mapping = load_mapping(name, adapters=adapters())
    context = Context(site, site.open_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), mapping.adapter)
    results: dict[str, list[dict[str, Any]]] = {}
    for record in adapters()[mapping.adapter].read([path], Reading(mapping, site)):
        if record.outcome == "read":
            for output in mapping.convert(record, context).outputs:
                results.setdefault(output.rule, []).append(output.resource)
    return results


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("site")
    (folder / "crosswalk.csv").write_text("sample;system;value\nS1;urn:oid:2.25.1001;4711\n")
    text = (
        (EXAMPLE / "site.yaml").read_text().replace("identity:\n", "identity:\n  crosswalk: crosswalk.csv\n")
    )
    (folder / "site.yaml").write_text(text)
    return Site.load(folder / "site.yaml")


@pytest.fixture(scope="module")
def of_result(site: Site) -> dict[str, list[dict[str, Any]]]:
    return converted("ehr/hl7v2", EXAMPLE / "message.hl7", site)


def components(variant: dict[str, Any]) -> dict[str, Any]:
    return {
        item["code"]["coding"][0]["code"]: {key: value for key, value in item.items() if key != "code"}
        for item in variant["component"]
    }


def test_result_and_vcf_have_one_patient_and_one_specimen(
    site: Site, of_result: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "s1.vcf").write_text(VCF)
    of_vcf = converted("genomics/vcf", tmp_path / "s1.vcf", site)
    told, called = of_result["variant"][0], of_vcf["variant"][0]
    assert told["subject"] == called["subject"]
    assert told["specimen"] == called["specimen"]
    assert {each["id"] for each in of_result["variant-specimen"]} == {
        each["id"] for each in of_vcf["specimen"]
    }
    assert of_vcf["genomic-report"][0]["specimen"] == [told["specimen"]]
    same = ("69547-8", "69551-0", "81254-5")
    ours, theirs = components(told), components(called)
    assert [ours[code] for code in same] == [theirs[code] for code in same]
    assert read_observation(told).accession == read_observation(called).accession == "NC_000011.10"


def test_variants_are_told_apart_by_their_sub_id(of_result: dict[str, list[dict[str, Any]]]) -> None:
    first, second = of_result["variant"]
    assert (
        components(first)["48004-6"]["valueCodeableConcept"]["coding"][0]["code"] == "NM_000256.3:c.1504C>T"
    )
    assert "component" not in second
    assert second["note"] == [{"text": "c.26G>A"}]


def test_name_without_an_accession_is_no_code(of_result: dict[str, list[dict[str, Any]]]) -> None:
    assert "48005-3" not in components(of_result["variant"][0])


def test_significance_is_derived_from_its_variant_alone(of_result: dict[str, list[dict[str, Any]]]) -> None:
    (implication,) = of_result["diagnostic-implication"]
    assert implication["derivedFrom"] == [{"reference": f"Observation/{of_result['variant'][0]['id']}"}]


def test_report_has_results_and_variants(of_result: dict[str, list[dict[str, Any]]]) -> None:
    named = {each["reference"] for each in of_result["genomic-report"][0]["result"]}
    made = [*of_result["result"], *of_result["variant"], *of_result["diagnostic-implication"]]
    assert named == {f"Observation/{each['id']}" for each in made}


def test_report_with_variants_is_a_genomic_report_and_any_other_is_not(
    site: Site, of_result: dict[str, list[dict[str, Any]]], tmp_path: Path
) -> None:
    (report,) = of_result["genomic-report"]
    assert "report" not in of_result
    assert report["meta"]["profile"] == [f"{GUIDE}genomic-report"]
    assert [each["code"] for each in report["code"]["coding"]] == ["81247-9", "51969-4"]
    assert not [each for each in Validator.of().validate(report) if each.severity == "error"]
    text = (EXAMPLE / "message.hl7").read_text()
    changes = {
        "preliminary": text.partition("OBX|1|")[0],  # no variant has come
        "chemistry": text.replace("||GE|F", "||CH|F"),
        "span": text.replace(
            "20260302080000+0100||||||||||||||", "20260302080000+0100|20260302090000+0100|||||||||||||"
        ),
        "local": text.replace("81247-9^Master HL7 genetic variant reporting panel^LN", "51969-4^Genetics^L"),
    }
    for name, changed in changes.items():
        (tmp_path / f"{name}.hl7").write_text(changed)
        results = converted("ehr/hl7v2", tmp_path / f"{name}.hl7", site)
        if name == "local":
            (other,) = results["genomic-report"]
            assert not [each for each in Validator.of().validate(other) if each.severity == "error"]
            continue
        (other,) = results["report"]
        assert "profile" not in other["meta"]
        # The report is the same one before and after its variants came.
        assert other["id"] == report["id"]
