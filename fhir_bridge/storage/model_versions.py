"""Versions of models that may run, and what shadows say beside what people see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

__all__ = ["ModelVersion", "ModelVersions", "ShadowResult"]


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A content of a model, approved or retired."""

    model: str
    content: str
    version: str
    state: str
    approver: str
    reason: str
    since: datetime
    expires: datetime | None

    @property
    def expired(self) -> bool:
        """Whether the approval is over."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ShadowResult:
    """What a shadow says of a patient.

    Attributes:
        patient: id. result: id of the Observation that people see.
        stated, shown: of the shadow and of that result: `percent` or `value`, `category`, `refused`.
    """

    patient: str
    shadow: str
    content: str
    model: str
    version: str
    result: str
    stated: Mapping[str, Any]
    shown: Mapping[str, Any]


class ModelVersions:
    """The tables."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection]) -> None:
        self._pool = pool

    async def all(self, model: str | None = None) -> list[ModelVersion]:
        """All that were ever approved, the newest first."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT model, content, version, state, approver, reason, since, expires FROM model_version "
                "WHERE %s::text IS NULL OR model = %s ORDER BY model, since DESC",
                (model, model),
            )
            return [ModelVersion(*row) for row in await rows.fetchall()]

    async def promote(
        self,
        model: str,
        content: str,
        version: str,
        approver: str,
        expires: datetime | None,
        reason: str = "",
    ) -> None:
        """Make this content the one that runs; what ran until now is retired in the same transaction."""
        async with self._pool.connection() as connection, connection.transaction():
            # One at a time: two promotions at once would break the unique index.
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtext('model_version'), hashtext(%s))", (model,)
            )
            await connection.execute(
                "UPDATE model_version SET state = 'retired', since = now(), reason = 'replaced' "
                "WHERE model = %s AND state = 'active' AND content <> %s",
                (model, content),
            )
            await connection.execute(
                "INSERT INTO model_version (model, content, version, state, approver, reason, expires) "
                "VALUES (%s, %s, %s, 'active', %s, %s, %s) ON CONFLICT (model, content) DO UPDATE SET "
                "state = 'active', approver = excluded.approver, reason = excluded.reason, since = now(), "
                "expires = excluded.expires",
                (model, content, version, approver, reason, expires),
            )

    async def retire(self, model: str, content: str, version: str, approver: str, reason: str) -> None:
        """This content runs no more."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO model_version (model, content, version, state, approver, reason) "
                "VALUES (%s, %s, %s, 'retired', %s, %s) ON CONFLICT (model, content) DO UPDATE SET "
                "state = 'retired', approver = excluded.approver, reason = excluded.reason, since = now()",
                (model, content, version, approver, reason),
            )

    async def record_shadows(self, results: Sequence[ShadowResult]) -> None:
        """Keep what shadows say; the last word of a content on a patient stays."""
        async with self._pool.connection() as connection, connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO shadow_result (patient, shadow, content, model, version, result, stated, shown) "
                "SELECT r.key, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb FROM resource r "
                "WHERE r.type = 'Patient' AND r.id = %s ON CONFLICT (patient, shadow, content) DO UPDATE SET "
                "result = excluded.result, stated = excluded.stated, shown = excluded.shown, recorded = now()",
                [
                    (
                        item.shadow,
                        item.content,
                        item.model,
                        item.version,
                        item.result,
                        orjson.dumps(item.stated, default=str).decode(),
                        orjson.dumps(item.shown, default=str).decode(),
                        item.patient,
                    )
                    for item in results
                ],
            )

    async def shadows(self, model: str) -> list[ShadowResult]:
        """What shadows of a model say."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT r.id, s.shadow, s.content, s.model, s.version, s.result, s.stated, s.shown "
                "FROM shadow_result s JOIN resource r ON r.key = s.patient WHERE s.model = %s "
                "ORDER BY s.shadow, s.content, r.id",
                (model,),
            )
            return [ShadowResult(*row) for row in await rows.fetchall()]
