"""A record made in one country reads in another, and nothing of the source is lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir import get_validator
from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.naming import TRANSLATION, Names, language_of

LOINC = "http://loinc.org"
POTASSIUM = {
    "resourceType": "Observation",
    "status": "final",
    "code": {
        "coding": [
            {"system": LOINC, "code": "2823-3", "display": "Potassium [Moles/volume] in Serum or Plasma"},
            {"system": "https://hospital.example.org/lab", "code": "K", "display": "Kalium i.S."},
        ],
        "text": "Kalium i.S.",
    },
}


@pytest.fixture(params=["fr", "fr-CH", "FR"])
def french(request: pytest.FixtureRequest) -> Names:
    return Names(get_terminology(), request.param)


def test_a_german_result_reads_in_french(french: Names) -> None:
    assert french.of(LOINC, "2823-3") == "Potassium (sérum)"
    assert french.concept(POTASSIUM["code"]) == "Potassium (sérum)"


def test_a_name_to_show_goes_before_a_synonym_and_a_near_region_before_a_far_one(tmp_path: Path) -> None:
    preferred = {
        "system": "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra",
        "code": "preferredForLanguage",
    }
    synonym = {"system": "http://snomed.info/sct", "code": "900000000000013009"}
    names = [
        {"language": "de", "value": "Herzinfarkt", "use": synonym},
        {"language": "de", "value": "Myokardinfarkt", "use": preferred},
        {"language": "de-CH", "value": "Herzinfarkt (CH)", "use": synonym},
        {"language": "pt-BR", "value": "Infarto"},
        {"language": "pt-PT", "value": "Enfarte"},
    ]
    system = {
        "resourceType": "CodeSystem",
        "id": "made",
        "url": "https://hospital.example.org/made",
        "status": "active",
        "content": "complete",
        "concept": [{"code": "mi", "designation": names}],
    }
    (tmp_path / "made.json").write_text(json.dumps(system))
    terminology = get_terminology([tmp_path])
    results = {
        tag: Names(terminology, tag).of(system["url"], "mi") for tag in ("de", "de-CH", "pt-PT", "pt", "es")
    }
    assert results == {
        "de": "Myokardinfarkt",
        "de-CH": "Herzinfarkt (CH)",
        "pt-PT": "Enfarte",
        "pt": "Infarto",
        "es": None,
    }


def test_without_a_name_in_the_language_there_is_none() -> None:
    names = Names(get_terminology(), "is")
    assert names.of(LOINC, "2823-3") is None
    assert names.of("https://hospital.example.org/lab", "K") is None
    assert names.concept({"text": "Kalium"}) is None


def test_the_translation_is_beside_what_the_source_said() -> None:
    result = Names(get_terminology(), "fr").localized(POTASSIUM)
    first, second = result["code"]["coding"]
    assert first["display"] == "Potassium [Moles/volume] in Serum or Plasma"
    (extension,) = first["_display"]["extension"]
    assert extension["url"] == TRANSLATION
    assert [part.get("valueCode") or part["valueString"] for part in extension["extension"]] == [
        "fr",
        "Potassium (sérum)",
    ]
    assert second == POTASSIUM["code"]["coding"][1]
    assert result["code"]["text"] == "Kalium i.S."
    assert [i for i in get_validator().validate(result) if i.severity == "error"] == []


def test_translating_twice_adds_nothing() -> None:
    names = Names(get_terminology(), "it")
    once = names.localized(POTASSIUM)
    assert names.localized(once) == once
    both = Names(get_terminology(), "nl").localized(once)
    assert len(both["code"]["coding"][0]["_display"]["extension"]) == 2


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("fr", "fr"),
        ("en;q=0.5, fr-CH, de;q=0.9", "fr-CH"),
        ("*", None),
        ("fr;q=0, de", "de"),
        ("fr;q=0", None),
        ("", None),
        ("fr;q=much, nl;q=0.1", "nl"),
        ("<script>", None),
    ],
)
def test_the_browser_says_which_language_is_liked_best(header: str, language: Any) -> None:
    assert language_of(header) == language


def test_what_is_no_language_is_refused() -> None:
    with pytest.raises(ValueError, match="no language tag"):
        Names(get_terminology(), "french please")
