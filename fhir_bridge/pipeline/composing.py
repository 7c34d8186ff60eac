"""Records whose parts arrive apart: composed again of all parts that the store has, and stored with the new ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.plugins import (
    Adapter,
    CompositeAdapter,
    CompositeRecord,
    ReadContext,
    RecordOutcome,
    RecordPart,
    SourceRecord,
)
from fhir_bridge.storage.issues import CODES
from fhir_bridge.storage.parts import Part, PartsMoved

__all__ = ["Composer", "PartStore", "StoredRecord", "living", "store_composite"]

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
        before = living(seen, adapter)
        if before and not adapter.same_subject({part.subject for part in [*before, *added]}):
            # Converted by itself it shows which resources it is about; what the store
            # has of them says whose they are.
            alone = run.convert(getattr(record, "witness", None) or record)
            if not store.of_linked_patient(alone):
                text = "the record is known under another patient: it changes nothing"
                issue = Issue("error", "FB-STORE-018", text, record.locator)
                return replace(
                    alone,
                    outputs=(),
                    outcome="rejected",
                    records=record.records,
                    locator=record.locator,
                    issues=(*alone.issues, issue),
                )
            added = _of_same_person(added, seen)
        parts = living([*seen, *added], adapter)
        empty = ConvertedRecord((), record.key, source, "", record.locator)  # its last part was deleted
        try:
            done = _composed(record, parts, run) if parts else empty
            twice = _duplicates(before, added, adapter, record.locator)
        except ValueError as error:  # a part of another version of the program, or a damaged one
            issue = Issue("error", "FB-STORE-024", str(error), record.locator)
            done, twice = replace(empty, outcome="rejected"), [issue]
        done = replace(
            done,
            key=record.key,
            source=source,
            locator=record.locator,
            records=record.records,
            issues=[*done.issues, *twice],
        )
        if done.outcome != "rejected":
            done = _without_skipped(done, added, parts, adapter)
        try:
            # PartsMoved: another load stored parts since these were read.
            store.save(done, added, seen, account)
        except PartsMoved:
            continue
        return done
    raise PartsMoved(record.key)


def _of_same_person(added: Sequence[Part], seen: Sequence[Part]) -> list[Part]:
    """The parts, deletions in the words of what they delete: its patient is linked to theirs."""
    subjects = {part.key: part.subject for part in seen if not part.deletes}
    return [
        replace(part, subject=subjects[part.key]) if part.deletes and part.key in subjects else part
        for part in added
    ]


def _without_skipped(
    done: ConvertedRecord, added: Sequence[Part], parts: Sequence[Part], adapter: CompositeAdapter
) -> ConvertedRecord:
    """The record without those of its parts that do not count, since they are deleted or another content does."""
    counting = {part.key: part.hash for part in parts}
    own = {part.key: part.hash for part in living([part for part in added if not part.deletes], adapter)}
    deleted = own.keys() - counting.keys()
    deleted -= {part.key for part in added if part.deletes}  # the reader has reported and counted them
    skipped = len(deleted) + sum(counting.get(key, digest) != digest for key, digest in own.items())
    issues = list(done.issues)
    if deleted:
        text = f"{len(deleted)} parts of the record are deleted: {min(deleted)}"
        issues.append(Issue(CODES["FB-STORE-027"].severity, "FB-STORE-027", text, done.locator))
    skipped = min(skipped, done.records)
    return replace(done, records=done.records - skipped, skipped=skipped, issues=issues)


def _composed(record: CompositeRecord, parts: Sequence[Part], run: Composer) -> ConvertedRecord:
    """What the record of all parts becomes, with the issues that only all of them together have."""
    whole = run.compose(parts)
    read = {(issue.code, issue.message) for issue in record.issues}
    together = [issue for issue in whole.issues if (issue.code, issue.message) not in read]
    done = run.convert(whole)
    return replace(done, issues=[*together, *done.issues])


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


@dataclass(slots=True)
class _Emptied:
    """A record whose last part was deleted."""

    key: str
    outcome: RecordOutcome = "read"
    records: int = 0
    issues: Sequence[Issue] = ()
    source: str = ""
    time: None = None
    sequence: str = ""
    parts: Sequence[Part] = ()

    @property
    def locator(self) -> str:
        return self.key

    def scope(self, name: str) -> tuple[Any, ...]:  # noqa: ARG002
        return ()


class StoredRecord:
    """An adapter that reads one record: the one that stored parts give."""

    def __init__(self, adapter: CompositeAdapter, parts: Sequence[Part], key: str = "") -> None:
        self._adapter = adapter
        self._parts = parts
        self._key = key
        self.name, self.title, self.model = adapter.name, adapter.title, adapter.model
        self.suffixes = adapter.suffixes

    def choose_mapping(self, paths: Sequence[Path]) -> str:
        return self._adapter.choose_mapping(paths)

    def shards(self, paths: Sequence[Path], jobs: int) -> Sequence[Sequence[Path]]:
        return self._adapter.shards(paths, jobs)

    def read(self, paths: Sequence[Path], context: ReadContext) -> Iterator[SourceRecord]:  # noqa: ARG002
        if self._parts:
            yield self._adapter.compose(self._parts, context)
        elif self._key:
            yield _Emptied(self._key)

    def choose(self, parts: Sequence[RecordPart]) -> RecordPart | None:
        return self._adapter.choose(parts)

    def same_subject(self, subjects: Iterable[str]) -> bool:
        return self._adapter.same_subject(subjects)

    def compose(self, parts: Sequence[RecordPart], context: ReadContext) -> SourceRecord:
        return self._adapter.compose(parts, context)

    def differences(self, item: bytes, other: bytes) -> list[str]:
        return self._adapter.differences(item, other)
