"""`fhir-bridge`: all commands, and the promise that no traceback reaches the user."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Callable
from copy import copy
from functools import cache

import typer
from rich.markup import escape

from fhir_bridge import __version__
from fhir_bridge.cli import (
    accounts,
    convert,
    dataset,
    demo,
    fhir,
    inbox,
    mapping,
    model,
    outbox,
    plugins,
    predict,
    reclassify,
    score,
    serve,
    terminology,
    validate,
    view,
)
from fhir_bridge.cli.output import UsageError, stderr

__all__ = ["app", "main"]

app = typer.Typer(
    name="fhir-bridge",
    help="EHR, imaging and genomics records to FHIR R4, served over SMART, with predictions attached.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("convert")(convert.convert)
app.command("load")(convert.load)
app.command("validate")(validate.validate)
app.command("predict")(predict.predict)
app.add_typer(model.app, name="model")
app.command("dataset")(dataset.dataset)
app.command("score")(score.score)
app.command("reclassify")(reclassify.reclassify)
app.add_typer(mapping.app, name="mapping")
app.add_typer(terminology.app, name="terminology")
app.add_typer(accounts.clients, name="client")
app.add_typer(accounts.users, name="user")
app.add_typer(inbox.app, name="inbox")
app.add_typer(outbox.app, name="outbox")
app.command("reindex")(serve.reindex)
app.command("plugins")(plugins.plugins)
app.add_typer(view.app, name="view")
app.add_typer(fhir.app, name="fhir")


def _version(value: bool) -> None:
    if value:
        typer.echo(f"fhir-bridge {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """EHR, imaging and genomics records to FHIR R4, served over SMART, with predictions attached."""


@cache
def _command(name: str | None) -> Callable[[], object]:
    """The command line: with the command of this name alone, since building all takes a fifth of the start."""
    commands = [command for command in app.registered_commands if command.name == name]
    groups = [group for group in app.registered_groups if group.name == name]
    if not commands and not groups:  # help, completion, a name that is suggested
        return typer.main.get_command(app)
    with_one = copy(app)
    with_one.registered_commands, with_one.registered_groups = commands, groups
    return typer.main.get_command(with_one)


def main() -> None:
    """Run a command. Exit codes: 0, 1, 4 as the command says; 2 wrong use; 3 the run is incomplete."""
    # Reading definitions and mappings makes some hundred thousand objects that stay: looked at as often as Python
    # does by default, they take an eighth of the start.
    gc.set_threshold(50_000, 20, 20)
    # And at its end Python looks for cycles among all of them, which takes a fifth of a short run: what is left goes
    # with the process.
    atexit.register(gc.freeze)
    try:
        _command(sys.argv[1] if len(sys.argv) > 1 else None)()
    except Exception as error:  # noqa: BLE001 - the last boundary: a person gets a sentence, not a traceback
        sys.exit(_explain(error))


def _explain(error: Exception) -> int:
    """Print what a command refused, or what went wrong inside, and give the exit code."""
    from fhir_bridge.plugins.extras import missing_extra

    if isinstance(error, ImportError) and (missing := missing_extra(error)) is not None:
        stderr.print(f"[bold red]error:[/] {escape(str(missing))}", soft_wrap=True)
        return 2
    # Only here: importing these takes longer than most commands run.
    from fhir_bridge.mapping import CrosswalkError, MappingErrors, SiteError
    from fhir_bridge.pipeline import ManifestError, OutputFolderError, RunIncomplete, SourceError
    from fhir_bridge.plugins import PluginError

    wrong_use = (
        UsageError,
        OutputFolderError,
        ManifestError,
        MappingErrors,
        SourceError,
        SiteError,
        CrosswalkError,
        PluginError,
        PermissionError,
    )
    if isinstance(error, wrong_use):
        stderr.print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True)
        return 2
    if isinstance(error, RunIncomplete | OSError | MemoryError):
        stderr.print(f"[bold red]incomplete:[/] {escape(str(error) or type(error).__name__)}", soft_wrap=True)
        return 3
    if "psycopg" in sys.modules:  # else no part of storage was imported, and none can have raised it
        from psycopg import OperationalError
        from psycopg.errors import DiskFull

        from fhir_bridge.storage.errors import DatabaseUnavailable, StorageError

        if isinstance(error, DiskFull):
            stderr.print(
                "[bold red]incomplete:[/] the database's disk is full; what was stored before this is whole. "
                f"Free disk space, then run the same command again. (FB-STORE-026: {escape(str(error).strip())})",
                soft_wrap=True,
            )
            return 3
        if isinstance(error, (DatabaseUnavailable, OperationalError)):
            stderr.print(
                f"[bold red]incomplete:[/] the database: {escape(str(error).strip())}", soft_wrap=True
            )
            return 3
        if isinstance(error, StorageError):
            stderr.print(f"[bold red]error:[/] {escape(str(error))} ({error.code})", soft_wrap=True)
            return 2
    if os.environ.get("FHIR_BRIDGE_DEBUG"):
        traceback.print_exception(error)
    stderr.print(
        f"[bold red]internal error:[/] {type(error).__name__}: {escape(str(error))}\n"
        "This is a defect of fhir-bridge. FHIR_BRIDGE_DEBUG=1 shows where it happened."
    )
    return 3
