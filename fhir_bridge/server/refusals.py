"""AuditEvents of what was refused: soon, and not so many that an attacker fills the disk with them.

In each minute the first refusals of a caller for one reason leave an event each: one where nobody knows who calls, for
such callers are as many as the network brings; more of a caller with a token. All further ones are counted, and leave
one event when the minute is over. Unknown callers of many networks are distinguished up to a number, then counted as
one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fhir_bridge.governance import audit
from fhir_bridge.server.audit_log import AuditLog
from fhir_bridge.storage.attempts import network
from fhir_bridge.storage.audit_rows import AuditRecord

__all__ = ["Refusals", "Refused"]

WINDOW_SECONDS = 60.0
KNOWN = 20
"""Events of one kind in a minute, of a caller with a valid token."""
MOST_UNKNOWN = 100
"""Networks and reasons in a minute that are distinguished, of callers whom nobody knows."""


# Not the request itself, which would hold body and headers of what was refused until the minute is over.
@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was refused.

    Attributes:
        interaction: code of R4 restful-interaction, or `login`.
        type: resource type, or empty.
        id: of the resource, where the caller is known; else empty.
        status, code: HTTP status and issue code.
        proven: whether the caller is known by a valid token or session; a client that was only claimed is not.
    """

    context: audit.Context
    interaction: str
    status: int
    code: str
    type: str = ""
    id: str = ""
    proven: bool = False


@dataclass(slots=True)
class _Counted:
    last: Refused
    since: str
    shown: int = 0
    more: int = 0


Kind = tuple[object, ...]


@dataclass(slots=True)
class Refusals:
    """Keeps the events of one worker.

    Args:
        audit: where they go.
    """

    log: AuditLog
    _kinds: dict[Kind, _Counted] = field(default_factory=dict)
    _unknown: int = 0
    _timer: asyncio.TimerHandle | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def record(self, refused: Refused) -> None:
        """Take note of a refusal."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._turn)
        refused = _bounded(refused)
        kind = _kind(refused)
        counted = self._kinds.get(kind)
        if counted is None and not refused.proven:
            # Counted by kinds, not by requests: many networks would else fill the table of kinds.
            self._unknown += 1
            if self._unknown > MOST_UNKNOWN:
                refused = replace(refused, context=audit.Context(server=refused.context.server), type="")
                kind = _kind(refused)
                counted = self._kinds.get(kind)
        if counted is None:
            counted = self._kinds[kind] = _Counted(refused, _now())
        if counted.shown < (KNOWN if refused.proven else 1):
            counted.shown += 1
            event = _event(refused)  # now: its time is that of the refusal
            await self.log.later(lambda: [AuditRecord(event)])
            return
        if not counted.more:
            counted.since = _now()
        counted.more += 1
        counted.last = refused

    def _turn(self) -> None:
        self._timer = None
        task = asyncio.get_running_loop().create_task(self.flush())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # Swapped first: refusals that come while it writes begin the next minute.
    async def flush(self) -> None:
        """Write the counts, and begin anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        kinds, self._kinds, self._unknown = self._kinds, {}, 0
        for counted in kinds.values():
            if counted.more:
                await self.log.later(partial(_summary, counted))


def _bounded(refused: Refused) -> Refused:
    """What nobody vouches for is not stored: of an unknown caller the network, the type, and a registered client."""
    if refused.proven:
        return refused
    context = audit.Context(
        server=refused.context.server,
        client=refused.context.client,
        address=network(refused.context.address) if refused.context.address else None,
    )
    return replace(refused, context=context, id="")


def _kind(refused: Refused) -> Kind:
    """Who was refused, and why: not at what, for a caller has many types and interactions to choose from."""
    context = refused.context
    user = context.user.id if context.user else None
    # Sign-ins apart from all else: a guessed password and an expired token are different stories.
    return (
        context.client,
        user,
        context.address,
        refused.interaction == "login",
        refused.status,
        refused.code,
    )


def _event(refused: Refused) -> dict[str, Any]:
    target = "/".join(filter(None, (refused.type, refused.id)))
    return audit.refusal(
        refused.context, refused.interaction, target, status=refused.status, code=refused.code
    )


def _summary(counted: _Counted) -> list[AuditRecord]:
    last = counted.last
    # A count stands for many requests.
    event = audit.refusal(
        replace(last.context, request_id=None),
        last.interaction,
        "",
        status=last.status,
        code=last.code,
        count=counted.more,
        since=counted.since,
    )
    return [AuditRecord(event)]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
