"""What commands print with: consoles, progress bars, the table of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["UsageError", "counted", "counting", "print_report", "stderr", "stdout", "steps"]

stdout = Console(emoji=False)  # `map.csv:100: …` names a line, no emoji
stderr = Console(stderr=True, emoji=False)

_ISSUES_SHOWN = 12


def counted(number: int, noun: str) -> str:
    """`1 mapping`, `2 mappings`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class UsageError(Exception):
    """The command was called in a way that can't work; the message says how it can."""


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """A progress line for work whose end is not known: yields a function that takes the count so far."""
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.completed:,.0f} records"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr, transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda count: progress.update(task, completed=count)


@contextmanager
def steps(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar over a known number of steps: yields a function that names the next step."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=stderr) as progress:
        task = progress.add_task(what, total=total)
        begun = False

        def advance(name: str) -> None:
            nonlocal begun
            progress.update(task, description=name, advance=1 if begun else 0)
            begun = True

        yield advance
        progress.update(task, completed=total, description=what)


def print_report(report: dict[str, Any]) -> None:
    """The account of a run, as a person reads it."""
    records = report["records"]
    table = Table(title="Records", title_justify="left")
    for name in records:
        table.add_column(name, justify="right")
    table.add_row(*(f"{count:,}" for count in records.values()))
    stderr.print(table)
    if report["resources"]:
        resources = Table(title="Resources", title_justify="left")
        resources.add_column("type")
        resources.add_column("count", justify="right")
        for name, count in report["resources"].items():
            resources.add_row(name, f"{count:,}")
        stderr.print(resources)
    if report["issues"]:
        issues = Table(title="Issues", title_justify="left")
        for name in ("severity", "code", "count", "what", "first place"):
            issues.add_column(name, justify="right" if name == "count" else "left", overflow="fold")
        for issue in report["issues"][:_ISSUES_SHOWN]:
            issues.add_row(
                issue["severity"],
                issue["code"],
                f"{issue['count']:,}",
                escape(issue["message"]),
                escape(issue["source"]),
            )
        stderr.print(issues)
        more = len(report["issues"]) - _ISSUES_SHOWN
        if more > 0:
            stderr.print(f"… and {more} more kinds of issue in the report")
    if report["unmapped"]:
        total = sum(row["count"] for row in report["unmapped"])
        stderr.print(
            f"{total:,} codings of {len(report['unmapped'])} local codes are unmapped (kept; see the report)"
        )
    stderr.print(f"{report['seconds']:.1f} s, {report['peak_mb']:.0f} MB at the peak")
