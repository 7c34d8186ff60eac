"""The sample application that the demonstration serves, in headless Chromium, beside the pages for people."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import Settings, sample_app
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.browser.conftest import Site, serving
from tests.server.conftest import PASSWORD, RECORDS, free_port, observation

LABEL = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}
MARKUP = "<img src=x onerror=document.title='run'>"


def prediction(identity: str, name: str, **result: Any) -> dict[str, Any]:
    record = {**observation(identity, "anna"), "status": "preliminary", "meta": {"security": [LABEL]}}
    del record["valueQuantity"]
    return {**record, "code": {"text": name}, **result}


PREDICTIONS = [
    prediction("given", "Ten-year risk", valueQuantity={"value": Decimal("7.30"), "unit": "%"}),
    prediction("refused", "Five-year risk", dataAbsentReason={"text": "not applicable: amyloidosis"}),
]
WRITTEN_BY_A_STRANGER = {**observation("anna-text", "anna"), "code": {"text": MARKUP}}


async def _furnish(url: str, root: str) -> None:
    async with await Store.open(url) as store:
        for record in [*RECORDS, *PREDICTIONS, WRITTEN_BY_A_STRANGER]:
            await store.update(record["resourceType"], record["id"], record, EVERYTHING)
        accounts = Accounts(store)
        await accounts.add_user("clara", PASSWORD, "clinician", display="Dr. Clara")
        await accounts.add_user("anna", PASSWORD, "patient", patient="anna")
        await accounts.add_client(
            sample_app.CLIENT_ID,
            "Sample app",
            "none",
            sample_app.SCOPE,
            redirect_uris=[root + sample_app.REDIRECT_PATH],
            launch_uri=root + sample_app.LAUNCH_PATH,
        )


@pytest.fixture(scope="module")
def site(database_url: str) -> Iterator[Site]:
    """The server with pages and the sample application, both under one address."""
    settings = Settings(database_url=database_url, port=free_port(), sample_app=True)
    asyncio.run(_furnish(database_url, settings.root))
    with serving(settings):
        yield Site(settings.root, settings.root)


@pytest.fixture
def link(database_url: str) -> str:
    """Path of a one-time link for the clinician."""

    async def make() -> str:
        async with await Store.open(database_url, max_size=1) as store:
            accounts = Accounts(store)
            clara = await accounts.find_user("clara")
            assert clara is not None
            return f"/login/link/{await accounts.create_login_link(clara)}"

    return asyncio.run(make())


class TestAnEhrLaunch:
    @pytest.fixture
    def shown(self, drive: Any, link: str) -> Any:
        return drive("sampleFromPage", LINK=link)

    def test_the_button_on_the_page_opens_the_app_with_that_patient(self, shown: Any, site: Site) -> None:
        assert (shown["patient"], shown["name"], shown["kind"]) == ("anna", "Ada Alpha", "EHR"), shown
        assert shown["refusals"] == []
        assert set(shown["scope"].split()) == set(sample_app.SCOPE.split()) - {"launch/patient"}
        assert ["2026-03-05", "2093-3", "5.4 mmol/L", "final"] in shown["results"]

        # A prediction is shown as one, with its status and, where it was not given, the reason; not among results.
        given, refused = shown["predictions"]
        assert given.startswith("prediction Ten-year risk 7.30 %")
        assert "status preliminary" in given
        assert "not given: not applicable: amyloidosis" in refused
        assert not any("risk" in row[1] for row in shown["results"])

        # Neither code nor token stays behind, and text is never markup.
        assert shown["address"] == site.root + sample_app.REDIRECT_PATH
        assert shown["kept"] == 0
        assert MARKUP in [row[1] for row in shown["results"]]


class TestAStandaloneLaunch:
    def test_a_clinician_picks_any_patient(self, drive: Any) -> None:
        shown = drive("sampleStandalone")
        assert shown["offered"] == ["anna", "bert"]
        assert (shown["patient"], shown["name"], shown["kind"]) == ("bert", "Ada Beta", "standalone"), shown
        assert shown["predictions"] == ["None."]

    def test_a_patient_gets_the_own_record_only(self, drive: Any) -> None:
        shown = drive("samplePatient")
        assert shown["offered"] == ["anna"]
        assert shown["patient"] == "anna"

    def test_a_patient_who_names_another_in_the_form_gets_nothing(self, drive: Any) -> None:
        shown = drive("samplePatient", CHOOSE="bert")
        assert shown["patient"] is None
        assert "no patient was chosen" in shown["status"]


def test_an_answer_that_nobody_asked_for_is_refused(drive: Any) -> None:
    assert "belongs to no request" in drive("sampleForged")["status"]


def test_it_talks_to_no_other_server(drive: Any) -> None:
    assert "its own server only" in drive("sampleElsewhere")["status"]
