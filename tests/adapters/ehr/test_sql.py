"""Rows of a database become what the rows of the same table in a file become; what changes is read, and no more."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy

from fhir_bridge.adapters.ehr.sql import SqlAdapter
from fhir_bridge.adapters.ehr.sql.database import Database
from fhir_bridge.adapters.ehr.sql.query import QueryError, read_query
from fhir_bridge.pipeline import RunRequest, convert, load_sources

QUERY = """/* fhir-bridge
url: env:CLINIC_URL
key: [ID]
watermark: CHANGED
deleted: {deleted}
state: state
*/
SELECT ID, "START", "STOP", PATIENT, ENCOUNTER, CODE, DESCRIPTION, CHANGED FROM diagnosis;
"""
TABLE = (
    'CREATE TABLE diagnosis (ID INTEGER, "START" VARCHAR(20), "STOP" VARCHAR(20), PATIENT VARCHAR(20), '
    "ENCOUNTER VARCHAR(20), CODE VARCHAR(20), DESCRIPTION VARCHAR(80), CHANGED TIMESTAMP)"
)
SITE = "site: test\ndemo_key: true\nzone: Europe/Rome\n"


class Clinic:
    """A database of a clinic, and the folder of its queries."""

    def __init__(self, url: str, folder: Path) -> None:
        self.engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        self.folder = folder
        (folder / "site.yaml").write_text(SITE)

    def run(self, sql: str, *rows: tuple[Any, ...]) -> None:
        with self.engine.begin() as connection:
            for row in rows or ((),):
                names = {f"p{number}": value for number, value in enumerate(row)}
                text = sql
                for name in names:
                    text = text.replace("?", f":{name}", 1)
                connection.execute(sqlalchemy.text(text), names)

    def add(self, number: int, text: str, changed: str) -> None:
        row = (number, "2023-01-27", None, f"p{number}", f"e{number}", "195662009", text, changed)
        self.run("INSERT INTO diagnosis VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def query(self, deleted: str) -> Path:
        path = self.folder / "conditions.sql"
        path.write_text(QUERY.replace("{deleted}", deleted))
        return path

    def convert(self, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        out = self.folder / name
        request = RunRequest("sql", site=self.folder / "site.yaml")
        result = convert(request, [str(self.folder / "conditions.sql")], out)
        file = out / "Condition.ndjson"
        return [
            json.loads(line) for line in file.read_text().splitlines()
        ] if file.exists() else [], result.report


@pytest.fixture(params=["sqlite", "postgresql"])
def clinic(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Clinic]:
    url = f"sqlite:///{tmp_path}/clinic.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("other_database_url")
    monkeypatch.setenv("CLINIC_URL", url)
    clinic = Clinic(url, tmp_path)
    clinic.run(TABLE)
    yield clinic
    clinic.engine.dispose()


def texts(resources: list[dict[str, Any]]) -> list[str]:
    return sorted(resource["code"]["text"] for resource in resources)


def test_second_run_reads_what_changed_since_the_first(clinic: Clinic) -> None:
    clinic.add(1, "pharyngitis", "2024-01-01 10:00:00")
    clinic.add(2, "bronchitis", "2024-01-02 10:00:00")
    clinic.query("SELECT ID FROM diagnosis WHERE 1 = 0")
    first, report = clinic.convert("out1")
    assert texts(first) == ["bronchitis", "pharyngitis"]
    assert report["records"]["converted"] == 2
    clinic.add(3, "asthma", "2024-01-03 10:00:00")
    clinic.run(
        "UPDATE diagnosis SET DESCRIPTION = 'pharyngitis, healed', CHANGED = '2024-01-04 10:00:00' WHERE ID = 1"
    )
    second, _ = clinic.convert("out2")
    # A row of the same time as the last may have come later, so that this one is read again.
    assert texts(second) == ["asthma", "bronchitis", "pharyngitis, healed"]
    third, _ = clinic.convert("out3")
    assert texts(third) == ["pharyngitis, healed"]


def test_row_that_comes_below_the_watermark_is_counted_until_a_run_reads_it(clinic: Clinic) -> None:
    clinic.add(1, "pharyngitis", "2024-01-01 10:00:00")
    clinic.add(2, "bronchitis", "2024-01-03 10:00:00")
    clinic.query("compare")
    clinic.convert("out1")
    clinic.add(3, "asthma", "2024-01-02 10:00:00")
    for number in (2, 3):
        found, report = clinic.convert(f"out{number}")
        assert texts(found) == ["bronchitis"]
        assert report["records"]["skipped"] == 1
    clinic.run("UPDATE diagnosis SET CHANGED = '2024-01-04 10:00:00' WHERE ID = 3")
    for number in (4, 5):
        found, report = clinic.convert(f"out{number}")
        assert "asthma" in texts(found)
        assert report["records"]["skipped"] == 0
    clinic.run("DELETE FROM diagnosis")
    clinic.convert("out6")
    clinic.add(1, "pharyngitis", "2024-01-01 10:00:00")
    found, report = clinic.convert("out7")
    assert (found, report["records"]["skipped"]) == ([], 1)


def test_row_that_is_deleted_is_withdrawn_from_the_store(
    clinic: Clinic, fresh_database_url: str, loaded: Callable[[str], dict[str, str]]
) -> None:
    for number, text in enumerate(("pharyngitis", "bronchitis", "asthma"), 1):
        clinic.add(number, text, f"2024-01-0{number} 10:00:00")
    request = RunRequest("sql", site=clinic.folder / "site.yaml")
    source = [str(clinic.query("compare"))]
    load_sources(request, source, fresh_database_url)
    assert set(loaded(fresh_database_url)) == {"pharyngitis", "bronchitis", "asthma"}
    clinic.run("DELETE FROM diagnosis WHERE ID = 2")
    clinic.run(
        "UPDATE diagnosis SET DESCRIPTION = 'asthma, mild', CHANGED = '2024-02-01 10:00:00' WHERE ID = 3"
    )
    result = load_sources(request, source, fresh_database_url)
    assert set(loaded(fresh_database_url)) == {"pharyngitis", "asthma, mild"}
    assert [issue["count"] for issue in result.report["issues"] if issue["code"] == "FB-SQL-005"] == [1]
    # The same with the table of tombstones that the source keeps.
    clinic.run("CREATE TABLE removed (ID INTEGER)")
    clinic.run("INSERT INTO removed VALUES (1)")
    clinic.run("DELETE FROM diagnosis WHERE ID = 1")
    clinic.query("SELECT ID FROM removed")
    load_sources(request, source, fresh_database_url)
    assert set(loaded(fresh_database_url)) == {"asthma, mild"}


def test_late_rows_and_tombstones_are_read_within_the_overlap(
    clinic: Clinic, fresh_database_url: str, loaded: Callable[[str], dict[str, str]]
) -> None:
    """Also in the first run, in which `:watermark` has no value."""
    clinic.run("CREATE TABLE removed (ID INTEGER, AT TIMESTAMP)")
    deleted = "SELECT ID FROM removed WHERE :watermark IS NULL OR AT >= :watermark"
    path = clinic.query(f'"{deleted}"\noverlap: 86400')
    request = RunRequest("sql", site=clinic.folder / "site.yaml")

    def load() -> set[str]:
        report = load_sources(request, [str(path)], fresh_database_url).report
        assert report["records"]["rejected"] == 0
        return set(loaded(fresh_database_url))

    clinic.add(1, "pharyngitis", "2024-01-01 10:00:00")
    clinic.add(2, "bronchitis", "2024-01-03 10:00:00")
    assert load() == {"pharyngitis", "bronchitis"}
    # Committed late: half a day below the watermark.
    clinic.add(3, "asthma", "2024-01-02 22:00:00")
    clinic.run("INSERT INTO removed VALUES (1, '2024-01-02 23:00:00')")
    clinic.run("DELETE FROM diagnosis WHERE ID = 1")
    assert load() == {"bronchitis", "asthma"}
    assert load() == {"bronchitis", "asthma"}
    clinic.add(4, "otitis", "2024-01-01 10:00:00")  # two days: beyond it
    assert load() == {"bronchitis", "asthma"}


def test_row_that_has_its_tombstone_counts_as_deleted_in_each_run(
    clinic: Clinic, fresh_database_url: str, loaded: Callable[[str], dict[str, str]]
) -> None:
    clinic.run("CREATE TABLE removed (ID INTEGER)")
    path = clinic.query("SELECT ID FROM removed")
    request = RunRequest("sql", site=clinic.folder / "site.yaml")

    def load() -> tuple[set[str], list[str]]:
        report = load_sources(request, [str(path)], fresh_database_url).report
        codes = [issue["code"] for issue in report["issues"] if issue["code"].startswith("FB-SQL")]
        return set(loaded(fresh_database_url)), sorted(codes)

    clinic.add(1, "pharyngitis", "2024-01-01 10:00:00")
    clinic.add(2, "bronchitis", "2024-01-02 10:00:00")
    assert load() == ({"pharyngitis", "bronchitis"}, [])
    clinic.run("INSERT INTO removed VALUES (1)")
    clinic.run("INSERT INTO removed VALUES (1)")
    clinic.run("UPDATE diagnosis SET CHANGED = '2024-02-01 10:00:00' WHERE ID = 1")  # it came back
    for _ in range(4):
        assert load() == ({"bronchitis"}, ["FB-SQL-005", "FB-SQL-007"])
    clinic.run("DELETE FROM removed")
    for _ in range(2):
        assert load() == ({"pharyngitis", "bronchitis"}, [])


@pytest.fixture
def loaded() -> Callable[[str], dict[str, str]]:
    """Texts of the stored Conditions that count, by their text."""

    def read(url: str) -> dict[str, str]:
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT resource_text(bytes) FROM resource WHERE type = 'Condition' AND NOT deleted"
            ).fetchall()
        resources = [json.loads(row[0]) for row in rows]
        return {
            one["code"]["text"]: one["id"]
            for one in resources
            if "entered-in-error" not in json.dumps(one.get("verificationStatus", {}))
        }

    return read


@pytest.mark.parametrize("clinic", ["postgresql"], indirect=True)
def test_a_time_without_end_or_before_the_year_1_ends_no_query(clinic: Clinic) -> None:
    for number, changed in enumerate(
        ("2024-01-01 10:00:00", "infinity", "0044-03-15 10:00:00 BC", "2024-01-02"), 1
    ):
        clinic.add(number, f"diagnosis {number}", changed)
    clinic.query("SELECT ID FROM diagnosis WHERE 1 = 0")
    found, report = clinic.convert("out1")
    assert texts(found) == [f"diagnosis {number}" for number in (1, 2, 3, 4)]
    assert report["records"]["rejected"] == 0
    clinic.add(5, "diagnosis 5", "2024-01-03")
    assert texts(clinic.convert("out2")[0]) == ["diagnosis 2", "diagnosis 4", "diagnosis 5"]


def test_run_that_breaks_off_reads_the_same_again(clinic: Clinic) -> None:
    clinic.add(1, "pharyngitis", "2024-01-01 10:00:00")
    path = clinic.query("compare")
    options = {"adapter": "csv"}
    reading = type("Reading", (), {"options": options, "site": None, "selectors": None})()
    rows = SqlAdapter().read([path], reading)
    assert next(rows).outcome == "read"
    rows.close()  # the process is killed here: nothing is remembered
    SqlAdapter().complete([path], options)
    assert texts(clinic.convert("out")[0]) == ["pharyngitis"]


def test_secret_of_the_url_and_values_are_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLINIC_URL", "postgresql://robot:hunter2@127.0.0.1:1/clinic?connect_timeout=1")
    path = tmp_path / "conditions.sql"
    path.write_text("/* fhir-bridge\nurl: env:CLINIC_URL\n*/ SELECT 1 AS a")
    reading = type("Reading", (), {"options": {}, "site": None})()
    (row,) = SqlAdapter().read([path], reading)
    assert (row.outcome, row.issues[0].code) == ("rejected", "FB-SQL-002")
    assert "hunter2" not in str(row.issues)
    path.write_text("/* fhir-bridge\nurl: postgresql://robot:hunter2@db/clinic\n*/ SELECT 1 AS a")
    with pytest.raises(QueryError, match="does not belong") as raised:
        read_query(path, {}).database_url()
    assert "hunter2" not in str(raised.value)


def test_query_that_fails_halfway_is_reported_and_what_came_before_stays(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "c.db") as base:
        base.execute("CREATE TABLE t (a TEXT)")
        base.executemany("INSERT INTO t VALUES (?)", [(f"[{number}]",) for number in range(2_500)])
        base.execute("INSERT INTO t VALUES ('no json')")
    base.close()
    path = tmp_path / "t.sql"
    path.write_text(
        f"/* fhir-bridge\nurl: sqlite:///{tmp_path}/c.db\n*/ SELECT json_array_length(a) AS n FROM t"
    )
    rows = list(SqlAdapter().read([path], type("Reading", (), {"options": {}, "site": None})()))
    assert [row.outcome for row in rows[-2:]] == ["read", "rejected"]
    assert len(rows) > 2_000
    assert rows[-1].issues[0].code == "FB-SQL-003"


def test_rows_come_by_a_cursor_of_the_server(database_url: str) -> None:
    database = Database(database_url)
    rows = database.rows("SELECT a FROM generate_series(1, 9000) a, generate_series(1, 9000) b", {})
    assert [next(rows)[0] for _ in range(3)] == [1, 1, 1]
    rows.close()
    database.close()
