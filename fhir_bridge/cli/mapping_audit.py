"""`mapping audit`: what of a source never arrived in FHIR that any engine made of it, or not as it was."""

from __future__ import annotations

import re
from datetime import timedelta, timezone, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from fhir_bridge.cli.output import UsageError, counted, stderr, stdout, steps

if TYPE_CHECKING:
    from fhir_bridge.workshop.audit import Audit

__all__ = ["audit"]

_SHOWN = 40


class Format(StrEnum):
    """How findings are printed."""

    text = "text"
    json = "json"


def audit(
    source: Annotated[
        Path, typer.Option("--source", exists=True, help="HL7 v2, tables, VCF, DICOM: a file or a folder.")
    ],
    fhir: Annotated[
        Path, typer.Option("--fhir", exists=True, help="The FHIR made of them: Bundles, NDJSON, resources.")
    ],
    output: Annotated[
        Format, typer.Option("--format", help="A table, or all findings as JSON.")
    ] = Format.text,
    html: Annotated[Path | None, typer.Option("--html", help="Write one self-contained page.")] = None,
    with_values: Annotated[
        bool, typer.Option("--with-values", help="Show values of patients, in the page too.")
    ] = False,
    zone: Annotated[
        str, typer.Option(help="Of times that state none (+01:00, Europe/Zurich); else that of MSH-7.")
    ] = "",
) -> None:
    """Compare sources with the FHIR that any engine made of them, value by value.

    Reported is what never arrived, changed unit, zone, status or value, collided, or stands in the FHIR and in no
    source; exit code 1 where there is any.
    """
    from fhir_bridge.workshop.audit import as_data, as_page, audit_folders, source_files

    stated = _zone(zone)
    total = source_files(source, fhir)
    if not total:
        raise UsageError(f"there is no HL7 v2 message, table, VCF or DICOM file in {source}")
    with steps("audit", total) as advance:
        result = audit_folders(source, fhir, zone=stated, advance=advance)
    if html is not None:
        html.write_text(
            as_page(result, with_values=with_values, source=source.name, fhir=fhir.name), "utf-8", "replace"
        )
    if output is Format.json:
        import json

        typer.echo(json.dumps(as_data(result, with_values=with_values), ensure_ascii=False, indent=1))
    else:
        _print(result, with_values=with_values)
    seen = sum(result.by_kind().values())
    stderr.print(
        f"{counted(len(result.records), 'record')}, {result.leaves:,} values, {result.arrived:,} arrived, "
        f"{counted(seen, 'finding')}, {counted(len(result.problems), 'problem')}"
    )
    raise typer.Exit(1 if seen or result.problems else 0)


def _zone(text: str) -> tzinfo | None:
    if not text:
        return None
    match = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
    if match:
        minutes = int(match[2]) * 60 + int(match[3])
        return timezone(timedelta(minutes=-minutes if match[1] == "-" else minutes))
    try:
        return ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # KeyError: no zone of that name
        raise UsageError(f'--zone {text}: write an offset ("+01:00") or a zone ("Europe/Zurich")') from None


def _print(result: Audit, *, with_values: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    fields = result.by_field()
    table = Table(title="Findings", title_justify="left")
    for name in ("field", "kind", "what", "count", "first place"):
        table.add_column(name, justify="right" if name == "count" else "left", overflow="fold")
    for field, kind, detail, count, first in fields[:_SHOWN]:
        table.add_row(escape(field), kind.value, escape(detail), f"{count:,}", escape(first))
    if fields:
        stdout.print(table)
    if len(fields) > _SHOWN:
        stdout.print(f"… and {len(fields) - _SHOWN} more; --format json and --html have all")
    if with_values:
        for record, finding in result.findings:
            seen = f" ≠ {finding.seen}" if finding.seen else ""
            stdout.print(
                escape(f"{record.locator} {finding.locator}: {finding.kind.value}: {finding.value}{seen}"),
                soft_wrap=True,
            )
        for each in result.invented:
            text = f"{each.place} {each.element}: invented {each.what}: {each.value}"
            stdout.print(escape(text), soft_wrap=True)
    for name, first, second in result.twins:
        stdout.print(escape(f"two contents under {name}: {first} and {second}"), soft_wrap=True)
    for problem in result.problems:
        stdout.print(f"[red]{escape(problem.place)}[/]: {escape(problem.reason)}", soft_wrap=True)
