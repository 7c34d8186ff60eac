"""One budget for a request, whatever it nests: entries, bytes, time. What is beyond is refused and not carried out."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.plugins import hookimpl
from fhir_bridge.server import Settings, create_app
from fhir_bridge.server.rest.budget import Budget
from fhir_bridge.server.rest.operation_registry import OperationRequest
from fhir_bridge.server.rest.refusal import Refusal
from fhir_bridge.server.slots import ByteLimit, ByteLimitReached, Slots
from tests.server.conftest import Hospital, bare_plugins, furnish, observation, running

ENTRIES, BYTES, SECONDS = 40, 60_000, 60.0
OBSERVATIONS = 60


class Sleep:
    """Waits in the database for much longer than a request may."""

    name = "sleep"
    types: tuple[str, ...] = ()
    access = "r"
    began = 0

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> dict[str, Any]:
        Sleep.began += 1
        async with request.store.pool.connection() as connection:
            await connection.execute("SELECT pg_sleep(600), 'asleep'")
        return {"resourceType": "Parameters"}


class Much:
    """Gives more than a request may."""

    name = "much"
    types: tuple[str, ...] = ()
    access = "r"
    began = 0

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> dict[str, Any]:
        Much.began += 1
        return {
            "resourceType": "Binary",
            "contentType": "text/plain",
            "data": base64.b64encode(b"x" * 30_000).decode(),
        }


class Plugin:
    @hookimpl
    def fhir_bridge_operations(self) -> list[Any]:
        return [Sleep(), Much()]


@pytest.fixture(scope="module")
def hospital(database_url: str) -> Iterator[Hospital]:
    settings = Settings(
        database_url=database_url,
        pages=False,
        max_request_entries=ENTRIES,
        max_answer_bytes=BYTES,
        max_request_seconds=SECONDS,
        max_page_size=30,
        max_body_bytes=200_000,
    )
    plugins = bare_plugins()
    plugins.register(Plugin())
    with running(create_app(settings, plugins=plugins)) as http:
        served = Hospital(http)
        served.run(furnish, served.services)
        store = served.services.store
        served.run(store.load, [observation(f"o{n}", "anna") for n in range(OBSERVATIONS)])
        for size in (100, 40_000, 30_000, 30_000, 70_000, 200):
            body = {"resourceType": "Basic", "code": {"coding": [{"code": "big"}], "text": "x" * size}}
            served.run(store.create, body, EVERYTHING)
        yield served


@pytest.fixture(scope="module")
def headers(hospital: Hospital) -> dict[str, str]:
    return hospital.token("user/*.cruds", patient=None)


class Searches:
    """How many searches reach the store, and how many entries they give."""

    def __init__(self, hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[int] = []
        store = hospital.services.store
        search = store.search

        async def counted(kind: str, *values: Any, **named: Any) -> Any:
            page = await search(kind, *values, **named)
            if kind != "AuditEvent":
                self.asked.append(len(page.entries))
            return page

        monkeypatch.setattr(type(store), "search", staticmethod(counted))


@pytest.fixture
def searches(hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> Searches:
    return Searches(hospital, monkeypatch)


def send(
    hospital: Hospital, headers: dict[str, str], kind: str, *urls: str, **more: Any
) -> list[dict[str, Any]]:
    entries = [{"request": {"method": "GET", "url": url}} for url in urls]
    body = {"resourceType": "Bundle", "type": kind, "entry": entries + more.get("entries", [])}
    answer = hospital.http.post("/fhir", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json().get("entry", [])
    return found


def codes(entries: list[dict[str, Any]]) -> list[str]:
    """The status of each entry, and the issue code of those that were refused."""
    found = []
    for entry in entries:
        response = entry["response"]
        issue = response.get("outcome", {}).get("issue", [{}])[0]
        found.append(
            (
                response["status"][:3] + " " + issue.get("details", {}).get("coding", [{}])[0].get("code", "")
            ).strip()
        )
    return found


def ids(bundle: dict[str, Any]) -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ())]


def next_link(bundle: dict[str, Any]) -> str | None:
    found = [link["url"] for link in bundle["link"] if link["relation"] == "next"]
    return found[0] if found else None


class TestEntries:
    @pytest.mark.parametrize("kind", ["batch", "transaction"])
    def test_searches_beyond_the_budget_are_refused_and_not_run(
        self, hospital: Hospital, headers: dict[str, str], searches: Searches, kind: str
    ) -> None:
        found = send(hospital, headers, kind, *["Observation?_count=1000"] * 50)
        shown = [len(entry["resource"]["entry"]) for entry in found if "resource" in entry]
        assert codes(found) == ["200"] * len(shown) + ["413 FB-REST-018"] * (50 - len(shown))
        assert sum(shown) + len(shown) <= ENTRIES + 1
        probed = (
            50 if kind == "transaction" else 0
        )  # whether they can be answered is asked before anything is stored
        assert len(searches.asked) == len(shown) + probed
        assert sum(searches.asked[probed:]) == sum(shown)

    def test_the_last_page_that_fits_is_shorter_and_can_be_gone_on_with(
        self, hospital: Hospital, headers: dict[str, str]
    ) -> None:
        found = send(hospital, headers, "batch", *["Observation?_count=30&_sort=_id"] * 2)
        whole, rest = found[0]["resource"], found[1]["resource"]
        assert len(ids(whole)) == 30
        assert 0 < len(ids(rest)) < 30
        seen, link = ids(rest), next_link(rest)
        while link:
            body = hospital.http.get(link.removeprefix("http://127.0.0.1:8000"), headers=headers).json()
            seen, link = seen + ids(body), next_link(body)
        assert len(seen) == len(set(seen)) >= OBSERVATIONS
        assert seen[:30] == ids(whole)

    def test_reads_and_operations_count_too(self, hospital: Hospital, headers: dict[str, str]) -> None:
        found = send(hospital, headers, "batch", *["Patient/anna"] * 60)
        assert codes(found) == ["200"] * ENTRIES + ["413 FB-REST-018"] * (60 - ENTRIES)
        Much.began = 0
        found = send(hospital, headers, "batch", *["$much"] * 5)
        assert codes(found) == ["200"] * 2 + ["413 FB-REST-018"] * 3
        assert Much.began == 2

    def test_writes_beyond_it_are_not_stored(self, hospital: Hospital, headers: dict[str, str]) -> None:
        entries = [
            {
                "request": {"method": "PUT", "url": f"Basic/w{n}"},
                "resource": {"resourceType": "Basic", "id": f"w{n}", "code": {"text": "x"}},
            }
            for n in range(ENTRIES + 5)
        ]
        found = send(hospital, headers, "batch", entries=entries)
        assert codes(found) == ["201"] * ENTRIES + ["413 FB-REST-018"] * 5
        assert hospital.http.get(f"/fhir/Basic/w{ENTRIES}", headers=headers).status_code == 404
        assert hospital.http.get(f"/fhir/Basic/w{ENTRIES - 1}", headers=headers).status_code == 200

    def test_each_request_has_its_own(self, hospital: Hospital, headers: dict[str, str]) -> None:
        for _ in range(3):
            assert codes(send(hospital, headers, "batch", "Observation?_count=30")) == ["200"]


class TestBytes:
    def pages(self, hospital: Hospital, headers: dict[str, str], path: str) -> list[list[int]]:
        """The sizes of the contents of each page."""
        found, link = [], path
        while link:
            answer = hospital.http.get(link.removeprefix("http://127.0.0.1:8000"), headers=headers)
            body = answer.json()
            found.append([len(entry["resource"]["code"]["text"]) for entry in body["entry"]])
            link = next_link(body) or ""
        return found

    @pytest.mark.parametrize("path", ["/fhir/Basic?code=big", "/fhir/Basic?code=big&_sort=-_lastUpdated"])
    def test_a_page_that_would_be_larger_is_shorter(
        self, hospital: Hospital, headers: dict[str, str], path: str
    ) -> None:
        found = self.pages(hospital, headers, path)
        assert sorted(size for page in found for size in page) == [100, 200, 30_000, 30_000, 40_000, 70_000]
        assert all(sum(page) <= BYTES or len(page) == 1 for page in found)
        assert len(found) >= 4

    def test_so_is_a_page_of_a_history(self, hospital: Hospital, headers: dict[str, str]) -> None:
        found = self.pages(hospital, headers, "/fhir/Basic/_history")
        sizes = [size for page in found for size in page if size > 1]
        assert sorted(sizes) == [100, 200, 30_000, 30_000, 40_000, 70_000]
        assert all(sum(page) <= BYTES or len(page) == 1 for page in found)

    def test_the_searches_of_a_batch_share_them(self, hospital: Hospital, headers: dict[str, str]) -> None:
        found = send(hospital, headers, "batch", *["Basic?code=big"] * 10)
        sizes = [
            len(entry["resource"]["code"]["text"])
            for item in found
            if "resource" in item
            for entry in item["resource"]["entry"]
        ]
        assert sum(sizes) <= BYTES + 70_000


def asleep(hospital: Hospital) -> int:
    """How many of the operations' statements run in the database."""

    async def count() -> int:
        async with hospital.services.store.pool.connection() as connection:
            rows = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' "
                "AND query LIKE '%''asleep''%' AND pid <> pg_backend_pid()"
            )
            row = await rows.fetchone()
            assert row is not None
            return int(row[0])

    found: int = hospital.run(count)
    return found


@pytest.mark.usefixtures("short")
class TestTime:
    @pytest.fixture
    def short(self, hospital: Hospital, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hospital.services.settings, "max_request_seconds", 1.0)

    def test_what_takes_too_long_is_stopped_in_the_database_too(
        self, hospital: Hospital, headers: dict[str, str]
    ) -> None:
        answer = hospital.http.get("/fhir/$sleep", headers=headers)
        assert answer.status_code == 503
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-REST-019"
        assert asleep(hospital) == 0

    def test_in_a_batch_the_entries_after_it_are_not_begun(
        self, hospital: Hospital, headers: dict[str, str]
    ) -> None:
        Sleep.began = 0
        found = send(hospital, headers, "batch", "Patient/anna", *["$sleep"] * 10, "Patient/anna")
        assert codes(found) == ["200"] + ["503 FB-REST-019"] * 11
        assert Sleep.began == 1
        assert asleep(hospital) == 0

    def test_the_databases_own_limit_is_told_as_such(
        self, hospital: Hospital, headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def canceled(*_: Any, **__: Any) -> Any:
            raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

        monkeypatch.setattr(type(hospital.services.store), "read", canceled)
        answer = hospital.http.get("/fhir/Patient/anna", headers=headers)
        assert answer.status_code == 503
        assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "FB-REST-019"

    def test_statements_have_a_limit_of_their_own(self, hospital: Hospital) -> None:
        async def limit() -> str:
            async with hospital.services.store.pool.connection() as connection:
                row = await (await connection.execute("SHOW statement_timeout")).fetchone()
                assert row is not None
                return str(row[0])

        assert hospital.run(limit) == f"{int(SECONDS) + 5}s"


class TestBodies:
    def test_one_of_too_many_values_is_refused(self, hospital: Hospital, headers: dict[str, str]) -> None:
        from fhir_bridge.server.rest import body

        for text, reported in (
            (b'{"x":[' + b"{}," * 1_000_001 + b"{}]}", "more than 1000000 values"),
            (b'{"x":[' + b"1," * 800_000 + b"1]}", "an object or list has more than"),
            (b'{"x":' + b"[" * 900_000 + b" " * 200_000, "an object or list has more than"),
        ):
            with pytest.raises(Refusal) as refused:
                body.parse(text)
            assert refused.value.status == 400
            assert reported in refused.value.issues[0].message

    def test_many_small_objects_are_none_too_many(self) -> None:
        from fhir_bridge.server.rest import body

        assert len(body.parse(b'{"x":[' + b'{"y":"0123456789"},' * 100_000 + b"{}]}")["x"]) == 100_001

    def test_where_there_is_no_room_for_a_body_it_is_refused_for_now(
        self, hospital: Hospital, headers: dict[str, str]
    ) -> None:
        body = {"resourceType": "Basic", "code": {"text": "x" * 100_000}}
        limit = hospital.services.bodies
        limit.take(750_000)
        answer = hospital.http.post("/fhir/Basic", json=body, headers=headers)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        limit.give(750_000)
        assert hospital.http.post("/fhir/Basic", json=body, headers=headers).status_code == 201
        assert limit._held == 0

    def test_a_hundred_thousand_unknown_keys_get_a_bounded_answer(
        self, hospital: Hospital, headers: dict[str, str]
    ) -> None:
        keys = ",".join(f'"k{n}":1' for n in range(15_000))
        body = '{"resourceType":"Basic","code":{"text":"x"},' + keys + "}"
        answer = hospital.http.post(
            "/fhir/Basic", content=body, headers=headers | {"Content-Type": "application/fhir+json"}
        )
        assert answer.status_code == 422
        assert len(answer.json()["issue"]) == 201
        assert answer.json()["issue"][-1]["code"] == "incomplete"


class TestSlots:
    def test_one_caller_leaves_places_for_others(self) -> None:
        async def work() -> tuple[list[str], list[str]]:
            slots, running, order = Slots(4, 2), [], []
            go = asyncio.Event()

            async def take(caller: str) -> None:
                async with slots.taken(caller):
                    running.append(caller)
                    await go.wait()
                    order.append(caller)

            tasks = [asyncio.create_task(take(name)) for name in "aaaaaab"]
            await asyncio.sleep(0.01)
            began = list(running)
            go.set()
            await asyncio.gather(*tasks)
            return began, order

        began, order = asyncio.run(work())
        assert sorted(began) == ["a", "a", "b"]
        assert sorted(order) == ["a"] * 6 + ["b"]

    def test_who_gives_up_waiting_takes_no_place(self) -> None:
        async def work() -> None:
            slots = Slots(1, 1)
            async with slots.taken("a"):
                waiting = asyncio.create_task(slots.taken("b").__aenter__())
                await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
            async with asyncio.timeout(1), slots.taken("b"):
                pass

        asyncio.run(work())

    def test_room_is_given_back(self) -> None:
        limit = ByteLimit(10)
        limit.take(8)
        with pytest.raises(ByteLimitReached):
            limit.take(3)
        limit.give(8)
        limit.take(10)


def test_a_budget_that_probes_shares_the_time_and_nothing_else() -> None:
    budget = Budget(Settings(max_request_entries=5, max_request_seconds=0.001))
    probe = budget.probing()
    probe.spend()
    assert budget.entries == 5
    with pytest.raises(Refusal):
        probe.check()
    budget.start()
    while budget.seconds:
        pass
    with pytest.raises(Refusal) as refused:
        budget.check()
    assert refused.value.status == 503
