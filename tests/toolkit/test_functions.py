"""The functions of the top level: one call each, on dicts, text, files and objects, imported when one is used."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class

import fhir_bridge
from fhir_bridge import toolkit
from fhir_bridge.fhir.fhirpath import FHIRPathError
from fhir_bridge.fhir.serialization import JsonError
from fhir_bridge.fhir.views import ViewError

PATIENT: dict[str, Any] = {"resourceType": "Patient", "id": "p", "gender": "male", "birthDate": "1970-01-01"}
TEXT = json.dumps(PATIENT)
XML = (
    '<Patient xmlns="http://hl7.org/fhir"><id value="p"/><gender value="male"/>'
    '<birthDate value="1970-01-01"/></Patient>'
)
MODEL = get_fhir_model_class("Patient").model_validate(PATIENT)
OBSERVATION = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "x"},
    "valueQuantity": {"value": 1},
}


@pytest.fixture(params=["dict", "str", "bytes", "xml", "json file", "xml file", "object"])
def patient(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    json_file, xml_file = tmp_path / "p.json", tmp_path / "p.xml"
    json_file.write_text(TEXT)
    xml_file.write_text(XML)
    return {
        "dict": PATIENT,
        "str": TEXT,
        "bytes": TEXT.encode(),
        "xml": XML,
        "json file": json_file,
        "xml file": xml_file,
        "object": MODEL,
    }[request.param]


def test_each_function_takes_a_resource_in_any_form(patient: Any) -> None:
    assert fhir_bridge.validate(patient) == []
    assert fhir_bridge.fhirpath(patient, "birthDate") == ["1970-01-01"]
    assert fhir_bridge.diff(patient, PATIENT) == []
    assert fhir_bridge.to_xml(patient).endswith(XML)
    definition = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    assert list(fhir_bridge.view(definition, [patient, OBSERVATION])) == [{"id": "p"}]


def test_validate_reports_where_and_what() -> None:
    (issue,) = fhir_bridge.validate(PATIENT | {"gender": "m"})
    assert (issue.severity, issue.expression) == ("error", "Patient.gender")
    profile = "http://hl7.org/fhir/StructureDefinition/vitalsigns"
    assert fhir_bridge.validate(OBSERVATION) == []
    item, several = (fhir_bridge.validate(OBSERVATION, value) for value in (profile, [profile]))
    assert item == several != []


@pytest.mark.parametrize("text", ["", "nonsense", "{", "[]", "<Patient", "<a/>", b"\xff", "null"])
def test_text_that_is_no_resource_is_an_issue_and_for_the_others_an_error(text: Any) -> None:
    issues = fhir_bridge.validate(text)
    assert any(issue.severity in ("fatal", "error") for issue in issues)
    with pytest.raises(ValueError, match=r"."):
        fhir_bridge.to_xml(text)


@pytest.mark.parametrize("value", [None, 5, [PATIENT]])
def test_what_is_no_resource_at_all_is_an_error_with_its_type(value: Any) -> None:
    with pytest.raises(JsonError, match=type(value).__name__):
        fhir_bridge.diff(value, PATIENT)
    assert fhir_bridge.validate(value)[0].severity == "fatal"


def test_validate_uses_packages_and_the_terminology_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "terms").mkdir()
    system = {"resourceType": "CodeSystem", "url": "https://hospital.example/cs", "status": "active"}
    (tmp_path / "terms" / "cs.json").write_text(
        json.dumps(system | {"content": "complete", "concept": [{"code": "a"}]})
    )
    (tmp_path / "site.yaml").write_text("demo_key: true\nterminology: [terms]\n")
    coded = OBSERVATION | {"code": {"coding": [{"system": "https://hospital.example/cs", "code": "b"}]}}
    assert fhir_bridge.validate(coded) == []
    (issue,) = fhir_bridge.validate(coded, site=tmp_path / "site.yaml")
    assert issue.code == "FB-FHIR-022"
    (tmp_path / "package.json").write_text("{}")
    with pytest.raises(ValueError, match=r"package\.json"):
        fhir_bridge.validate(PATIENT, packages=[tmp_path / "package.json"])


def test_fhirpath_keeps_digits_takes_variables_and_names_mistakes() -> None:
    text = json.dumps(OBSERVATION).replace('"value": 1', '"value": 1.50')
    assert fhir_bridge.fhirpath(text, "value.value") == [Decimal("1.50")]
    assert str(fhir_bridge.fhirpath(text, "value.value")[0]) == "1.50"
    assert fhir_bridge.fhirpath(PATIENT, "gender = %wanted", wanted="male") == [True]
    assert fhir_bridge.fhirpath(
        PATIENT, "gender.memberOf('http://hl7.org/fhir/ValueSet/administrative-gender')"
    )
    with pytest.raises(FHIRPathError, match="surname"):
        fhir_bridge.fhirpath(PATIENT, "surname")


def test_a_view_is_checked_before_its_first_row_and_rows_come_one_at_a_time() -> None:
    with pytest.raises(ViewError):
        fhir_bridge.view({"resource": "Patient"}, [])

    def patients() -> Any:
        yield PATIENT
        raise AssertionError("the second patient is not needed yet")

    definition = {"resource": "Patient", "select": [{"column": [{"name": "id", "path": "id"}]}]}
    assert next(fhir_bridge.view(json.dumps(definition), patients())) == {"id": "p"}


def test_diff_has_the_options_of_the_difference() -> None:
    assert fhir_bridge.diff(PATIENT, PATIENT | {"id": "q"}) == []
    (result,) = fhir_bridge.diff(PATIENT, PATIENT | {"id": "q"}, ignore_ids=False)
    assert result.path == "Patient.id"


def test_the_examples_of_the_docstrings_are_true() -> None:
    assert doctest.testmod(toolkit).failed == 0


def test_importing_the_package_imports_nothing_until_a_function_is_used(repository: Path) -> None:
    code = (
        "import sys, fhir_bridge; before = set(sys.modules); dir(fhir_bridge); "
        "print([m for m in before if m.startswith('fhir_bridge.') and m != 'fhir_bridge.deferred']); "
        "print(fhir_bridge.validate({'resourceType': 'Patient'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True
    )
    assert done.stdout.split() == ["[]", "[]"]
    with pytest.raises(AttributeError, match="no attribute"):
        _ = fhir_bridge.nothing


def test_what_the_page_shows_is_what_comes_out(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (repository / "docs" / "toolkit.md").read_text()
    block = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(block, names)
    assert capsys.readouterr().out.startswith("Patient.gender the code 'm' is not in the required value set")
    for line in block.splitlines():
        code, sign, shown = line.partition("  # ")
        if not sign or code.startswith(" "):
            continue
        value = eval(code, names)
        if shown.startswith("one Difference: "):
            assert [str(item) for item in value] == [shown.removeprefix("one Difference: ")]
        elif shown.endswith("…'"):
            assert value.startswith(shown[1:-2]) or shown[1:-2] in value
        else:
            assert repr(value) == shown
