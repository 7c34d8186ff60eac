"""Referential integrity of writes: what a resource refers to is here, and what others refer to is not deleted.

Only literal references to resources of this server count (`Type/id`), and attachments that are one (`Binary/id`): not
those to a version, to what is contained or elsewhere, nor by identifier. A write waits for a deletion of what it names,
and a deletion for such writes, by advisory locks that cost neither a row nor a round trip; so neither of two at once
leaves a reference to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

from psycopg import AsyncConnection
from psycopg.errors import ForeignKeyViolation
from psycopg_pool import AsyncConnectionPool

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.attachments import attached_binaries
from fhir_bridge.storage.breathing import LARGE_BYTES, beside
from fhir_bridge.storage.bundles import references_in
from fhir_bridge.storage.conditions import Condition, all_of
from fhir_bridge.storage.dictionaries import Dictionaries
from fhir_bridge.storage.errors import DanglingReference, Referred
from fhir_bridge.storage.indexing import Identity
from fhir_bridge.storage.permission import compile_access, purpose_of
from fhir_bridge.storage.statements import Statement, transposed
from fhir_bridge.storage.stored import parse_for_reading

__all__ = [
    "Hidden",
    "Named",
    "Referrers",
    "dangling",
    "local_references",
    "lock_deleted",
    "named_by",
    "referrers_of",
    "refused",
]

_LOCAL = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(/_history/[A-Za-z0-9\-.]{1,64})?")
NAMED = 20
"""Resources that a refused deletion is answered with at most."""
AT_ONCE = 1000
"""References that one statement looks for."""
LOOKED_AT = 200
"""Resources that refer to one that is to be deleted, read at once."""
_REQUIRE = "require_live(%s::int[], %s::text[], %s::text[], %s::int[], %s::text)"
LOCKS = 1024
"""Numbers that resources share in pairs of locks; two of one number wait for each other without need, and seldom."""
_APART = frozenset({"AuditEvent"})
"""What may be named and is no row of `resource`."""


def local_references(
    resource: dict[str, Any], references: Sequence[str] | None = None, *, versions: bool = True
) -> set[Identity]:
    """The resources of this server that a resource refers to.

    Args:
        references: the texts of its References, where they are known.
        versions: whether a reference to a version counts. One that was written may outlive its resource.
    """
    types = definitions.resource_types()
    texts = references_in(resource) if references is None else references
    matches = (_LOCAL.fullmatch(reference) for reference in texts)
    named = {
        (match[1], match[2])
        for match in matches
        if match and match[1] in types and match[1] not in _APART and (versions or not match[3])
    }
    named.update(("Binary", identity) for identity in attached_binaries(resource, versions=False))
    return named


class Hidden(NamedTuple):
    """What is hidden from a caller. labels: numbers of those that are withheld; purpose: for which Consents count."""

    labels: tuple[int, ...]
    purpose: str | None


@dataclass(frozen=True, slots=True)
class Named:
    """What the contents of a write refer to beyond themselves.

    Attributes:
        hidden: what is as not there for the caller.
    """

    identities: Sequence[Identity]
    hidden: Hidden

    @property
    def many(self) -> bool:
        """Whether they are more than one statement looks for."""
        return len(self.identities) > AT_ONCE

    def check(self, statement: Statement) -> None:
        """Let a statement fail where one of them is not there."""
        if self.identities:
            statement.demand(_REQUIRE, *self._values(self.identities))

    async def check_many(self, connection: AsyncConnection) -> None:
        """The same of very many, by statements of the transaction that the connection is in."""
        # All locks, in their order: to take them some at a time could wait for a deletion that waits for this.
        await connection.execute(
            "SELECT pg_advisory_xact_lock_shared(9, n) FROM generate_series(0, %s) n", (LOCKS - 1,)
        )
        for start in range(0, len(self.identities), AT_ONCE):
            some = self.identities[start : start + AT_ONCE]
            try:
                await connection.execute(f"SELECT {_REQUIRE}".encode(), self._values(some))
            except ForeignKeyViolation as error:
                raise Named(some, self.hidden).missing(error) or error from None

    def _values(self, some: Sequence[Identity]) -> list[Any]:
        """The numbers of locks in their order, types, ids, labels, as PostgreSQL writes arrays; purpose."""
        locks = [(number,) for number in sorted({_lock(identity) for identity in some})]
        return [
            *transposed({"lock": "int"}, locks),
            *transposed({"type": "text", "id": "text"}, some),
            "{" + ",".join(map(str, self.hidden.labels)) + "}",
            self.hidden.purpose,
        ]

    def missing(self, error: ForeignKeyViolation) -> DanglingReference | None:
        """What such a failure says; None where it is another one."""
        if error.diag.constraint_name != "require_live":
            return None
        numbers = [int(number) for number in (error.diag.message_detail or "").split(",") if number]
        names = ["/".join(self.identities[number - 1]) for number in numbers]
        some = ", ".join(names[:NAMED])
        return DanglingReference(
            f"refers to what is not here: {some}", [self.identities[n - 1] for n in numbers]
        )


async def named_by(
    contents: Iterable[tuple[Collection[Identity], bytes | None]],
    written: Collection[Identity],
    access: AccessFilter,
    withheld: Sequence[int],
) -> Named:
    """What contents refer to that has to be there.

    Of what the caller may not read, or only within a patient's record, nothing is asked for: the answer would say
    whether it is there. What a label or a Consent hides is as not there. What the version that is replaced refers to
    already may stay.

    Args:
        contents: what each refers to, with the bytes of the version it replaces, if any.
        written: what is written together with them.
        withheld: numbers of the labels that are withheld from the caller.
    """
    named: set[Identity] = set()
    for references, replaced in contents:
        own = set(references) - set(written)
        if own and replaced:
            large = len(replaced) > LARGE_BYTES
            own -= await beside(large, lambda: local_references(parse_for_reading(replaced)))  # noqa: B023
        named |= own
    known = {
        kind
        for kind in {kind for kind, _ in named}
        if any(rule.patient is None and not rule.criteria for rule in access.rules_for(kind, "r"))
    }
    hidden = Hidden(tuple(withheld), purpose_of(access))
    return Named(sorted(pair for pair in named if pair[0] in known), hidden)


def _lock(identity: Identity) -> int:
    return crc32("/".join(identity).encode()) % LOCKS


async def lock_deleted(connection: AsyncConnection, identities: Iterable[Identity]) -> None:
    """Wait for the writes that name what is about to be deleted; others that come now wait for this one."""
    numbers = sorted({_lock(identity) for identity in identities})
    await connection.execute("SELECT pg_advisory_xact_lock(9, n) FROM unnest(%s::int[]) n", (numbers,))


Referrers = list[tuple[Identity, Identity]]
"""What is to be deleted, and what refers to it."""


async def referrers_of(
    connection: AsyncConnection, deleted: Mapping[int, Identity], written: Collection[int]
) -> Referrers:
    """Some of the live resources that refer to what is to be deleted, itself and what is written with it aside.

    Results of our predictors don't count: a deletion withdraws them (`storage.currency`).
    """
    results: Referrers = []
    for key, identity in deleted.items():
        after = 0
        while len(results) < NAMED:
            rows: list[Any] = await (
                await connection.execute(_REFERRERS, (key, after, list(written), LOOKED_AT), binary=True)
            ).fetchall()
            for referrer, kind, name, content in rows:
                # The index does not tell a reference to the resource from one to a version of it.
                if identity in local_references(parse_for_reading(content), versions=False):
                    results.append((identity, (kind, name)))
                after = referrer
            if len(rows) < LOOKED_AT:
                break
    return results


_REFERRERS = (
    "SELECT r.key, r.type, r.id, r.bytes FROM resource r WHERE r.key IN ("
    "SELECT f.resource FROM (SELECT resource, target FROM reference UNION ALL "
    "SELECT referrer, target FROM attachment) f WHERE f.target = %s AND f.resource > %s AND f.resource <> ALL(%s)) "
    "AND NOT r.deleted AND NOT EXISTS (SELECT FROM prediction p WHERE p.result = r.key OR p.companion = r.key) "
    "ORDER BY r.key LIMIT %s"
)


# Of what was never stored, and of what was deleted: each has an index of its own.
_DANGLING = """
SELECT r.type, count(*) FROM (
    SELECT type, key FROM resource WHERE version = 0 UNION ALL
    SELECT type, key FROM resource WHERE deleted AND version > 0
) r
WHERE EXISTS (SELECT FROM reference f JOIN resource s ON s.key = f.resource WHERE f.target = r.key AND NOT s.deleted)
GROUP BY r.type ORDER BY r.type
"""


async def dangling(connection: AsyncConnection) -> dict[str, int]:
    """How many resources of each type are not here, though live resources refer to them."""
    rows = await connection.execute(_DANGLING)
    return dict(await rows.fetchall())


async def refused(
    referrers: Referrers,
    access: AccessFilter,
    pool: AsyncConnectionPool[AsyncConnection],
    dictionaries: Dictionaries,
) -> Referred:
    """The refusal of a deletion. It names what the caller may read."""
    readable: list[str] = []
    for kind in sorted({kind for _, (kind, _) in referrers}):
        if not access.permits(kind, "r"):
            continue
        permitted = await compile_access(access, kind, "r", dictionaries)
        ids = [pair[1] for _, pair in referrers if pair[0] == kind]
        where = all_of([Condition("r.type = %s AND r.id = ANY(%s)", (kind, ids)), permitted])
        statement = f"SELECT r.id FROM resource r WHERE {where.text} ORDER BY r.key"  # noqa: S608
        async with pool.connection() as connection:
            rows = await (await connection.execute(statement.encode(), where.values)).fetchall()
        readable += [f"{kind}/{row[0]}" for row in rows]
    named = f": {', '.join(readable[:NAMED])}" if readable else ""
    return Referred(f"other resources refer to it{named}", referrers[0][0])
