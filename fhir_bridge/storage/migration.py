"""The database schema: Alembic migrations, run when the schema is behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from fhir_bridge.plugins import shipped
from fhir_bridge.storage.errors import SchemaAhead

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["current_revision", "head", "is_current", "upgrade"]

# `to_regclass` gives NULL where the table is missing; a query of it would be an error.
_EXISTS = "SELECT to_regclass('alembic_version')"
_REVISION = "SELECT version_num FROM alembic_version"

# "fhirbrid" in ASCII; advisory locks are numbers.
_ADVISORY_LOCK = 0x66_68_69_72_62_72_69_64
"""Held while migrating, so that processes that start together migrate once."""


def head() -> str:
    """The newest revision that ships with this program. A migration's file name begins with its revision."""
    # By file name, without importing Alembic: commands that need no migration must not wait for it.
    revisions = sorted(
        path.name.partition("_")[0] for path in (shipped("migrations") / "versions").glob("[0-9]*.py")
    )
    if not revisions:
        raise RuntimeError("no migrations found: the installation is incomplete")
    return revisions[-1]


def current_revision(url: str) -> str | None:
    """The revision of the database; None where it has no schema yet. Blocking."""
    with psycopg.connect(url, autocommit=True) as connection:
        exists = connection.execute(_EXISTS).fetchone()
        if exists is None or exists[0] is None:
            return None
        row = connection.execute(_REVISION).fetchone()
        return None if row is None else str(row[0])


async def is_current(connection: psycopg.AsyncConnection) -> bool:
    """Whether a database has the newest schema."""
    exists = await (await connection.execute(_EXISTS)).fetchone()
    if exists is None or exists[0] is None:
        return False
    row = await (await connection.execute(_REVISION)).fetchone()
    return row is not None and row[0] == head()


def upgrade(url: str, *, to: str = "head") -> bool:
    """Bring the database at `url` to revision `to`; True where something had to be done. Blocking.

    Raises:
        SchemaAhead: the database was migrated by a newer program.
        psycopg.Error: the database can't be reached or refuses.
    """
    current = current_revision(url)
    if to == "head" and current == head():
        return False
    _migrate(url, current, to)
    return True


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")))
    # Without it Alembic warns, and splits paths at spaces, commas and colons.
    config.set_main_option("path_separator", "os")
    return config


def _migrate(url: str, current: str | None, to: str) -> None:
    """Run the migrations. Alembic and SQLAlchemy are imported here: they take longer than most commands."""
    import sqlalchemy
    from alembic import command
    from alembic.script import ScriptDirectory
    from sqlalchemy.pool import NullPool

    config = _config()
    known = {revision.revision for revision in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise SchemaAhead(
            f"the database has schema {current}, which this version does not know: "
            "run a newer fhir-bridge, or restore a backup made before it was upgraded"
        )
    # libpq reads the URL: SQLAlchemy understands only some of its forms.
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            # Of the session, not of a transaction: migrations commit in between. Whoever waited
            # for it reads the revision after.
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})")
            connection.commit()
    finally:
        engine.dispose()
