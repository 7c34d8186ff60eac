"""AuditEvents of requests as they are stored. Those of one caller and interaction differ in what was read, written or
searched for, in request and moment; the rest is made once."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import orjson

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.governance.audit import Agent, Context, Event, Write, read, records, search, write
from fhir_bridge.storage.audit_contents import shortened
from fhir_bridge.storage.audit_rows import AuditOf, AuditRecord, AuditRow, facts_of

__all__ = ["read_row", "search_row", "write_records"]

_Caller = tuple[str, str | None, Agent | None, str | None, str | None]
"""What a `Context` has beside the request's id."""
_Kind = Literal["read", "search", "write"]

_MARK = secrets.token_hex(16)
"""Stands where events of one form differ. Nobody can know it, so that no name of a caller holds it."""


def write_records(context: Context) -> AuditOf:
    """Makes what is recorded of the writes of a request: an event for each patient whom a write is about."""
    caller, number = _parts_of(context)

    def of(interaction: str, reference: str, patients: Sequence[str]) -> list[AuditRecord]:
        form = _form(caller, "write", interaction, number is not None)
        return records(None, patients, form.row(reference, number))

    return of


def read_row(context: Context, reference: str, interaction: str) -> AuditRow:
    """That a resource goes out now; without its patients. As `audit.read` has it."""
    caller, number = _parts_of(context)
    return _form(caller, "read", interaction, number is not None).row(reference, number)


def search_row(context: Context, query: str, interaction: str) -> AuditRow:
    """That a page of a search or history goes out now; without its patients. As `audit.search` has it."""
    caller, number = _parts_of(context)
    form = _form(caller, "search", interaction, number is not None)
    return form.row(base64.b64encode(query.encode()).decode(), number, refers=False)


def _parts_of(context: Context) -> tuple[_Caller, bytes | None]:
    caller = (context.server, context.client, context.user, context.address, context.purpose)
    request = context.request_id
    return caller, None if request is None else orjson.dumps(request)[1:-1]


@dataclass(frozen=True, slots=True)
class _Form:
    """An event without its moment, its resource or query, and its request; `texts` are what is between and around."""

    texts: tuple[bytes, ...]
    facts: tuple[str | None, ...]

    def row(self, subject: str, number: bytes | None, *, refers: bool = True) -> AuditRow:
        """An event of now as it is stored.

        Args:
            subject: the reference, or the query.
            number: of the request, as JSON has it between quotes.
            refers: whether the subject is a reference, which the index has.
        """
        start, middle, end, *last = self.texts
        # Whole milliseconds, as the text has them.
        now = datetime.now(UTC)
        moment = now.replace(microsecond=now.microsecond // 1000 * 1000)
        text = moment.isoformat(timespec="milliseconds").encode()
        content = start + text + middle + orjson.dumps(subject)[1:-1] + end
        if number is not None:
            # The texts have the quotes: some marks begin or end with them.
            content += number + last[0]
        return AuditRow(moment, content, (subject if refers else None, *self.facts), (self, number))


@lru_cache(maxsize=512)
def _form(caller: _Caller, kind: _Kind, interaction: str, numbered: bool) -> _Form:
    """What the events of a caller's requests have in common; `numbered` where the request has an id."""
    context = Context(*caller, _MARK if numbered else None)
    if kind == "read":
        event = read(context, _MARK, interaction=interaction)
    elif kind == "search":
        event = search(context, "", interaction=interaction)
        event["entity"][0]["query"] = _MARK
    else:
        written: Write = interaction  # type: ignore[assignment]
        event = write(context, written, _MARK)
    return _Form(tuple(map(shortened, _parted(event))), facts_of(event)[1:])


def _parted(event: Event) -> list[bytes]:
    """The JSON of an event, parted where its moment, its resource or query, and its request are."""
    return dumps({**event, "recorded": _MARK}).split(_MARK.encode())
