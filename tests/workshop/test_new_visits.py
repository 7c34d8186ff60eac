# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: classes of visits, where patients went, what a code and its name say together."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, of


def stays(classes: tuple[str, ...], count: int = 18) -> str:
    rows = "".join(
        f"80{n:03},H{n:04},Reed{n},Ann,1{n % 9}/04/1950,{classes[n % len(classes)]},{n % 9 + 10}/02/2026 09:10,{n % 9 + 10 + (n % len(classes) == 0)}/02/2026 12:20,"
        f"{(19, 51, 79)[n % 3]},{(1, 2, 4)[n % 3]},{('General Surgery', 'Cardiology')[n % 2]},{(100, 320)[n % 2]}\n"
        for n in range(count)
    )
    return f"SpellNo,HospitalNo,Surname,Forename,DOB,PatientClassification,AdmitDateTime,DischargeDateTime,DischargeDestination,DischargeMethod,TreatmentSpecialty,TreatmentSpecialtyCode\n{rows}"


def test_a_class_that_is_not_understood_is_none(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, stays(("Bundle 7", "Day case", "Pathway X", "")))
    classes = {(r["class"].get("code", ""), r["class"].get("display", "")) for r in of(made, "Encounter")}
    assert classes == {("IMP", ""), ("SS", ""), ("", "Pathway X"), ("", "")}
    assert "'Bundle 7' is taken for inpatient (IMP), since such stays are of days: is it?" in mapping
    assert "which class of visit (Encounter.class) is 'Pathway X'? It is kept as text" in mapping


def test_an_ordinary_admission_is_inpatient(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, stays(("Regular day admission", "Ordinary admission")))
    assert {r["class"]["code"] for r in of(made, "Encounter")} == {"SS", "IMP"}


def test_the_number_of_a_kind_of_place_is_no_name_of_one(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, stays(("Ordinary admission",)))
    went = [r["hospitalization"] for r in of(made, "Encounter")]
    assert {each["dischargeDisposition"]["text"] for each in went} == {"19", "51", "79"}
    assert not [each for each in went if "destination" in each]
    assert "DischargeDestination: what does each of its numbers mean: 19, 51, 79?" in mapping
    assert "DischargeMethod: looks like where the patient went" in mapping


def test_a_service_has_its_code_and_its_name(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, stays(("Ordinary admission",)))
    services = {
        (r["serviceType"]["coding"][0]["code"], r["serviceType"]["text"]) for r in of(made, "Encounter")
    }
    assert services == {("100", "General Surgery"), ("320", "Cardiology")}


def test_kinds_of_stays_are_the_class_whatever_their_column_is_called(tmp_path: Path) -> None:
    text = stays(("HC", "HDJ", "Séance", "")).replace("PatientClassification", "TYPE_HOSPIT")
    _, made, _ = converted(tmp_path, text)
    classes = {(r["class"].get("code", ""), r["class"].get("display", "")) for r in of(made, "Encounter")}
    assert classes == {("IMP", ""), ("SS", ""), ("", "Séance"), ("", "")}
    assert not [r for r in of(made, "Encounter") if "serviceProvider" in r]


def test_letters_for_kinds_of_places_are_no_names(tmp_path: Path) -> None:
    text = stays(("Ordinary admission",)).replace("DischargeDestination", "MODE_ENTREE")
    _, made, mapping = converted(
        tmp_path, text.replace("DischargeMethod", "PROVENANCE").replace(",4,General", ",R,General")
    )
    assert not [r for r in of(made, "Encounter") if "origin" in r["hospitalization"]]
    assert "PROVENANCE: looks like where the patient came from" in mapping
