"""Which database is used: one rule for every command, and words for it that hold no password."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import psycopg
from psycopg.conninfo import conninfo_to_dict

from fhir_bridge.storage.embedded import EmbeddedServer

__all__ = ["DIR_VARIABLE", "URL_VARIABLE", "DatabaseLocation", "database_url", "default_data_dir"]

URL_VARIABLE = "FHIR_BRIDGE_DATABASE_URL"
DIR_VARIABLE = "FHIR_BRIDGE_DATABASE_DIR"
_ROOTS = Path("/var/lib/fhir-bridge")
# A password may be in any other field of a URL, so only these are shown.
_SHOWN = ("user", "host", "port", "dbname")


def default_data_dir(name: str = "") -> Path:
    """Where the embedded server keeps its databases: in the user's data folder, beside the site key.

    Root's home is closed to the system user that PostgreSQL runs as, so root's are in /var/lib/fhir-bridge, in a folder
    that belongs to root's data folder: another home has another key, and so another database.

    Args:
        name: of a purpose that has its own, such as `demo`.
    """
    own = platformdirs.user_data_path("fhir-bridge")
    if os.geteuid() == 0:
        # Four bytes: folders of root are few, and the path of a Unix socket is bounded.
        own = _ROOTS / hashlib.blake2b(os.fsencode(own), digest_size=4).hexdigest()
    return own / name / "postgres"


@dataclass(frozen=True, slots=True)
class DatabaseLocation:
    """A PostgreSQL that is named by its URL, or the folder of an embedded one; exactly one of both."""

    url: str | None = None
    data_dir: Path | None = None

    @classmethod
    def choose(
        cls, url: str | None = None, data_dir: Path | None = None, *, default: Path | None = None
    ) -> DatabaseLocation:
        """What an option names, else FHIR_BRIDGE_DATABASE_URL, else FHIR_BRIDGE_DATABASE_DIR, else the default.

        Args:
            url, data_dir: of an option; of both the URL is used.
            default: folder in place of `default_data_dir()`.
        """
        if url:
            return cls(url)
        if data_dir is not None:
            return cls(data_dir=data_dir)
        if named := os.environ.get(URL_VARIABLE):
            return cls(named)
        folder = os.environ.get(DIR_VARIABLE)
        return cls(data_dir=Path(folder) if folder else default or default_data_dir())

    def __str__(self) -> str:
        """For people: `embedded PostgreSQL in FOLDER`, or user, host, port and name of the database."""
        if self.data_dir is not None:
            return f"embedded PostgreSQL in {self.data_dir.expanduser().absolute()}"
        try:
            parts = conninfo_to_dict(self.url or "")
        except psycopg.ProgrammingError:
            # psycopg's message would quote the URL, with its password.
            return f"PostgreSQL at a URL that can't be read ({URL_VARIABLE})"
        return "PostgreSQL " + " ".join(f"{name}={parts[name]}" for name in _SHOWN if parts.get(name))

    def open(self) -> str:
        """The URL; the embedded server is started where it does not run. Blocking: its first start takes seconds.

        Raises:
            DatabaseUnavailable: the embedded server can't be started; the message says what to do.
        """
        if self.url is not None:
            return self.url
        assert self.data_dir is not None
        return EmbeddedServer.start(self.data_dir).url()


def database_url(url: str | None = None, *, data_dir: Path | None = None) -> str:
    """The URL of the database that `DatabaseLocation.choose` gives, its server started.

    Raises:
        DatabaseUnavailable: the embedded server can't be started; the message says what to do.
    """
    return DatabaseLocation.choose(url, data_dir).open()
