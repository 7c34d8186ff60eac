"""Records whose parts arrive apart: composed again of all parts that the store has, and stored with the new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.plugins import Adapter, CompositeAdapter, CompositeRecord, SourceRecord
from fhir_bridge.storage.issues import CODES
from fhir_bridge.storage.parts import Part, PartsMoved

__all__ = ["Composer", "PartStore", "living", "store_composite"]

_TRIES = 50


class Composer(Protocol):
    """The run that a record belongs to: composes and converts (`fhir_bridge.pipeline.shard.ShardRun`)."""

    @property
    def adapter(self) -> Adapter: ...
    def compose(self, parts: Sequence[Part]) -> SourceRecord: ...
    def convert(self, record: SourceRecord) -> ConvertedRecord: ...


class PartStore(Protocol):
    """Where parts are kept."""

    def parts(self, source: str, key: str) -> list[Part]: ...
    def of_linked_patient(self, record: ConvertedRecord) -> bool: ...
    def save(
        self, record: ConvertedRecord, added: list[Part], seen: list[Part], account: Account
    ) -> None: ...


def store_composite(
    record: CompositeRecord, source: str, run: Composer, store: PartStore, account: Account
) -> ConvertedRecord:
    """Store a record of parts; gives what it became, with the issues of composing it.

    Another load may bring parts of the same record at the same time: then it is composed again of all of them.

    Raises:
        PartsMoved: others brought parts every time; the load can be run again.
    """
    adapter = run.adapter
    assert isinstance(adapter, CompositeAdapter)
    added = [Part(part.key, part.subject, part.time, part.content, part.deletes) for part in record.parts]
    for _ in range(_TRIES):
        seen = store.parts(source, record.key)
        before, parts = living(seen, adapter), living([*seen, *added], adapter)
        if before and not adapter.same_subject({part.subject for part in [*before, *parts]}):
            alone = run.convert(record)
            if not store.of_linked_patient(alone):
                text = "the record is known under another patient: it changes nothing"
                issue = Issue("error", "FB-STORE-018", text, record.locator)
                return replace(alone, outputs=(), outcome="rejected", issues=(*alone.issues, issue))
        empty = ConvertedRecord((), record.key, source, "", record.locator)  # its last part was deleted
        done = run.convert(run.compose(parts)) if parts else empty
        done = replace(
            done,
            key=record.key,
            source=source,
            locator=record.locator,
            records=record.records,
            issues=[*done.issues, *_duplicates(before, added, adapter, record.locator)],
        )
        try:
            store.save(done, added, seen, account)
        except PartsMoved:
            continue
        return done
    raise PartsMoved(record.key)


def living(parts: Sequence[Part], adapter: CompositeAdapter) -> list[Part]:
    """The part of each key that counts, in order of the keys; deleted ones are left out."""
    of_key: dict[str, list[Part]] = {}
    for part in parts:
        of_key.setdefault(part.key, []).append(part)
    chosen = (adapter.choose(of_key[key]) for key in sorted(of_key))
    return [part for part in chosen if isinstance(part, Part)]


def _duplicates(
    before: Sequence[Part], added: Sequence[Part], adapter: CompositeAdapter, locator: str
) -> list[Issue]:
    """Parts that came with another content than the one that counts so far."""
    known = {part.key: part for part in before}
    issues = []
    for part in added:
        other = known.get(part.key)
        if other is None or part.deletes or other.hash == part.hash:
            continue
        names = ", ".join(adapter.differences(other.content, part.content))
        text = f"{part.key} came with another content, which differs in {names or 'its form'}"
        issues.append(Issue(CODES["FB-STORE-019"].severity, "FB-STORE-019", text, locator))
    return issues
