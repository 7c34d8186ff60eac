"""Running a predictor over stored patients: one code path for `predict`, `$predict` and the job after new data."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.ids import IdKey
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.answers import Answer
from fhir_bridge.predictions.approval import AlteredModel, check_approval
from fhir_bridge.predictions.contract import Prediction, PredictorSettings, Refusal
from fhir_bridge.predictions.identity import Identities
from fhir_bridge.predictions.model_workers import ModelUnavailable, ModelWorkers, model_workers
from fhir_bridge.predictions.past import subject_at
from fhir_bridge.predictions.record import declared_codes
from fhir_bridge.predictions.registry import PredictionError, model_names
from fhir_bridge.predictions.results import Finished, ResultBuilder
from fhir_bridge.predictions.shadow import Shadows, check_not_shadow
from fhir_bridge.predictions.subject import Codes, Subject, read_subjects
from fhir_bridge.predictions.values import Summary, summary_in, summary_of
from fhir_bridge.storage import Gone, NotFound, Store, Stored
from fhir_bridge.storage.currency import RECORD_TYPES, dedupe_of
from fhir_bridge.storage.jobs import Jobs
from fhir_bridge.storage.model_versions import ModelVersion, ModelVersions
from fhir_bridge.storage.results import NewResult, State

__all__ = ["Predicted", "PredictionRun", "predict_together"]

Outcome = Literal["written", "unchanged", "withdrawn", "postponed"]
"""`withdrawn`: it was there, and a person took it back: it is no result, and not said again until an input changes.

`postponed`: the record changed each time while it was read; the job that its last change added does it."""

CHUNK: Final = 50
"""Patients in one call of the model and one transaction."""

PAGE: Final = 500
"""Patients of whom is looked at once which ones need a run."""

CHUNK_BYTES: Final = 8 * 1024 * 1024
TOGETHER_SECONDS: Final = 0.5
"""For so long a result waits for those of other models, to be written with them (`predict_together`)."""
_ATTEMPTS: Final = 5
_IN_ERROR: Final = b'"status":"entered-in-error"'


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a run left for one patient.

    Attributes:
        observation_id: empty where it was postponed.
        result: what the model says; None where it was not asked, since nothing that decides it has changed.
        stored: the Observation, where the model was not asked.
    """

    patient_id: str
    observation_id: str
    result: Prediction | Refusal | None
    outcome: Outcome
    stored: bytes = b""

    def summary(self) -> Summary:
        """The result for people, whether the model was asked now or earlier."""
        if self.outcome == "withdrawn":
            return Summary("withdrawn", "", "a person took it back; computed again when an input changes")
        if self.result is None:
            return summary_in(orjson.loads(self.stored))
        return summary_of(self.result)


class PredictionRun:
    """A predictor, a site's decision about it, and a store.

    The id of a result hashes the model's content, the site's decisions, the subject and what the inputs say, so a run
    that sees nothing new writes nothing.
    """

    def __init__(
        self,
        predictor: Predictor,
        parameters: Mapping[str, Any],
        key: IdKey,
        store: Store,
        workers: ModelWorkers | None = None,
    ) -> None:
        self._predictor = predictor
        try:
            self._settings = PredictorSettings.from_site(parameters, predictor.name)
            identities = Identities(predictor, self._settings, key)
        except (ValueError, OSError) as error:
            raise PredictionError("FB-PRED-005", f"{predictor.name}: {error}") from error
        if not self._settings.enabled:
            raise PredictionError(
                "FB-PRED-001",
                f'"{predictor.name}" is not enabled at this site; enable it in the site file: '
                f"parameters: {{predictions: {{{predictor.name}: {{enabled: true}}}}}}",
            )
        check_not_shadow(parameters, predictor.name)
        self._store = store
        self._workers = workers or model_workers()
        try:
            self._shadows = Shadows(predictor.name, parameters, key, store, self._workers)
            self._codes = _union([declared_codes(predictor), *self._shadows.codes])
        except (ValueError, OSError) as error:
            raise PredictionError("FB-PRED-005", f"a shadow of {predictor.name}: {error}") from error
        self._approved = False
        self._altered = ""
        self._names = model_names(parameters)
        self._content = identities.content
        self._identities = identities
        # What a model looks at beside the record may change at any moment.
        self._repeats = not getattr(predictor, "reads_elsewhere", False)
        self._builder = ResultBuilder(predictor, self._settings, identities, store.definitions)
        self._jobs = Jobs(store.pool, f"predict-{os.getpid()}-{secrets.token_hex(4)}")

    async def for_patient(self, patient_id: str, access: AccessFilter = EVERYTHING) -> Predicted:
        """Predict for one patient, of what `access` lets be read, and attach the result.

        Of a record that was merged into another one, that one is the subject.

        Raises:
            StorageError: there is no such patient for this caller.
            PredictionError: FB-PRED-004, what is to be written is not valid FHIR; FB-PRED-006, the model can't be run.
        """
        claimed = await self._claim([patient_id])
        seen, _ = await self._seen([patient_id], access)
        subjects = [subject async for subject in self._read([patient_id], access, None, seen)]
        done = await self._run(subjects, access)
        await self._jobs.finish_all(claimed)
        if not done:
            raise Gone(f"Patient/{patient_id} was deleted")
        return done[0]

    async def as_of(self, patient_id: str, access: AccessFilter, moment: datetime) -> dict[str, Any]:
        """What the model says of a patient by what was known at a moment: an Observation that is stored nowhere.

        Raises:
            StorageError: there is no such patient for this caller, or none was known then.
            PredictionError: as `for_patient`.
        """
        await self._check_approved()
        subject = await subject_at(self._store, patient_id, access, moment, self._codes)
        (finished,) = await self._finished([subject])
        built, invalid = await self._build([finished])
        if invalid:
            raise PredictionError("FB-PRED-004", f"{self._predictor.name}: not valid FHIR at {invalid[0][1]}")
        observation = dict(built[0][1].resources[0])
        for name in ("id", "identifier", "device"):
            observation.pop(name, None)
        text = f"By what was known at {moment.isoformat()}; this answer is not stored."
        return observation | {"note": [{"text": text}, *observation["note"]]}

    async def for_patients(
        self, patient_ids: Iterable[str], access: AccessFilter = EVERYTHING
    ) -> AsyncIterator[Predicted]:
        """The same for many, several at a time; each person once."""
        waiting = list(dict.fromkeys(patient_ids))
        for start in range(0, len(waiting), PAGE):
            async for done in self._page(waiting[start : start + PAGE], access):
                yield done

    async def for_all(self, access: AccessFilter = EVERYTHING) -> AsyncIterator[Predicted]:
        """Predict for every patient that is current (a record merged into another one is left out)."""
        cursor = None
        while True:
            page = await self._store.search("Patient", [("_sort", "_id")], access, count=PAGE, cursor=cursor)
            known = {entry.id: entry for entry in page.entries if not _is_merged(entry.bytes)}
            async for done in self._page(list(known), access, known):
                yield done
            cursor = page.next
            if cursor is None:
                return

    async def members(self, group_id: str, access: AccessFilter = EVERYTHING) -> list[str]:
        """Ids of the Patients that are active members of a Group."""
        group = loads_exact((await self._store.read("Group", group_id, access)).bytes)
        references = [
            member["entity"].get("reference", "")
            for member in group.get("member", ())
            if not member.get("inactive")
        ]
        return [text.removeprefix("Patient/") for text in references if text.startswith("Patient/")]

    async def _page(
        self, ids: Sequence[str], access: AccessFilter, known: Mapping[str, Stored] | None = None
    ) -> AsyncIterator[Predicted]:
        """Some patients; `known`: those of them that were read already."""
        claimed = await self._claim(ids)
        seen, unchanged = await self._seen(ids, access)
        for done in unchanged:
            yield done
        kept = {done.patient_id for done in unchanged}
        waiting = [item for item in ids if item not in kept]
        for start in range(0, len(waiting), CHUNK):
            async for done in self._chunk(waiting[start : start + CHUNK], access, known, seen):
                yield done
        await self._jobs.finish_all(claimed)

    async def _seen(
        self, ids: Sequence[str], access: AccessFilter
    ) -> tuple[dict[str, bytes], list[Predicted]]:
        """What is about to be seen of each patient, before it is read; and those who need no run.

        Whoever may not read everything sees another record, and a shadow wants to be asked: of those nothing is known.
        """
        if access is not EVERYTHING or not self._repeats or self._shadows:
            return {}, []
        records = await self._store.results.seen(ids, self._predictor.name, ("Consent", *RECORD_TYPES))
        today = datetime.now(UTC).date()
        seen = {name: self._identities.seen(record.state, today) for name, record in records.items()}
        unchanged = [
            Predicted(name, observation, None, "withdrawn" if _IN_ERROR in content else "unchanged", content)
            for name, record in records.items()
            for observation, content, before in record.results
            if before == seen[name]
        ]
        return seen, unchanged

    async def _chunk(
        self,
        ids: Sequence[str],
        access: AccessFilter,
        known: Mapping[str, Stored] | None,
        seen: Mapping[str, bytes],
    ) -> AsyncIterator[Predicted]:
        """Some of a page. seen: see `Subject.seen`."""
        subjects: dict[str, Subject] = {}
        size = 0
        async for subject in self._read(ids, access, known, seen):
            subjects[subject.id] = subject
            size += subject.size
            if size > CHUNK_BYTES:
                for done in await self._run(list(subjects.values()), access):
                    yield done
                subjects, size = {}, 0
        for done in await self._run(list(subjects.values()), access):
            yield done

    def _read(
        self,
        ids: Sequence[str],
        access: AccessFilter,
        known: Mapping[str, Stored] | None = None,
        seen: Mapping[str, bytes] | None = None,
    ) -> AsyncIterator[Subject]:
        """See `read_subjects`."""
        return read_subjects(self._store, ids, access, known, seen, self._codes)

    async def _claim(self, ids: Sequence[str]) -> Iterable[int]:
        """Take the jobs that this run does anyway, before it reads: what is written after that adds another.

        Raises:
            PredictionError: FB-PRED-008, the model may not run.
        """
        await self._check_approved()
        return await self._jobs.lease_waiting([dedupe_of(self._predictor.name, item) for item in ids])

    async def _check_approved(self) -> None:
        if not self._approved:
            self._approve(await ModelVersions(self._store.pool).all(self._predictor.name))

    def _approve(self, versions: Sequence[ModelVersion]) -> None:
        """Remember that the model may run; one that was altered since it was promoted leaves failed runs alone.

        Raises:
            PredictionError: FB-PRED-008, it may not.
        """
        try:
            check_approval(versions, self._predictor.name, self._predictor.version, self._content)
        except AlteredModel as altered:
            self._altered = str(altered)
        self._approved = True

    async def _run(self, subjects: Sequence[Subject], access: AccessFilter) -> list[Predicted]:
        """Results for all, in their order. A record that changes meanwhile is read and computed again."""
        done: dict[str, Predicted] = {}
        waiting = list(subjects)
        for _ in range(_ATTEMPTS):
            for item, outcome in await self._attempt(waiting):
                done[item.subject.id] = Predicted(item.subject.id, item.observation_id, item.result, outcome)
            waiting = [subject for subject in waiting if subject.id not in done]
            if not waiting:
                break
            waiting = await self._again([subject.id for subject in waiting], access)
        for subject in waiting:
            reason = self._builder.failed("the record kept changing")
            done[subject.id] = Predicted(subject.id, "", reason, "postponed")
        return [done[subject.id] for subject in subjects if subject.id in done]

    async def _again(self, ids: Sequence[str], access: AccessFilter) -> list[Subject]:
        """Those that are still there."""
        subjects: list[Subject] = []
        for item in ids:
            try:
                subjects += [subject async for subject in self._read([item], access)]
            except (NotFound, Gone):
                continue
        return subjects

    async def _finished(self, subjects: Sequence[Subject]) -> list[Finished]:
        """The model's answers with what they rest on."""
        pairs = zip(subjects, await self._ask(subjects), strict=True)
        return [self._builder.finish(subject, answer) for subject, answer in pairs]

    async def _prepared(
        self, finished: list[Finished], states: Mapping[str, State] | None = None
    ) -> tuple[list[Finished], list[tuple[Finished, NewResult]]]:
        """Results that are current already, and those to write, as they are written; states: see `_decided`."""
        kept, new = await self._decided(finished, states)
        built, invalid = await self._build(new)
        if invalid:  # an answer that no valid resource can carry is a failed run
            refused = [
                self._builder.finish(
                    item.subject,
                    self._builder.failed(f"its result is not valid FHIR at {problem}", item.subject),
                )
                for item, problem in invalid
            ]
            also_kept, also_new = await self._decided(refused)
            also_built, invalid = await self._build(also_new)
            if invalid:
                raise PredictionError(
                    "FB-PRED-004", f"{self._predictor.name}: not valid FHIR at {invalid[0][1]}"
                )
            kept, built = kept + also_kept, built + also_built
        return kept, built

    async def _attempt(self, subjects: Sequence[Subject]) -> list[tuple[Finished, Outcome]]:
        """What could be decided and written now."""
        if not subjects:
            return []
        kept, built = await self._prepared(await self._finished(subjects))
        results = self._store.results
        again = {item.observation_id: item.seen for item in kept if item.seen is not None}
        if again:
            await results.mark_seen(again)
        written = await results.write([result for _, result in built])
        if not all(written) and len(built) > 1:  # an input is new, or another run writes: the others go alone
            written = [
                fits or (await results.write([result]))[0]
                for fits, (_, result) in zip(written, built, strict=True)
            ]
        done: list[tuple[Finished, Outcome]] = [
            (item, "withdrawn" if item.taken_back else "unchanged") for item in kept
        ]
        done += [(item, "written") for (item, _), fits in zip(built, written, strict=True) if fits]
        await self._beside([item for item, _ in done])
        return done

    async def _beside(self, finished: Sequence[Finished]) -> None:
        """What the shadows say of the same."""
        if self._shadows:
            await self._shadows.run([(item.subject, item.observation_id, item.result) for item in finished])

    async def _build(
        self, finished: Sequence[Finished]
    ) -> tuple[list[tuple[Finished, NewResult]], list[tuple[Finished, str]]]:
        """What is to be written, and what can't be, with the element that is not valid."""
        if not finished:
            return [], []
        # In a thread: validating holds up the event loop for too long.
        built = await asyncio.to_thread(lambda: [self._builder.build(item) for item in finished])
        pairs = list(zip(finished, built, strict=True))
        return (
            [(item, result) for item, result in pairs if not isinstance(result, str)],
            [(item, result) for item, result in pairs if isinstance(result, str)],
        )

    async def _ask(self, subjects: Sequence[Subject]) -> list[Prediction | Refusal]:
        """The model's answers; a patient's own refusal comes before any model sees the record."""
        results: dict[str, Prediction | Refusal] = {}
        requested: list[Subject] = []
        for subject in subjects:
            refusal = subject.refused_use(
                self._settings, self._builder.code, self._predictor.name, self._names
            )
            if refusal is None:
                requested.append(subject)
            else:
                results[subject.id] = refusal
        if requested:
            for subject, answer in zip(requested, await self._answers(requested), strict=True):
                if isinstance(answer, str):
                    results[subject.id] = self._builder.failed(answer, subject)
                else:
                    results[subject.id] = answer
        return [results[subject.id] for subject in subjects]

    async def _answers(self, subjects: Sequence[Subject]) -> Sequence[Answer]:
        """What the model says of each.

        Raises:
            PredictionError: FB-PRED-006, it can't be run.
        """
        if self._altered:
            return [self._altered] * len(subjects)
        try:
            return await self._workers.predict(
                self._predictor,
                self._settings,
                [subject.for_model() for subject in subjects],
                self._content,
            )
        except ModelUnavailable as error:
            raise PredictionError("FB-PRED-006", f"{self._predictor.name}: {error}") from error

    async def _decided(
        self, finished: list[Finished], states: Mapping[str, State] | None = None
    ) -> tuple[list[Finished], list[Finished]]:
        """Those that are current already, and those to write. One that was withdrawn gets another id.

        Args:
            states: of them; None: they are looked up.
        """
        kept: list[Finished] = []
        new: list[Finished] = []
        while finished:
            if states is None:
                states = await self._store.results.states([item.observation_id for item in finished])
            withdrawn: list[Finished] = []
            for item in finished:
                state = states.get(item.observation_id)
                # What a person rejected is not said again as long as the inputs say the same.
                decided = state in ("current", "rejected")
                location = kept if decided else withdrawn if state == "withdrawn" else new
                location.append(replace(item, taken_back=True) if state == "rejected" else item)
            finished, states = [self._builder.next_attempt(item) for item in withdrawn], None
        return kept, new


async def predict_together(
    store: Store,
    runs: Sequence[PredictionRun],
    patient_id: str,
    access: AccessFilter,
    *,
    seconds: float = TOGETHER_SECONDS,
    on_done: Callable[[Sequence[str]], object] = list,
) -> None:
    """Several models about one patient: the record is read once, and what they say is written together.

    As `PredictionRun.for_patient` of each. A model that can't be run, or hangs, takes nothing from the others.

    Args:
        seconds: what is said within them is written in one transaction; what is said later, as it comes.
        on_done: called with the names of the models that are through, when what they say is written.

    Raises:
        StorageError: there is no such patient for this caller.
        PredictionError: of the first model that can't be run; the results of the others are written.
    """
    if not runs:
        return
    problems: list[BaseException] = []
    allowed = _allowed(runs, await ModelVersions(store.pool).all(), problems)
    jobs = {dedupe_of(run._predictor.name, patient_id): run for run in allowed}
    claimed = await runs[0]._jobs.lease_waiting(list(jobs))
    codes = _union(run._codes for run in allowed)
    subjects = [subject async for subject in read_subjects(store, [patient_id], access, codes=codes)]
    waiting: dict[asyncio.Task[list[Finished] | Predicted], PredictionRun] = {
        asyncio.create_task(run._finished(subjects)): run for run in allowed
    }
    shown: list[tuple[PredictionRun, list[Finished]]] = []
    end = asyncio.get_running_loop().time() + seconds
    try:
        while waiting:
            rest = end - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait(waiting, timeout=max(rest, 0.0))
            if not done:
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            ended = {waiting.pop(task): task for task in done}
            problems += [error for task in done if (error := task.exception()) is not None]
            through = {run: task.result() for run, task in ended.items() if task.exception() is None}
            answers = {run: item for run, item in through.items() if isinstance(item, list)}
            written, failed = await _write_together(store, answers)
            problems += failed.values()
            for run in answers:
                if run in written:
                    shown.append((run, answers[run]))
                elif run not in failed:  # the record changed meanwhile: by itself, as often as it takes
                    waiting[asyncio.create_task(run.for_patient(patient_id, access))] = run
            through = {run: item for run, item in through.items() if run not in answers or run in written}
            await runs[0]._jobs.finish_all(key for key, dedupe in claimed.items() if jobs[dedupe] in through)
            on_done([run._predictor.name for run in ended if run not in waiting.values()])
    finally:
        for task in waiting:
            task.cancel()
    # Last: nobody waits for them.
    await asyncio.gather(*(run._beside(finished) for run, finished in shown))
    if problems:
        raise problems[0]


def _allowed(
    runs: Sequence[PredictionRun], versions: Sequence[ModelVersion], problems: list[BaseException]
) -> list[PredictionRun]:
    """Those that may run; why others may not is added to `problems`."""
    allowed = []
    for run in runs:
        try:
            run._approve(versions)
            allowed.append(run)
        except PredictionError as error:
            problems.append(error)
    return allowed


async def _write_together(
    store: Store, answers: Mapping[PredictionRun, list[Finished]]
) -> tuple[set[PredictionRun], dict[PredictionRun, PredictionError]]:
    """The runs whose results are written or were there, and those that gave what can't be; else the record changed."""
    results = store.results
    states = await results.states([item.observation_id for some in answers.values() for item in some])
    prepared = await asyncio.gather(
        *(run._prepared(finished, states) for run, finished in answers.items()), return_exceptions=True
    )
    failed: dict[PredictionRun, PredictionError] = {}
    building: dict[PredictionRun, list[NewResult]] = {}
    for run, item in zip(answers, prepared, strict=True):
        if isinstance(item, PredictionError):
            failed[run] = item
        elif isinstance(item, BaseException):
            raise item
        else:
            building[run] = [new for _, new in item[1]]
    fits = iter(await results.write([new for some in building.values() for new in some]))
    # One of each at most, since it is one patient.
    return {run for run, some in building.items() if all(next(fits) for _ in some)}, failed


def _union(declared: Iterable[Codes | None]) -> Codes | None:
    """What several models declare together; None where one of them sees all."""
    codes: Codes = frozenset()
    for some in declared:
        if some is None:
            return None
        codes |= some
    return codes


def _is_merged(patient: bytes) -> bool:
    if b'"replaced-by"' not in patient:
        return False
    return any(link.get("type") == "replaced-by" for link in loads_exact(patient).get("link", ()))
