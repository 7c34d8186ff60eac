"""`fhir difference`: where two resources, or two sets of them, differ as FHIR means them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fhir_bridge.cli.output import UsageError, counted, stderr

if TYPE_CHECKING:
    from fhir_bridge.fhir.difference import Difference

__all__ = ["difference"]

_LINES = frozenset({".ndjson", ".jsonl"})


class Format(StrEnum):
    """How differences are printed."""

    text = "text"
    json = "json"


def difference(
    left: Annotated[
        Path, typer.Argument(exists=True, metavar="LEFT", help="A JSON, XML or NDJSON file, or a folder.")
    ],
    right: Annotated[Path, typer.Argument(exists=True, metavar="RIGHT", help="What to compare it with.")],
    ids: Annotated[bool, typer.Option("--ids", help="Ids count, and resources are paired by them.")] = False,
    meta: Annotated[bool, typer.Option("--meta", help="versionId and lastUpdated count.")] = False,
    precision: Annotated[bool, typer.Option("--precision", help="1.0 and 1.00 differ.")] = False,
    instants: Annotated[
        bool, typer.Option("--instants", help="One instant in two time zones is the same.")
    ] = False,
    narrative: Annotated[
        bool, typer.Option("--narrative/--no-narrative", help="Whether narratives count.")
    ] = True,
    ordered: Annotated[bool, typer.Option("--ordered", help="The order of every list counts.")] = False,
    empty: Annotated[bool, typer.Option("--empty", help="What is empty is the same as absent.")] = False,
    output: Annotated[
        Format, typer.Option("--format", help="text for people, json (a line a difference) for tools.")
    ] = (Format.text),
) -> None:
    """Show where two resources differ, or two sets of them: folders and NDJSON files, in whatever order they come.

        fhir-bridge fhir difference expected.json made.json

        fhir-bridge fhir difference before/ after/ --ids --format json

    Order counts where it means something (given names, sections, steps), decimals by value, and ids may differ as long
    as one renaming explains them and every reference follows it. docs/difference.md indicates what counts.

    Exit code 0: no difference; 1: there are some; 2: wrong usage, or something could not be read.
    """
    from fhir_bridge.fhir import JsonError, dumps
    from fhir_bridge.fhir.bundles import read_resource
    from fhir_bridge.fhir.difference import SERVER_META, render
    from fhir_bridge.fhir.difference import difference as of_two
    from fhir_bridge.fhir.difference import difference_of_sets as of_sets

    if left.is_dir() != right.is_dir():
        raise UsageError("expected two files or two folders")
    options: dict[str, Any] = {
        "ignore_ids": not ids,
        "ignore_meta": False if meta else SERVER_META,
        "precision": precision,
        "instants": instants,
        "narrative": narrative,
        "ordered": ordered,
        "empty": empty,
    }
    try:
        differences: list[Difference]
        if left.is_dir() or left.suffix in _LINES or right.suffix in _LINES:
            differences = of_sets(_resources(left), _resources(right), **options)
        else:
            differences = of_two(read_resource(left), read_resource(right), **options)
    except (JsonError, ValueError) as error:
        raise UsageError(str(error)) from error
    if output is Format.json:
        for item in differences:
            typer.echo(dumps(item.to_json()))
        stderr.print(counted(len(differences), "difference"))
    else:
        typer.echo(render(differences))
    raise typer.Exit(1 if differences else 0)


def _resources(source: Path) -> Iterator[dict[str, Any]]:
    """The resources of a file or folder, those of Bundles one by one.

    Raises:
        JsonError: something is no resource; the message says where.
    """
    from fhir_bridge.fhir import JsonError, iter_resources, loads_exact
    from fhir_bridge.pipeline.sources import fhir_files

    for file in fhir_files([str(source)], xml=True):
        for locator, text in iter_resources(file):
            try:
                resource = loads_exact(text)
            except JsonError as error:
                raise JsonError(f"{locator}: {error}") from error
            if not isinstance(resource, dict):
                raise JsonError(f"{locator}: expected a JSON object")
            yield resource
