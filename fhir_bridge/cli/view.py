"""`view`: SQL on FHIR ViewDefinitions over files and the store."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.database import open_database
from fhir_bridge.cli.output import UsageError, counted, counting, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.fhir.issues import Issue
    from fhir_bridge.fhir.ports import TerminologyPort
    from fhir_bridge.fhir.views import View
    from fhir_bridge.pipeline.views import ViewRun

__all__ = ["app"]

app = typer.Typer(
    help="Flat tables out of FHIR: SQL on FHIR v2 ViewDefinitions to CSV, NDJSON and Parquet.",
    no_args_is_help=True,
)

_SHOWN = 10
"""Rejected records that are named on the terminal."""


class Format(StrEnum):
    """The forms of a table."""

    csv = "csv"
    ndjson = "ndjson"
    parquet = "parquet"


Native = Literal["both", "native", "text"]  # values of `pipeline.views.Types`

ViewName = Annotated[
    str,
    typer.Argument(
        metavar="VIEW", help="A ViewDefinition's JSON file, or the name of a shipped one (`view list`)."
    ),
]


@app.command("run")
def run(
    view: ViewName,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="[SOURCE...]",
            help="NDJSON, JSON, XML and Bundle files, folders of them; `-` is NDJSON on standard input.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    to: Annotated[Format, typer.Option("--to", help="Form of the table.")] = Format.csv,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", dir_okay=False, help="File to write; without it, standard output."),
    ] = None,
    stored: Annotated[
        bool, typer.Option("--stored", help="Read the bridge's store instead of files.")
    ] = False,
    database: Annotated[
        str | None,
        typer.Option("--database", metavar="URL", help="Read the store at this PostgreSQL URL."),
    ] = None,
    types: Annotated[
        Native,
        typer.Option(
            "--types",
            help="Parquet's dates, dateTimes and decimals: native columns beside text as written (both), "
            "native alone (what has no exact native form is null, and reported), or text alone.",
        ),
    ] = "both",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Stop after so many rows.")] = None,
    rejects: Annotated[
        Path | None,
        typer.Option("--rejects", dir_okay=False, help="Name every rejected record in this NDJSON file."),
    ] = None,
) -> None:
    """Write the table that a view makes of resources.

    Each resource of the view's type gives its rows; other types are passed over. A record that can't be read, or that
    the view can't turn into rows, is named and counted, and the others go on: exit code 1 then, 0 where there is none.
    The file appears under its name when it is complete, in place of what stood there.

        fhir-bridge view run patient_demographics converted/ --to csv --out patients.csv

        fhir-bridge view run my-view.json converted/ --to parquet --out labs.parquet

        fhir-bridge view run conditions --stored --to ndjson
    """
    from fhir_bridge.pipeline.views import (
        Types,
        file_records,
        open_sink,
        run_view,
        stored_records,
    )

    compiled = _compiled(view)
    if (stored or database is not None) == bool(sources):
        raise UsageError("say what to read: files or folders, or --stored (or --database URL) for the store")
    if to is Format.parquet and out is None:
        raise UsageError("Parquet is no text for a terminal: name a file with --out")
    _apart(out, rejects, [view, *sources])
    with ExitStack() as stack:
        if stored or database is not None:
            records = stored_records(open_database(database), compiled.resource, exact=compiled.exact)
        else:
            records = file_records(sources, compiled.resource, exact=compiled.exact)
        sink = stack.enter_context(
            open_sink(to, compiled.columns, out, stream=sys.stdout.buffer, types=Types(types))
        )
        named = _Rejects(stack.enter_context(rejects.open("wb")) if rejects else None)
        terminology = _terminology(compiled)
        with counting(compiled.definition.name or compiled.resource) as progress:
            done = run_view(
                compiled,
                records,
                sink,
                limit=limit,
                on_progress=progress,
                on_reject=named.report,
                terminology=terminology,
            )
    _summary(done, named)
    raise typer.Exit(1 if done.account.rejected else 0)


@app.command("check")
def check(view: ViewName) -> None:
    """Say all that is wrong with a view, and where; exit code 1 where it can't be run.

    fhir-bridge view check my-view.json
    """
    from fhir_bridge.fhir.views import check_view, compile_view

    issues = check_view(_text(view))
    errors = [issue for issue in issues if issue.severity != "warning"]
    for issue in issues:
        colour = "yellow" if issue.severity == "warning" else "red"
        stdout.print(
            f"{escape(issue.expression)}: [{colour}]{issue.severity}[/] {escape(issue.message)} ({issue.code})",
            soft_wrap=True,
        )
    if not errors:
        compiled = compile_view(_text(view))
        stdout.print(f"{escape(view)}: {counted(len(compiled.columns), 'column')} over {compiled.resource}")
    raise typer.Exit(1 if errors else 0)


@app.command("show")
def show(
    view: ViewName,
    types: Annotated[
        Native, typer.Option("--types", help="As for `view run`: what Parquet makes of it.")
    ] = "both",
) -> None:
    """Show a view's columns with their FHIR types, and the types they have in Parquet.

    fhir-bridge view show patient_demographics
    """
    from fhir_bridge.pipeline.views import Types, parquet_fields

    compiled = _compiled(view)
    definition = compiled.definition
    title = definition.title or definition.name or compiled.resource
    table = Table(title=f"{escape(title)}: a view over {compiled.resource}", title_justify="left")
    for heading in ("column", "type", "in Parquet", "path", "description"):
        table.add_column(heading, overflow="fold")
    native: dict[str, list[str]] = {}
    for name, kind, column in parquet_fields(compiled.columns, Types(types)):
        form = f"list of {kind.name}" if column.collection else kind.name
        native.setdefault(column.name, []).append(form if name == column.name else f"{name}: {form}")
    for column in compiled.columns:
        shown = (
            f"{column.type or 'any primitive'}{'' if column.declared or not column.type else ' (inferred)'}"
        )
        table.add_row(
            column.name,
            escape(f"{shown}{', collection' if column.collection else ''}"),
            escape("\n".join(native[column.name])),
            escape(column.path),
            escape(column.description),
        )
    stdout.print(table)


@app.command("list")
def list_views() -> None:
    """List the views that come with the bridge."""
    from fhir_bridge.fhir.views import compile_view
    from fhir_bridge.pipeline.views import shipped_views

    table = Table(title="Shipped views", title_justify="left")
    for heading in ("name", "resource", "what it gives"):
        table.add_column(heading, overflow="fold")
    for name, path in shipped_views().items():
        definition = compile_view(path.read_bytes()).definition
        table.add_row(name, definition.resource, escape(definition.description))
    stdout.print(table)


def _text(view: str) -> bytes:
    from fhir_bridge.pipeline.views import shipped_views

    path = Path(view)
    if not path.is_file():
        known = shipped_views()
        if view not in known:
            raise UsageError(f"{view} is no file and no shipped view ({', '.join(known)})")
        path = known[view]
    return path.read_bytes()


def _compiled(view: str) -> View:
    from fhir_bridge.fhir.views import ViewError, compile_view

    try:
        compiled = compile_view(_text(view))
    except ViewError as error:
        details = "\n".join(
            f"  {issue.expression}: {issue.message} ({issue.code})" for issue in error.issues[:20]
        )
        raise UsageError(f"{view} can't be run:\n{details}") from error
    for warning in compiled.warnings[:_SHOWN]:
        stderr.print(
            f"[yellow]warning:[/] {escape(warning.expression)}: {escape(warning.message)} ({warning.code})",
            soft_wrap=True,
        )
    return compiled


def _apart(out: Path | None, rejects: Path | None, inputs: list[str]) -> None:
    """Refuse to write over what is read."""
    read = {Path(name).resolve() for name in inputs if name != "-"}
    for path in (out, rejects):
        if path is None:
            continue
        if path.resolve() in read or (
            out is not None and rejects is not None and out.resolve() == rejects.resolve()
        ):
            raise UsageError(f"{path} would be written over; name another file")
        if not path.resolve().parent.is_dir():
            raise UsageError(f"the folder {path.resolve().parent} does not exist")


def _terminology(compiled: View) -> TerminologyPort | None:
    """The terminology, where a path asks it."""
    if not compiled.asks_terminology:
        return None
    from fhir_bridge.terminology import get_terminology

    return get_terminology()


class _Rejects:
    """Names rejected records: the first on the terminal, all in the file where one is asked for."""

    def __init__(self, file: BinaryIO | None) -> None:
        self._file = file
        self.first: list[str] = []

    def report(self, locator: str, issue: Issue) -> None:
        """Name one."""
        from fhir_bridge.pipeline.part_sink import reject_line

        if len(self.first) < _SHOWN:
            where = f"{issue.expression}: " if issue.expression else ""
            self.first.append(f"{locator}: {where}{issue.message} ({issue.code})")
        if self._file is not None:
            self._file.write(reject_line(locator, "rejected", [issue]))


def _summary(done: ViewRun, rejects: _Rejects) -> None:
    account = done.account
    for details in rejects.first:
        stderr.print(f"[red]rejected:[/] {escape(details)}", soft_wrap=True)
    if account.rejected > len(rejects.first):
        stderr.print(f"… and {account.rejected - len(rejects.first):,} more (--rejects FILE names all)")
    for (severity, code, message), (_, count) in account.issues.items():
        if severity == "warning":
            stderr.print(f"[yellow]warning:[/] {escape(message)}, {count:,} times ({code})", soft_wrap=True)
    stderr.print(
        f"{counted(done.rows, 'row')} from {counted(account.converted, 'resource')}; "
        f"{account.skipped:,} of other types passed over, {account.rejected:,} rejected; {done.seconds:.1f} s"
    )
