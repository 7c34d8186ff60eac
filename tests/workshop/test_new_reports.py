# ruff: noqa: E501 - tables are written as they are
"""`mapping new`: reports of examinations: who asked for them and why, what they conclude, what is asked about them."""

from __future__ import annotations

from pathlib import Path

from tests.workshop.drafts import converted, of

HEADER = "Patiëntnr;Achternaam;Geb.datum;Verrichtingnr;Onderzoeksdatum;Aanvrager;Indicatie;Echolaborant;Hartfrequentie;LVEF (%);TAPSE (mm);AV Vmax (m/s);Conclusie"


def reports(header: str = HEADER) -> str:
    rows = [
        f"18{n % 5};Hoekstra;07-06-198{n % 5};ECHO24-3{n:03};{n + 13}-05-2024 15:15;{('dr. Verhoeven', 'dr. S. Kaya')[n % 2]};"
        f"{('hartfalen', 'souffle')[n % 2]};L. Peeters;7{n % 10};{'n.b.' if n == 3 else 40 + n};2{n % 8};1,{n % 9};{('Matige', 'Slechte')[n % 2]} LV-functie {n % 7}."
        for n in range(14)
    ]
    return "\n".join([header, *rows, ""])


def test_the_number_of_an_examination_is_that_of_its_order_with_who_asked_and_why(tmp_path: Path) -> None:
    _, made, mapping = converted(tmp_path, reports())
    orders = {r["identifier"][0]["value"]: r for r in of(made, "ServiceRequest")}
    assert sorted(orders) == [f"ECHO24-3{n:03}" for n in range(14)]
    assert orders["ECHO24-3001"]["requester"] == {"display": "dr. S. Kaya"}
    assert orders["ECHO24-3001"]["reasonCode"] == [{"text": "souffle"}]
    results = of(made, "Observation")
    assert {r["basedOn"][0]["reference"] for r in results} == {
        f"ServiceRequest/{r['id']}" for r in orders.values()
    }
    assert "Verrichtingnr: is it the number of the order of its row, as is assumed?" in mapping


def test_without_who_asked_the_number_is_that_of_what_was_done(tmp_path: Path) -> None:
    text = reports(HEADER.replace("Aanvrager", "Gezien 2"))
    _, made, _ = converted(tmp_path, text.replace("dr. Verhoeven", "ja").replace("dr. S. Kaya", "nee"))
    numbers = {r["partOf"][0]["identifier"]["value"] for r in of(made, "Observation")}
    assert numbers == {f"ECHO24-3{n:03}" for n in range(14)}


def test_a_conclusion_is_one_finding_and_no_note_on_each(tmp_path: Path) -> None:
    _, made, _ = converted(tmp_path, reports())
    concluded = [r for r in of(made, "Observation") if r["code"]["text"] == "Conclusie"]
    assert len(concluded) == 14
    assert all("LV-functie" in r["valueString"] for r in concluded)
    assert not any("note" in r for r in of(made, "Observation"))


def test_what_has_no_code_and_what_stands_for_no_value_is_asked(tmp_path: Path) -> None:
    _, _, mapping = converted(tmp_path, reports())
    assert "TAPSE (mm), AV Vmax (m/s): no code is known of what is measured: which has it?" in mapping
    assert "LVEF (%): n.b. is taken for no value, not for a finding: is it?" in mapping
    assert "for no value stands n.b." in mapping


def test_an_order_all_of_whose_results_may_be_cancelled_is_asked(tmp_path: Path) -> None:
    rows = "".join(
        f"034{n % 4},07/1{n % 4}/1942,A{n},Dr. Ana Cole,07/{n + 13}/2024 16:02,07/{n + 13}/2024 17:08,Potassium,2823-3,{n % 3 + 3}.1,mmol/L,{'FX'[n % 2]}\n"
        for n in range(12)
    )
    _, made, mapping = converted(
        tmp_path,
        f"MRN,DOB,Accession #,Ordering Provider,Order Dt/Tm,Collected,Test Name,LOINC,Result,Units,Result Status\n{rows}",
    )
    assert (
        "Result Status: every order is taken for completed: is one, too, all of whose results are X?"
        in mapping
    )
    assert {r["status"] for r in of(made, "Observation")} == {"final", "cancelled"}


def test_a_number_of_each_person_at_work_is_no_number_of_the_row(tmp_path: Path) -> None:
    people = (("Dr. Ana Cole", "70001234"), ("Dr. Jim Fox", "70004321"), ("Dr. Kim Lee", "70009876"))
    rows = "".join(
        f"88{n % 4},0{n % 4 + 1}/15/1950,N{n:04},{people[n % 3][0]},{people[n % 3][1]},Ramipril 5 mg,5,mg,daily,active\n"
        for n in range(24)
    )
    _, made, _ = converted(
        tmp_path,
        f"MRN,Date of Birth,Prescription No,Prescriber,Prescriber Reg No,Medication,Dose,Dose Unit,Frequency,Status\n{rows}",
        "prescriptions.csv",
    )
    for order in of(made, "MedicationRequest"):
        assert len(order["identifier"]) == 1
        assert (order["requester"]["display"], order["requester"]["identifier"]["value"]) in people


def test_who_asked_and_why_in_other_languages(tmp_path: Path) -> None:
    for asked, why in (
        ("Richiedente", "Motivo esame"),
        ("Demandeur", "Motif de la demande"),
        ("Solicitante", "Indicación"),
    ):
        header = (
            HEADER.replace("Aanvrager", asked).replace("Indicatie", why).replace("Conclusie", "Conclusiones")
        )
        _, made, _ = converted(tmp_path, reports(header))
        orders = of(made, "ServiceRequest")
        assert {r["requester"]["display"] for r in orders} == {"dr. Verhoeven", "dr. S. Kaya"}
        assert {r["reasonCode"][0]["text"] for r in orders} == {"hartfalen", "souffle"}
        assert not any("note" in r for r in of(made, "Observation"))
