"""Watches the embedded PostgreSQL while `serve` runs, and starts it again where it ended by itself."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Final

from fhir_bridge.storage import DatabaseUnavailable, EmbeddedServer

__all__ = ["run"]

LOOK_SECONDS: Final = 0.5
LONGEST_PAUSE: Final = 30.0

_log = logging.getLogger("fhir_bridge.server")


def run(data_dir: Path) -> None:
    """Watch the server of a data directory for ever."""
    server, pause = EmbeddedServer.start(data_dir), LOOK_SECONDS
    while True:
        time.sleep(pause)
        if server.is_alive:
            pause = LOOK_SECONDS
            continue
        _log.error("the embedded PostgreSQL in %s ended: it is started again", data_dir)
        try:
            server.revive()
        except (DatabaseUnavailable, OSError) as error:
            pause = min(pause * 2, LONGEST_PAUSE)
            _log.error("the embedded PostgreSQL does not start; again in %g seconds: %s", pause, error)
        else:
            pause = LOOK_SECONDS
            _log.warning("the embedded PostgreSQL runs again")
