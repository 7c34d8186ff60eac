"""Signing in: passwords, throttling, cookies, one-time links."""

from __future__ import annotations

import psycopg
import pytest

from fhir_bridge.server.session import safe_next
from fhir_bridge.storage.accounts import AccountError
from tests.server.conftest import PASSWORD, Hospital, Http, hidden


@pytest.fixture(autouse=True)
def _no_failures(hospital: Hospital) -> None:
    hospital.sql("DELETE FROM failed_attempt")


def test_the_session_cookie_is_not_for_scripts_or_other_sites(hospital: Hospital) -> None:
    answer = hospital.sign_in("clara")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = next(
        value for value in answer.headers.get_list("set-cookie") if value.startswith("fhir_bridge_session=")
    )
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" not in cookie  # this server is reached by http


def test_a_wrong_password_and_an_unknown_name_look_alike(hospital: Hospital) -> None:
    wrong, unknown = hospital.sign_in("clara", "wrong"), hospital.sign_in("nobody", "wrong")
    assert wrong.status_code == unknown.status_code == 401
    assert "User name or password is wrong." in wrong.text
    assert "User name or password is wrong." in unknown.text


def test_after_five_failures_the_name_waits_even_with_the_right_password(hospital: Hospital) -> None:
    for _ in range(6):
        hospital.sign_in("clara", "wrong")
    hospital.sql("UPDATE failed_attempt SET failures = 8")
    answer = hospital.sign_in("clara")
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    hospital.sql("UPDATE failed_attempt SET latest = now() - interval '1 hour'")
    assert hospital.sign_in("clara").status_code == 303


def test_an_address_that_tries_many_names_waits(hospital: Hospital) -> None:
    hospital.sign_in("name-1", "wrong")
    hospital.sql("UPDATE failed_attempt SET failures = 40")
    assert hospital.sign_in("clara").status_code == 429


def test_the_form_is_tied_to_the_browser(hospital: Hospital) -> None:
    hospital.http.cookies.clear()
    form = {"csrf": "guess", "next": "/", "username": "clara", "password": PASSWORD}
    assert hospital.http.post("/login", data=form).status_code == 403
    csrf = hidden(hospital.http.get("/login").text, "csrf")
    hospital.http.cookies.clear()
    assert hospital.http.post("/login", data=form | {"csrf": csrf}).status_code == 403


def test_signing_in_changes_the_session(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    before = hospital.http.cookies["fhir_bridge_session"]
    hospital.http.cookies.clear()
    page = hospital.http.get("/login")
    hospital.http.cookies.set("fhir_bridge_session", before)
    form = {"csrf": hidden(page.text, "csrf"), "next": "/", "username": "clara", "password": PASSWORD}
    assert hospital.run(hospital.services.accounts.session, before) is not None
    hospital.http.cookies.set("fhir_bridge_session", "fixed-by-attacker")
    hospital.http.post("/login", data=form, follow_redirects=False)
    assert hospital.run(hospital.services.accounts.session, "fixed-by-attacker") is None


def test_signing_out_needs_the_form_and_ends_the_session(hospital: Hospital) -> None:
    hospital.sign_in("clara")
    cookie = hospital.http.cookies["fhir_bridge_session"]
    hospital.http.post("/logout", data={"csrf": "guess"}, follow_redirects=False)
    session = hospital.run(hospital.services.accounts.session, cookie)
    assert session is not None
    hospital.http.post("/logout", data={"csrf": session.csrf}, follow_redirects=False)
    assert hospital.run(hospital.services.accounts.session, cookie) is None


@pytest.mark.parametrize(
    ("target", "goes_to"),
    [
        ("/patients/1?x=y", "/patients/1?x=y"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/\tx", "/"),
        ("", "/"),
        (None, "/"),
    ],
)
def test_after_signing_in_one_stays_on_this_server(target: str | None, goes_to: str) -> None:
    assert safe_next(target) == goes_to


class TestLink:
    def link(self, hospital: Hospital) -> str:
        accounts = hospital.services.accounts
        user = hospital.run(accounts.find_user, "clara")
        return str(hospital.run(accounts.create_login_link, user))

    def test_it_signs_in_once_from_this_machine(self, hospital: Hospital) -> None:
        hospital.http.cookies.clear()
        token = self.link(hospital)
        answer = hospital.http.get(f"/login/link/{token}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        hospital.http.cookies.clear()
        assert hospital.http.get(f"/login/link/{token}").status_code == 403

    def test_it_is_over_after_a_quarter_of_an_hour(self, hospital: Hospital) -> None:
        token = self.link(hospital)
        hospital.sql("UPDATE login_link SET expires = now() - interval '1 second'")
        assert hospital.http.get(f"/login/link/{token}").status_code == 403

    @pytest.mark.parametrize(
        "headers", [{"X-Forwarded-For": "203.0.113.5"}, {"Forwarded": "for=x"}, {"Host": "rebound.example"}]
    )
    def test_it_does_not_work_from_elsewhere(self, hospital: Hospital, headers: dict[str, str]) -> None:
        token = self.link(hospital)
        assert hospital.http.get(f"/login/link/{token}", headers=headers).status_code == 403
        far = Http(hospital.http.app, hospital.http.portal, address="203.0.113.5")
        assert far.get(f"/login/link/{token}").status_code == 403
        hospital.http.cookies.clear()
        assert hospital.http.get(f"/login/link/{token}", follow_redirects=False).status_code == 303


class TestAccounts:
    def test_accounts_that_make_no_sense_are_refused(self, hospital: Hospital) -> None:
        add = hospital.services.accounts.add_user
        for values in (
            ("clara", PASSWORD, "clinician"),
            ("CLARA", PASSWORD, "clinician"),
            (" ", PASSWORD, "clinician"),
            ("x", "short", "clinician"),
            ("x", PASSWORD, "patient"),
        ):
            with pytest.raises(AccountError):
                hospital.run(add, *values)

    def test_a_new_password_ends_the_sessions(self, hospital: Hospital) -> None:
        accounts = hospital.services.accounts
        hospital.run(accounts.add_user, "temp", PASSWORD, "clinician")
        hospital.sign_in("temp")
        cookie = hospital.http.cookies["fhir_bridge_session"]
        hospital.run(accounts.set_password, "temp", "another password")
        assert hospital.run(accounts.session, cookie) is None
        assert hospital.sign_in("temp").status_code == 401
        assert hospital.sign_in("temp", "another password").status_code == 303
        hospital.run(accounts.remove_user, "temp")
        with pytest.raises(AccountError):
            hospital.run(accounts.remove_user, "temp")

    def test_a_password_changes_only_with_the_end_of_the_sessions(self, hospital: Hospital) -> None:
        accounts = hospital.services.accounts
        hospital.run(accounts.add_user, "held", PASSWORD, "clinician")
        hospital.sign_in("held")
        hospital.sql(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'lost'; END $$; "
            "CREATE TRIGGER refuse BEFORE DELETE ON account_session EXECUTE FUNCTION refuse()"
        )
        try:
            with pytest.raises(psycopg.Error):
                hospital.run(accounts.set_password, "held", "another password")
        finally:
            hospital.sql("DROP FUNCTION refuse CASCADE")
        hospital.http.cookies.clear()
        assert hospital.sign_in("held").status_code == 303

    @pytest.mark.parametrize(
        "uri",
        [
            "javascript:alert(1)",
            "http://app.example/cb",
            "https://user:pass@app.example/cb",
            "https://app.example/cb#x",
            "https://",
            "data:text/html,x",
        ],
    )
    def test_an_unsafe_address_can_not_be_registered(self, hospital: Hospital, uri: str) -> None:
        with pytest.raises(AccountError):
            hospital.run(
                hospital.services.accounts.add_client, "bad", "Bad", "none", "openid", redirect_uris=[uri]
            )

    def test_a_client_can_be_listed_and_removed(self, hospital: Hospital) -> None:
        accounts = hospital.services.accounts
        hospital.run(
            accounts.add_client, "gone", "Gone", "none", "openid", redirect_uris=["http://localhost:3000/cb"]
        )
        assert "gone" in {client.id for client in hospital.run(accounts.clients)}
        hospital.run(accounts.remove_client, "gone")
        with pytest.raises(AccountError):
            hospital.run(accounts.remove_client, "gone")
        for bad in ("", "a b", "a:b"):
            with pytest.raises(AccountError):
                hospital.run(accounts.add_client, bad, "x", "none", "openid")
        with pytest.raises(AccountError):
            hospital.run(accounts.add_client, "nokey", "x", "key", "system/*.rs")

    def test_housekeeping_forgets_what_is_over(self, hospital: Hospital) -> None:
        token = hospital.authorized("launch/patient patient/*.rs")["access_token"]
        hospital.run(hospital.services.grants.purge)
        assert hospital.run(hospital.services.grants.info, token) is not None
        hospital.sql(
            "UPDATE oauth_grant SET expires = now() - interval '2 days', created = now() - interval '3 days'"
        )
        hospital.sql("UPDATE oauth_token SET expires = now() - interval '2 days'")
        hospital.run(hospital.services.grants.purge)
        assert hospital.run(hospital.services.grants.info, token) is None
