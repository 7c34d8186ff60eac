"""`serve` and `reindex`."""

from __future__ import annotations

import gc
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fhir_bridge.cli.database import open_database, run_async
from fhir_bridge.cli.output import UsageError, counting, stderr, stdout

__all__ = ["reindex", "serve"]


class Auth(StrEnum):
    """Who may call."""

    smart = "smart"
    none = "none"


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (127.0.0.1).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (8000).")] = None,
    workers: Annotated[int | None, typer.Option(help="Web worker processes (1).")] = None,
    mllp: Annotated[int | None, typer.Option(help="Port to listen on for HL7 v2 over MLLP.")] = None,
    dicom: Annotated[
        str | None,
        typer.Option(metavar="AET:PORT", help="Application entity and port to receive DICOM objects by."),
    ] = None,
    base_url: Annotated[str | None, typer.Option(help="The server's address as clients see it.")] = None,
    auth: Annotated[
        Auth | None, typer.Option(help="`smart`: tokens. `none`: anyone may do anything; loopback only.")
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", exists=True, dir_okay=False, envvar="FHIR_BRIDGE_SITE", help="The site's settings."
        ),
    ] = None,
) -> None:
    """Serve FHIR R4 with SMART on FHIR, and the pages.

    Starts the embedded PostgreSQL (its files are in FHIR_BRIDGE_DATABASE_DIR) unless FHIR_BRIDGE_DATABASE_URL names a
    database. Every option can be given in the environment as FHIR_BRIDGE_<OPTION>; docs/rest.md lists all settings.
    """
    gc.disable()  # until it is prepared for requests (`server.garbage`)
    # All of these take longer to import than most commands to run.
    from pydantic import ValidationError

    from fhir_bridge.server import Settings
    from fhir_bridge.server import serve as run_server

    options: dict[str, Any] = {
        "host": host,
        "port": port,
        "workers": workers,
        "mllp": mllp,
        "dicom": dicom,
        "base_url": base_url,
        "auth": auth.value if auth else None,
        "site": site,
    }
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        result = "; ".join(
            f"{'.'.join(map(str, item['loc']))} {item['msg'].removeprefix('Value error, ')}".strip()
            for item in error.errors()
        )
        raise UsageError(result) from error
    from fhir_bridge.server.delivery import TargetError, Targets

    try:
        Targets.load(settings.delivery)
    except TargetError as error:
        raise UsageError(str(error)) from error
    # Its address is not settings: `serve` keeps an embedded server going, and needs its folder for that.
    open_database(settings.database_url, settings.database_dir)
    run_server(settings)


def reindex() -> None:
    """Create the search index anew from the stored resources."""
    from fhir_bridge.server.background import JobFailed, reindex_now
    from fhir_bridge.storage import Store

    async def run(url: str, progress: Callable[[int], None]) -> int:
        async with await Store.open(url) as store:
            return await reindex_now(store, progress)

    url = open_database()
    with counting("indexing") as progress:
        try:
            count = run_async(run(url, progress))
        except JobFailed as error:
            stderr.print(
                f"the index could not be made ({error}); the process that was at it has the reason in its log"
            )
            raise typer.Exit(3) from error
    stdout.print(f"{count:,} resources indexed")
