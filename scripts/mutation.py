"""Mutation testing of the modules that decide who sees what, and what a call or a slice means: `make mutation`.

    python scripts/mutation.py [--keep]

mutmut changes one thing at a time in a copy below `mutants/` and runs the tests that execute the changed function;
a change that no test notices has survived. `[tool.mutmut]` in pyproject.toml says which modules, and which tests are
about each. Exit code 1 where less than 85 % of a module's mutants are killed. `mutmut browse` and
`mutmut show NAME` look into the results of the last run.

mutmut and not cosmic-ray: it forks a process that has imported everything, so that a mutant takes the time of its
tests; cosmic-ray starts pytest anew for each, five seconds of processor time for 1,400 mutants, and changes the working
tree in place. mutmut mutates functions only: tables and patterns of modules are not counted.

A mutant that means the same as the original is left out, if it must be, by `# pragma: no mutate` on its line, with the
reason; none is today.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEAST = 0.85
"""The part of a module's mutants that has to be killed."""

NOTICED = frozenset({"killed", "timeout", "segfault"})
"""Results that `make test` would show too: a failed test, an endless loop, a crash."""


@dataclass
class Result:
    """The outcome of a module's mutants.

    Attributes:
        survivors: name of the function, line before, line after, what mutmut says.
    """

    module: str
    killed: int = 0
    survivors: list[tuple[str, str, str, str]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """The part that was killed; 0 where there was no mutant, which means that something is wrong."""
        total = self.killed + len(self.survivors)
        return self.killed / total if total else 0.0


@contextmanager
def database() -> Iterator[dict[str, str]]:
    """The tests' embedded server, kept running: tests/fixtures_postgres.py then attaches to it for each mutant."""
    from fhir_bridge.storage.embedded import EmbeddedServer

    run = f"mutation-{os.getpid()}"
    folder = Path(tempfile.gettempdir()) / f"fhir-bridge-tests-{run}"
    server = EmbeddedServer.start(folder, settings={"fsync": "off", "shared_buffers": "64MB"})
    try:
        yield {**os.environ, "PYTEST_XDIST_TESTRUNUID": run, "FHIR_BRIDGE_PLUGINS": "builtin"}
    finally:
        if server.release():  # after an interruption the last test that still runs stops it
            shutil.rmtree(folder, ignore_errors=True)


def changed_lines(diff: str) -> tuple[str, str]:
    """The lines before and after the mutation, without their indentation."""
    lines = [line for line in diff.splitlines() if line[:3] not in ("---", "+++")]
    before, after = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in ("-", "+")
    )
    return before, after


def results() -> list[Result]:
    """The results that mutmut left in `mutants/`, module by module."""
    from mutmut.configuration import config
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code

    outcome = []
    for module in config().only_mutate:
        data = SourceFileMutationData(path=module)
        data.load()
        result = Result(module)
        for name, code in data.exit_code_by_key.items():
            status = status_by_exit_code[code]
            if status in NOTICED:
                result.killed += 1
                continue
            before, after = changed_lines(get_diff_for_mutant(name, path=module))
            function = name.rpartition(".")[2].removeprefix("x_").partition("__mutmut_")[0]
            result.survivors.append((function, before, after, status))
        outcome.append(result)
    return outcome


def report(outcome: list[Result]) -> str:
    """The table, and the survivors below it."""
    lines = [
        f"{'module':48} {'killed':>6} {'survived':>8} {'share':>6}",
        *(f"{r.module:48} {r.killed:6} {len(r.survivors):8} {r.share:6.1%}" for r in outcome),
    ]
    for result in outcome:
        for function, before, after, status in result.survivors:
            lines += ["", f"{result.module} {function} ({status})", f"- {before}", f"+ {after}"]
    return "\n".join(lines)


def main() -> int:
    """Run mutmut and say what it found."""
    parser = argparse.ArgumentParser(description="mutation testing, see the top of this file")
    parser.add_argument("--keep", action="store_true", help="run only what the last run left unfinished")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    if not arguments.keep:
        shutil.rmtree("mutants", ignore_errors=True)
    with database() as environment:
        command = [str(Path(sys.executable).with_name("mutmut")), "run"]
        if subprocess.run(command, env=environment, check=False).returncode:
            return 1
    outcome = results()
    print(report(outcome))
    return int(any(result.share < LEAST for result in outcome))


if __name__ == "__main__":
    sys.exit(main())
