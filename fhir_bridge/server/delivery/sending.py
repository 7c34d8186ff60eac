"""Empties the outbox: each target by itself, so that one that hangs holds up no other."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import httpx

from fhir_bridge.egress import Allowed, origin_of
from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.record import OTHER_PERSON, named_by, owners_of
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.governance import audit
from fhir_bridge.server.delivery.fhir_channel import FhirChannel
from fhir_bridge.server.delivery.identity import is_relayed, origin_of_store
from fhir_bridge.server.delivery.mllp_channel import MllpChannel
from fhir_bridge.server.delivery.outcomes import Channel, Failed, Refused, Unavailable, Unresolved
from fhir_bridge.server.delivery.references import References
from fhir_bridge.server.delivery.smart_client import SmartClient
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.server.leasing import LEASE, heartbeat, pause
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import Forbidden, Gone, NotFound
from fhir_bridge.storage.outbox import Entry, Outbox

__all__ = ["Redact", "Sender", "digest_of", "send"]

IDLE_SECONDS = 0.5
AT_ONCE: Final = 8
"""Resources that are under way to one FHIR server at the same time; messages go one after another."""
MOST_FAILURES: Final = 12
"""Tries of one resource, over some 45 minutes, after which it is parked."""
MOST_PAUSE: Final = 600.0
REPORT_SECONDS: Final = 3600.0

Redact = Callable[[bytes, AccessFilter], bytes]

_log = logging.getLogger("fhir_bridge.worker")


class _Withheld(Exception):
    """Access or consent does not allow it."""


def digest_of(content: bytes) -> str:
    """What is kept of a content that was sent."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class Sender:
    """Sends what is due to one target.

    Args:
        redact: takes out of a resource what plug-ins take out.
        base: the FHIR base URL of this server.
        channel: how the target is spoken to.
        origin: of `identity.origin_of_store`.
    """

    def __init__(
        self,
        store: Store,
        outbox: Outbox,
        target: Target,
        redact: Redact,
        base: str,
        channel: Channel,
        origin: str,
    ) -> None:
        self._store = store
        self._outbox = outbox
        self.target = target
        self._redact = redact
        self._base = base
        self._channel = channel
        self._origin = origin
        self._not_before = 0.0
        self._failures = 0
        self._reported = 0.0
        self.reason = ""
        """Why the target takes nothing at present; empty where it does."""

    @classmethod
    async def of(
        cls,
        store: Store,
        target: Target,
        allowed: Allowed,
        http: httpx.AsyncClient,
        redact: Redact,
        base: str,
    ) -> Sender:
        """A sender with a name of its own for its leases.

        Args:
            http: a client of the egress port.
        """
        outbox = Outbox(store.pool, f"sender-{os.getpid()}-{secrets.token_hex(4)}")
        origin = await origin_of_store(store)
        channel: Channel
        if target.is_mllp:
            channel = MllpChannel(target, allowed, store, origin)
        else:
            references = References(store, outbox, target, origin, base)
            channel = FhirChannel(target, SmartClient(target, http), outbox, references, origin)
        return cls(store, outbox, target, redact, base, channel, origin)

    async def close(self) -> None:
        """End connections."""
        await self._channel.close()

    async def reconsider(self) -> None:
        """Look again at what was withheld."""
        await self._outbox.reconsider(self.target.name)

    @property
    def seconds_to_wait(self) -> float:
        """How long the target is left alone for."""
        return max(0.0, self._not_before - time.monotonic())

    async def turn(self) -> bool:
        """Send some of what is due; False where nothing was."""
        if self.seconds_to_wait:
            return False
        # One alone finds out whether a target that failed is back.
        most = 1 if self.target.is_mllp or self._failures else AT_ONCE
        due = await self._outbox.lease(self.target.name, most, LEASE)
        await asyncio.gather(*map(self._one, due))
        await self._report()
        return bool(due) and not self.seconds_to_wait

    async def _one(self, entry: Entry) -> None:
        async with heartbeat(lambda: self._outbox.renew(entry, LEASE)):
            try:
                await self._deliver(entry)
            except asyncio.CancelledError:
                with suppress(Exception):  # the lease ends by itself
                    await self._outbox.release(entry, entry.reason)
                raise
            except _Withheld as error:
                await self._outbox.settle(entry, "withheld", str(error))
            except Unresolved as error:
                await self._outbox.wait(entry, str(error), error.references)
            except Unavailable as error:
                self._leave_alone(str(error), error.seconds)
                await self._outbox.release(entry, str(error))
            except Refused as error:
                _log.warning("%s refuses %s", self.target.name, entry.reference)
                if self.target.refused == "retry" and entry.attempts + 1 < MOST_FAILURES:
                    await self._outbox.wait(entry, str(error))
                else:
                    await self._outbox.settle(entry, "parked", str(error))
            except Failed as error:
                await self._failed(entry, str(error))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                # Of a shape that FHIR does not have, here or in the answer: it must not hold up the others.
                await self._failed(entry, f"it, or the answer, is malformed ({type(error).__name__})")
            else:
                self._failures, self.reason = 0, ""

    async def _failed(self, entry: Entry, reason: str) -> None:
        if entry.attempts + 1 >= MOST_FAILURES:
            _log.warning("%s: %s is parked", self.target.name, entry.reference)
            await self._outbox.settle(entry, "parked", reason)
        else:
            await self._outbox.wait(entry, reason)

    def _leave_alone(self, reason: str, seconds: float | None) -> None:
        if not self.seconds_to_wait:  # several that are under way fail as one
            self._failures += 1
        wait = min(MOST_PAUSE, 2.0 ** min(self._failures, 20)) if seconds is None else seconds
        self._not_before = max(self._not_before, time.monotonic() + wait)
        if reason != self.reason:
            _log.warning("%s takes nothing at present: %s", self.target.name, reason)
        self.reason = reason

    async def _deliver(self, entry: Entry) -> None:
        content = await self._content(entry)
        digest = None if content is None else digest_of(content)
        resource = None if content is None else loads_exact(content)
        relays = self.target.relay or self.target.is_mllp
        if resource is not None and not relays and is_relayed(resource, self._origin):
            # It would come back to who sent it, as a new one, and so on for ever.
            raise _Withheld("another bridge sent it here (`relay` sends it on)")
        result = await self._channel.deliver(entry, resource, digest, lambda: self._audit(entry, resource))
        await self._outbox.delivered(entry, result.remote, result.version, result.sent)

    async def _content(self, entry: Entry) -> bytes | None:
        """What the target may be sent now; None where the resource was deleted.

        Raises:
            _Withheld: access or consent does not allow it.
        """
        access = self.target.access
        try:
            if entry.content is None:
                stored = await self._store.read(entry.type, entry.id, access)
                return self._redact(stored.bytes, access)
            await self._check_content(entry.type, entry.content, access)
            return self._redact(entry.content, access)
        except Gone:
            return None
        except (NotFound, Forbidden) as error:
            raise _Withheld("access or consent does not allow it") from error

    async def _check_content(self, kind: str, content: bytes, access: AccessFilter) -> None:
        """Whether what `load --to` read may leave: its type, and the consents of whom it is about, known here.

        Raises:
            Forbidden, NotFound: it may not.
        """
        if not access.permits(kind, "r"):
            raise Forbidden(f"no grant allows reading {kind}")
        as_patient = AccessFilter.of([*EVERYTHING.rules], purpose=access.purpose, subject=access.subject)
        resource = loads_exact(content)
        owners = owners_of(resource)
        named = [identity for type_, identity in named_by(resource, owners) if type_ == "Patient"]
        for patient in (*owners.patients, *named):
            try:
                await self._store.read("Patient", patient, EVERYTHING)
            except (NotFound, Gone):
                continue  # nobody known here: nothing was consented, or not, here
            await self._store.read("Patient", patient, as_patient)

    async def _audit(self, entry: Entry, resource: dict[str, Any] | None) -> None:
        """Record what is about to leave, before it does."""
        context = audit.Context(
            self._base,
            f"target:{self.target.name}",
            address=origin_of(self.target.url),
            purpose=self.target.purpose,
        )
        event = audit.read(context, entry.reference)
        owners = owners_of(resource).patients if resource is not None else ()
        if resource is None:
            owners = tuple(await self._store.owners((entry.type, entry.id)))
        await self._store.append_audit(
            audit.records(event, [patient for patient in owners if patient != OTHER_PERSON])
        )

    async def _report(self) -> None:
        """Now and then, how much waits for too long."""
        if time.monotonic() - self._reported < REPORT_SECONDS and self._reported:
            return
        self._reported = time.monotonic()
        hours = self.target.report_after_hours
        count = await self._outbox.waiting(self.target.name, hours)
        if count:
            _log.warning(
                "%s: %d wait longer than %g hours; `fhir-bridge outbox list --target %s --state waiting` says why",
                self.target.name,
                count,
                hours,
                self.target.name,
            )


async def send(sender: Sender, stopped: asyncio.Event) -> None:
    """Send until `stopped`; what is under way then is finished."""
    with suppress(Exception):  # the database is away; a consent that changes has the same effect later
        await sender.reconsider()  # the target may be allowed more since `serve` was started last
    while not stopped.is_set():
        try:
            busy = await sender.turn()
        except Exception as error:  # noqa: BLE001 - the database is away, in one of many ways: it comes back
            _log.warning(
                "%s waits: the database does not answer (%s)", sender.target.name, type(error).__name__
            )
            busy = False
        if not busy:
            await pause(stopped, min(IDLE_SECONDS, sender.seconds_to_wait or IDLE_SECONDS))
    await sender.close()
