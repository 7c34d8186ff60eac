"""Training data: a row for each patient and `as_of`, with the features that `$predict` uses, and what came after.

One function reads the features of both (`features.read_features`), so a model is asked what it was trained on.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.fhir.views import View, ViewError, compile_view
from fhir_bridge.governance.consent import research_opted_out
from fhir_bridge.mapping.yaml_dates import impossible_date
from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.death import find_death
from fhir_bridge.predictions.features import Features, FeatureSource, read_features
from fhir_bridge.predictions.inputs import UnusableInput
from fhir_bridge.predictions.manifest import FramesBlock, Manifest, SignalBlock, TextBlock
from fhir_bridge.predictions.manifest_predictor import ManifestPredictor
from fhir_bridge.predictions.outcomes import (
    ALWAYS,
    Course,
    Observed,
    born_later,
    death_of,
    last_contact,
    observe,
)
from fhir_bridge.predictions.record import Evidence, PatientRecord, moment_of
from fhir_bridge.predictions.subject import Subject, read_subjects
from fhir_bridge.predictions.times import Span, has_time
from fhir_bridge.storage import Store, Stored
from fhir_bridge.storage.currency import RECORD_TYPES
from fhir_bridge.storage.errors import StorageError

__all__ = [
    "Cohort",
    "CohortError",
    "Collected",
    "DatasetRow",
    "collect",
    "load_cohort",
    "manifest_bytes",
    "members_of",
    "table_columns",
    "table_row",
]

Split = Literal["train", "validation", "test"]
AT_ONCE: Final = 100
_RECENT: Final = timedelta(days=1)
"""Who was seen so lately is under observation now."""


class CohortError(ValueError):
    """A cohort.yaml that can't be used; the message has file and key."""


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OutcomeBlock(_Block):
    """What came after: a row of the view whose `time` is after as_of and within the window is the event.

    `column`: its value in place of the event; the first within the window.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    view: str
    time: str
    column: str | None = None
    within_days: int = Field(gt=0)


class SplitBlock(_Block):
    """Shares of patients; all rows of a patient, and of records linked to it, are in one part."""

    train: float = Field(default=0.7, ge=0, le=1)
    validation: float = Field(default=0.15, ge=0, le=1)
    test: float = Field(default=0.15, ge=0, le=1)
    seed: int = 0

    @model_validator(mode="after")
    def _whole(self) -> SplitBlock:
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train, validation and test add up to 1")
        return self


class Cohort(_Block):
    """A cohort.yaml.

    `arrival: stored` lets a row see what had arrived here by its as_of, and no later correction; `ignore` goes by the
    times that the resources state (`times.as_known_at`), for records that were loaded long after they were written.

    `follow_up: contact` takes a patient as observed up to the newest time in the record; `complete` up to death or
    now, for a site that hears of every event.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    model: str
    patients: list[str] = []
    group: str = ""
    as_of: list[date | datetime] = Field(min_length=1, max_length=1000)
    arrival: Literal["stored", "ignore"] = "stored"
    follow_up: Literal["contact", "complete"] = "contact"
    outcomes: list[OutcomeBlock] = []
    split: SplitBlock = SplitBlock()

    @field_validator("as_of")
    @classmethod
    def _zoned(cls, value: list[date | datetime]) -> list[date | datetime]:
        for item in value:
            if isinstance(item, datetime) and item.tzinfo is None:
                raise ValueError(f"{item}: a time has a zone")
        return value

    @property
    def moments(self) -> list[datetime]:
        """as_of as moments: a day means its end, in UTC."""
        return [
            item
            if isinstance(item, datetime)
            else datetime(item.year, item.month, item.day, 23, 59, 59, tzinfo=UTC)
            for item in self.as_of
        ]


def load_cohort(path: Path) -> tuple[Cohort, ManifestPredictor]:
    """A cohort.yaml and the model.yaml that it names.

    Raises:
        CohortError, ManifestError: one of them can't be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        cohort = Cohort.model_validate(YAML(typ="safe", pure=True).load(text))
    except OSError as error:
        raise CohortError(f"{path}: can't be read: {error.strerror}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise CohortError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        texts = (
            f"{path}: {'.'.join(map(str, item['loc'])) or 'cohort'}: {item['msg']}"
            for item in error.errors(include_url=False)
        )
        raise CohortError("\n".join(texts)) from error
    except ValueError as error:
        line, problem = impossible_date(text, error)
        raise CohortError(f"{path}:{line}: {problem}") from error
    return cohort, ManifestPredictor(path.parent / cohort.model)


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """A patient at a moment.

    Attributes:
        values: number of each input as it is recorded, before preprocessing; None where it is missing.
        filled: names of inputs that are missing, whose number `missing` of the model.yaml is.
        references: to arrays of signals, frames and texts, and to every other input, in their versions.
        prepared: what the model gets: the tensors' values.
        known: from when on what an input was read from was so, and known here (its arrival, where that counts).
        outcomes: by name; what is not known says why.
    """

    patient: str
    as_of: datetime
    split: Split
    values: Mapping[str, float | None]
    prepared: Mapping[str, Sequence[float]]
    references: Mapping[str, Sequence[str]]
    known: Mapping[str, datetime]
    outcomes: Mapping[str, Observed]
    filled: frozenset[str] = frozenset()


@dataclass(slots=True)
class Collected:
    """The account of a run: every patient and moment is a row, or counted here with the reason."""

    rows: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    """Of each outcome how many rows have it (`event`), have it not (`none`), of how many it is not known, by why."""
    inputs: dict[str, int] = field(default_factory=dict)
    """Reference with version to the number of rows that used it."""

    def add(self, row: DatasetRow) -> None:
        """Count a row."""
        self.rows += 1
        for name, outcome in row.outcomes.items():
            known = "none" if outcome.value == 0 else "event"
            self.outcomes.setdefault(name, Counter())[outcome.censored or known] += 1
        for some in row.references.values():
            for reference in some:
                self.inputs[reference] = self.inputs.get(reference, 0) + 1

    def manifest(self, cohort: Cohort, model: ManifestPredictor, content: str) -> dict[str, Any]:
        """What the data set was made of."""
        versions = "\n".join(sorted(self.inputs)).encode()
        return {
            "cohort": cohort.model_dump(mode="json"),
            "model": {"name": model.name, "version": model.version, "content": content},
            "rows": self.rows,
            "left_out": dict(sorted(self.left_out.items())),
            "outcomes": {
                name: dict(sorted(counts.items())) for name, counts in sorted(self.outcomes.items())
            },
            "input_versions": len(self.inputs),
            "input_hash": hashlib.sha256(versions).hexdigest(),
        }


async def collect(
    store: Store,
    cohort: Cohort,
    model: ManifestPredictor,
    folder: Path,
    source: FeatureSource,
    account: Collected,
    patients: Sequence[str] | None = None,
) -> AsyncIterator[DatasetRow]:
    """The rows, patient by patient.

    A patient who opted out of research, or objects to the model, is left out whole, and counted; so is a record of a
    person who has a row already.

    Args:
        folder: of the cohort.yaml; its views are there.
        patients: ids; absent, everybody.

    Raises:
        CohortError: a view of an outcome can't be used.
    """
    views = [(outcome, _view(folder / outcome.view)) for outcome in cohort.outcomes]
    now = datetime.now(UTC)
    ids = list(dict.fromkeys(patients if patients is not None else await _everybody(store)))
    done: set[str] = set()
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        known: dict[datetime, Mapping[str, list[Stored]]] = {}
        if cohort.arrival == "stored":
            for moment in cohort.moments:
                known[moment] = await store.results.as_of(some, ("Patient", *RECORD_TYPES), moment)
        for identity in some:
            try:
                subjects = [item async for item in read_subjects(store, [identity], EVERYTHING)]
            except StorageError:
                account.left_out["not there"] += len(cohort.as_of)
                continue
            subject = subjects[0]
            if reason := _whole_reason(subject, model, done):
                account.left_out[reason] += len(cohort.as_of)
                continue
            done.add(subject.id)
            person = _Person.of(subject, cohort, now)
            for moment in cohort.moments:
                try:
                    then = known[moment][identity] if known else None
                    record = _record(person, then, moment, now)
                    row = _row(cohort, model, views, person, record, source, _arrivals(then or ()))
                except _LeftOut as left:
                    account.left_out[str(left)] += 1
                    continue
                account.add(row)
                yield row


class _LeftOut(Exception):
    """There is no row; why, without anything of the patient."""


def _whole_reason(subject: Subject, model: ManifestPredictor, done: set[str]) -> str:
    """Why a patient has no row at any moment; empty where one may have."""
    if subject.id in done:
        return "a record of a person who has rows"
    if any(research_opted_out([stored.resource()]) for stored in subject.consents):
        return "opted out of research"
    objects = subject.refused_use(PredictorSettings(), ("", ""), model.name) is not None
    return "objects to the model" if objects else ""


@dataclass(frozen=True, slots=True)
class _Person:
    """What is known of a patient now.

    Attributes:
        patients: the records of the person, the subject's first. resources: of all of them.
        named: of no patient (`Subject.named`).
    """

    subject: Subject
    patients: Sequence[dict[str, Any]]
    resources: Sequence[dict[str, Any]]
    named: Sequence[dict[str, Any]]
    death: Span | None
    course: Course

    @classmethod
    def of(cls, subject: Subject, cohort: Cohort, now: datetime) -> _Person:
        """Read once, for all moments."""
        patients = [loads_exact(stored.bytes) for stored in (subject.patient, *subject.linked)]
        resources = [loads_exact(stored.bytes) for stored in subject.resources.values()]
        death = death_of(patients)
        course = Course(now, "the window is not over")
        if death is not None:
            course = Course(min(death[0], now), "died")
        elif cohort.follow_up == "contact":
            course = Course(last_contact(resources, now) or ALWAYS[0], "no contact after")
            if course.until + _RECENT > now:
                course = Course(now, "the window is not over")
        named = [loads_exact(stored.bytes) for stored in subject.named]
        return cls(subject, patients, resources, named, death, course)


def _record(person: _Person, then: Sequence[Stored] | None, moment: datetime, now: datetime) -> PatientRecord:
    """The record at a moment. then: what had arrived; None goes by the times that the resources state.

    Raises:
        _LeftOut: there was nobody to ask about.
    """
    if moment > now:
        raise _LeftOut("as_of is in the future")
    patient, *linked = person.patients
    if then is None:
        born = str(patient.get("birthDate") or "")
        dated = [_without_arrival(item) if has_time(item, born) else item for item in person.resources]
        beside = map(_without_arrival, (*map(_alive, linked), *person.named))
        record = PatientRecord(_alive(patient), [*beside, *dated], moment)
    else:
        own = next((item for item in then if (item.type, item.id) == ("Patient", person.subject.id)), None)
        if own is None:
            raise _LeftOut("the patient was not known yet")
        arrived = [loads_exact(item.bytes) for item in then if item.type != "Patient"]
        places = [item for item in person.named if item["resourceType"] != "Medication"]
        record = PatientRecord(loads_exact(own.bytes), [*linked, *places, *arrived], moment)
    if born_later(patient, moment.date()):
        raise _LeftOut("the patient was not born, or may not have been")
    if person.death is not None:
        first, last = person.death
        if last <= moment or (then is not None and record.deceased):
            raise _LeftOut("the patient had died")
        # Where the time of death is not known at all, a record of the time says who was alive.
        if first <= moment and (then is None or person.death != ALWAYS):
            raise _LeftOut("the patient may have died")
    return record


async def members_of(store: Store, group: str) -> list[str]:
    """Ids of the Patients that are active members of a Group."""
    content = loads_exact((await store.read("Group", group, EVERYTHING)).bytes)
    references = [
        str(member.get("entity", {}).get("reference", ""))
        for member in content.get("member", ())
        if not member.get("inactive")
    ]
    return [text.removeprefix("Patient/") for text in references if text.startswith("Patient/")]


async def _everybody(store: Store) -> list[str]:
    result: list[str] = []
    cursor = None
    while True:
        page = await store.search("Patient", [("_sort", "_id")], EVERYTHING, count=500, cursor=cursor)
        result += [entry.id for entry in page.entries]
        cursor = page.next
        if cursor is None:
            return result


def _view(path: Path) -> View:
    try:
        return compile_view(path.read_bytes())
    except OSError as error:
        raise CohortError(f"{path}: can't be read: {error.strerror}") from error
    except ViewError as error:
        raise CohortError(f"{path}: {error}") from error


def _row(
    cohort: Cohort,
    model: ManifestPredictor,
    views: Sequence[tuple[OutcomeBlock, View]],
    person: _Person,
    record: PatientRecord,
    source: FeatureSource,
    arrivals: Mapping[str, datetime],
) -> DatasetRow:
    try:
        if find_death(record) is not None:
            raise _LeftOut("the patient had died")
        if text := model.not_meant_for(record):
            raise _LeftOut(text)
        features = read_features(model.manifest, record, source)
    except UnusableInput as unusable:
        # Without the reference: a reason is counted, not a patient.
        text = str(unusable)
        if unusable.evidence is not None:
            text = text.removesuffix(f": {unusable.evidence.reference}")
        raise _LeftOut(text) from unusable
    everything = [*person.patients, *person.resources]
    return DatasetRow(
        person.subject.id,
        record.as_of,
        _split(cohort.split, person.subject),
        {name: feature.raw for name, feature in features.items()},
        _prepared(model.manifest, features),
        {name: [item.reference for item in feature.evidence] for name, feature in features.items()},
        {
            name: max(times)
            for name, feature in features.items()
            if (times := list(_times(feature.evidence, arrivals)))
        },
        {
            block.name: observe(
                view,
                block.time,
                block.column,
                everything,
                record.as_of,
                timedelta(days=block.within_days),
                person.course,
            )
            for block, view in views
        },
        frozenset(name for name, feature in features.items() if feature.filled),
    )


def _arrivals(then: Sequence[Stored]) -> dict[str, datetime]:
    """Reference with version to when that version came."""
    return {f"{item.type}/{item.id}/_history/{item.version}": item.last_updated for item in then}


def _times(evidence: Sequence[Evidence], arrivals: Mapping[str, datetime]) -> Iterator[datetime]:
    """When each was so, and when it came."""
    for item in evidence:
        if (moment := moment_of(item.time)) is not None:
            yield moment
        if item.reference in arrivals:
            yield arrivals[item.reference]


def _without_arrival(resource: dict[str, Any]) -> dict[str, Any]:
    """Without the time of arrival: `PatientRecord` then goes by its own times alone."""
    meta = {name: value for name, value in resource.get("meta", {}).items() if name != "lastUpdated"}
    return {**resource, "meta": meta}


def _alive(patient: dict[str, Any]) -> dict[str, Any]:
    """A Patient before death, which nobody knew of."""
    return {name: value for name, value in patient.items() if not name.startswith("deceased")}


def _split(block: SplitBlock, subject: Subject) -> Split:
    """By a hash of the person, so that a person's rows are together, whenever the set is made anew."""
    people = min([subject.id, *(stored.id for stored in subject.linked)])
    digest = hashlib.blake2b(f"{block.seed}/{people}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest) / 2**64
    if share < block.train:
        return "train"
    return "validation" if share < block.train + block.validation else "test"


def _prepared(manifest: Manifest, features: Features) -> dict[str, list[float]]:
    """What the model gets, of inputs that are no arrays: those are referred to."""
    arrays = {
        item.name for item in manifest.inputs if isinstance(item, SignalBlock | FramesBlock | TextBlock)
    }
    return {name: list(feature.values) for name, feature in features.items() if name not in arrays}


def table_row(row: DatasetRow) -> dict[str, Any]:
    """A row as a flat table has it."""
    return {
        "patient": row.patient,
        "as_of": row.as_of,
        "split": row.split,
        **row.values,
        **{f"{name}_filled": name in row.filled for name in row.values},
        **{f"{name}_reference": list(items) for name, items in row.references.items()},
        **{f"outcome_{name}": outcome.value for name, outcome in row.outcomes.items()},
        **{f"outcome_{name}_days": outcome.days for name, outcome in row.outcomes.items()},
        **{f"outcome_{name}_censored": outcome.censored or None for name, outcome in row.outcomes.items()},
    }


def table_columns(cohort: Cohort, manifest: Manifest) -> dict[str, str]:
    """Names of a table's columns, whatever the rows hold, and of which type each is."""
    outcomes = [f"outcome_{item.name}" for item in cohort.outcomes]
    return {
        **{"patient": "string", "as_of": "time", "split": "string"},
        **{item.name: "number" for item in manifest.inputs},
        **{f"{item.name}_filled": "truth" for item in manifest.inputs},
        **{f"{item.name}_reference": "strings" for item in manifest.inputs},
        **dict.fromkeys(outcomes, "number"),
        **{f"{name}_days": "number" for name in outcomes},
        **{f"{name}_censored": "string" for name in outcomes},
    }


def manifest_bytes(values: Mapping[str, Any]) -> bytes:
    """A manifest as it is written."""
    return orjson.dumps(values, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS, default=str) + b"\n"
