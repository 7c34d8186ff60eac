"""The pages in a real browser: laid out by their style sheet, with nothing that their policy refuses, scripts first."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import Settings
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts
from tests.browser.conftest import serving
from tests.patience import PATIENCE
from tests.server.conftest import PASSWORD, free_port
from tests.server.conftest import RECORDS as PEOPLE
from tests.server.test_pages import RECORDS

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --enable-logging=stderr"
).split()


@pytest.fixture(scope="module")
def address(database_url: str) -> Iterator[str]:
    """Where the application is served."""
    settings = Settings(database_url=database_url, port=free_port())

    async def furnish() -> None:
        async with await Store.open(database_url) as store:
            for record in (*PEOPLE, *RECORDS):
                await store.update(record["resourceType"], record["id"], record, EVERYTHING)
            await Accounts(store).add_user("clara", PASSWORD, "clinician")

    asyncio.run(furnish())
    with serving(settings):
        yield settings.root


def sign_in_link(database_url: str) -> str:
    async def make() -> str:
        async with await Store.open(database_url) as store:
            accounts = Accounts(store)
            clara = await accounts.find_user("clara")
            assert clara is not None
            return await accounts.create_login_link(clara)

    return asyncio.run(make())


def browse(chromium: str, profile: Path, url: str, *more: str) -> tuple[str, str]:
    """The page as the browser holds it (unless `more` asks for something else), and what the browser had to say."""
    done = subprocess.run(
        [chromium, *FLAGS, f"--user-data-dir={profile}", *(more or ["--dump-dom"]), url],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


def test_a_sign_in_link_leads_to_patients_whose_pages_break_no_policy(
    chromium: str, address: str, database_url: str, tmp_path: Path
) -> None:
    profile = tmp_path / "profile"
    cohort, said = browse(chromium, profile, f"{address}/login/link/{sign_in_link(database_url)}")
    assert "Ada Alpha" in cohort
    assert "Content Security Policy" not in said
    page, said = browse(chromium, profile, f"{address}/patients/mallory")
    assert "<h1>" in page, "the browser is still signed in"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "Content Security Policy" not in said
    assert "Refused to" not in said


@pytest.mark.parametrize("size", ["1280,1600", "800,1600"])
def test_a_page_can_be_pictured_at_the_width_of_a_desk_and_of_a_tablet(
    chromium: str, address: str, database_url: str, tmp_path: Path, size: str
) -> None:
    profile, picture = tmp_path / "profile", tmp_path / "page.png"
    browse(chromium, profile, f"{address}/login/link/{sign_in_link(database_url)}")
    browse(chromium, profile, f"{address}/patients/anna", f"--window-size={size}", f"--screenshot={picture}")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 30_000, "an ECG's grid, a timeline and tables are no blank sheet"
