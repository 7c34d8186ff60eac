"""`mapping test`: golden examples, and what they must become brought up to date hunk by hunk."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from fhir_bridge.cli.mapping_files import Mappings, left_out, mapping_files
from fhir_bridge.cli.output import UsageError, counted, stderr, stdout, steps

if TYPE_CHECKING:
    from fhir_bridge.workshop import Comparison, Example, Hunk

__all__ = ["run_examples"]

_QUESTION = "Take this hunk [y,n,a,d,q,?]? "
_HELP = """y: take it    n: leave it    a: take it and all that follow    d: leave it and all of this example
q: leave it and all that follow    ?: this help"""


class _Quit(Exception):
    """The person wants to take nothing more."""


def run_examples(
    paths: Mappings = [],  # noqa: B006 - typer copies it
    update: Annotated[
        bool, typer.Option("--update", help="Ask for each difference whether it is expected from now on.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="With --update: take all differences without asking.")
    ] = False,
    pattern: Annotated[
        str | None,
        typer.Option("-k", metavar="PATTERN", help="Only examples whose name has it; * and ? as in files."),
    ] = None,
) -> None:
    """Convert each golden example and compare with the FHIR that is beside it; exit code 1 on a difference.

        fhir-bridge mapping test walks/ -k '*felt*'

        fhir-bridge mapping test walks/ --update

    An example is a folder `examples/<name>/` beside the mapping: the source, `expected.ndjson`, and where it needs them
    `site.yaml` and `crosswalk.csv`. Ids may differ where one renaming explains them and references follow.

    --update writes `expected.ndjson` where there is none, and asks for each resource that differs: y, n, a, d or q, as
    `git add --patch` does. It needs a terminal; --update --all takes everything.
    """
    from fhir_bridge.workshop import compare, golden_examples

    if everything and not update:
        raise UsageError("--all goes with --update")
    examples = [example for file in mapping_files(paths) for example in golden_examples(file)]
    if pattern is not None:
        examples = [example for example in examples if _named(example, pattern)]
        if not examples:
            raise UsageError(f"no example has a name with {pattern}")
    failed, count = 0, 0
    wants = _Answers(everything)
    with steps("examples", max(len(examples), 1)) as advance:
        results: list[Comparison] = []
        for example in examples:
            advance(example.name)
            with left_out(example.mapping, named=bool(paths)):
                results.append(compare(example))
    for comparison in results:
        count += 1
        if comparison.passed:
            continue
        if update and wants.settle(comparison):
            continue
        failed += 1
        _report(comparison)
    stderr.print(
        f"{counted(count, 'example')}, {failed} differ" + (f", {wants.written} updated" if update else "")
    )
    raise typer.Exit(1 if failed else 0)


def _named(example: Example, pattern: str) -> bool:
    return (
        pattern in example.name
        or fnmatchcase(example.name, pattern)
        or fnmatchcase(example.folder.name, pattern)
    )


def _report(comparison: Comparison) -> None:
    stdout.print(f"[red]{escape(comparison.example.name)}[/]", soft_wrap=True)
    if comparison.expected is None:
        stdout.print(
            f"  {comparison.example.expected.name} is missing; --update writes it for you to read",
            soft_wrap=True,
        )
        return
    hunks = _hunks(comparison)
    for hunk in hunks:
        _show(hunk)
    for difference in () if hunks else comparison.differences:  # of resources that have one id
        stdout.print(escape(f"  {difference}"), soft_wrap=True, highlight=False)


def _hunks(comparison: Comparison) -> list[Hunk]:
    from fhir_bridge.workshop import hunks

    return hunks(comparison.expected or [], comparison.actual)


def _show(hunk: Hunk) -> None:
    """A hunk in colour; without colour the marks say the same: - what is expected, + what it is now."""
    from fhir_bridge.workshop import hunk_lines

    for sign, line in hunk_lines(hunk):
        colour = {"-": "red", "+": "green", "@": "cyan"}.get(sign, "")
        text = escape(f"  {sign} {line}" if sign else f"  {line}")
        stdout.print(f"[{colour}]{text}[/]" if colour else text, soft_wrap=True, highlight=False)


class _Answers:
    """What a person takes of what changed."""

    def __init__(self, everything: bool) -> None:
        self.everything = everything
        self.stopped = False
        self.written = 0

    def settle(self, comparison: Comparison) -> bool:
        """Bring what is expected up to date; whether nothing differs now.

        Raises:
            UsageError: a person has to be asked, and there is no terminal.
        """
        from fhir_bridge.workshop import write_expected

        if comparison.expected is None or self.everything:
            write_expected(comparison.example, comparison)
            self.written += 1
            return True
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise UsageError(
                f"{comparison.example.name} differs, and --update asks for each difference, which needs a terminal; "
                "--update --all takes all of them"
            )
        hunks = _hunks(comparison)
        taken = self._ask(comparison, hunks)
        if taken:
            write_expected(comparison.example, comparison, taken)
            self.written += 1
        return len(taken) == len(hunks)

    def _ask(self, comparison: Comparison, hunks: list[Hunk]) -> list[Hunk]:
        taken: list[Hunk] = []
        all_of_rest = False
        if self.stopped:
            return taken
        stdout.print(f"[bold]{escape(comparison.example.name)}[/]")
        for number, hunk in enumerate(hunks, 1):
            answer = "y" if all_of_rest or self.everything else ""
            if not answer:
                _show(hunk)
                answer = self._answer(number, len(hunks))
            if answer in ("y", "a"):
                taken.append(hunk)
                self.everything = self.everything or answer == "a"
            elif answer == "d":
                break
            elif answer == "q":
                self.stopped = True
                break
        return taken

    @staticmethod
    def _answer(number: int, total: int) -> str:
        while True:
            try:
                answer = input(f"({number}/{total}) {_QUESTION}").strip().lower()[:1]
            except EOFError:
                return "q"
            if answer in ("y", "n", "a", "d", "q"):
                return answer
            stdout.print(_HELP)
