"""`mapping diff`: two versions of a mapping over a corpus."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.convert import SiteFile
from fhir_bridge.cli.output import UsageError, counted, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.workshop import VersionComparison

__all__ = ["diff"]


class Format(StrEnum):
    """How differences are printed."""

    text = "text"
    json = "json"


def diff(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A mapping file, the name of one, or of git: HEAD~1:x/mapping.yaml."
        ),
    ],
    corpus: Annotated[
        list[Path], typer.Option("--corpus", exists=True, help="Sources: a file or folder; repeats.")
    ],
    after: Annotated[
        str, typer.Argument(metavar="[B]", help="The other version; with --from A as it is now.")
    ] = "",
    revision: Annotated[
        str, typer.Option("--from", metavar="REVISION", help="Take A as it was at this revision of git.")
    ] = "",
    site: SiteFile = None,
    output: Annotated[
        Format, typer.Option("--format", help="text for people, json for tools.")
    ] = Format.text,
    values: Annotated[
        bool, typer.Option("--with-values", help="Show the values of the example of each group: of patients.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="Read this many records at most.")
    ] = None,
) -> None:
    """Convert a corpus with two versions of a mapping, and show where they differ, grouped by rule and element.

        fhir-bridge mapping diff old.yaml new.yaml --corpus archive/2026-01
        fhir-bridge mapping diff mappings/lab --from HEAD~1 --corpus archive/2026-01

    Of a revision all files are taken: what the mapping includes, extends and joins as well.
    Each group has its number, the lines of both versions, and one example by its locator. Issues that only one version
    reports, or more often, are listed. Ids count where a key changed, once for each resource.

    Exit code 0: no difference; 1: there are some.
    """
    from fhir_bridge.fhir.serialization import dumps
    from fhir_bridge.mapping import Site
    from fhir_bridge.workshop import compare_versions

    if not after and not revision:
        raise UsageError("name two versions (A B), or one and --from REVISION")
    chosen = Site.load(site) if site else Site()
    comparison = compare_versions(before, after or before, corpus, chosen, limit, revision=revision)
    if output is Format.json:
        typer.echo(dumps(comparison.to_json(values=values)).decode())
    else:
        _print(comparison, values=values)
    raise typer.Exit(1 if comparison.differs else 0)


def _print(comparison: VersionComparison, *, values: bool) -> None:
    from fhir_bridge.fhir.difference import ABSENT
    from fhir_bridge.fhir.serialization import dumps

    rule = None
    for group in comparison.ordered():
        if group.rule != rule:
            rule = group.rule
            stdout.print(f"[bold]rule {escape(rule)}[/]", soft_wrap=True, highlight=False)
        sign, colour = {"added": ("+", "green"), "removed": ("-", "red")}.get(group.kind, ("~", "yellow"))
        lines = " → ".join(str(each) if each else "-" for each in (group.before, group.after))
        head = f"  {sign} {group.element} {group.kind}, {group.count:,} times  ({lines})"
        stdout.print(f"[{colour}]{escape(head)}[/]", soft_wrap=True, highlight=False)
        stdout.print(
            escape(f"      such as {group.resource} of {group.locator}"), soft_wrap=True, highlight=False
        )
        if values:
            for mark, value in (("-", group.left), ("+", group.right)):
                if value is not ABSENT:
                    text = dumps(value).decode()
                    stdout.print(escape(f"      {mark} {text}"), soft_wrap=True, highlight=False)
    for issue in comparison.issues:
        what = "appears" if not issue.before else "disappears" if not issue.after else "changes"
        text = (
            f"issue {issue.code} {what}: {issue.before} → {issue.after}  {issue.message}  ({issue.locator})"
        )
        stdout.print(escape(text), soft_wrap=True, highlight=False)
    stderr.print(
        f"{counted(comparison.records, 'record')}: {counted(len(comparison.groups), 'group')} of differences, "
        f"{counted(len(comparison.issues), 'issue')} in other numbers"
    )
