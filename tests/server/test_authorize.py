"""The authorization endpoint refuses what SMART and RFC 9700 say must fail."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest

from fhir_bridge.storage.grants import Launch
from tests.server.conftest import BASE, CALLBACK, FHIR, Hospital, arrived, hidden, pkce

SCOPE = "launch/patient patient/*.rs"


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/callback.evil",
        "https://app.example.evil/callback",
        "https://app.example/callback/../x",
        "https://app.example/callback?extra=1",
        "http://app.example/callback",
        "https://user@app.example/callback",
        "https://app.example/callback#x",
        "https://app.example:444/callback",
        "https://APP.example/callback",
        "https://äpp.example/callback",
        "",
        None,
    ],
)
def test_a_redirect_uri_that_is_not_the_registered_one_is_never_followed(
    hospital: Hospital, uri: str | None
) -> None:
    hospital.sign_in("clara")
    answer = hospital.http.get(
        "/oauth/authorize",
        params=hospital.request("app", SCOPE, pkce(), redirect_uri=uri),
        follow_redirects=False,
    )
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_an_unknown_client_gets_a_page_and_no_redirect(hospital: Hospital) -> None:
    answer = hospital.http.get(
        "/oauth/authorize", params=hospital.request("nobody", SCOPE, pkce()), follow_redirects=False
    )
    assert (answer.status_code, "location" in answer.headers) == (400, False)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://inferno.healthit.gov/invalid_aud"}, "invalid_request"),
        ({"aud": FHIR + "/x"}, "invalid_request"),
        ({"aud": FHIR.upper()}, "invalid_request"),
        ({"aud": FHIR.replace("127.0.0.1", "localhost")}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"state": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "patient/Observation.dus nonsense"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        (
            {"scope": "patient/Observation.rs?" + "&".join(f"category=urn:x|{n}" for n in range(5))},
            "invalid_scope",
        ),
        ({"scope": "launch"}, "invalid_scope"),
        ({"launch": "forged"}, "invalid_request"),
        ({"scope": "launch patient/*.rs", "launch": "forged"}, "invalid_request"),
        ({"request": "eyJ"}, "request_not_supported"),
        ({"prompt": "none"}, "interaction_required"),
    ],
)
def test_a_bad_request_goes_back_as_error_with_the_state_and_the_issuer(
    hospital: Hospital, change: dict[str, str | None], error: str
) -> None:
    hospital.sign_in("clara")
    parameters = hospital.request("app", SCOPE, pkce()) | change  # type: ignore[operator]
    sent = {name: value for name, value in parameters.items() if value is not None}
    answer = hospital.http.get("/oauth/authorize", params=sent, follow_redirects=False)
    assert answer.status_code == 302
    got = arrived(answer)
    assert (got["error"], got["iss"]) == (error, BASE)
    assert "code" not in got
    if sent.get("state"):
        assert got["state"] == sent["state"]


def test_a_parameter_given_twice_is_refused(hospital: Hospital) -> None:
    query = urlencode(hospital.request("app", SCOPE, pkce())) + "&scope=user/*.cruds"
    assert hospital.http.get(f"/oauth/authorize?{query}", follow_redirects=False).status_code == 400


def test_without_a_session_the_person_signs_in_first(hospital: Hospital) -> None:
    hospital.http.cookies.clear()
    answer = hospital.http.get(
        "/oauth/authorize", params=hospital.request("app", SCOPE, pkce()), follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login?next=%2Foauth%2Fauthorize%3F")
    none = hospital.request("app", SCOPE, pkce(), prompt="none")
    assert (
        arrived(hospital.http.get("/oauth/authorize", params=none, follow_redirects=False))["error"]
        == "login_required"
    )


def test_authorize_by_post_goes_on_by_get(hospital: Hospital) -> None:
    answer = hospital.http.post(
        "/oauth/authorize", data=hospital.request("app", SCOPE, pkce()), follow_redirects=False
    )
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/oauth/authorize?response_type=code")


def test_the_approval_page_can_not_be_framed_or_scripted(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    page = hospital.http.get("/oauth/authorize", params=hospital.request("app", SCOPE, pkce()))
    policy = page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://app.example;" in policy + ";"
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"


def test_approval_needs_the_sessions_own_form(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    parameters = hospital.request("app", SCOPE, pkce())
    form = {**parameters, "csrf": "guess", "decision": "allow", "granted": SCOPE.split(), "patient": "anna"}
    answer = hospital.http.post("/oauth/approve", data=form, follow_redirects=False)
    assert (answer.status_code, "location" in answer.headers) == (403, False)
    hospital.http.cookies.clear()
    assert hospital.http.post("/oauth/approve", data=form, follow_redirects=False).status_code == 403


def test_approval_checks_the_request_again(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    parameters = hospital.request("app", SCOPE, pkce())
    page = hospital.http.get("/oauth/authorize", params=parameters)
    form = {**parameters, "csrf": hidden(page.text, "csrf"), "decision": "allow", "patient": "anna"}
    evil = hospital.http.post(
        "/oauth/approve",
        data=form | {"redirect_uri": "https://evil.example/", "granted": SCOPE.split()},
        follow_redirects=False,
    )
    assert (evil.status_code, "location" in evil.headers) == (400, False)
    wide = hospital.http.post(
        "/oauth/approve", data=form | {"granted": ["user/*.cruds"]}, follow_redirects=False
    )
    assert arrived(wide)["error"] == "access_denied"


def test_the_person_can_deny(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    got = hospital.approve(hospital.request("app", SCOPE, pkce()), decision="deny")
    assert got["error"] == "access_denied"
    assert got["state"] == "s t/ä=&"


def test_a_patient_must_be_chosen_and_visible(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    for patient in (None, "nobody", "anna' OR '1'='1"):
        assert (
            hospital.approve(hospital.request("app", SCOPE, pkce()), patient=patient)["error"]
            == "access_denied"
        )


def test_a_patient_can_choose_only_the_own_record(hospital: Hospital) -> None:
    hospital.sign_in("anna")
    page = hospital.http.get("/oauth/authorize", params=hospital.request("app", SCOPE, pkce()))
    assert "Ada Alpha" in page.text
    assert "Beta" not in page.text
    assert (
        hospital.approve(hospital.request("app", SCOPE, pkce()), patient="bert")["error"] == "access_denied"
    )


def test_the_scope_launch_of_a_standalone_launch_is_left_out(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    pair = pkce()
    got = hospital.approve(hospital.request("app", "launch patient/*.rs", pair), patient="anna")
    body = hospital.exchange(got["code"], pair, client_id="app").json()
    assert (body["scope"], body["patient"]) == ("patient/*.rs", "anna")


def test_deselected_scopes_are_not_granted(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    pair = pkce()
    scope = "launch/patient patient/Patient.rs patient/Observation.rs"
    got = hospital.approve(
        hospital.request("app", scope, pair), patient="anna", only={"launch/patient", "patient/Patient.rs"}
    )
    body = hospital.exchange(got["code"], pair, client_id="app").json()
    assert body["scope"] == "launch/patient patient/Patient.rs"
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    assert hospital.http.get("/fhir/Observation?patient=anna", headers=headers).status_code == 403
    assert hospital.http.get("/fhir/Patient/anna", headers=headers).status_code == 200


class TestEhrLaunch:
    SCOPE = "launch openid fhirUser patient/*.rs"

    def opened(self, hospital: Hospital, client: str = "app") -> str:
        hospital.sign_in("clara")
        page = hospital.http.get("/smart/launch")
        answer = hospital.http.post(
            "/smart/launch",
            data={
                "csrf": hidden(page.text, "csrf"),
                "client_id": client,
                "patient": "anna",
                "intent": "review",
            },
            follow_redirects=False,
        )
        assert answer.status_code == 303
        location = answer.headers["location"]
        assert location.startswith(
            f"https://{client}.example/launch?iss=http%3A%2F%2F127.0.0.1%3A8000%2Ffhir&launch="
        )
        return str(location.rpartition("launch=")[2])

    def test_the_patient_comes_from_the_launch(self, hospital: Hospital) -> None:
        handle, pair = self.opened(hospital), pkce()
        got = hospital.approve(hospital.request("app", self.SCOPE, pair, launch=handle))
        body = hospital.exchange(got["code"], pair, client_id="app").json()
        assert (body["patient"], body["intent"], body["need_patient_banner"]) == ("anna", "review", True)
        assert hospital.http.get(body["smart_style_url"]).json()["color_text"]

    def test_the_person_is_asked_about_the_patient_by_name(self, hospital: Hospital) -> None:
        parameters = hospital.request("app", self.SCOPE, pkce(), launch=self.opened(hospital))
        page = hospital.http.get("/oauth/authorize", params=parameters)
        assert re.search(r"It is about <strong>[^<]*Alpha", page.text)

    def test_a_handle_serves_once(self, hospital: Hospital) -> None:
        handle = self.opened(hospital)
        parameters = hospital.request("app", self.SCOPE, pkce(), launch=handle)
        assert "code" in hospital.approve(parameters)
        again = hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False)
        assert arrived(again)["error"] == "invalid_request"

    def test_a_handle_of_another_client_or_user_is_refused(self, hospital: Hospital) -> None:
        handle = self.opened(hospital, "other")
        parameters = hospital.request("app", self.SCOPE, pkce(), launch=handle)
        assert arrived(hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False))[
            "error"
        ]
        handle = self.opened(hospital)
        hospital.sign_in("anna")
        parameters = hospital.request("app", self.SCOPE, pkce(), launch=handle)
        assert arrived(hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False))[
            "error"
        ]

    def test_a_handle_that_is_over_is_refused(self, hospital: Hospital) -> None:
        handle = self.opened(hospital)
        hospital.sql("UPDATE oauth_launch SET expires = now() - interval '1 second'")
        parameters = hospital.request("app", self.SCOPE, pkce(), launch=handle)
        assert arrived(hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False))[
            "error"
        ]

    def test_a_launch_for_a_patient_one_may_not_see_is_refused(self, hospital: Hospital) -> None:
        hospital.sign_in("anna")
        page = hospital.http.get("/smart/launch")
        form = {"csrf": hidden(page.text, "csrf"), "client_id": "app", "patient": "bert"}
        assert hospital.http.post("/smart/launch", data=form).status_code == 404
        user = hospital.run(hospital.services.accounts.find_user, "anna")
        handle = hospital.run(
            hospital.services.grants.create_launch, Launch("app", user.id, "bert", None, None)
        )
        parameters = hospital.request("app", self.SCOPE, pkce(), launch=handle)
        assert arrived(hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False))[
            "error"
        ]

    def test_the_button_needs_the_sessions_form(self, hospital: Hospital) -> None:
        hospital.sign_in("clara")
        form = {"csrf": "guess", "client_id": "app", "patient": "anna"}
        assert hospital.http.post("/smart/launch", data=form).status_code == 403
        hospital.http.cookies.clear()
        assert hospital.http.get("/smart/launch", follow_redirects=False).status_code == 303


def test_the_callback_is_registered_once(hospital: Hospital) -> None:
    client = hospital.run(hospital.services.accounts.find_client, "app")
    assert client.redirect_uris == (CALLBACK,)
    assert client.origins == ("https://app.example",)
