"""One resource with very many values is worked on beside the event loop: it does not hold up other clients."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.server.rest import checks, server_owned
from fhir_bridge.storage import breathing, indexing, transactions, versions, writing
from fhir_bridge.storage.breathing import is_large
from tests.server.conftest import Hospital

STEPS = [
    (checks, "conditional_references"),
    (server_owned, "_references"),
    (transactions, "conditional_references"),
    (transactions, "with_references"),
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
            if is_about_large(values) or _name == "with_references":
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
    assert {"index", "_named", "_add_versions", "with_references", "conditional_references"} <= steps.keys()
    assert [name for name, on_loop in steps.items() if on_loop] == []
    found = hospital.http.get(f"/fhir/Patient?family=Grande{MANY - 1}&_total=accurate", headers=token).json()
    assert found["total"] >= 1


def test_a_usual_resource_changes_no_thread(hospital: Hospital, seen: dict[str, bool]) -> None:
    token = hospital.token("user/*.cruds", patient=None)
    seen.clear()
    assert hospital.http.post("/fhir/Patient", json=patient(3), headers=token).status_code == 201
    assert seen == {"with_references": True}


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

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(breathing, "LARGE", limit)
        assert is_large(value) == (count(value) > limit)
