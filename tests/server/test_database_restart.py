"""Connections to the database end while they wait: the next requests have others, and don't fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg

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
    assert ended[0] > 1
    assert reads() == [200] * 12
