"""Run the suite and say the outcome of each case: `python -m tests.conformance.tx.run FOLDER [SUITE…] [--show]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.tx.answers import OPERATIONS, STATEMENTS, Answer, answer, service
from tests.conformance.tx.compare import Rules
from tests.conformance.tx.normalize import normalized
from tests.conformance.tx.suite import FHIR_VERSION, LICENSED, Case, cases, externals, read


@dataclass(frozen=True)
class Result:
    """The outcome of a case; `difference` None is a pass."""

    case: Case
    difference: str | None
    status: int = 0
    actual: Any = None


def compare(case: Case, value: Answer) -> Result:
    """Compare an answer."""
    status, resource = value
    actual = resource if case.request is None else normalized(resource)
    rules = Rules(FHIR_VERSION, externals=externals(case), pattern=case.request is None)
    differences = [rules.difference(read(path), actual) for path in (case.response, *case.alternatives)]
    difference = None if None in differences else differences[0]
    if difference is None and not case.alternatives and str(status)[0] != case.status[0]:
        difference = f"HTTP status {case.status} expected, {status} found"
    return Result(case, difference, status, actual)


def run(
    root: Path, only: set[str] | None = None, ask: Callable[[Case], Answer] | None = None
) -> Iterator[Result]:
    """Results of all cases that a server of our version can be asked and that take no licensed suite."""
    if ask is None:
        terminology = service()

        def ask(case: Case) -> Answer:
            return answer(case, terminology)

    for case in cases(root):
        if case.suite in LICENSED or not case.applies or case.operation not in (*OPERATIONS, *STATEMENTS):
            continue
        if only and case.suite not in only and case.key not in only:
            continue
        try:
            yield compare(case, ask(case))
        except Exception as error:  # noqa: BLE001 - a crash is a failed case, not the end of the run
            yield Result(case, f"{type(error).__name__}: {error}")


def report(results: Iterable[Result], *, show: bool = False) -> None:
    """Print differences as they are found, then counts; with `show` the answers too."""
    counts: dict[str, list[int]] = {}
    for result in results:
        passed, total = counts.setdefault(result.case.suite, [0, 0])
        counts[result.case.suite] = [passed + (result.difference is None), total + 1]
        if result.difference is not None:
            print(f"{result.case.key}: {result.difference[:400]}")
            if show:
                print(json.dumps(result.actual, indent=1))
    for suite, (passed, total) in counts.items():
        print(f"{suite:28} {passed:4} of {total:4}")
    print(f"{'all':28} {sum(c[0] for c in counts.values()):4} of {sum(c[1] for c in counts.values()):4}")


def main(arguments: list[str]) -> None:
    """Run it over the Python API."""
    root, *only = [argument for argument in arguments if not argument.startswith("--")]
    report(run(Path(root), set(only)), show="--show" in arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
