"""The database schema: Alembic migrations, run when the schema is behind."""

from __future__ import annotations

import psycopg
import sqlalchemy
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.pool import NullPool

from fhir_bridge.plugins import shipped
from fhir_bridge.storage.errors import SchemaAhead

__all__ = ["head", "upgrade"]

_ADVISORY_LOCK = 0x66_68_69_72_62_72_69_64
"""Held while migrating, so that processes that start together migrate once."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(shipped("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def head() -> str:
    """The newest revision that ships with this program."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    if revision is None:
        raise RuntimeError("no migrations found: the installation is incomplete")
    return revision


def upgrade(url: str, *, to: str = "head") -> bool:
    """Bring the database at `url` to revision `to`; True where something had to be done. Blocking.

    Raises:
        SchemaAhead: the database was migrated by a newer program.
        psycopg.Error: the database can't be reached or refuses.
    """
    config = _config()
    script = ScriptDirectory.from_config(config)
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    try:
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if to == "head" and current == script.get_current_head():
                return False
            if current is not None and current not in {
                revision.revision for revision in script.walk_revisions()
            }:
                raise SchemaAhead(
                    f"the database has schema {current}, which this version does not know: "
                    "run a newer fhir-bridge, or restore a backup made before it was upgraded"
                )
            connection.rollback()
            connection.exec_driver_sql(f"SELECT pg_advisory_lock({_ADVISORY_LOCK})")
            connection.commit()
            config.attributes["connection"] = connection
            command.upgrade(config, to)
            connection.commit()
            connection.exec_driver_sql(f"SELECT pg_advisory_unlock({_ADVISORY_LOCK})")
            connection.commit()
    finally:
        engine.dispose()
    return True
