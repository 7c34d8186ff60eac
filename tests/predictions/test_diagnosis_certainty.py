"""The certainty of a diagnosis in ICD-10-GM: excluded, suspected, history of, confirmed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.predictions.ward import Ward, diagnosis, european, ward

__all__ = ["ward"]

CERTAINTY = "http://fhir.de/StructureDefinition/icd-10-gm-diagnosesicherheit"
KBV = "https://fhir.kbv.de/CodeSystem/KBV_CS_SFHIR_ICD_DIAGNOSESICHERHEIT"


def marked(code: str, letter: str, *, behind: bool = False) -> dict[str, Any]:
    """A Condition whose coding says how sure it is, by the extension or behind the code."""
    found = diagnosis("gm", f"{code} {letter}" if behind else code)
    if not behind:
        extension = {"url": CERTAINTY, "valueCoding": {"system": KBV, "code": letter}}
        found["code"]["coding"][0]["extension"] = [extension]
    return found


@pytest.mark.parametrize("behind", [False, True])
def test_what_is_excluded_is_absent_what_is_suspected_is_no_answer_a_history_is_one(
    ward: Ward, behind: bool
) -> None:
    def mark(code: str, letter: str) -> dict[str, Any]:
        return marked(code, letter, behind=behind)

    flutter = diagnosis("gm", "I48.0")
    ward.load(
        {letter: [flutter, mark("I50.14", letter)] for letter in "AGVZ"}
        | {"no-flutter": [mark("I48.0", "A")], "perhaps": [mark("I48.0", "V")], "had": [mark("I48.0", "Z")]},
        born="1980-01-01",
    )
    said = ward.ask("cha2ds2-va")
    assert {name: said[name].value for name in said} == {
        "A": 0,
        "G": 1,
        "V": None,
        "Z": 1,
        "no-flutter": None,
        "perhaps": None,
        "had": 0,
    }
    assert "heart failure is suspected, not confirmed" in said["V"].text
    assert "no diagnosis of atrial fibrillation" in said["no-flutter"].text
    assert "atrial fibrillation is suspected, not confirmed" in said["perhaps"].text


def test_an_excluded_infarction_does_not_exclude_and_a_suspected_one_does(ward: Ward) -> None:
    ward.load(
        {
            "excluded": [*european(), marked("I25.22", "A")],
            "suspected": [*european(), marked("I25.22", "V")],
            "both": [*european(), marked("I25.22", "A"), marked("I25.22", "G")],
            "cm": [*european(), diagnosis("cm", "S72.001A")],
        }
    )
    said = ward.ask("score2")
    assert said["excluded"].value == said["cm"].value is not None
    assert "atherosclerotic" in said["suspected"].text
    assert "atherosclerotic" in said["both"].text
