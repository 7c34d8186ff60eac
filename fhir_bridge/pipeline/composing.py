"""Records whose parts arrive apart: composed again of all parts that the store has, and stored with the new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.plugins import CompositeRecord, SourceRecord
from fhir_bridge.storage.issues import CODES
from fhir_bridge.storage.parts import Part, PartsMoved, current_parts

__all__ = ["Composer", "PartStore", "store_composite"]

_TRIES = 50


class Composer(Protocol):
    """The run that a record belongs to: composes and converts (`fhir_bridge.pipeline.shard.ShardRun`)."""

    def compose(self, parts: Sequence[Part]) -> SourceRecord: ...
    def convert(self, record: SourceRecord) -> ConvertedRecord: ...
    def differences(self, one: bytes, other: bytes) -> list[str]: ...


class PartStore(Protocol):
    """Where parts are kept."""

    def parts(self, source: str, key: str) -> list[Part]: ...
    def foreign(self, record: ConvertedRecord) -> bool: ...
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
    added = [Part(part.key, part.subject, part.time, part.content, part.deletes) for part in record.parts]
    for _ in range(_TRIES):
        seen = store.parts(source, record.key)
        if _other_patient(seen, added):
            alone = run.convert(record)
            if store.foreign(alone):
                text = "the record is known under another patient: it changes nothing"
                issue = Issue("error", "FB-STORE-018", text, record.locator)
                return replace(alone, outputs=(), outcome="rejected", issues=(*alone.issues, issue))
        parts = current_parts([*seen, *added])
        empty = ConvertedRecord((), record.key, source, "", record.locator)  # its last part was deleted
        done = run.convert(run.compose(parts)) if parts else empty
        done = replace(
            done,
            key=record.key,
            source=source,
            locator=record.locator,
            records=record.records,
            issues=[*done.issues, *_duplicates(seen, added, run.differences, record.locator)],
        )
        try:
            store.save(done, added, seen, account)
        except PartsMoved:
            continue
        return done
    raise PartsMoved(record.key)


def _other_patient(seen: Sequence[Part], added: Sequence[Part]) -> bool:
    """Whether the new parts name somebody whom no stored part names."""
    known = {part.subject for part in current_parts(seen)}
    return bool(known) and not {part.subject for part in added if not part.deleted} <= known


def _duplicates(
    seen: Sequence[Part],
    added: Sequence[Part],
    differences: Callable[[bytes, bytes], list[str]],
    locator: str,
) -> list[Issue]:
    known = {part.key: part for part in current_parts(seen)}
    issues = []
    for part in added:
        other = known.get(part.key)
        if other is not None and not part.deleted and other.hash != part.hash:
            names = ", ".join(differences(other.content, part.content))
            text = f"{part.key} came with another content, which differs in {names}"
            issues.append(Issue(CODES["FB-STORE-019"].severity, "FB-STORE-019", text, locator))
    return issues
