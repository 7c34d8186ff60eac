"""The sink that stores: converted resources go into PostgreSQL in batches, each batch whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.mapping import Output
from fhir_bridge.pipeline.account import Account
from fhir_bridge.plugins import IssueLike
from fhir_bridge.storage import LoadResult, Store

__all__ = ["BATCH", "StoreSink"]

BATCH = 500
"""Resources in one transaction."""


class StoreSink:
    """Collects outputs and stores them batch by batch; one connection, kept for the shard."""

    def __init__(
        self,
        url: str,
        *,
        adapter: str,
        fingerprint: str,
        precedence: Mapping[str, Sequence[str]] | None = None,
        known: Definitions = DEFAULT,
    ) -> None:
        self._adapter = adapter
        self._precedence = precedence
        self._runner = asyncio.Runner()
        self._store = self._runner.run(Store.open(url, max_size=1, known=known))
        self._runner.run(self._store.check_site_key(fingerprint))
        self._batch: list[dict[str, Any]] = []

    def write(self, outputs: Iterable[Output], account: Account) -> None:
        """Take converted resources; those of one record always go into one batch."""
        for output in outputs:
            self._batch.append(output.resource)
            account.resources[output.type] += 1
        if len(self._batch) >= BATCH:
            self.flush(account)

    def flush(self, account: Account) -> None:
        """Store what is collected."""
        if not self._batch:
            return
        batch, self._batch = self._batch, []
        result: LoadResult = self._runner.run(
            self._store.load(batch, adapter=self._adapter, precedence=self._precedence, batch=len(batch))
        )
        account.count_issues(result.issues)
        account.stored.update(
            created=result.created,
            updated=result.updated,
            unchanged=result.unchanged,
            stale=result.stale,
            conflicts=result.conflicts,
        )

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """A rejected record leaves nothing in the store; the account names it."""

    def close(self) -> None:
        """Give the connection back."""
        self._runner.run(self._store.close())
        self._runner.close()
