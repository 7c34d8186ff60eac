"""`mapping audit` of tables: what is about a row's patient counts, under the code of its column."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command import run_command

Resources = list[dict[str, Any]]
UNITS = {"Glucose (mmol/l)": "mmol/l", "Creatinine [umol/l]": "umol/L"}
COLUMNS = tuple(UNITS)


def rows() -> list[tuple[str, str, str, str]]:
    """Twelve visits of eight patients: values occur twice, four patients come again."""
    return [
        (f"KX-{300 + 7 * (n % 8)}", f"2026-05-{n + 1:02}", f"{5 + (n % 5) * 0.37:.2f}", str(70 + (n % 4) * 9))
        for n in range(12)
    ]


def wide(coded: bool = False) -> tuple[str, Resources]:
    """A table of two results a row, and what a good engine makes of it."""
    every: Resources = []
    for number, (patient, day, *values) in enumerate(rows()):
        if hidden(patient) not in {each["id"] for each in every}:
            every.append(
                {"resourceType": "Patient", "id": hidden(patient), "identifier": [{"value": patient}]}
            )
        for column, value in zip(COLUMNS, values, strict=True):
            name = column.split(" ")[0]
            loinc = {"Glucose": "14749-6", "Creatinine": "14682-9"}[name]
            every.append(observation(f"{name}-{number}", patient, day, value, UNITS[column]))
            every[-1]["code"] = {"coding": [{"code": loinc}]} if coded else {"text": name}
    lines = [";".join(("Patient no", "Date", *COLUMNS)), *(";".join(row) for row in rows())]
    return "\n".join(lines), every


def hidden(patient: str) -> str:
    """An id that says nothing."""
    return f"{int(patient[3:]) * 7919:08x}"


def long() -> tuple[str, Resources]:
    """A table of one result a row."""
    _, every = wide()
    lines = ["Patient no;Date;Test;Value;Unit"]
    for patient, day, *values in rows():
        for column, value in zip(COLUMNS, values, strict=True):
            lines.append(";".join((patient, day, column.split(" ")[0], value, UNITS[column])))
    return "\n".join(lines), every


def observation(number: str, patient: str, day: str, value: str, unit: str) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": number,
        "status": "final",
        "subject": {"reference": f"Patient/{hidden(patient)}"},
        "effectiveDateTime": day,
        "valueQuantity": {"value": float(value), "unit": unit},
    }


def audited(tmp_path: Path, table: str, every: Resources) -> dict[str, Any]:
    source, fhir = tmp_path / "lab.csv", tmp_path / "out.ndjson"
    source.write_text(table, "utf-8")
    fhir.write_text("\n".join(json.dumps(each) for each in every), "utf-8")
    done = run_command(
        "mapping", "audit", "--source", source, "--fhir", fhir, "--format", "json", "--with-values"
    )
    assert done.returncode in (0, 1), done.stderr
    data: dict[str, Any] = json.loads(done.stdout)
    return data


def findings(tmp_path: Path, table: str, every: Resources) -> set[tuple[str, str, str, str]]:
    data = audited(tmp_path, table, every)
    return {(each["record"], each["field"], each["kind"], each["value"]) for each in data["findings"]}


def strangers(every: Resources) -> Resources:
    """The same without the Patients, who are on another server and named by their identifiers."""
    numbers = {each["id"]: each["identifier"][0]["value"] for each in every if "identifier" in each}
    return [
        each | {"subject": {"identifier": {"value": numbers[each["subject"]["reference"].split("/")[1]]}}}
        for each in every
        if each["resourceType"] != "Patient"
    ]


@pytest.mark.parametrize("shape", [wide, long, lambda: wide(coded=True)])
@pytest.mark.parametrize("change", [list, strangers])
def test_a_table_that_arrived_is_not_reported(
    shape: Callable[[], tuple[str, Resources]], change: Callable[[Resources], Resources], tmp_path: Path
) -> None:
    table, every = shape()
    data = audited(tmp_path, table, change(every))
    assert data["findings"] == data["invented"] == []


def swap(every: Resources, first: str, second: str, *path: str) -> None:
    known = {each["id"]: each for each in every}
    one, two = known[first], known[second]
    for name in path[:-1]:
        one, two = one[name], two[name]
    one[path[-1]], two[path[-1]] = two[path[-1]], one[path[-1]]


@pytest.mark.parametrize("shape", [wide, long, lambda: wide(coded=True)])
@pytest.mark.parametrize("change", [list, strangers])
def test_results_of_two_patients_that_are_swapped_are_reported(
    shape: Callable[[], tuple[str, Resources]], change: Callable[[Resources], Resources], tmp_path: Path
) -> None:
    table, every = shape()
    swap(every, "Creatinine-1", "Creatinine-2", "valueQuantity", "value")
    reports = findings(tmp_path, table, change(every))
    assert {(kind, value) for _, _, kind, value in reports} == {
        ("never arrived", "79"),
        ("never arrived", "88"),
    }


def test_results_of_two_days_of_one_patient_that_are_swapped_are_reported(tmp_path: Path) -> None:
    table, every = wide()
    swap(every, "Glucose-0", "Glucose-8", "valueQuantity", "value")
    assert {(field, value) for _, field, _, value in findings(tmp_path, table, every)} == {
        ("Glucose (mmol/l)", "5.00"),
        ("Glucose (mmol/l)", "6.11"),
    }


@pytest.mark.parametrize("coded", [False, True])
def test_a_result_under_another_code_than_its_columns_is_reported(coded: bool, tmp_path: Path) -> None:
    table, every = wide(coded)
    swap(every, "Glucose-3", "Creatinine-3", "code")
    reports = findings(tmp_path, table, every)
    assert {(record, field, kind) for record, field, kind, _ in reports} == {
        ("lab.csv:5", column, "changed value") for column in COLUMNS
    }


LOCAL = {"GLUC": ("14749-6", "mmol/l"), "KREA": ("14682-9", "umol/l"), "CRP": ("1988-5", "mg/l")}


def translated() -> tuple[str, Resources]:
    """A table of one result a row, whose codes are the laboratory's; the FHIR has LOINC's."""
    table = "PatNr;Datum;Analyt;Wert;Einheit;Bewertung\n"
    every: Resources = []
    for number in range(6):
        patient = f"KX-{410 + number}"
        every.append({"resourceType": "Patient", "id": hidden(patient), "identifier": [{"value": patient}]})
        for place, (name, (loinc, unit)) in enumerate(LOCAL.items()):
            value, remark = str(40 + 7 * number + 11 * place), ("normal", "auffällig")[(number + place) % 2]
            table += f"{patient};2026-08-1{number};{name};{value};{unit};{remark}\n"
            result = observation(f"{name}{number}", patient, f"2026-08-1{number}", value, unit)
            interpretation = [{"text": remark}]
            every.append(result | {"code": {"coding": [{"code": loinc}]}, "interpretation": interpretation})
    return table, every


def test_codes_that_are_translated_arrived_where_each_became_one(tmp_path: Path) -> None:
    table, every = translated()
    assert findings(tmp_path, table, every) == set()
    swap(every, "GLUC3", "CRP3", "code")
    assert {(record, field, value) for record, field, _, value in findings(tmp_path, table, every)} == {
        ("lab.csv:11", "Analyt", "GLUC"),
        ("lab.csv:13", "Analyt", "CRP"),
    }


def test_a_word_of_another_result_of_the_day_does_not_count(tmp_path: Path) -> None:
    table, every = translated()
    next(each for each in every if each["id"] == "KREA2")["interpretation"] = [{"text": "normal"}]
    assert findings(tmp_path, table, every) == {("lab.csv:9", "Bewertung", "never arrived", "auffällig")}


def test_digits_that_are_lost_are_found_where_the_columns_name_has_the_unit(tmp_path: Path) -> None:
    table, every = wide()
    known = {each["id"]: each for each in every}
    known["Glucose-4"]["valueQuantity"]["value"] = 6.5
    assert findings(tmp_path, table, every) == {("lab.csv:6", "Glucose (mmol/l)", "changed value", "6.48")}


STATUS = """\
PatNr;FallNr;Datum;CRP;CRP Einheit;Befundstatus
P-311;F-9001;03.06.2026;12,5;mg/l;endgültig
P-312;F-9002;04.06.2026;8,1;mg/l;vorläufig
"""


def german() -> Resources:
    every: Resources = []
    for number, (day, value, status) in enumerate(
        (("2026-06-03", "12.5", "final"), ("2026-06-04", "8.1", "preliminary")), 1
    ):
        patient = f"P-31{number}"
        result = observation(f"r{number}", patient, day, value, "mg/l")
        result |= {
            "status": status,
            "code": {"text": "CRP"},
            "encounter": {"reference": f"Encounter/e{number}"},
        }
        every += [
            result,
            {"resourceType": "Patient", "id": hidden(patient), "identifier": [{"value": patient}]},
            {
                "resourceType": "Encounter",
                "id": f"e{number}",
                "status": "finished",
                "identifier": [{"value": f"F-900{number}"}],
                "subject": result["subject"],
            },
        ]
    return every


@pytest.mark.parametrize(
    ("number", "status", "value"), [(1, "preliminary", "endgültig"), (2, "final", "vorläufig")]
)
def test_status_words_in_german_are_compared_with_the_status(
    number: int, status: str, value: str, tmp_path: Path
) -> None:
    assert findings(tmp_path, STATUS, german()) == set()
    every = german()
    next(each for each in every if each["id"] == f"r{number}")["status"] = status
    assert findings(tmp_path, STATUS, every) == {
        (f"lab.csv:{number + 1}", "Befundstatus", "changed status", value)
    }


def test_the_unit_in_a_column_beside_the_value_is_that_of_the_value(tmp_path: Path) -> None:
    every = german()
    every[0]["valueQuantity"]["unit"] = "mg/dl"
    assert findings(tmp_path, STATUS, every) == {("lab.csv:2", "CRP Einheit", "changed unit", "mg/l")}


def test_the_negation_of_a_cell_is_reported(tmp_path: Path) -> None:
    every = german()
    table = STATUS.replace("Befundstatus", "Befundstatus;Erreger")
    table = table.replace("endgültig", "endgültig;nachgewiesen").replace("vorläufig", "vorläufig;")
    every[0]["note"] = [{"text": "Erreger: nachgewiesen"}]
    assert findings(tmp_path, table, every) == set()
    every[0]["note"] = [{"text": "Erreger nicht nachgewiesen"}]
    assert findings(tmp_path, table, every) == {("lab.csv:2", "Erreger", "never arrived", "nachgewiesen")}


def orders(stated: bool) -> tuple[str, Resources]:
    """Orders by three doctors, whom the FHIR knows by ids of its own."""
    table = "Patient no;Date;Doctor id\n"
    every: Resources = []
    for number in range(9):
        day, doctor = f"2026-07-{number + 1:02}", number % 3 if stated else number
        table += f"KX-{number};{day};DOC-77{doctor}\n"
        every += [
            {"resourceType": "Patient", "id": f"KX-{number}", "identifier": [{"value": f"KX-{number}"}]},
            {
                "resourceType": "ServiceRequest",
                "id": f"o{number}",
                "status": "active",
                "intent": "order",
                "subject": {"reference": f"Patient/KX-{number}"},
                "authoredOn": day,
                "requester": {"reference": f"Practitioner/{doctor * 31 + 5:08x}"},
            },
        ]
    return table, every


@pytest.mark.parametrize(("stated", "missing"), [(True, 0), (False, 9)])
def test_identifiers_became_references_where_several_agree_again_and_again(
    stated: bool, missing: int, tmp_path: Path
) -> None:
    table, every = orders(stated)
    assert len(audited(tmp_path, table, every)["findings"]) == missing
