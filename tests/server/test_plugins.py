"""Plug-ins are around a request: they narrow, refuse, redact and are reported; they never widen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from fastapi import APIRouter, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter, AccessRule
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.models import to_model
from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.plugins import PluginError, hookimpl
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.rest.operation_registry import OperationRefused, OperationRequest, Operations
from fhir_bridge.server.session import current_user
from tests.server.conftest import Hospital, bare_plugins, furnish, observation, running
from tests.server.test_audit import events


class Echo:
    """An operation for the tests: gives its parameters back."""

    name = "echo"
    types: tuple[str, ...] = ("Patient",)
    access = "r"

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> Any:
        parts = [{"name": name, "valueString": str(value)} for name, value in parameters.items()]
        return {
            "resourceType": "Parameters",
            "parameter": [{"name": "id", "valueString": request.id}, *parts],
        }


class Change(Echo):
    name = "$change"
    types = ()
    access = "u"


class Typed(Echo):
    """Takes and gives an object of `fhir.resources`."""

    name = "typed"

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> Any:
        model = request.model
        model.note = [{"text": f"read as {type(model).__name__}"}]
        return model


class Guard:
    """A plug-in that uses every hook around a request."""

    def __init__(self) -> None:
        self.narrow: AccessFilter | None = None

    @hookimpl
    def fhir_bridge_operations(self) -> list[Any]:
        return [Echo(), Change(), Typed()]

    @hookimpl
    def fhir_bridge_authorize(self, access: Any, request: Mapping[str, Any]) -> Any:
        return self.narrow

    @hookimpl
    def fhir_bridge_before_write(self, resource: Mapping[str, Any], interaction: str) -> list[Issue]:
        notes = [note.get("text") for note in resource.get("note", ())]
        return [Issue("error", "FB-REST-002", "notes are not wanted here")] if "unwanted" in notes else []

    @hookimpl
    def fhir_bridge_redact_response(self, resource: Mapping[str, Any], access: Any) -> Any:
        if resource["resourceType"] == "Condition":
            model = to_model(resource)
            model.onsetDateTime = None
            return model
        if resource["resourceType"] != "Patient":
            return None
        return {name: value for name, value in resource.items() if name not in ("birthDate", "id")}


@pytest.fixture(scope="module")
def guarded(database_url: str) -> Iterator[tuple[Hospital, Guard]]:
    guard, plugins = Guard(), bare_plugins()
    plugins.register(guard)
    app = create_app(Settings(database_url=database_url, pages=False), plugins=plugins)
    with running(app) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        yield hospital, guard


def test_a_write_can_be_refused(guarded: tuple[Hospital, Guard]) -> None:
    hospital, _ = guarded
    headers = hospital.token("user/*.cruds")
    post = hospital.http.post
    body = observation("x", "anna")
    refused = post("/fhir/Observation", json=body | {"note": [{"text": "unwanted"}]}, headers=headers)
    assert (refused.status_code, "not wanted" in refused.text) == (422, True)
    assert post("/fhir/Observation", json=body, headers=headers).status_code == 201


class Board:
    """Pages and a wrapper of a plug-in."""

    def __init__(self, access: str | None) -> None:
        self.router = APIRouter()
        self.seen: list[str] = []
        if access is not None:
            self.access = access

        @self.router.get("/board")
        async def board(request: Request) -> dict[str, str]:
            user = await current_user(request)
            return {"user": user.username if user else ""}

    @hookimpl
    def fhir_bridge_pages(self) -> list[Any]:
        return [self]

    @hookimpl
    def fhir_bridge_middleware(self) -> list[Any]:
        def wrapped(app: ASGIApp) -> ASGIApp:
            async def count(scope: Scope, receive: Receive, send: Send) -> None:
                self.seen.append(scope["path"])
                await app(scope, receive, send)

            return count

        return [wrapped]


@pytest.mark.parametrize("access", ["public", "user"])
def test_pages_are_seen_by_whom_they_are_for_and_a_wrapper_sees_the_api(
    fresh_database_url: str, access: str
) -> None:
    board, plugins = Board(access), bare_plugins()
    plugins.register(board)
    with running(create_app(Settings(database_url=fresh_database_url), plugins=plugins)) as http:
        hospital = Hospital(http)
        hospital.run(furnish, hospital.services)
        answer = http.get("/board?x=1", follow_redirects=False)
        if access == "user":
            assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fboard%3Fx%3D1")
        else:
            assert answer.json() == {"user": ""}
        hospital.sign_in("clara")
        assert http.get("/board").json() == {"user": "clara"}
        assert http.get("/fhir/metadata").status_code == 200
        assert board.seen == ["/fhir/metadata"]


def test_pages_that_do_not_say_who_may_see_them_are_refused(database_url: str) -> None:
    plugins = bare_plugins()
    plugins.register(Board(None))
    with pytest.raises(PluginError, match="/board do not declare their access"):
        create_app(Settings(database_url=database_url), plugins=plugins)


def test_a_resource_is_redacted_on_every_way_out_and_never_dropped(guarded: tuple[Hospital, Guard]) -> None:
    hospital, _ = guarded
    headers = hospital.token("user/*.rs")
    bundle = {
        "resourceType": "Bundle",
        "type": "batch",
        "entry": [{"request": {"method": "GET", "url": "Patient/anna"}}],
    }
    for response in (
        hospital.http.get("/fhir/Patient/anna", headers=headers),
        hospital.http.get("/fhir/Patient/anna/_history/1", headers=headers),
        hospital.http.get("/fhir/Patient/anna/_history", headers=headers),
        hospital.http.get("/fhir/Patient?_id=anna", headers=headers),
        hospital.http.post("/fhir", json=bundle, headers=headers),
    ):
        assert response.status_code == 200
        assert "1961-04-05" not in response.text
        assert '"anna"' in response.text


def test_an_operation_takes_and_gives_an_object_of_fhir_resources(guarded: tuple[Hospital, Guard]) -> None:
    hospital, _ = guarded
    body = observation("x", "anna") | {"valueQuantity": {"value": 1}}
    text = dumps(body).replace(b'"value":1', b'"value":1.50')
    headers = hospital.token("user/*.rs") | {"Content-Type": "application/fhir+json"}
    response = hospital.http.post("/fhir/Patient/anna/$typed", content=text, headers=headers)
    assert response.status_code == 200
    answer = loads_exact(response.content)
    assert answer == loads_exact(text) | {"note": [{"text": "read as Observation"}]}
    assert '"value":1.50' in response.text


def test_a_redaction_may_be_an_object_of_fhir_resources(guarded: tuple[Hospital, Guard]) -> None:
    hospital, _ = guarded
    headers = hospital.token("user/*.rs")
    response = hospital.http.get("/fhir/Condition/bert-condition", headers=headers)
    assert response.status_code == 200
    assert response.json()["subject"] == {"reference": "Patient/bert"}
    assert "onsetDateTime" not in response.text


def test_a_plug_in_narrows_access_and_never_widens_it(guarded: tuple[Hospital, Guard]) -> None:
    hospital, guard = guarded
    headers = hospital.token("user/Patient.rs user/Observation.rs")
    guard.narrow = AccessFilter((AccessRule("Patient", frozenset("r"), "anna"),))
    try:
        assert hospital.http.get("/fhir/Patient/anna", headers=headers).status_code == 200
        assert hospital.http.get("/fhir/Patient/bert", headers=headers).status_code == 404
        assert hospital.http.get("/fhir/Observation?patient=anna", headers=headers).status_code == 403
        guard.narrow = EVERYTHING
        assert hospital.http.get("/fhir/Condition/bert-condition", headers=headers).status_code == 403
        assert hospital.http.delete("/fhir/Patient/bert", headers=headers).status_code == 403
    finally:
        guard.narrow = None


class TestOperations:
    def test_an_operation_gets_its_parameters(self, guarded: tuple[Hospital, Guard]) -> None:
        hospital, _ = guarded
        headers = hospital.token("user/Patient.r")
        got = hospital.http.get("/fhir/Patient/anna/$echo?a=1&b=2&b=3", headers=headers).json()
        assert {part["name"]: part["valueString"] for part in got["parameter"]} == {
            "id": "anna",
            "a": "1",
            "b": "['2', '3']",
        }
        body = {"resourceType": "Parameters", "parameter": [{"name": "a", "valueInteger": 5}]}
        posted = hospital.http.post("/fhir/Patient/$echo", json=body, headers=headers).json()
        assert posted["parameter"][1] == {"name": "a", "valueString": "5"}

    def test_running_it_is_recorded(self, guarded: tuple[Hospital, Guard]) -> None:
        hospital, _ = guarded
        hospital.http.get("/fhir/Patient/anna/$echo", headers=hospital.token("user/Patient.r"))
        event = events(hospital)[-1]
        assert event["entity"][0]["description"] == "$echo"
        assert event["entity"][1]["what"]["reference"] == "Patient/anna"

    def test_it_needs_its_access_and_a_visible_resource(self, guarded: tuple[Hospital, Guard]) -> None:
        hospital, _ = guarded
        get = hospital.http.get
        assert get("/fhir/Patient/anna/$echo").status_code == 401
        assert (
            get("/fhir/Patient/anna/$echo", headers=hospital.token("user/Observation.rs")).status_code == 403
        )
        anna = hospital.token("launch/patient patient/*.rs")
        assert get("/fhir/Patient/bert/$echo", headers=anna).status_code == 404
        assert get("/fhir/Observation/$echo", headers=anna).status_code == 404
        assert (
            hospital.http.post("/fhir/$change", json={"resourceType": "Parameters"}, headers=anna).status_code
            == 403
        )

    def test_what_changes_something_takes_post_only(self, guarded: tuple[Hospital, Guard]) -> None:
        hospital, _ = guarded
        headers = hospital.token("user/*.cruds")
        for method in ("GET", "HEAD"):
            assert hospital.http.request(method, "/fhir/$change", headers=headers).status_code == 405
        assert (
            hospital.http.post(
                "/fhir/$change", json={"resourceType": "Parameters"}, headers=headers
            ).status_code
            == 200
        )
        assert hospital.http.delete("/fhir/$change", headers=headers).status_code == 405

    def test_the_capability_statement_lists_it(self, guarded: tuple[Hospital, Guard]) -> None:
        hospital, _ = guarded
        rest = hospital.http.get("/fhir/metadata").json()["rest"][0]
        names = [operation["name"] for operation in rest["operation"]]
        assert {"change", "convert-data", "export", "import", "meta", "process-message", "versions"} <= set(
            names
        )
        assert names == sorted(set(names))

    @pytest.mark.parametrize(
        "change",
        [
            {"access": ""},
            {"access": "x"},
            {"access": "read"},
            {"types": ("Nonsense",)},
            {"types": ("Patient", "Patient")},
        ],
    )
    def test_one_that_declares_no_access_is_refused_at_start(self, change: dict[str, Any]) -> None:
        with pytest.raises(OperationRefused):
            Operations([type("Bad", (Echo,), change)()])
