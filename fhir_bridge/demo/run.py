"""The demonstration: write the cohort, load it, predict, make two logins."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.demo import polygenic
from fhir_bridge.demo.cohort import FOLDERS, clinician_id, patient_id, write_cohort
from fhir_bridge.demo.people import Person, people
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline import Account, RunRequest, load_fhir, load_sources, site_key
from fhir_bridge.predictions import PredictionRun, find_predictor
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts, Role, User
from fhir_bridge.storage.errors import OtherSiteKey
from fhir_bridge.storage.settings import read_setting

__all__ = ["STEPS", "Demonstration", "Login", "prepare"]

STEPS = 15
"""Steps that `prepare` reports, for a progress bar."""

Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Login:
    """A sign-in of the demonstration; the password is random and shown once."""

    role: str
    username: str
    password: str


@dataclass(slots=True)
class Demonstration:
    """What `prepare` left.

    Attributes:
        accounts: by adapter, the outcome of the records.
        predictions: by predictor, how many patients got a result and how many a refusal, by reason.
        link: path of the one-time sign-in link (loopback only).
    """

    site: Path
    accounts: dict[str, Account] = field(default_factory=dict)
    predictions: dict[str, Counter[str]] = field(default_factory=dict)
    logins: list[Login] = field(default_factory=list)
    link: str = ""


async def prepare(folder: Path, url: str, on_step: Step = lambda _name: None) -> Demonstration:
    """Write the cohort below `folder`, load all of it, run every predictor and make the logins.

    Doing it again changes nothing but the passwords.

    Raises:
        OtherSiteKey: the database is not the demonstration's; nothing was written.
    """
    await _check_own(url)
    cohort = people()
    site_file = write_cohort(folder, cohort, on_step)
    demonstration = Demonstration(site_file)
    for adapter, name in FOLDERS.items():
        on_step(f"loading {name}")
        demonstration.accounts[adapter] = await _load(adapter, folder / name, site_file, url)
    on_step("loading polygenic scores")
    scores = RunRequest("pgs", site=site_file, validate="all", options=polygenic.options(folder))
    demonstration.accounts["pgs"] = await _off_loop(load_sources, scores, [str(folder / FOLDERS["vcf"])], url)
    on_step("loading consents and the clinician")
    demonstration.accounts["fhir"] = await _off_loop(load_fhir, [str(folder / "fhir")], url, site=site_file)
    site = Site.load(site_file)
    async with await Store.open(url) as store:
        enabled = site.parameters["predictions"]
        for name in enabled:
            predictor = find_predictor(name, site.parameters)
            on_step(f"predicting {name}")
            run = PredictionRun(predictor, site.parameters, site_key(site), store)
            counts: Counter[str] = Counter()
            async for item in run.for_all():
                counts[item.summary().kind] += 1
            demonstration.predictions[name] = counts
        on_step("making two logins")
        await _make_logins(Accounts(store), cohort, demonstration)
    return demonstration


async def _check_own(url: str) -> None:
    """Refuse a database that real records are in, or will be: one of another site key, or with accounts and no key."""
    async with await Store.open(url, max_size=1) as store:
        async with store.connection() as connection:
            known = await read_setting(connection, "site_key")
        accounts = Accounts(store)
        if known is None and (await accounts.users() or await accounts.clients()):
            raise OtherSiteKey(
                "the database has users or clients of its own; the demonstration needs one for itself: "
                "leave FHIR_BRIDGE_DATABASE_URL and FHIR_BRIDGE_DATABASE_DIR unset, or name another"
            )
        await store.check_site_key(IdKey(DEMO_KEY).fingerprint)


async def _load(adapter: str, source: Path, site: Path, url: str) -> Account:
    request = RunRequest(adapter, site=site, validate="all")
    return await _off_loop(load_sources, request, [str(source)], url)


async def _off_loop(run: Callable[..., Any], *arguments: Any, **options: Any) -> Account:
    """Runs have event loops of their own, so they run in a thread."""
    result = await asyncio.to_thread(run, *arguments, **options)
    account: Account = result.account
    return account


async def _make_logins(accounts: Accounts, cohort: tuple[Person, ...], demonstration: Demonstration) -> None:
    someone = cohort[0]
    clinician = await _login(
        accounts, demonstration, "clinician", "clinician", f"Practitioner/{clinician_id()}", None
    )
    await _login(accounts, demonstration, someone.given.lower(), "patient", None, patient_id(someone.mrn))
    demonstration.link = f"/login/link/{await accounts.create_login_link(clinician)}"


async def _login(
    accounts: Accounts,
    demonstration: Demonstration,
    username: str,
    role: Role,
    fhir_user: str | None,
    patient: str | None,
) -> User:
    """The account of this name with a new random password, made where there is none."""
    password = secrets.token_urlsafe(9)
    demonstration.logins.append(Login(role, username, password))
    known = await accounts.find_user(username)
    if known is None:
        return await accounts.add_user(username, password, role, fhir_user=fhir_user, patient=patient)
    await accounts.set_password(username, password)
    return known
