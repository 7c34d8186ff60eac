"""The review page in a real browser, with a catalogue of two thousand terms."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from fhir_bridge.server.review import review_app
from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.curation import Review
from fhir_bridge.terminology.suggest import LocalTerm, Suggester, Suggestion, Suggestions
from tests.patience import PATIENCE, until
from tests.server.conftest import free_port
from tests.terminology.suggest import corpus

TOKEN = "a-token-of-this-test"
TERMS = 2000
HERE = Path(__file__).parent


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a review of two thousand terms is served."""
    potassium = Suggestion(
        corpus.LOINC, "2823-3", "Potassium [Moles/volume] in Serum or Plasma", 0.95, ("made",)
    )
    unsure = Suggestion(corpus.LOINC, "2951-2", "Sodium [Moles/volume] in Serum or Plasma", 0.6, ())
    found = [
        Suggestions(
            LocalTerm(
                f"Kalium {number}", "mmol/l", "Serum", "de", f"K{number}", "urn:oid:2.25.7", TERMS - number
            ),
            (potassium if number % 2 else unsure,),
        )
        for number in range(TERMS)
    ]
    review = Review.create(tmp_path / "lab.review.jsonl", found)
    suggester = Suggester([corpus.loinc(100)], get_terminology())
    port = free_port()
    application = review_app(review, TOKEN, suggester, "Dr. Brun")
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server did not start")
    yield f"http://127.0.0.1:{port}/#{TOKEN}"
    server.should_exit = True
    thread.join(20)


def test_a_reviewer_takes_undoes_searches_approves_and_downloads(
    address: str, chromium: str, npm_packages: Path, tmp_path: Path
) -> None:
    environment = os.environ | {
        "ADDRESS": address,
        "CHROMIUM": chromium,
        "PROFILE": str(tmp_path / "profile"),
        "PLAYWRIGHT": str(npm_packages / "node_modules" / "playwright-core" / "index.mjs"),
    }
    done = subprocess.run(
        ["node", str(HERE / "review.mjs")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["refusals"] == []
    assert seen["unlabelled"] == []
    assert seen["cards"] == 50
    assert seen["focused"] == seen["next"]
    assert seen["undone"] is True
    assert seen["count"] == f"{TERMS // 2 + 1} of {TERMS} decided"
    assert seen["found"] == 1 + 10
    assert seen["map"] == {
        "url": "https://hospital.example.org/fhir/ConceptMap/lab",
        "rows": TERMS // 2 + 1,
    }
    red, green, blue = (int(part) for part in seen["background"].strip("rgba()").split(",")[:3])
    assert max(red, green, blue) < 64, "dark where the reader's system is dark"
