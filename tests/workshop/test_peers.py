"""Our FHIR beside other engines': what is compared, and the page that says who is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.peers import report, verdicts
from scripts.peers.__main__ import comparisons
from scripts.peers.aligning import align
from scripts.peers.comparing import Finding, compare


def findings(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Finding]:
    return {finding.element: finding for finding in compare("x", align(ours, theirs))}


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": "1", **elements}


def test_resources_are_paired_by_what_they_say_and_ids_do_not_count() -> None:
    one = {"resourceType": "Condition", "id": "a", "code": {"text": "Asthma"}}
    other = {"resourceType": "Condition", "id": "b", "code": {"text": "Gout"}}
    aligned = align([one, other], [{**other, "id": "z"}, {**one, "id": "y"}])
    assert not aligned.ours
    assert not aligned.theirs
    assert {finding.outcome for finding in compare("x", aligned)} == {"equal"}


def test_a_value_is_equal_ours_theirs_or_another() -> None:
    result = findings(
        [patient(gender="male", birthDate="1960-01-02", active=True)],
        [patient(gender="female", birthDate="1960-01-02", language="it")],
    )
    assert {element: finding.outcome for element, finding in result.items()} == {
        "Patient.gender": "different",
        "Patient.birthDate": "equal",
        "Patient.active": "we",
        "Patient.language": "they",
    }


def test_one_instant_in_two_zones_and_one_code_with_two_displays_are_equal() -> None:
    coding = {"system": "http://loinc.org", "code": "1-1"}
    ours = {
        "resourceType": "Observation",
        "effectiveDateTime": "2026-01-02T10:00:00+01:00",
        "code": {"coding": [coding]},
    }
    theirs = {
        **ours,
        "effectiveDateTime": "2026-01-02T09:00:00Z",
        "code": {"coding": [{**coding, "display": "K"}]},
    }
    result = findings([ours], [theirs])
    assert result["Observation.effectiveDateTime"].outcome == "equal"
    assert result["Observation.code.coding"].outcome == "equal"
    assert result["Observation.code.coding.display"].outcome == "they"


def test_a_reference_is_whom_it_means_however_it_is_written() -> None:
    number = {"system": "urn:oid:2.999", "value": "4711"}
    ours = {
        "resourceType": "Observation",
        "status": "final",
        "performer": [{"identifier": number, "display": "Dr. Jo Doe"}],
    }
    doctor = {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Doe", "given": ["Jo"]}]}
    theirs = {
        "resourceType": "Observation",
        "status": "final",
        "performer": [{"reference": "Practitioner/d"}],
    }
    assert findings([ours], [theirs, doctor])["Observation.performer"].outcome == "equal"


def test_what_is_said_in_another_place_is_elsewhere_and_what_is_nowhere_is_not() -> None:
    result = findings(
        [patient(), {"resourceType": "Observation", "valueString": "Lives in Bozen with 3 cats"}],
        [patient(address=[{"city": "Bozen", "country": "Italy"}])],
    )
    assert result["Patient.address.city"].elsewhere
    assert not result["Patient.address.country"].elsewhere


def test_a_row_without_reason_or_of_an_unknown_outcome_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "verdicts.toml"
    for text in (
        '[x]\nelement = "a"\nright = "ours"\n',
        '[x]\nelement = "a"\noutcome = ["more"]\nright = "ours"\nwhy = "So."\n',
    ):
        table.write_text(text)
        with pytest.raises(ValueError, match=r"\[x\]"):
            verdicts.load(table)


@pytest.mark.shared
def test_every_difference_has_a_reason_and_the_page_is_true(shared: Path, repository: Path) -> None:
    found, rows = comparisons(shared / "data"), verdicts.load()
    assert report.unexplained(found, rows) == []
    page = report.page(found, rows)
    assert page == (repository / "docs/peers.md").read_text("utf-8"), (
        "python -m scripts.peers --write docs/peers.md"
    )
    unused = [row.name for row in rows if f"| {row.name} | 0 |" in page]
    assert unused == []
