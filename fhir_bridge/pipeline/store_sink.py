"""The sink that stores: what records became goes into PostgreSQL in batches, each batch whole or not at all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import cast
from urllib.parse import quote

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.mapping import Output
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.composing import Composer, store_composite
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.keeping import keep_delivery, note_kept_places
from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.pipeline.sources import STANDARD_INPUT
from fhir_bridge.pipeline.waiting_records import PATIENT_TO_COME, Waiting, keep_waiting, waiting_issue
from fhir_bridge.plugins import (
    CompositeRecord,
    DeliveredRecord,
    IssueLike,
    KeptDelivery,
    SourceDelivery,
    adapters,
)
from fhir_bridge.storage import Gone, LoadResult, NotFound, RecordSet, RecordsResult, Store
from fhir_bridge.storage.deliveries import Delivery
from fhir_bridge.storage.origins import ConvertedBy
from fhir_bridge.storage.parts import Part

__all__ = ["BATCH", "StoreSink", "count_stored", "opened", "record_set", "whole_delivery"]

BATCH = 500
"""Resources, or records, in one transaction."""


class StoreSink:
    """Collects what records became and stores it batch by batch; one connection, kept for the shard."""

    def __init__(self, url: str, run: SinkRun) -> None:
        self._run = run
        self._runner = asyncio.Runner()
        try:
            self._store = self._runner.run(opened(url, run))
        except BaseException:
            self._runner.close()
            raise
        self._batch: list[ConvertedRecord] = []
        self._resources = 0
        self._waiting: list[Waiting] = []
        self._delivery: Delivery | None = None
        self._held: tuple[str, frozenset[str]] = "", frozenset()

    def write(self, record: ConvertedRecord, account: Account) -> None:
        """Take a converted record; what one record became always goes into one batch."""
        waiting = waiting_issue(record.issues)
        if waiting is not None:
            self._waiting.append(
                Waiting("held", record.locator, waiting.code, waiting.message, record=_name(record))
            )
        if record.of is not None:
            self._deliver(record.of, account, lost=waiting is None and _is_lost(record))
            if record.of.ends_delivery and not self._keep(record.of, record, account):
                return
        stays = waiting is None or waiting.code == PATIENT_TO_COME
        if record.outcome != "rejected" or not stays:  # what an earlier version of the mapping made stays
            self._batch.append(record)
            self._resources += len(record.outputs)
        if self._resources >= BATCH or len(self._batch) >= BATCH:
            self.flush(account)
        if record.of is not None and record.of.ends_delivery:
            self._end_delivery(record.of, account)

    def held_parts(self, record: ConvertedRecord) -> frozenset[str]:
        """Parts of the record's delivery that show another sex than their Patient's gender in the store.

        The Patients of all parts are what a delivery begins with.
        """
        delivery = record.of.delivery if record.of is not None else None
        if delivery is None or not delivery.sexes:
            return frozenset()
        if self._held[0] != delivery.id:
            self._held = delivery.id, self._runner.run(_differing(self._store, record, delivery.sexes))
        return self._held[1]

    def _deliver(self, record: DeliveredRecord, account: Account, *, lost: bool) -> None:
        """Note what the file of a record speaks of; not where a part of the record was lost."""
        source = record.delivery
        assert source is not None
        delivery = self._delivery
        if delivery is None or delivery.id != source.id:
            self.flush(account)  # the records of a file before this one, which had no end
            delivery = self._delivery = _delivery_of(source, self._run)
        if lost:
            delivery.complete = False
        elif (location := record.place) is not None:
            delivery.places.append(location)

    def _keep(self, record: DeliveredRecord, last: ConvertedRecord, account: Account) -> bool:
        """Keep the file that a record ends, where it is to be; whether all that it says has a place now.

        Before its last record is stored, which states what was studied: of a file that is not kept, neither that nor
        its end is noted. What is absent from the stored variants would seem to be absent from the patient.
        """
        source, delivery = record.delivery, self._delivery
        if delivery is None or not getattr(source, "keeps", False):
            return True
        self.flush(account)
        kept = cast("KeptDelivery", source)
        keeping = keep_delivery(self._store, self._run, kept, delivery, last)
        problem = self._runner.run(keeping)
        if problem is None:
            return True
        account.count_issues([problem])
        if problem.severity != "error":
            return True
        account.withheld += len(last.outputs)
        account.withhold_kept(len(kept.kept_counts), problem.code)
        self._delivery = None
        return False

    def _end_delivery(self, record: DeliveredRecord, account: Account) -> None:
        """The file is whole: the newest of each of its samples counts from now on."""
        self.flush(account)
        delivery, self._delivery = self._delivery, None
        assert delivery is not None
        assert record.delivery is not None
        delivery.complete = delivery.complete and record.delivery.complete
        run = self._run
        result = self._runner.run(
            self._store.end_delivery(
                delivery,
                adapter=run.adapter,
                precedence=run.precedence,
                batch=BATCH,
                note_kept=partial(note_kept_places, self._store, adapters().get(run.adapter)),
            )
        )
        count_stored(account, result)

    def flush(self, account: Account) -> None:
        """Store what is collected."""
        batch, self._batch, self._resources = self._batch, [], 0
        # Without a key nothing is known of an earlier record to compare with.
        loose = [output.resource for record in batch if not record.key for output in record.outputs]
        sets = [record_set(record, self._run, self._delivery) for record in batch if record.key]
        if sets:
            self._count(account, self._load(sets))
        if loose:
            run = self._run
            result = self._runner.run(
                self._store.load(loose, adapter=run.adapter, precedence=run.precedence, batch=len(loose))
            )
            count_stored(account, result)

    def write_parts(self, record: CompositeRecord, run: Composer, account: Account) -> ConvertedRecord:
        """Take a record's parts, and store what it becomes of all parts known."""
        # A record is composed of what the store has, so what came before must be there.
        self.flush(account)
        done = store_composite(
            record, f"urn:fhir-bridge:{quote(self._run.adapter, safe='')}", run, self, account
        )
        waiting = waiting_issue(done.issues)
        if waiting is not None:
            self._waiting.append(Waiting("held", record.locator, waiting.code, waiting.message, record.key))
        refused = next((issue for issue in done.issues if issue.code == "FB-STORE-018"), None)
        if refused is not None:
            self._waiting.append(Waiting("refused", record.locator, refused.code, refused.message))
        return done

    def save(self, record: ConvertedRecord, added: list[Part], seen: list[Part], account: Account) -> None:
        """Store what a record of parts became, and its new parts, in one transaction.

        Raises:
            PartsMoved: other parts arrived since `seen` was read.
        """
        run = self._run
        lost = record.outcome == "rejected" and waiting_issue(record.issues) is None
        result = self._runner.run(
            self._store.load_composite(
                None if lost else record_set(record, run, self._delivery),
                (record.source, record.key),
                added,
                seen,
                adapter=run.adapter,
                precedence=run.precedence,
                remap=run.remap,
            )
        )
        self._count(account, result)

    def parts(self, source: str, key: str) -> list[Part]:
        """The parts of a record that the store has."""
        return self._runner.run(self._store.parts(source, key))

    def of_linked_patient(self, record: ConvertedRecord) -> bool:
        """Whether what is stored of a record's resources is about another Patient who is the same person by link."""
        return self._runner.run(self._store.of_linked_patient([output.resource for output in record.outputs]))

    def stored_ids(self, source: str, record: str, kind: str) -> list[str]:
        """The ids of the stored resources of a type that a source record became."""
        return self._runner.run(self._store.outputs_of(source, record, kind))

    def _load(self, sets: list[RecordSet]) -> RecordsResult:
        run = self._run
        return self._runner.run(
            self._store.load_records(sets, adapter=run.adapter, precedence=run.precedence, remap=run.remap)
        )

    def _count(self, account: Account, result: RecordsResult) -> None:
        """Count what was stored; a record that changed nothing is rejected, one that lost an output is partial."""
        count_stored(account, result.counts)
        account.withheld += result.counts.rejected
        for record in result.refused:
            account.recount(record.records, "partial" if record.partial else "converted", "rejected")
            message = next(
                issue.message
                for issue in result.counts.issues
                if issue.code == "FB-STORE-018" and issue.source == record.locator
            )
            name = f"{record.source}\t{record.id}"
            self._waiting.append(Waiting("refused", record.locator, "FB-STORE-018", message, record=name))
        for record in result.incomplete:
            if not record.partial:
                account.recount(record.records, "converted", "partial")

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """The account names what is rejected; what waits for a patient is kept when the sink closes."""

    def close(self) -> None:
        """Keep the sources of records that wait, and give the connection back."""
        try:
            if self._waiting:
                self._runner.run(keep_waiting(self._store, self._run, self._waiting))
        finally:
            self._runner.run(self._store.close())
            self._runner.close()


async def _differing(store: Store, record: ConvertedRecord, sexes: Mapping[str, str]) -> frozenset[str]:
    """The parts whose Patient has another gender than their calls show; one that is new has none.

    The Patient may be stored under another id, as one that came as FHIR is: all that have one of its
    identifiers are asked.
    """
    results = set()
    for output in record.outputs:
        if output.type != "Patient" or output.part not in sexes:
            continue
        other = {"female": "male", "male": "female"}.get(sexes[output.part])
        if other is not None and other in await _genders(store, output):
            results.add(output.part)
    return frozenset(results)


async def _genders(store: Store, patient: Output) -> set[str]:
    """The genders of what is stored of a Patient, under its id and under its identifiers."""
    contents = []
    with suppress(NotFound, Gone):
        contents.append((await store.read("Patient", patient.id, EVERYTHING)).bytes)
    named = patient.read().get("identifier") or ()
    pairs = [(each["system"], each["value"]) for each in named if each.get("system") and each.get("value")]
    texts = ["|".join(re.sub(r"([\\,$|])", r"\\\1", part) for part in pair) for pair in pairs]
    cursor: str | None = None
    while texts:
        page = await store.search(
            "Patient", [("identifier", ",".join(texts))], EVERYTHING, count=200, cursor=cursor
        )
        contents += [entry.bytes for entry in page.entries]
        cursor = page.next
        if cursor is None:
            break
    return {loads(content).get("gender") for content in contents}


async def opened(url: str, run: SinkRun, *, migrate: bool = True) -> Store:
    """The store of a run, with its site key checked.

    Raises:
        OtherSiteKey: the ids that it holds were made with another one.
    """
    store = await Store.open(url, migrate=migrate, max_size=2, known=run.definitions)
    try:
        await store.check_site_key(run.fingerprint)
    except BaseException:
        await store.close()
        raise
    return store


def record_set(record: ConvertedRecord, run: SinkRun, delivery: Delivery | None = None) -> RecordSet:
    """What a converted record says, as the store takes it.

    Args:
        delivery: the file that it is of, where that is one.
    """
    return RecordSet(
        record.source,
        record.key,
        [output.resource for output in record.outputs],
        record.mapping,
        record.locator,
        run.adapter,
        record.records,
        record.outcome == "partial",
        delivery if record.of is not None else None,
        record.of.place if record.of is not None else None,
        [output.part for output in record.outputs] if record.of is not None else (),
        _converted_by(record, run),
        record.last_changed,
    )


def whole_delivery(record: ConvertedRecord, run: SinkRun) -> Delivery | None:
    """The delivery of a record that is all of it (a document); None for any other record."""
    of = record.of
    if of is None or of.delivery is None or not of.ends_delivery:
        return None
    delivery = _delivery_of(of.delivery, run)
    delivery.complete = of.delivery.complete and not _is_lost(record)
    return delivery


def _delivery_of(source: SourceDelivery, run: SinkRun) -> Delivery:
    name = "" if source.name == STANDARD_INPUT else source.name
    delivery = Delivery(run.adapter, source.id, name, source.assembly, source.time)
    delivery.replaces = getattr(source, "replaces", ())
    delivery.whole = getattr(source, "whole", "")
    return delivery


def _is_lost(record: ConvertedRecord) -> bool:
    """Whether a part of what the record says is not stored."""
    partly = record.outcome == "partial" and not getattr(record.of, "read_whole", False)
    return partly or record.outcome == "rejected" or record.withheld > 0


def _converted_by(record: ConvertedRecord, run: SinkRun) -> ConvertedBy | None:
    if run.keep is None or not record.mapping:
        return None
    return ConvertedBy(run.adapter, run.keep.mapping, record.mapping, run.mapping_hash)


def _name(record: ConvertedRecord) -> str:
    """Source and business key; empty where the adapter gives no key."""
    return f"{record.source}\t{record.key}" if record.key else ""


def count_stored(account: Account, result: LoadResult) -> None:
    """Count what a load did to the store."""
    account.count_issues(result.issues)
    account.resources.update(result.resources)
    counted = ("created", "updated", "unchanged", "stale", "conflicts", "withdrawn", "moved", "refused")
    account.stored.update({name: number for name in counted if (number := getattr(result, name))})
    for name in counted[:5]:
        account.stored.setdefault(name, 0)
