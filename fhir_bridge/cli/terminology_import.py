"""`terminology import`, `list` and `remove`: the content store of what a site is licensed for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout
from fhir_bridge.mapping import Site
from fhir_bridge.terminology.imports import FORMATS, ImportResult, Options, import_file
from fhir_bridge.terminology.imports import Progress as Heard
from fhir_bridge.terminology.store import ContentStore, ImportProblem, StoreError, open_store, store_path

__all__ = ["import_", "list_", "remove"]

_LISTED = 20
"""So many code systems or maps of an import are told one by one; of more, how many."""

Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        file_okay=False,
        help="Folder of the content store; default: FHIR_BRIDGE_TERMINOLOGY_STORE, the site file's "
        "`terminology_store`, or the user's data folder.",
    ),
]
SiteFile = Annotated[
    Path | None, typer.Option("--site", envvar="FHIR_BRIDGE_SITE", dir_okay=False, help="The site file.")
]


def import_(
    files: Annotated[
        list[Path], typer.Argument(exists=True, help="Downloads as they are: archives, folders, files.")
    ],
    format_name: Annotated[
        str, typer.Option("--format", help=f"auto, or one of {', '.join(FORMATS)}.")
    ] = "auto",
    store: Store = None,
    site: SiteFile = None,
    system: Annotated[
        str | None, typer.Option(help="URL of the code system, where the file tells none or another.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Its version, where the file tells none.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of its names, where the file tells none.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Of RF2 Full: the state of this day (YYYYMMDD).")] = None,
) -> None:
    """Import terminologies in their official download forms; what is imported already is told and left alone.

    A file is imported whole or not at all; exit code 1 where one can't be.
    """
    if format_name != "auto" and format_name not in FORMATS:
        raise UsageError(f'--format "{format_name}" is not one of auto, {", ".join(FORMATS)}')
    if as_of is not None and not (len(as_of) == 8 and as_of.isdigit()):
        raise UsageError(f'--as-of "{as_of}" is not a day such as 20260131')
    into = _store(store, site)
    options = Options(system, version, as_of, language)
    failed = 0
    for file in files:
        try:
            with _bars() as heard:
                result = import_file(into, file, format_name, options, heard)
        except ImportProblem as problem:
            failed += 1
            stderr.print(
                f"[bold red]not imported:[/] {escape(str(problem))} ({problem.code})", soft_wrap=True
            )
        except StoreError as error:
            raise UsageError(str(error)) from error
        else:
            _tell(result)
    raise typer.Exit(1 if failed else 0)


def list_(store: Store = None, site: SiteFile = None) -> None:
    """List what is imported."""
    into = _store(store, site)
    try:
        systems, maps = into.systems(), into.concept_maps()
        value_sets = sum(1 for _ in into.value_sets())
    except StoreError as error:
        raise UsageError(str(error)) from error
    if not systems and not maps and not value_sets:
        stdout.print(f"nothing is imported into {into.path}", soft_wrap=True)
        return
    table = Table(title=f"Terminology in {into.path}", title_justify="left")
    for name in ("system", "version", "concepts", "imported", "size", "from"):
        table.add_column(name, justify="right" if name in ("concepts", "size") else "left", overflow="fold")
    for one in systems:
        table.add_row(
            one.url,
            one.version or "",
            f"{one.concepts:,}",
            one.imported,
            f"{one.size / 1e6:,.1f} MB",
            escape(one.source),
        )
    stdout.print(table)
    if maps:
        table = Table(title="Concept maps", title_justify="left")
        for name in ("map", "version", "rows"):
            table.add_column(name, justify="right" if name == "rows" else "left", overflow="fold")
        for found in maps:
            table.add_row(found.url, found.version or "", f"{len(found):,}")
        stdout.print(table)
    if value_sets:
        stdout.print(counted(value_sets, "value set"))


def remove(
    canonical: Annotated[
        str, typer.Argument(help="URL of a code system, value set or map, perhaps with |version.")
    ],
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """Remove what is imported: one version, or all where none is named; exit code 1 where there is nothing of it."""
    into = _store(store, site)
    url, bar, version = canonical.partition("|")
    try:
        gone = into.remove(url, version if bar else None)
    except StoreError as error:
        raise UsageError(str(error)) from error
    for one in gone:
        stdout.print(f"removed {one}", soft_wrap=True, highlight=False)
    if not gone:
        stderr.print(f"{canonical} is not in {into.path}", soft_wrap=True)
        raise typer.Exit(1)


def _store(given: Path | None, site: Path | None) -> ContentStore:
    settings = Site.load(site) if site is not None else Site()
    return open_store(store_path(given, settings.terminology_store_path))


def _tell(result: ImportResult) -> None:
    name = escape(result.path.name)
    if result.already:
        stdout.print(f"{name}: already there", highlight=False)
        return
    concepts, rows = sum(one[2] for one in result.systems), sum(one[1] for one in result.maps)
    _list(
        name,
        [
            f"{escape(url)}{f' version {escape(version)}' if version else ''}, {counted(count, 'concept')}"
            for url, version, count in result.systems
        ],
        f"{counted(len(result.systems), 'code system')}, {counted(concepts, 'concept')}",
    )
    _list(
        name,
        [f"map {escape(url)}, {counted(count, 'row')}" for url, count in result.maps],
        f"{counted(len(result.maps), 'map')}, {counted(rows, 'row')}",
    )
    if result.value_sets:
        stdout.print(f"{name}: {counted(result.value_sets, 'value set')}", highlight=False)
    _list(
        name,
        [f"replaces {escape(one)} of an earlier import" for one in result.replaced],
        f"replaces {len(result.replaced):,} code systems, maps and value sets of earlier imports",
    )
    for note, count in result.notes.items():
        stderr.print(f"{name}: {escape(note)}: {count:,}", soft_wrap=True)
    stdout.print(f"{name}: {result.seconds:.1f} s ({result.format})", highlight=False)


def _list(name: str, lines: list[str], summary: str) -> None:
    """Tell each, or of many how many there are."""
    for line in lines if len(lines) <= _LISTED else [summary]:
        stdout.print(f"{name}: {line}", soft_wrap=True, highlight=False)


class _Bars(Heard):
    """Shows a bar for what has a known size, a spinner for the rest."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def begin(self, what: str, total: int) -> None:
        self._progress.reset(self._task, total=total or None, description=escape(what))

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)


@contextmanager
def _bars() -> Iterator[Heard]:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as progress:
        yield _Bars(progress)
