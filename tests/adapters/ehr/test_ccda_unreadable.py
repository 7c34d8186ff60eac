"""Values that their type does not allow: their text stays with the statement, and the issue says in which entry."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.adapters.ehr.test_ccda_nullified import document
from tests.adapters.ehr.test_ccda_statements import codes, medication, notes, numbered, of_type, supply
from tests.adapters.ehr.test_ccda_values import converted

PROCEDURE = (
    '<procedure classCode="PROC" moodCode="EVN"><id root="2.25.2" extension="{number}"/>'
    '<code code="73761001" codeSystem="2.16.840.1.113883.6.96"/><statusCode code="completed"/>{time}</procedure>'
)


@pytest.mark.parametrize(
    ("element", "note"),
    [
        ('<doseQuantity value="1,5" unit="mg"/>', "doseQuantity: 1,5 mg"),
        ('<rateQuantity value="two" unit="mL/h"/>', "rateQuantity: two mL/h"),
        (
            '<doseQuantity><low value="1,5" unit="mg"/><high value="3" unit="mg"/></doseQuantity>',
            "doseQuantity/low: 1,5 mg",
        ),
        (
            '<doseQuantity><low value="9" unit="mg"/><high value="3" unit="mg"/></doseQuantity>',
            "doseQuantity: low 9 mg, high 3 mg",
        ),
        ('<effectiveTime value="20261345"/>', "effectiveTime: 20261345"),
        ('<effectiveTime><low value="2026-02-30"/></effectiveTime>', "effectiveTime/low: 2026-02-30"),
        ('<author><time value="soon"/></author>', "author/time: soon"),
    ],
)
def test_what_can_not_be_read_of_a_medication_is_a_note_of_it(
    repository: Path, tmp_path: Path, element: str, note: str
) -> None:
    given = [medication("M0"), medication("M1", element), medication("M2", mood="INT", inner=element)]
    resources, issues = converted(tmp_path, document(repository, *given))
    taken = numbered(resources, "MedicationStatement")
    assert f"Not readable: {note}" in notes(taken["M1"])
    assert not any(text.startswith("Not readable") for text in notes(taken["M0"]))
    assert f"Not readable: {note}" in notes(numbered(resources, "MedicationRequest")["M2"])
    places = {issue["source"].partition(" ")[2] for issue in issues if issue["severity"] == "error"}
    assert places == {"(section 1, entry 2)", "(section 1, entry 3)"}
    name = element[1:].partition(" ")[0].partition(">")[0]
    assert all(name in issue["message"] for issue in issues if issue["severity"] == "error")


def test_times_of_procedures_and_quantities_of_supplies_are_kept(repository: Path, tmp_path: Path) -> None:
    given = [
        PROCEDURE.format(number="P1", time='<effectiveTime value="20261345"/>'),
        PROCEDURE.format(number="P2", time='<effectiveTime value="20260301"/>'),
        PROCEDURE.format(number="P3", time='<effectiveTime value="202603011530-0500"/>'),
        supply("S1", 50, "EVN").replace('value="2"', 'value="2 boxes"'),
    ]
    resources, issues = converted(tmp_path, document(repository, *given))
    done = numbered(resources, "Procedure")
    assert notes(done["P1"]) == ["Not readable: effectiveTime: 20261345"]
    assert notes(done["P2"]) == notes(done["P3"]) == []
    assert "Not readable: quantity: 2 boxes" in notes(numbered(resources, "SupplyDelivery")["S1"])
    (issue,) = (issue for issue in issues if issue["code"] == "FB-MAP-208")
    assert issue["source"].endswith(" (section 1, entry 1)"), "several entries begin in its line"


def test_entries_with_lines_of_their_own_are_placed_by_the_line(repository: Path, tmp_path: Path) -> None:
    entries = [PROCEDURE.format(number=number, time="{time}") for number in (1, 2)]
    content = document(repository, *entries).replace(b"<entry>", b"\n<entry>")
    content = content.replace(b"{time}", b"", 1).replace(b"{time}", b'<effectiveTime value="x"/>')
    _, issues = converted(tmp_path, content)
    lines = [number for number, line in enumerate(content.splitlines(), 1) if line.startswith(b"<entry>")]
    (issue,) = (issue for issue in issues if issue["code"] == "FB-MAP-208")
    assert issue["source"] == f"document.xml:{lines[1]}"


def test_a_range_whose_low_is_above_its_high_stays_as_text(repository: Path, tmp_path: Path) -> None:
    value = '<value xsi:type="IVL_PQ"><low value="9" unit="mg/L"/><high value="3" unit="mg/L"/></value>'
    given = (
        '<observation classCode="OBS" moodCode="EVN"><id root="2.25.2" extension="O1"/>'
        f'<code code="2823-3" codeSystem="2.16.840.1.113883.6.1"/><statusCode code="completed"/>{value}</observation>'
    )
    resources, issues = converted(tmp_path, document(repository, given))
    result = numbered(resources, "Observation")["O1"]
    assert result["valueString"] == "low: 9 mg/L; high: 3 mg/L"
    (issue,) = (issue for issue in issues if issue["severity"] == "error")
    assert issue["code"] == "FB-CDA-011"
    assert "value" in issue["message"]
    assert codes(issues) == {"FB-CDA-011"}


def test_the_name_of_a_relative_is_read_whole(repository: Path, tmp_path: Path) -> None:
    given = (
        '<organizer classCode="CLUSTER" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.45"/>'
        '<id root="2.25.2" extension="F1"/><statusCode code="completed"/><subject><relatedSubject classCode="PRS">'
        '<code code="FTH" codeSystem="2.16.840.1.113883.5.111"/><subject><name><given>Otto</given>'
        "<family>Quill</family></name></subject></relatedSubject></subject></organizer>"
    )
    resources, issues = converted(tmp_path, document(repository, given))
    (member,) = of_type(resources, "FamilyMemberHistory")
    assert member["name"] == "Otto Quill"
    assert codes(issues) == set()


@pytest.mark.parametrize(("time", "shown"), [("20261310", "20261310"), ("last fall", "last fall")])
def test_an_immunization_whose_time_can_not_be_read_is_kept(
    repository: Path, tmp_path: Path, time: str, shown: str
) -> None:
    given = (
        '<substanceAdministration classCode="SBADM" moodCode="EVN" negationInd="false">'
        '<templateId root="2.16.840.1.113883.10.20.22.4.52"/><id root="2.25.2" extension="{number}"/>'
        '<statusCode code="completed"/><effectiveTime value="{time}"/><consumable><manufacturedProduct>'
        '<manufacturedMaterial><code code="150" codeSystem="2.16.840.1.113883.12.292"/></manufacturedMaterial>'
        "</manufacturedProduct></consumable></substanceAdministration>"
    )
    entries = [given.format(number="I0", time="20251010"), given.format(number="I1", time=time)]
    resources, issues = converted(tmp_path, document(repository, *entries))
    times = {
        one.get("occurrenceDateTime") or one["occurrenceString"] for one in of_type(resources, "Immunization")
    }
    assert times == {"2025-10-10", shown}
    assert "FB-MAP-208" in codes(issues)
