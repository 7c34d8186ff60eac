"""What is in the store, explained from its ledger; converted again and explained where its source is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.mapping import MappingErrors, Site
from fhir_bridge.pipeline import mapping_hash
from fhir_bridge.plugins import CompositeAdapter, adapters
from fhir_bridge.storage import Store
from fhir_bridge.storage.origins import Origin, origins_of
from fhir_bridge.storage.parts import Part
from fhir_bridge.workshop.explaining import RecordExplanation, explain_record
from fhir_bridge.workshop.traced import Traced, TracedRun

__all__ = ["StoredResource", "explain_again", "read_stored", "stored_lines"]


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A resource of the store, and the records it comes from.

    Attributes:
        origins: None where there is no such resource; empty where it came as FHIR, or was written by a person.
        site_key: fingerprint of the key that the store's ids were made with.
        parts: of records whose contents the store keeps (studies), by the record's key.
    """

    name: str
    origins: Sequence[Origin] | None
    site_key: str
    parts: Mapping[str, Sequence[Part]] = field(default_factory=dict)


async def read_stored(url: str, name: str) -> StoredResource:
    """Read where a resource comes from."""
    kind, _, identity = name.partition("/")
    async with await Store.open(url, max_size=2) as store:
        async with store.connection() as connection:
            origins = await origins_of(connection, kind, identity)
        parts = {origin.id: await store.parts(origin.source, origin.id) for origin in origins or ()}
        return StoredResource(name, origins, await store.setting("site_key") or "", parts)


def stored_lines(stored: StoredResource) -> Iterator[str]:
    """Record, hash, mapping and key, in words."""
    if stored.origins is None:
        yield f"{stored.name} is not in the store"
        return
    yield f"{stored.name}  (ids by the site key {stored.site_key or 'of nobody yet'})"
    if not stored.origins:
        yield "  no record of a source: it was loaded as FHIR, or written through the API"
    for origin in stored.origins:
        yield f"  record {origin.locator or '(locator not kept)'}"
        yield f"    source {origin.source}"
        yield f"    content hash or key {origin.id}"
        yield f"    {_converted(origin)}"
        if not origin.active:
            yield "    it does not say this any more"
        if stored.parts.get(origin.id):
            yield f"    the store keeps its {len(stored.parts[origin.id])} parts"


def _converted(origin: Origin) -> str:
    by = origin.converted_by
    if by is None:
        return f"converted by version {origin.mapping or '?'} of a mapping whose name was not kept"
    return f"converted by the mapping {by.mapping} version {by.version} ({by.adapter}), content {by.hash}"


def changed_mapping(origin: Origin, mapping: str) -> str:
    """What to say of a mapping that is not what it was; empty where it is the same."""
    by = origin.converted_by
    try:
        now = mapping_hash(mapping)
    except (MappingErrors, OSError):
        return f"the mapping {mapping} can't be read now"
    if by is None:
        return "whether the mapping is what it was is not known"
    return (
        ""
        if now == by.hash
        else f"the mapping {mapping} is not what it was (content {now} now): explained as it is now"
    )


def explain_again(
    stored: StoredResource, sources: Sequence[Path], site: Site, mapping: str | None
) -> Iterator[tuple[RecordExplanation, str]]:
    """Convert the records of a resource again, and explain those that are found; with what to say of the mapping.

    Args:
        stored: the resource.
        sources: files that may hold its records; the contents that the store keeps serve as well.
        site: whose key makes the ids.
        mapping: in place of the one that the ledger names.
    """
    for origin in stored.origins or ():
        name = mapping or (origin.converted_by.mapping if origin.converted_by else None)
        if name is None:
            continue
        try:
            run = TracedRun.of(name, site)
        except MappingErrors:
            continue
        note = changed_mapping(origin, name)
        for traced in _records(run, origin, sources, stored.parts.get(origin.id, ())):
            yield _of_resource(explain_record(traced), stored.name), note
            break


def _records(
    run: TracedRun, origin: Origin, sources: Sequence[Path], parts: Sequence[Part]
) -> Iterator[Traced]:
    """The record of an origin: in files by its key, else made of the parts that the store keeps."""
    for traced in run.records(sources) if sources else ():
        if traced.conversion is not None and traced.record.key == origin.id:
            yield traced
    adapter = adapters()[run.mapping.adapter]
    if parts and isinstance(adapter, CompositeAdapter):
        yield run.composed(adapter, parts)


def _of_resource(explanation: RecordExplanation, name: str) -> RecordExplanation:
    """The explanation with that resource alone, and what became of the rest of the record left as it is."""
    explanation.resources = [resource for resource in explanation.resources if resource.name == name]
    return explanation
