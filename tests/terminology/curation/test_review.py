"""From a local catalogue over suggestions and decisions to a ConceptMap."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhir_bridge.fhir import get_validator
from fhir_bridge.terminology import Terminology, TerminologyFileError, lint_folders
from fhir_bridge.terminology.curation import Review, by_use, concept_map, encoding_of, read_catalogue
from fhir_bridge.terminology.files import read_folders
from fhir_bridge.terminology.suggest import LocalTerm, Suggestion, Suggestions

LOCAL = "https://hospital.example.org/codes/lab"
LOINC = "http://loinc.org"
POTASSIUM = Suggestion(
    LOINC, "2823-3", "Potassium [Moles/volume] in Serum or Plasma", 0.98, ("kalium: potassium",)
)
SODIUM = Suggestion(LOINC, "2951-2", "Sodium [Moles/volume] in Serum or Plasma", 0.97, ())
URINE = Suggestion(LOINC, "2955-3", "Sodium [Moles/volume] in Urine", 0.95, ())


def term(code: str, name: str, count: int = 0) -> LocalTerm:
    return LocalTerm(name, "mmol/l", "Serum", "de", code, LOCAL, count)


@pytest.fixture
def review(tmp_path: Path) -> Review:
    return Review.create(
        tmp_path / "lab.review.jsonl",
        [
            Suggestions(term("K", "Kalium", 10), (POTASSIUM,)),
            Suggestions(term("NA", "Natrium", 90), (SODIUM, URINE)),
            Suggestions(term("KUR", "Kurierfahrt"), ()),
        ],
    )


def test_what_is_used_most_is_reviewed_first(review: Review) -> None:
    assert [entry.term.code for entry in review.pending()] == ["NA", "K", "KUR"]


def test_a_decision_is_kept_with_who_and_when(review: Review) -> None:
    review._now = lambda: datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    review.accept("1", POTASSIUM, "Dr. Brun")
    decision = Review.load(review.path)["1"].decision
    assert decision is not None
    assert (decision.verdict, decision.by, decision.at) == ("accepted", "Dr. Brun", "2026-03-01T12:00:00Z")
    assert decision.target == POTASSIUM


def test_a_decision_taken_back_is_open_again_and_stays_readable(review: Review) -> None:
    review.accept("1", POTASSIUM, "a")
    review.decide("1", "reopened", "b", "wrong material")
    assert Review.load(review.path)["1"].open
    assert [json.loads(line).get("by") for line in review.path.read_text().splitlines()[3:]] == ["a", "b"]


def test_bulk_approval_leaves_close_calls_to_people(review: Review) -> None:
    assert [entry.term.code for entry in review.approve(0.9, "Dr. Brun")] == ["K"]
    assert [entry.term.code for entry in review.pending()] == ["NA", "KUR"]


def test_what_has_no_suggestion_is_dismissed_at_once(tmp_path: Path) -> None:
    far = replace(POTASSIUM, score=0.3)
    review = Review.create(
        tmp_path / "bulk.review.jsonl",
        [
            Suggestions(term("K", "Kalium"), (POTASSIUM,)),
            Suggestions(term("F", "Fahrt"), (), (far,)),
            Suggestions(term("P", "Porto"), ()),
            Suggestions(term("L", "Lager"), ()),
        ],
    )
    review.decide("4", "postponed", "Dr. Brun")
    assert [entry.term.code for entry in review.dismiss("Dr. Brun", "no observation")] == ["F", "P"]
    assert [entry.term.code for entry in Review.load(review.path).pending()] == ["K", "L"]
    decision = Review.load(review.path)["2"].decision
    assert decision is not None
    assert (decision.verdict, decision.by, decision.note) == ("none", "Dr. Brun", "no observation")


def test_choices_are_remembered_for_the_next_catalogue(review: Review, tmp_path: Path) -> None:
    review.accept("1", POTASSIUM, "Dr. Brun")
    review.decide("3", "none", "Dr. Brun")
    same_name = LocalTerm("KALIUM", "mmol/l", "Serum", "de")
    later = Review.create(
        tmp_path / "next.jsonl",
        [
            Suggestions(same_name, (SODIUM,)),
            Suggestions(term("KUR", "Kurier"), ()),
            Suggestions(term("X", "Y"), ()),
        ],
    )
    assert [entry.key for entry in later.remember([review])] == ["1", "2"]
    decision = later["1"].decision
    assert decision is not None
    assert decision.target == POTASSIUM
    assert "decided by Dr. Brun" in decision.note


def test_the_concept_map_is_valid_and_clean(review: Review, tmp_path: Path) -> None:
    review.accept("1", POTASSIUM, "Dr. Brun")
    review.accept("2", SODIUM, "Dr. Brun", "wider", "no material in the catalogue")
    review.decide("3", "none", "Dr. Brun", "no observation")
    result = concept_map(review, "https://hospital.example.org/fhir/ConceptMap/lab")
    assert get_validator().validate(result) == []
    folder = tmp_path / "terminology"
    folder.mkdir()
    (folder / "lab.json").write_text(json.dumps(result))
    assert lint_folders([folder]) == []
    terminology = Terminology.of(read_folders([folder]))
    assert [t.code for t in terminology.translate(LOCAL, "K", (LOINC,))] == ["2823-3"]
    assert terminology.translate(LOCAL, "KUR", (LOINC,)) == []


def test_open_terms_are_not_mapped(review: Review) -> None:
    with pytest.raises(ValueError, match="nothing is decided"):
        concept_map(review, "https://hospital.example.org/fhir/ConceptMap/lab")
    review.decide("3", "none", "Dr. Brun")
    (group,) = concept_map(review, "https://hospital.example.org/fhir/ConceptMap/lab")["group"]
    assert [element["code"] for element in group["element"]] == ["KUR"]


def test_a_review_is_never_written_over(review: Review) -> None:
    with pytest.raises(FileExistsError):
        Review.create(review.path, [])


def test_a_line_cut_short_by_a_crash_loses_nothing_else(review: Review) -> None:
    review.accept("1", POTASSIUM, "a")
    with review.path.open("a") as file:
        file.write('{"event": "decision", "key": "2", "verd')
    again = Review.load(review.path)
    assert not again["1"].open
    assert again["2"].open
    again.accept("2", SODIUM, "b")
    assert not Review.load(review.path)["2"].open


def test_a_decision_needs_a_name_and_a_known_verdict(review: Review) -> None:
    with pytest.raises(ValueError, match="names who"):
        review.accept("1", POTASSIUM, " ")
    with pytest.raises(ValueError, match="none of"):
        review.decide("1", "perhaps", "a")
    with pytest.raises(ValueError, match="none of"):
        review.accept("1", POTASSIUM, "a", "similar")
    assert review["1"].open


@pytest.mark.parametrize("content", ["", "{}\n{}\n", '{"event": "term"}\n{}\n'])
def test_another_file_is_no_review(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.jsonl").write_text(content)
    with pytest.raises(TerminologyFileError, match="review"):
        Review.load(tmp_path / "x.jsonl")


def test_a_german_catalogue_is_read_by_its_own_column_names(tmp_path: Path) -> None:
    path = tmp_path / "katalog.csv"
    path.write_bytes(
        "Kürzel;Bezeichnung;Einheit;Material;Anzahl\nK;Kalium;mmol/l;Serum;1.200\n".encode("cp1252")
    )
    (result,) = read_catalogue(path, system=LOCAL, language="de", encoding="cp1252")
    assert result == LocalTerm("Kalium", "mmol/l", "Serum", "de", "K", LOCAL, 1200)
    with pytest.raises(TerminologyFileError, match="line 1 is not UTF-8"):
        read_catalogue(path)


def test_a_catalogue_is_read_as_excel_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_bytes(
        "sep=;\r\nKürzel;Testbezeichnung;Einheit;Probenmaterial;Norm;Anzahl / Jahr;;\r\n"
        "K;Kalium i. S.;mmol/l;Serum;3,5 - 5,1;12.034;;\r\n"
        'NA;"Natrium; gesamt";mmol/l;Serum;;911,0;;\r\n;;;;;;;\r\n'.encode("cp1252")
    )
    assert encoding_of(path) == "cp1252"
    potassium, sodium = read_catalogue(path, language="de", encoding="cp1252")
    assert (potassium.name, potassium.specimen, potassium.count) == ("Kalium i. S.", "Serum", 12034)
    assert (sodium.name, sodium.count) == ("Natrium; gesamt", 911)


def test_the_encoding_is_identified_by_the_file(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    for encoding, details in [("utf-8", "utf-8-sig"), ("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16")]:
        path.write_text("name\nHämoglobin\n", encoding=encoding)
        assert encoding_of(path) == details
        assert read_catalogue(path, encoding=details)[0].name == "Hämoglobin"


def test_all_rows_that_cannot_be_used_are_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("sep=,\ncode,name,count\nK,Kalium,1\nX,,2\nNA,Natrium,often\n" + "Y,,\n" * 20)
    with pytest.raises(TerminologyFileError, match=r"line 4 has no name.*line 5: the count.*and 12 more"):
        read_catalogue(path)


@pytest.mark.parametrize("count", ["1,5", "12.03", "1.2.3", "1.234,5", "-3"])
def test_a_count_that_is_no_whole_number_is_refused(tmp_path: Path, count: str) -> None:
    path = tmp_path / "lab.csv"
    path.write_text(f"name;count\nKalium;{count}\n")
    with pytest.raises(TerminologyFileError, match="no whole number"):
        read_catalogue(path)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("a,b\nK,Kalium\n")
    assert read_catalogue(path, {"name": "b", "code": "a"})[0].name == "Kalium"
    with pytest.raises(TerminologyFileError, match="which column holds the names"):
        read_catalogue(path)
    with pytest.raises(TerminologyFileError, match="has no column 'c'"):
        read_catalogue(path, {"name": "c"})


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("K,,1\n", "line 2 has no name"),
        ("K,Kalium,often\n", "line 2: the count"),
        ('K,"a"b,1\n', "line 2: not CSV"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, rows: str, message: str) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("code,name,count\n" + rows)
    with pytest.raises(TerminologyFileError, match=message):
        read_catalogue(path)


def test_equal_rows_are_taken_once_and_sorted_by_use(tmp_path: Path) -> None:
    path = tmp_path / "lab.csv"
    path.write_text("code,name,count\nK,Kalium,1\nK,Kalium,1\nNA,Natrium,5\n")
    assert [t.code for t in by_use(read_catalogue(path))] == ["NA", "K"]


# Unicode's own line ends, and the separators of ASCII: text like any other in JSON lines and in CSV.
WITHIN_A_LINE = ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1e"]


@pytest.mark.parametrize("separator", WITHIN_A_LINE)
def test_a_name_with_a_line_separator_is_one_name(tmp_path: Path, separator: str) -> None:
    name = f"Kalium{separator}Serum"
    path = tmp_path / "lab.review.jsonl"
    Review.create(path, [Suggestions(term("K", name), (POTASSIUM,))]).decide("1", "postponed", "a", name)
    loaded = Review.load(path)
    assert [entry.term.name for entry in loaded] == [name]
    decision = loaded["1"].decision
    assert decision is not None
    assert decision.note == name
    catalogue = tmp_path / "catalogue.csv"
    catalogue.write_text(f"code,name,unit\nK,{name},mmol/l\nNA,Natrium,mmol/l\n", encoding="utf-8")
    assert [(item.code, item.name) for item in read_catalogue(catalogue)] == [("K", name), ("NA", "Natrium")]
