"""Connections to the database end while they wait: the next requests have others, and don't fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import psycopg_pool
import pytest

from tests.server.conftest import Hospital


def test_requests_after_the_database_ended_all_connections(hospital: Hospital, database_url: str) -> None:
    token = hospital.token("user/*.rs")

    def reads() -> list[int]:
        with ThreadPoolExecutor(12) as threads:
            answers = threads.map(lambda _: hospital.http.get("/fhir/Patient/anna", headers=token), range(12))
            return [answer.status_code for answer in answers]

    assert reads() == [200] * 12
    with psycopg.connect(database_url, autocommit=True) as database:
        ended = database.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert ended is not None
    assert ended[0] >= 1  # reads that come together share one
    assert reads() == [200] * 12


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("GET", "/fhir/Patient/anna", None),
        ("POST", "/oauth/token", {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "app"}),
        ("POST", "/oauth/introspect", {"token": "x"}),
        ("POST", "/oauth/revoke", {"token": "x", "client_id": "app"}),
        ("GET", "/oauth/authorize?response_type=code&client_id=app", None),
    ],
    ids=lambda value: value if isinstance(value, str) and value[0] == "/" else "",
)
def test_what_needs_a_database_that_does_not_answer_is_refused_for_now(
    hospital: Hospital, method: str, path: str, form: dict[str, str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object, **__: object) -> object:
        raise psycopg_pool.PoolTimeout("no connection in time")

    headers = {"Authorization": "Basic YXBwOng="} if form else {"Cookie": "session=x"}
    with monkeypatch.context() as patched:
        patched.setattr(psycopg_pool.AsyncConnectionPool, "connection", away)
        answer = hospital.http.request(method, path, data=form, headers=headers, follow_redirects=False)
    # Without a token there is nothing to ask the database: that it is refused can't be noted, and is done.
    assert answer.status_code == (401 if path.startswith("/fhir") else 503), answer.text
    assert "Traceback" not in answer.text
    assert path.startswith("/fhir") or answer.headers["retry-after"] == "2"
