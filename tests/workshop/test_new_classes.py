# ruff: noqa: E501 - tables are written as they are
"""The class of visits beside results, and when samples arrived, in `mapping new`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workshop.drafts import converted, of


def _laboratory(
    name: str, words: tuple[str, ...], arrived: str = "DATA_RICEZIONE", *, before: bool = False
) -> str:
    """Results of visits of several kinds; of each what arrived after, or before, its sample was taken."""
    rows = [
        f"COD_PAZIENTE;COGNOME;NOME;NUM_NOSOGRAFICO;REPARTO;{name};DATA_PRELIEVO;{arrived};MATERIALE;COD_ESAME;DESCR_ESAME;RISULTATO;UDM;ALLARME"
    ]
    for n in range(24):
        hour = 6 if before else 9
        rows.append(
            f"P{n % 4};Rossi{n % 4};Ugo;9000{n % 8};MEDICINA;{words[n % 8 % len(words)]};1{n % 8}/01/2024 08:30;1{n % 8}/01/2024 0{hour}:{10 + n % 8};Siero;K;Potassio;4,{n % 10};mmol/L;N"
        )
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("name", ["REGIME", "REGIME_RICOVERO", "TIPO_RICOVERO", "AMBITO"])
def test_words_for_kinds_of_stays_are_the_class(tmp_path: Path, name: str) -> None:
    _, made, mapping = converted(tmp_path, _laboratory(name, ("RIC", "AMB", "PS", "DH")))
    classes = {visit["identifier"][0]["value"]: visit["class"]["code"] for visit in of(made, "Encounter")}
    assert classes == {f"9000{n}": ["IMP", "AMB", "EMER", "SS"][n % 4] for n in range(8)}
    assert of(made, "Coverage") == []
    assert f"{name}: 'RIC' is taken for IMP (Encounter.class): is it?" in mapping


@pytest.mark.parametrize(
    ("name", "words"),
    [("REGIME", ("X1", "X2", "X3")), ("Setting", ("10", "20", "30")), ("Ambito di erogazione", ("Q", "Z"))],
)
def test_where_a_column_may_say_it_no_class_is_assumed(
    tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    _, made, mapping = converted(tmp_path, _laboratory(name, words))
    visits = of(made, "Encounter")
    assert len(visits) == 8
    assert not any("code" in visit["class"] for visit in visits)
    assert name in mapping
    assert "Encounter.class" in mapping


def test_of_letters_that_are_half_understood_none_is_a_class(tmp_path: Path) -> None:
    text = "visit_id,patient_id,patient_class,admission_date,discharge_date,ward\n" + "".join(
        f"V{n},P{n % 5},{'ICQ'[n % 3]},2024-01-1{n % 9},2024-01-1{n % 9},W1\n" for n in range(18)
    )
    _, made, mapping = converted(tmp_path, text)
    visits = of(made, "Encounter")
    assert len(visits) == 18
    assert {visit["class"].get("display") for visit in visits} == {"I", "C", "Q"}
    assert not any("code" in visit["class"] for visit in visits)
    assert "which class of visit (Encounter.class) is 'Q'? It is kept as text" in mapping
    _, made, _ = converted(tmp_path, text.replace(",Q,", ",E,"))
    assert {visit["class"]["code"] for visit in of(made, "Encounter")} == {"IMP", "AMB", "EMER"}


@pytest.mark.parametrize("name", ["DATA_CHECKIN", "DATA_ACCETTAZIONE", "Check-in", "Data ingresso"])
def test_what_arrives_after_it_was_taken_is_the_sample(tmp_path: Path, name: str) -> None:
    _, made, mapping = converted(tmp_path, _laboratory("REGIME", ("RIC", "PS"), name))
    assert not any("period" in visit for visit in of(made, "Encounter"))
    assert f"{name}: is it when the sample was received (Specimen.receivedTime), as is assumed" in mapping
    _, made, _ = converted(tmp_path, _laboratory("REGIME", ("RIC", "PS"), name, before=True))
    assert all("start" in visit["period"] for visit in of(made, "Encounter"))


def test_a_contact_at_which_nobody_was_seen_has_no_class(tmp_path: Path) -> None:
    text = "visit_id,patient_id,encounter_type,admission_date,discharge_date\n" + "".join(
        f"V{n},P{n % 5},{['Telephone call', 'Third Party Consultation', 'Home visit'][n % 3]},2024-01-1{n % 9},2024-01-1{n % 9}\n"
        for n in range(18)
    )
    _, made, mapping = converted(tmp_path, text)
    classes = {visit["class"].get("code", visit["class"].get("display")) for visit in of(made, "Encounter")}
    assert classes == {"VR", "HH", "Third Party Consultation"}
    assert "which class of visit (Encounter.class) is 'Third Party Consultation'?" in mapping
