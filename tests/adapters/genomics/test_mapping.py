"""The shipped mapping makes valid Genomics Reporting STU3 of what the reader gives."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.genomics import Options, VcfAdapter, read_vcf
from fhir_bridge.demo.genome import write
from fhir_bridge.demo.people import AUTHORITY_SYSTEM, people
from fhir_bridge.fhir.difference import difference_of_sets
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Output, Site, load_mapping

PROFILES = "http://hl7.org/fhir/uv/genomics-reporting/StructureDefinition/"


class NoTerminology:
    """This mapping asks no terminology: its codes are in the mapping or come from the source."""

    def lookup(self, system: str, code: str) -> None:
        raise AssertionError(system)

    def knows_system(self, system: str) -> bool:
        return False

    def member(self, value_set: str, system: str | None, code: str) -> None:
        return None

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Any]:
        raise AssertionError(system)

    def translate_by_map(self, concept_map: str, code: str) -> list[Any]:
        raise AssertionError(concept_map)


@pytest.fixture(scope="module")
def mapping(repository: Path) -> CompiledMapping:
    path = repository / "mappings" / "genomics" / "vcf" / "mapping.yaml"
    return load_mapping(path, adapters={"vcf": VcfAdapter()})


class Converted:
    def __init__(
        self, mapping: CompiledMapping, path: Path, site: Site, options: Options | None = None
    ) -> None:
        context = Context(site, NoTerminology(), IdentityResolver(site, IdKey(DEMO_KEY)), "vcf")
        self.outputs: list[Output] = []
        self.issues: list[Issue] = []
        self.outcomes: Counter[str] = Counter()
        for record in read_vcf(path, options or Options()):
            if record.outcome != "read":
                self.outcomes[record.outcome] += record.records
                continue
            conversion = mapping.convert(record, context)
            self.outcomes[conversion.outcome] += record.records
            self.outputs += conversion.outputs
            self.issues += conversion.issues

    def of(self, rule: str) -> list[dict[str, Any]]:
        return [loads_exact(dumps(output.resource)) for output in self.outputs if output.rule == rule]


def component(resource: dict[str, Any], code: str) -> Any:
    """The value of the component with this code."""
    for entry in resource["component"]:
        if entry["code"]["coding"][0]["code"] == code:
            return next(value for key, value in entry.items() if key.startswith("value"))
    return None


@pytest.fixture(scope="module")
def cohort(mapping: CompiledMapping, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    folder = tmp_path_factory.mktemp("cohort")
    vcf, _ = write(folder, people())
    (folder / "site.yaml").write_text(
        f'site: test\nzone: Europe/Rome\ndemo_key: true\nidentity:\n  patient_authority: "{AUTHORITY_SYSTEM}"\n'
        "  crosswalk: crosswalk.csv\n"
    )
    return Converted(mapping, vcf, Site.load(folder / "site.yaml"))


@pytest.mark.parametrize("case", ["cardiology", "unusual-alleles"])
def test_example_becomes_what_is_expected(mapping, repository, case):
    folder = repository / "mappings" / "genomics" / "vcf" / "examples" / case
    (source,) = folder.glob("*.vcf")
    found = Converted(mapping, source, Site.load(folder / "site.yaml"))
    lines = dict.fromkeys(dumps(output.resource) for output in found.outputs)
    expected = [loads_exact(line) for line in (folder / "expected.ndjson").read_bytes().splitlines()]
    assert [str(one) for one in difference_of_sets(expected, [loads_exact(line) for line in lines])] == []


def test_unlinked_sample_is_held_and_the_others_go_on(cohort):
    held = next(person for person in people() if person.sample and not person.sample_linked)
    assert {issue.code for issue in cohort.issues} == {"FB-ID-003"}
    assert len(cohort.of("patient")) == len(cohort.of("genomic-report")) == 15
    assert held.mrn not in {patient["identifier"][0]["value"] for patient in cohort.of("patient")}
    assert cohort.outcomes["partial"] + cohort.outcomes["rejected"] == 3
    assert sum(cohort.outcomes.values()) == 44


def test_every_output_is_valid_by_its_profile(cohort):
    validator = get_validator()
    for output in cohort.outputs:
        found = [
            issue for issue in validator.validate(output.resource) if issue.severity in ("error", "fatal")
        ]
        assert found == [], output.rule


def test_variant_states_names_alleles_and_call(cohort):
    (found,) = [v for v in cohort.of("variant") if "p.Arg403Gln" in str(v)]
    assert found["meta"]["profile"] == [PROFILES + "variant"]
    codes = [category["coding"][0]["code"] for category in found["category"]]
    assert codes == ["laboratory", "GE"]
    assert component(found, "48018-6")["coding"][0]["code"] == "HGNC:7577"
    assert component(found, "81290-9")["coding"][0]["code"] == "NC_000014.9:g.23429278C>T"
    assert component(found, "48004-6")["coding"][0]["code"] == "NM_000257.4:c.1208G>A"
    assert component(found, "53034-5")["coding"][0]["code"] == "LA6706-1"
    assert component(found, "69547-8") == "C"
    assert component(found, "81254-5") == {"low": {"value": 23429278}, "high": {"value": 23429278}}


def test_implication_and_report_follow_the_variant(cohort):
    (variant,) = [v for v in cohort.of("variant") if "NM_000527.5:c.1775G>A" in str(v)]
    reference = f"Observation/{variant['id']}"
    (implication,) = [
        i for i in cohort.of("diagnostic-implication") if i["derivedFrom"][0]["reference"] == reference
    ]
    assert component(implication, "53037-8")["coding"][0]["code"] == "LA6668-3"
    assert component(implication, "93044-6")["coding"][0]["code"] == "3-star"
    (report,) = [r for r in cohort.of("genomic-report") if r["subject"] == variant["subject"]]
    listed = [entry["reference"] for entry in report["result"]]
    assert listed == [reference, f"Observation/{implication['id']}"]


def test_every_reference_leads_to_an_output(cohort):
    known = {f"{output.type}/{output.id}" for output in cohort.outputs}

    def references(node: Any) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in references(item)]
        if isinstance(node, dict):
            own = [node["reference"]] if isinstance(node.get("reference"), str) else []
            return own + [found for item in node.values() for found in references(item)]
        return []

    assert {found for output in cohort.outputs for found in references(output.resource)} <= known


def test_studied_genes_are_named_so_that_not_studied_can_be_told(cohort):
    for analysis in cohort.of("genomic-study-analysis"):
        (regions,) = [e for e in analysis["extension"] if e["url"].endswith("analysis-regions")]
        studied = [entry["valueCodeableConcept"]["text"] for entry in regions["extension"]]
        assert "LDLR" in studied
        assert "LPA" not in studied


def test_same_file_gives_the_same_ids_and_no_id_twice(mapping, cohort, repository):
    ids = Counter((output.type, output.id) for output in cohort.outputs)
    assert max(ids.values()) == 1
    folder = repository / "mappings" / "genomics" / "vcf" / "examples" / "cardiology"
    runs = [
        [
            dumps(output.resource)
            for output in Converted(mapping, folder / "panel.vcf", Site.load(folder / "site.yaml")).outputs
        ]
        for _ in range(2)
    ]
    assert runs[0] == runs[1]


@pytest.mark.shared
def test_outputs_of_other_projects_files_are_valid(mapping, shared):
    validator = get_validator()
    checked: Counter[str] = Counter()
    for path in sorted((shared / "data" / "vcf").rglob("*.vcf")):
        if "hts-specs" in path.parts:
            continue
        found = Converted(mapping, path, Site(demo_key=True))
        if found.outcomes == {"rejected": 1}:
            found = Converted(
                mapping, path, Site(demo_key=True), Options(assembly="GRCh38", check_lengths=False)
            )
        assert [issue for issue in found.issues if issue.severity == "error"] == [], path
        for rule in {output.rule for output in found.outputs}:
            for output in [one for one in found.outputs if one.rule == rule][:5]:
                errors = [i for i in validator.validate(output.resource) if i.severity in ("error", "fatal")]
                assert errors == [], (path, rule)
                checked[rule] += 1
    assert checked["variant"] > 300
