"""`validate`: resources against R4 and their profiles."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.output import counting, stderr, stdout

__all__ = ["validate"]

_COLOUR = {"fatal": "bold red", "error": "red", "warning": "yellow", "information": "blue"}


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"


def validate(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="JSON, NDJSON and XML files, or folders of them.")
    ],
    profile: Annotated[
        list[str],
        typer.Option(
            "--profile",
            metavar="URL",
            help="Check each resource (not what is in it) against this profile too; repeats.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    package: Annotated[
        list[str],
        typer.Option(
            "--package",
            metavar="FILE",
            help="Use this FHIR package (.tgz, folder or JSON file) too; repeats.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", exists=True, dir_okay=False, envvar="FHIR_BRIDGE_SITE", help="The site's settings."
        ),
    ] = None,
    output: Annotated[
        Format, typer.Option("--format", help="text for people, json (a line a finding) for tools.")
    ] = (Format.text),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The summary only.")] = False,
) -> None:
    """Validate resources: structure, cardinality, types, bindings, fixed values, the profiles they declare.

    A line of NDJSON is a resource, and so is a file; a Bundle is validated as a whole, with its entries.

    Exit code 1 where a resource has an error, or a package can't be used as a whole.
    """
    from fhir_bridge.fhir import declared
    from fhir_bridge.pipeline import ValidationSummary, use_packages, validate_files

    broken = False
    packages = use_packages(package, site)
    for issue in packages.issues:
        broken = broken or issue.severity == "error"
        if issue.severity != "information":
            said = f"{issue.source}: {issue.message} ({issue.code})"
            stderr.print(f"[{_COLOUR[issue.severity]}]{issue.severity}[/] {escape(said)}", soft_wrap=True)
    summary = ValidationSummary()
    with counting("validating") as progress:
        for locator, issues in validate_files(
            paths, profile, summary, progress, site=site, definitions=packages.definitions
        ):
            for issue in issues:
                if quiet:
                    continue
                if output is Format.json:
                    found = {
                        "source": locator,
                        "severity": issue.severity,
                        "code": issue.code,
                        "expression": issue.expression,
                        "message": issue.message,
                    }
                    typer.echo(orjson.dumps(found).decode())
                else:
                    colour = _COLOUR[issue.severity]
                    where = escape(f"{locator}: {issue.expression}")
                    stdout.print(
                        f"{where}: [{colour}]{issue.severity}[/] {escape(issue.message)} ({issue.code})",
                        soft_wrap=True,
                    )
    table = Table(title=f"{summary.resources:,} resources, {summary.invalid:,} invalid", title_justify="left")
    for name in ("severity", "code", "findings", "what"):
        table.add_column(name)
    titles = declared()
    for (severity, code), count in summary.by_code.most_common():
        table.add_row(severity, code, f"{count:,}", titles[code].title if code in titles else "")
    stderr.print(table)
    raise typer.Exit(1 if summary.invalid or broken else 0)
