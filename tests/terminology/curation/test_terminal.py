"""The commands `suggest` and `review`, as an engineer uses them in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fhir_bridge.cli.main import app
from fhir_bridge.cli.review_session import ReviewSession
from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.curation import Review
from fhir_bridge.terminology.suggest import Suggester
from tests.terminology.suggest import corpus

CATALOGUE = (
    "Kürzel;Bezeichnung;Einheit;Material;Anzahl\n"
    "K;Kalium i.S.;mmol/l;Serum;12034\n"
    "NA;Natrium;mmol/l;Serum;11900\n"
    "KUR;Kurierfahrt;;;12\n"
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "lab.csv").write_text(CATALOGUE, encoding="utf-8")
    content = corpus.loinc(0)
    concepts = [content.get(code) for code in content.codes()]
    axes = ("COMPONENT", "PROPERTY", "SYSTEM", "METHOD_TYP", "TIME_ASPCT")
    resource = {
        "resourceType": "CodeSystem",
        "url": corpus.LOINC,
        "status": "active",
        "content": "fragment",
        "property": [{"code": axis, "type": "string"} for axis in axes],
        "concept": [
            {
                "code": concept.code,
                "display": concept.display,
                "property": [{"code": name, "valueString": value} for name, value, _ in concept.properties],
            }
            for concept in concepts
            if concept is not None
        ],
    }
    (tmp_path / "loinc.json").write_text(json.dumps(resource), encoding="utf-8")
    return tmp_path


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["terminology", *map(str, arguments)])
    return result.exit_code, result.output + str(result.exception or "")


def suggest(files: Path, *more: str) -> Review:
    out = files / "lab.review.jsonl"
    code, output = run(
        "suggest", files / "lab.csv", "--target", files / "loinc.json", "--language", "de",
        "--system", "https://hospital.example.org/lab", "--out", out, *more,
    )  # fmt: skip
    assert code == 0, output
    return Review.load(out)


def answers(*lines: str) -> Iterator[str]:
    yield from (line + "\n" for line in lines)
    while True:
        yield ""


def session(review: Review, *lines: str, search: bool = False) -> None:
    suggester = Suggester([corpus.loinc(0)], get_terminology()) if search else None
    ReviewSession(review, "Dr. Brun", suggester, answers(*lines).__next__).run()


def test_from_a_catalogue_to_a_concept_map(files: Path) -> None:
    review = suggest(files)
    assert [entry.term.code for entry in review] == ["K", "NA", "KUR"]
    assert run("review", review.path, "--approve", "0.9", "--by", "Dr. Brun")[0] == 0
    result = files / "map.json"
    assert (
        run("review", review.path, "--write", result, "--url", "https://hospital.example.org/ConceptMap/lab")[
            0
        ]
        == 0
    )
    (group,) = json.loads(result.read_text())["group"]
    assert {e["code"]: e["target"][0].get("code") for e in group["element"]} == {
        "K": "2823-3",
        "NA": "2951-2",
    }


def test_choices_of_an_earlier_review_are_remembered(files: Path) -> None:
    session(suggest(files), "1", "q")
    first = files / "lab.review.jsonl"
    first.rename(files / "first.jsonl")
    again = suggest(files, "--remember", str(files / "first.jsonl"))
    assert [entry.term.code for entry in again if not entry.open] == ["K"]


def test_terms_are_decided_one_by_one(files: Path) -> None:
    review = suggest(files)
    session(review, "e wider 1", "n not ours", "p")
    verdicts = {entry.term.code: entry.decision for entry in Review.load(review.path)}
    assert verdicts["K"] is not None
    assert (verdicts["K"].verdict, verdicts["K"].equivalence) == ("accepted", "wider")
    assert verdicts["NA"] is not None
    assert (verdicts["NA"].verdict, verdicts["NA"].note) == ("none", "not ours")
    assert verdicts["KUR"] is not None
    assert verdicts["KUR"].verdict == "postponed"


def test_a_choice_is_undone(files: Path) -> None:
    review = suggest(files)
    session(review, "1", "u", "q")
    assert len(review.pending()) == 3


def test_all_without_a_suggestion_are_dismissed_at_once(files: Path) -> None:
    review = suggest(files)
    session(review, "z courier and the like", "q")
    decided = [entry for entry in review if entry.decision]
    assert [entry.term.code for entry in decided] == ["KUR"]
    assert decided[0].decision is not None
    assert decided[0].decision.note == "courier and the like"


def test_another_wording_is_searched_and_taken(files: Path) -> None:
    review = suggest(files)
    result = len(review["1"].candidates)
    session(review, "/Ferritin", str(result + 1), "q", search=True)
    decision = review["1"].decision
    assert decision is not None
    assert decision.target is not None
    assert decision.target.display.startswith("Ferritin")


def test_what_can_not_be_understood_decides_nothing(files: Path) -> None:
    review = suggest(files)
    session(review, "99", "0", "e wider 0", "x", "e similar 1", "e wider", "/Ferritin", "a much", "")
    assert len(review.pending()) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["suggest", "{}/lab.csv", "--target", "http://nowhere.example.org"], "is not available: import it"),
        (["suggest", "{}/lab.csv", "--target", "{}/lab.csv"], "not JSON"),
        (["suggest", "{}/lab.csv", "--target", "{}/loinc.json", "--column", "name"], "FIELD=COLUMN"),
        (["suggest", "{}/lab.csv", "--target", "{}/loinc.json", "--encoding", "klingon"], "no encoding"),
        (["suggest", "{}/lab.csv", "--target", "{}/loinc.json", "--out", "{}/lab.csv"], "never written over"),
        (["review", "{}/lab.csv"], "no line of a review"),
    ],
)
def test_wrong_use_is_reported(files: Path, arguments: list[str], message: str) -> None:
    code, output = run(*(argument.replace("{}", str(files)) for argument in arguments))
    assert code != 0
    assert message in output
