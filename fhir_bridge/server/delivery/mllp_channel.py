"""Delivery as HL7 v2 over MLLP: what is acknowledged is delivered, what is not is tried again or parked."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from fhir_bridge.egress import Allowed, EgressRefused, MllpError, exchange
from fhir_bridge.fhir.canonical import PREDICTION_IDS
from fhir_bridge.fhir.record import owners_of
from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.server.delivery.identity import mark_of
from fhir_bridge.server.delivery.outcomes import Delivered, Failed, Leaving, Refused, Unavailable
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.server.delivery.v2_messages import WITHDRAWN, Message, NoMessage, build, status_of
from fhir_bridge.storage import Store
from fhir_bridge.storage.errors import Forbidden, Gone, NotFound
from fhir_bridge.storage.outbox import Entry

__all__ = ["MllpChannel"]

_TAKEN: Final = ("AA", "CA")


class MllpChannel:
    """Sends results and documents to one system.

    Args:
        origin: of `identity.origin_of_store`.
    """

    def __init__(self, target: Target, allowed: Allowed, store: Store, origin: str) -> None:
        self._target = target
        self._allowed = allowed
        self._store = store
        self._origin = origin

    async def close(self) -> None:
        """There is nothing to end: each message has a connection of its own."""

    async def deliver(
        self,
        entry: Entry,
        resource: dict[str, Any] | None,
        digest: str | None,  # noqa: ARG002 - what a message says of it is what counts
        leaving: Leaving,
    ) -> Delivered:
        """See `Channel`. `Entry.sent`: OBX-11, digest, TXA-12 of the message acknowledged last; how many there were."""
        before, acknowledged, document, count = [*(entry.sent or "").split(" "), "", "", ""][:4]
        if resource is None:
            if not before:
                return Delivered(None, None, entry.sent)
            resource = await self._last(entry)
        try:
            status = status_of(resource, before or None)
            if status is None or (status == before and status in WITHDRAWN):
                return Delivered(None, None, entry.sent)
            # A receiver takes what has an MSH-10 that it knows for a repetition. That a content, or the lack of one,
            # comes back is news: its message is told from the earlier one by how many there were, and by the version.
            event = f"{count or 0} {(resource.get('meta') or {}).get('versionId', '')}"
            message = build(
                self._target,
                resource,
                await self._patient(resource),
                status,
                self._mark(resource),
                # What was withdrawn is not replaced: what follows is a new document.
                "" if before in WITHDRAWN and status not in WITHDRAWN else document,
                event if before else "",
            )
        except NoMessage as error:
            raise Refused(str(error)) from error
        # The same again, but for what a message does not tell (a label, a tag): that is no correction.
        if message.digest == acknowledged or (
            before == "F" and status == "C" and self._as_before(resource, message, acknowledged)
        ):
            return Delivered(None, None, entry.sent)
        await leaving()
        await self._exchange(message, self._control(entry, message, event))
        return Delivered(None, None, f"{status} {message.digest} {message.document} {int(count or 0) + 1}")

    def _as_before(self, resource: dict[str, Any], message: Message, digest: str) -> bool:
        """Whether only the status makes the difference to the message of this digest."""
        lines = []
        for line in message.segments:
            fields = line.split("|")
            number = {"OBR": 25, "OBX": 11}.get(fields[0])
            if number is not None and len(fields) > number:
                fields[number] = "F"
            lines.append("|".join(fields))
        return (
            resource.get("status") in ("final", "current")
            and Message(message.kind, tuple(lines)).digest == digest
        )

    async def _last(self, entry: Entry) -> dict[str, Any]:
        """What a deleted resource was last, as withdrawn."""
        page = await self._store.history(self._target.access, entry.type, entry.id, count=10)
        for version in page.entries:
            if version.stored.bytes:
                return {**loads_exact(version.stored.bytes), "status": "entered-in-error"}
        raise Refused("it was deleted, and its content is not kept")

    async def _patient(self, resource: dict[str, Any]) -> dict[str, Any]:
        patients = owners_of(resource).patients
        if len(patients) != 1:
            raise Refused("a message is about one patient")
        try:
            stored = await self._store.read("Patient", patients[0], self._target.access)
        except (NotFound, Gone) as error:
            raise Failed("its Patient is not here, or may not be sent") from error
        except Forbidden as error:
            raise Refused("the scope of the target does not allow Patient, whom a message names") from error
        patient: dict[str, Any] = loads_exact(stored.bytes)
        return patient

    def _mark(self, resource: dict[str, Any]) -> str:
        """A number of the result that stays the same: a prediction's own, else one by its id here."""
        for identifier in resource.get("identifier") or ():
            if identifier.get("system") == PREDICTION_IDS:
                return str(identifier["value"])
        return mark_of(self._origin, resource["resourceType"], resource["id"])

    def _control(self, entry: Entry, message: Message, event: str) -> str:
        """MSH-10, at most 20 characters: the same in each try of one event, by which a peer knows what it has."""
        text = f"{self._origin} {entry.key} {event} {message.digest} {message.kind}"
        return hashlib.blake2b(text.encode(), digest_size=10).hexdigest().upper()

    async def _exchange(self, message: Message, control: str) -> None:
        """Send, and read the acknowledgement (HL7 v2.5.1 §2.9.2).

        Raises:
            Unavailable, Failed: it is not known to have been taken. Refused: AE or AR.
        """
        encoded = message.encoded(self._target, control)
        try:
            answer = await exchange(self._allowed, self._target.url, encoded, seconds=self._target.seconds)
        except TimeoutError as error:
            raise Unavailable(f"it does not acknowledge within {self._target.seconds:g} seconds") from error
        except (EgressRefused, MllpError) as error:
            raise Unavailable(str(error)) from error
        except OSError as error:
            raise Unavailable(f"it can't be reached ({type(error).__name__}: {str(error)[:200]})") from error
        code, acknowledged, text = _acknowledgement(answer)
        if not code:
            raise Unavailable("its acknowledgement has no MSA segment")
        if acknowledged != control:
            raise Unavailable(f"it acknowledges another message ({acknowledged[:40]})")
        if code not in _TAKEN:
            raise Refused(f"{code}: {text or 'without a reason'}")


def _acknowledgement(answer: bytes) -> tuple[str, str, str]:
    """MSA-1, MSA-2, and the text of MSA-3 and ERR."""
    text = answer.decode("utf-8", "replace").replace("\n", "\r")
    separator = text[3:4] if text.startswith("MSH") else "|"
    segments = [line.split(separator or "|") for line in text.split("\r")]
    msa: list[str] = next((fields for fields in segments if fields[0] == "MSA"), [])
    texts = [msa[3]] if len(msa) > 3 else []
    for fields in segments:
        if fields[0] == "ERR":
            # ERR-3: code, ERR-7: diagnostics, ERR-8: for the user.
            texts += [fields[number] for number in (3, 7, 8) if len(fields) > number]
    reason = " ".join(part for part in texts if part)
    return (msa[1] if len(msa) > 1 else ""), (msa[2] if len(msa) > 2 else ""), reason[:500]
