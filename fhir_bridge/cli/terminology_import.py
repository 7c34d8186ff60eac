"""`terminology import`, `list` and `remove`: the content store of what a site is licensed for."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout
from fhir_bridge.cli.terminology_options import SiteFile, Store, store_folder

if TYPE_CHECKING:
    from fhir_bridge.terminology.imports import ImportResult
    from fhir_bridge.terminology.store import ContentStore

__all__ = ["import_", "list_", "remove"]

_FORMATS = (
    "loinc rf2 rxnorm omop claml icd10cm obo hgnc usagi stcm sssom atc iso-codes fhir".split()
)  # the built-in importers, which --help does not import; a test compares them
_LISTED = 20
"""So many code systems or maps of an import are reported one by one; of more, how many."""


def import_(
    files: Annotated[
        list[Path], typer.Argument(exists=True, help="Downloads as they are: archives, folders, files.")
    ],
    format_name: Annotated[
        str, typer.Option("--format", help=f"auto, or one of {', '.join(_FORMATS)}, or of a plug-in.")
    ] = "auto",
    store: Store = None,
    site: SiteFile = None,
    system: Annotated[
        str | None, typer.Option(help="URL of the code system, where the file states none or another.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Its version, where the file states none.")] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of its names, where the file states none.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(help="Of RF2 Full: the state of this day (YYYYMMDD).")] = None,
) -> None:
    """Import terminologies in their official download forms; what is imported already is reported and left alone.

    A file is imported whole or not at all; exit code 1 where one can't be.
    """
    from fhir_bridge.cli.terminology_progress import shown_progress
    from fhir_bridge.plugins import importers
    from fhir_bridge.terminology.imports import Options, import_file
    from fhir_bridge.terminology.store import ImportProblem, StoreError

    known = importers()
    if format_name != "auto" and format_name not in known:
        raise UsageError(f'--format "{format_name}" is not one of auto, {", ".join(known)}')
    if as_of is not None and not (len(as_of) == 8 and as_of.isdigit()):
        raise UsageError(f'--as-of "{as_of}" is not a day such as 20260131')
    into = _store(store, site)
    options = Options(system, version, as_of, language)
    failed = 0
    for file in files:
        try:
            with shown_progress() as progress:
                result = import_file(into, file, format_name, options, progress)
        except ImportProblem as problem:
            failed += 1
            stderr.print(
                f"[bold red]not imported:[/] {escape(str(problem))} ({problem.code})", soft_wrap=True
            )
        except StoreError as error:
            raise UsageError(str(error)) from error
        else:
            _print_result(result)
    raise typer.Exit(1 if failed else 0)


def list_(store: Store = None, site: SiteFile = None) -> None:
    """List what is imported."""
    from fhir_bridge.terminology.store import StoreError

    into = _store(store, site)
    try:
        systems, maps = into.systems(), into.concept_maps()
        value_sets = sum(1 for _ in into.value_sets())
    except StoreError as error:
        raise UsageError(str(error)) from error
    if not systems and not maps and not value_sets:
        stdout.print(f"nothing is imported into {into.path}", soft_wrap=True)
        return
    stdout.print(f"Terminology in {into.path}", soft_wrap=True, highlight=False, markup=False)
    for url, versions in groupby(systems, lambda item: item.url):
        stdout.print(url, soft_wrap=True, highlight=False, markup=False, style="bold")
        listed = list(versions)
        for item in listed:
            parts = [
                item.version or "without version",
                counted(item.concepts, "concept"),
                f"{item.size / 1e6:,.1f} MB",
                f"imported {item.imported}",
                f"from {item.source}",
            ]
            if len(listed) > 1 and item is listed[-1]:
                parts.append("taken where no version is asked for")
            _line(parts)
    for result in maps:
        stdout.print(f"map {result.url}", soft_wrap=True, highlight=False, markup=False, style="bold")
        _line([result.version or "without version", counted(len(result), "row")])
    if value_sets:
        stdout.print(counted(value_sets, "value set"), highlight=False)


def _line(parts: list[str]) -> None:
    stdout.print(f"  {' · '.join(parts)}", soft_wrap=True, highlight=False, markup=False)


def remove(
    canonical: Annotated[
        str, typer.Argument(help="URL of a code system, value set or map, perhaps with |version.")
    ],
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """Remove what is imported: one version, or all where none is named; exit code 1 where there is nothing of it."""
    from fhir_bridge.terminology.store import StoreError

    into = _store(store, site)
    url, bar, version = canonical.partition("|")
    try:
        gone = into.remove(url, version if bar else None)
    except StoreError as error:
        raise UsageError(str(error)) from error
    for item in gone:
        stdout.print(f"removed {item}", soft_wrap=True, highlight=False)
    if not gone:
        stderr.print(f"{canonical} is not in {into.path}", soft_wrap=True)
        raise typer.Exit(1)


def _store(path: Path | None, site: Path | None) -> ContentStore:
    from fhir_bridge.terminology.store import open_store

    return open_store(store_folder(path, site))


def _print_result(result: ImportResult) -> None:
    name = escape(result.path.name)
    if result.already:
        stdout.print(f"{name}: already there", highlight=False)
        return
    concepts, rows = sum(system[2] for system in result.systems), sum(system[1] for system in result.maps)
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
        [f"replaces {escape(system)} of an earlier import" for system in result.replaced],
        f"replaces {len(result.replaced):,} code systems, maps and value sets of earlier imports",
    )
    for note, count in result.notes.items():
        stderr.print(f"{name}: {escape(note)}: {count:,}", soft_wrap=True)
    stdout.print(f"{name}: {result.seconds:.1f} s ({result.format})", highlight=False)


def _list(name: str, lines: list[str], summary: str) -> None:
    """Tell each, or of many how many there are."""
    for line in lines if len(lines) <= _LISTED else [summary]:
        stdout.print(f"{name}: {line}", soft_wrap=True, highlight=False)
