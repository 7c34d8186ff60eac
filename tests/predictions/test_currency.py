"""At most one result of a model is current for a patient, and none whose input is not any more."""

from __future__ import annotations

import runpy
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.predictions import Prediction, PredictionRun, Refusal
from fhir_bridge.predictions.score2 import Score2
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.indexing import find_keys
from fhir_bridge.storage.results import Cause
from fhir_bridge.storage.version_rows import lock
from fhir_bridge.terminology import get_terminology
from tests.predictions.clinic import (
    APPROVED,
    CHOLESTEROL,
    ENABLED,
    HDL,
    SBP,
    Clinic,
    consent,
    in_clinic,
    is_superseded,
    of_patient,
    pressure,
    records,
)
from tests.predictions.models import Counting, Weighted
from tests.predictions.records import condition, quantity

NULLIFY = "NULLIFY"


async def by_update(store: Store, resource: dict[str, Any]) -> None:
    await store.update(resource["resourceType"], resource["id"], resource, EVERYTHING)


async def by_transaction(store: Store, resource: dict[str, Any]) -> None:
    entry = {"resource": resource, "request": {"method": "PUT", "url": f"Observation/{resource['id']}"}}
    await store.transaction({"resourceType": "Bundle", "type": "transaction", "entry": [entry]}, EVERYTHING)


async def by_load(store: Store, resource: dict[str, Any]) -> None:
    """As `fhir-bridge load` does, without a server."""
    result = await store.load([resource], adapter="test")
    assert result.updated == 1


async def by_delete(store: Store, resource: dict[str, Any]) -> None:
    await store.delete(resource["resourceType"], resource["id"], EVERYTHING)


async def all_valid(clinic: Clinic) -> None:
    """What predictors and their withdrawal leave is valid FHIR."""
    validator = Validator.of(get_terminology())
    found = await clinic.results()
    for kind in ("RiskAssessment", "Provenance", "Device", "DocumentReference"):
        found += await clinic.find(kind)
    wrong = [
        issue for one in found for issue in validator.validate(one) if issue.severity in ("error", "fatal")
    ]
    assert wrong == []


Way = Callable[[Store, dict[str, Any]], Awaitable[None]]


class TestACorrection:
    """An input of a result gets another value, or is taken back."""

    @pytest.mark.parametrize("way", [by_update, by_transaction, by_load, by_delete])
    @pytest.mark.parametrize("reviewed", [False, True])
    def test_withdraws_the_result_with_the_write_whoever_writes(
        self, way: Way, reviewed: bool, fresh_database_url: str
    ) -> None:
        async def work(clinic: Clinic) -> None:
            done = await clinic.predict()
            (risk,) = await clinic.find("RiskAssessment")
            if reviewed:
                await clinic.write(
                    await clinic.read("Observation", done.observation_id) | {"status": "final"}
                )
            before = await clinic.store.read("Observation", done.observation_id, EVERYTHING)
            await way(clinic.store, pressure(180, status="corrected"))
            assert await clinic.current() == []
            for kind, identity in (("Observation", done.observation_id), ("RiskAssessment", risk["id"])):
                assert (await clinic.read(kind, identity))["status"] == "entered-in-error"
                (found,) = [
                    item
                    for item in await clinic.find("Provenance", ("target", f"{kind}/{identity}"))
                    if item["activity"]["coding"][0]["code"] == NULLIFY
                ]
                named = {(item["role"], item["what"]["reference"]) for item in found["entity"]}
                expected = {("removal", f"Observation/{SBP}/_history/1")}
                if way is not by_delete:
                    expected.add(("revision", f"Observation/{SBP}/_history/2"))
                assert named == expected
            await all_valid(clinic)
            kept = await clinic.store.vread(
                "Observation", done.observation_id, str(before.version), EVERYTHING
            )
            assert kept.bytes == before.bytes
            assert await clinic.jobs() == [{"patient": "p", "model": "score2"}]

        in_clinic(fresh_database_url, work)

    def test_locks_at_once_all_that_it_may_withdraw(self, fresh_database_url: str) -> None:
        """In two steps it could wait for a writer of both the result and its RiskAssessment, who waits for it."""

        async def work(clinic: Clinic) -> None:
            done = await clinic.predict()
            (risk,) = await clinic.find("RiskAssessment")
            beside = [("Observation", done.observation_id), ("RiskAssessment", risk["id"])]
            for name in (("Observation", SBP), ("Observation", done.observation_id)):
                async with (
                    clinic.store.connection() as one,
                    one.transaction(force_rollback=True),
                    clinic.store.connection() as other,
                ):
                    keys = await find_keys(one, [name])
                    await lock(one, list(keys.values()))
                    rows = await other.execute("SELECT type, id FROM resource FOR UPDATE SKIP LOCKED")
                    assert not set(await rows.fetchall()) & set(beside)

        in_clinic(fresh_database_url, work)

    @pytest.mark.parametrize("changed", [SBP, CHOLESTEROL, HDL])
    def test_says_what_has_another_value_though_others_were_sent_again(
        self, fresh_database_url: str, changed: str
    ) -> None:
        other = {
            SBP: pressure(180),
            CHOLESTEROL: of_patient(quantity("14647-2", 5, "mmol/L")) | {"id": CHOLESTEROL},
            HDL: of_patient(quantity("14646-4", 1, "mmol/L")) | {"id": HDL},
        }[changed]

        async def work(clinic: Clinic) -> None:
            await clinic.predict()
            again = [item for item in records()[1:] if item["id"] != changed]
            sent = [item | {"issued": "2026-11-02T09:00:00Z"} for item in (*again, other)]
            await clinic.store.load(sent, adapter="test")
            (standing,) = await clinic.standings()
            assert standing.cause is not None
            assert standing.cause.id == changed

        in_clinic(fresh_database_url, work)

    def test_says_what_was_corrected_until_it_is_computed_again(self, fresh_database_url: str) -> None:
        async def work(clinic: Clinic) -> None:
            await clinic.predict()
            await clinic.write(pressure(180))
            (standing,) = await clinic.standings()
            assert standing.state == "withdrawn"
            assert standing.cause == Cause(
                "Observation", SBP, 1, 2, False, "systolic blood pressure", "137 mm[Hg]"
            )
            assert standing.waiting
            done = await clinic.predict()
            assert await clinic.current() == [done.observation_id]
            assert await clinic.jobs() == []

        in_clinic(fresh_database_url, work)

    def test_reaches_results_that_were_superseded_before(self, fresh_database_url: str) -> None:
        async def work(clinic: Clinic) -> None:
            first = await clinic.predict()
            await clinic.write(pressure(150, id="newer", effectiveDateTime="2026-11-28T08:00:00Z"))
            second = await clinic.predict()
            await clinic.write(pressure(180))  # the first result's pressure; the second rests on another one
            states = {one.id: one.state for one in await clinic.standings()}
            assert states == {first.observation_id: "withdrawn", second.observation_id: "current"}

        in_clinic(fresh_database_url, work)

    def test_that_is_refused_withdraws_nothing(self, fresh_database_url: str) -> None:
        async def work(clinic: Clinic) -> None:
            done = await clinic.predict()
            with pytest.raises(StorageError):
                await clinic.store.update("Observation", SBP, pressure(180), EVERYTHING, if_match='W/"7"')
            assert await clinic.current() == [done.observation_id]

        in_clinic(fresh_database_url, work)

    def test_back_to_what_it_was_gives_another_result_and_never_revives_the_withdrawn_one(
        self, fresh_database_url: str
    ) -> None:
        async def work(clinic: Clinic) -> None:
            first = await clinic.predict()
            await clinic.write(pressure(180))
            await clinic.write(pressure(137))
            again = await clinic.predict()
            assert again.result.evidence != first.result.evidence
            assert again.observation_id != first.observation_id
            assert (await clinic.read("Observation", first.observation_id))["status"] == "entered-in-error"
            assert (await clinic.predict()).outcome == "unchanged"

        in_clinic(fresh_database_url, work)

    @pytest.mark.parametrize(("element", "value"), [("birthDate", "1950-03-04"), ("gender", "female")])
    def test_of_the_patient_withdraws_where_the_element_was_used(
        self, element: str, value: str, fresh_database_url: str
    ) -> None:
        async def work(clinic: Clinic) -> None:
            done = await clinic.predict()
            person = await clinic.read("Patient", "p")
            await clinic.write(person | {"name": [{"family": "Married"}], "telecom": [{"value": "1"}]})
            assert await clinic.current() == [done.observation_id]
            assert await clinic.jobs() == []
            assert (await clinic.predict()).outcome == "unchanged"
            await clinic.write(person | {element: value})
            assert await clinic.current() == []
            assert (await clinic.read("Observation", done.observation_id))["status"] == "entered-in-error"

        in_clinic(fresh_database_url, work)

    def test_of_an_egfr_that_did_not_exclude_withdraws(self, fresh_database_url: str) -> None:
        async def work(clinic: Clinic) -> None:
            kidneys = of_patient(quantity("98979-8", 95, "mL/min/{1.73_m2}")) | {"id": "egfr"}
            await clinic.write(kidneys)
            await clinic.predict()
            kidneys["valueQuantity"]["value"] = 25
            await clinic.write(kidneys)
            assert await clinic.current() == []
            assert isinstance((await clinic.predict()).result, Refusal)

        in_clinic(fresh_database_url, work)


def test_only_the_label_of_an_input_changes_and_the_result_stands(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        done = await clinic.predict()
        tagged = pressure(137)
        tagged["meta"] = {"source": "urn:fhir-bridge:csv:lab", "tag": [{"code": "seen"}]}
        await clinic.write(tagged)
        assert await clinic.current() == [done.observation_id]
        assert (await clinic.predict()).outcome == "unchanged"

    in_clinic(fresh_database_url, work)


def test_newer_data_leaves_the_result_until_the_next_takes_its_place(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        first = await clinic.predict()
        reviewed = await clinic.read("Observation", first.observation_id) | {"status": "final"}
        await clinic.write(reviewed)
        assert await clinic.jobs() == []  # what a model says is no news to a model
        await clinic.write(pressure(160, id="newer", effectiveDateTime="2026-11-28T08:00:00Z"))
        assert await clinic.current() == [first.observation_id]
        assert await clinic.jobs() == [{"patient": "p", "model": "score2"}]
        second = await clinic.predict()
        assert await clinic.current() == [second.observation_id]
        old, new = [await clinic.read("Observation", one.observation_id) for one in (first, second)]
        assert (old["status"], is_superseded(old), is_superseded(new)) == ("final", True, False)
        (tagged,) = await clinic.find("RiskAssessment", ("_tag", "superseded"))
        assert tagged["basis"][0]["reference"] == f"Observation/{first.observation_id}"
        await all_valid(clinic)
        found = await clinic.find("Observation", ("code", "score2"), ("_tag:not", "superseded"))
        assert [item["id"] for item in found] == [second.observation_id]

    in_clinic(fresh_database_url, work)


def test_of_five_results_one_is_current(fresh_database_url: str) -> None:
    """Two corrections, and two newer measurements."""

    async def work(clinic: Clinic) -> None:
        await clinic.predict()
        for value in (141, 142):
            await clinic.write(pressure(value))
            await clinic.predict()
        for day in (28, 29):
            await clinic.write(pressure(120 + day, id=f"day-{day}", effectiveDateTime=f"2026-11-{day}"))
            last = await clinic.predict()
        found = await clinic.results()
        assert len(found) == 5
        standing = [
            item for item in found if item["status"] != "entered-in-error" and not is_superseded(item)
        ]
        assert [item["id"] for item in standing] == [last.observation_id]

    in_clinic(fresh_database_url, work)


def test_an_approval_takes_effect(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        first = await clinic.predict()
        second = await clinic.predict(APPROVED)
        assert second.outcome == "written"
        assert await clinic.current() == [second.observation_id]
        notes = {
            one.observation_id: str((await clinic.read("Observation", one.observation_id))["note"])
            for one in (first, second)
        }
        assert "Research use" in notes[first.observation_id]
        assert "Research use" not in notes[second.observation_id]
        assert "prevention clinic" in notes[second.observation_id]
        assert len(await clinic.find("DocumentReference")) == 2
        assert (await clinic.predict(APPROVED)).outcome == "unchanged"

    in_clinic(fresh_database_url, work)


class Recalibrated(Score2):
    """The same version of the model, with another content."""

    def __init__(self) -> None:
        self.coefficients = {"age": 0.4}


class Newer(Score2):
    version = "2026.1"


@pytest.mark.parametrize("model", [Newer(), Recalibrated()])
def test_another_version_or_content_of_the_model_supersedes(model: Score2, fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        first = await clinic.predict()
        second = await clinic.predict(model=model)
        assert second.outcome == "written"
        assert await clinic.current() == [second.observation_id]
        assert is_superseded(await clinic.read("Observation", first.observation_id))
        assert len({item["device"]["reference"] for item in await clinic.results()}) == 2

    in_clinic(fresh_database_url, work)


def test_a_result_whose_newer_input_was_taken_back_is_current_again(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        first = await clinic.predict()
        await clinic.write(pressure(160, id="newer", effectiveDateTime="2026-11-28T08:00:00Z"))
        second = await clinic.predict()
        await clinic.write(
            pressure(160, id="newer", effectiveDateTime="2026-11-28T08:00:00Z", status="entered-in-error")
        )
        third = await clinic.predict()
        assert (third.observation_id, third.outcome) == (first.observation_id, "written")
        assert await clinic.current() == [first.observation_id]
        old = await clinic.read("Observation", first.observation_id)
        assert (old["status"], is_superseded(old)) == ("preliminary", False)
        assert (await clinic.read("Observation", second.observation_id))["status"] == "entered-in-error"

    in_clinic(fresh_database_url, work)


def test_a_refusal_takes_the_place_of_a_result_and_its_disease_refuted_takes_it_back(
    fresh_database_url: str,
) -> None:
    async def work(clinic: Clinic) -> None:
        first = await clinic.predict()
        diabetes = of_patient(condition("E11.9"))
        await clinic.write(diabetes)
        second = await clinic.predict()
        assert isinstance(second.result, Refusal)
        assert await clinic.current() == [second.observation_id]
        assert is_superseded(await clinic.read("Observation", first.observation_id))
        await clinic.write(of_patient(condition("E11.9", refuted=True)))
        assert await clinic.current() == []
        third = await clinic.predict()
        assert isinstance(third.result, Prediction)
        assert any("condition-E11-9" in item.reference for item in third.result.evidence)

    in_clinic(fresh_database_url, work)


def test_who_opted_out_of_research_gets_no_result_for_research_use(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        first = await clinic.predict()
        await clinic.write(consent())
        assert await clinic.jobs() == [{"patient": "p", "model": "score2"}]
        second = await clinic.predict()
        assert isinstance(second.result, Refusal)
        assert second.result.reason == "opted-out"
        refused = await clinic.read("Observation", second.observation_id)
        assert refused["dataAbsentReason"]["coding"][0]["code"] == "masked"
        assert "opted out of research" in refused["dataAbsentReason"]["text"]
        assert is_superseded(await clinic.read("Observation", first.observation_id))
        approved = await clinic.predict(APPROVED)  # no research any more
        assert isinstance(approved.result, Prediction)
        await clinic.predict()
        await clinic.write(consent("inactive"))
        (outdated,) = [one for one in await clinic.standings() if one.state == "outdated"]
        assert outdated.id == second.observation_id
        assert (await clinic.read("Observation", outdated.id))["status"] == "preliminary"
        assert isinstance((await clinic.predict()).result, Prediction)

    in_clinic(fresh_database_url, work)


def test_an_opted_out_record_reaches_no_model(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        class NoWorkers:
            async def predict(self, *arguments: Any) -> Any:
                raise AssertionError("the model was asked")

        await clinic.write(consent())
        parameters = {"predictions": {"model": {"enabled": True}}}
        run = PredictionRun(Counting(), parameters, IdKey(DEMO_KEY), clinic.store, NoWorkers())  # type: ignore[arg-type]
        found = [done async for done in run.for_all()]
        assert [(done.outcome, done.result.reason) for done in found] == [("written", "opted-out")]  # type: ignore[union-attr]
        assert [done.outcome async for done in run.for_all()] == ["unchanged"]

    in_clinic(fresh_database_url, work)


def test_a_death_outdates_a_result_and_puts_it_in_no_error(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        done = await clinic.predict()
        person = await clinic.read("Patient", "p")
        await clinic.write(person | {"deceasedDateTime": "2026-11-29"})
        (standing,) = await clinic.standings()
        assert standing.state == "outdated"
        assert (await clinic.read("Observation", done.observation_id))["status"] == "preliminary"
        assert isinstance((await clinic.predict()).result, Refusal)
        assert is_superseded(await clinic.read("Observation", done.observation_id))
        await clinic.write(person)  # it was somebody else
        assert (await clinic.predict()).observation_id == done.observation_id

    in_clinic(fresh_database_url, work)


def test_two_records_of_one_person_have_one_current_result(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        other = [item | {"id": f"q-{item['id']}"} for item in records()[1:]]
        for item in other:
            item["subject"] = {"reference": "Patient/q"}
        await clinic.store.load([records()[0] | {"id": "q"}, *other], adapter="test")
        mine, twin = await clinic.predict(), await clinic.predict(patient="q")
        await clinic.store.link_patients("p", "q")
        assert await clinic.current() == []
        both = await clinic.predict(patient="q")
        assert both.patient_id == "p"
        assert await clinic.current() == [both.observation_id]
        await clinic.store.unlink_patients("p", "q")
        assert await clinic.current() == []
        assert (await clinic.read("Observation", both.observation_id))["status"] == "entered-in-error"
        assert (await clinic.predict()).observation_id == mine.observation_id
        assert (await clinic.predict(patient="q")).observation_id == twin.observation_id

    in_clinic(fresh_database_url, work)


def test_an_input_that_is_corrected_while_the_model_runs_is_computed_again(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        run = PredictionRun(Score2(), ENABLED, IdKey(DEMO_KEY), clinic.store)
        real, values = run._workers, iter((180, 190))

        class Slow:
            async def predict(self, *arguments: Any) -> Any:
                answers = await real.predict(*arguments)
                value = next(values, None)
                if value is not None:
                    await clinic.write(pressure(value))
                return answers

        run._workers = Slow()  # type: ignore[assignment]
        done = await run.for_patient("p")
        assert done.result.evidence[0].value == "190 mm[Hg]"
        assert await clinic.current() == [done.observation_id]
        assert len(await clinic.results()) == 1

    in_clinic(fresh_database_url, work)


def test_a_result_that_is_deleted_is_not_current(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        done = await clinic.predict()
        await clinic.store.delete("Observation", done.observation_id, EVERYTHING)
        assert await clinic.current() == []
        assert await clinic.jobs() == [{"patient": "p", "model": "score2"}]
        again = await clinic.predict()
        assert await clinic.current() == [again.observation_id]
        assert again.observation_id != done.observation_id

    in_clinic(fresh_database_url, work)


def test_several_inputs_corrected_together_are_named_together(fresh_database_url: str) -> None:
    async def work(clinic: Clinic) -> None:
        await clinic.predict()
        changed = [item for item in records() if item["id"] in (CHOLESTEROL, HDL)]
        for item in changed:
            item["valueQuantity"]["value"] = 2
        await clinic.store.load(changed, adapter="test")
        (found,) = [
            item
            for item in await clinic.find("Provenance")
            if item["activity"]["coding"][0]["code"] == NULLIFY
        ]
        assert len(found["entity"]) == 4
        assert b"valueQuantity" not in dumps(found)

    in_clinic(fresh_database_url, work)


def test_five_results_of_an_earlier_program_are_superseded_by_the_next_run(
    fresh_database_url: str, repository: Path
) -> None:
    """As the database has them after it was upgraded: nothing said which of them counts."""
    source = repository / "migrations/versions/0005_predictions.py"
    # In the words of the schema of today: contents were bytea then.
    adopt = runpy.run_path(str(source))["ADOPT"].replace(
        "convert_from(r.bytes, 'UTF8')", "resource_text(r.bytes)"
    )

    async def work(clinic: Clinic) -> None:
        done = await clinic.predict()
        result = await clinic.read("Observation", done.observation_id)
        (risk,) = await clinic.find("RiskAssessment")
        async with clinic.store.connection() as connection:
            await connection.execute("DELETE FROM prediction")
        for number in range(4):
            await clinic.write(result | {"id": f"old-{number}"})
            basis = [{"reference": f"Observation/old-{number}"}]
            await clinic.write(risk | {"id": f"risk-{number}", "basis": basis})
        async with clinic.store.connection() as connection:
            await connection.execute(adopt)
        now = await clinic.predict(APPROVED)
        assert await clinic.current() == [now.observation_id]
        for kind in ("Observation", "RiskAssessment"):
            found = await clinic.find(kind, ("_security", "AIAST"))
            assert (len(found), sum(is_superseded(item) for item in found)) == (6, 5)

    in_clinic(fresh_database_url, work)


def test_a_weight_file_that_changes_makes_another_model(fresh_database_url: str, tmp_path: Path) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"one")

    async def work(clinic: Clinic) -> None:
        model = Weighted()
        model.files = (weights,)
        parameters = {"predictions": {"model": {"enabled": True}}}
        first = await clinic.predict(parameters, model=model)
        assert (await clinic.predict(parameters, model=model)).outcome == "unchanged"
        weights.write_bytes(b"three")
        second = await clinic.predict(parameters, model=model)
        assert [first.result.display, second.result.display] == ["one", "three"]
        assert await clinic.current() == [second.observation_id]

    in_clinic(fresh_database_url, work)
