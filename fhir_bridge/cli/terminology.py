"""`terminology`: what commands there are, and `lint`, which checks maps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.output import UsageError, stderr, stdout
from fhir_bridge.cli.terminology_curation import review, suggest
from fhir_bridge.cli.terminology_import import import_, list_, remove
from fhir_bridge.cli.terminology_options import SiteFile, Store, store_folder
from fhir_bridge.cli.terminology_queries import expand, lookup, translate, validate

__all__ = ["app"]

app = typer.Typer(help="Codes, value sets and concept maps, without a server.", no_args_is_help=True)

app.command("import")(import_)
app.command("list")(list_)
app.command("remove")(remove)
app.command("lookup")(lookup)
app.command("validate")(validate)
app.command("expand")(expand)
app.command("translate")(translate)


@app.command("lint")
def lint(
    folders: Annotated[
        list[Path],
        typer.Argument(
            exists=True,
            help="Folders or files to check: terminology JSON, v2-to-FHIR map sheets (CSV), Usagi, SSSOM, OMOP. "
            "None: what is shipped.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    imported: Annotated[bool, typer.Option("--imported", help="Validate the imported maps.")] = False,
    store: Store = None,
    site: SiteFile = None,
) -> None:
    """Find wrong and retired codes, displays that don't match, rows twice or in conflict; exit code 1 on errors."""
    from fhir_bridge.plugins import shipped
    from fhir_bridge.terminology import lint_folders, lint_store

    location = store_folder(store, site)
    kept = location if location.is_dir() else None
    if imported and kept is None:
        raise UsageError(f"nothing is imported into {location}")
    issues = lint_store(kept) if imported and kept is not None else []
    if folders or not imported:
        issues += lint_folders(folders or [shipped("terminology")], kept)
    for issue in issues:
        stdout.print(
            escape(f"{issue.source}: {issue.severity}: {issue.message} ({issue.code})"), soft_wrap=True
        )
    errors = sum(issue.severity in ("error", "fatal") for issue in issues)
    stderr.print(f"{errors} errors, {len(issues) - errors} others")
    raise typer.Exit(1 if errors else 0)


app.command("suggest")(suggest)
app.command("review")(review)
