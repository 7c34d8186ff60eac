"""Whatever happens to a record, in whichever order: one current result at most, and one that the record explains."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.predictions import PatientRecord, Prediction, PredictorSettings
from fhir_bridge.predictions.record import codings
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage import Store
from fhir_bridge.storage.currency import RECORD_TYPES, used_hash
from fhir_bridge.storage.errors import StorageError
from tests.predictions.clinic import (
    APPROVED,
    CHOLESTEROL,
    ENABLED,
    HDL,
    SBP,
    Clinic,
    consent,
    is_superseded,
    of_patient,
    records,
)
from tests.predictions.records import answer, blood_pressure, condition, quantity

PATIENTS = count()
INPUTS = (SBP, CHOLESTEROL, HDL, "egfr", "newer")

Step = tuple[Any, ...]


def steps() -> st.SearchStrategy[Step]:
    """One thing that happens to the record."""
    value = st.sampled_from([0, 40, 96, 137, 180, 500])
    return st.one_of(
        st.tuples(st.just("write"), st.sampled_from(INPUTS), value),
        st.tuples(st.just("write"), st.just(SBP), value),
        st.tuples(st.just("label"), st.sampled_from(INPUTS), st.integers(0, 3)),
        st.tuples(st.just("delete"), st.sampled_from(INPUTS)),
        st.tuples(
            st.just("status"), st.sampled_from(INPUTS), st.sampled_from(["entered-in-error", "amended"])
        ),
        st.tuples(st.just("load"), st.just(0)),
        st.tuples(
            st.just("person"), st.sampled_from(["address", "birthDate", "gender", "deceased", "alive"])
        ),
        st.tuples(st.just("disease"), st.booleans()),
        st.tuples(st.just("consent"), st.sampled_from(["active", "inactive"])),
        st.tuples(st.just("review"), st.just(0)),
        st.tuples(st.just("predict"), st.booleans()),
        st.tuples(st.just("predict"), st.booleans()),
    )


class Case:
    """One patient, to whom the steps happen."""

    def __init__(self, store: Store) -> None:
        self.clinic = Clinic(store)
        self.store = store
        self.name = f"s{next(PATIENTS)}"
        self.versions: dict[str, int] = {}

    def own(self, resource: dict[str, Any]) -> dict[str, Any]:
        """The resource, of this case's patient."""
        found = {
            **resource,
            "id": self.name if resource["resourceType"] == "Patient" else f"{self.name}-{resource['id']}",
        }
        for element in ("subject", "patient"):
            if element in found:
                found[element] = {"reference": f"Patient/{self.name}"}
        return found

    def measured(self, name: str, value: int) -> dict[str, Any]:
        found = {
            SBP: lambda: blood_pressure(value),
            CHOLESTEROL: lambda: quantity("14647-2", value / 25, "mmol/L"),
            HDL: lambda: quantity("14646-4", value / 100, "mmol/L"),
            "egfr": lambda: quantity("98979-8", value, "mL/min/{1.73_m2}"),
            "newer": lambda: blood_pressure(value, when="2026-11-28T08:00:00Z"),
        }[name]()
        return self.own(of_patient(found | {"id": name}))

    async def change(self, name: str, **elements: Any) -> None:
        """Give a stored resource other elements; nothing where it is not there."""
        kind = "Patient" if name == self.name else "Observation"
        try:
            found = await self.clinic.read(kind, name if kind == "Patient" else f"{self.name}-{name}")
        except StorageError:
            return
        found |= elements
        await self.clinic.write({key: value for key, value in found.items() if value is not None})

    async def take(self, step: Step) -> None:
        """Let one thing happen."""
        match step:
            case ("write", name, value):
                await self.clinic.write(self.measured(name, value))
            case ("label", name, number):
                await self.change(name, meta={"tag": [{"code": f"seen-{number}"}]})
            case ("delete", name):
                try:
                    await self.store.delete("Observation", f"{self.name}-{name}", EVERYTHING)
                except StorageError:
                    return
            case ("status", name, status):
                await self.change(name, status=status)
            case ("load", _):
                await self.store.load([self.own(item) for item in records()], adapter="test")
            case ("person", "address"):
                await self.change(self.name, address=[{"text": str(len(self.versions))}])
            case ("person", "birthDate"):
                await self.change(self.name, birthDate="1966-05-06")
            case ("person", "gender"):
                await self.change(self.name, gender="female")
            case ("person", state):
                died = "2026-11-29" if state == "deceased" else None
                await self.change(self.name, deceasedDateTime=died)
            case ("disease", present):
                await self.clinic.write(self.own(of_patient(condition("E11.9", refuted=not present))))
            case ("consent", status):
                await self.clinic.write(self.own(consent(status)))
            case ("review", _):
                for identity in await self.clinic.current(self.name):
                    found = await self.clinic.read("Observation", identity)
                    await self.clinic.write(found | {"status": "final"})
            case ("predict", approved):
                await self.predict(APPROVED if approved else ENABLED)

    async def predict(self, parameters: dict[str, Any]) -> None:
        """Run the model; what is current then is what the record explains."""
        try:
            done = await self.clinic.predict(parameters, self.name)
        except StorageError:
            return
        assert await self.clinic.current(self.name) == [done.observation_id]
        stored = await self.clinic.read("Observation", done.observation_id)
        assert stored["status"] in ("preliminary", "final")
        assert not is_superseded(stored)
        expected = await self.from_scratch(parameters)
        if isinstance(expected, Prediction):
            assert stored["valueQuantity"]["value"] == float(expected.percent)
        else:
            assert stored["dataAbsentReason"]["text"].partition(":")[0] == expected
        assert (await self.clinic.predict(parameters, self.name)).outcome == "unchanged"

    async def from_scratch(self, parameters: dict[str, Any]) -> Prediction | str:
        """What the model says of the record as it is, or the beginning of why it declines."""
        found = [
            loads_exact(entry.bytes)
            async for entry in self.store.patient_record(
                self.name, EVERYTHING, types=("Patient", "Consent", *RECORD_TYPES)
            )
        ]
        of_kind = {
            kind: [item for item in found if item["resourceType"] == kind] for kind in ("Patient", "Consent")
        }
        rules = PredictorSettings.from_site(parameters, "score2")
        if rules.research_use and any(item["status"] == "active" for item in of_kind["Consent"]):
            return "the patient opted out of research, and the model is for research use only"
        result = answer(Score2(), PatientRecord(of_kind["Patient"][0], found, datetime.now(UTC)), rules)
        return result if isinstance(result, Prediction) else result.text.partition(":")[0]

    async def check(self) -> None:
        """What holds at every moment."""
        standings = await self.clinic.standings(self.name)
        assert len([one for one in standings if one.state == "current"]) <= 1
        untagged = 0
        for one in standings:
            stored = await self.store.read("Observation", one.id, EVERYTHING)
            resource = stored.resource()
            withdrawn = resource["status"] == "entered-in-error"
            assert withdrawn == (one.state == "withdrawn")
            if not withdrawn:
                assert is_superseded(resource) == (one.state == "superseded")
                untagged += one.state != "superseded"
            if one.state == "current":
                await self.check_inputs(one.id)
            await self.check_history(one.id, stored.version)
        assert untagged <= 1

    async def check_inputs(self, identity: str) -> None:
        """Every input of a current result still says what was used."""
        async with self.store.connection() as connection:
            rows = await connection.execute(
                "SELECT i.bytes, d.elements, d.hash FROM derived_input d JOIN resource i ON i.key = d.input "
                "JOIN resource r ON r.key = d.result WHERE r.id = %s",
                (identity,),
            )
            inputs = await rows.fetchall()
        assert inputs
        for content, elements, digest in inputs:
            assert content is not None
            assert used_hash(loads_exact(content), elements) == digest

    async def check_history(self, identity: str, version: int) -> None:
        """All versions are kept."""
        assert version >= self.versions.get(identity, 1)
        self.versions[identity] = version
        for number in range(1, version + 1):
            kept = await self.store.vread("Observation", identity, str(number), EVERYTHING)
            assert any(
                code == "AIAST" for _, code in codings({"coding": kept.resource()["meta"]["security"]})
            )


async def happen(url: str, taken: list[Step]) -> None:
    async with await Store.open(url, migrate=False) as store:
        case = Case(store)
        await store.load([case.own(item) for item in records()], adapter="test")
        await case.predict(ENABLED)
        for step in taken:
            await case.take(step)
            await case.check()
        await case.predict(ENABLED)
        await case.check()
        await store.results.of_patient(case.name)


@settings(max_examples=8)
@given(taken=st.lists(steps(), min_size=3, max_size=12))
def test_any_sequence_leaves_one_result_that_the_record_explains(
    database_url: str, taken: list[Step]
) -> None:
    asyncio.run(happen(database_url, taken))


@pytest.mark.soak
@pytest.mark.timeout(7200)
@settings(max_examples=200)
@given(taken=st.lists(steps(), min_size=10, max_size=40))
def test_any_long_sequence_does(database_url: str, taken: list[Step]) -> None:
    asyncio.run(happen(database_url, taken))


def test_runs_and_writers_at_the_same_time_leave_one_result_that_the_record_explains(
    database_url: str,
) -> None:
    """Two models' runs, corrections and newer data of two patients, all at once; nobody waits in a circle."""

    async def work() -> None:
        async with await Store.open(database_url, migrate=False) as store:
            cases = [Case(store), Case(store)]
            for case in cases:
                await store.load([case.own(item) for item in records()], adapter="test")

            async def runs(case: Case, parameters: dict[str, Any]) -> None:
                for _ in range(4):
                    await case.clinic.predict(parameters, case.name)

            async def writes(values: list[int]) -> None:
                for value in values:
                    entries = [
                        {
                            "resource": case.measured(name, value),
                            "request": {"method": "PUT", "url": f"Observation/{case.name}-{name}"},
                        }
                        for case in cases
                        for name in (SBP, CHOLESTEROL)
                    ]
                    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
                    await store.transaction(bundle, EVERYTHING)
                    await cases[0].clinic.write(cases[0].measured("newer", value))

            await asyncio.gather(
                *(runs(case, parameters) for case in cases for parameters in (ENABLED, APPROVED)),
                writes([96, 100, 110, 120]),
                writes([97, 101, 111, 121]),
            )
            for case in cases:
                await case.check()
                await case.predict(ENABLED)
                await case.check()

    asyncio.run(work())


def test_the_steps_are_all_taken(database_url: str) -> None:
    """A sequence by hand, in which each kind of step does something."""
    taken: list[Step] = [
        ("write", SBP, 180),
        ("predict", False),
        ("write", "newer", 137),
        ("predict", True),
        ("review", 0),
        ("label", "newer", 1),
        ("status", "newer", "entered-in-error"),
        ("predict", False),
        ("write", "egfr", 96),
        ("predict", False),
        ("write", "egfr", 40),
        ("predict", False),
        ("delete", "egfr"),
        ("predict", False),
        ("consent", "active"),
        ("predict", False),
        ("consent", "inactive"),
        ("person", "deceased"),
        ("predict", False),
        ("person", "alive"),
        ("disease", True),
        ("predict", False),
        ("disease", False),
        ("load", 0),
        ("predict", True),
    ]
    asyncio.run(happen(database_url, taken))
