"""Storing what is new and stays as it is: nothing to look for or to merge, one statement a batch."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from dataclasses import replace

import psycopg

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.storage.audit_loading import LoadedEvents
from fhir_bridge.storage.audit_search import AUDIT
from fhir_bridge.storage.errors import BadResource
from fhir_bridge.storage.indexing import Identity
from fhir_bridge.storage.loading import LoadResult, Output, each
from fhir_bridge.storage.stored import parse
from fhir_bridge.storage.writing import Operation, Writer

__all__ = ["append"]


async def append(
    writer: Writer,
    events: LoadedEvents,
    result: LoadResult,
    outputs: Iterable[Output] | AsyncIterable[Output],
    *,
    batch: int,
    progress: Callable[[int], object] | None = None,
) -> LoadResult:
    """Store everything, each batch as a whole. What is there already, of an earlier try, is found unchanged."""
    waiting: list[Output] = []
    position = 0
    async for output in each(outputs):
        position += 1
        waiting.append(output)
        if len(waiting) >= batch:
            await _append(writer, events, waiting, position - len(waiting) + 1, result)
            waiting = []
            if progress is not None:
                progress(position)
    await _append(writer, events, waiting, position - len(waiting) + 1, result)
    if progress is not None:
        progress(position)
    return result


async def _append(
    writer: Writer, events: LoadedEvents, outputs: Sequence[Output], first: int, result: LoadResult
) -> None:
    """Store a batch; `first` is the position of its first output."""
    operations: dict[Identity, Operation] = {}
    for position, output in enumerate(outputs, first):
        where = f"output {position}"
        try:
            resource = parse(output, source=where)
            kind, identity = resource["resourceType"], resource.get("id")
            if not isinstance(identity, str) or not identity:
                raise BadResource("a resource to load has an id")
            where = f"{kind}/{identity}"
            # Of one identity a statement can insert one row only; the second would refuse the whole batch.
            if (kind, identity) in operations:
                raise BadResource("two resources of one batch have the same id")
            if kind == AUDIT:
                events.take(resource)
                continue
        except BadResource as error:
            _reject(result, error, where)
            continue
        operations[kind, identity] = Operation("create", kind, identity, resource)
    await events.write()
    await _write(writer, list(operations.values()), result)


async def _write(writer: Writer, operations: list[Operation], result: LoadResult) -> None:
    try:
        written = await writer.run(operations, EVERYTHING) if operations else []
    except psycopg.errors.UniqueViolation:
        # A batch whose commit was not confirmed is sent again: its ids are there already. An update finds equal
        # contents and creates no version of them.
        written = await writer.run([replace(item, action="update") for item in operations], EVERYTHING)
    except BadResource as error:
        # The refusal may be of one resource only: each is tried alone, so that it keeps no other out.
        if len(operations) == 1:
            _reject(result, error, "/".join(operations[0].identity))
            return
        for operation in operations:
            await _write(writer, [operation], result)
        return
    for item in written:
        result.resources[item.stored.type] += 1
        match item.outcome:
            case "created":
                result.created += 1
            case "updated":
                result.updated += 1
            case _:
                result.unchanged += 1


def _reject(result: LoadResult, error: BadResource, where: str) -> None:
    result.rejected += 1
    result.add_issue("FB-STORE-012", error.message, where)
