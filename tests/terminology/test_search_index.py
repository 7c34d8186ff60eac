"""Text search: word beginnings for filters, likeness for suggestions, in several languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.terminology.folding import words
from fhir_bridge.terminology.imports import import_file
from fhir_bridge.terminology.search_index import TextIndex, TextIndexError, trigrams
from fhir_bridge.terminology.store import StoredSystem, open_store
from tests.terminology.makers_small import make_fhir_package

NAMES = {
    "g1": ("Glucose [Mass/volume] in Serum or Plasma", ("Glukose [Masse/Volumen] in Serum", "de")),
    "g2": ("Glucose [Moles/volume] in Blood", ("Glycémie", "fr")),
    "k1": ("Potassium [Moles/volume] in Serum or Plasma", ("Kalium im Serum", "de")),
    "h1": ("Hemoglobin [Mass/volume] in Blood", ("Hämoglobin im Blut", "de")),
    "b1": ("Natriuretic peptide.B prohormone N-Terminal", ("β-Crosslaps", "de")),
    "z1": ("Glucose old", None),
    "c1": ("血糖", None),
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> StoredSystem:
    folder = tmp_path_factory.mktemp("search")
    concepts = []
    for code, (display, other) in NAMES.items():
        concept: dict[str, object] = {"code": code, "display": display}
        if other:
            concept["designation"] = [{"value": other[0], "language": other[1]}]
        if code == "z1":
            concept["property"] = [{"code": "inactive", "valueBoolean": True}]
        concepts.append(concept)
    resource = {
        "resourceType": "CodeSystem",
        "url": "https://example.org/lab",
        "name": "Lab",
        "language": "en",
        "content": "complete",
        "concept": concepts,
    }
    make_fhir_package(folder / "made.tgz", resource)
    store = open_store(folder / "store")
    import_file(store, folder / "made.tgz")
    entry = store.get("https://example.org/lab")
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("glucose", ["z1", "g2", "g1"]),
        ("gluc ser", ["g1"]),
        ("GLUCOSE   blood", ["g2"]),
        ("hamoglobin", ["h1"]),
        ("HÄMOGLOBIN blut", ["h1"]),
        ("glycemie", ["g2"]),
        ("beta cross", ["b1"]),
        ("糖", ["c1"]),
        ("n-term pept", ["b1"]),
        ("moles in", ["g2", "k1"]),
        ("glucosa", []),
        ("", []),
        ("[]", []),
    ],
)
def test_a_filter_finds_names_that_hold_every_word(system: StoredSystem, text: str, codes: list[str]) -> None:
    result = system.search(text)
    assert sorted(result) == sorted(codes)


def test_more_than_there_is_may_be_asked_for(system: StoredSystem) -> None:
    assert system.search("glucose", 10**9) == system.search("glucose")


def test_retired_concepts_are_left_out_where_only_active_ones_are_wanted(system: StoredSystem) -> None:
    assert "z1" in system.search("glucose")
    assert "z1" not in system.search("glucose", active_only=True)


def test_very_words_come_before_beginnings_and_active_before_retired(system: StoredSystem) -> None:
    assert system.search("glucose", limit=2) == ["g2", "g1"]
    assert system.search("glucose", limit=0) == []


@pytest.mark.parametrize(
    ("text", "code", "language"),
    [
        ("potasium serum", "k1", "en"),
        ("Kalium Serum", "k1", "de"),
        ("hemoglobn blood", "h1", "en"),
        ("Haemoglobin Blut", "h1", "de"),
        ("glucose serum", "g1", "en"),
        ("Serumglukose", "g1", "de"),
        ("glycemie", "g2", "fr"),
    ],
)
def test_what_is_misspelt_or_joined_is_still_found(
    system: StoredSystem, text: str, code: str, language: str
) -> None:
    candidates = system.candidates(text, 3)
    assert (candidates[0][0], candidates[0][3]) == (code, language)
    assert 0.3 < candidates[0][1] <= 1.0


def test_candidates_are_each_once_best_first_and_active(system: StoredSystem) -> None:
    candidates = system.candidates("glucose", 10)
    assert len({code for code, *_ in candidates}) == len(candidates)
    assert [score for _, score, *_ in candidates] == sorted(
        (score for _, score, *_ in candidates), reverse=True
    )
    assert "z1" not in {code for code, *_ in candidates}
    assert "z1" in {code for code, *_ in system.candidates("glucose", 10, active_only=False)}


@given(st.text(max_size=60))
def test_any_text_can_be_asked_for(text: str) -> None:
    result = words(text)
    assert all(word and word == word.strip() for word in result)
    assert all(len(piece) == 3 for piece in trigrams(result))


@pytest.mark.parametrize("text", ["a" * 10_000, "a* OR (b", "x " * 5000, '"', "\x00", "^$[", "\ud800", "😀"])
def test_no_text_breaks_the_search(system: StoredSystem, text: str) -> None:
    assert isinstance(system.search(text, 5), list)
    assert isinstance(system.candidates(text, 5), list)


def test_an_index_that_is_not_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(TextIndexError):
        TextIndex(tmp_path)
