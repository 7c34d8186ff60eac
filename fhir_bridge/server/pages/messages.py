"""Received messages as pages: found by id, patient and time; source, mapping and result side by side; replayed."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.mapping import MappingErrors, Site
from fhir_bridge.pipeline import mapping_hash
from fhir_bridge.server.services import Services
from fhir_bridge.storage import Gone, NotFound, Store
from fhir_bridge.storage.errors import Forbidden
from fhir_bridge.storage.received import STATUSES, ReceivedMessage, ReceivedMessages

if TYPE_CHECKING:
    from fhir_bridge.workshop import TracedRun

__all__ = ["ShownMessage", "message_values", "shown_message"]

_PAGE: Final = 50
_MOST_CHARACTERS: Final = 200_000


@dataclass(slots=True)
class ShownMessage:
    """A message beside what it became.

    Attributes:
        lines: its segments.
        rules: each rule that makes something of it now, with type and id.
        resources: type and id of what is stored, with its JSON.
        hidden: the person may not see all of what it became; then neither the message nor a result is shown.
        patients: ids of the Patients it says something of.
    """

    message: ReceivedMessage
    lines: list[str] = field(default_factory=list)
    rules: list[tuple[str, str]] = field(default_factory=list)
    resources: list[tuple[str, str]] = field(default_factory=list)
    hidden: bool = False
    patients: list[str] = field(default_factory=list)
    problem: str = ""


async def message_values(store: Store, query: Mapping[str, str]) -> dict[str, Any]:
    """The values of the list: newest first, `_PAGE` at a time; of a message that can't be read as asked, none."""
    status, before = query.get("status", ""), query.get("before", "")
    since, until = _moment(query.get("since", "")), _moment(query.get("until", ""))
    filters = {name: query.get(name, "").replace("\x00", "").strip()[:200] for name in ("id", "patient")}
    messages = await ReceivedMessages(store.pool).find(
        control_id=filters["id"] or None,
        patient=filters["patient"] or None,
        statuses=[status] if status in STATUSES else None,
        since=since,
        until=until,
        before=int(before) if before.isdecimal() and len(before) < 19 else None,
        limit=_PAGE + 1,
    )
    return {
        "messages": messages[:_PAGE],
        "statuses": STATUSES,
        "status": status if status in STATUSES else "",
        "since": since.strftime("%Y-%m-%dT%H:%M") if since else "",
        "until": until.strftime("%Y-%m-%dT%H:%M") if until else "",
        "following": messages[_PAGE - 1].key if len(messages) > _PAGE else None,
        **filters,
    }


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def shown_message(services: Services, access: AccessFilter, key: int) -> ShownMessage | None:
    """One message with what became of it; None where there is none."""
    kept = ReceivedMessages(services.store.pool)
    message = next(iter(await kept.find(keys=[key])), None)
    if message is None:
        return None
    shown = ShownMessage(message)
    for kind, identity in await kept.results(message):
        try:
            stored = await services.store.read(kind, identity, access)
        except (Forbidden, NotFound, Gone):
            shown.hidden = True
            continue
        text = json.dumps(stored.resource(), ensure_ascii=False, indent=2)
        shown.resources.append((f"{kind}/{identity}", text[:_MOST_CHARACTERS]))
        if kind == "Patient":
            shown.patients.append(identity)
    if shown.hidden or await _hides_its_patient(services.store, access, message.patients):
        return ShownMessage(message, hidden=True)
    content = (await kept.contents([key])).get(key, b"")
    text = content.decode("utf-8", "replace").replace("\r\n", "\r").replace("\n", "\r")
    shown.lines = [line for line in text[:_MOST_CHARACTERS].split("\r") if line]
    mapping = message.mapping.partition(" ")[0]
    if mapping:
        site = services.settings.site
        try:
            shown.rules = await asyncio.to_thread(_rules, mapping, site, content, key)
        except (MappingErrors, OSError) as error:
            shown.problem = f"the mapping {mapping} can't be read now ({type(error).__name__})"
    return shown


async def _hides_its_patient(store: Store, access: AccessFilter, numbers: Sequence[str]) -> bool:
    """Whether a Patient is stored that the message may be about and that this person may not read."""
    for number in numbers:
        value = number.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|").replace("$", "\\$")
        criteria = [("identifier", value)]
        counts = [
            len((await store.search("Patient", criteria, by, count=50)).entries)
            for by in (EVERYTHING, access)
        ]
        if counts[0] != counts[1]:
            return True
    return False


def _rules(mapping: str, site: Path | None, content: bytes, key: int) -> list[tuple[str, str]]:
    """What the mapping makes of a message now: rule, and type and id."""
    run = _compiled(mapping, mapping_hash(mapping), site)
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-inbox-") as folder:
        path = Path(folder) / f"received-{key}.hl7"
        path.write_bytes(content)
        return [
            (output.rule, f"{output.type}/{output.id}")
            for traced in run.records([path])
            if traced.conversion is not None
            for output in traced.conversion.outputs
        ]


@lru_cache(maxsize=4)
def _compiled(mapping: str, _content: str, site: Path | None) -> TracedRun:
    from fhir_bridge.workshop import TracedRun  # what explains mappings: not at the start

    return TracedRun.of(mapping, Site.load(site) if site else Site())
