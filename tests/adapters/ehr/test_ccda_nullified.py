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
