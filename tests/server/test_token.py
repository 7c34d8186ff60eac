"""Codes, refresh tokens, id_tokens, introspection and revocation."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.server.conftest import BASE, CALLBACK, FHIR, Hospital, Pair, arrived, pkce

SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"


def fresh_code(hospital: Hospital, pair: Any, scope: str = SCOPE, **more: str) -> str:
    hospital.sign_in("clara")
    return hospital.approve(hospital.request("app", scope, pair, **more), patient="anna")["code"]


def read_status(hospital: Hospital, access: str) -> int:
    hospital.services.tokens.forget()
    return hospital.http.get("/fhir/Patient/anna", headers={"Authorization": f"Bearer {access}"}).status_code


def test_the_answer_is_what_smart_asks_for(hospital: Hospital) -> None:
    pair = pkce()
    response = hospital.exchange(fresh_code(hospital, pair), pair, client_id="app")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    body = response.json()
    assert body["token_type"] == "Bearer"
    assert body["expires_in"] == 3600
    assert set(body["scope"].split()) == set(SCOPE.split())
    assert body["patient"] == "anna"
    assert body["need_patient_banner"] is True


def test_the_id_token_is_signed_and_names_the_user(hospital: Hospital) -> None:
    pair = pkce()
    body = hospital.exchange(fresh_code(hospital, pair, nonce="n-1"), pair, client_id="app").json()
    keys = KeySet.import_key_set(hospital.http.get("/oauth/jwks").json())
    token = jwt.decode(body["id_token"], keys, algorithms=["RS256"])
    assert token.header["alg"] == "RS256"
    assert token.claims["iss"] == BASE
    assert token.claims["aud"] == "app"
    assert token.claims["nonce"] == "n-1"
    assert token.claims["fhirUser"] == f"{FHIR}/Practitioner/clara"
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert (
        hospital.http.get("/fhir/Practitioner/clara", headers=headers).json()["resourceType"]
        == "Practitioner"
    )


def test_the_published_key_holds_no_secret(hospital: Hospital) -> None:
    (key,) = hospital.http.get("/oauth/jwks").json()["keys"]
    assert not {"d", "p", "q", "dp", "dq", "qi"} & set(key)


@pytest.mark.parametrize("kind", ["none", "blank", "random", "challenge"])
def test_a_code_needs_its_verifier(hospital: Hospital, kind: str) -> None:
    pair = pkce()
    form = {
        "grant_type": "authorization_code",
        "code": fresh_code(hospital, pair),
        "redirect_uri": CALLBACK,
        "client_id": "app",
    }
    verifier = {"none": None, "blank": "", "random": pkce().verifier, "challenge": pair.challenge}[kind]
    if verifier is not None:
        form["code_verifier"] = verifier
    response = hospital.http.post("/oauth/token", data=form)
    assert (response.status_code, response.json()["error"]) == (400, "invalid_grant")


def test_bad_codes_clients_and_redirects_are_refused(hospital: Hospital) -> None:
    pair = pkce()
    assert hospital.exchange("BAD_CODE", pair, client_id="app").json()["error"] == "invalid_grant"
    wrong_client = hospital.exchange(fresh_code(hospital, pair), pair, client_id="BAD_CLIENT_ID")
    assert (wrong_client.status_code, wrong_client.json()["error"]) == (401, "invalid_client")
    other_client = hospital.exchange(fresh_code(hospital, pair), pair, client_id="other")
    assert other_client.json()["error"] == "invalid_grant"
    code = fresh_code(hospital, pair)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK + "/x",
        "client_id": "app",
    }
    response = hospital.http.post("/oauth/token", data=form | {"code_verifier": pair.verifier})
    assert response.json()["error"] == "invalid_grant"


def test_a_code_used_twice_ends_what_was_made_of_it(hospital: Hospital) -> None:
    pair = pkce()
    code = fresh_code(hospital, pair)
    body = hospital.exchange(code, pair, client_id="app").json()
    assert read_status(hospital, body["access_token"]) == 200
    assert hospital.exchange(code, pair, client_id="app").json()["error"] == "invalid_grant"
    assert read_status(hospital, body["access_token"]) == 401


def test_a_code_is_over_after_a_minute(hospital: Hospital) -> None:
    pair = pkce()
    code = fresh_code(hospital, pair)
    hospital.sql("UPDATE oauth_code SET expires = now() - interval '1 second'")
    assert hospital.exchange(code, pair, client_id="app").json()["error"] == "invalid_grant"


def test_unknown_grants_and_bodies_are_refused(hospital: Hospital) -> None:
    post = hospital.http.post
    assert (
        post("/oauth/token", data={"grant_type": "not_a_grant_type", "client_id": "app"}).status_code == 400
    )
    assert post("/oauth/token", json={"grant_type": "authorization_code"}).status_code == 415
    assert post("/oauth/token", data={"client_id": ["app", "app"]}).status_code == 400
    assert post("/oauth/token", content=b"a=" + b"x" * 70_000).status_code == 413
    assert post("/oauth/token", data={"client_id": "app\x00"}).status_code == 400


class TestRefresh:
    def first(self, hospital: Hospital) -> dict[str, Any]:
        return hospital.authorized(SCOPE)

    def refresh(self, hospital: Hospital, token: str, **more: str) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "app"}
        return hospital.http.post("/oauth/token", data=form | more)

    def test_a_refresh_gives_new_tokens_of_the_same_scope(self, hospital: Hospital) -> None:
        first = self.first(hospital)
        second = self.refresh(hospital, first["refresh_token"]).json()
        assert second["scope"] == first["scope"]
        assert second["refresh_token"] != first["refresh_token"]
        assert second["patient"] == "anna"
        assert read_status(hospital, second["access_token"]) == 200

    def test_a_public_client_need_not_name_itself(self, hospital: Hospital) -> None:
        first = self.first(hospital)
        form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        second = hospital.http.post("/oauth/token", data=form)
        assert second.status_code == 200
        again = hospital.http.post("/oauth/token", data=form)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        assert read_status(hospital, second.json()["access_token"]) == 401
        unknown = hospital.http.post("/oauth/token", data=form | {"refresh_token": "x"})
        assert unknown.json()["error"] == "invalid_grant"

    def test_a_refresh_may_narrow_and_never_widen(self, hospital: Hospital) -> None:
        first = self.first(hospital)
        wide = self.refresh(hospital, first["refresh_token"], scope="patient/*.cruds")
        assert (wide.status_code, wide.json()["error"]) == (400, "invalid_scope")
        narrow = self.refresh(hospital, first["refresh_token"], scope="patient/Patient.r").json()
        assert narrow["scope"] == "patient/Patient.r"
        headers = {"Authorization": f"Bearer {narrow['access_token']}"}
        assert hospital.http.get("/fhir/Observation?patient=anna", headers=headers).status_code == 403

    def test_another_client_can_not_use_it(self, hospital: Hospital) -> None:
        first = self.first(hospital)
        assert (
            self.refresh(hospital, first["refresh_token"], client_id="other").json()["error"]
            == "invalid_grant"
        )
        assert self.refresh(hospital, str(uuid.uuid4())).json()["error"] == "invalid_grant"

    def test_a_refresh_token_that_comes_again_ends_the_whole_family(self, hospital: Hospital) -> None:
        first = self.first(hospital)
        second = self.refresh(hospital, first["refresh_token"]).json()
        assert self.refresh(hospital, first["refresh_token"]).json()["error"] == "invalid_grant"
        assert self.refresh(hospital, second["refresh_token"]).json()["error"] == "invalid_grant"
        assert read_status(hospital, second["access_token"]) == 401

    def test_without_offline_access_there_is_no_refresh_token(self, hospital: Hospital) -> None:
        assert "refresh_token" not in hospital.authorized("launch/patient patient/*.rs")

    def test_an_online_token_ends_with_the_session(self, hospital: Hospital) -> None:
        first = hospital.authorized("launch/patient online_access patient/*.rs")
        second = self.refresh(hospital, first["refresh_token"]).json()
        hospital.sql("DELETE FROM account_session")
        assert self.refresh(hospital, second["refresh_token"]).json()["error"] == "invalid_grant"


class TestUseOfTokens:
    def test_only_an_access_token_opens_the_api(self, hospital: Hospital) -> None:
        body = hospital.authorized(SCOPE)
        assert read_status(hospital, body["access_token"]) == 200
        for other in (body["id_token"], body["refresh_token"], "x", ""):
            assert read_status(hospital, other) == 401

    def test_a_token_in_the_address_or_twice_is_refused(self, hospital: Hospital) -> None:
        token = hospital.authorized(SCOPE)["access_token"]
        get = hospital.http.get
        assert get(f"/fhir/Patient/anna?access_token={token}").status_code == 400
        twice = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
        assert get("/fhir/Patient/anna", headers=twice).status_code == 400
        basic = base64.b64encode(f"app:{token}".encode()).decode()
        assert get("/fhir/Patient/anna", headers={"Authorization": f"Basic {basic}"}).status_code == 401

    def test_no_token_gives_401_with_a_challenge_and_an_outcome(self, hospital: Hospital) -> None:
        response = hospital.http.get("/fhir/Patient/anna")
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["issue"][0]["code"] == "login"

    def test_an_expired_token_and_one_of_another_base_are_refused(self, hospital: Hospital) -> None:
        token = hospital.authorized(SCOPE)["access_token"]
        hospital.sql("UPDATE oauth_grant SET audience = 'https://elsewhere.example/fhir'")
        assert read_status(hospital, token) == 401
        token = hospital.authorized(SCOPE)["access_token"]
        hospital.sql("UPDATE oauth_token SET expires = now() - interval '1 second'")
        assert read_status(hospital, token) == 401

    def test_a_session_cookie_does_not_open_the_api(self, hospital: Hospital) -> None:
        hospital.sign_in("clara")
        assert hospital.http.get("/fhir/Patient/anna").status_code == 401

    def test_a_disabled_account_ends_its_tokens(self, hospital: Hospital) -> None:
        token = hospital.authorized(SCOPE)["access_token"]
        hospital.sql("UPDATE account SET disabled = true WHERE username = 'clara'")
        assert read_status(hospital, token) == 401
        hospital.sql("UPDATE account SET disabled = false WHERE username = 'clara'")


class TestInspection:
    def introspect(self, hospital: Hospital, token: str, by: str) -> Any:
        headers = {"Authorization": f"Bearer {by}"}
        return hospital.http.post("/oauth/introspect", data={"token": token}, headers=headers)

    def test_an_active_token_tells_what_was_granted(self, hospital: Hospital) -> None:
        body = hospital.authorized(SCOPE)
        reported = self.introspect(hospital, body["access_token"], body["access_token"]).json()
        assert reported["active"] is True
        assert reported["client_id"] == "app"
        assert set(reported["scope"].split()) == set(body["scope"].split())
        assert reported["patient"] == "anna"
        assert reported["fhirUser"] == f"{FHIR}/Practitioner/clara"
        assert reported["iss"] == BASE

    def test_an_unknown_token_tells_nothing_else(self, hospital: Hospital) -> None:
        asker = hospital.authorized(SCOPE)["access_token"]
        assert self.introspect(hospital, "unknown", asker).json() == {"active": False}

    def test_a_client_learns_nothing_of_anothers_token(self, hospital: Hospital) -> None:
        token = hospital.authorized(SCOPE)["access_token"]
        asker = hospital.authorized(SCOPE, client="other")["access_token"]
        assert self.introspect(hospital, token, asker).json() == {"active": False}
        assert (
            hospital.http.post("/oauth/introspect", data={"token": token, "client_id": "app"}).status_code
            == 401
        )

    def test_revocation_ends_the_grant(self, hospital: Hospital) -> None:
        body = hospital.authorized(SCOPE)
        foreign = hospital.http.post(
            "/oauth/revoke", data={"token": body["refresh_token"], "client_id": "other"}
        )
        assert foreign.status_code == 200
        assert read_status(hospital, body["access_token"]) == 200
        own = hospital.http.post("/oauth/revoke", data={"token": body["refresh_token"], "client_id": "app"})
        assert own.status_code == 200
        assert read_status(hospital, body["access_token"]) == 401
        form = {"grant_type": "refresh_token", "refresh_token": body["refresh_token"], "client_id": "app"}
        assert hospital.http.post("/oauth/token", data=form).json()["error"] == "invalid_grant"


class TestConfidentialClient:
    @pytest.fixture
    def secret(self, hospital: Hospital) -> str:
        accounts = hospital.services.accounts
        if hospital.run(accounts.find_client, "web"):
            hospital.run(accounts.remove_client, "web")
        _, secret = hospital.run(
            accounts.add_client, "web", "Web app", "secret", SCOPE, redirect_uris=[CALLBACK]
        )
        assert secret
        return str(secret)

    def code(self, hospital: Hospital, pair: Pair) -> str:
        hospital.sign_in("clara")
        return hospital.approve(hospital.request("web", SCOPE, pair), patient="anna")["code"]

    def test_basic_and_post_authenticate(self, hospital: Hospital, secret: str) -> None:
        pair = pkce()
        basic = {"Authorization": "Basic " + base64.b64encode(f"web:{secret}".encode()).decode()}
        form = {
            "grant_type": "authorization_code",
            "code": self.code(hospital, pair),
            "redirect_uri": CALLBACK,
            "code_verifier": pair.verifier,
        }
        assert hospital.http.post("/oauth/token", data=form, headers=basic).status_code == 200
        form["code"] = self.code(hospital, pair)
        posted = hospital.http.post("/oauth/token", data=form | {"client_id": "web", "client_secret": secret})
        assert posted.status_code == 200

    def test_a_refresh_token_alone_is_not_enough(self, hospital: Hospital, secret: str) -> None:
        pair = pkce()
        code = self.code(hospital, pair)
        answer = hospital.exchange(code, pair, client_id="web", client_secret=secret).json()
        form = {"grant_type": "refresh_token", "refresh_token": answer["refresh_token"]}
        refused = hospital.http.post("/oauth/token", data=form)
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")

    def test_a_wrong_or_missing_secret_is_refused(self, hospital: Hospital, secret: str) -> None:
        code = self.code(hospital, pkce())
        for extra in ({"client_secret": "wrong"}, {}):
            response = hospital.exchange(code, None, client_id="web", **extra)
            assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
        wrong = {"Authorization": "Basic " + base64.b64encode(b"web:wrong").decode()}
        response = hospital.http.post(
            "/oauth/token", data={"grant_type": "authorization_code"}, headers=wrong
        )
        assert response.headers["www-authenticate"].startswith("Basic")

    def test_two_ways_of_authentication_are_refused(self, hospital: Hospital, secret: str) -> None:
        basic = {"Authorization": "Basic " + base64.b64encode(f"web:{secret}".encode()).decode()}
        form = {"grant_type": "authorization_code", "client_secret": secret}
        assert (
            hospital.http.post("/oauth/token", data=form, headers=basic).json()["error"] == "invalid_request"
        )

    @pytest.mark.parametrize("verifier", [None, pkce()])
    def test_a_secret_does_not_replace_the_verifier(
        self, hospital: Hospital, secret: str, verifier: Pair | None
    ) -> None:
        code = self.code(hospital, pkce())
        response = hospital.exchange(code, verifier, client_id="web", client_secret=secret)
        assert response.json()["error"] == "invalid_grant"

    @pytest.mark.parametrize(
        "more",
        [
            {},
            {"code_challenge": pkce().challenge},
            {"code_challenge": pkce().challenge, "code_challenge_method": "plain"},
            {"code_challenge_method": "S256"},
        ],
    )
    def test_it_gets_no_code_without_a_challenge(
        self, hospital: Hospital, secret: str, more: dict[str, str]
    ) -> None:
        hospital.sign_in("clara")
        parameters = hospital.request("web", SCOPE, None, **more)
        answer = hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False)
        assert arrived(answer)["error"] == "invalid_request"
