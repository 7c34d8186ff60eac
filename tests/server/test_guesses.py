"""Guessing: whatever is guessed at, who fails too often is reported to wait, ever longer, and nobody else is."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from fhir_bridge.server import guesses
from fhir_bridge.storage.attempts import LONGEST_WAIT, Attempts, Subject, network
from tests.server.conftest import CALLBACK, Hospital, Http, pkce

SCOPE = "launch launch/patient offline_access patient/*.rs"


@pytest.fixture(autouse=True)
def _nothing_counted(hospital: Hospital) -> Iterator[None]:
    yield
    hospital.sql("DELETE FROM failed_attempt")


@pytest.fixture(scope="module")
def secret(hospital: Hospital) -> str:
    add = hospital.services.accounts.add_client
    _, secret = hospital.run(
        add, "web", "Web", "secret", SCOPE, redirect_uris=[CALLBACK], may_introspect=True
    )
    return str(secret)


def longer(hospital: Hospital) -> None:
    """As if the counted failures had been many, just now."""
    hospital.sql("UPDATE failed_attempt SET failures = failures + 8, latest = now()")


def later(hospital: Hospital) -> None:
    """As if the wait were over."""
    hospital.sql("UPDATE failed_attempt SET latest = now() - interval '30 minutes'")


def elsewhere(hospital: Hospital) -> Http:
    """A client at another address."""
    return Http(hospital.http.app, hospital.http.portal, address="192.0.2.7")


def refused(answer: Any) -> bool:
    if answer.status_code != 429:
        return False
    assert 0 < int(answer.headers["retry-after"]) <= LONGEST_WAIT
    return True


def guess(hospital: Hospital, free: int, ask: Any) -> None:
    """So many wrong ones cost nothing; then there is a wait, which a further failure makes longer."""
    statuses = [ask(number).status_code for number in range(free)]
    assert 429 not in statuses, statuses
    longer(hospital)
    assert refused(first := ask("x"))
    assert refused(ask("y"))
    later(hospital)
    assert ask("z").status_code == statuses[-1]
    assert refused(second := ask("x"))
    assert int(second.headers["retry-after"]) > int(first.headers["retry-after"])


class TestSecrets:
    def ask(self, http: Http, value: str, *, basic: bool = False) -> Any:
        form = {"grant_type": "client_credentials", "client_id": "web", "client_secret": value}
        if not basic:
            return http.post("/oauth/token", data=form)
        header = {"Authorization": "Basic " + base64.b64encode(f"web:{value}".encode()).decode()}
        return http.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=header)

    @pytest.mark.parametrize("basic", [False, True])
    def test_of_an_application_also_with_the_right_one(
        self, hospital: Hospital, secret: str, basic: bool
    ) -> None:
        guess(hospital, guesses.FREE_SECRETS, lambda n: self.ask(hospital.http, f"wrong-{n}", basic=basic))
        assert refused(self.ask(hospital.http, secret, basic=basic))
        assert self.ask(elsewhere(hospital), secret).json()["error"] == "unauthorized_client"  # it is known
        later(hospital)
        assert self.ask(hospital.http, secret).json()["error"] == "unauthorized_client"
        assert self.ask(hospital.http, "wrong").status_code == 401  # what was right counts anew

    def test_of_applications_that_do_not_exist(self, hospital: Hospital, secret: str) -> None:
        def ask(number: Any) -> Any:
            form = {"grant_type": "authorization_code", "client_id": f"none-{number}", "client_secret": "x"}
            return hospital.http.post("/oauth/token", data=form)

        guess(hospital, guesses.FREE_OF_NETWORK, ask)
        assert self.ask(hospital.http, secret).json()["error"] == "unauthorized_client"


def code_form(code: str, verifier: str = "v" * 43) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": verifier,
        "client_id": "app",
    }


def test_codes(hospital: Hospital) -> None:
    guess(
        hospital,
        guesses.FREE_SECRETS,
        lambda n: hospital.http.post("/oauth/token", data=code_form(f"guess-{n}")),
    )
    hospital.sign_in("clara")
    pair = pkce()
    code = hospital.approve(hospital.request("app", SCOPE.removeprefix("launch "), pair), patient="anna")[
        "code"
    ]
    form = code_form(code, pair.verifier)
    assert refused(hospital.http.post("/oauth/token", data=form))
    assert elsewhere(hospital).post("/oauth/token", data=form).status_code == 200


def test_a_code_that_was_used_is_no_guess(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    pair = pkce()
    code = hospital.approve(hospital.request("app", SCOPE.removeprefix("launch "), pair), patient="anna")[
        "code"
    ]
    answers = [hospital.http.post("/oauth/token", data=code_form(code, pair.verifier)) for _ in range(15)]
    assert [answer.status_code for answer in answers] == [200] + [400] * 14


@pytest.mark.parametrize("named", [True, False], ids=["with client", "without client"])
def test_refresh_tokens(hospital: Hospital, named: bool) -> None:
    def ask(number: Any) -> Any:
        form = {"grant_type": "refresh_token", "refresh_token": f"guess-{number}"}
        return hospital.http.post("/oauth/token", data=form | ({"client_id": "app"} if named else {}))

    guess(hospital, guesses.FREE_SECRETS if named else guesses.FREE_OF_NETWORK, ask)


def test_access_tokens_and_a_valid_one_is_always_answered(hospital: Hospital) -> None:
    headers = hospital.token("patient/*.rs")

    def ask(number: Any) -> Any:
        return hospital.http.get("/fhir/Patient/anna", headers={"Authorization": f"Bearer guess-{number}"})

    guess(hospital, guesses.FREE_OF_NETWORK, ask)
    answer = ask("q")
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-SMART-005"
    hospital.services.tokens.forget()
    assert hospital.http.get("/fhir/Patient/anna", headers=headers).status_code == 200
    wrong = {"Authorization": "Bearer guess"}
    assert elsewhere(hospital).get("/fhir/Patient/anna", headers=wrong).status_code == 401


def test_a_token_that_is_over_is_no_guess(hospital: Hospital) -> None:
    headers = hospital.token("patient/*.rs")
    hospital.sql("UPDATE oauth_token SET expires = now()")
    hospital.services.tokens.forget()
    statuses = {hospital.http.get("/fhir/Patient/anna", headers=headers).status_code for _ in range(40)}
    assert statuses == {401}


def test_introspection_and_a_valid_token_is_always_answered(hospital: Hospital, secret: str) -> None:
    token = hospital.token("patient/*.rs")["Authorization"].removeprefix("Bearer ")

    def ask(text: Any) -> Any:
        form = {"token": str(text), "client_id": "web", "client_secret": secret}
        return hospital.http.post("/oauth/introspect", data=form)

    guess(hospital, guesses.FREE_OF_NETWORK, lambda n: ask(f"guess-{n}"))
    assert ask(token).json()["active"] is True


def test_launches(hospital: Hospital) -> None:
    hospital.sign_in("clara")

    def ask(number: Any) -> Any:
        parameters = hospital.request("app", "launch patient/*.rs", pkce(), launch=f"guess-{number}")
        return hospital.http.get("/oauth/authorize", params=parameters, follow_redirects=False)

    guess(hospital, guesses.FREE_SECRETS, ask)


def test_sign_in_links(hospital: Hospital) -> None:
    guess(hospital, guesses.FREE_SECRETS, lambda n: hospital.http.get(f"/login/link/guess-{n}"))


def test_passwords_and_another_address_is_not_locked_out(hospital: Hospital) -> None:
    guess(hospital, guesses.FREE, lambda n: hospital.sign_in("clara", f"wrong-{n}"))
    assert refused(hospital.sign_in("clara"))
    there = Hospital(elsewhere(hospital))
    assert there.sign_in("clara").status_code == 303


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_whose_an_address_is(address: str, expected: str) -> None:
    assert network(address) == expected


def test_the_wait_doubles_up_to_a_quarter_of_an_hour(hospital: Hospital) -> None:
    attempts: Attempts = hospital.services.attempts
    subject = Subject(("x", "y"), 3)
    waits = []
    for failures in (1, 2, 3, 4, 5, 8, 12, 13, 14, 50):
        hospital.run(attempts.succeeded, subject)
        hospital.run(attempts.failed, subject)
        hospital.sql(
            "UPDATE failed_attempt SET failures = %s, latest = now() WHERE subject = %s",
            failures,
            subject.key,
        )
        waits.append(hospital.run(attempts.wait, subject))
    assert waits == [0, 0, 1, 2, 4, 32, 512, 900, 900, 900]


def test_what_is_counted_is_told_apart_and_stored_as_a_hash_only() -> None:
    assert Subject(("a", "bc"), 1).key != Subject(("ab", "c"), 1).key
    assert b"clara" not in guesses.password("clara", "192.0.2.1")[0].key
    assert guesses.password(" Clara", "192.0.2.1")[0].key == guesses.password("clara ", "192.0.2.1")[0].key
