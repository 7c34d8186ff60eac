"""Backend services: private_key_jwt as SMART asks for it, and every way to get it wrong."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from fhir_bridge.egress import Allowed
from fhir_bridge.egress import client as egress_client
from fhir_bridge.server.authorization.clients import ASSERTION_TYPE
from fhir_bridge.server.smart import jwks
from fhir_bridge.server.smart.jwks import JwksCache, JwksUnavailable
from fhir_bridge.storage.accounts import Client
from tests.server.conftest import BASE, FHIR, Hospital

TOKEN = BASE + "/oauth/token"
RSA = RSAKey.generate_key(2048, {"kid": "r1"})
EC = ECKey.generate_key("P-384", {"kid": "e1"})
STRANGER = RSAKey.generate_key(2048, {"kid": "r1"})


@pytest.fixture(scope="module")
def backend(hospital: Hospital) -> Hospital:
    own = {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]}
    add = hospital.services.accounts.add_client
    hospital.run(add, "robot", "Robot", "key", "system/*.rs", jwks=own, purpose="HRESCH")
    hospital.run(
        add,
        "writer",
        "Writer",
        "key",
        "system/Observation.cruds",
        jwks={"keys": [STRANGER.as_dict(private=False)]},
    )
    return hospital


def assertion(key: Any = RSA, alg: str = "RS384", header: dict[str, Any] | None = None, **change: Any) -> str:
    claims = {
        "iss": "robot",
        "sub": "robot",
        "aud": TOKEN,
        "exp": int(time.time()) + 300,
        "jti": str(uuid.uuid4()),
    }
    claims = {name: value for name, value in (claims | change).items() if value is not None}
    return jwt.encode({"alg": alg, "kid": key.kid or "x", **(header or {})}, claims, key, algorithms=[alg])


def ask(hospital: Hospital, signed: str, scope: str = "system/*.rs", **more: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed,
    }
    return hospital.http.post("/oauth/token", data=form | more)


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS384"), (EC, "ES384")])
def test_a_signed_assertion_gets_a_short_token_without_refresh(backend: Hospital, key: Any, alg: str) -> None:
    response = ask(backend, assertion(key, alg))
    assert response.status_code == 200, response.text
    body = response.json()
    assert body["expires_in"] <= 300
    assert body["scope"] == "system/*.rs"
    assert "refresh_token" not in body
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert backend.http.get("/fhir/Patient/anna", headers=headers).status_code == 200
    assert (
        backend.http.post("/fhir/Patient", json={"resourceType": "Patient"}, headers=headers).status_code
        == 403
    )


def test_the_allowed_subset_is_granted(backend: Hospital) -> None:
    body = ask(backend, assertion(), "system/Patient.read system/Observation.read user/*.rs launch").json()
    assert body["scope"] == "system/Patient.read system/Observation.read"
    assert ask(backend, assertion(), "system/Patient.c").json()["error"] == "invalid_scope"
    assert ask(backend, assertion(), "").json()["error"] == "invalid_scope"


def test_the_purpose_is_the_registered_one(backend: Hospital) -> None:
    token = ask(backend, assertion()).json()["access_token"]
    caller = backend.run(backend.services.tokens.caller, token)
    assert caller.access.purpose == "HRESCH"


def test_an_assertion_serves_once(backend: Hospital) -> None:
    signed = assertion()
    assert ask(backend, signed).status_code == 200
    again = ask(backend, signed)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    "change",
    [
        {"exp": int(time.time()) + 3600},
        {"exp": int(time.time()) - 3600},
        {"exp": None},
        {"exp": True},
        {"exp": "soon"},
        {"aud": "https://elsewhere.example/token"},
        {"aud": FHIR},
        {"aud": None},
        {"sub": "writer"},
        {"iss": "writer"},
        {"iss": "writer", "sub": "writer"},
        {"iss": "nobody", "sub": "nobody"},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
        {"jti": "a\x00"},
        {"iss": "a\x00", "sub": "a\x00"},
        {"nbf": int(time.time()) + 3600},
        {"iat": int(time.time()) + 3600},
    ],
)
def test_wrong_claims_are_refused(backend: Hospital, change: dict[str, Any]) -> None:
    response = ask(backend, assertion(**change))
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


HALF = "\ud800"
"""Half a surrogate pair, which JSON can escape, and UTF-8 can't hold."""


@pytest.mark.parametrize(
    "change",
    [
        {"jti": HALF},
        {"iss": HALF, "sub": HALF},
        {"aud": [TOKEN, HALF]},
        {"exp": float("nan")},
        {"jti": "a\x00"},
    ],
)
@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
def test_claims_that_no_database_takes_are_refused(
    backend: Hospital, change: dict[str, Any], path: str
) -> None:
    claims = {"iss": "robot", "sub": "robot", "aud": TOKEN, "exp": int(time.time()) + 200} | change
    payload = json.dumps({"jti": str(uuid.uuid4())} | claims)
    signed = jws.serialize_compact({"alg": "ES384", "kid": "e1"}, payload, EC, algorithms=["ES384"])
    form = {"grant_type": "client_credentials", "scope": "system/*.rs", "token": "x"}
    form |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}
    response = backend.http.post(f"/oauth/{path}", data=form)
    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("path", ["token", "introspect", "revoke"])
@pytest.mark.parametrize(
    "header", [b"Basic \xe9", b"Basic \xe9Og==", b"Basic Og==", b"Bearer \xe9", b"\xe9", b"Basic"]
)
def test_a_header_that_is_no_credential_is_refused(backend: Hospital, path: str, header: bytes) -> None:
    response = backend.http.post(
        f"/oauth/{path}",
        data={"grant_type": "client_credentials", "token": "x"},
        headers={"Authorization": header},
    )
    assert response.status_code == 401
    assert response.json()["error"] in ("invalid_client", "invalid_token")


def test_wrong_keys_and_algorithms_are_refused(backend: Hospital) -> None:
    signatures = [
        assertion(STRANGER),
        assertion(RSA, "RS256"),
        assertion(OctKey.import_key("a secret of the client that is long enough for HS256"), "HS256"),
        assertion(header={"jku": "https://evil.example/jwks"}),
        assertion(header={"kid": "unknown"}),
        assertion()[:-8] + "AAAAAAAA",
        "not.a.jwt",
        "eyJhbGciOiJub25lIn0.eyJpc3MiOiJyb2JvdCIsInN1YiI6InJvYm90In0.",
        "",
    ]
    for signed in signatures:
        response = ask(backend, signed)
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client"), signed[:60]


def test_the_assertion_type_and_client_id_must_fit(backend: Hospital) -> None:
    assert ask(backend, assertion(), client_assertion_type="wrong").status_code == 401
    assert ask(backend, assertion(), client_id="writer").status_code == 401
    assert ask(backend, assertion(), client_id="robot").status_code == 200


def test_a_client_by_secret_is_no_backend_service(backend: Hospital) -> None:
    _, secret = backend.run(backend.services.accounts.add_client, "by-secret", "x", "secret", "system/*.rs")
    form = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_id": "by-secret",
        "client_secret": secret,
    }
    assert backend.http.post("/oauth/token", data=form).json()["error"] == "unauthorized_client"


class TestJwksAddress:
    """A key set is fetched from the registered address only, and kept as long as its Cache-Control says."""

    now = 0.0

    def cache(
        self, hospital: Hospital, answer: Any, clock: Callable[[], float] | None = None
    ) -> tuple[JwksCache, list[str]]:
        asked: list[str] = []

        async def handler(request: httpx.Request) -> httpx.Response:
            asked.append(str(request.url))
            await asyncio.sleep(0)  # as long as others may come
            result: httpx.Response = answer(len(asked))
            return result

        http = httpx.AsyncClient(transport=httpx.MockTransport(handler))
        return JwksCache(http, clock=clock or (lambda: self.now)), asked

    client = Client("robot", "Robot", "key", jwks_uri="https://robot.example/jwks")

    @staticmethod
    def keys(cache_control: str) -> Callable[[int], httpx.Response]:
        keys = {"keys": [RSA.as_dict(private=False)]}
        return lambda _: httpx.Response(200, json=keys, headers={"Cache-Control": cache_control})

    def test_kept_as_long_as_it_says(self, hospital: Hospital) -> None:
        cache, asked = self.cache(hospital, self.keys("max-age=90"))
        hospital.run(cache.of, self.client)
        self.now = 89
        hospital.run(cache.of, self.client)
        assert len(asked) == 1
        self.now = 91
        hospital.run(cache.of, self.client)
        assert len(asked) == 2

    def test_not_kept_where_it_must_not_be(self, hospital: Hospital) -> None:
        cache, asked = self.cache(hospital, self.keys("no-store"))
        hospital.run(cache.of, self.client)
        self.now = 1
        hospital.run(cache.of, self.client)
        assert len(asked) == 2

    def test_unknown_key_ids_fetch_it_again_once_a_minute(self, hospital: Hospital) -> None:
        cache, asked = self.cache(hospital, self.keys("max-age=3600"))
        hospital.run(cache.of, self.client)
        assert hospital.run(cache.newer, self.client) is None
        self.now = 61
        assert hospital.run(cache.newer, self.client) is not None
        assert hospital.run(cache.newer, self.client) is None
        assert len(asked) == 2

    @pytest.mark.parametrize("cache_control", ["no-store", "max-age=3600"])
    def test_callers_who_come_while_it_is_fetched_share_the_answer(
        self, hospital: Hospital, cache_control: str
    ) -> None:
        def answer(_: int) -> httpx.Response:
            self.now += 0.1
            return self.keys(cache_control)(_)

        cache, asked = self.cache(hospital, answer)

        async def burst() -> None:
            results = await asyncio.gather(*(cache.of(self.client) for _ in range(10)))
            assert all(len(keys.keys) == 1 for keys in results)

        hospital.run(burst)
        assert len(asked) == 1

    def test_they_share_a_failure_as_well(self, hospital: Hospital) -> None:
        def answer(_: int) -> httpx.Response:
            self.now += 0.1
            return httpx.Response(500)

        cache, asked = self.cache(hospital, answer)

        async def burst() -> None:
            refused = await asyncio.gather(
                *(cache.of(self.client) for _ in range(50)), return_exceptions=True
            )
            assert all(isinstance(error, JwksUnavailable) for error in refused)

        hospital.run(burst)
        assert len(asked) == 1

    def test_assertions_that_nobody_signed_do_not_make_the_server_fetch(
        self, backend: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache, asked = self.cache(backend, self.keys("max-age=3600"))
        monkeypatch.setattr(backend.services, "jwks", cache)
        address = self.client.jwks_uri
        backend.run(
            backend.services.accounts.add_client, "far", "Far", "key", "system/*.rs", jwks_uri=address
        )
        for attempt in range(5):
            signed = assertion(STRANGER, header={"kid": f"guess-{attempt}"}, iss="far", sub="far")
            assert ask(backend, signed).status_code == 401
        assert ask(backend, assertion(iss="far", sub="far")).status_code == 200
        assert len(asked) == 1

    def test_a_rotated_key_is_fetched(self, backend: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
        sets = [{"keys": [EC.as_dict(private=False)]}, {"keys": [RSA.as_dict(private=False)]}]
        cache, asked = self.cache(
            backend,
            lambda count: httpx.Response(
                200, json=sets[count - 1], headers={"Cache-Control": "max-age=3600"}
            ),
        )
        monkeypatch.setattr(backend.services, "jwks", cache)
        address = self.client.jwks_uri
        backend.run(
            backend.services.accounts.add_client, "turn", "Turn", "key", "system/*.rs", jwks_uri=address
        )
        assert ask(backend, assertion(EC, "ES384", iss="turn", sub="turn")).status_code == 200
        self.now = 61
        assert ask(backend, assertion(iss="turn", sub="turn")).status_code == 200
        assert len(asked) == 2

    def test_a_slow_address_holds_few_callers_and_not_for_long(
        self, backend: Hospital, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jwks, "TOTAL_SECONDS", 1.0)
        begun: list[int] = []

        class Dripping(httpx.AsyncByteStream):
            async def __aiter__(self) -> AsyncIterator[bytes]:
                for _ in range(6000):
                    yield b" "
                    await asyncio.sleep(0.05)

        def answer(count: int) -> httpx.Response:
            begun.append(count)
            return httpx.Response(200, stream=Dripping())

        cache, _ = self.cache(backend, answer, lambda: time.monotonic() + self.now)
        monkeypatch.setattr(backend.services, "jwks", cache)
        address = self.client.jwks_uri
        backend.run(
            backend.services.accounts.add_client, "slow", "Slow", "key", "system/*.rs", jwks_uri=address
        )
        signed = [assertion(STRANGER, iss="slow", sub="slow") for _ in range(30)]
        with ThreadPoolExecutor(30) as pool:
            answers = list(pool.map(lambda item: ask(backend, item), signed))
        counted = Counter(response.status_code for response in answers)
        assert counted == {401: jwks.MOST_WAITING, 429: 30 - jwks.MOST_WAITING}
        busy = next(response for response in answers if response.status_code == 429)
        assert busy.json()["error"] == "slow_down"
        assert int(busy.headers["Retry-After"]) > 0
        assert all("longer than" in response.text for response in answers if response.status_code == 401)
        # The failure is known now: nobody waits for another one, until it is tried again.
        assert ask(backend, assertion(iss="slow", sub="slow")).status_code == 401
        assert begun == [1]
        self.now = jwks.FAILURE_SECONDS
        assert ask(backend, assertion(iss="slow", sub="slow")).status_code == 401
        assert begun == [1, 2]

    @pytest.mark.parametrize(
        "answer",
        [
            httpx.Response(404),
            httpx.Response(302, headers={"Location": "http://169.254.169.254/"}),
            httpx.Response(200, content=b"not json"),
            httpx.Response(200, content=b"[" * 300_000),
            httpx.Response(200, json={"keys": []}),
            httpx.Response(200, json={"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}),
            httpx.Response(200, json=[1]),
        ],
    )
    def test_what_is_no_key_set_verifies_nothing(self, hospital: Hospital, answer: httpx.Response) -> None:
        cache, _ = self.cache(hospital, lambda _: answer)
        with pytest.raises(JwksUnavailable):
            hospital.run(cache.of, self.client)


def test_a_key_set_inside_a_private_network_is_not_fetched_unless_the_network_is_listed() -> None:
    client = Client("inside", "Inside", "key", jwks_uri="http://127.0.0.1:9/jwks")

    async def ask(networks: str) -> None:
        async with egress_client(Allowed.of(networks=networks).registered()) as http:
            await JwksCache(http).of(client)

    with pytest.raises(JwksUnavailable, match="may not be asked"):
        asyncio.run(ask(""))
    with pytest.raises(JwksUnavailable, match="does not answer"):
        asyncio.run(ask("127.0.0.0/8"))
