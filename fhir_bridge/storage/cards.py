"""Cards of CDS Hooks that were shown, and what was stated to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

__all__ = ["SILENT_DAYS", "Card", "Cards"]

SILENT_DAYS = 90
"""For how long an override silences a card."""

# Of a person the last card of each model; of everybody the overrides that still count.
_KNOWN = """
SELECT c.model, c.stated, c.outcome = 'overridden' AND c.answered > now() - make_interval(days => %s), c.person = %s
FROM cds_card c JOIN resource r ON r.key = c.patient
WHERE r.type = 'Patient' AND r.id = %s AND c.client = %s
ORDER BY c.shown, c.id
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A card that is about to be shown; stated: category and validity."""

    id: UUID
    model: str
    stated: str
    result: str


class Cards:
    """The table."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool

    async def news(
        self, client: str, person: str, patient: str, states: Mapping[str, str]
    ) -> Mapping[str, str | None]:
        """The models of which a card is due, each with what the last card to this person stated.

        Args:
            states: model to what is to be stated now.
        """
        async with self._pool.connection() as connection:
            rows = await connection.execute(_KNOWN, (SILENT_DAYS, person, patient, client))
            known = await rows.fetchall()
        last: dict[str, str] = {}
        silenced: set[tuple[str, str]] = set()
        for model, stated, overridden, own in known:
            if own:
                last[model] = stated
            if overridden:
                silenced.add((model, stated))
        return {
            model: last.get(model)
            for model, stated in states.items()
            if last.get(model) != stated and (model, stated) not in silenced
        }

    async def shown(self, client: str, person: str, patient: str, cards: Sequence[Card]) -> None:
        """Remember cards."""
        if not cards:
            return
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO cds_card (id, client, person, patient, model, stated, result) "
                "SELECT %s, %s, %s, r.key, %s, %s, %s FROM resource r WHERE r.type = 'Patient' AND r.id = %s",
                [(card.id, client, person, card.model, card.stated, card.result, patient) for card in cards],
            )

    async def answer(self, client: str, card: UUID, outcome: str, feedback: Mapping[str, Any]) -> str | None:
        """What was stated to a card; its patient, or None where this client was shown no such card."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "UPDATE cds_card c SET outcome = %s, feedback = %s::jsonb, answered = now() FROM resource r "
                "WHERE c.id = %s AND c.client = %s AND r.key = c.patient RETURNING r.id",
                (outcome, orjson.dumps(feedback).decode(), card, client),
            )
            row = await rows.fetchone()
        return None if row is None else str(row[0])
