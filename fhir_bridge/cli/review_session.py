"""A review in the terminal: one term at a time, its candidates numbered, a letter for everything else."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from fhir_bridge.cli.output import counted, stdout

if TYPE_CHECKING:
    from fhir_bridge.terminology.curation import Entry, Review
    from fhir_bridge.terminology.suggest import Suggester, Suggestion

__all__ = ["ReviewSession"]

HELP = """[bold]number[/] take that candidate   [bold]n[/] none fits   [bold]p[/] postpone
[bold]/text[/] search by other words, or by code
[bold]e wider 2[/] candidate 2, but it is wider (equal, equivalent, wider, narrower, inexact, relatedto)
[bold]u[/] undo the last   [bold]a 0.9[/] approve the clear ones from 0.9 on
[bold]z[/] none fits, for all that have no suggestion
[bold]q[/] quit (all is kept)   [bold]?[/] this help"""


class ReviewSession:
    """Asks for a decision on each open term until none is left or the reviewer stops."""

    def __init__(
        self,
        review: Review,
        by: str,
        suggester: Suggester | None,
        read: Callable[[], str] = lambda: sys.stdin.readline(),
    ) -> None:
        self._review = review
        self._by = by
        self._suggester = suggester
        self._read = read
        self._last: list[str] = []

    def run(self) -> None:
        """Go through what is open. The end of the input ends the session."""
        stdout.print(HELP)
        postponed: set[str] = set()
        while True:
            waiting = [entry for entry in self._review.pending() if entry.key not in postponed]
            if not waiting:
                break
            entry = waiting[0]
            self._show(entry, len(waiting))
            candidates = list(entry.candidates)
            while True:
                stdout.print("> ", end="")
                line = self._read()
                if not line or line.strip() == "q":
                    stdout.print(f"{counted(len(self._review.pending()), 'term')} open")
                    return
                done = self._answer(line.strip(), entry, candidates)
                if done:
                    if entry.decision is not None and entry.decision.verdict == "postponed":
                        postponed.add(entry.key)
                    break
        stdout.print(f"nothing left to decide; {counted(len(postponed), 'term')} postponed")

    def _answer(self, line: str, entry: Entry, candidates: list[Suggestion]) -> bool:
        """Carry an answer out; whether to go on to the next term. A search adds to the candidates."""
        word, _, rest = line.partition(" ")
        try:
            if line.isdecimal():
                self._accept(entry, _numbered(candidates, line))
            elif word == "e":
                equivalence, _, number = rest.partition(" ")
                self._accept(entry, _numbered(candidates, number), equivalence)
            elif word in ("n", "p"):
                self._review.decide(entry.key, {"n": "none", "p": "postponed"}[word], self._by, rest)
                self._last.append(entry.key)
            elif word == "u" and self._last:
                self._review.decide(self._last.pop(), "reopened", self._by)
            elif word == "a":
                chosen = self._review.approve(float(rest), self._by)
                self._last += [item.key for item in chosen]
                stdout.print(f"{counted(len(chosen), 'term')} approved")
            elif word == "z":
                dismissed = self._review.dismiss(self._by, rest)
                self._last += [item.key for item in dismissed]
                stdout.print(f"{counted(len(dismissed), 'term')} without a code")
            elif line.startswith("/"):
                self._search(entry, line[1:].strip(), candidates)
                return False
            else:
                stdout.print(HELP)
                return False
        except ValueError as error:
            stdout.print(f"[red]{escape(str(error))}[/]; ? shows what can be said")
            return False
        return True

    def _accept(self, entry: Entry, candidate: Suggestion, equivalence: str = "equivalent") -> None:
        self._review.accept(entry.key, candidate, self._by, equivalence)
        self._last.append(entry.key)

    def _search(self, entry: Entry, text: str, candidates: list[Suggestion]) -> None:
        if self._suggester is None:
            stdout.print("to search, start with --target URL of a code system")
            return
        begin = len(candidates)
        candidates += self._suggester.search(text, entry.term)
        _print(candidates[begin:], begin)

    def _show(self, entry: Entry, left: int) -> None:
        term = entry.term
        about = "  ".join(
            filter(None, (term.unit, term.specimen, term.language, f"used {term.count:,} times"))
        )
        stdout.print(f"\n[dim]{counted(left, 'term')} left[/]")
        stdout.print(f"[bold]{escape(term.name)}[/]  {escape(term.code)}  {escape(about)}", highlight=False)
        if entry.candidates and not entry.suggested:
            stdout.print("nothing is near enough to be suggested; nearest is")
        if entry.candidates:
            _print(list(entry.candidates), 0)
        else:
            stdout.print("no candidate")


def _numbered(candidates: list[Suggestion], number: str) -> Suggestion:
    if not number.isdecimal() or not 1 <= int(number) <= len(candidates):
        raise ValueError(f"there is no candidate {number or '(no number)'}")
    return candidates[int(number) - 1]


def _print(candidates: list[Suggestion], begin: int) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("", "score", "code", "name", "because"):
        table.add_column(name, overflow="fold")
    for number, item in enumerate(candidates, begin + 1):
        table.add_row(
            str(number),
            f"{item.score:.2f}",
            item.code,
            escape(item.display),
            escape("; ".join(item.evidence)),
        )
    stdout.print(table)
