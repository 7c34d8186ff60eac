"""The review page: only its reviewer sees terms and decides, and what is decided is in the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_bridge.server.review import review_app
from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.curation import Review
from fhir_bridge.terminology.suggest import LocalTerm, Suggester, Suggestion, Suggestions
from tests.server.conftest import Http, running
from tests.terminology.suggest import corpus

TOKEN = "a-token-of-this-test"
LOCAL = "https://hospital.example.org/codes/lab"
POTASSIUM = Suggestion("http://loinc.org", "2823-3", "Potassium [Moles/volume] in Serum or Plasma", 0.98, ())


@pytest.fixture
def review(tmp_path: Path) -> Review:
    terms = [
        LocalTerm("Kalium", "mmol/l", "Serum", "de", "K", LOCAL, 10),
        LocalTerm("Fahrt", "", "", "de", "F", LOCAL),
    ]
    return Review.create(
        tmp_path / "lab.review.jsonl", [Suggestions(terms[0], (POTASSIUM,)), Suggestions(terms[1], ())]
    )


class Reviewer:
    """A client that brings the token."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self._http.get(path, headers={"X-Review-Token": TOKEN}, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self._http.post(path, headers={"X-Review-Token": TOKEN}, **more)


@pytest.fixture
def client(review: Review) -> Iterator[Reviewer]:
    suggester = Suggester([corpus.loinc(20)], get_terminology())
    with running(review_app(review, TOKEN, suggester, "Dr. Brun")) as http:
        yield Reviewer(http)


def decided(review: Review, key: str) -> Any:
    return Review.load(review.path)[key].decision


def test_nothing_is_told_without_the_token(review: Review) -> None:
    with running(review_app(review, TOKEN)) as stranger:
        assert stranger.get("/terms").status_code == 403
        assert stranger.post("/decisions", json={}).status_code == 403
        assert stranger.get("/terms", headers={"X-Review-Token": "a guess"}).status_code == 403
        page = stranger.get("/")
    assert page.status_code == 200
    assert "Kalium" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_terms_come_with_their_candidates(client: Reviewer) -> None:
    answer = client.get("/terms").json()
    assert answer["by"] == "Dr. Brun"
    assert [one["term"]["name"] for one in answer["terms"]] == ["Kalium", "Fahrt"]
    assert answer["terms"][0]["candidates"][0]["code"] == "2823-3"


def test_a_choice_is_in_the_file_at_once(client: Reviewer, review: Review) -> None:
    body = {
        "by": "Dr. Brun",
        "keys": ["1"],
        "verdict": "accepted",
        "target": {"system": "http://loinc.org", "code": "2823-3"},
    }
    (answer,) = client.post("/decisions", json=body).json()
    assert answer["open"] is False
    assert decided(review, "1").target == POTASSIUM
    client.post("/decisions", json={"by": "b", "keys": ["1"], "verdict": "reopened"})
    assert decided(review, "1").verdict == "reopened"


def test_several_terms_are_decided_alike(client: Reviewer, review: Review) -> None:
    client.post("/decisions", json={"by": "b", "keys": ["1", "2"], "verdict": "none"})
    assert [decided(review, key).verdict for key in ("1", "2")] == ["none", "none"]


def test_a_code_found_by_search_can_be_taken(client: Reviewer, review: Review) -> None:
    (first, *_) = client.get("/search", params={"key": "1", "text": "Natrium"}).json()
    assert first["code"] == "2951-2"
    body = {"by": "b", "keys": ["1"], "verdict": "accepted", "target": first, "equivalence": "inexact"}
    assert client.post("/decisions", json=body).status_code == 200
    assert decided(review, "1").target.code == "2951-2"
    assert decided(review, "1").equivalence == "inexact"


def test_what_is_clear_is_approved_in_bulk(client: Reviewer, review: Review) -> None:
    assert [one["key"] for one in client.post("/approve", json={"by": "b", "score": 0.9}).json()] == ["1"]
    assert decided(review, "1").by == "b"


def test_what_has_no_suggestion_is_dismissed_in_bulk(client: Reviewer, review: Review) -> None:
    assert [one["suggested"] for one in client.get("/terms").json()["terms"]] == [True, False]
    assert [one["key"] for one in client.post("/dismiss", json={"by": "b"}).json()] == ["2"]
    assert decided(review, "2").verdict == "none"
    assert client.post("/dismiss", json={"by": ""}).status_code == 422


def test_the_concept_map_can_be_taken_home(client: Reviewer) -> None:
    url = "https://hospital.example.org/fhir/ConceptMap/lab"
    assert client.get("/concept-map", params={"url": url}).status_code == 422
    client.post("/approve", json={"by": "b", "score": 0.9})
    made = client.get("/concept-map", params={"url": url}).json()
    assert made["group"][0]["element"][0]["target"][0]["code"] == "2823-3"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"by": "", "keys": ["1"], "verdict": "none"}, 422),
        ({"by": "b", "keys": ["9"], "verdict": "none"}, 404),
        ({"by": "b", "keys": ["1"], "verdict": "maybe"}, 422),
        ({"by": "b", "keys": ["1"], "verdict": "accepted"}, 422),
        ({"by": "b", "keys": ["1"], "verdict": "none", "extra": 1}, 422),
    ],
)
def test_what_can_not_be_decided_is_refused(
    client: Reviewer, review: Review, body: dict[str, Any], status: int
) -> None:
    assert client.post("/decisions", json=body).status_code == status
    assert decided(review, "1") is None
