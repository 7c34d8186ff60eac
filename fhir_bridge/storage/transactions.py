"""Carrying out Bundles: a transaction as a whole or not at all, a batch entry by entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from typing import Any, Protocol, TypeVar

import orjson

from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.attachments import local_attachments
from fhir_bridge.fhir.issues import operation_outcome
from fhir_bridge.storage.audit_rows import AuditOf
from fhir_bridge.storage.breathing import Pause, beside
from fhir_bridge.storage.bundles import (
    METHODS,
    Entry,
    conditional_references,
    read_entries,
    relative,
    with_references,
)
from fhir_bridge.storage.entry_links import named_from, rewrite
from fhir_bridge.storage.errors import (
    BadReference,
    BadResource,
    CreatedMeanwhile,
    MultipleMatches,
    NotFound,
    StorageError,
    TransactionFailed,
)
from fhir_bridge.storage.outlines import Outline, outline_of
from fhir_bridge.storage.references_by_search import SearchedReferences
from fhir_bridge.storage.searching import SearchPage
from fhir_bridge.storage.stored import Stored, Written, instant
from fhir_bridge.storage.writing import Operation, Parameters, new_id

__all__ = ["BundleStore", "Bundles", "Check", "resolved"]

_STATUS = {"created": "201 Created", "updated": "200 OK", "unchanged": "200 OK", "deleted": "204 No Content"}
_REASONS = {400: "Bad Request", 403: "Forbidden", 404: "Not Found", 410: "Gone", 412: "Precondition Failed"}


class BundleStore(Protocol):
    """What a Bundle needs of the store."""

    async def read(self, resource_type: str, identity: str, access: AccessFilter) -> Stored: ...
    async def vread(
        self, resource_type: str, identity: str, version: str, access: AccessFilter
    ) -> Stored: ...
    async def search(
        self, resource_type: str, parameters: Parameters, access: AccessFilter
    ) -> SearchPage: ...
    async def match(
        self, resource_type: str, criteria: Parameters, access: AccessFilter
    ) -> Written | None: ...
    async def write(
        self, operations: list[Operation], access: AccessFilter, *, audit: AuditOf | None = None
    ) -> list[Written]: ...
    async def refuse_present(self, resource_type: str, identity: str) -> None: ...


_TRIES = 3
"""Of a transaction whose criteria found nothing, while another one made what they look for. The next try finds it."""

Response = dict[str, Any]
T = TypeVar("T")
Check = Callable[[Operation], Awaitable[None]]
"""Looks at a write whose id is decided and whose references are resolved, just before it is done; it may refuse, and
change the content."""


async def resolved(
    store: BundleStore, resource: dict[str, Any], access: AccessFilter, base: str
) -> dict[str, Any]:
    """The resource with its references resolved: searches to what they find, addresses below `base` shortened.

    Raises:
        BadReference: a search finds nothing, or several. Forbidden, BadSearch: it can't be done.
    """
    results: dict[str, str] = {}
    outline = await outline_of(resource)
    searched = SearchedReferences(store, access, {})
    searches = partial(conditional_references, outline.references, base)
    for reference in sorted(await beside(outline.large, searches)):
        results[reference] = await searched.find(relative(reference, base))

    def new(reference: str) -> str:
        return results.get(reference) or relative(reference, base)

    replaced: dict[str, Any] = await beside(outline.large, partial(with_references, resource, new))
    return replaced


class Bundles:
    """Executes Bundles against a store."""

    def __init__(self, store: BundleStore, base: str, audit: AuditOf | None = None) -> None:
        self._store = store
        self._audit = audit
        self._base = base.rstrip("/")

    async def run(
        self,
        bundle: dict[str, Any],
        access: AccessFilter,
        check: Check | None = None,
        outlines: Sequence[Outline | None] = (),
    ) -> dict[str, Any]:
        """The response Bundle, what was read in it as it is stored (`orjson.Fragment`).

        Args:
            outlines: of the entries' resources, where they are known.
            check: see `Check`; what it raises ends the whole.

        Raises:
            TransactionFailed: an entry of a transaction was refused; nothing was stored.
            BadResource: not a transaction or batch.
        """
        kind = bundle.get("type")
        # R4 http.html#transaction: history and searchset Bundles are no requests.
        if bundle.get("resourceType") != "Bundle" or kind not in ("transaction", "batch"):
            raise BadResource("expected a Bundle of type transaction or batch")
        entries = read_entries(bundle)
        for entry, outline in zip_longest(entries, outlines[: len(entries)]):
            entry.outline = outline
        if kind == "batch":
            responses = [await self._alone(entry, access, check) for entry in entries]
        else:
            responses = await self._together(entries, access, check)
        head = {"resourceType": "Bundle", "type": f"{kind}-response"}
        return {**head, "entry": responses} if responses else head

    async def _alone(self, entry: Entry, access: AccessFilter, check: Check | None) -> Response:
        """An entry of a batch. Its refusal is its response; entries do not see each other's ids."""
        # Each entry of a batch is a transaction by itself (R4 http.html#brules):
        # ids of others are not resolved.
        try:
            return (await self._together([entry], access, check))[0]
        except TransactionFailed as error:
            return _refusal(error.cause)

    async def _together(
        self, entries: list[Entry], access: AccessFilter, check: Check | None
    ) -> list[Response]:
        # Only criteria can find nothing, and then something.
        again = any(entry.parameters or entry.if_none_exist is not None for entry in entries)
        for _ in range(_TRIES - 1 if again else 0):
            try:
                # Copies: what is decided of an entry is decided anew the next time.
                return await self._once([replace(entry) for entry in entries], access, check)
            except TransactionFailed as error:
                if not isinstance(error.cause, CreatedMeanwhile):
                    raise
        return await self._once(entries, access, check)

    async def _once(self, entries: list[Entry], access: AccessFilter, check: Check | None) -> list[Response]:
        responses: dict[int, Response] = {}
        matched: dict[int, Written] = {}
        # R4 http.html#trules: DELETE, POST, PUT, then reads, whatever their order in the Bundle.
        writes = sorted(
            (entry for entry in entries if entry.method not in ("GET", "HEAD")),
            key=lambda entry: METHODS.index(entry.method),
        )
        pause = Pause()
        for entry in writes:
            await pause.take()
            if entry.method == "POST" and entry.if_none_exist is None:
                entry.id = new_id()
                continue
            result = await _at(entry, self._decide_id(entry, access))
            if result is not None:
                matched[entry.position] = result
        changing = [entry for entry in writes if entry.position not in matched]
        _refuse_equal_criteria(changing)
        # A match is written by nobody, so it may occur as often as one likes.
        _refuse_doubles(changing)
        _refuse_deleted_matches(entries, changing, matched)
        # By fullUrl, which is how entries refer to each other before the server gives them ids.
        names = {
            entry.full_url: f"{entry.type}/{entry.id}" for entry in writes if entry.full_url and entry.id
        }
        contents = {
            (entry.type, entry.id): entry.resource if entry.method != "DELETE" else None
            for entry in writes
            if entry.id is not None and entry.position not in matched
        }
        searched = await self._search_references(writes, SearchedReferences(self._store, access, contents))

        def new(name: str) -> str | None:
            return names.get(name) or searched.get(name)

        operations = []
        for entry in writes:
            await pause.take()
            if entry.position in matched:
                # Decided by the match: nothing is to be written, and no check has anything to look at.
                responses[entry.position] = self._response(matched[entry.position])
            elif entry.id is not None:
                try:
                    named = named_from(entry.full_url, new)
                    if entry.outline is None or not entry.outline.large:
                        operations.append(_operation(entry, named, self._base))
                    else:
                        operations.append(await beside(True, partial(_operation, entry, named, self._base)))
                except BadReference as error:
                    raise TransactionFailed(entry.position, error) from error
            else:  # a conditional delete of nothing
                # R4 http.html#cdelete: a conditional delete that matches nothing is a success.
                responses[entry.position] = {"response": {"status": "204 No Content"}}
        if check is not None:
            for operation in operations:
                await check(operation)
        for entry in writes:
            # After the check: who may not write it must not learn from this that it is there.
            if entry.absent and entry.id is not None:
                await _at(entry, self._store.refuse_present(entry.type, entry.id))
        results = await self._store.write(operations, access, audit=self._audit)
        for operation, written in zip(operations, results, strict=True):
            await pause.take()
            responses[operation.position or 0] = self._response(written)
        # After the writes and outside their transaction: another client's write may be seen as well.
        for entry in entries:
            if entry.method in ("GET", "HEAD"):
                responses[entry.position] = await _at(entry, self._read(entry, access))
        # In the order of the request (R4 http.html#transaction-response), not of execution.
        return [responses[entry.position] for entry in entries]

    async def _decide_id(self, entry: Entry, access: AccessFilter) -> Written | None:
        """Give an entry its id. A conditional create that matches is decided: the match is given back."""
        if entry.method == "POST":
            written = await self._store.match(entry.type, entry.if_none_exist or [], access)
            if written is not None:
                entry.id = written.stored.id
                return written
            entry.id = new_id()
        elif entry.id is None:
            written = await self._store.match(entry.type, entry.parameters, access)
            own = entry.resource.get("id") if entry.resource else None
            if written is not None:
                if isinstance(own, str) and own != written.stored.id:
                    raise BadResource("the criteria match another resource than the id names")
                entry.id = written.stored.id
            elif entry.method == "PUT":
                entry.id = own if isinstance(own, str) else new_id()
                # The criteria go with the write as well, and are tested again under the lock.
                entry.if_none_exist, entry.absent = entry.parameters, True
        return None

    async def _search_references(self, writes: list[Entry], searched: SearchedReferences) -> dict[str, str]:
        """What references that are searches name.

        Raises:
            TransactionFailed: one matches nothing, or several.
        """
        results: dict[str, str] = {}
        pause = Pause()
        for entry in writes:
            await pause.take()
            if entry.outline is None:
                entry.outline = await outline_of(entry.resource)
            if not entry.outline.may_search:
                continue
            searches = partial(conditional_references, entry.outline.references, self._base)
            named = await beside(entry.outline.large, searches)
            for reference in sorted(named - results.keys()):
                results[reference] = await _at(entry, searched.find(relative(reference, self._base)))
        return results

    async def _read(self, entry: Entry, access: AccessFilter) -> Response:
        if entry.id is None:
            page = await self._store.search(entry.type, entry.parameters, access)
            return {"resource": self._searchset(page), "response": {"status": "200 OK"}}
        if entry.version is not None:
            stored = await self._store.vread(entry.type, entry.id, entry.version, access)
        else:
            stored = await self._store.read(entry.type, entry.id, access)
        # As stored, without being parsed: no digit is lost, and no time.
        return {
            "fullUrl": f"{self._base}/{stored.type}/{stored.id}",
            "resource": orjson.Fragment(stored.bytes),
            "response": {
                "status": "200 OK",
                "etag": stored.etag,
                "lastModified": instant(stored.last_updated),
            },
        }

    def _searchset(self, page: SearchPage) -> dict[str, Any]:
        results: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
        if page.total is not None:
            results["total"] = page.total
        if page.entries:
            results["entry"] = [
                {
                    "fullUrl": f"{self._base}/{stored.type}/{stored.id}",
                    "resource": orjson.Fragment(stored.bytes),
                    "search": {"mode": "match"},
                }
                for stored in page.entries
            ]
        return results

    def _response(self, written: Written) -> Response:
        stored = written.stored
        response = {
            "status": _STATUS[written.outcome],
            "etag": stored.etag,
            "lastModified": instant(stored.last_updated),
        }
        if written.outcome == "deleted":
            return {"response": response}
        response["location"] = f"{self._base}/{stored.type}/{stored.id}/_history/{stored.version}".lstrip("/")
        return {"fullUrl": f"{self._base}/{stored.type}/{stored.id}".lstrip("/"), "response": response}


def _refuse_equal_criteria(entries: Iterable[Entry]) -> None:
    """Two entries that create under the same criteria would make two of what there is to be one of.

    Raises:
        TransactionFailed: at the second.
    """
    seen: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    for entry in entries:
        if entry.if_none_exist is not None:
            key = (entry.type, tuple(sorted(entry.if_none_exist)))
            if key in seen:
                refusal = MultipleMatches("another entry of the transaction creates under the same criteria")
                raise TransactionFailed(entry.position, refusal)
            seen.add(key)


async def _at(entry: Entry, work: Awaitable[T]) -> T:
    try:
        return await work
    except TransactionFailed:
        raise
    except StorageError as error:
        raise TransactionFailed(entry.position, error) from error


def _operation(entry: Entry, new: Callable[[str], str | None], base: str) -> Operation:
    if entry.id is None:
        raise NotFound(f"no {entry.type}")
    if entry.method == "DELETE":
        return Operation("delete", entry.type, entry.id, if_match=entry.if_match, position=entry.position)
    resource, outline = entry.resource or {}, entry.outline
    # Most name nothing that is to be written otherwise, and need no copy.
    if (
        outline is None
        or outline.linked
        or any(new(text) or relative(text, base) != text for text in outline.references)
    ):
        resource, outline = with_references(rewrite(resource, new), lambda text: relative(text, base)), None
    resource = local_attachments(resource, lambda url: relative(url, base))
    return Operation(
        "create" if entry.method == "POST" else "update",
        entry.type,
        entry.id,
        {**resource, "id": entry.id},
        entry.if_match,
        entry.if_none_exist,
        entry.position,
        absent=entry.absent,
        generated=entry.absent and bool(entry.parameters) and not isinstance(resource.get("id"), str),
        outline=outline,
    )


def _refuse_doubles(writes: list[Entry]) -> None:
    """No two entries of a transaction may write the same resource (R4 http.html#trules)."""
    seen: set[tuple[str, str]] = set()
    for entry in writes:
        if entry.id is not None:
            if (entry.type, entry.id) in seen:
                cause = BadResource(f"{entry.type}/{entry.id} is written twice in the transaction")
                raise TransactionFailed(entry.position, cause)
            seen.add((entry.type, entry.id))


def _refuse_deleted_matches(
    entries: Sequence[Entry], changing: Iterable[Entry], matched: Mapping[int, Written]
) -> None:
    """What a conditional create finds, the transaction must not delete (R4 http.html#trules).

    The answer would name as there what is gone with it.

    Raises:
        TransactionFailed: at the create.
    """
    deleted = {(entry.type, entry.id) for entry in changing if entry.method == "DELETE"}
    for entry in entries if deleted else ():
        if entry.position in matched and (entry.type, entry.id) in deleted:
            text = f"the criteria match {entry.type}/{entry.id}, which the transaction deletes"
            raise TransactionFailed(entry.position, BadResource(text))


def _refusal(error: StorageError) -> Response:
    status = f"{error.status} {_REASONS.get(error.status, 'Error')}"
    return {"response": {"status": status, "outcome": operation_outcome([error.issue])}}
