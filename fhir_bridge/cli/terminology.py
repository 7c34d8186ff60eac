"""`terminology`: look codes up, translate them, judge the maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.output import UsageError, stderr, stdout
from fhir_bridge.plugins import shipped
from fhir_bridge.terminology import get_terminology, lint_folders

__all__ = ["app"]

app = typer.Typer(help="Codes, value sets and concept maps, without a server.", no_args_is_help=True)

Folders = Annotated[
    list[Path],
    typer.Option("--folder", exists=True, file_okay=False, help="More terminology to read; repeats."),
]


@app.command("lookup")
def lookup(
    system: Annotated[str, typer.Argument(help="URL of the code system.")],
    code: Annotated[str, typer.Argument(help="The code.")],
    folder: Folders = [],  # noqa: B006 - typer copies it
) -> None:
    """Tell what a code means; exit code 1 where it is not known."""
    terminology = get_terminology(tuple(folder))
    concept = terminology.lookup(system, code)
    if concept is None:
        known = terminology.knows_system(system)
        stderr.print(f"{code} is not in {system}" if known else f"{system} is not at hand")
        raise typer.Exit(1)
    stdout.print(
        f"{concept.display or concept.code}{'' if concept.active else ' (inactive)'}", highlight=False
    )


@app.command("validate")
def validate(
    value_set: Annotated[str, typer.Argument(help="URL of the value set.")],
    code: Annotated[str, typer.Argument(help="The code.")],
    system: Annotated[str | None, typer.Option(help="URL of its code system.")] = None,
    folder: Folders = [],  # noqa: B006 - typer copies it
) -> None:
    """Tell whether a code is in a value set; exit code 1 where it is not or that can't be decided here."""
    member = get_terminology(tuple(folder)).member(value_set, system, code)
    stdout.print({True: "yes", False: "no", None: "can't be decided with the content at hand"}[member])
    raise typer.Exit(0 if member else 1)


@app.command("translate")
def translate(
    code: Annotated[str, typer.Argument(help="The code.")],
    concept_map: Annotated[str | None, typer.Option("--map", help="Name or URL of the ConceptMap.")] = None,
    system: Annotated[str | None, typer.Option(help="URL of the source code system.")] = None,
    target: Annotated[
        list[str], typer.Option("--target", help="URL of a wanted target system; repeats.")
    ] = [],  # noqa: B006
    folder: Folders = [],  # noqa: B006 - typer copies it
) -> None:
    """Translate a code by one map (--map), or by all maps from --system to --target; exit code 1 without a target."""
    terminology = get_terminology(tuple(folder))
    if concept_map is not None:
        try:
            found = terminology.translate_by_map(concept_map, code)
        except KeyError as error:
            raise UsageError(f"no ConceptMap {concept_map} is loaded") from error
    elif system is not None and target:
        found = terminology.translate(system, code, tuple(target))
    else:
        raise UsageError("give --map, or --system and --target")
    table = Table()
    for name in ("system", "code", "display", "equivalence", "map"):
        table.add_column(name, overflow="fold")
    for row in found:
        table.add_row(row.system, row.code, row.display or "", row.equivalence, row.map_url)
    stdout.print(table if found else "no target")
    raise typer.Exit(0 if found else 1)


@app.command("lint")
def lint(
    folders: Annotated[
        list[Path],
        typer.Argument(exists=True, file_okay=False, help="Folders to judge; none: what is shipped."),
    ] = [],  # noqa: B006 - typer copies it
) -> None:
    """Find wrong codes, displays that don't match, doubled and contradictory rows; exit code 1 on an error."""
    issues = lint_folders(folders or [shipped("terminology")])
    for issue in issues:
        stdout.print(
            escape(f"{issue.source}: {issue.severity}: {issue.message} ({issue.code})"), soft_wrap=True
        )
    errors = sum(issue.severity in ("error", "fatal") for issue in issues)
    stderr.print(f"{errors} errors, {len(issues) - errors} others")
    raise typer.Exit(1 if errors else 0)
