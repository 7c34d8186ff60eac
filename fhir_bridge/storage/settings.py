"""What holds for the whole database: the site key's fingerprint, the server's secret."""

from __future__ import annotations

import secrets

from psycopg import AsyncConnection

from fhir_bridge.storage.errors import OtherSiteKey

__all__ = ["check_site_key", "read_secret", "read_setting", "write_setting"]


async def read_setting(connection: AsyncConnection, name: str) -> str | None:
    """A setting, or None."""
    row = await (await connection.execute("SELECT value FROM setting WHERE name = %s", (name,))).fetchone()
    return None if row is None else str(row[0])


async def write_setting(connection: AsyncConnection, name: str, value: str) -> None:
    """Set or replace a setting."""
    await connection.execute(
        "INSERT INTO setting VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


# Two processes that open a new database at once must end with the same value: the first insert counts.
async def _once(connection: AsyncConnection, name: str, value: str) -> str:
    """The setting as it was first written."""
    await connection.execute(
        "INSERT INTO setting VALUES (%s, %s) ON CONFLICT (name) DO NOTHING", (name, value)
    )
    return await read_setting(connection, name) or value


async def read_secret(connection: AsyncConnection) -> bytes:
    """The database's secret: 32 random bytes, made the first time they are asked for."""
    known = await read_setting(connection, "secret")
    return bytes.fromhex(known or await _once(connection, "secret", secrets.token_hex(32)))


async def check_site_key(connection: AsyncConnection, fingerprint: str) -> None:
    """Record the fingerprint of the site key the first time; refuse another one afterwards.

    Raises:
        OtherSiteKey: ids made with another key would not meet those that are stored.
    """
    known = await _once(connection, "site_key", fingerprint)
    if known != fingerprint:
        raise OtherSiteKey(
            f"the database holds ids made with the site key {known}, this load's key is {fingerprint}: "
            "the same patient would get another id. Load with the first key, or into another database."
        )
