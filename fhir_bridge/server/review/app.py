"""The application behind the review page: terms, decisions, search, the ConceptMap.

It serves one review to whoever started it: every request needs the token that the command line prints. The page sends
it in a header of its own, so that no other site can make a browser decide (CSRF).
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from fhir_bridge.terminology.curation import Entry, Review, concept_map
from fhir_bridge.terminology.suggest import Suggester, Suggestion

__all__ = ["review_app"]

PAGE = Path(__file__).parent / "page.html"
TOKEN_HEADER = "X-Review-Token"  # noqa: S105 - the name of a header


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    by: str = Field(min_length=1, max_length=200)


class DecisionBody(_Body):
    """A choice on one or several terms; with `accepted`, the code."""

    keys: list[str] = Field(min_length=1, max_length=10_000)
    verdict: str
    target: dict[str, Any] | None = None
    equivalence: str = "equivalent"
    note: str = Field("", max_length=2000)


class ApproveBody(_Body):
    """Accept the clear first candidates from this score on."""

    score: float = Field(ge=0, le=1)


class DismissBody(_Body):
    """Say that what has no suggestion has no code."""

    note: str = Field("", max_length=2000)


def review_app(review: Review, token: str, suggester: Suggester | None = None, by: str = "") -> FastAPI:
    """The application for one review.

    Args:
        token: what a request must bring; make it with `secrets.token_urlsafe`.
        suggester: searches code systems for the reviewer; None: there is no search.
        by: the name that the page begins with.
    """
    app = FastAPI(title="Terminology review", docs_url=None, redoc_url=None, openapi_url=None)
    # FastAPI runs synchronous routes in threads; a review is one file, written as a whole.
    lock = threading.Lock()

    def allowed(request: Request) -> None:
        header = request.headers.get(TOKEN_HEADER, "")
        # compare_digest, since a page elsewhere can try tokens on this machine's port.
        if not secrets.compare_digest(header.encode(), token.encode()):
            raise HTTPException(403, "open the page by the link that the command printed")

    granted = [Depends(allowed)]

    @app.get("/")
    def page() -> Response:
        """The page itself; it holds no term, and asks for them with the token of its link's fragment."""
        # The page has its script and style inside; a nonce lets exactly these run.
        nonce = secrets.token_urlsafe(16)
        return HTMLResponse(
            PAGE.read_text(encoding="utf-8").replace("{{nonce}}", nonce),
            headers={
                "Content-Security-Policy": f"default-src 'none'; connect-src 'self'; img-src 'self' data:; "
                f"script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; base-uri 'none'; frame-ancestors 'none'",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
            },
        )

    @app.get("/terms", dependencies=granted)
    def terms() -> dict[str, Any]:
        """All terms, what is used most first."""
        entries = sorted(review, key=lambda entry: -entry.term.count)
        return {
            "file": review.path.name,
            "by": by,
            "searchable": suggester is not None,
            "terms": [_shown(entry) for entry in entries],
        }

    @app.post("/decisions", dependencies=granted)
    def decide(body: DecisionBody) -> list[dict[str, Any]]:
        """Decide on the named terms alike."""
        # Before the first is written: of an unknown key nothing must be half decided.
        with lock:
            known = {entry.key for entry in review}
            missing = [key for key in body.keys if key not in known]
            if missing:
                raise HTTPException(404, f"there is no term {missing[0]}")
            try:
                for key in body.keys:
                    if body.verdict == "accepted":
                        review.accept(key, _target(body, review[key]), body.by, body.equivalence, body.note)
                    else:
                        review.decide(key, body.verdict, body.by, body.note)
            except ValueError as error:
                raise HTTPException(422, str(error)) from error
            return [_shown(review[key]) for key in body.keys]

    @app.post("/approve", dependencies=granted)
    def approve(body: ApproveBody) -> list[dict[str, Any]]:
        """Accept what is clear."""
        with lock:
            try:
                return [_shown(entry) for entry in review.approve(body.score, body.by)]
            except ValueError as error:
                raise HTTPException(422, str(error)) from error

    @app.post("/dismiss", dependencies=granted)
    def dismiss(body: DismissBody) -> list[dict[str, Any]]:
        """No code fits what has no suggestion."""
        with lock:
            try:
                return [_shown(entry) for entry in review.dismiss(body.by, body.note)]
            except ValueError as error:
                raise HTTPException(422, str(error)) from error

    @app.get("/search", dependencies=granted)
    def search(key: str, text: str) -> list[dict[str, Any]]:
        """The concept of a code, or candidates for another wording, with the unit and specimen of the term."""
        if suggester is None:
            raise HTTPException(404, "start the review with --target to search a code system")
        try:
            term = review[key].term
        except KeyError:
            raise HTTPException(404, f"there is no term {key}") from None
        return [asdict(candidate) for candidate in suggester.search(text[:200], term)]

    @app.get("/concept-map", dependencies=granted)
    def reviewed_map(url: str) -> Response:
        """The ConceptMap of what is decided so far."""
        try:
            return JSONResponse(concept_map(review, url), media_type="application/fhir+json")
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    return app


def _shown(entry: Entry) -> dict[str, Any]:
    decision = entry.decision
    return {
        "key": entry.key,
        "term": asdict(entry.term),
        "candidates": [asdict(candidate) for candidate in entry.candidates],
        "open": entry.open,
        "suggested": entry.suggested,
        "decision": asdict(decision) if decision is not None else None,
    }


def _target(body: DecisionBody, entry: Entry) -> Suggestion:
    """The chosen code: one of the candidates, or one that a search found."""
    wanted = body.target or {}
    for candidate in entry.candidates:
        if (candidate.system, candidate.code) == (wanted.get("system"), wanted.get("code")):
            return candidate
    try:
        return Suggestion(
            str(wanted["system"]), str(wanted["code"]), str(wanted["display"]), 0.0, ("chosen by search",)
        )
    except KeyError as error:
        raise ValueError(f"the code to accept lacks its {error.args[0]}") from error
