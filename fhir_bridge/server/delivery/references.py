"""References as the target has them: what it does not have yet is sent first, what it never gets is named only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import DELIVERED
from fhir_bridge.server.delivery.identity import mark_of
from fhir_bridge.server.delivery.outcomes import Unresolved
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.storage import Store
from fhir_bridge.storage.bundles import references_in, relative
from fhir_bridge.storage.errors import Forbidden, Gone, NotFound
from fhir_bridge.storage.outbox import Entry, Outbox

__all__ = ["References", "Resolved"]

_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")


@dataclass(frozen=True, slots=True)
class Resolved:
    """A resource as a target can take it. later: what is left out for now, since it waits for this resource."""

    resource: dict[str, Any]
    later: tuple[str, ...]


class References:
    """Rewrites references for one target.

    Args:
        base: the FHIR base URL of this server, which may be in front of a reference.
        origin: of `identity.origin_of_store`.
    """

    def __init__(self, store: Store, outbox: Outbox, target: Target, origin: str, base: str) -> None:
        self._store = store
        self._outbox = outbox
        self._target = target
        self._origin = origin
        self._base = base

    async def resolved(self, entry: Entry, resource: dict[str, Any]) -> Resolved:
        """The resource with the target's ids.

        Raises:
            Unresolved: the target does not have something it refers to; it is to be sent by now.
        """
        named = self._named(resource)
        known = await self._outbox.known(self._target.name, sorted(set(named.values())))
        wanted: dict[str, str | None] = {}
        missing: list[str] = []
        added: list[tuple[str, str]] = []
        for local in dict.fromkeys(named.values()):
            result = known.get(local)
            kind, identity = local.split("/", 1)
            if result is not None and result.remote is not None:
                wanted[local] = result.remote
            elif result is None and await self._may_be_sent(kind, identity):
                added.append((kind, identity))
                missing.append(local)
            elif (result is None and await self._never_sent(kind, identity)) or (
                result is not None and result.state in ("withheld", "dropped")
            ):
                # A result about nobody is worse than none: a Patient is waited for, whatever the reason.
                if kind == "Patient":
                    missing.append(local)
                else:
                    wanted[local] = None
            else:
                missing.append(local)
        if added:
            await self._outbox.add(self._target.name, added)
        later: set[str] = set()
        if missing and entry.remote is None:
            later = await self._outbox.circular(self._target.name, entry.reference, missing)
            missing = [local for local in missing if local not in later]
        if missing:
            raise Unresolved(missing)
        wanted.update(dict.fromkeys(later))
        texts = {text: wanted[local] for text, local in named.items()}
        return Resolved(self._rewritten(resource, texts), tuple(sorted(later)))

    def _named(self, resource: dict[str, Any]) -> dict[str, str]:
        """The references to resources of this server, as they are written -> type and id."""
        named = {}
        for text in references_in(resource):
            match = _LOCAL.fullmatch(relative(text, self._base))
            if match:
                named[text] = f"{match[1]}/{match[2]}"
        return named

    async def _may_be_sent(self, kind: str, identity: str) -> bool:
        try:
            await self._store.read(kind, identity, self._target.access)
        except (NotFound, Gone, Forbidden):
            return False
        return True

    async def _never_sent(self, kind: str, identity: str) -> bool:
        """Whether it is here, or was, and must not leave; what is not here may still come."""
        try:
            await self._store.read(kind, identity, EVERYTHING)
        except Gone:
            return True
        except NotFound:
            return False
        return True

    def _rewritten(self, node: Any, texts: Mapping[str, str | None]) -> Any:
        if isinstance(node, list):
            return [self._rewritten(item, texts) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("reference")
        changed = {name: self._rewritten(item, texts) for name, item in node.items()}
        if isinstance(reference, str) and reference in texts:
            remote = texts[reference]
            if remote is not None:
                changed["reference"] = remote
            else:
                kind, _, identity = relative(reference, self._base).partition("/")
                mark = mark_of(self._origin, kind, identity.partition("/")[0])
                del changed["reference"]
                changed = {"type": kind, "identifier": {"system": DELIVERED, "value": mark}, **changed}
        return changed
