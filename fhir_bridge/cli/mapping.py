"""`mapping`: check and test mappings."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.mapping_audit import audit
from fhir_bridge.cli.mapping_coverage import coverage
from fhir_bridge.cli.mapping_diff import diff
from fhir_bridge.cli.mapping_explain import explain
from fhir_bridge.cli.mapping_files import Mappings, left_out, mapping_files
from fhir_bridge.cli.mapping_mutate import mutate
from fhir_bridge.cli.mapping_new import new
from fhir_bridge.cli.mapping_schema import schema
from fhir_bridge.cli.mapping_shrink import shrink
from fhir_bridge.cli.mapping_test import run_examples
from fhir_bridge.cli.output import counted, stderr, stdout

__all__ = ["app"]

app = typer.Typer(help="Author, check and test mappings.", no_args_is_help=True)
app.command("audit")(audit)
app.command("mutate")(mutate)
app.command("new")(new)
app.command("shrink")(shrink)
app.command("schema")(schema)


@app.command("check")
def check_mappings(
    paths: Mappings = [],  # noqa: B006 - typer copies it
    sample: Annotated[
        list[Path],
        typer.Option(
            "--sample", metavar="FILE", help="A source that shows which fields there are; may be repeated."
        ),
    ] = [],  # noqa: B006
    site: Annotated[
        Path | None, typer.Option("--site", help="Site file: its terminology, packages and parameters count.")
    ] = None,
) -> None:
    """Compile mappings, and name every mistake and what is probably one, with file, line and column.

    Elements, selectors, functions, options, codes, ConceptMaps, units, formats and the profile are checked; exit code 1
    on a mistake. The examples beside a mapping show which columns there are. A line that ends in the comment
    `# checked` is left out, unless it does not compile.
    """
    from fhir_bridge.mapping import MappingErrors, Site, check_mapping
    from fhir_bridge.plugins import adapters

    known = adapters()
    settings = Site.load(site) if site else None
    wrong = checked = 0
    files = mapping_files(paths)
    for file in files:
        with left_out(file, named=bool(paths)):
            try:
                errors = check_mapping(file, adapters=known, site=settings, samples=sample)
            except MappingErrors as error:
                errors = list(error.errors)
            wrong += bool(errors)
            for mistake in errors:
                stdout.print(escape(str(mistake)), soft_wrap=True)
            checked += 1
    stderr.print(f"{counted(checked, 'mapping')}, {wrong} with mistakes")
    raise typer.Exit(1 if wrong else 0)


app.command("test")(run_examples)
app.command("explain")(explain)
app.command("coverage")(coverage)
app.command("diff")(diff)
