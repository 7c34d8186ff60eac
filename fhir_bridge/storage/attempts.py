"""Failed attempts to prove something (a password, a secret, a code, a token), and how long to wait before another.

They are counted in the database, so that all workers count together. Who is counted is a subject: what is guessed at,
and the network it is guessed from. Nobody is counted whatever the network, for then an attacker elsewhere could lock a
person or an application out.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["LONGEST_WAIT", "Attempts", "Subject", "network"]

LONGEST_WAIT = 900
"""Seconds; the wait doubles with each failure until then."""
FORGOTTEN_MINUTES = 60
"""After so long without a failure, the next one is the first."""


def network(address: str) -> str:
    """Who an address belongs to: an IPv6 host has a whole /64 to choose from, so that is one."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 6:
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is counted.

    Attributes:
        parts: what is guessed at and from where; only a hash of them is stored.
        free: failures that cost nothing.
    """

    parts: tuple[str, ...]
    free: int

    @property
    def key(self) -> bytes:
        """What is stored of it."""
        # With their lengths, so that ("ab", "c") and ("a", "bc") are two subjects.
        joined = "".join(f"{len(part)}:{part}" for part in self.parts)
        # What is guessed at comes from a request, and may hold half surrogates, which UTF-8 refuses.
        return hashlib.sha256(joined.encode("utf-8", "surrogatepass")).digest()


# 2^10 is more than the longest wait; a larger power would only risk an overflow.
_WAIT = f"""
SELECT ceil(max(least(2 ^ least(f.failures - w.free, 10), {LONGEST_WAIT}) - extract(epoch FROM now() - f.latest)))::int
FROM failed_attempt f JOIN unnest(%s::bytea[], %s::int[]) AS w (subject, free) ON w.subject = f.subject
WHERE f.failures >= w.free
"""  # noqa: S608 - a constant
_FAILED = f"""
INSERT INTO failed_attempt AS f (subject, failures) SELECT unnest(%s::bytea[]), 1 ON CONFLICT (subject) DO UPDATE SET
failures = CASE WHEN f.latest < now() - interval '{FORGOTTEN_MINUTES} minutes' THEN 1 ELSE f.failures + 1 END,
latest = now()
"""


class Attempts:
    """Counts failed attempts in PostgreSQL."""

    def __init__(self, store: Store) -> None:
        self._store = store
        # Weak: a lock lives as long as someone holds or awaits it, so that guessed names fill no memory.
        self._trying: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def one_at_a_time(self, subject: Subject) -> AsyncIterator[None]:
        """Within a worker, attempts at one subject come after each other, so that a burst of them counts."""
        # Held by a local name, so that the weak dictionary keeps it while others wait.
        lock = self._trying.setdefault(subject.key, asyncio.Lock())
        async with lock:
            yield

    async def wait(self, *subjects: Subject) -> int:
        """Seconds to wait before another attempt; 0 where none."""
        async with self._store.pool.connection() as connection:
            rows = await connection.execute(
                _WAIT.encode(),
                ([subject.key for subject in subjects], [subject.free for subject in subjects]),
            )
            row = await rows.fetchone()
        return max(int(row[0] or 0), 0) if row else 0

    async def failed(self, *subjects: Subject) -> int:
        """Count a failure. Gives the seconds that it costs; the first ones cost none.

        While there is something to wait for, attempts are not counted: they were not looked at.
        """
        if wait := await self.wait(*subjects):
            return wait
        async with self._store.pool.connection() as connection:
            # Sorted: two failures that share subjects would else lock their rows crosswise.
            await connection.execute(_FAILED.encode(), (sorted(subject.key for subject in subjects),))
        return 0

    async def succeeded(self, *subjects: Subject) -> None:
        """Forget the failures of who has proven what was asked for."""
        async with self._store.pool.connection() as connection:
            await connection.execute(
                "DELETE FROM failed_attempt WHERE subject = ANY(%s::bytea[])",
                ([subject.key for subject in subjects],),
            )

    async def purge(self) -> None:
        """Forget failures that no longer count."""
        async with self._store.pool.connection() as connection:
            # Later than they count (`FORGOTTEN_MINUTES`): a row that is still compared is never removed.
            await connection.execute("DELETE FROM failed_attempt WHERE latest < now() - interval '1 day'")
