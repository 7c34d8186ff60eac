"""One resource with very many values is worked on beside the event loop: it does not hold up other clients."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.search.entries import BoundedEntries
from fhir_bridge.governance import audit
from fhir_bridge.server.rest import checks, server_owned
from fhir_bridge.storage import (
    audit_rows,
    breathing,
    indexing,
    integrity,
    outlines,
    transactions,
    versions,
    writing,
)
from fhir_bridge.storage.breathing import is_large
from tests.server.conftest import Hospital

STEPS = [
    (outlines, "_whole"),
    (checks, "_check_forms"),
    (writing, "local_references"),
    (server_owned, "_references"),
    (transactions, "conditional_references"),
    (writing, "index"),
    (indexing, "_named"),
    (versions, "_add_versions"),
]
"""What takes as long as the resource is large."""
MANY = breathing.LARGE + 1


def patient(names: int) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"family": f"Grande{number}"} for number in range(names)]}


def is_about_large(values: tuple[Any, ...]) -> bool:
    """Whether a step is about a large resource, or the index of one: AuditEvents take the same steps."""
    for value in values:
        items = [getattr(item, "item", item) for item in value] if isinstance(value, list) else []
        if any(len(getattr(item, "entries", ())) > breathing.LARGE for item in items):
            return True
    return any(isinstance(value, dict) and is_large(value) for value in values)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """The steps that were taken: whether on the event loop."""
    found: dict[str, bool] = {}
    for module, name in STEPS:
        step = getattr(module, name)

        def noted(*values: Any, _step: Any = step, _name: str = name, **named: Any) -> Any:
            on_loop = False
            with contextlib.suppress(RuntimeError):
                on_loop = asyncio.get_running_loop() is not None
            if is_about_large(values):
                found[_name] = found.get(_name, False) or on_loop
            return _step(*values, **named)

        monkeypatch.setattr(module, name, noted)
    return found


@pytest.mark.parametrize("kind", ["single", "transaction"])
def test_a_large_resource_is_not_worked_on_in_the_event_loop(
    hospital: Hospital, seen: dict[str, bool], kind: str
) -> None:
    token = hospital.token("user/*.cruds", patient=None)
    body = patient(MANY)
    seen.clear()
    if kind == "single":
        answer = hospital.http.post("/fhir/Patient", json=body, headers=token)
        assert answer.status_code == 201
    else:
        entry = {"resource": body, "request": {"method": "POST", "url": "Patient"}}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        answer = hospital.http.post("/fhir", json=bundle, headers=token)
        assert answer.status_code == 200
    steps = dict(seen)
    looked = {"_whole", "_check_forms"}
    assert {"index", "_named", "_add_versions", "local_references"} | looked <= steps.keys()
    assert [name for name, on_loop in steps.items() if on_loop] == []
    found = hospital.http.get(f"/fhir/Patient?family=Grande{MANY - 1}&_total=accurate", headers=token).json()
    assert found["total"] >= 1


def test_a_usual_resource_changes_no_thread(hospital: Hospital, seen: dict[str, bool]) -> None:
    token = hospital.token("user/*.cruds", patient=None)
    seen.clear()
    assert hospital.http.post("/fhir/Patient", json=patient(3), headers=token).status_code == 201
    assert [name for name, on_loop in seen.items() if not on_loop] == []


@pytest.fixture
def few_rows(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of the index that a write may have."""
    monkeypatch.setattr(hospital.services.store._writer, "_most", MANY)
    return MANY


def sent(hospital: Hospital, kind: str, body: dict[str, Any]) -> tuple[int, str]:
    """Send a new resource alone, in a transaction or in a batch: the status of the write, and the code of its issue."""
    token = hospital.token("user/*.cruds", patient=None)
    if kind == "single":
        answer = hospital.http.post(f"/fhir/{body['resourceType']}", json=body, headers=token)
        status, outcome = answer.status_code, answer.json()
    else:
        entry = {"resource": body, "request": {"method": "POST", "url": body["resourceType"]}}
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [entry]}
        answer = hospital.http.post("/fhir", json=bundle, headers=token)
        status, outcome = answer.status_code, answer.json()
        if status == 200:
            response = outcome["entry"][0]["response"]
            status, outcome = int(response["status"][:3]), response.get("outcome", {})
    issues = outcome.get("issue", [])
    return status, issues[0]["details"]["coding"][0]["code"] if issues else ""


@pytest.mark.parametrize("kind", ["single", "transaction", "batch"])
def test_a_write_with_more_index_rows_than_allowed_is_refused_with_an_issue(
    hospital: Hospital, few_rows: int, kind: str
) -> None:
    body = patient(few_rows)
    body["name"][0] = {"family": f"Unica{kind}"}
    assert sent(hospital, kind, body) == (413, "FB-STORE-031")
    token = hospital.token("user/*.cruds", patient=None)
    found = hospital.http.get(f"/fhir/Patient?family=Unica{kind}&_total=accurate", headers=token).json()
    assert found["total"] == 0
    assert sent(hospital, kind, patient(few_rows // 4))[0] == 201


def test_the_rows_of_a_transaction_count_together(hospital: Hospital, few_rows: int) -> None:
    token = hospital.token("user/*.cruds", patient=None)
    body = patient(few_rows // 10)
    answers = []
    for count in (3, 5):
        entries = [{"resource": body, "request": {"method": "POST", "url": "Patient"}}] * count
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answers.append(hospital.http.post("/fhir", json=bundle, headers=token))
    assert [answer.status_code for answer in answers] == [200, 413]
    assert "entry[" in answers[1].text


def test_load_takes_any_number_of_index_rows(hospital: Hospital, few_rows: int) -> None:
    result = hospital.run(hospital.services.store.load, [patient(few_rows) | {"id": "of-load"}])
    assert (result.created, result.rejected) == (1, 0)


@pytest.mark.parametrize("wrong", [{}, {"gender": "of the sea"}], ids=["index", "content"])
def test_a_refused_write_leaves_nothing_of_its_content_in_memory(
    hospital: Hospital, few_rows: int, wrong: dict[str, Any]
) -> None:
    """An exception that knows a frame that knows the exception lives until garbage is collected, with all it holds."""
    gc.collect()
    gc.disable()
    try:
        assert sent(hospital, "single", patient(few_rows) | wrong)[0] == (422 if wrong else 413)
        sent(hospital, "single", patient(1))  # by now the threads have forgotten it, too
        left = [
            one
            for one in gc.get_objects()
            if isinstance(one, BoundedEntries) or (isinstance(one, list) and one and is_name(one[0]))
        ]
        assert left == []
    finally:
        gc.enable()


def test_a_resource_about_very_many_patients_leaves_few_events_and_small_statements(
    hospital: Hospital, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a Group of 100,000 each read and write left as many AuditEvents, and its statements held up all others."""
    asked: list[int] = []
    execute = psycopg.AsyncConnection.execute

    async def noted(connection: Any, query: Any, values: Any = None, **options: Any) -> Any:
        asked.extend(len(value) for value in values or () if isinstance(value, list))
        return await execute(connection, query, values, **options)

    for module, name in (
        (indexing, "NAMED_AT_ONCE"),
        (audit, "MOST_EVENTS"),
        (integrity, "AT_ONCE"),
        (writing, "AUDIT_AT_ONCE"),
        (audit_rows, "AT_ONCE"),
    ):
        monkeypatch.setattr(module, name, 20)
    monkeypatch.setattr(audit, "TOGETHER", 10)
    monkeypatch.setattr(psycopg.AsyncConnection, "execute", noted)
    token = hospital.token("user/*.cruds", patient=None)
    patients = [{"resourceType": "Patient", "id": f"of-group-{number}"} for number in range(95)]
    hospital.run(hospital.services.store.load, patients)
    asked.clear()
    members = [{"entity": {"reference": f"Patient/of-group-{number}"}} for number in range(95)]
    body = {"resourceType": "Group", "type": "person", "actual": True, "member": members}
    answer = hospital.http.post("/fhir/Group", json=body, headers=token)
    assert answer.status_code == 201
    assert max(asked) <= 20
    group = f"Group/{answer.json()['id']}"
    assert hospital.http.get(f"/fhir/{group}", headers=token).status_code == 200
    hospital.run(hospital.services.audit.flush)
    page = hospital.run(hospital.services.store.search, "AuditEvent", [("entity", group)], EVERYTHING)
    assert len(page.entries) == 10 + 10
    last = [("patient", "Patient/of-group-94"), ("entity", group)]
    page = hospital.run(hospital.services.store.search, "AuditEvent", last, EVERYTHING)
    assert len(page.entries) == 1 + 1
    found = hospital.http.get("/fhir/Group?member=Patient/of-group-94", headers=token).json()
    assert [entry["resource"]["id"] for entry in found["entry"]] == [answer.json()["id"]]


FREED = """
import sys
from pathlib import Path
from fhir_bridge.server.garbage import prepare

def resident():
    return int(Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]) // 1024

prepare()
body = bytes([1]) * (16 << 20)
del body
before = resident()
buffers = [bytes([1]) * (4 << 20) for _ in range(10)]
kept = [bytes([1]) * 600 for _ in range(1000)]
del buffers
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_large_buffers_are_the_systems_again_once_they_are_freed() -> None:
    """After one large body a worker kept the memory of all that followed."""
    done = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 10


def is_name(value: Any) -> bool:
    return isinstance(value, dict) and value.get("family") == "Grande0"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=2), inner, max_size=4),
        max_leaves=20,
    ),
    st.integers(0, 30),
)
def test_large_is_what_holds_more_values_than_the_limit(value: Any, limit: int) -> None:
    def count(inner: Any) -> int:
        items = inner.values() if isinstance(inner, dict) else inner if isinstance(inner, list) else ()
        return len(items) + sum(count(item) for item in items)

    assert is_large(value, limit) == (count(value) > limit)
