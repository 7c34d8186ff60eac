"""AuditEvents of writes. Those of one caller differ in resource, request and moment; the rest is made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

import orjson

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.governance.audit import Agent, Context, Event, Write, records, write
from fhir_bridge.storage.audit_contents import shortened
from fhir_bridge.storage.audit_rows import AuditOf, AuditRecord, AuditRow, facts_of

__all__ = ["write_records"]

_Caller = tuple[str, str | None, Agent | None, str | None, str | None]
"""What a `Context` has beside the request's id."""


def write_records(context: Context) -> AuditOf:
    """Makes what is recorded of the writes of a request: an event for each patient whom a write is about."""
    request = context.request_id
    caller = (context.server, context.client, context.user, context.address, context.purpose)

    number = None if request is None else orjson.dumps(request)[1:-1]

    def of(interaction: str, reference: str, patients: Sequence[str]) -> list[AuditRecord]:
        form = _form(caller, cast("Write", interaction), request is not None)
        return records(None, patients, form.row(reference, number))

    return of


@dataclass(frozen=True, slots=True)
class _Form:
    """An event without its moment, its resource and its request; `texts` are what is between and around these."""

    texts: tuple[bytes, ...]
    facts: tuple[str | None, ...]

    def row(self, reference: str, number: bytes | None) -> AuditRow:
        """An event of now as it is stored; `number` is the request's, as JSON has it between quotes."""
        start, middle, end, *last = self.texts
        # Whole milliseconds, as the text has them.
        now = datetime.now(UTC)
        moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
        text = moment.isoformat(timespec="milliseconds").encode()
        content = start + text + middle + orjson.dumps(reference)[1:-1] + end
        if number is not None:
            # The texts have the quotes: some marks begin or end with them.
            content += number + last[0]
        return AuditRow(moment, content, (reference, *self.facts), (self, number))


@lru_cache(maxsize=256)
def _form(caller: _Caller, interaction: Write, numbered: bool) -> _Form:
    """What the events of a caller's writes have in common; `numbered` where the request has an id."""
    event = write(Context(*caller, "" if numbered else None), interaction, "")
    return _Form(tuple(map(shortened, _parted(event))), facts_of(event)[1:])


def _parted(event: Event) -> list[bytes]:
    """The JSON of an event, parted where its moment, its resource and its request stand, all of them empty."""
    names = list(event)
    before = {name: event[name] for name in names[: names.index("recorded")]}
    text = dumps({**event, "recorded": ""})
    first = len(dumps(before)) - 1 + len(b',"recorded":"')
    second = len(dumps({**event, "recorded": "", "entity": []})) - len(b"]}") + len(b'{"what":{"reference":"')
    parts = [text[:first], text[first:second]]
    if len(event["entity"]) == 1:
        return [*parts, text[second:]]
    third = len(text) - len(dumps(event["entity"][1])) - len(b"]}") + len(b'{"what":{"identifier":{"value":"')
    return [*parts, text[second:third], text[third:]]
