"""Lint finds what is wrong in maps: ours must be clean, and known mistakes of others must be found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.plugins import shipped
from fhir_bridge.terminology import Terminology, get_terminology, lint_folders
from fhir_bridge.terminology.check_digits import is_well_formed
from fhir_bridge.terminology.files import read_folders
from tests.terminology.makers_small import colours

STATUS = "http://hl7.org/fhir/observation-status"
LOINC = "http://loinc.org"
SCT = "http://snomed.info/sct"
TABLE = "http://terminology.hl7.org/CodeSystem/v2-0085"


def row(code: str, target: str | None, equivalence: str = "equivalent", **more: Any) -> dict[str, Any]:
    return {"code": code, "target": [{"code": target, "equivalence": equivalence, **more}]}


def lint(folder: Path, *elements: dict[str, Any], target: str = STATUS, **more: Any) -> list[tuple[str, str]]:
    resource = {
        "resourceType": "ConceptMap",
        "id": "map",
        "url": "https://hospital.example.org/ConceptMap/map",
        "status": "active",
        "group": [{"source": TABLE, "target": target, "element": list(elements)}],
        **more,
    }
    (folder / "map.json").write_text(json.dumps(resource))
    return [(issue.code, issue.expression) for issue in lint_folders([folder])]


def test_what_ships_is_clean() -> None:
    assert lint_folders([shipped("terminology")]) == []


def test_a_clean_map_has_no_findings(tmp_path: Path) -> None:
    assert lint(tmp_path, row("F", "final"), row("O", None, "unmatched")) == []


def test_a_misspelt_target_is_found(tmp_path: Path) -> None:
    assert lint(tmp_path, row("A", "ammended")) == [("FB-TERM-010", "group[0].element[0].target[0].code")]
    assert lint(tmp_path, row("D", "entered-in-errror"))[0][0] == "FB-TERM-010"


def test_a_source_code_that_the_table_lacks_is_found(tmp_path: Path) -> None:
    assert lint(tmp_path, row("Q", "final"))[0] == ("FB-TERM-011", "group[0].element[0].code")


def test_a_display_of_another_code_is_found(tmp_path: Path) -> None:
    assert lint(tmp_path, row("F", "final", display="Amended"))[0][0] == "FB-TERM-012"
    assert lint(tmp_path, row("F", "final", display="FINAL")) == []


@pytest.mark.parametrize(
    ("system", "code", "display", "right"),
    [
        ("http://terminology.hl7.org/CodeSystem/v2-0203", "DL", "Driver’s  license number", True),
        ("http://terminology.hl7.org/CodeSystem/v2-0203", "DL", "Driver’s licence", False),
        ("urn:iso:std:iso:3166", "KOR", "Korea (the Republic of)", True),
        ("urn:iso:std:iso:3166", "US", "United States of America (the)", True),
        ("urn:iso:std:iso:3166", "NE", "Nigeria", False),
        ("urn:ietf:bcp:47", "de-AT", "German (österreichisch)", True),
        ("urn:ietf:bcp:47", "nl", "German", False),
        (SCT, "260385009", "Negative (qualifier value)", True),
        (LOINC, "8480-6", "Systolic blood pressure (sitting)", False),
    ],
)
def test_a_display_may_be_any_of_the_names(
    tmp_path: Path, system: str, code: str, display: str, right: bool
) -> None:
    result = lint(tmp_path, row("F", code, display=display), target=system)
    assert result == ([] if right else [("FB-TERM-012", "group[0].element[0].target[0].display")])


def test_a_designation_is_a_right_display(tmp_path: Path) -> None:
    system = {**colours(), "id": "colours"}
    folder = tmp_path / "maps"
    folder.mkdir()
    (folder / "system.json").write_text(json.dumps(system))
    assert lint(folder, row("F", "Red", display="Rot"), target=system["url"]) == []
    assert lint(folder, row("F", "Red", display="Puce"), target=system["url"]) != []


def test_a_filter_by_a_code_that_does_not_exist_is_found(tmp_path: Path) -> None:
    acts = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    filters = [
        {"property": "concept", "op": "is-a", "value": "_ActEncounterCode"},
        {"property": "concept", "op": "is-a", "value": "_ActEncountersCode"},
        {"property": "code", "op": "in", "value": "AMB, AMBX"},
        {"property": "code", "op": "regex", "value": "X.*"},
    ]
    values = {
        "resourceType": "ValueSet",
        "id": "v",
        "url": "https://hospital.example.org/ValueSet/v",
        "status": "active",
        "compose": {"include": [{"system": acts, "filter": [lint_folder]} for lint_folder in filters]},
    }
    (tmp_path / "v.json").write_text(json.dumps(values))
    assert [(lint_folder.code, lint_folder.expression) for lint_folder in lint_folders([tmp_path])] == [
        ("FB-TERM-010", "compose.include[1].filter[0].value"),
        ("FB-TERM-010", "compose.include[2].filter[0].value"),
    ]


def test_rows_twice_and_against_each_other_are_found(tmp_path: Path) -> None:
    assert [code for code, _ in lint(tmp_path, row("F", "final"), row("F", "final"))] == ["FB-TERM-013"]
    assert [code for code, _ in lint(tmp_path, row("F", "final"), row("F", "amended"))] == ["FB-TERM-014"]
    assert lint(tmp_path, row("F", "final"), row("F", "amended", "inexact")) == []


def test_a_target_outside_the_value_set_is_found(tmp_path: Path) -> None:
    genders = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert ("FB-TERM-015", "group[0].element[0].target[0].code") in lint(
        tmp_path, row("F", "final"), targetUri=genders
    )


def test_an_equivalence_of_another_release_is_found(tmp_path: Path) -> None:
    result = lint(tmp_path, row("F", "final", "source-is-narrower-than-target"))
    assert result == [("FB-TERM-016", "group[0].element[0].target[0].equivalence")]


def test_a_target_without_code_is_found(tmp_path: Path) -> None:
    assert lint(tmp_path, row("F", None))[0][0] == "FB-TERM-017"


@pytest.mark.parametrize(("system", "code"), [(LOINC, "2093-4"), (LOINC, "cholesterol"), (SCT, "77176003")])
def test_a_typing_error_in_a_licensed_code_shows_by_its_check_digit(
    tmp_path: Path, system: str, code: str
) -> None:
    assert [result for result, _ in lint(tmp_path, row("F", code), target=system)] == ["FB-TERM-010"]


def test_check_digits() -> None:
    for code in ("2093-3", "98979-8", "718-7", "LA6576-8", "LL4034-6"):
        assert is_well_formed(LOINC, code)
    for code in ("73211009", "900000000000207008", "818983003"):
        assert is_well_formed(SCT, code)
    assert not is_well_formed(SCT, "12345")
    assert is_well_formed("https://any.example.org", "whatever")


def test_broken_files_are_findings_and_lose_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a-broken.json").write_text("{")
    (tmp_path / "b-patient.json").write_text('{"resourceType": "Patient"}')
    result = lint(tmp_path, row("A", "ammended"))
    assert [code for code, _ in result] == ["FB-TERM-001", "FB-TERM-002", "FB-TERM-010"]
    assert lint_folders([tmp_path / "absent"])[0].code == "FB-TERM-001"


def test_two_resources_of_one_url_are_found(tmp_path: Path) -> None:
    lint(tmp_path, row("F", "final"))
    (tmp_path / "copy.json").write_text((tmp_path / "map.json").read_text())
    assert [issue.code for issue in lint_folders([tmp_path])] == ["FB-TERM-003"]


def test_code_systems_and_value_sets_are_checked_too(tmp_path: Path) -> None:
    system = {
        "resourceType": "CodeSystem",
        "id": "x",
        "url": "https://hospital.example.org/CodeSystem/x",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "a"}, {"code": "b", "concept": [{"code": "a"}]}],
    }
    values = {
        "resourceType": "ValueSet",
        "id": "y",
        "url": "https://hospital.example.org/ValueSet/y",
        "status": "active",
        "compose": {"include": [{"system": system["url"], "concept": [{"code": "c"}]}]},
    }
    (tmp_path / "x.json").write_text(json.dumps(system))
    (tmp_path / "y.json").write_text(json.dumps(values))
    assert [issue.code for issue in lint_folders([tmp_path])] == ["FB-TERM-013", "FB-TERM-010"]


def test_licensed_codes_that_we_ship_are_named_in_the_fragments() -> None:
    terminology: Terminology = get_terminology()
    for file in read_folders([shipped("terminology")]):
        for group in file.resource.get("group", ()):
            if group.get("target") in (LOINC, SCT):
                for element in group["element"]:
                    for target in element["target"]:
                        assert terminology.defined(group["target"], target["code"]), (file.path.name, target)


def test_a_retired_target_is_an_error_and_a_deprecated_one_a_warning(tmp_path: Path) -> None:
    confidentiality = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    assert lint(tmp_path, row("F", "HIV"), target=confidentiality) == [
        ("FB-TERM-010", "group[0].element[0].target[0].code")
    ]
    interpretation = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
    assert [code for code, _ in lint(tmp_path, row("F", "OBX"), target=interpretation)] == ["FB-TERM-020"]
    assert [code for code, _ in lint(tmp_path, row("F", "H"), target=interpretation)] == []


def test_what_was_meant_is_reported(tmp_path: Path) -> None:
    lint(tmp_path, row("F", "fnial"))
    (issue,) = lint_folders([tmp_path])
    assert 'did you mean "final" (Final)?' in issue.message
