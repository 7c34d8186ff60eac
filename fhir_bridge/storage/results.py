"""Results of predictors: written with what they rest on, so that at most one of a model is current for a patient."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.storage.declared_records import read_declared
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexing import Identity, find_keys, identify, identify_within, index
from fhir_bridge.storage.statements import Statement, arrays, transposed
from fhir_bridge.storage.stored import Stored, content_hash, parse
from fhir_bridge.storage.version_rows import Current, NewVersion, lock, locked, next_version
from fhir_bridge.storage.versions import write_versions

__all__ = ["SUPERSEDED", "Cause", "NewResult", "Results", "SeenRecord", "Standing", "State", "UsedInput"]

State = Literal["current", "outdated", "superseded", "withdrawn", "rejected", "untracked"]

SUPERSEDED: Final = {"system": PREDICTION_CODES, "code": "superseded", "display": "Superseded"}
"""Tag of a result whose place a newer one took; it stays part of the trend."""

_STATES: Final[Mapping[str, State]] = {
    "c": "current",
    "o": "outdated",
    "s": "superseded",
    "w": "withdrawn",
}


@dataclass(frozen=True, slots=True)
class UsedInput:
    """What a result rests on.

    Attributes:
        version: that was read; the result is not written where another one is current by then.
        elements, hash: see `currency.used_hash`.
        label, value: what it is and what was used of it, for people: `systolic blood pressure`, `137 mm[Hg]`.
    """

    type: str
    id: str
    version: int
    elements: tuple[str, ...] | None
    hash: bytes
    label: str
    value: str

    @property
    def identity(self) -> Identity:
        """Type and id."""
        return self.type, self.id


@dataclass(frozen=True, slots=True)
class NewResult:
    """What a run of a model leaves for one patient.

    Attributes:
        patient: id. model: the logical model, of whatever version. horizon: years; 0 where there is no risk.
        resources: the Observation first, then what is written with it (RiskAssessment, Provenance).
        shared: written where they are not there yet, or say something else (Device, model card).
        inputs: all that the result rests on, the Patient among them.
        seen: see `Record.result`; None where the same is to be asked again.
    """

    patient: str
    model: str
    horizon: int
    resources: tuple[dict[str, Any], ...]
    shared: tuple[dict[str, Any], ...]
    inputs: tuple[UsedInput, ...]
    seen: bytes | None = None

    @property
    def id(self) -> str:
        """Of the Observation."""
        return str(self.resources[0]["id"])


@dataclass(frozen=True, slots=True)
class Cause:
    """The change of an input after which a result did not count any more; `after` is a deletion where `deleted`.

    label, value: what the input is to the result, and what it used of it, for people.
    """

    type: str
    id: str
    before: int
    after: int
    deleted: bool
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A result and whether it counts. waiting: a job to compute its model for its patient again is not done yet."""

    id: str
    model: str
    horizon: int
    state: State
    cause: Cause | None
    waiting: bool


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A patient's record as a run of a model is about to see it.

    Attributes:
        state: hash of which versions are current in it, results of models left out.
        results: what the model left that stands (current, or rejected by a person): the id of the Observation, its
            content, and what the run had seen (`NewResult.seen`).
    """

    state: bytes
    results: tuple[tuple[str, bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A result that counted until now."""

    patient: int
    result: int
    companion: int | None
    model: str


# Outdated ones too: until another is written they are the result that people see.
_EARLIER = """
SELECT k, p.result, p.companion, p.model FROM unnest(%s::bigint[]) AS k
JOIN prediction p ON p.patient = ANY(linked_patients(ARRAY[k])) AND p.model = ANY(%s) AND p.state IN ('c', 'o')
"""

# The version after may be in the history by now, or still be the current one.
# The name of the job is `currency.dedupe_of`, spelled out in SQL.
_OF_PATIENT = """
SELECT r.id, p.model, p.horizon, p.state::text, i.type, i.id, p.cause_from, p.cause_to,
    EXISTS (SELECT FROM history h WHERE h.resource = p.cause_input AND h.version = p.cause_to AND h.bytes IS NULL)
        OR (i.deleted AND i.version = p.cause_to),
    coalesce(d.label, ''), coalesce(d.value, ''),
    EXISTS (SELECT FROM job j WHERE j.dedupe = 'predict/' || p.model || '/' || s.id AND j.state IN ('ready', 'leased'))
FROM resource w JOIN prediction p ON p.patient = ANY(linked_patients(ARRAY[w.key]))
JOIN resource r ON r.key = p.result JOIN resource s ON s.key = p.patient
LEFT JOIN resource i ON i.key = p.cause_input
LEFT JOIN derived_input d ON d.input = p.cause_input AND d.result = p.result
WHERE w.type = 'Patient' AND w.id = %s ORDER BY p.since, p.result
"""

# What was current then, deleted since or not: versions that never were (stale, lost a conflict) do not count.
_AS_OF = """
SELECT p.id, r.type, r.id, v.version, v.last_updated, v.bytes
FROM resource p CROSS JOIN unnest(linked_patients(ARRAY[p.key])) AS person
JOIN record o ON o.patient = person JOIN resource n ON n.key = o.resource AND n.type = ANY(%s)
CROSS JOIN LATERAL (
    SELECT n.key
    UNION ALL
    SELECT f.target FROM reference f JOIN resource m ON m.key = f.target AND m.type = 'Medication'
    WHERE starts_with(n.type, 'Medication') AND f.resource = n.key
) AS seen (key) JOIN resource r ON r.key = seen.key
JOIN LATERAL (
    SELECT r.version, r.last_updated, r.bytes WHERE r.last_updated <= %s AND NOT r.deleted
    UNION ALL
    (
        SELECT h.version, h.last_updated, h.bytes FROM history h
        WHERE r.last_updated > %s AND h.resource = r.key AND h.kind IN ('v', 'd') AND h.last_updated <= %s
        ORDER BY h.version DESC LIMIT 1
    )
) v ON v.bytes IS NOT NULL
WHERE p.type = 'Patient' AND p.id = ANY(%s) ORDER BY p.id, r.type, r.key
"""

# By versions, so that no content is read; a Medication's beside that of the order that refers to it.
# Of who has a second record (ADT A40) nothing is said.
_SEEN = """
SELECT p.id, p.version || ' ' || coalesce((
        SELECT md5(string_agg(r.key || '/' || r.version || CASE
            WHEN starts_with(r.type, 'Medication') THEN coalesce((
                SELECT string_agg(' ' || m.key || '/' || m.version, '' ORDER BY m.key)
                FROM reference f JOIN resource m ON m.key = f.target AND m.type = 'Medication'
                WHERE f.resource = r.key
            ), '') ELSE '' END, ',' ORDER BY r.key))
        FROM record o JOIN resource r ON r.key = o.resource
        WHERE o.patient = p.key AND r.type = ANY(%s) AND NOT r.deleted
            AND r.key <> ALL(ARRAY(SELECT x.result FROM prediction x WHERE x.patient = p.key))
    ), ''), s.id, s.bytes, f.seen
FROM resource p
LEFT JOIN prediction f ON f.patient = p.key AND f.model = %s AND f.seen IS NOT NULL
    AND (f.state = 'c' OR (f.state = 'w' AND f.cause_input IS NULL))
LEFT JOIN resource s ON s.key = f.result AND NOT s.deleted
WHERE p.type = 'Patient' AND p.id = ANY(%s) AND NOT p.deleted
    AND NOT EXISTS (SELECT FROM link WHERE merged = p.key) AND NOT EXISTS (SELECT FROM link WHERE survivor = p.key)
"""

# Not bound to access: that a result is outdated has to be shown, whatever of its cause may be seen.
_OUTDATED = """
SELECT r.id FROM resource r JOIN prediction p ON p.result = r.key JOIN resource s ON s.key = p.patient
WHERE r.type = 'Observation' AND r.id = ANY(%s) AND (p.state <> 'c' OR EXISTS (
    SELECT FROM job j WHERE j.dedupe = 'predict/' || p.model || '/' || s.id AND j.state IN ('ready', 'leased')))
"""

_ORIGINS = """
SELECT n.id, (
    SELECT d.id FROM reference o JOIN resource d ON d.key = o.target
    WHERE o.resource = r.key AND o.parameter = %s AND d.type = 'Device'
), ARRAY(
    SELECT c.id FROM reference f JOIN resource c ON c.key = f.target
    WHERE f.resource = (SELECT v.key FROM resource v WHERE v.type = 'Provenance' AND v.id = n.provenance)
        AND f.parameter = %s AND c.type = 'DocumentReference'
)
FROM unnest(%s::text[], %s::text[]) AS n (id, provenance) JOIN resource r ON r.type = 'Observation' AND r.id = n.id
"""

_RESULT = {
    "result": "bigint",
    "companion": "bigint",
    "patient": "bigint",
    "model": "text",
    "horizon": "int",
    "state": '"char"',
    "seen": "bytea",
}
_INPUT = {
    "input": "bigint",
    "result": "bigint",
    "version": "int",
    "elements": "text",
    "hash": "bytea",
    "label": "text",
    "value": "text",
}

# Names vary in number, which an array of arrays can't hold: they travel as text.
_ADD_INPUTS = (
    f"INSERT INTO derived_input ({', '.join(_INPUT)}) "  # noqa: S608
    f"SELECT {', '.join(_INPUT).replace('elements', 'elements::text[]')} FROM {arrays(_INPUT)} "
    f"AS n ({', '.join(_INPUT)}) ON CONFLICT DO NOTHING"
)


class Results:
    """The results in a database."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection], dictionaries: Dictionaries) -> None:
        self._pool = pool
        self._dictionaries = dictionaries

    async def states(self, ids: Sequence[str]) -> dict[str, State]:
        """Of the Observations with these ids that exist, or existed.

        `untracked`: no predictor wrote it here. `rejected`: withdrawn by a person, and not by what became of an input.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id, p.state::text, p.cause_input IS NULL AND NOT r.deleted FROM resource r "
                "LEFT JOIN prediction p ON p.result = r.key "
                "WHERE r.type = 'Observation' AND r.id = ANY(%s) AND r.version > 0",
                (list(ids),),
            )
            return {
                row[0]: "rejected" if row[1] == "w" and row[2] else _STATES.get(row[1], "untracked")
                for row in await rows.fetchall()
            }

    async def companions(self, ids: Sequence[str]) -> dict[str, str]:
        """Observation to the RiskAssessment beside it, of those that have one."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id, c.id FROM prediction p JOIN resource r ON r.key = p.result "
                "JOIN resource c ON c.key = p.companion WHERE r.type = 'Observation' AND r.id = ANY(%s)",
                (list(ids),),
            )
            return dict(await rows.fetchall())

    async def of_model(self, model: str, *, withdrawn: bool = False) -> list[str]:
        """Ids of the Observations of a logical model; those that are withdrawn only where that is asked."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id FROM prediction p JOIN resource r ON r.key = p.result "
                "WHERE p.model = %s AND (p.state <> 'w' OR %s) ORDER BY r.id",
                (model, withdrawn),
            )
            return [row[0] for row in await rows.fetchall()]

    async def linked(self, patient_ids: Sequence[str]) -> set[str]:
        """Those of the patients who have another record (ADT A40)."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT p.id FROM resource p WHERE p.type = 'Patient' AND p.id = ANY(%s) AND (EXISTS (SELECT FROM link "
                "WHERE merged = p.key) OR EXISTS (SELECT FROM link WHERE survivor = p.key))",
                (list(patient_ids),),
            )
            return {row[0] for row in await rows.fetchall()}

    async def seen(
        self, patient_ids: Sequence[str], model: str, types: Sequence[str]
    ) -> dict[str, SeenRecord]:
        """The records of patients, and what a model left of them; whoever is linked to another record is left out.

        Args:
            types: that the model sees.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute(_SEEN, (list(types), model, list(patient_ids)), binary=True)
            records: dict[str, SeenRecord] = {}
            for patient, state, result, content, seen in await rows.fetchall():
                known = records.get(patient) or SeenRecord(state.encode(), ())
                left = () if result is None else ((result, content, seen),)
                records[patient] = replace(known, results=(*known.results, *left))
            return records

    async def record(
        self, patient_id: str, access: AccessFilter, types: Sequence[str], codes: Collection[str] | None
    ) -> list[Stored]:
        """What a model that declares the codes of its Observations may see; see `read_declared`."""
        read = read_declared(self._pool, self._dictionaries, patient_id, access, types, codes)
        return [stored async for stored in read]

    async def as_of(
        self, patient_ids: Sequence[str], types: Sequence[str], moment: datetime
    ) -> dict[str, list[Stored]]:
        """The records of patients as they had arrived by then, of linked Patients with each; not bound to access.

        Each resource is in the version that was current then: what was corrected or deleted later is as it was. So are
        the Medications that orders and statements refer to.
        """
        async with self._pool.connection() as connection:
            values = (list(types), moment, moment, moment, list(patient_ids))
            rows = await connection.execute(_AS_OF, values, binary=True)
            records: dict[str, list[Stored]] = {name: [] for name in patient_ids}
            for patient, *stored in await rows.fetchall():
                records[patient].append(Stored(*stored))
            return records

    async def mark_seen(self, seen: Mapping[str, bytes]) -> None:
        """Note what a run had seen that came to a result which is there already; by the Observation's id."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE prediction p SET seen = n.seen FROM unnest(%s::text[], %b::bytea[]) AS n (id, seen) "
                "JOIN resource r ON r.type = 'Observation' AND r.id = n.id WHERE p.result = r.key",
                (list(seen), list(seen.values())),
            )

    async def of_patient(self, patient_id: str) -> list[Standing]:
        """All results of a patient and of whoever is linked to it, the last to change last. Not bound to any access."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(_OF_PATIENT, (patient_id,))
            return [
                Standing(
                    row[0],
                    row[1],
                    row[2],
                    _STATES[row[3]],
                    None if row[4] is None else Cause(*row[4:11]),
                    row[11],
                )
                for row in await rows.fetchall()
            ]

    async def origins_of(self, results: Mapping[str, str]) -> dict[str, tuple[str, frozenset[str]]]:
        """The Device of each result, and the documents that its Provenance names (the model card among them).

        Args:
            results: ids of Observations, with that of the Provenance which was written with each.
        """
        if not results:
            return {}
        device = await self._dictionaries.find_parameter("Observation", "device")
        entity = await self._dictionaries.find_parameter("Provenance", "entity")
        async with self._pool.connection() as connection:
            rows = await connection.execute(_ORIGINS, (device, entity, list(results), list(results.values())))
            return {
                name: (device_id, frozenset(documents))
                for name, device_id, documents in await rows.fetchall()
                if device_id is not None
            }

    async def outdated(self, ids: Sequence[str]) -> set[str]:
        """Those of these Observations that no longer count, or that a job is to compute again; whatever the access."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(_OUTDATED, (list(ids),))
            return {row[0] for row in await rows.fetchall()}

    async def write(self, results: Sequence[NewResult]) -> list[bool]:
        """Write results in one transaction, each as the current one of its patient and model.

        One that was superseded before becomes current again as it is. What was current until now is superseded.

        Returns:
            For each, whether it was written. It was not where an input, or what is current, changed since it was
            read: compute it again.
        """
        if not results:
            return []
        try:
            return await _Batch(self._pool, self._dictionaries, results).write()
        except UniqueViolation:  # another run writes the same at this moment
            # Of two runs that write the same result the first to commit counts; the other
            # computes again and finds it there.
            return [False] * len(results)


class _Batch:
    """Results that are written together."""

    def __init__(
        self,
        pool: AsyncConnectionPool[AsyncConnection],
        dictionaries: Dictionaries,
        results: Sequence[NewResult],
    ) -> None:
        self._pool = pool
        self._dictionaries = dictionaries
        self._results = results
        self._own = {_identity(item): item for result in results for item in result.resources}
        self._shared = {_identity(item): item for result in results for item in result.shared}
        self._inputs = {used.identity for result in results for used in result.inputs}
        self._models = sorted({result.model for result in results})
        self._keys: dict[Identity, int] = {}
        self._rows: dict[int, Current] = {}

    async def write(self) -> list[bool]:
        """See `Results.write`."""
        everything = {**self._shared, **self._own}
        async with self._pool.connection() as connection:
            # Before any lock, since numbers of what is new need transactions of their own (`identify`).
            known = await find_keys(connection, sorted({*everything, *self._inputs}))
            patients = self._patients(known)
            before = await self._earlier(connection, patients)
        fresh = [identity for identity in everything if identity not in known]
        defined = self._dictionaries.definitions
        # Only what is not stored yet is fresh: the id of a result is a hash of what it
        # rests on, and it may be there.
        items = {identity: index(built, identity[1], defined) for identity, built in everything.items()}
        keys = known | await self._dictionaries.new_keys(fresh)
        self._keys = await identify(self._pool, self._dictionaries, list(items.values()), keys)
        missing = self._inputs - known.keys()
        async with self._pool.connection() as connection, connection.transaction():
            stored = {known[identity] for identity in (*everything, *self._inputs) if identity in known}
            # Inputs and earlier results together, in the order of keys (`lock`): a writer of
            # either waits, or has been before us.
            self._rows = await lock(connection, [*stored, *(item.result for item in before)])
            for identity in fresh:
                key = self._keys[identity]
                self._rows[key] = Current(key, *identity, 0, 0, True, None, None, None, fresh=True)
            # Again, now that rows are locked: a result that came in between is not among the locked ones.
            now = await self._earlier(connection, patients)
            changed = {(item.patient, item.model) for item in now if item.result not in self._rows}
            good = [
                not missing.intersection(used.identity for used in result.inputs)
                and (self._keys["Patient", result.patient], result.model) not in changed
                and self._is_current(result)
                for result in self._results
            ]
            kept = [result for result, fits in zip(self._results, good, strict=True) if fits]
            if kept:
                await self._write(connection, kept, now, items)
        return good

    def _patients(self, known: Mapping[Identity, int]) -> list[int]:
        names = {("Patient", result.patient) for result in self._results}
        return sorted(known[name] for name in names if name in known)

    async def _earlier(self, connection: AsyncConnection, patients: Sequence[int]) -> list[_Earlier]:
        rows = await connection.execute(_EARLIER, (list(patients), self._models))
        return [_Earlier(*row) for row in await rows.fetchall()]

    def _is_current(self, result: NewResult) -> bool:
        """Whether every input is still in the version that was read."""
        for used in result.inputs:
            row = self._rows.get(self._keys[used.identity])
            if row is None or row.deleted or row.version != used.version:
                return False
        return True

    async def _write(
        self,
        connection: AsyncConnection,
        results: Sequence[NewResult],
        earlier: Sequence[_Earlier],
        items: Mapping[Identity, Any],
    ) -> None:
        # Of one patient and model several results may be written at once, one each horizon;
        # they do not replace each other.
        targets = {self._keys["Observation", result.id] for result in results}
        pairs = {(self._keys["Patient", result.patient], result.model) for result in results}
        replaced = {
            item.result: item
            for item in earlier
            if (item.patient, item.model) in pairs and item.result not in targets
        }
        versions: list[NewVersion] = []
        tracked = await self._tracked(connection, targets)
        for result in results:
            # Written before: it becomes current again as it is, with what a reviewer has added to it since.
            again = self._keys["Observation", result.id] in tracked
            for resource in result.resources:
                if not again:
                    versions += self._version(resource, items)
        for resource in self._shared.values():
            # A Device names the model card, which another decision of the site replaces.
            versions += self._version(resource, items)
        old = {key for item in replaced.values() for key in (item.result, item.companion) if key is not None}
        back = {key for key in tracked if self._rows[key].live}
        back |= {companion for companion in tracked.values() if companion is not None}
        versions += await self._tag(connection, old, superseded=True)
        versions += await self._tag(connection, back, superseded=False)
        if replaced:
            # Before the new rows: the unique index of current results allows one at a time.
            await connection.execute(
                "UPDATE prediction SET state = 's', since = now() WHERE result = ANY(%s)", (list(replaced),)
            )
        await write_versions(connection, self._dictionaries, self._keys, versions)
        await self._record(connection, results)

    async def _tracked(self, connection: AsyncConnection, keys: Iterable[int]) -> dict[int, int | None]:
        """Those of the results that were written before, and the RiskAssessment beside each."""
        known = [key for key in keys if not self._rows[key].fresh]
        if not known:
            return {}
        rows = await connection.execute(
            "SELECT result, companion FROM prediction WHERE result = ANY(%s)", (known,)
        )
        return {row[0]: row[1] for row in await rows.fetchall()}

    def _version(self, resource: dict[str, Any], items: Mapping[Identity, Any]) -> list[NewVersion]:
        identity = _identity(resource)
        row, digest = self._rows[self._keys[identity]], content_hash(resource)
        # A new version that says the same would look like a change of the result.
        if row.live and row.hash == digest:
            return []
        return [next_version(row, resource, items[identity], digest)]

    async def _tag(
        self, connection: AsyncConnection, keys: Iterable[int], *, superseded: bool
    ) -> list[NewVersion]:
        """Versions of results with the tag `superseded`, or without it; none where that is so already."""
        wanted = sorted(keys)
        if not wanted:
            return []
        rows = {key: self._rows[key] for key in wanted if key in self._rows}
        rows |= await locked(connection, [key for key in wanted if key not in rows])
        contents = []
        for row in rows.values():
            if row.bytes is None:
                continue
            resource = _tagged(parse(row.bytes), superseded)
            if content_hash(resource) != row.hash:
                contents.append((row, resource, index(resource, row.id, self._dictionaries.definitions)))
        items = [item for _, _, item in contents]
        await identify_within(connection, self._dictionaries, items, self._keys, fresh=())
        return [next_version(row, resource, item, content_hash(resource)) for row, resource, item in contents]

    async def _record(self, connection: AsyncConnection, results: Sequence[NewResult]) -> None:
        """The rows of `prediction` and `derived_input`."""
        rows, inputs = [], []
        for result in results:
            key = self._keys["Observation", result.id]
            beside = [
                _identity(resource)
                for resource in result.resources
                if resource["resourceType"] == "RiskAssessment"
            ]
            companion = self._keys[beside[0]] if beside else None
            patient = self._keys["Patient", result.patient]
            rows.append((key, companion, patient, result.model, result.horizon, "c", result.seen))
            for used in result.inputs:
                # An array as text, since their number varies (`_ADD_INPUTS`).
                elements = None if used.elements is None else "{" + ",".join(used.elements) + "}"
                values = (used.version, elements, used.hash, used.label, used.value)
                inputs.append((self._keys[used.identity], key, *values))
        statement = Statement()
        # A result that comes again is as good as new: why it was outdated is over.
        statement.insert(
            "prediction",
            _RESULT,
            rows,
            conflict="ON CONFLICT (result) DO UPDATE SET state = 'c', since = now(), cause_input = NULL, "
            "cause_from = NULL, cause_to = NULL, seen = excluded.seen",
        )
        if inputs:
            statement.add(_ADD_INPUTS, *transposed(_INPUT, inputs))
        await statement.run(connection)


def _identity(resource: Mapping[str, Any]) -> Identity:
    return str(resource["resourceType"]), str(resource["id"])


def _tagged(resource: dict[str, Any], superseded: bool) -> dict[str, Any]:
    """The resource with the tag, or without."""
    meta = dict(resource.get("meta") or {})
    tags = [
        tag
        for tag in meta.pop("tag", ())
        if (tag.get("system"), tag.get("code")) != (SUPERSEDED["system"], SUPERSEDED["code"])
    ]
    if superseded:
        tags.append(SUPERSEDED)
    if tags:
        meta["tag"] = tags
    return {**resource, "meta": meta}
