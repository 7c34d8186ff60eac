"""`terminology lookup`, `expand`, `validate`, `translate` and `lint` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.terminology import app
from tests.terminology.makers_small import make_omop, make_sssom, make_usagi

GENDER = "http://hl7.org/fhir/administrative-gender"
STATUS = "http://hl7.org/fhir/ValueSet/observation-status"


def run(*arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(app, list(arguments))
    assert answer.exit_code == code, answer.output
    return answer.output


def test_a_code_is_reported_with_all_that_is_known() -> None:
    assert run("lookup", GENDER, "female").strip() == "Female"
    details = run("lookup", "http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB", "--all")
    assert "ambulatory" in details
    assert "_ActEncounterCode" in details


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("lookup", GENDER, "femal"), '"female"'),
        (
            ("lookup", "http://hl7.org/fhir/observation-statuss", "final"),
            "http://hl7.org/fhir/observation-status?",
        ),
        (("lookup", "http://unitsofmeasure.org", "mmmol/Lx"), "unit"),
        (("lookup", GENDER + "|9", "female"), "4.0.1"),
        (("lookup", "http://loinc.org", "2093-4"), "2093-3"),
        (("expand", STATUS + "es"), f"{STATUS}?"),
        (("validate", STATUS, "finall", "--system", "http://hl7.org/fhir/observation-status"), '"final"'),
    ],
)
def test_what_is_not_known_is_reported_with_what_may_have_been_meant(
    arguments: tuple[str, ...], hint: str
) -> None:
    assert hint in run(*arguments, code=1).replace("\n", "")


def test_a_value_set_is_listed_in_pages() -> None:
    details = run("expand", STATUS, "--count", "2", "--offset", "2")
    assert "final" in details
    assert "registered" not in details
    assert "2 codes of 8, from 3" in details
    assert "corrected" in run("expand", STATUS, "--filter", "corr")
    assert "0 codes of 8" in run("expand", STATUS, "--count", "0")
    whole = json.loads(run("expand", STATUS, "--json"))
    assert whole["expansion"]["total"] == 8


def test_a_map_that_is_not_loaded_is_reported_with_the_nearest() -> None:
    answer = CliRunner().invoke(app, ["translate", "C", "--map", "v2-00855"])
    assert 'did you mean "v2-0085"' in str(answer.exception)


def test_maps_in_their_own_forms_are_checked(tmp_path: Path) -> None:
    make_usagi(tmp_path / "usagi.csv")
    make_sssom(tmp_path / "made.sssom.tsv")
    make_omop(tmp_path / "omop.zip")
    assert "0 errors" in run("lint", str(tmp_path))
    wrong = (tmp_path / "made.sssom.tsv").read_text().replace("38082009", "38082008")
    (tmp_path / "made.sssom.tsv").write_text(wrong)
    assert "38082008" in run("lint", str(tmp_path), code=1)
    assert "Hemoglobin" in run("lint", str(tmp_path / "omop.zip"))
    (tmp_path / "broken.tsv").write_text("subject_id\tpredicate_id\tobject_id\nx\ty\tz\n")
    assert "curie_map" in run("lint", str(tmp_path / "broken.tsv"), code=1)


def test_imported_maps_are_checked(tmp_path: Path) -> None:
    store = str(tmp_path / "store")
    make_sssom(tmp_path / "made.sssom.tsv")
    wrong = (tmp_path / "made.sssom.tsv").read_text().replace("91175000", "91175001")
    (tmp_path / "made.sssom.tsv").write_text(wrong)
    run("import", str(tmp_path / "made.sssom.tsv"), "--store", store)
    assert '"91175001"' in run("lint", "--imported", "--store", store, code=1)
