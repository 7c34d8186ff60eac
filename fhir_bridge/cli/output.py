"""What commands print with: consoles, progress bars, the table of a run."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["UsageError", "counted", "counting", "print_report", "stderr", "stdout", "steps"]

WIDE = 10_000


def _width(stream: IO[str]) -> int | None:
    """A terminal's own width; what goes to a file or a pipe is cut nowhere."""
    return None if stream.isatty() or "COLUMNS" in os.environ else WIDE


class _Messages(Console):
    """What a person reads while a command runs: where nobody reads on (`| head`), the command goes on in silence."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stderr.fileno())
        os.close(nothing)


stdout = Console(emoji=False, width=_width(sys.stdout))  # `map.csv:100: …` names a line, no emoji
stderr = _Messages(stderr=True, emoji=False, width=_width(sys.stderr))

_ISSUES_SHOWN = 12
_REDRAWN = 0.1
"""Seconds after which a progress line is drawn again."""


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
    # Without a thread that draws it: of a process with one thread workers are forked.
    with Progress(*columns, console=stderr, transient=True, auto_refresh=False) as progress:
        task = progress.add_task(what, total=None)
        drawn = time.monotonic()

        def count_to(count: int) -> None:
            nonlocal drawn
            now = time.monotonic()
            progress.update(task, completed=count, refresh=now - drawn >= _REDRAWN)
            if now - drawn >= _REDRAWN:
                drawn = now

        yield count_to


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


def _counts(stored: dict[str, int]) -> str:
    """What a load did to the store, without what it did not."""
    return ", ".join(f"{count:,} {name}" for name, count in stored.items() if count) or "nothing new"


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
    if "stored" in report:
        stderr.print(f"stored: {_counts(report['stored'])}")
    if "inbox" in report:
        inbox = report["inbox"]
        stderr.print(
            f"inbox: {inbox['settled']} settled, {inbox['waiting']} still waiting; {_counts(inbox['stored'])}"
        )
        for name, count in inbox.get("no_mapping", {}).items():
            stderr.print(f"inbox: {count} waiting because the mapping {escape(name)} can't be read")
    if "dangling" in report:
        stderr.print(f"referred to, and not stored: {_counts(report['dangling'])}")
    stderr.print(f"{report['seconds']:.1f} s, {report['peak_mb']:.0f} MB at the peak")
