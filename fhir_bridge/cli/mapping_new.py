"""`mapping new`: a first mapping from a sample table, with the evidence of each guess."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_bridge.cli.output import UsageError, counted, stderr

if TYPE_CHECKING:
    from fhir_bridge.workshop.first_mapping import Draft

__all__ = ["new"]

_SHOWN = 8
_TRIED = 2_000
"""Rows of the sample that are converted."""


def new(
    sample: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A CSV file of a few rows or many.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; without it the mapping is printed.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the mapping; the file's without it.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a first mapping of a table: what each column is taken for, why, and what is to be answered.

    It passes `mapping check` and converts the sample. Exit code 1 where rows of the sample don't convert.
    """
    from fhir_bridge.workshop.first_mapping import SampleError, draft_mapping

    if out is not None and out.exists() and not force:
        raise UsageError(f"{out} is there already; --force writes over it")
    try:
        draft = draft_mapping(sample, name)
    except (SampleError, OSError) as error:
        raise UsageError(str(error)) from None
    code, lines = _try(sample, draft)  # before anything is written: what doesn't compile is no mapping
    if out is None:
        typer.echo(draft.text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(draft.text, "utf-8")
    _print(draft)
    for line in lines:
        stderr.print(line, soft_wrap=True)
    raise typer.Exit(code)


def _print(draft: Draft) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Columns", title_justify="left")
    for title in ("column", "taken for", "evidence"):
        table.add_column(title, overflow="fold")
    for guess in draft.guesses:
        table.add_row(escape(guess.column), escape(guess.label), escape("; ".join(guess.evidence)))
    stderr.print(table)
    stderr.print(
        f"{counted(len(draft.guesses), 'column')}, {counted(draft.questions, 'question')} in the mapping"
    )


def _try(sample: Path, draft: Draft) -> tuple[int, list[str]]:
    """Convert the sample with the mapping, as `convert` does: the exit code and what to print."""
    from rich.markup import escape

    from fhir_bridge.workshop.trial import convert_whole

    account = convert_whole(draft.text, sample, limit=_TRIED)
    lost = f", {account.partial:,} of them partly" if account.partial else ""
    withheld = f", {counted(account.withheld, 'resource')} withheld" if account.withheld else ""
    lines = [
        f"tried on the sample: {account.read:,} rows read, {account.converted:,} converted{lost}, "
        f"{account.rejected:,} rejected{withheld}"
    ]
    order = {"error": 0, "warning": 1}
    issues = sorted(account.issues.items(), key=lambda item: (order.get(item[0][0], 2), -item[1][1]))
    lines += [
        escape(f"  {code} ({count:,}): {message} ({source})")
        for (_, code, message), (source, count) in issues[:_SHOWN]
    ]
    return (1 if account.rejected or account.partial or account.withheld else 0), lines
