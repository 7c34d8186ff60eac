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
    if out is None:
        typer.echo(draft.text, nl=False)
    else:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(draft.text, "utf-8")
    _print(draft)
    raise typer.Exit(_try(sample, draft))


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


def _try(sample: Path, draft: Draft) -> int:
    """Convert the sample with the mapping, and report."""
    from rich.markup import escape

    from fhir_bridge.workshop.trial import convert_with

    account = convert_with(draft.text, sample, limit=500).account
    stderr.print(
        f"tried on the sample: {account.read:,} rows read, {account.converted:,} converted, "
        f"{account.rejected:,} rejected"
    )
    issues = sorted(account.issues.items(), key=lambda item: -item[1][1])
    for (_, code, message), (source, count) in issues[:_SHOWN]:
        stderr.print(escape(f"  {code} ({count:,}): {message} ({source})"), soft_wrap=True)
    return 1 if account.rejected else 0
