"""Delivery to a FHIR server: each resource is there once, whatever happened between two tries."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote, urlencode

from fhir_bridge.fhir.canonical import DELIVERED
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server.delivery.identity import Identity, has_mark, identified, mark_of, tags
from fhir_bridge.server.delivery.outcomes import Delivered, Failed, Leaving, Refused, Unresolved
from fhir_bridge.server.delivery.references import References
from fhir_bridge.server.delivery.smart_client import Answer, SmartClient
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.storage.bundles import conditional_references, references_in, with_references
from fhir_bridge.storage.outbox import Entry, Outbox

__all__ = ["FhirChannel"]

ADOPTED: Final = "the target's own"
"""`Entry.sent` of what the target had without us: it is referred to, and never written."""
_DELETED: Final = "deleted"
_PASSING: Final = frozenset({408, 409, 425, 500})
"""Answers after which the same request may succeed."""
_BY_IDENTIFIER: Final = re.compile(r"([A-Z][A-Za-z]+)\?identifier=([^&|]+\|[^&|]+|[^&]+%7[Cc][^&]+)")
_ID: Final = re.compile(r"[A-Za-z0-9.-]{1,64}")
_VERSION: Final = re.compile(r'(?:W/)?"([A-Za-z0-9.-]{1,64})"')

_Located = tuple[str, str | None]
"""Type and id at the target, and the version."""


class FhirChannel:
    """Creates, updates and deletes at one FHIR server.

    Args:
        origin: of `identity.origin_of_store`.
    """

    def __init__(
        self, target: Target, client: SmartClient, outbox: Outbox, references: References, origin: str
    ) -> None:
        self._target = target
        self._client = client
        self._outbox = outbox
        self._references = references
        self._origin = origin

    async def close(self) -> None:
        """There is nothing to end: the HTTP client is shared."""

    async def deliver(
        self, entry: Entry, resource: dict[str, Any] | None, digest: str | None, leaving: Leaving
    ) -> Delivered:
        """See `Channel`."""
        if resource is None:
            if entry.sent in (ADOPTED, _DELETED):
                return Delivered(None, None, entry.sent)
            await leaving()
            return await self._delete(entry)
        if entry.remote is not None and (
            entry.sent == ADOPTED or (entry.sent == digest and not entry.waits_for)
        ):
            return Delivered(entry.remote, entry.remote_version, entry.sent)
        resource, identity = identified(resource, self._origin, self._target.identifiers.get(entry.type))
        if entry.type in self._target.find_only:
            await leaving()
            return await self._adopt(entry, identity)
        resolved = await self._references.resolved(entry, resource)
        await leaving()
        content = await self._with_searches(resolved.resource)
        remote, version = await self._write(entry, _body(content), identity)
        if version == ADOPTED:
            return Delivered(remote, None, ADOPTED)
        if resolved.later:
            await self._outbox.located(entry, remote, version)
            raise Unresolved(resolved.later)
        return Delivered(remote, version, digest)

    async def _with_searches(self, resource: dict[str, Any]) -> dict[str, Any]:
        """The resource with what its conditional references (`Practitioner?identifier=…`) find at the target.

        Raises:
            Unresolved: one finds nothing. Refused: several, or it is no search by identifier.
        """
        results: dict[str, str] = {}
        for text in sorted(conditional_references(references_in(resource))):
            match = _BY_IDENTIFIER.fullmatch(text)
            if match is None:
                raise Refused(
                    f"a {text.partition('?')[0]} is referred to by a search that is none by identifier"
                )
            kind, (system, _, value) = match[1], unquote(match[2]).partition("|")
            present = await self._find(Identity(kind, "identifier", system, value, ours=False))
            if present is None:
                raise Unresolved(
                    (), f"it refers to a {kind} by an identifier that the target does not have yet"
                )
            results[text] = _place(present)
        return with_references(resource, lambda text: results.get(text, text)) if results else resource

    async def _adopt(self, entry: Entry, identity: Identity) -> Delivered:
        present = await self._find(identity)
        if present is None:
            raise Unresolved(
                (), f"the target has no {identity.type} with this identifier, and none is created there"
            )
        await self._refuse_another(entry, present)
        return Delivered(_place(present), _version_of(present), ADOPTED)

    async def _refuse_another(self, entry: Entry, present: dict[str, Any]) -> None:
        """Two Patients here with one identifier are not made one there.

        Raises:
            Refused: what the target has is another Patient of this server.
        """
        if entry.type != "Patient":
            return
        mark = mark_of(self._origin, entry.type, "")
        codes = [str(tag.get("code")) for tag in tags(present)]
        marked = [code.removeprefix(mark) for code in codes if code.startswith(mark)]
        other = await self._outbox.another(entry, _place(present), marked)
        if other is not None:
            raise Refused(
                f"{other} has the same identifier, and is {_place(present)} there: if both are one person, link them "
                "(Patient.link); else give this one an identifier of its own, or `identifiers` another system"
            )

    async def _write(self, entry: Entry, body: dict[str, Any], identity: Identity) -> _Located:
        """Create or update."""
        if entry.remote is not None:
            return entry.remote, await self._update(entry.remote, entry.remote_version, body)
        # Searched before each POST, also where the target creates conditionally: not every one does as it is asked.
        present = await self._find(identity)
        if present is None:
            present, is_new = await self._create(body, identity)
            if is_new:
                return _place(present), _version_of(present)
        remote, version = _place(present), _version_of(present)
        if not identity.ours:
            await self._refuse_another(entry, present)
        if not identity.ours and not _is_marked(present, self._origin, entry):
            return remote, ADOPTED
        await self._outbox.located(entry, remote, version)
        return remote, await self._update(remote, version, body, present)

    async def _find(self, identity: Identity) -> dict[str, Any] | None:
        """What the target has of this identity.

        Raises:
            Refused: several. Failed: it does not search.
        """
        query = urlencode({identity.parameter: identity.token, "_count": "5"})
        answer = await self._client.request("GET", f"{identity.type}?{query}")
        _check(answer)
        body = answer.body
        if not isinstance(body, dict) or body.get("resourceType") != "Bundle":
            raise Failed(f"it answers a search ({answer.status}) with no Bundle")
        entries = body.get("entry")
        listed = [item for item in (entries if isinstance(entries, list) else ()) if isinstance(item, dict)]
        resources: list[Any] = [item.get("resource") for item in listed]
        resources = [
            item for item in resources if isinstance(item, dict) and item.get("resourceType") == identity.type
        ]
        results: dict[str, dict[str, Any]] = {
            str(item.get("id")): item for item in resources if identity.is_of(item)
        }
        if resources and not results:
            # Everything, and not what was asked for: nothing could be told apart here.
            raise Failed(f"it does not search {identity.type} by {identity.parameter}")
        if len(results) > 1:
            raise Refused(f"several {identity.type} of the target have its identifier")
        for name, item in results.items():
            if not _ID.fullmatch(name):
                raise Failed("it answers a search with a resource without a proper id")
            return item
        return None

    async def _create(self, body: dict[str, Any], identity: Identity) -> tuple[dict[str, Any], bool]:
        """Create; gives the resource as the target has it, and whether it is not one that another created meanwhile.

        What its Location names is not relied upon: were it another resource, the next update would overwrite that.
        """
        headers = {
            "If-None-Exist": urlencode({identity.parameter: identity.token}),
            "Prefer": "return=representation",
        }
        answer = await self._client.request("POST", identity.type, dumps(body), headers)
        problem = answer.problem
        if answer.status >= 400:
            _check(answer)
        theirs: Any = answer.body
        if identity.is_of(theirs) and _ID.fullmatch(str(theirs.get("id"))):
            return theirs, answer.status == 201
        present = await self._find(identity)
        if present is None and problem:
            raise Refused(f"it answers {answer.status}, and not as if it had taken it: {problem}")
        if present is None:
            raise Failed("it says that it created the resource, and does not find it by its identifier")
        return present, answer.status == 201

    async def _update(
        self, remote: str, version: str | None, body: dict[str, Any], theirs: dict[str, Any] | None = None
    ) -> str | None:
        """Update what the target has in a version that we know, and give the new version."""
        body = {**body, "id": remote.split("/")[1]}
        if theirs is None and version is None:
            theirs = await self._read(remote)
            version = _version_of(theirs)
        if theirs is not None and _same(theirs, body):
            return version
        answer = await self._put(remote, version, body)
        if answer.status in (409, 412):
            theirs = await self._read(remote)
            version = _version_of(theirs)
            # Our own write, of which the answer was lost.
            if _same(theirs, body):
                return version
            if self._target.conflict == "park":
                raise Refused(f"{remote} was changed there by others; `conflict: overwrite` would replace it")
            answer = await self._put(remote, version, body)
            if answer.status in (409, 412):
                raise Failed("it is being changed there at this time")
        if answer.status in (404, 410):
            raise Refused(f"{remote} was deleted there")
        _check(answer)
        if answer.problem:
            raise Refused(f"it answers {answer.status}, and not as if it had taken it: {answer.problem}")
        return _version_in(answer)

    async def _put(self, remote: str, version: str | None, body: dict[str, Any]) -> Answer:
        headers = {"If-Match": f'W/"{version}"'} if version else {}
        return await self._client.request("PUT", remote, dumps(body), headers)

    async def _read(self, remote: str) -> dict[str, Any]:
        answer = await self._client.request("GET", remote)
        if answer.status in (404, 410):
            raise Refused(f"{remote} was deleted there")
        _check(answer)
        body = answer.body
        if not isinstance(body, dict) or f"{body.get('resourceType')}/{body.get('id')}" != remote:
            raise Failed(f"it answers a read of {remote} with something else")
        return body

    async def _delete(self, entry: Entry) -> Delivered:
        """Delete there what was deleted here, if it was ever sent."""
        remote, version = entry.remote, entry.remote_version
        if remote is None:
            # It may have been sent by a process that could not note it any more.
            mark = mark_of(self._origin, entry.type, entry.id)
            present = await self._find(Identity(entry.type, "_tag", DELIVERED, mark, ours=True))
            if present is None:
                return Delivered(None, None, _DELETED)
            remote, version = _place(present), _version_of(present)
        headers = {"If-Match": f'W/"{version}"'} if version and self._target.conflict == "park" else {}
        answer = await self._client.request("DELETE", remote, None, headers)
        if answer.status == 412:
            raise Refused(f"{remote} was changed there by others; `conflict: overwrite` would delete it")
        if answer.status not in (404, 410):
            _check(answer)
            if answer.problem:
                raise Refused(
                    f"it answers {answer.status}, and not as if it had deleted it: {answer.problem}"
                )
        return Delivered(None, None, _DELETED)


def _check(answer: Answer) -> None:
    """Whether a request was carried out.

    Raises:
        Failed: it may be the next time. Refused: it would not.
    """
    if answer.status < 300:
        return
    reason = f"it answers {answer.status}: {answer.problem or 'without a reason'}"
    raise (Failed if answer.status in _PASSING or answer.status > 500 else Refused)(reason)


def _body(resource: dict[str, Any]) -> dict[str, Any]:
    """What is sent: without what is this server's own."""
    meta = {name: item for name, item in resource["meta"].items() if name not in ("versionId", "lastUpdated")}
    return {**{name: item for name, item in resource.items() if name != "id"}, "meta": meta}


def _same(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Whether the target has just this; a narrative that it made is its own."""

    def content(resource: dict[str, Any]) -> dict[str, Any]:
        meta = resource.get("meta") or {}
        kept = {name: item for name, item in meta.items() if name not in ("versionId", "lastUpdated")}
        return {**resource, "meta": kept, "text": None}

    return content(theirs) == content(ours)


def _is_marked(resource: dict[str, Any], origin: str, entry: Entry) -> bool:
    mark = mark_of(origin, entry.type, entry.id)
    tags = resource["meta"]["tag"] if has_mark(resource) else ()
    return any(isinstance(tag, dict) and tag.get("code") == mark for tag in tags)


def _place(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _version_of(resource: dict[str, Any]) -> str | None:
    meta = resource.get("meta")
    version = meta.get("versionId") if isinstance(meta, dict) else None
    return version if isinstance(version, str) and _ID.fullmatch(version) else None


def _version_in(answer: Answer) -> str | None:
    match = _VERSION.fullmatch(answer.headers.get("etag", "").strip())
    if match:
        return match[1]
    return _version_of(answer.body) if isinstance(answer.body, dict) else None
