"""XML files where resources are read from files, and the commands that show what is in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.cli.output import UsageError
from fhir_bridge.fhir import JsonError, iter_resources, loads_exact
from fhir_bridge.fhir.bundles import read_resource
from fhir_bridge.fhir.xml import dumps, loads
from tests.fhir.resources import patient, troponin

PATIENT = {"resourceType": "Patient", "id": "p", "name": [{"use": "official", "given": ["A", "B"]}]}
OBSERVATION = loads_exact(
    '{"resourceType":"Observation","id":"o","status":"final","valueQuantity":{"value":37.0}}'
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "p.json").write_text(json.dumps(PATIENT))
    (tmp_path / "sub/o.xml").write_bytes(dumps(OBSERVATION))
    (tmp_path / "labs.ndjson").write_text('{"resourceType":"Patient","id":"1"}\n{"resourceType":"Device"}\n')
    (tmp_path / "cda.xml").write_text('<ClinicalDocument xmlns="urn:hl7-org:v3"/>')
    return tmp_path


def run(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["fhir", *map(str, arguments)])
    if isinstance(result.exception, UsageError):
        return 2, result.stdout, str(result.exception)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_an_xml_bundle_gives_its_resources_with_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "b.xml"
    path.write_bytes(
        dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": OBSERVATION}]})
    )
    assert [(where, loads_exact(text)) for where, text in iter_resources(path)] == [
        ("b.xml#entry[0]", OBSERVATION)
    ]
    assert b"37.0" in next(iter_resources(path))[1]


@pytest.mark.parametrize("make", [patient, troponin])
def test_an_xml_resource_is_read_as_its_json(tmp_path: Path, make: object) -> None:
    resource = make()  # type: ignore[operator]
    path = tmp_path / "r.xml"
    path.write_bytes(b"\xef\xbb\xbf" + dumps(resource))
    assert read_resource(path) == resource
    assert [where for where, _ in iter_resources(path)] == ["r.xml"]


def test_xml_that_is_no_resource_is_refused_by_name_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(b'<Patient xmlns="http://hl7.org/fhir">\n<gendre/></Patient>')
    with pytest.raises(
        JsonError, match=r"^x\.xml: line 2, column 1, Patient: Patient has no element <gendre>"
    ) as caught:
        list(iter_resources(path))
    assert (caught.value.line, caught.value.column) == (2, 1)


def test_a_resource_is_shown_in_the_other_syntax(folder: Path) -> None:
    code, out, _ = run("convert", folder / "p.json", "--to", "xml")
    assert code == 0
    assert loads(out) == PATIENT
    code, out, _ = run("convert", folder / "sub/o.xml", "--to", "json")
    assert code == 0
    assert '"value": 37.0' in out
    assert loads_exact(out) == OBSERVATION


def test_a_folder_is_converted_into_a_folder(folder: Path) -> None:
    code, _, err = run("convert", folder, "--to", "xml", "--out", folder / "out")
    assert code == 0
    assert "3 resources converted" in err
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["labs-1.xml", "labs-2.xml", "p.xml"]
    code, out, _ = run("convert", folder / "out", "--to", "json")
    assert code == 0
    assert [json.loads(line)["resourceType"] for line in out.splitlines()] == ["Patient", "Device", "Patient"]
    assert run("convert", folder, "--to", "xml", "--out", folder / "out")[0] == 2
    assert run("convert", folder / "p.json", "--to", "xml", "--out", folder / "out", "--force")[0] == 0


def test_what_can_not_be_converted_is_named_and_the_rest_written(folder: Path) -> None:
    (folder / "q.json").write_text('{"resourceType":"Patient","gendre":"male"}')
    (folder / "r.json").write_text("{")
    code, _, err = run("convert", folder, "--to", "xml", "--out", folder / "out")
    assert code == 1
    assert "q.json: Patient: Patient has no element 'gendre'; did you mean gender?" in err
    assert "r.json: not JSON" in err
    assert (folder / "out/p.xml").exists()


def test_several_xml_documents_need_a_folder(folder: Path) -> None:
    code, _, err = run("convert", folder, "--to", "xml")
    assert code == 2
    assert "need --out FOLDER" in err
    assert run("convert", folder / "cda.xml", "--to", "json")[0] == 1


def test_a_json_patch_and_a_fhirpath_patch_are_distinguished(folder: Path) -> None:
    (folder / "patch.json").write_text('[{"op":"add","path":"/gender","value":"male"}]')
    code, out, _ = run("patch", folder / "p.json", folder / "patch.json")
    assert code == 0
    assert json.loads(out) == {**PATIENT, "gender": "male"}
    (folder / "new.json").write_text(out)
    assert (
        run("make-patch", folder / "p.json", folder / "new.json", "--out", folder / "parameters.xml")[0] == 0
    )
    code, _, _ = run("patch", folder / "p.json", folder / "parameters.xml", "--out", folder / "patched.xml")
    assert code == 0
    assert read_resource(folder / "patched.xml") == json.loads(out)


def test_a_patch_that_does_not_apply_is_explained(folder: Path) -> None:
    (folder / "patch.json").write_text('[{"op":"remove","path":"/gender"}]')
    code, _, err = run("patch", folder / "p.json", folder / "patch.json")
    assert (code, err) == (2, "patch.json: operation 1, /gender: /gender does not exist")
    (folder / "id.json").write_text('[{"op":"replace","path":"/id","value":"q"}]')
    assert run("patch", folder / "p.json", folder / "id.json")[0] == 2
    assert run("patch", folder / "p.json", folder / "id.json", "--allow-identity-change")[0] == 0


def test_fhirpath_results_are_shown_with_place_and_type(folder: Path) -> None:
    code, out, err = run("path", "Patient.name.given", folder)
    assert code == 0
    assert out.splitlines() == [
        "p.json: Patient.name[0].given[0]: string = A",
        "p.json: Patient.name[0].given[1]: string = B",
    ]
    assert "2 results in 4 resources" in err
    code, out, _ = run("path", "value", folder / "sub/o.xml", "--format", "json")
    assert json.loads(out) == {
        "source": "o.xml", "path": "Observation.value", "type": "Quantity", "value": {"value": 37.0}
    }  # fmt: skip
    assert '{"value":37.0}' in out


def test_an_expression_that_is_wrong_is_explained(folder: Path) -> None:
    code, _, err = run("path", "name.(", folder)
    assert code == 2
    assert "not FHIRPath" in err
    code, _, err = run("path", "nmae.given", folder / "p.json")
    assert code == 1
    assert "has no element 'nmae'" in err


def test_entries_of_a_bundle_are_looked_at_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "b.xml"
    path.write_bytes(
        dumps({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": PATIENT}]})
    )
    assert run("path", "Bundle.entry.count()", path)[1] == "b.xml: System.Integer = 1\n"
    assert "b.xml#entry[0]: Patient.id: id = p" in run("path", "Patient.id", path, "--entries")[1]
