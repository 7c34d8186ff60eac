"""The database of a command: one rule for all of them, and one line that says which it is."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from rich.markup import escape

from fhir_bridge.cli.output import stderr

__all__ = ["open_database", "run_async"]

T = TypeVar("T")


def open_database(
    url: str | None = None, data_dir: Path | None = None, *, default: Path | None = None
) -> str:
    """The URL of the database that the options or the environment name, after a line on standard error.

    Args:
        default: folder of the embedded server where nothing names another; default: in the user's data folder.

    Raises:
        DatabaseUnavailable: the embedded server can't be started.
    """
    from fhir_bridge.storage.location import DatabaseLocation  # most commands never need the database driver

    location = DatabaseLocation.choose(url, data_dir, default=default)
    stderr.print(f"database: {escape(str(location))}", soft_wrap=True, highlight=False)
    return location.open()


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """The result of work on the database."""
    import asyncio  # takes longer than the help of a command

    return asyncio.run(work)
