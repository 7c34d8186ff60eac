"""The search index, records, labels and links of resources that are being written.

Two steps. `identify` runs before the transaction: it gives numbers to (type, id) pairs and dictionary texts, in short
transactions of their own, in sorted order, so that writers never wait for each other there. `IndexWriter` then collects
the rows of many resources for one statement.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.attachments import ATTACHING, attached_binaries
from fhir_bridge.fhir.consent import Denial, denials
from fhir_bridge.fhir.record import OTHER_PERSON, Owners, named_by, owners_of
from fhir_bridge.fhir.search_parameters import (
    PRESENT,
    DateEntry,
    IndexEntry,
    NumberEntry,
    QuantityEntry,
    ReferenceEntry,
    StringEntry,
    TokenEntry,
    TooManyEntries,
    UriEntry,
    elements_of,
    extract,
    is_present,
)
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.storage.breathing import LARGE, beside
from fhir_bridge.storage.contained import contained_entries
from fhir_bridge.storage.dictionaries import NO_SYSTEM, Dictionaries
from fhir_bridge.storage.errors import BadResource, TooManyIndexRows
from fhir_bridge.storage.facets import NONE, Facets, faceted, faceted_entries
from fhir_bridge.storage.indexed import included, indexed_only
from fhir_bridge.storage.row_arrays import RowType
from fhir_bridge.storage.statements import Columns, Statement, arrays, transposed

__all__ = [
    "TOO_MANY",
    "Identity",
    "IndexWriter",
    "Indexed",
    "find_keys",
    "identify",
    "identify_within",
    "index",
    "is_id",
    "make_rows",
]

Identity = tuple[str, str]
"""Resource type and id."""

SLICE = 20_000
"""Entries whose rows one statement takes: of more, no copies in rows, columns and texts exist at the same time."""
NAMED_AT_ONCE = 2_000
"""Resources whose numbers one statement looks up."""
# Patients of one resource that get a token row each; of more (a Group) the rows would multiply.
FEW = 4
NOBODY, MANY = 0, -1
"""In token.patient: about no patient, and about more than `FEW`."""
OTHER = 0
"""In record.patient: `OTHER_PERSON`."""
DATED = frozenset({"DiagnosticReport", "Observation", "Procedure"})
"""Types whose rows of `code` carry the ends of `date` in token.moment: one index leads to the latest of a code, and to
those of a time. A row for each date, of the first patient alone; the others have none."""
UNDATED = "-infinity"
"""The moment of what has no date."""

TOO_MANY = "a write has more rows of the search index than are allowed here"
_MERGES = ("replaced-by", "replaces")


@dataclass(slots=True)
class Indexed:
    """What the index will hold of one resource.

    Attributes:
        owners: whom it is about, by its own content.
        named: what else it names, for Consents (`named_by`).
        labels: its security labels as (system, code).
        links: for a Patient, (merged id, survivor id) as its `link` says.
        denials: of a Consent, when it denies which purpose.
        attachments: ids of the Binaries that it has as attachments.
        elements: for each entry the repeating element that it comes from, where composites tell them apart.
        facets: those of the entries that are kept as one number.
        facet_set: that number, once it is known (`identify`).
    """

    type: str
    id: str
    entries: tuple[IndexEntry, ...]
    owners: Owners
    labels: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    denials: tuple[Denial, ...] = ()
    attachments: tuple[str, ...] = ()
    elements: tuple[int | None, ...] = ()
    facets: Facets = ()
    facet_set: int = NONE
    named: tuple[Identity, ...] = ()

    def identities(self) -> list[Identity]:
        """The (type, id) pairs whose numbers its rows need, itself among them."""
        # What a row refers to by number needs a row of `resource`, though it be not loaded yet (version 0).
        results = {(self.type, self.id)}
        for entry in self.entries:
            if type(entry) is ReferenceEntry and entry.type is not None and entry.id is not None:
                results.add((entry.type, entry.id))
        for pair in self.links:
            results.update(("Patient", patient) for patient in pair)
        results.update(("Patient", patient) for patient in self.owners.patients if patient != OTHER_PERSON)
        results.update(self.owners.through)
        results.update(self.named)
        results.update(("Binary", identity) for identity in self.attachments)
        return list(results)


def index(
    resource: dict[str, Any],
    identity: str,
    known: definitions.Definitions = definitions.DEFAULT,
    *,
    most: int | None = None,
    nul: bool | None = None,
) -> Indexed:
    """Extract what the index needs.

    Args:
        known: the definitions that have the search parameters.
        most: entries that it may come to; None: any number.
        nul: whether a text may hold the character NUL; None: that is looked for.

    Raises:
        BadResource: the resourceType is none of R4's. TooManyIndexRows: there are more than `most`.
    """
    resource_type = resource["resourceType"]
    if resource_type not in definitions.resource_types():
        # Before any query: PostgreSQL would take the text, and the id would be in URLs and file names.
        raise BadResource(f"{resource_type!r} is no resource type of R4")
    if not is_id(identity):
        raise BadResource("an id has 1 to 64 of the characters A-Z a-z 0-9 - .")
    if resource.get("id") != identity:
        resource = {**resource, "id": identity}
    types = definitions.resource_types()
    try:
        extracted = extract(resource, indexed_only(resource_type, known), known, most=most, marks=True)
        extracted = _marked_once(extracted, resource_type, known)
        placed = elements_of(resource, extracted, known, most=most)
        inner = contained_entries(resource, known, most) if "contained" in resource else []
    except TooManyEntries as error:
        raise TooManyIndexRows(TOO_MANY) from error
    if placed is not None:
        extracted = [entry for entry, _ in placed]
    if most is not None and len(extracted) + len(inner) > most:
        raise TooManyIndexRows(TOO_MANY)
    # A type that R4 does not have can't be a row of `resource`: what it names is somewhere else.
    entries = tuple(
        [
            entry
            if type(entry) is not ReferenceEntry or entry.type is None or entry.type in types
            else ReferenceEntry(entry.parameter, None, None, f"{entry.type}/{entry.id}")
            for entry in (*extracted, *inner)
        ]
    )
    elements = () if placed is None else (*(element for _, element in placed), *(None for _ in inner))
    labels = _labels(resource)
    # PostgreSQL stores no NUL in a text; the error would come at the end of the
    # batch, and of nobody in particular.
    if _may_hold_nul(resource) if nul is None else nul:
        for row in (*entries, *labels):
            for text in row:
                if type(text) is str and "\0" in text:
                    raise BadResource("a text holds the character NUL, which FHIR does not allow")
    owners = owners_of(resource)
    return Indexed(
        resource_type,
        identity,
        entries,
        owners,
        labels,
        _links(resource, identity) if resource_type == "Patient" else (),
        tuple(denials(resource)) if resource_type == "Consent" else (),
        attached_binaries(resource),
        elements if any(elements) else (),
        faceted_entries(resource_type, entries, known),
        named=named_by(resource, owners),
    )


def _marked_once(
    entries: list[IndexEntry], resource_type: str, known: definitions.Definitions
) -> list[IndexEntry]:
    """Without the marks that say nothing: of a parameter that has a value, its own or that of an included one."""
    marks = [entry for entry in entries if is_present(entry)]
    if not marks:
        return entries
    others = {entry.parameter for entry in entries}
    wider, dropped = included(resource_type, known), set()
    for mark in marks:
        code = mark.parameter.removesuffix(PRESENT)
        codes = (code, *wider.get(code, ()))
        if not others.isdisjoint((*codes, f"{code}:identifier", *(inner + PRESENT for inner in codes[1:]))):
            dropped.add(mark)
    return [entry for entry in entries if entry not in dropped]


def _may_hold_nul(resource: dict[str, Any]) -> bool:
    """As JSON, NUL is an escape: to look for it there takes a fraction of a look at each text."""
    try:
        return b"\\u0000" in dumps(resource)
    except TypeError:  # what is no JSON is refused when it is written as such
        return True


_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")


def is_id(text: str) -> bool:
    """Whether the text can be the id of a resource (R4 datatypes.html#id)."""
    return _ID.fullmatch(text) is not None


def _labels(resource: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    meta = resource.get("meta")
    security = meta.get("security") if isinstance(meta, dict) else None
    return tuple(
        (coding.get("system") or "", coding["code"])
        for coding in (security if isinstance(security, list) else ())
        if isinstance(coding, dict) and isinstance(coding.get("code"), str)
    )


def _links(resource: dict[str, Any], identity: str) -> tuple[tuple[str, str], ...]:
    """Patient.link of the kinds that say two records are one person (R4 valueset-link-type.html)."""
    results = []
    links = resource.get("link")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, dict) or link.get("type") not in _MERGES:
            continue
        other = link.get("other")
        reference = other.get("reference") if isinstance(other, dict) else None
        # Links to other servers, or by identifier, make no patient of this database the same person.
        if isinstance(reference, str) and reference.startswith("Patient/"):
            target = reference.split("/")[1]
            if target and target != identity:
                results.append((identity, target) if link["type"] == "replaced-by" else (target, identity))
    return tuple(dict.fromkeys(results))


async def identify(
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
    items: Sequence[Indexed],
    keys: dict[Identity, int] | None = None,
    *,
    unborn: set[Identity] | None = None,
) -> dict[Identity, int]:
    """Numbers for everything that the rows of these resources name; new ones are made and committed at once.

    Args:
        keys: those that are known, to which the others are added.
        unborn: resources that are about to be made: those that have no row get a number alone, and stay in the set.
            Another writer may make the row first (`UniqueViolation`).
    """
    many = sum([len(item.entries) for item in items]) > LARGE
    parameters, systems, labels, identities = await beside(many, partial(_named, items, dictionaries))
    if parameters or systems or labels:
        await dictionaries.allocate(parameters=parameters, systems=systems, labels=labels)
    await _number_facets(dictionaries, items)
    keys = {} if keys is None else keys
    wanted = await beside(many, partial(_unknown, dictionaries, identities, keys))
    missing: list[Identity] = []
    if wanted:
        async with pool.connection() as connection:
            result = await find_keys(connection, wanted)
        dictionaries.remember_keys(result)
        keys.update(result)
        missing = await beside(many, lambda: [pair for pair in wanted if pair not in keys])
    if unborn is not None:
        unborn.intersection_update(missing)
        # In the order in which they are written: each index by keys then grows at its end.
        alone = list(dict.fromkeys(pair for item in items if (pair := (item.type, item.id)) in unborn))
        keys.update(await dictionaries.new_keys(alone))
        missing = [pair for pair in missing if pair not in unborn]
    if missing:
        async with pool.connection() as connection:
            for some in _in_parts(missing):
                rows = await connection.execute(_MAKE_LAZILY, _columns(some))
                keys.update(((row[0], row[1]), row[2]) for row in await rows.fetchall())
            # Of a row that another writer inserted first DO NOTHING returns nothing.
            if left := [pair for pair in missing if pair not in keys]:
                keys.update(await find_keys(connection, left))
    return keys


# These rows alone may be lost in a crash: the write that needs them commits after them, and its commit makes them
# durable as well, for the log is written in order. Of the setting's own statement it holds for no other.
_MAKE_LAZILY = (
    "INSERT INTO resource (type, id) SELECT n.type, n.id FROM unnest(%s::text[], %s::text[]) AS n (type, id), "
    "(SELECT set_config('synchronous_commit', 'off', true)) AS lazily ON CONFLICT DO NOTHING RETURNING type, id, key"
)


def _columns(identities: Sequence[Identity]) -> list[Any]:
    return transposed({"type": "text", "id": "text"}, identities)


def _unknown(
    dictionaries: Dictionaries, identities: set[Identity], keys: dict[Identity, int]
) -> list[Identity]:
    """What is neither in `keys` nor in memory, in order; what is in memory is put into `keys`.

    Sorted type by type: the interpreter compares texts far faster than pairs, and lets nobody else run meanwhile.
    """
    known = dictionaries.known_key  # they may be forgotten meanwhile, by another thread
    of_type: dict[str, list[str]] = {}
    for pair in identities:
        if pair not in keys:
            key = known(pair)
            if key is not None:
                keys[pair] = key
            else:
                of_type.setdefault(pair[0], []).append(pair[1])
    if not of_type:
        return []
    return [(kind, identity) for kind in sorted(of_type) for identity in sorted(of_type[kind])]


async def identify_within(
    connection: AsyncConnection,
    dictionaries: Dictionaries,
    items: Sequence[Indexed],
    keys: dict[Identity, int],
    *,
    fresh: Sequence[Identity],
) -> None:
    """The same inside a transaction, for versions that another write entails; the numbers are put into `keys`.

    Whoever waits for a second connection while it holds one can wait for ever. Here nearly all is known: another
    version of the resource was stored before, and what it named has its numbers.
    """
    parameters, systems, labels, identities = _named(items, dictionaries)
    await dictionaries.recall(connection, parameters=parameters, systems=systems, labels=labels)
    await _number_facets(dictionaries, items, connection)
    for identity in fresh:
        rows = await connection.execute("SELECT nextval(pg_get_serial_sequence('resource', 'key'))")
        row = await rows.fetchone()
        assert row is not None
        keys[identity] = row[0]
    # On the connection of the transaction: it sees the rows that it inserted itself.
    keys.update(await find_keys(connection, sorted(identities - keys.keys())))
    missing = sorted(identities - keys.keys())
    if missing:
        await _make_rows(connection, missing)
        keys.update(await find_keys(connection, missing))


async def _number_facets(
    dictionaries: Dictionaries, items: Sequence[Indexed], connection: AsyncConnection | None = None
) -> None:
    numbers = await dictionaries.facet_sets({(item.type, item.facets) for item in items}, connection)
    for item in items:
        item.facet_set = numbers.get((item.type, item.facets), NONE)


def _named(
    items: Sequence[Indexed], dictionaries: Dictionaries
) -> tuple[set[tuple[str, str]], set[str], set[tuple[str, str]], set[Identity]]:
    """Search parameters and code systems that have no number in memory yet, labels, and resources, that the rows of
    these resources name.
    """
    parameters: set[tuple[str, str]] = set()
    systems: set[str] = set() if dictionaries.has_system(NO_SYSTEM) else {NO_SYSTEM}
    labels: set[tuple[str, str]] = set()
    identities: set[Identity] = set()
    for item in items:
        identities.update(item.identities())
        labels.update(item.labels)
        known = dictionaries.parameters_of(item.type)
        for entry in item.entries:
            if entry.parameter not in known:
                parameters.add((item.type, entry.parameter))
            if (
                (type(entry) is TokenEntry or type(entry) is QuantityEntry)
                and entry.system
                and not dictionaries.has_system(entry.system)
            ):
                systems.add(entry.system)
    return parameters, systems, labels, identities


async def _make_rows(connection: AsyncConnection, identities: Sequence[Identity]) -> None:
    """Rows of `resource` for what is only referred to."""
    for some in _in_parts(identities):
        await connection.execute(
            "INSERT INTO resource (type, id) SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING",
            _columns(some),
        )


async def make_rows(connection: AsyncConnection, keys: Mapping[Identity, int]) -> None:
    """Rows for what has a number already (`identify`) and is only referred to.

    Raises:
        psycopg.errors.UniqueViolation: another writer made one.
    """
    for some in _in_parts(list(keys)):
        await connection.execute(
            "INSERT INTO resource (key, type, id) OVERRIDING SYSTEM VALUE "
            "SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])",
            ([keys[pair] for pair in some], [pair[0] for pair in some], [pair[1] for pair in some]),
        )


def _in_parts(identities: Sequence[Identity]) -> Iterator[Sequence[Identity]]:
    """As many as a statement takes without holding up the event loop."""
    for start in range(0, len(identities), NAMED_AT_ONCE):
        yield identities[start : start + NAMED_AT_ONCE]


async def find_keys(connection: AsyncConnection, identities: Sequence[Identity]) -> dict[Identity, int]:
    """The numbers of those (type, id) pairs that have one."""
    results: dict[Identity, int] = {}
    if len(identities) == 1:  # most often; and the other statement is planned anew for each few
        rows = await connection.execute("SELECT key FROM resource WHERE type = %s AND id = %s", identities[0])
        row = await rows.fetchone()
        return {} if row is None else {identities[0]: row[0]}
    for some in _in_parts(identities):
        # By position, since a row that is not there yet is missing from the result.
        rows = await connection.execute(
            "SELECT w.number, r.key FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY AS w (type, id, number)"
            " JOIN resource r ON r.type = w.type AND r.id = w.id",
            _columns(some),
        )
        results.update((some[number - 1], key) for number, key in await rows.fetchall())
    return results


def _once(item: Indexed, known: definitions.Definitions) -> Sequence[IndexEntry]:
    """The entries that get rows: of a parameter all of whose values are there under included ones, none does.

    With elements, numbers say what occurs together for each composite by itself (`elements_of`): all keep their rows.
    Facets have none, with elements or without.
    """
    wider, inner, apart, without = known.derived(_wider, item.type)
    if item.elements or not wider:
        return [entry for entry in item.entries if entry.parameter not in apart]
    there = {entry for entry in item.entries if entry.parameter in inner}
    own: set[str] = set()
    for entry in item.entries:
        codes = wider.get(entry.parameter)
        if codes is not None and not any((code, *entry[1:]) in there for code in codes):
            own.add(entry.parameter)
    if own:
        without = without - own
    return [entry for entry in item.entries if entry.parameter not in without]


def _wider(
    known: definitions.Definitions, resource_type: str
) -> tuple[Mapping[str, tuple[str, ...]], frozenset[str], frozenset[str], frozenset[str]]:
    """The codes that include others, those others, the facets, and what has rows only of values of its own."""
    wider, apart = included(resource_type, known), faceted(resource_type, known)
    return wider, frozenset(code for codes in wider.values() for code in codes), apart, apart | wider.keys()


def _moments(item: Indexed) -> list[Any]:
    """The ends of the dates of a resource, each once."""
    ends = (
        _open(entry.high, "infinity")
        for entry in item.entries
        if type(entry) is DateEntry and entry.parameter == "date"
    )
    return list(dict.fromkeys(ends)) or [UNDATED]


def _open(value: datetime | Decimal | None, infinite: str) -> datetime | Decimal | str:
    return infinite if value is None else value


@dataclass(slots=True)
class _Waiting:
    """A resource whose entries from `start` on are not yet rows. owners: the values of token.patient; moments: those
    of token.moment of its code; empty where its type has none.
    """

    type: str
    entries: Sequence[IndexEntry]
    elements: Sequence[int | None]
    key: int
    owners: Sequence[int]
    moments: Sequence[Any] = ()
    start: int = 0


@dataclass(slots=True)
class IndexWriter:
    """Collects index rows, which take the place of those of earlier versions.

    `write` takes what fits into a statement; while there is `more`, another statement of the same transaction takes it.
    """

    dictionaries: Dictionaries
    keys: dict[Identity, int]
    _replaced: list[int] = field(default_factory=list)
    _kept: set[int] = field(default_factory=set)
    _consents: list[int] = field(default_factory=list)
    _referrers: list[int] = field(default_factory=list)
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _rows: dict[str, list[tuple[Any, ...]]] = field(default_factory=dict)

    @property
    def more(self) -> bool:
        """Whether something is left to be written."""
        return bool(self._waiting)

    def labels(self, item: Indexed) -> list[int] | None:
        """The numbers of a resource's labels, for its row."""
        return [self.dictionaries.label(*label) for label in item.labels] or None

    def remove(self, key: int, resource_type: str) -> None:
        """A deleted resource leaves the index and stays in its record: who could read it gets 410."""
        self._replace_own(key, resource_type)
        # Its record stays as it is: access to the deletion and to the history goes by it.
        self._replaced.append(key)
        self._kept.add(key)

    def _replace_own(self, key: int, resource_type: str) -> None:
        """The rows that only some types have are replaced for these types alone."""
        if resource_type == "Consent":
            self._consents.append(key)
        if resource_type in ATTACHING:
            self._referrers.append(key)

    def bury(self, item: Indexed) -> None:
        """As `remove`, where the record's rows are made anew too, of the last content."""
        key = self.keys[item.type, item.id]
        self._replaced.append(key)
        self._replace_own(key, item.type)
        self._put_record(item, key)

    def put(self, item: Indexed, *, new: bool) -> None:
        """Add the rows of a resource; `new` where it has none yet."""
        keys = self.keys
        key = keys[item.type, item.id]
        if not new:
            self._replaced.append(key)
            self._replace_own(key, item.type)
        # Patients of `token.patient` make the index of tokens lead to one patient's; for a resource of many,
        # one row with MANY says that it has to be looked up.
        patients = [patient for patient in self._put_record(item, key) if patient != OTHER]
        owners = (NOBODY,) if not patients else patients if len(patients) <= FEW else (MANY,)
        moments = _moments(item) if item.type in DATED else ()
        known = self.dictionaries.definitions
        entries, elements = _once(item, known), item.elements
        if elements:
            left = faceted(item.type, known)
            elements = tuple(
                element
                for entry, element in zip(item.entries, elements, strict=True)
                if entry.parameter not in left
            )
        self._waiting.append(_Waiting(item.type, entries, elements, key, owners, moments))
        # Declared by this resource, so that its next version can replace its own links and no others.
        for merged, survivor in item.links:
            self._add("link", keys["Patient", merged], keys["Patient", survivor], key)
        for identity in item.attachments:
            self._add("attachment", key, keys["Binary", identity])
        for denial in item.denials:
            low, high = _open(denial.low, "-infinity"), _open(denial.high, "infinity")
            for patient in patients:
                self._add("consent_denial", patient, denial.purpose, low, high, key)

    def _put_entries(self) -> None:
        """Turn entries into rows, as many as a statement takes."""
        left = SLICE
        # By entries, not by resources: one resource may have more than a statement takes.
        while self._waiting and left > 0:
            first = self._waiting[0]
            entries = first.entries[first.start : first.start + left]
            elements = first.elements[first.start : first.start + left]
            if elements:
                for entry, element in zip(entries, elements, strict=True):
                    self._put_values(first, (entry,), element)
            else:
                self._put_values(first, entries)
            left -= len(entries)
            first.start += len(entries)
            if first.start == len(first.entries):
                self._waiting.popleft()

    def _put_values(
        self, resource: _Waiting, entries: Sequence[IndexEntry], element: int | None = None
    ) -> None:
        keys, dictionaries, add = self.keys, self.dictionaries, self._add
        kind, key, owners = resource.type, resource.key, resource.owners
        numbers = dictionaries.parameters_of(kind)
        for entry in entries:
            parameter = numbers[entry.parameter]
            # By exact type, the most frequent first: these lines run dozens of times for each resource.
            if type(entry) is TokenEntry:
                system = dictionaries.system(entry.system)
                # One row each patient: a search within a patient's record is then one range of the index.
                moments = resource.moments if entry.parameter == "code" else ()
                for moment in moments:
                    add("token", parameter, system, entry.code, owners[0], key, element, moment)
                for owner in owners[1:] if moments else owners:
                    add("token", parameter, system, entry.code, owner, key, element, None)
            elif type(entry) is DateEntry:
                low, high = _open(entry.low, "-infinity"), _open(entry.high, "infinity")
                add("date", parameter, low, high, key, element)
            elif type(entry) is ReferenceEntry:
                target = None if entry.type is None or entry.id is None else keys[entry.type, entry.id]
                add("reference", parameter, target, entry.url, key, element)
            elif type(entry) is StringEntry:
                add("string", parameter, entry.value, entry.exact, key, element)
            elif type(entry) is QuantityEntry:
                add("quantity", *self._quantity(parameter, entry), key, element)
            elif type(entry) is NumberEntry:
                low, high = _open(entry.low, "-infinity"), _open(entry.high, "infinity")
                add("number", parameter, low, high, key, element)
            elif type(entry) is UriEntry:
                add("uri", parameter, entry.value, key, element)

    def _put_record(self, item: Indexed, key: int) -> list[int]:
        record = [
            OTHER if patient == OTHER_PERSON else self.keys["Patient", patient]
            for patient in item.owners.patients
        ]
        for patient in record:
            self._add("record", patient, key)
        for named in item.owners.through:
            self._add("record_through", key, self.keys[named])
        for named in item.named:
            self._add("named", key, self.keys[named])
        return record

    def _quantity(self, parameter: int, entry: QuantityEntry) -> tuple[Any, ...]:
        canonical = entry.canonical_code is not None
        # Either is found by what is the same in both.
        unit = None if entry.unit == entry.code else entry.unit
        return (
            *(parameter, self.dictionaries.system(entry.system), entry.code or "", unit),
            *(_open(entry.low, "-infinity"), _open(entry.high, "infinity"), entry.canonical_code),
            _open(entry.canonical_low, "-infinity") if canonical else None,
            _open(entry.canonical_high, "infinity") if canonical else None,
        )

    def _add(self, table: str, *row: Any) -> None:
        self._rows.setdefault(table, []).append(row)

    def write(self, statement: Statement) -> None:
        """Put what was collected into a statement; of the entries as many as it takes, the others are left."""
        self._put_entries()
        if self._replaced:
            # Deletes and inserts of one statement see the table as it was: they must not meet in a row
            # (`Statement`). Tables of values have no keys, so all old rows go and all new ones come.
            for table in _VALUES:
                statement.add(f"DELETE FROM {table} WHERE resource = ANY(%s)", self._replaced)  # noqa: S608
            left = [key for key in self._replaced if key not in self._kept]
            for table in ("record", "record_through", "named"):
                self._remove_all_but_new(statement, table, "resource", left)
            self._remove_all_but_new(statement, "link", "declared_by", self._replaced)
        if self._referrers:
            self._remove_all_but_new(
                statement, "attachment", "referrer", self._referrers, before=_KEEP_PATIENTS
            )
        if self._consents:
            statement.add("DELETE FROM consent_denial WHERE resource = ANY(%s)", self._consents)
        for table, rows in self._rows.items():
            # A record or link that is unchanged was not deleted (`_remove_all_but_new`), and is there already.
            conflict = "" if table in (*_VALUES, "consent_denial") else "ON CONFLICT DO NOTHING"
            if (kind := _ROW_TYPES.get(table)) is not None:
                statement.insert_rows(kind, rows, conflict=conflict)
            else:
                statement.insert(table, _COLUMNS[table], rows, conflict=conflict)
        self._replaced, self._rows = [], {}
        self._consents, self._referrers = [], []

    def _remove_all_but_new(
        self, statement: Statement, table: str, owner: str, keys: list[int], *, before: str = ""
    ) -> None:
        """These tables have a primary key, and a statement can't delete a row and insert it again.

        Args:
            before: a write of what is known of the rows `o` that are removed, but for their condition.
        """
        columns, rows = _COLUMNS[table], self._rows.get(table, [])
        condition, values = f"WHERE o.{owner} = ANY(%s)", [keys]
        if rows:
            same = " AND ".join(f"n.{name} = o.{name}" for name in columns)
            new = f"SELECT FROM {arrays(columns)} AS n ({', '.join(columns)}) WHERE {same}"
            condition, values = f"{condition} AND NOT EXISTS ({new})", [keys, *transposed(columns, rows)]
        if before:
            statement.add(f"{before} {condition} ON CONFLICT DO NOTHING", *values)
        statement.add(f"DELETE FROM {table} o {condition}", *values)  # noqa: S608


_KEEP_PATIENTS = (
    "INSERT INTO attached_before (target, patient) SELECT DISTINCT o.target, p.patient FROM attachment o "
    "JOIN LATERAL record_owners(o.referrer) AS p (patient) ON p.patient <> 0"
)
"""Whom a Binary was about as an attachment that it is no more: what they deny stays denied."""


_VALUES: Mapping[str, RowType] = {
    table: RowType(table, {"parameter": "int", **columns, "resource": "bigint", "element": "int?", **more})
    for table, columns, more in (
        ("token", {"system": "int", "code": "text", "patient": "bigint"}, {"moment": "timestamptz?"}),
        ("date", {"low": "timestamptz", "high": "timestamptz"}, {}),
        ("reference", {"target": "bigint?", "url": "text?"}, {}),
        ("string", {"value": "text", "exact": "text"}, {}),
        (
            "quantity",
            {
                "system": "int",
                "code": "text",
                "unit": "text?",
                "low": "numeric",
                "high": "numeric",
                "canonical_code": "text?",
                "canonical_low": "numeric?",
                "canonical_high": "numeric?",
            },
            {},
        ),
        ("number", {"low": "numeric", "high": "numeric"}, {}),
        ("uri", {"value": "text"}, {}),
    )
}
"""The tables of values: no primary key, rows of one resource are replaced as a whole."""

_COLUMNS: Mapping[str, Columns] = {
    "record": {"patient": "bigint", "resource": "bigint"},
    "record_through": {"resource": "bigint", "target": "bigint"},
    "named": {"resource": "bigint", "target": "bigint"},
    "link": {"merged": "bigint", "survivor": "bigint", "declared_by": "bigint"},
    "attachment": {"referrer": "bigint", "target": "bigint"},
    "consent_denial": {
        "patient": "bigint",
        "purpose": "text",
        "low": "timestamptz",
        "high": "timestamptz",
        "resource": "bigint",
    },
}

_ROW_TYPES: Mapping[str, RowType] = {**_VALUES, "record": RowType("record", _COLUMNS["record"])}
"""What nearly every write has rows of."""
