"""The terminology that one worker serves: what is written over REST, over what the process has loaded.

"At once" means: an operation that begins after a write was answered sees it, in every worker. For that the database is
asked before each operation what was written since the last one; operations that come while it is being asked share the
next question, so that many cost little more than one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage.errors import Gone, NotFound
from fhir_bridge.storage.watching import written_since
from fhir_bridge.terminology import Terminology, get_terminology
from fhir_bridge.terminology.layers import ResourceLayer, TerminologyContent, content_of_resource
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.operations.options import Limits
from fhir_bridge.terminology.operations.service import TerminologyService
from fhir_bridge.terminology.shapes import misshapen

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["KINDS", "ServedTerminology", "limits_of"]

KINDS = ("CodeSystem", "ValueSet", "ConceptMap")
"""Types whose resources take part."""

# What is labelled restricted must not be seen through an expansion by who may not read the resource.
_RESTRICTED = frozenset({"R", "V"})
"""v3-Confidentiality codes: a resource with one is for few, and answers to everybody are not built from it."""

_log = logging.getLogger("fhir_bridge.terminology")


class ServedTerminology:
    """The terminology service of a worker.

    Args:
        site: the site's settings file, whose terminology folders and content store count.
        limits: what one operation may cost.
    """

    def __init__(self, site: Path | None, limits: Limits) -> None:
        self._site = site
        self.service = TerminologyService(self.library, limits)
        self._base: Terminology | None = None
        self._written: dict[str, TerminologyContent] = {}
        self._snapshot: str | None = None
        self._everything: Terminology | None = None
        self._validation_terminology: Terminology | None = None
        self._next: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()
        self._looked, self._seen = float("-inf"), 0

    def load(self) -> None:
        """Read what the process has loaded.

        Raises:
            TerminologyFileError: a file of the site can't be used; the message names it.
        """
        if self._base is None:
            self._base = _terminology(self._site)

    def library(self) -> Library:
        """The library as of the last look."""
        assert self._everything is not None
        return self._everything.library

    @property
    def validation_terminology(self) -> Terminology | None:
        """What resources are checked with, as of the last look: what is written and not retired, over what the process
        has loaded. Another object after a write; None before the first look.
        """
        return self._validation_terminology

    def validation_terminology_with(self, brought: Iterable[Mapping[str, Any]]) -> Terminology:
        """The same under resources that are about to be written; `refresh` comes before."""
        assert self._validation_terminology is not None
        built = (
            _taking_part(item)
            for item in brought
            if item.get("resourceType") in KINDS and not misshapen(item)
        )
        current = [item for item in built if item is not None and not _is_retired(item)]
        return (
            self._validation_terminology.over(ResourceLayer(current))
            if current
            else self._validation_terminology
        )

    async def refresh(self, store: Store, *, within: float = 0.0) -> TerminologyService:
        """The service, after a look at what was written.

        Args:
            within: seconds for which a look is good, unless this process has written terminology since.

        Raises:
            psycopg.Error: the database does not answer.
        """
        if time.monotonic() - self._looked < within and self._seen == store.wrote(KINDS):
            return self.service
        # Who comes while a look waits for its turn shares it: it begins after they
        # asked, so it sees their writes.
        if self._next is None:
            self._next = asyncio.create_task(self._look_next(store))
        # Shielded: one client that hangs up must not cancel the look that others wait for.
        await asyncio.shield(self._next)
        return self.service

    async def _look_next(self, store: Store) -> None:
        # One at a time, in order: a slower, older look must not overwrite a newer one.
        async with self._looking:
            self._next = None  # who comes from here on may know of a write that this look does not see
            await self._look(store)

    async def _look(self, store: Store) -> None:
        if self._base is None:
            await asyncio.to_thread(self.load)
        # As it is now: what is written while this look is under way comes with the next.
        looked, seen = time.monotonic(), store.wrote(KINDS)
        async with store.pool.connection() as connection:
            # Before the first reading of all, so that what is written in between comes with the next look.
            snapshot, written = await written_since(connection, self._snapshot, KINDS)
        if self._snapshot is None:
            await self._read_all(store)
        for reference in written:
            await self._read(store, reference)
        # Unchanged terminology stays the same object, by which validators notice that nothing was written.
        if written or self._snapshot is None:
            self._renew()
        self._snapshot = snapshot
        self._looked, self._seen = looked, seen

    def _renew(self) -> None:
        """Put what is written at present over what the process has."""
        assert self._base is not None
        written = tuple(self._written.values())
        current = [item for item in written if not _is_retired(item)]
        self._everything = self._base.over(ResourceLayer(written))
        # Usually nothing is retired: then one object serves both, and its caches too.
        whole = len(current) == len(written)
        self._validation_terminology = self._everything if whole else self._base.over(ResourceLayer(current))

    async def _read_all(self, store: Store) -> None:
        for kind in KINDS:
            async for page in store.stream(kind, EVERYTHING):
                for stored in page:
                    if stored.bytes is not None:
                        self._keep(f"{kind}/{stored.id}", loads_exact(stored.bytes))

    async def _read(self, store: Store, reference: str) -> None:
        # Removed first: a resource that is gone, or takes no part any more, must leave.
        self._written.pop(reference, None)
        kind, _, identity = reference.partition("/")
        try:
            stored = await store.read(kind, identity, EVERYTHING)
        except (Gone, NotFound):
            return
        if stored.bytes is not None:
            self._keep(reference, loads_exact(stored.bytes))

    def _keep(self, reference: str, resource: Mapping[str, Any]) -> None:
        # Anything may be written as JSON that is valid FHIR enough; a shape that would
        # break an operation takes no part.
        if problem := misshapen(resource):
            _log.warning("%s takes no part in terminology: %s", reference, problem)
        elif (built := _taking_part(resource)) is not None:
            self._written[reference] = built


def _taking_part(resource: Mapping[str, Any]) -> TerminologyContent | None:
    return None if _is_restricted(resource) else content_of_resource(resource)


def _is_retired(result: TerminologyContent) -> bool:
    return result.resource.get("status") == "retired"


def limits_of(settings: Settings) -> Limits:
    """What one operation may cost, by the settings."""
    return Limits(
        codes=settings.max_expansion,
        page=settings.max_expansion_page,
        imported=settings.max_expansion_page,
        seconds=settings.terminology_seconds,
    )


def _terminology(site: Path | None) -> Terminology:
    """The process's terminology, read."""
    if site is None:
        terminology = get_terminology()
    else:
        from fhir_bridge.mapping import Site

        terminology = Site.load(site).open_terminology()
    terminology.load()
    return terminology


def _is_restricted(resource: Mapping[str, Any]) -> bool:
    meta = resource.get("meta")
    labels = meta.get("security") if isinstance(meta, Mapping) else None
    return isinstance(labels, list) and any(
        isinstance(label, Mapping) and label.get("code") in _RESTRICTED for label in labels
    )
