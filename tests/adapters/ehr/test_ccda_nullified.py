"""Statements that were entered in error (`statusCode` nullified) are no finding, whatever else they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.ehr.test_ccda_values import converted

SUMMARY = Path("mappings/ehr/ccda/examples/summary/document.xml")
EXAMPLE = Path("mappings/ehr/ccda/examples/unstructured/document.xml")
CODE = '<code code="55607006" codeSystem="2.16.840.1.113883.6.96"/>'
PROBLEM = (
    '<observation classCode="OBS" moodCode="EVN"{negated}><templateId root="2.16.840.1.113883.10.20.22.4.4"/>'
    '<id root="2.25.1"/>' + CODE + '<statusCode code="{status}"/><value xsi:type="CD" code="22298006"'
    ' codeSystem="2.16.840.1.113883.6.96"/></observation>'
)
REACTION = (
    '<entryRelationship typeCode="MFST"><observation classCode="OBS" moodCode="EVN">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.9"/><id root="2.25.3"/><statusCode code="{reaction}"/>'
    '<value xsi:type="CD" code="247472004" codeSystem="2.16.840.1.113883.6.96" displayName="Hives"/></observation>'
    "</entryRelationship>"
)
ALLERGY = PROBLEM.replace("22.4.4", "22.4.7").replace("2.25.1", "2.25.2").replace("</obs", REACTION + "</obs")
CONCERN = (
    '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.{number}"/><id root="2.25.4"/>'
    '<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="{concern}"/>'
    '<entryRelationship typeCode="SUBJ">{inner}</entryRelationship></act>'
)
HEALTH = (
    '<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.132"/><id root="2.25.5"/>'
    '<code code="75310-3" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="nullified"/></act>'
)
OTHERS = (
    '<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="true">'
    '<templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="2.25.6"/><statusCode code="nullified"/>'
    "<consumable><manufacturedProduct><manufacturedMaterial>{drug}</manufacturedMaterial></manufacturedProduct>"
    "</consumable></substanceAdministration>",
    '<procedure classCode="PROC" moodCode="EVN" negationInd="true"><id root="2.25.7"/>'
    '<code code="73761001" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="nullified"/></procedure>',
    '<observationMedia classCode="OBS" moodCode="EVN"><id root="2.25.9"/><statusCode code="nullified"/>'
    '<value mediaType="image/png" representation="B64">aGk=</value></observationMedia>',
)


def document(repository: Path, *statements: str) -> bytes:
    head = (repository / EXAMPLE).read_text().partition("<component>")[0]
    entries = "".join(f"<entry>{statement}</entry>" for statement in statements)
    return (
        f"{head}<component><structuredBody><component><section><title>All</title><text>x</text>{entries}"
        "</section></component></structuredBody></component></ClinicalDocument>"
    ).encode()


def by_type(resources: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["resourceType"]: one for one in resources}


@pytest.mark.parametrize("negated", ["", ' negationInd="true"'])
@pytest.mark.parametrize(("status", "concern"), [("nullified", "active"), ("completed", "nullified")])
def test_a_nullified_problem_or_allergy_was_entered_in_error(
    repository: Path, tmp_path: Path, status: str, concern: str, negated: str
) -> None:
    entries = [
        CONCERN.format(number=number, concern=concern, inner=inner.format(**values))
        for number, inner in ((3, PROBLEM), (30, ALLERGY))
        for values in [{"status": status, "negated": negated, "reaction": "completed"}]
    ]
    resources, _ = converted(tmp_path, document(repository, *entries))
    for kind in ("Condition", "AllergyIntolerance"):
        stated = by_type(resources)[kind]
        assert stated["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
        assert "clinicalStatus" not in stated


def test_what_is_completed_stays_what_it_was(repository: Path, tmp_path: Path) -> None:
    values = {"status": "completed", "negated": "", "reaction": "nullified"}
    resources, issues = converted(
        tmp_path, document(repository, PROBLEM.format(**values), ALLERGY.format(**values))
    )
    of = by_type(resources)
    assert of["Condition"]["clinicalStatus"]["coding"][0]["code"] == "active"
    assert "verificationStatus" not in of["Condition"]
    assert of["AllergyIntolerance"]["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert "reaction" not in of["AllergyIntolerance"]
    notes = [note["text"] for note in of["AllergyIntolerance"]["note"]]
    assert any(note.startswith("Entered in error: ") and "Hives" in note for note in notes)
    assert not [issue for issue in issues if issue["code"] == "FB-CDA-005"]


def test_every_other_statement_too(repository: Path, tmp_path: Path) -> None:
    drug = '<code code="197361" codeSystem="2.16.840.1.113883.6.88"/>'
    given = [one.replace("{drug}", drug) for one in OTHERS]
    resources, _ = converted(tmp_path, document(repository, *given, HEALTH))
    of = by_type(resources)
    for kind in ("MedicationStatement", "Procedure", "Media"):
        assert of[kind]["status"] == "entered-in-error", kind
    assert of["Condition"]["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert "clinicalStatus" not in of["Condition"]


RESULTS = (
    '<organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/>'
    '<id root="2.25.20"/><code code="58410-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="{status}"/>'
    '<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/>'
    '<id root="2.25.21"/><code code="718-7" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
    '<value xsi:type="PQ" value="13.2" unit="g/dL"/></observation></component></organizer>'
)
DRUG = (
    '<substanceAdministration classCode="SBADM" moodCode="EVN"{more}>'
    '<templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="2.25.{number}"/><statusCode code="{status}"/>'
    "<consumable><manufacturedProduct><manufacturedMaterial>"
    '<code code="1049221" codeSystem="2.16.840.1.113883.6.88" displayName="Prednisone"/>'
    "</manufacturedMaterial></manufacturedProduct></consumable>{inner}</substanceAdministration>"
)
STEP = '<entryRelationship typeCode="COMP">{}</entryRelationship>'
DISCHARGE = (
    '<act classCode="ACT" moodCode="EVN" negationInd="true"><templateId root="2.16.840.1.113883.10.20.22.4.35"/>'
    '<id root="2.25.30"/><code code="10183-2" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>'
    '<entryRelationship typeCode="SUBJ">{}</entryRelationship></act>'
)


@pytest.mark.parametrize(("status", "expected"), [("nullified", "entered-in-error"), ("completed", "final")])
def test_results_are_in_error_with_their_panel(
    repository: Path, tmp_path: Path, status: str, expected: str
) -> None:
    written, _ = converted(tmp_path, document(repository, RESULTS.format(status=status)))
    results = [one for one in written if one["resourceType"] == "Observation" and "718-7" in str(one["code"])]
    assert [one["status"] for one in results] == [expected]


def test_steps_of_a_drug_are_in_error_with_it_and_a_denied_discharge_drug_is_not_taken(
    repository: Path, tmp_path: Path
) -> None:
    step = DRUG.format(more="", number=23, status="active", inner="")
    parts = DRUG.format(more="", number=22, status="nullified", inner=STEP.format(step))
    denied = DISCHARGE.format(DRUG.format(more="", number=24, status="active", inner=""))
    written, _ = converted(tmp_path, document(repository, parts, denied))
    assert sorted(one["status"] for one in written if one["resourceType"] == "MedicationStatement") == [
        "entered-in-error",
        "entered-in-error",
        "not-taken",
    ]
