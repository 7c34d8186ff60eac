"""`mapping explain`: what an element came from, and what became of a value of the source."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from fhir_bridge.cli.convert import Set, SiteFile, parse_options
from fhir_bridge.cli.output import UsageError, counted, stderr

__all__ = ["explain"]

_STORED = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}\Z")
_MOST = 200


class Format(StrEnum):
    """How explanations are printed."""

    text = "text"
    json = "json"


def explain(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Files or folders; or `Type/id` of what is in the store."),
    ],
    mapping: Annotated[
        str | None,
        typer.Option("--mapping", "-m", help="A mapping file, or the name of one; else the adapter's."),
    ] = None,
    adapter: Annotated[
        str | None, typer.Option("--adapter", "-a", help="Where names of files don't say it.")
    ] = None,
    site: SiteFile = None,
    set_: Set = [],  # noqa: B006 - typer copies it
    record: Annotated[
        str | None, typer.Option("--record", metavar="LOCATOR", help="This record only, e.g. `adt.hl7#3`.")
    ] = None,
    element: Annotated[
        list[str],
        typer.Option("--element", help="Explain this element, e.g. `Observation.value[x]`; repeats."),
    ] = [],  # noqa: B006 - as above
    leaf: Annotated[
        list[str], typer.Option("--leaf", help="Explain this value of the source, e.g. `OBX-5.1`; repeats.")
    ] = [],  # noqa: B006 - as above
    source: Annotated[
        list[Path],
        typer.Option(
            "--source", exists=True, help="For `Type/id`: the file that it came from, to explain it anew."
        ),
    ] = [],  # noqa: B006 - as above
    html: Annotated[
        Path | None,
        typer.Option("--html", dir_okay=False, help="Write one page: source left, resources right."),
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="text for people, json (a line each) for tools.")
    ] = (Format.text),
    limit: Annotated[int, typer.Option("--limit", min=1, help="Explain this many records at most.")] = 20,
) -> None:
    """Show for each element of the output the rule and the bytes it came from, and for each value what became of it.

        fhir-bridge mapping explain lab.hl7 --element 'Observation.value[x]'

        fhir-bridge mapping explain lab.csv --mapping lab.yaml --leaf row.Wert --html lab.html

        fhir-bridge mapping explain Observation/6f1ed002ab5595859014ebf0951522d9 --source archive/lab.hl7

    It shows VALUES OF PATIENTS: that is its purpose. It is for an engineer who may see the source.

    Of a resource in the store it shows which record, mapping and version it came from; with --source (or where the
    store keeps the source) it converts the record again and explains it.

    Exit code 0; 1: nothing that was asked for is there; 2: wrong usage.
    """
    from fhir_bridge.mapping import Site

    settings = Site.load(site) if site else Site()
    if len(sources) == 1 and _STORED.match(sources[0]) and not Path(sources[0]).exists():
        from fhir_bridge.cli.mapping_stored import explain_stored

        stored = explain_stored(sources[0], source, settings, mapping)
        shown = present(stored, [], source, element, leaf, html, json=output is Format.json)
        raise typer.Exit(0 if shown else 1)
    if source:
        raise UsageError("--source goes with Type/id of what is in the store")
    from fhir_bridge.pipeline import Selection
    from fhir_bridge.workshop import TracedRun, explain_record, files_by_mapping

    selection = Selection(only=record, limit=limit + 1)
    explanations: list[Any] = []
    paths: list[Path] = []
    rest: list[Any] = []
    for name, files in files_by_mapping(sources, mapping, adapter):
        run = TracedRun.of(name, settings, options=parse_options(set_))
        paths += files
        for traced in run.records(files, selection):
            if traced.record.records == 0 and traced.conversion is None:
                rest += traced.issues  # the reader's word on a whole file
                continue
            explanations.append(explain_record(traced))
    more = len(explanations) > limit
    del explanations[limit:]
    if not explanations:
        raise UsageError(f"no record has the locator {record}" if record else "the sources hold no record")
    shown = present(explanations, rest, paths, element, leaf, html, json=output is Format.json)
    if more:
        stderr.print(f"the first {counted(limit, 'record')}; --limit or --record takes others")
    raise typer.Exit(0 if shown else 1)


def present(
    explanations: list[Any],
    rest: list[Any],
    paths: list[Path],
    elements: list[str],
    leaves: list[str],
    html: Path | None,
    *,
    json: bool,
) -> bool:
    """Print explanations, and write the page; whether anything that was asked for is there."""
    from fhir_bridge.workshop import page, records_as_json, report_issues, report_lines

    for explanation in explanations:
        report_issues(explanation.leaves, rest)
    if html is not None:
        html.write_text(page(explanations), encoding="utf-8")
        stderr.print(f"wrote {html}", soft_wrap=True, highlight=False)
        if not elements and not leaves and not json:
            return True
    if json:
        for line in records_as_json(explanations, elements, leaves):
            typer.echo(line)
        return True
    width = _width()
    shown = False
    for line, hit in report_lines(explanations, rest, paths, elements, leaves, width):
        shown = shown or hit
        typer.echo(line)
    if not shown and (elements or leaves):
        stderr.print(
            f"nothing is named {', '.join([*elements, *leaves])} in {counted(len(explanations), 'record')}"
        )
        return False
    return True


def _width() -> int | None:
    """Columns of the terminal; None for a file or a pipe, where nothing is cut."""
    import shutil
    import sys

    return max(shutil.get_terminal_size().columns - 8, 30) if sys.stdout.isatty() else None
