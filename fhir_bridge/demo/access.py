"""What a served demonstration adds to the logins: the sample application, and a token to read with curl."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl

from fhir_bridge.demo.cohort import patient_id
from fhir_bridge.demo.people import people
from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.server import sample_app
from fhir_bridge.storage import Store
from fhir_bridge.storage.accounts import Accounts, User
from fhir_bridge.storage.grants import Grant, Grants

__all__ = ["CURL_CLIENT", "Access", "give_access"]

CURL_CLIENT = "curl"
"""Client of the printed token. It has no address, so nobody can ask for a code in its name."""
CURL_SCOPE = "user/*.rs"
VARIANT_CODE = "http://loinc.org|69548-6"
AI_LABEL = "AIAST"


@dataclass(frozen=True, slots=True)
class Access:
    """A token that reads everything for an hour, and what is worth reading.

    Attributes:
        paths: addresses below the FHIR base: all patients, then studies, variants and predictions of one patient.
    """

    token: str
    paths: tuple[str, ...]

    def commands(self, fhir_base: str) -> list[str]:
        """Lines to paste into a shell."""
        return [f'curl -H "Authorization: Bearer {self.token}" "{fhir_base}/{path}"' for path in self.paths]


async def give_access(store: Store, base_url: str, clinician: str) -> Access:
    """Register the sample application at this address and make a token of the clinician's.

    Args:
        base_url: where the server answers; the application is registered anew where it differs from last time.
        clinician: user name; `prepare` made it.

    Raises:
        LookupError: there is no such user.
    """
    accounts = Accounts(store)
    user = await accounts.find_user(clinician)
    if user is None:
        raise LookupError(f'the demonstration has no user "{clinician}"')
    await _register_sample_app(accounts, base_url)
    token = await _token(accounts, Grants(store), user, f"{base_url}/fhir")
    return Access(token, await _paths(store))


async def _register_sample_app(accounts: Accounts, base_url: str) -> None:
    redirects: Sequence[str] = (base_url + sample_app.REDIRECT_PATH,)
    launch = base_url + sample_app.LAUNCH_PATH
    known = await accounts.find_client(sample_app.CLIENT_ID)
    if known is not None:
        if (known.redirect_uris, known.launch_uri, known.scope) == (redirects, launch, sample_app.SCOPE):
            return
        await accounts.remove_client(known.id)
    await accounts.add_client(
        sample_app.CLIENT_ID,
        "Sample app",
        "none",
        sample_app.SCOPE,
        redirect_uris=redirects,
        launch_uri=launch,
    )


async def _token(accounts: Accounts, grants: Grants, user: User, audience: str) -> str:
    """An access token for an hour, without a refresh token; those of earlier starts end."""
    if await accounts.find_client(CURL_CLIENT) is not None:
        await accounts.remove_client(CURL_CLIENT)
    await accounts.add_client(CURL_CLIENT, "curl", "none", CURL_SCOPE)
    grant = Grant(CURL_CLIENT, CURL_SCOPE, audience, account=user.id, purpose="TREAT")
    redeemed = await grants.redeem_code(await grants.create_code(grant, "", None), CURL_CLIENT)
    if redeemed is None:
        raise LookupError("the grant for curl was ended while it was made")
    return (await grants.issue(redeemed.grant_id, CURL_SCOPE, refresh=False)).access


async def _paths(store: Store) -> tuple[str, ...]:
    """All patients, and three searches for the first person of the cohort who has something of each."""
    for person in people():
        of = f"patient={patient_id(person.mrn)}"
        searches = (
            f"ImagingStudy?{of}",
            f"Observation?{of}&code={VARIANT_CODE}",
            f"Observation?{of}&_security={AI_LABEL}",
        )
        if all([await _finds(store, search) for search in searches]):
            return ("Patient", *searches)
    return ("Patient",)


async def _finds(store: Store, search: str) -> bool:
    kind, _, criteria = search.partition("?")
    page = await store.search(kind, parse_qsl(criteria), EVERYTHING, count=1)
    return bool(page.entries)
