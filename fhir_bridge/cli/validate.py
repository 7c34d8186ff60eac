"""`validate`: resources against R4 and their profiles."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.output import counting, stderr, stdout

if TYPE_CHECKING:
    from fhir_bridge.pipeline import Validated
    from fhir_bridge.pipeline.validation_reports import Report

__all__ = ["validate"]

_COLOUR = {"fatal": "bold red", "error": "red", "warning": "yellow", "information": "blue"}


class _Text:
    """A line an issue, for people."""

    def add(self, validated: Validated) -> None:
        for issue in validated.issues:
            colour = _COLOUR[issue.severity]
            where = escape(f"{validated.locator}: {issue.expression}")
            stdout.print(
                f"{where}: [{colour}]{issue.severity}[/] {escape(issue.message)} ({issue.code})",
                soft_wrap=True,
            )

    def close(self) -> None:
        """Nothing is left."""


class Format(StrEnum):
    """How issues are written."""

    text = "text"
    json = "json"
    sarif = "sarif"
    junit = "junit"


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
            metavar="PACKAGE",
            help="Use this FHIR package too: a .tgz, folder or JSON file, or name#version of the package cache "
            "(~/.fhir/packages); repeats.",
        ),
    ] = [],  # noqa: B006 - typer copies it
    site: Annotated[
        Path | None,
        typer.Option(
            "--site", exists=True, dir_okay=False, envvar="FHIR_BRIDGE_SITE", help="The site's settings."
        ),
    ] = None,
    output: Annotated[
        Format,
        typer.Option(
            "--format",
            help="text for people; for tools json (a line an issue), sarif (code hosts, editors) or junit "
            "(build servers), on standard output.",
        ),
    ] = Format.text,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Worker processes.")] = 1,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="The summary only.")] = False,
) -> None:
    """Validate resources: structure, cardinality, types, bindings, fixed values, the profiles they declare.

    A line of NDJSON is a resource, and so is a file; a Bundle is validated as a whole, with its entries.

        fhir-bridge validate fhir/ --site site.yaml --jobs 4

        fhir-bridge validate examples/ --format sarif > examples.sarif

    Exit code 1 where a resource has an error, or a package can't be used as a whole.
    """
    from fhir_bridge.fhir import declared
    from fhir_bridge.pipeline import Checks, ValidationSummary, use_packages, validate_files
    from fhir_bridge.pipeline.validation_reports import FORMATS

    broken = False
    for issue in use_packages(package, site).issues:
        broken = broken or issue.severity == "error"
        if issue.severity != "information":
            text = f"{issue.source}: {issue.message} ({issue.code})"
            stderr.print(f"[{_COLOUR[issue.severity]}]{issue.severity}[/] {escape(text)}", soft_wrap=True)
    checks = Checks(tuple(profile), tuple(package), site)
    summary = ValidationSummary()
    write = (lambda _text: None) if quiet else partial(typer.echo, nl=False)
    report: Report = _Text() if output is Format.text else FORMATS[output.value](write)
    with counting("validating") as progress:
        for validated in validate_files(paths, checks, summary, progress, jobs=jobs):
            if not quiet:
                report.add(validated)
    report.close()
    table = Table(title=f"{summary.resources:,} resources, {summary.invalid:,} invalid", title_justify="left")
    for name in ("severity", "code", "findings", "what"):
        table.add_column(name)
    titles = declared()
    for (severity, code), count in summary.by_code.most_common():
        table.add_row(severity, code, f"{count:,}", titles[code].title if code in titles else "")
    stderr.print(table)
    raise typer.Exit(1 if summary.invalid or broken else 0)
