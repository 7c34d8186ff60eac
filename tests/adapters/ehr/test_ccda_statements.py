"""What a statement of C-CDA is: wrappers, definitions, risks, denials and images are not what their element is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.adapters.ehr.test_ccda_nullified import document
from tests.adapters.ehr.test_ccda_values import converted

ACT = '<act classCode="ACT" moodCode="{mood}">{templates}<id root="2.25.1" extension="A1"/>{inner}</act>'
TEMPLATE = '<templateId root="2.16.840.1.113883.10.20.22.4.{number}"/>'
DRUG = (
    "<manufacturedProduct><manufacturedMaterial>"
    '<code code="312617" codeSystem="2.16.840.1.113883.6.88" displayName="Prednisone 5 MG Oral Tablet"/>'
    "</manufacturedMaterial></manufacturedProduct>"
)
WHEELCHAIR = (
    '<participant typeCode="PRD"><participantRole classCode="MANU"><id root="2.25.60"/><playingDevice>'
    '<code code="58938008" codeSystem="2.16.840.1.113883.6.96" displayName="Wheelchair"/></playingDevice>'
    "</participantRole></participant>"
)


def medication(number: str, inner: str = "", mood: str = "EVN", attributes: str = "") -> str:
    return (
        f'<substanceAdministration classCode="SBADM" moodCode="{mood}"{attributes}>'
        f'{TEMPLATE.format(number=16)}<id root="2.25.2" extension="{number}"/><statusCode code="active"/>'
        f"<consumable>{DRUG}</consumable>{inner}</substanceAdministration>"
    )


def supply(number: str, template: int, mood: str, inner: str = "", attributes: str = "") -> str:
    return (
        f'<supply classCode="SPLY" moodCode="{mood}"{attributes}>{TEMPLATE.format(number=template)}'
        f'<id root="2.25.3" extension="{number}"/><statusCode code="completed"/><quantity value="2"/>{inner}</supply>'
    )


def within(statement: str, link: str = "COMP", sequence: int | None = None) -> str:
    number = f'<sequenceNumber value="{sequence}"/>' if sequence else ""
    return f'<entryRelationship typeCode="{link}">{number}{statement}</entryRelationship>'


def of_type(resources: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [resource for resource in resources if resource["resourceType"] == kind]


def numbered(resources: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["identifier"][0]["value"]: one for one in of_type(resources, kind) if "identifier" in one}


def notes(resource: dict[str, Any]) -> list[str]:
    stated = [note["text"] for note in resource.get("note", ())]
    return stated + [
        e["valueAnnotation"]["text"] for e in resource.get("extension", ()) if "valueAnnotation" in e
    ]


def codes(issues: list[dict[str, Any]]) -> set[str]:
    return {issue["code"] for issue in issues} - {"FB-CDA-006", "FB-MAP-201"}


@pytest.mark.parametrize(
    ("number", "label"), [(35, "Discharge medication"), (36, "Medications on admission")]
)
def test_the_act_around_a_medication_at_discharge_or_admission_is_no_procedure(
    repository: Path, tmp_path: Path, number: int, label: str
) -> None:
    code = f'<code code="10183-2" codeSystem="2.16.840.1.113883.6.1" displayName="{label}"/>'
    inner = f'{code}<statusCode code="completed"/>{within(medication("M1"), "SUBJ")}'
    given = ACT.format(mood="EVN", templates=TEMPLATE.format(number=number), inner=inner)
    resources, issues = converted(tmp_path, document(repository, given))
    assert of_type(resources, "Procedure") == []
    (taken,) = of_type(resources, "MedicationStatement")
    assert any(note.startswith("As recorded: ") and label in note for note in notes(taken))
    (composition,) = of_type(resources, "Composition")
    assert composition["section"][0]["entry"] == [{"reference": f"MedicationStatement/{taken['id']}"}]
    assert codes(issues) == set()


def test_the_plan_of_a_policy_is_the_class_of_its_coverage(repository: Path, tmp_path: Path) -> None:
    plan = ACT.format(mood="DEF", templates="", inner="<text>Gold PPO</text>").replace("A1", "PLAN-7")
    policy = ACT.format(
        mood="EVN",
        templates=TEMPLATE.format(number=61),
        inner=within(plan, "REFR") + '<statusCode code="completed"/>',
    )
    around = ACT.format(mood="EVN", templates=TEMPLATE.format(number=60), inner=within(policy))
    resources, issues = converted(tmp_path, document(repository, around))
    assert of_type(resources, "ServiceRequest") == of_type(resources, "Procedure") == []
    (coverage,) = of_type(resources, "Coverage")
    (stated,) = coverage["class"]
    assert (stated["value"], stated["name"]) == ("PLAN-7", "Gold PPO")
    assert codes(issues) == set()


def test_a_definition_elsewhere_is_reported_and_is_nothing_of_the_patient(
    repository: Path, tmp_path: Path
) -> None:
    given = ACT.format(mood="DEF", templates="", inner="<text>Protocol 7</text>")
    resources, issues = converted(tmp_path, document(repository, given))
    assert of_type(resources, "ServiceRequest") == of_type(resources, "Procedure") == []
    assert codes(issues) == {"FB-CDA-005"}


PROBLEM = (
    '<observation classCode="OBS" moodCode="{mood}"><templateId root="2.16.840.1.113883.10.20.22.4.4"/>'
    '<id root="2.25.4" extension="P1"/><code code="55607006" codeSystem="2.16.840.1.113883.6.96"/>'
    '<statusCode code="completed"/><value xsi:type="CD" code="22298006" codeSystem="2.16.840.1.113883.6.96"'
    ' displayName="MI"/></observation>'
)


@pytest.mark.parametrize(
    ("mood", "kind"), [("RSK", "RiskAssessment"), ("EXPEC", "RiskAssessment"), ("INT", "ServiceRequest")]
)
def test_a_problem_that_is_no_event_is_no_condition(
    repository: Path, tmp_path: Path, mood: str, kind: str
) -> None:
    inner = '<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/>'
    inner += within(PROBLEM.format(mood=mood), "SUBJ")
    given = ACT.format(mood="EVN", templates=TEMPLATE.format(number=3), inner=inner)
    resources, _ = converted(tmp_path, document(repository, given))
    assert of_type(resources, "Condition") == of_type(resources, "Procedure") == []
    (stated,) = of_type(resources, kind)
    assert "MI" in str(stated)
    assert f"Mood: {mood}" in notes(stated)


def test_what_is_negated_was_not_supplied_used_or_dispensed(repository: Path, tmp_path: Path) -> None:
    negated = ' negationInd="true"'
    dispensed = supply("D1", 18, "EVN", attributes=negated)
    given = [
        supply("S1", 50, "EVN", WHEELCHAIR, negated),
        supply("S2", 50, "EVN", WHEELCHAIR.replace("2.25.60", "2.25.61")),
        medication("M1", within(dispensed, "REFR")),
        ACT.format(
            mood="EVN", templates=TEMPLATE.format(number=132), inner='<statusCode code="active"/>'
        ).replace('moodCode="EVN"', f'moodCode="EVN"{negated}'),
    ]
    resources, issues = converted(tmp_path, document(repository, *given))
    assert list(numbered(resources, "DeviceUseStatement")) == ["S2"]
    denied = numbered(resources, "SupplyDelivery")["S1"]
    assert denied["status"] == "abandoned"
    assert denied["suppliedItem"]["itemCodeableConcept"]["coding"][0]["code"] == "58938008"
    assert "Not supplied" in notes(denied)
    assert len([one for one in of_type(resources, "Device") if "patient" in one]) == 1
    assert of_type(resources, "MedicationDispense")[0]["status"] == "declined"
    (concern,) = of_type(resources, "Condition")
    assert concern["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert "clinicalStatus" not in concern
    assert codes(issues) == set()


def test_a_supply_within_a_medication_is_of_that_medication(repository: Path, tmp_path: Path) -> None:
    inner = within(supply("O1", 17, "INT"), "REFR") + within(supply("D1", 18, "EVN"), "REFR")
    resources, _ = converted(tmp_path, document(repository, medication("M1", inner)))
    for kind in ("MedicationRequest", "MedicationDispense"):
        (stated,) = of_type(resources, kind)
        assert stated["medicationCodeableConcept"]["coding"][0]["code"] == "312617", kind


def test_the_steps_of_a_taper_are_parts_of_it(repository: Path, tmp_path: Path) -> None:
    steps = "".join(within(medication(f"M1-{number}"), "COMP", number) for number in (1, 2, 3))
    ordered = medication("O1", within(medication("O1-1", mood="INT"), "COMP", 1), "INT")
    resources, issues = converted(tmp_path, document(repository, medication("M1", steps), ordered))
    taken = numbered(resources, "MedicationStatement")
    whole = [{"reference": f"MedicationStatement/{taken['M1']['id']}"}]
    assert [taken[f"M1-{number}"]["partOf"] for number in (1, 2, 3)] == [whole] * 3
    assert "partOf" not in taken["M1"]
    asked = numbered(resources, "MedicationRequest")
    assert asked["O1-1"]["basedOn"] == [{"reference": f"MedicationRequest/{asked['O1']['id']}"}]
    assert codes(issues) == set()


def test_the_reaction_to_a_vaccine_is_linked_to_it(repository: Path, tmp_path: Path) -> None:
    reaction = PROBLEM.format(mood="EVN").replace("22.4.4", "22.4.9").replace("P1", "R1")
    reaction = reaction.replace("<value", '<effectiveTime><low value="20251011"/></effectiveTime><value')
    given = medication("I1", within(reaction, "MFST")).replace("22.4.16", "22.4.52")
    resources, issues = converted(tmp_path, document(repository, given))
    (vaccination,) = of_type(resources, "Immunization")
    observed = numbered(resources, "Observation")["R1"]
    reference = {"reference": f"Observation/{observed['id']}"}
    assert vaccination["reaction"] == [{"date": "2025-10-11", "detail": reference}]
    assert codes(issues) == set()


@pytest.mark.parametrize("number", ["P-77", "OTHER"])
def test_what_a_patient_sets_is_by_the_patient(repository: Path, tmp_path: Path, number: str) -> None:
    author = (
        '<author><time value="20260301"/><assignedAuthor><id root="2.25.77" extension="{number}"/>'
        '<code code="ONESELF" codeSystem="2.16.840.1.113883.5.111" displayName="Self"/></assignedAuthor></author>'
    )
    goal = PROBLEM.format(mood="GOL").replace("22.4.4", "22.4.121")
    goal = goal.replace("</observation>", author.replace("{number}", number) + "</observation>")
    given = document(repository, goal).replace(
        b"<patientRole>", b'<patientRole><id root="2.25.77" extension="P-77"/>', 1
    )
    resources, issues = converted(tmp_path, given)
    (patient,) = of_type(resources, "Patient")
    (stated,) = of_type(resources, "Goal")
    people = [
        one
        for one in of_type(resources, "Practitioner")
        if any(i["value"] == number for i in one["identifier"])
    ]
    if number == "P-77":
        assert stated["expressedBy"] == {"reference": f"Patient/{patient['id']}"}
        assert people == []
        assert codes(issues) == set()
    else:
        assert stated["expressedBy"] == {"reference": f"Practitioner/{people[0]['id']}"}


STUDY = """<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.6.2.6"/><id root="1.2.3"/>
<code code="113014" codeSystem="1.2.840.10008.2.16.4" displayName="Study"/><effectiveTime value="20260208133000-0500"/>
<entryRelationship typeCode="COMP"><act classCode="ACT" moodCode="EVN">
<templateId root="2.16.840.1.113883.10.20.22.4.63"/><id root="1.2.3.4"/>
<code code="113015" codeSystem="1.2.840.10008.2.16.4" displayName="Series"><qualifier>
<name code="121139" codeSystem="1.2.840.10008.2.16.4" displayName="Modality"/>
<value code="CR" codeSystem="1.2.840.10008.2.16.4" displayName="Computed Radiography"/></qualifier></code>
<entryRelationship typeCode="COMP">{image}</entryRelationship></act></entryRelationship></act>"""
IMAGE = """<observation classCode="DGIMG" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.6.2.8"/>
<id root="1.2.3.4.5"/><code code="1.2.840.10008.5.1.4.1.1.1" codeSystem="1.2.840.10008.2.6.1"
displayName="Computed Radiography Image Storage"/><text mediaType="application/dicom">
<reference value="https://example.org/wado?x=1"/></text></observation>"""


def test_the_catalog_of_images_is_a_study_with_its_series_and_images(
    repository: Path, tmp_path: Path
) -> None:
    resources, issues = converted(tmp_path, document(repository, STUDY.replace("{image}", IMAGE)))
    assert of_type(resources, "Procedure") == of_type(resources, "Media") == []
    (study,) = of_type(resources, "ImagingStudy")
    assert study["identifier"] == [{"system": "urn:dicom:uid", "value": "urn:oid:1.2.3"}]
    (series,) = study["series"]
    assert (series["uid"], series["modality"]["code"], series["instance"][0]["uid"]) == (
        "1.2.3.4",
        "CR",
        "1.2.3.4.5",
    )
    assert any("1.2.3.4.5" in note and "https://example.org/wado?x=1" in note for note in notes(study))
    (composition,) = of_type(resources, "Composition")
    assert composition["section"][0]["entry"] == [{"reference": f"ImagingStudy/{study['id']}"}]
    assert codes(issues) == set()


def test_an_image_by_itself_says_where_it_is(repository: Path, tmp_path: Path) -> None:
    resources, issues = converted(tmp_path, document(repository, IMAGE))
    (image,) = of_type(resources, "Media")
    assert image["content"] == {"contentType": "application/dicom", "url": "https://example.org/wado?x=1"}
    assert codes(issues) == set()


def test_a_denied_problem_with_an_end_is_kept_and_refuted(repository: Path, tmp_path: Path) -> None:
    problem = (
        '<observation classCode="OBS" moodCode="EVN"{attributes}>{template}<id root="2.25.9" extension="{number}"/>'
        '<code code="55607006" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="{status}"/>'
        '<effectiveTime><low value="2015"/><high value="2019"/></effectiveTime><value xsi:type="CD" code="22298006" '
        'codeSystem="2.16.840.1.113883.6.96" displayName="Myocardial infarction"/></observation>'
    )
    given = [
        ACT.format(
            mood="EVN",
            templates=TEMPLATE.format(number=3),
            inner=f'<statusCode code="completed"/>{within(statement, "SUBJ")}',
        ).replace('extension="A1"', f'extension="A{number}"')
        for number, statement in enumerate(
            problem.format(
                template=TEMPLATE.format(number=4), number=name, attributes=attributes, status=status
            )
            for name, attributes, status in (
                ("denied", ' negationInd="true"', "completed"),
                ("mistaken", "", "nullified"),
            )
        )
    ]
    resources, issues = converted(tmp_path, document(repository, *given))
    stated = numbered(resources, "Condition")
    denied, mistaken = stated["denied"], stated["mistaken"]
    assert denied["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert (denied["clinicalStatus"]["coding"][0]["code"], denied["abatementDateTime"]) == (
        "resolved",
        "2019",
    )
    assert mistaken["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert not {"clinicalStatus", "abatementDateTime"} & mistaken.keys()
    assert "Ended: 2019" in notes(mistaken)
    assert codes(issues) == set()


def test_repetitions_of_a_supply_count_the_first_and_those_of_an_administration_are_no_refills(
    repository: Path, tmp_path: Path
) -> None:
    repeated = '<repeatNumber value="3"/>'
    inner = within(supply("O1", 17, "INT", repeated), "REFR")
    given = (
        medication("M1", inner),
        medication("M2", mood="INT").replace("<consumable>", f"{repeated}<consumable>"),
    )
    resources, _ = converted(tmp_path, document(repository, *given))
    requested = numbered(resources, "MedicationRequest")
    assert requested["O1"]["dispenseRequest"]["numberOfRepeatsAllowed"] == 2
    assert "numberOfRepeatsAllowed" not in requested["M2"].get("dispenseRequest", {})
    assert "Repetitions: 3" in notes(requested["M2"])
