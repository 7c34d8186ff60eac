"""The transaction of a batch: what source records say is accepted or refused, then folded into what is stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any, Literal

from psycopg import AsyncConnection

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.storage import deliveries, inbox, records
from fhir_bridge.storage.contribution_rows import (
    States,
    add_states,
    name_sources,
    read_states,
    remove_states,
)
from fhir_bridge.storage.contributions import MERGED, version_order
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.indexing import Identity, identify_within, make_rows
from fhir_bridge.storage.origins import ConvertedBy, conversion_keys
from fhir_bridge.storage.ownership import owners, same_person
from fhir_bridge.storage.records import LOOSE, Claim, ClaimRow, KnownRecord, RecordSet
from fhir_bridge.storage.stated_facts import (
    documents_of_fact,
    ended_documents,
    facts_of_documents,
    is_ended,
    is_fact,
)
from fhir_bridge.storage.statements import Statement
from fhir_bridge.storage.stored import parse
from fhir_bridge.storage.subjects import LoadResult, Message, Subject, read_subject
from fhir_bridge.storage.versions import Current, lock, write_versions

__all__ = ["Batch", "BatchSet", "BatchSettings"]


@dataclass(frozen=True, slots=True)
class BatchSettings:
    """What all batches of a load share.

    Attributes:
        adapter: owner of resources without meta.source.
        precedence: for a type, its sources (adapter names), the first wins.
        remap: what a newer version of a mapping made is replaced too.
    """

    dictionaries: Dictionaries
    adapter: str
    precedence: Mapping[str, Sequence[str]]
    remap: bool = False


@dataclass(slots=True)
class BatchSet:
    """A source record on its way: its messages, and what the store does with it. record None: a resource alone.

    known: it may have been entered before.
    late: a newer state of the record is known, so that it gives nothing up.
    """

    record: RecordSet | None
    messages: list[Message]
    key: int = LOOSE
    known: bool = True
    given_up: list[Claim] = field(default_factory=list)
    late: bool = False

    @property
    def name(self) -> tuple[str, str]:
        """Source and id of the record."""
        assert self.record is not None
        return self.record.source, self.record.id

    @property
    def last_changed(self) -> datetime | None:
        """When its source last changed it; None where that orders nothing."""
        if self.record is None or self.record.last_changed is None:
            return None
        times = [message.contribution.time for message in self.messages]
        return max((time for time in times if time is not None), default=self.record.last_changed)


@dataclass(slots=True)
class Batch:
    """The transaction of a batch: its sets are accepted or refused, then what they give up and say is folded in."""

    settings: BatchSettings
    connection: AsyncConnection
    keys: dict[Identity, int]
    outcomes: LoadResult
    refused: list[RecordSet]
    unborn: Collection[Identity] = ()
    subjects: dict[Identity, Subject] = field(default_factory=dict)
    conversions: dict[ConvertedBy, int] = field(default_factory=dict)
    sources: set[str] = field(default_factory=set)
    _fresh: set[int] = field(default_factory=set)

    async def run(self, sets: list[BatchSet]) -> None:
        """All of it."""
        # Records before resources, in every batch: two batches that lock both in another
        # order would wait for each other.
        sets = await self._enter(sets)
        resources = {self.keys[message.identity] for item in sets for message in item.messages}
        resources.update(claim[0] for item in sets for claim in item.given_up)
        await self._lock(resources)
        # Refused with the rows locked: until then another batch might move a resource to another patient.
        accepted, refused = await self._without_refused([entry for entry in sets if not entry.late])
        # What a refused record said before it does not say any more: else two records that gave one result, and
        # whose patient is corrected, would refuse each other for ever.
        settled = await self._give_up([*accepted, *refused])
        # The new contents are folded in before anything is withdrawn: what one
        # record gives up another may say now.
        claims = await self._take(accepted)
        if any(entry.late for entry in sets):
            claims += await self._take(self._late(sets))
        await self._settle(settled)
        await self._follow_documents()
        await self._save(accepted, claims)

    async def _enter(self, sets: list[BatchSet]) -> list[BatchSet]:
        """Lock the records; note what each gives up. What an older mapping numbers is left out, with an issue."""
        with_records = [entry for entry in sets if entry.record is not None]
        known: dict[tuple[str, str], KnownRecord] = {}
        if with_records:
            wanted = [entry.record.converted_by for entry in with_records if entry.record is not None]
            numbers = self.settings.dictionaries.conversions
            self.conversions = await conversion_keys(self.connection, filter(None, wanted), numbers)
            heads = {
                entry.name: self._head(entry.record) for entry in with_records if entry.record is not None
            }
            entered_now = None
            if not any(entry.known for entry in with_records):
                entered_now = await records.enter_records(self.connection, heads)
            known = entered_now or await records.lock_records(self.connection, heads)
            self._fresh = {record.key for record in known.values() if record.fresh}
        entered = []
        for entry in sets:
            if entry.record is not None:
                record = known[entry.name]
                if self._older(entry.record, record):
                    self.outcomes.stale += len(entry.messages)
                    # Only the mapping's version has an order (decision 5); crosswalks, site
                    # files and terminology have none.
                    text = (
                        f"created by version {entry.record.mapping} of the mapping, "
                        f"the store has version {record.mapping}: "
                        "unchanged; load with --remap to go back"
                    )
                    self.outcomes.add_issue("FB-STORE-017", text, entry.record.locator)
                    continue
                entry.key = record.key
                hashes = {
                    (self.keys[message.identity], message.contribution.hash) for message in entry.messages
                }
                if entry.last_changed is not None and hashes and hashes <= record.claims.keys():
                    # It said so already, before others perhaps.
                    self.outcomes.unchanged += len(entry.messages)
                    continue
                entry.given_up = [claim for claim in record.claims if claim not in hashes]
                # What is given up may be no output any more, so that `identify` has not numbered it.
                self.keys.update((identity, claim[0]) for claim, identity in record.claims.items())
            entered.append(entry)
        await self._note_late(entered)
        return entered

    async def _note_late(self, entered: list[BatchSet]) -> None:
        """Note which sets are an older state of their record than another, stored or in this batch."""
        dated = {entry.key: entry for entry in entered if entry.last_changed is not None}
        if not dated:
            return
        known = [key for key, entry in dated.items() if entry.given_up]
        newest = await records.last_changes(self.connection, known, self.settings.adapter) if known else {}
        for entry in entered:
            if (time := entry.last_changed) is not None:
                newest[entry.key] = max(time, newest.get(entry.key, time))
        for entry in entered:
            time = entry.last_changed
            if time is not None and time < newest[entry.key]:
                entry.late, entry.given_up = True, []

    def _late(self, sets: list[BatchSet]) -> list[BatchSet]:
        """The older states of records, as far as they are of the resources and patients that these are of now.

        The rest goes with an issue: it would create what its source has given up since.
        """
        late = []
        for entry in sets:
            if not entry.late:
                continue
            stays = []
            for message in entry.messages:
                present = self.subjects[message.identity].present
                if present is not None and owners(present) == frozenset(message.item.owners.patients):
                    stays.append(message)
                    continue
                self.outcomes.stale += 1
                self.outcomes.add_issue("FB-STALE", "older than what is stored: left out", message.locator)
            late.append(BatchSet(entry.record, stays, entry.key, late=True))
        return late

    def _head(self, record: RecordSet) -> records.RecordHead:
        by = record.converted_by
        return records.RecordHead(record.mapping, record.locator, self.conversions[by] if by else None)

    def _older(self, record: RecordSet, known: KnownRecord) -> bool:
        """Whether an older mapping numbers it than what is stored; without any mapping it says nothing any more."""
        older = version_order(record.mapping) < version_order(known.mapping)
        return older and bool(record.mapping) and not self.settings.remap

    async def count_again(self, series: str, standing: deliveries.Standing, resources: Sequence[int]) -> None:
        """Bring resources to what the outputs of a series say that count, no record having said anything new."""
        await self._lock(resources)  # before their outputs, as every other batch does
        changed = await deliveries.mark(self.connection, series, standing, resources)
        await records.keep_outputs(self.connection, changed)
        await self._settle(await self._folded_again(changed))
        await self._follow_documents()
        await self._save([], [])

    async def _lock(self, resources: Collection[int]) -> None:
        numbers = {self.keys[identity]: identity for identity in self.unborn}
        stored = [key for key in resources if key not in numbers]
        rows = await lock(self.connection, stored) if stored else {}
        states = await read_states(self.connection, rows) if rows else {}
        # Of a live resource without contributions it is to be known whether a record or a
        # person wrote it (`read_subject`).
        bare = [key for key, row in rows.items() if row.live and key not in states]
        claimed = await self._claimed(bare) if bare else set()
        for key in numbers.keys() & set(resources):
            rows[key] = Current(key, *numbers[key], 0, 0, True, None, None, None, fresh=True)
        for key, row in sorted(rows.items()):
            self.subjects[row.type, row.id] = read_subject(row, states.get(key, {}), claimed=key in claimed)

    async def _claimed(self, resources: list[int]) -> set[int]:
        # Inactive rows too: they are kept so that a resource which a record once said
        # is never taken for a person's.
        rows = await self.connection.execute(
            "SELECT DISTINCT resource FROM output WHERE resource = ANY(%s)", (resources,)
        )
        return {row[0] for row in await rows.fetchall()}

    async def _without_refused(self, sets: list[BatchSet]) -> tuple[list[BatchSet], list[BatchSet]]:
        """Refuse each set of which a resource is in the record of another patient (a linked one is the same).

        Gives the accepted ones and the records that were refused.
        """
        owned: dict[Identity, tuple[frozenset[str], int]] = {}
        accepted: list[BatchSet] = []
        refused: list[BatchSet] = []
        for entry in sets:
            wrong, moves, left = None, 0, set()
            for message in entry.messages:
                match await self._patient(entry, message, owned, sets, accepted):
                    case "another":
                        wrong = message
                        break
                    case "moved":
                        moves += 1
                    case "left":
                        left.add(message.identity)
            if wrong is None:
                accepted.append(entry)
                self.outcomes.moved += moves
                for message in entry.messages:
                    if message.identity not in left:
                        owned[message.identity] = (frozenset(message.item.owners.patients), entry.key)
                continue
            self.outcomes.refused += len(entry.messages)
            self.outcomes.resources.subtract(message.type for message in entry.messages)
            locator = entry.messages[0].locator if entry.record is None else entry.record.locator
            before = "; what it said before is taken back" if entry.given_up else ""
            text = f"{wrong.type} is known under another patient: the record changes nothing{before}"
            self.outcomes.add_issue("FB-STORE-018", text, locator)
            if entry.record is not None:
                self.refused.append(entry.record)  # whoever reads the source lists it, and keeps it
                refused.append(entry)
            else:
                # Resources without a record have no source that could be kept for a replay: the
                # entry points at where it came from.
                item = inbox.InboxItem("refused", self.settings.adapter, locator, "FB-STORE-018", text)
                await inbox.note(self.connection, [item])
        return accepted, refused

    async def _patient(
        self,
        batch_set: BatchSet,
        message: Message,
        owned: dict[Identity, tuple[frozenset[str], int]],
        sets: list[BatchSet],
        accepted: list[BatchSet],
    ) -> Literal["same", "moved", "left", "another"]:
        """Whether a resource stays with its patient, or is in the record of another one.

        It moves where no other source record says any more that it is of the patient whose it is, or where the record
        says that it is another's from then on. What an earlier record said of whom it has left is taken in.
        """
        subject = self.subjects[message.identity]
        before = owned.get(message.identity)
        # An earlier set of this batch has decided whose the resource will be; what is stored comes after that.
        if before is not None:
            present, by = before
        elif subject.live and subject.states and subject.current.bytes is not None:
            # Live and without states: it was withdrawn, and nobody says any more whose it is.
            if message.type == "Patient":
                return "same"
            present, by = owners(parse(subject.current.bytes)), LOOSE
        else:
            return "same"
        wanted = frozenset(message.item.owners.patients)
        # A resource about nobody belongs to no record: it moves into one, or out of it, freely.
        if not present or not wanted or present == wanted:
            return "same"
        if await same_person(self.connection, present, wanted):
            return "same"
        if by_move := await self._by_move(message, present, wanted, accepted):
            return by_move
        if before is None and batch_set.record is not None:
            ours = [batch_set.key, *await self._leaving(subject.current.key, message.identity, present, sets)]
            others = await records.claimed_by_others(self.connection, [subject.current.key], ours)
            return "another" if others else "moved"
        return "another" if by != batch_set.key or batch_set.record is None else "same"

    async def _by_move(
        self, message: Message, present: frozenset[str], wanted: frozenset[str], accepted: list[BatchSet]
    ) -> Literal["moved", "left"] | None:
        """Whether a record moves a resource to another patient (ADT A45), or is older than the one that did."""
        own = message.contribution
        current = self.subjects[message.identity].current
        known = await records.active_contents(self.connection, current.key, self.settings.adapter)
        known += [
            other.contribution
            for entry in accepted
            for other in entry.messages
            if other.identity == message.identity
        ]
        if any(wanted <= other.moved_from and other.order > own.order for other in known):
            return "left"
        # What stands in passing says nothing of whose the resource is.
        last = max((other.order for other in known if not other.passing), default=own.order)
        return "moved" if present <= own.moved_from and own.order >= last else None

    async def _leaving(
        self, resource: int, identity: Identity, present: frozenset[str], sets: list[BatchSet]
    ) -> list[int]:
        """The records of this batch that no longer say that a resource is of the patients whose it is at present."""
        leaving = []
        for item in sets:
            if not any(claim[0] == resource for claim in item.given_up):
                continue
            statements = [
                message.item.owners.patients for message in item.messages if message.identity == identity
            ]
            stays = [
                set(patients) == present or await same_person(self.connection, present, patients)
                for patients in statements
            ]
            if not any(stays):
                leaving.append(item.key)
        return leaving

    async def _give_up(self, sets: list[BatchSet]) -> list[Subject]:
        """Take back what records no longer say, and fold the resources concerned again."""
        claims = [(item.key, claim) for item in sets for claim in item.given_up]
        if not claims:
            return []
        # Claims on a current version have no copy of its content (bytes null): they
        # need it for the fold that follows.
        await records.keep_outputs(self.connection, sorted({claim[0] for _, claim in claims}))
        return await self._folded_again(await records.give_up(self.connection, claims))

    async def _folded_again(self, resources: Collection[int]) -> list[Subject]:
        by_key = {subject.current.key: subject for subject in self.subjects.values()}
        # In the order of their keys: what is reported must not depend on the order of a set.
        for key in sorted(resources):
            by_key[key].fold_again(await records.fold_claims(self.connection, key, self.settings.adapter))
        return [by_key[key] for key in sorted(resources)]

    async def _take(self, sets: list[BatchSet]) -> list[tuple[BatchSet, Message, int]]:
        """Fold the messages in; gives each with its arrival."""
        messages = [message for item in sets for message in item.messages]
        known = await self._known_hashes(messages)
        await self._note_superseded(sets)
        claims = []
        for item in sets:
            for message in item.messages:
                subject = self.subjects[message.identity]
                # A record of DICOM files is composed of all its parts by its adapter; only a study
                # without a record can lose some.
                if item.record is None and message.type == "ImagingStudy":
                    self._compare_instances(message, subject)
                if message.superseded:  # kept with its record; it counts once the newer one is taken back
                    self.outcomes.stale += 1
                    text = "a newer file of the sample or phone, or version of the document, replaces it"
                    self.outcomes.add_issue("FB-STALE", text, message.locator)
                    claims.append((item, message, message.contribution.arrival))
                    continue
                arrival = subject.take(
                    message,
                    known.setdefault(message.identity, set()),
                    self.settings.precedence.get(message.type, ()),
                    self.outcomes,
                )
                claims.append((item, message, arrival))
        return claims

    def _compare_instances(self, message: Message, subject: Subject) -> None:
        """Report a study that comes as it is and lacks instances of the stored one: only an adapter unites them."""
        if not subject.live:
            return
        present = subject.content if subject.content is not None else parse(subject.current.bytes or b"{}")
        lacking = len(_instances(present) - _instances(message.content))
        if lacking:
            text = f"{lacking} stored instances of the study are not in this content: the two are not united"
            self.outcomes.add_issue("FB-STORE-030", text, message.locator)

    async def _note_superseded(self, sets: list[BatchSet]) -> None:
        """Note which messages a newer delivery replaces already."""
        own = [
            (message, message.edition, item.record.place)
            for item in sets
            for message in item.messages
            if message.edition is not None and item.record is not None
        ]
        if own:
            result = await deliveries.superseded(
                self.connection, [(edition, location) for _, edition, location in own]
            )
            for (message, _, _), replaced in zip(own, result, strict=True):
                message.superseded = replaced

    async def _known_hashes(self, messages: list[Message]) -> dict[Identity, set[bytes]]:
        """Which contents timed messages said before: asked again now that the rows are locked."""
        contents = [
            (message.identity, message.contribution.hash)
            for message in messages
            if message.identity not in self.unborn
        ]
        if not contents:
            return {}
        # Known before the rows were locked (`Loader._pending`); another load may have brought the same since.
        _, timed = await records.known_contents(self.connection, contents)
        known: dict[Identity, set[bytes]] = {}
        for number in timed:
            identity, digest = contents[number]
            known.setdefault(identity, set()).add(digest)
        return known

    async def _settle(self, subjects: list[Subject]) -> None:
        """Withdraw what nobody says any more; deletions last, and only of what nothing that stays refers to."""
        # A deletion of what others refer to would leave references to nothing (FB-STORE-016). What
        # refers to it may be withdrawn itself, so the free ones go first; where none is free they
        # refer to each other in a circle.
        pending: list[Subject] = []
        for subject in subjects:
            if subject.live and not subject.states:
                pending.append(subject)
            else:
                self._settle_one(subject, referred=False)
        while pending:
            referred = await self._referred(pending)
            free = [subject for subject in pending if subject.current.key not in referred] or pending
            for subject in free:
                self._settle_one(subject, referred=subject.current.key in referred)
            settled = {subject.current.key for subject in free}
            pending = [subject for subject in pending if subject.current.key not in settled]

    def _settle_one(self, subject: Subject, *, referred: bool) -> None:
        precedence = self.settings.precedence.get(subject.current.type, ())
        subject.settle(precedence, self.outcomes, referred=referred)

    async def _follow_documents(self) -> None:
        """Bring what texts state to how their documents are now: in error where these were replaced or withdrawn."""
        changed = [subject for subject in self.subjects.values() if subject.changed]
        documents = {
            subject.current.key for subject in changed if subject.current.type == "DocumentReference"
        }
        facts = [subject for subject in changed if subject.content and documents_of_fact(subject.content)]
        if documents:
            stored = await facts_of_documents(self.connection, documents)
            others = stored - {subject.current.key for subject in self.subjects.values()}
            if others:
                await self._lock(others)
            by_key = {subject.current.key: subject for subject in self.subjects.values()}
            facts += [by_key[key] for key in sorted(stored) if key in by_key and not by_key[key].changed]
        for subject in self.subjects.values():
            # Its state is then not what is current: it keeps its own content.
            if subject.touched and not subject.changed and is_fact(subject.current.bytes):
                subject.overruled = True
        if not facts:
            return
        stated = []
        for fact in facts:
            statement = fact.stated(self.settings.precedence.get(fact.current.type, ()))
            stated.append((fact, statement, documents_of_fact(statement)))
        named = {name for _, _, names in stated for name in names}
        here = {
            subject.current.id: subject
            for subject in self.subjects.values()
            if subject.current.type == "DocumentReference"
        }
        ended = await ended_documents(self.connection, named - here.keys())
        ended |= {name for name in named & here.keys() if is_ended(here[name].present)}
        for fact, statement, names in stated:
            fact.follow(statement, self.outcomes, wrong=not ended.isdisjoint(names))

    async def _referred(self, subjects: list[Subject]) -> set[int]:
        """Which of the subjects others refer to: those of this transaction as they will be, the rest as stored."""
        changed = [subject for subject in self.subjects.values() if subject.changed]
        # What changes in this transaction is compared by its new content below; its
        # index rows are still the old ones.
        rows = await self.connection.execute(
            "SELECT DISTINCT f.target FROM reference f JOIN resource r ON r.key = f.resource AND NOT r.deleted "
            "WHERE f.target = ANY(%s) AND f.resource <> f.target AND f.resource <> ALL(%s)",
            ([subject.current.key for subject in subjects], [subject.current.key for subject in changed]),
        )
        results = {row[0] for row in await rows.fetchall()}
        references = set(chain.from_iterable(_references(subject.content) for subject in changed))
        current = [subject.current for subject in subjects]
        return results | {item.key for item in current if f"{item.type}/{item.id}" in references}

    async def _save(self, sets: list[BatchSet], claims: list[tuple[BatchSet, Message, int]]) -> None:
        connection = self.connection
        touched = [subject for subject in self.subjects.values() if subject.touched]
        changed = [subject for subject in touched if subject.changed]
        replaced = [subject.current.key for subject in changed if subject.current.version > 0]
        if replaced:
            # Outputs without a copy of their own mean the current version, which is about to become another.
            await records.keep_outputs(connection, replaced)
        known = self.settings.dictionaries
        # A fold may name what no message of this batch named; numbers are taken on this
        # connection (`identify_within`). A message's own content is numbered (`identify`).
        anew = {subject.current.key for subject in changed if subject.item is None}
        versions = [subject.new_version(known.definitions) for subject in changed]
        items = [new.item for new in versions if new.item is not None and new.current.key in anew]
        if items:
            await identify_within(connection, known, items, self.keys, fresh=())
        # What is refused, or told by a newer file, may be referred to all the same.
        await make_rows(
            connection,
            {name: self.keys[name] for name in self.unborn if not self.subjects[name].changed},
        )
        folded = [subject.current.key for subject in touched if subject.folded_again]
        # Deleted first: a source that says nothing any more must leave no row, and an upsert removes none.
        if folded:
            await remove_states(connection, folded)
        states: list[tuple[int, States, bool]] = [
            (subject.current.key, subject.states, subject.live and not subject.overruled)
            for subject in touched
        ]
        self.sources = {name for subject in touched for name in subject.states}
        await name_sources(connection, states, known.sources)
        past = [old for subject in touched for old in subject.past]
        statement = Statement()
        add_states(statement, states)
        # One row a key: ON CONFLICT DO UPDATE refuses a statement that meets the same row twice.
        records.add_claims(
            statement,
            list({(row.resource, row.record, row.hash): row for row in map(self._claim, claims)}.values()),
        )
        await write_versions(connection, known, self.keys, versions, past, statement=statement)
        heads = {
            item.key: self._head(item.record)
            for item in sets
            if item.record is not None and item.key not in self._fresh
        }
        if heads:
            await records.note_heads(connection, heads)
        await inbox.note(connection, inbox.duplicates(self.outcomes.issues, self.settings.adapter))

    def _claim(self, claim: tuple[BatchSet, Message, int]) -> ClaimRow:
        item, message, arrival = claim
        contribution = message.contribution
        subject = self.subjects[message.identity]
        # Only a content that is the current version's in every byte can be read back from there: a
        # delta's or a merged one's can't.
        plain = (
            subject.live
            and subject.hash == contribution.hash
            and not contribution.delta
            and message.type not in MERGED
        )
        text = None if plain else dumps(message.content)
        location = None if item.record is None else item.record.place
        return ClaimRow(
            subject.current.key,
            item.key,
            contribution.hash,
            contribution.time is not None,
            arrival,
            text,
            message.edition,
            location,
            message.superseded,
        )


def _instances(study: dict[str, Any]) -> set[str]:
    """The UIDs of a study's instances."""
    series = study.get("series") or ()
    return {str(item.get("uid")) for each in series for item in each.get("instance") or ()}


def _references(node: Any) -> Iterator[str]:
    """What a content refers to by literal reference."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)
