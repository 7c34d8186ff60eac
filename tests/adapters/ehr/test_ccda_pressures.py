"""Two halves of a blood pressure in one organizer are one measurement; halves that are not of one time stay apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.adapters.ehr.test_ccda_values import converted, document

SYSTOLIC, DIASTOLIC = "8480-6", "8462-4"


def half(code: str, value: str, time: str = "20260312090000-0500", more: str = "", negated: str = "") -> str:
    return (
        f'<component><observation classCode="OBS" moodCode="EVN"{negated}>'
        f'<templateId root="2.16.840.1.113883.10.20.22.4.27"/><id root="2.25.7.{code[:4]}.{time[:12]}"/>'
        f'<code code="{code}" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
        f'<effectiveTime value="{time}"/><value xsi:type="PQ" value="{value}" unit="mm[Hg]"/>{more}'
        "</observation></component>"
    )


def organizer(*halves: str) -> str:
    return (
        '<entry><organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.26"/>'
        '<id root="2.25.70"/><code code="46680005" codeSystem="2.16.840.1.113883.6.96"/>'
        f'<statusCode code="completed"/><effectiveTime value="20260312090000-0500"/>{"".join(halves)}'
        "</organizer></entry>"
    )


def panels(
    tmp_path: Path, repository: Path, *halves: str
) -> tuple[list[list[float | None]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Values of each panel's components, the panels, and what was reported."""
    content = document(repository, organizer(*halves))
    resources, issues = converted(tmp_path, content.replace(b'code="30954-2"', b'code="8716-3"'))
    found = [
        one
        for one in resources
        if one["resourceType"] == "Observation" and one["code"]["coding"][0]["code"] in ("85354-9", DIASTOLIC)
    ]
    (group,) = [
        one
        for one in resources
        if one["resourceType"] == "Observation" and one["code"]["coding"][0]["code"] == "46680005"
    ]
    members = {member["reference"] for member in group["hasMember"]}
    assert members == {f"Observation/{one['id']}" for one in found}
    values = [
        [part.get("valueQuantity", {}).get("value") for part in one.get("component", ())] for one in found
    ]
    return sorted(values, key=str), found, [one for one in issues if one["code"] == "FB-CDA-005"]


def test_halves_of_one_time_are_one_panel_in_either_order(tmp_path: Path, repository: Path) -> None:
    arm = '<targetSiteCode code="368209003" codeSystem="2.16.840.1.113883.6.96" displayName="Right arm"/>'
    both = (half(SYSTOLIC, "150"), half(DIASTOLIC, "95", more=arm))
    for halves in (both, both[::-1]):
        values, (panel,), issues = panels(tmp_path, repository, *halves)
        assert values == [[150, 95]]
        assert len(panel["identifier"]) == 2
        assert panel["bodySite"]["text"] == "Right arm"
        assert not any("dataAbsentReason" in part for part in panel["component"])
        assert not issues


def test_halves_of_other_times_several_and_denied_ones_stay_apart(tmp_path: Path, repository: Path) -> None:
    values, _, _ = panels(
        tmp_path, repository, half(SYSTOLIC, "150"), half(DIASTOLIC, "95", "20260312100000-0500")
    )
    assert values == [[150, None], [None, 95]]
    values, _, _ = panels(
        tmp_path,
        repository,
        half(SYSTOLIC, "150"),
        half(DIASTOLIC, "95"),
        half(SYSTOLIC, "140", "20260312100000-0500"),
        half(DIASTOLIC, "85", "20260312100000-0500"),
    )
    assert values == [[140, 85], [150, 95]]
    values, _, _ = panels(
        tmp_path, repository, half(SYSTOLIC, "150"), half(DIASTOLIC, "95", negated=' negationInd="true"')
    )
    assert [150, None] in values
    assert [150, 95] not in values


def test_half_that_is_no_number_says_so_beside_the_other(tmp_path: Path, repository: Path) -> None:
    values, (panel,), _ = panels(tmp_path, repository, half(SYSTOLIC, "150"), half(DIASTOLIC, "9x"))
    assert values == [[150, None]]
    assert {"text": "Diastolic: 9x mm[Hg]"} in panel["note"]


def test_what_else_the_diastolic_half_says_arrives_or_is_reported(tmp_path: Path, repository: Path) -> None:
    more = '<interpretationCode code="H" codeSystem="2.16.840.1.113883.5.83"/><priorityCode code="UR"/>'
    _, (panel,), issues = panels(
        tmp_path, repository, half(SYSTOLIC, "150"), half(DIASTOLIC, "95", more=more)
    )
    assert panel["component"][1]["interpretation"][0]["coding"][0]["code"] == "H"
    assert [issue["message"] for issue in issues if "DiastolicPressure/priorityCode" in issue["message"]]
