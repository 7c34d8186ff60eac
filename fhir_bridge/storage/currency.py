"""What a written version does to the results that were predicted from an earlier one; in the same transaction.

A result counts as long as what it used is as it was used. Where an input is corrected or withdrawn, the result is
withdrawn with it (`entered-in-error`, a Provenance names the cause); where an input only says something new, the result
is outdated. Either way it is not current any more, and a job to compute it again is added. What is new in the record
of a patient with results adds the job alone: the result is until the next one takes its place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from psycopg import AsyncConnection

from fhir_bridge.fhir.record import OTHER_PERSON
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexing import Identity, Indexed, identify_within, index
from fhir_bridge.storage.statements import Statement, array, arrays, transposed
from fhir_bridge.storage.stored import canonical, content_hash, digest, new_id, now, parse
from fhir_bridge.storage.version_rows import Current, NewVersion, locked, next_version

__all__ = [
    "PREDICT_JOB",
    "RECORD_TYPES",
    "Consequences",
    "add_jobs",
    "dedupe_of",
    "job_kind_of",
    "used_hash",
]

RECORD_TYPES: Final = (
    "AllergyIntolerance",
    "Condition",
    "Device",
    "DiagnosticReport",
    "DocumentReference",
    "Encounter",
    "FamilyMemberHistory",
    "ImagingStudy",
    "Immunization",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationRequest",
    "MedicationStatement",
    "Observation",
    "Procedure",
    "Specimen",
)
"""What a predictor sees: clinical content, not the trail of audit and provenance that every run adds to."""

NAMED_TYPES: Final = frozenset({"Medication"})
"""What a predictor sees as well, where the record refers to it: of no patient."""

PREDICT_JOB: Final = "predict"
"""Begins the kind (`job_kind_of`) of a job that computes a model for a patient again; payload: `patient`, `model`."""

# A Consent is no input of a model, and decides whether the model may run at all.
_TRIGGERS: Final = frozenset({*RECORD_TYPES, "Consent"})
_PREDICTED: Final = ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")
_IN_ERROR: Final = "entered-in-error"
# Looked for in the bytes: to parse every Patient that is written would cost more than the rare false match.
_LINKED: Final = b'"replace'
"""In a Patient that is linked to another record: the type of the link is `replaces` or `replaced-by`."""


def job_kind_of(model: str) -> str:
    """Kind of the jobs of a model: a worker takes those of the models that its site enables, the others wait."""
    return f"{PREDICT_JOB}/{model}"


def dedupe_of(model: str, patient_id: str) -> str:
    """What two jobs that compute the same again have in common (`Jobs.add`)."""
    return f"{PREDICT_JOB}/{model}/{patient_id}"


def used_hash(resource: Mapping[str, Any], elements: Sequence[str] | None) -> bytes:
    """Hash of what a result uses of a resource.

    Args:
        elements: names, choices as `deceased[x]`; None: everything but `meta`.
    """
    return digest(canonical(_used(resource, elements)))


def _used(resource: Mapping[str, Any], elements: Sequence[str] | None) -> dict[str, Any]:
    if elements is None:
        return {name: value for name, value in resource.items() if name != "meta"}
    chosen = {name for name in elements if not name.endswith("[x]")}
    choices = tuple(name.removesuffix("[x]") for name in elements if name.endswith("[x]"))
    # A choice may change its type (deceasedBoolean to deceasedDateTime): any type of it is the same element.
    return {
        name: value
        for name, value in resource.items()
        if name in chosen or (choices and name.startswith(choices))
    }


def _only_adds(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether nothing that was used is taken back: elements were added, or a `false` became something else."""
    # `false` that becomes `true` or a date is news, not a correction: who was alive when the
    # result was computed still was.
    return all(
        value is False or (name in after and canonical(after[name]) == canonical(value))
        for name, value in before.items()
    )


@dataclass(frozen=True, slots=True)
class _Use:
    """A result that used an earlier version of what is written. `hash` None: what is written is the result itself."""

    input: int
    elements: list[str] | None
    hash: bytes | None
    label: str
    result: int
    companion: int | None
    patient: int
    model: str
    state: str


# Both halves are few rows by an index. Of what was withdrawn nothing can change any more.
_USES = """
SELECT d.input, d.elements, d.hash, d.label, p.result, p.companion, p.patient, p.model, p.state::text
FROM derived_input d JOIN prediction p ON p.result = d.result WHERE d.input = ANY(%s) AND p.state <> 'w'
UNION ALL
SELECT p.result, NULL, NULL, '', p.result, p.companion, p.patient, p.model, p.state::text
FROM prediction p WHERE p.result = ANY(%s) AND p.state <> 'w'
"""

_STATES = {
    "result": "bigint",
    "state": '"char"',
    "cause_input": "bigint",
    "cause_from": "int",
    "cause_to": "int",
}

# In the statement that writes the versions: no reader sees the corrected input beside a current result.
_SET_STATES = (
    "UPDATE prediction p SET state = n.state, since = now(), cause_input = n.cause_input, cause_from = n.cause_from, "  # noqa: S608
    f"cause_to = n.cause_to FROM {arrays(_STATES)} AS n ({', '.join(_STATES)}) WHERE p.result = n.result"
)

# A job that waits already is locked, not left alone: it must not be taken before this transaction can be seen.
# The queue is never 0 (`| 1`), which would be none: the jobs of a patient come one at a time. Two seconds,
# for the resources of one load come in several transactions. In one order (ORDER BY), so that two writers do
# not lock waiting jobs crosswise.
_ADD_JOBS = f"""
INSERT INTO job (kind, queue, payload, dedupe, not_before)
SELECT '{PREDICT_JOB}/' || w.model, hashtext(r.id) | 1, jsonb_build_object('patient', r.id, 'model', w.model),
    '{PREDICT_JOB}/' || w.model || '/' || r.id, now() + interval '2 seconds'
FROM (%s) AS w (patient, model) JOIN resource r ON r.key = w.patient
ORDER BY r.id, w.model
ON CONFLICT (dedupe) WHERE state = 'ready' DO UPDATE SET not_before = job.not_before, kind = excluded.kind
"""  # noqa: S608
# Only what there is something for is in the statement: PostgreSQL takes arrays that it does not know for ten items,
# and would plan each write anew to find that there are none, which costs more than the write.
# Distinct: a statement may meet a job that waits once.
_OF_PATIENTS = (
    "SELECT DISTINCT p.patient, p.model FROM prediction p "
    "WHERE p.patient = ANY((SELECT linked_patients(%s))::bigint[])"
)
_PATIENTS = "%s::bigint[]"
_WITH_NAMED = (
    f"{_PATIENTS} || ARRAY(SELECT o.patient FROM reference f JOIN resource n ON n.key = f.resource "  # noqa: S608
    "AND n.type = ANY(%s::text[]) JOIN record o ON o.resource = n.key WHERE f.target = ANY(%s::bigint[]))"
)
_AGAIN = "SELECT * FROM unnest(%s::bigint[], %s::text[])"


@dataclass(slots=True)
class Consequences:
    """What versions that are about to be written come to for results.

    Attributes:
        versions: of results that are withdrawn, and the Provenance that says why.
    """

    versions: list[NewVersion] = field(default_factory=list)
    _states: list[tuple[int, str, int | None, int | None, int | None]] = field(default_factory=list)
    _again: set[tuple[int, str]] = field(default_factory=set)
    _patients: list[int] = field(default_factory=list)
    _named: list[int] = field(default_factory=list)

    @classmethod
    async def of(
        cls,
        connection: AsyncConnection,
        dictionaries: Dictionaries,
        keys: dict[Identity, int],
        versions: Sequence[NewVersion],
    ) -> Consequences:
        """Look once, for all versions; of resources that are new no result can rest, and there is no look at all.

        Args:
            keys: internal keys of what the versions refer to; those of the added versions are put in.
        """
        named = [new.current.key for new in versions if new.current.type in NAMED_TYPES]
        consequences = cls(_patients=_patients_with_news(versions, keys), _named=named)
        changed = {new.current.key: new for new in versions if new.current.version > 0}
        if not changed:
            return consequences
        rows = await connection.execute(_USES, (list(changed), list(changed)))
        uses = [_Use(*row) for row in await rows.fetchall()]
        if uses:
            await consequences._follow(connection, dictionaries, keys, changed, uses)
        return consequences

    async def _follow(
        self,
        connection: AsyncConnection,
        dictionaries: Dictionaries,
        keys: dict[Identity, int],
        changed: Mapping[int, NewVersion],
        uses: Sequence[_Use],
    ) -> None:
        withdrawn: dict[int, list[_Use]] = {}
        outdated: dict[int, _Use] = {}
        contents = _Contents(changed)
        for use in uses:
            effect = contents.effect_on(use)
            if effect == "withdrawn":
                withdrawn.setdefault(use.result, []).append(use)
            elif effect == "outdated" and use.state in "co":
                outdated[use.result] = use
        for result, causes in withdrawn.items():
            # A correction of the value comes first; that a note changed as well is no news to people.
            causes.sort(key=lambda use: not contents.changes_value(use))  # people are notified of the first
            self._states.append((result, "w", *_cause(causes[0], changed)))
        for result, use in outdated.items():
            if result not in withdrawn:
                # A result withdrawn by one input is not also outdated by another:
                # withdrawn says more, and is final.
                self._states.append((result, "o", *_cause(use, changed)))
        self._again |= {(use.patient, use.model) for causes in withdrawn.values() for use in causes}
        self._again |= {(use.patient, use.model) for use in outdated.values()}
        if withdrawn:
            self.versions = await _withdraw(connection, dictionaries, keys, changed, withdrawn)

    def add_to(self, statement: Statement) -> None:
        """Put the states of results, and the jobs that compute them again, into the statement that writes."""
        if self._states:
            statement.add(_SET_STATES, *transposed(_STATES, self._states))
        if self._again or self._patients or self._named:
            add_jobs(statement, sorted(self._again), self._patients, self._named)


def add_jobs(
    statement: Statement,
    again: Sequence[tuple[int, str]],
    patients: Sequence[int] = (),
    named: Sequence[int] = (),
) -> None:
    """Put jobs that compute again into a statement.

    Args:
        again: keys of patients, each with a model.
        patients: keys of those of whom all models that there are results of are computed again.
        named: keys of resources of no patient (`NAMED_TYPES`): so of those whose records refer to them.
    """
    sources, values = [], []
    if patients or named:
        sources.append(_OF_PATIENTS % (_WITH_NAMED if named else _PATIENTS))
        values.append(array("bigint", patients))
        values += (array("text", RECORD_TYPES), array("bigint", named)) if named else ()
    if again:
        sources.append(_AGAIN)
        values += transposed({"patient": "bigint", "model": "text"}, again)
    statement.add(_ADD_JOBS % " UNION ".join(sources), *values)


def _patients_with_news(versions: Sequence[NewVersion], keys: Mapping[Identity, int]) -> list[int]:
    """The patients whose record holds something new that a predictor may see: of its own, or of a linked record."""
    # Predictions themselves trigger nothing: a run would else ask for the next one, without end.
    results = {
        keys["Patient", patient]
        for new in versions
        if new.item is not None and new.item.type in _TRIGGERS and _PREDICTED not in new.item.labels
        for patient in new.item.owners.patients
        if patient != OTHER_PERSON
    }
    for new in versions:
        # Also where the link was in the version before: parted records need results of their own.
        if new.current.type == "Patient" and (
            _LINKED in bytes(new.bytes or b"") or _LINKED in bytes(new.current.bytes or b"")
        ):
            pairs = () if new.item is None else new.item.links
            results |= {new.current.key, *(keys["Patient", patient] for pair in pairs for patient in pair)}
    return sorted(results)


def _cause(use: _Use, changed: Mapping[int, NewVersion]) -> tuple[int | None, int | None, int | None]:
    if use.hash is None:
        return None, None, None
    new = changed[use.input]
    return use.input, new.current.version, new.version


def _values(resource: Mapping[str, Any]) -> bytes:
    """What a resource says, without what is beside it."""
    stated = {
        name: value
        for name, value in resource.items()
        if name in ("code", "component", "subject", "patient", "verificationStatus")
        or name.startswith("value")
    }
    # Only whether it counts, not which of the statuses that do (final, amended) it has.
    return canonical(stated | {"stands": resource.get("status") not in (_IN_ERROR, "cancelled")})


class _Contents:
    """The contents before and after, parsed only where a result used them."""

    def __init__(self, changed: Mapping[int, NewVersion]) -> None:
        self._changed = changed
        self._parsed: dict[int, tuple[dict[str, Any], dict[str, Any] | None]] = {}

    def changes_value(self, use: _Use) -> bool:
        """Whether the value itself is another, not only what is beside it (a note, a time of release)."""
        before, after = self._of(use)
        return after is None or _values(before) != _values(after)

    def _of(self, use: _Use) -> tuple[dict[str, Any], dict[str, Any] | None]:
        if use.input not in self._parsed:
            new = self._changed[use.input]
            before = {} if new.current.bytes is None else parse(new.current.bytes)
            self._parsed[use.input] = before, None if new.bytes is None else parse(new.bytes)
        return self._parsed[use.input]

    def effect_on(self, use: _Use) -> str:
        """`withdrawn`, `outdated`, or nothing where what was used is still said."""
        before, after = self._of(use)
        # A Consent changed after the run does not make the result wrong: the run was
        # permitted by what was then in force.
        if self._changed[use.input].current.type == "Consent":
            return "outdated"  # what was decided by it was right until now
        # The result itself was written by someone else (a reviewer): only its end in error is of consequence.
        if use.hash is None:
            return "withdrawn" if after is None or after.get("status") == _IN_ERROR else ""
        if after is None:
            return "withdrawn"
        # Equal in what was used: a change of anything else (meta, another name) leaves the result as it is.
        if used_hash(after, use.elements) == use.hash:
            return ""
        partial = use.elements is not None and after.get("status") != _IN_ERROR
        if partial and _only_adds(_used(before, use.elements), _used(after, use.elements)):
            return "outdated"
        return "withdrawn"


async def _withdraw(
    connection: AsyncConnection,
    dictionaries: Dictionaries,
    keys: dict[Identity, int],
    changed: Mapping[int, NewVersion],
    withdrawn: Mapping[int, Sequence[_Use]],
) -> list[NewVersion]:
    """Versions in error of results and what is beside them, and a Provenance for each result."""
    wanted = {
        key
        for causes in withdrawn.values()
        for key in (causes[0].result, causes[0].companion)
        if key is not None and key not in changed
    }
    rows = await locked(connection, list(wanted))
    contents: list[tuple[Current, dict[str, Any], Indexed]] = []
    provenances: list[tuple[dict[str, Any], Indexed]] = []
    for causes in withdrawn.values():
        targets = []
        # All causes of one result have the same companion.
        for key in (causes[0].result, causes[0].companion):
            row = rows.get(key) if key is not None else None
            if row is not None and row.bytes is not None:
                resource = {**parse(row.bytes), "status": _IN_ERROR}
                contents.append((row, resource, index(resource, row.id, dictionaries.definitions)))
                targets.append(f"{row.type}/{row.id}")
        inputs = [use for use in causes if use.hash is not None]
        if targets and inputs:
            resource = _provenance(targets, inputs, changed)
            provenances.append((resource, index(resource, resource["id"], dictionaries.definitions)))
    items = [item for _, _, item in contents] + [item for _, item in provenances]
    # They are new for sure, so no row of the same id has to be looked for.
    fresh = [(item.type, item.id) for _, item in provenances]
    await identify_within(connection, dictionaries, items, keys, fresh=fresh)
    results = [
        (
            Current(keys[item.type, item.id], item.type, item.id, 0, 0, True, None, None, None, True),
            resource,
            item,
        )
        for resource, item in provenances
    ]
    return [
        next_version(row, resource, item, content_hash(resource))
        for row, resource, item in (*contents, *results)
    ]


def _provenance(
    targets: Iterable[str], causes: Iterable[_Use], changed: Mapping[int, NewVersion]
) -> dict[str, Any]:
    """Why results were withdrawn: each input in the version before, and in the version that took its place."""
    entities: list[dict[str, Any]] = []
    deleted = False
    for use in causes:
        new = changed[use.input]
        name = f"{new.current.type}/{new.current.id}/_history/"
        before = {"reference": f"{name}{new.current.version}", "display": use.label}
        entities.append({"role": "removal", "what": before})
        if new.bytes is None:
            deleted = True
        else:
            after = {"reference": f"{name}{new.version}", "display": use.label}
            entities.append({"role": "revision", "what": after})
    return {
        "resourceType": "Provenance",
        "id": new_id(),
        "target": [{"reference": target} for target in targets],
        "recorded": now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "reason": [{"text": "An input was withdrawn" if deleted else "An input was corrected or withdrawn"}],
        "activity": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
                    "code": "NULLIFY",
                    "display": "nullify",
                }
            ]
        },
        "agent": [{"who": {"display": "fhir-bridge"}}],
        "entity": entities,
    }
