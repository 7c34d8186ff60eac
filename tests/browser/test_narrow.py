"""On a telephone, 390 pixels wide: nothing is off-screen, whatever the record holds."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.server import Settings
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.browser.conftest import HERE, serving
from tests.browser.test_pages import sign_in_link
from tests.patience import PATIENCE
from tests.server.conftest import PASSWORD, free_port, patient
from tests.server.conftest import RECORDS as PEOPLE
from tests.server.test_pages import RECORDS, REFUSAL
from tests.server.test_pages_trends import ldl

ENDLESS = "x" * 1_000_000
WIDE = [
    patient("wide", "W" * 300) | {"identifier": [{"system": "urn:x", "value": "9" * 500}]},
    *(
        ldl(f"w{number}", f"0{number}-01", number, **more) | {"subject": {"reference": "Patient/wide"}}
        for number, more in enumerate(
            (
                {"code": {"coding": [{"system": "urn:lab", "code": ENDLESS}]}},
                {"code": {"coding": [{"system": "urn:lab", "code": ENDLESS}]}},
                {"code": {"text": "unit"}, "valueQuantity": {"value": 1, "unit": ENDLESS}},
                {"valueQuantity": None, "valueString": ENDLESS},
            ),
            1,
        )
    ),
    {
        "resourceType": "Condition",
        "id": "wide-condition",
        "code": {"text": ENDLESS},
        "subject": {"reference": "Patient/wide"},
    },
]
WIDE += [
    REFUSAL
    | {
        "id": f"wide-{number}",
        "subject": {"reference": "Patient/wide"},
        "code": {"coding": [{"system": PREDICTION_CODES, "code": f"model-{number}"}], "text": "M" * 400},
        "derivedFrom": [
            {"reference": f"Observation/w{entry}/_history/1", "display": text}
            for entry, text in enumerate(
                ("birth date, sex, whether deceased", "L" * 900, "eGFR: 71 mL/min"), 1
            )
        ],
        "component": [
            {
                "code": {"coding": [{"system": PREDICTION_CODES, "code": code}], "text": "C" * 500},
                **value,
            }
            for code, value in (
                ("population", {"valueString": "P" * 700}),
                ("contribution-age", {"valueQuantity": {"value": -123.456789}}),
            )
        ],
        **more,
    }
    for number, more in enumerate(
        (
            {"dataAbsentReason": {"text": "R" * 900}},
            {"dataAbsentReason": None, "valueQuantity": {"value": 12.3, "unit": "%"}},
        )
    )
]
PATHS = (
    "/",
    "/inbox",
    "/inbox/messages",
    "/models",
    "/fhir/openapi.html",
    "/patients/anna",
    "/patients/mallory",
    "/patients/wide",
)


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    settings = Settings(database_url=database_url, port=free_port())

    async def furnish() -> None:
        async with await Store.open(database_url) as store:
            for record in (*PEOPLE, *RECORDS, *WIDE):
                await store.update(record["resourceType"], record["id"], record, EVERYTHING)
            await Accounts(store).add_user("clara", PASSWORD, "clinician")

    asyncio.run(furnish())
    with serving(settings):
        yield settings.root


def test_nothing_is_off_screen(
    chromium: str, npm_packages: Path, address: str, database_url: str, tmp_path: Path
) -> None:
    environment = os.environ | {
        "ROOT": address,
        "CHROMIUM": chromium,
        "PROFILE": str(tmp_path / "profile"),
        "PLAYWRIGHT": str(npm_packages / "node_modules/playwright-core/index.mjs"),
        "LINK": f"/login/link/{sign_in_link(database_url)}",
        "PATHS": " ".join(PATHS),
    }
    done = subprocess.run(
        ["node", str(HERE / "drive.mjs"), "narrow"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    shown: dict[str, Any] = json.loads(done.stdout)
    assert set(shown["pages"]) == set(PATHS)
    assert shown["pages"]["/patients/wide"]["title"].endswith("more characters)")
    for path, found in shown["pages"].items():
        assert found["width"] == 390, path
        assert found["nodes"] == [], path
        assert found["needs"] <= found["width"], path
        assert found["stacked"] == [], path
    assert shown["pages"]["/"]["rows"] > 3
    # The two predictions of no model of this server are listed without their inputs.
    assert shown["pages"]["/patients/wide"]["rows"] >= 4
