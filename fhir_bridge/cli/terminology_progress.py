"""How far an import is: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.text import Text

from fhir_bridge.cli.output import stderr
from fhir_bridge.terminology.imports import Progress as Heard

__all__ = ["Bar", "Lines", "shown_progress"]

_EVERY = 10.0  # seconds between two lines of a log


@contextmanager
def shown_progress(console: Console = stderr) -> Iterator[Heard]:
    """What an import reports its progress to, shown on the console as fits it."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        _Amount(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress)


class Bar(Heard):
    """Shows a bar for what has a known size, a moving one for the rest."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def begin(self, what: str, total: int = 0, unit: str = "bytes") -> None:
        self._progress.remove_task(self._task)  # one that is reset would keep its total
        self._task = self._progress.add_task(escape(what), total=total or None, unit=unit)

    def advance(self, count: int) -> None:
        self._progress.advance(self._task, count)


class _Amount(TextColumn):
    """How much of how much; nothing where that is not known."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        return Text(
            _amount(task.completed, task.total, task.fields.get("unit", "")), style="progress.download"
        )


def _amount(done: float, total: float | None, unit: str) -> str:
    if not total:
        return ""
    if unit == "bytes":
        return f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"
    return f"{done:,.0f} of {total:,.0f} {unit}"


class Lines(Heard):
    """Says in a line what is done, at most once in some seconds, so that a log shows that it goes on."""

    def __init__(self, console: Console, every: float = _EVERY) -> None:
        self._console, self._every = console, every
        self._what, self._done, self._total, self._unit = "", 0, 0, ""
        self._begun = self._reported_at = time.monotonic()

    def begin(self, what: str, total: int = 0, unit: str = "bytes") -> None:
        self._what, self._done, self._total, self._unit = what, 0, total, unit
        self._report()

    def advance(self, count: int) -> None:
        self._done += count
        self._report()

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported_at < self._every:
            return
        self._reported_at = now
        amount = _amount(self._done, self._total, self._unit)
        line = f"{self._what}{f', {amount}' if amount else ''}, after {now - self._begun:.0f} s"
        self._console.print(line, soft_wrap=True, highlight=False, markup=False)
