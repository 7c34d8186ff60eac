"""`mapping`: check and test mappings."""

from __future__ import annotations

import typer
from rich.markup import escape

from fhir_bridge.cli.mapping_coverage import coverage
from fhir_bridge.cli.mapping_diff import diff
from fhir_bridge.cli.mapping_explain import explain
from fhir_bridge.cli.mapping_files import Mappings, left_out, mapping_files
from fhir_bridge.cli.mapping_test import run_examples
from fhir_bridge.cli.output import counted, stderr, stdout

__all__ = ["app"]

app = typer.Typer(help="Author, check and test mappings.", no_args_is_help=True)


@app.command("check")
def check_mappings(paths: Mappings = []) -> None:  # noqa: B006 - typer copies it
    """Compile mappings and name every mistake with file, line and column.

    Elements, selectors, functions, codes of required bindings and the profile are checked; exit code 1 on a mistake.
    """
    from fhir_bridge.mapping import MappingErrors, load_mapping
    from fhir_bridge.plugins import adapters

    known = adapters()
    wrong = checked = 0
    files = mapping_files(paths)
    for file in files:
        with left_out(file, named=bool(paths)):
            try:
                load_mapping(file, adapters=known)
            except MappingErrors as error:
                wrong += 1
                stdout.print(escape(str(error)), soft_wrap=True)
            checked += 1
    stderr.print(f"{counted(checked, 'mapping')}, {wrong} with mistakes")
    raise typer.Exit(1 if wrong else 0)


app.command("test")(run_examples)
app.command("explain")(explain)
app.command("coverage")(coverage)
app.command("diff")(diff)
