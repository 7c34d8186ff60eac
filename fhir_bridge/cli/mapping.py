"""`mapping`: check and test mappings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.mapping_audit import audit
from fhir_bridge.cli.mapping_mutate import mutate
from fhir_bridge.cli.mapping_new import new
from fhir_bridge.cli.mapping_schema import schema
from fhir_bridge.cli.mapping_shrink import shrink
from fhir_bridge.cli.output import UsageError, counted, stderr, stdout, steps

__all__ = ["app"]

app = typer.Typer(help="Author, check and test mappings.", no_args_is_help=True)
app.command("audit")(audit)
app.command("mutate")(mutate)
app.command("new")(new)
app.command("shrink")(shrink)
app.command("schema")(schema)

Mappings = Annotated[
    list[Path],
    typer.Argument(metavar="[PATH]...", help="Mapping files or folders; none: all that are shipped."),
]


def _files(paths: list[Path]) -> list[Path]:
    from fhir_bridge.plugins import get_manager, shipped

    folders = paths or [
        shipped("mappings"),
        *(f for group in get_manager().hook.fhir_bridge_mappings() for f in group),
    ]
    files: list[Path] = []
    for path in folders:
        if path.is_dir():
            files += sorted(path.rglob("mapping.yaml"))
        elif path.exists():
            files.append(path)
        else:
            raise UsageError(f"{path} does not exist")
    if not files:
        raise UsageError("there is no mapping.yaml in " + ", ".join(map(str, folders)))
    return files


@contextmanager
def _left_out(mapping: Path | str, *, named: bool) -> Iterator[None]:
    """Report a shipped mapping whose adapter's extra is not installed, and go on.

    Raises:
        ImportError: the mapping was named, so that it can't be left out.
    """
    from fhir_bridge.plugins.extras import missing_extra

    try:
        yield
    except ImportError as error:
        missing = missing_extra(error)
        if missing is None or named:
            raise
        stderr.print(f"[yellow]left out:[/] {escape(f'{mapping}: {missing}')}", soft_wrap=True)


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
    files = _files(paths)
    for file in files:
        with _left_out(file, named=bool(paths)):
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


@app.command("test")
def run_examples(
    paths: Mappings = [],  # noqa: B006 - typer copies it
    update: Annotated[
        bool, typer.Option("--update", help="Write what comes out as what is expected; read it.")
    ] = False,
) -> None:
    """Convert each golden example and compare with the FHIR that is beside it; exit code 1 on a difference."""
    from fhir_bridge.fhir.serialization import dumps
    from fhir_bridge.pipeline import convert_example, golden_examples, run_example

    results = [example for file in _files(paths) for example in golden_examples(file)]
    failed = run = 0
    with steps("examples", max(len(results), 1)) as advance:
        for example in results:
            advance(example.name)
            with _left_out(example.mapping, named=bool(paths)):
                if update:
                    lines = [dumps(resource) + b"\n" for resource in convert_example(example)]
                    (example.folder / "expected.ndjson").write_bytes(b"".join(lines))
                    continue
                differences = run_example(example)
                run += 1
                if differences:
                    failed += 1
                    stdout.print(f"[red]{escape(example.name)}[/]")
                    for difference in differences:
                        stdout.print(escape(f"  {difference}"), soft_wrap=True)
    stderr.print(f"{counted(len(results) if update else run, 'example')}, {failed} differ")
    raise typer.Exit(1 if failed else 0)
