"""Processor time of `--help` of the root and of each command: `python benchmarks/command_line.py`.

Each runs in a process of its own, several times; the least is printed, with the goal of the root (0.4 s).
"""

from __future__ import annotations

import os
import subprocess
import sys

COMMANDS = "serve convert load validate predict plugins mapping terminology client inbox view fhir".split()
RUNS = 5


def seconds(*arguments: str) -> float:
    """Processor time of one run, of user and system."""
    pid = subprocess.Popen(
        [sys.executable, "-m", "fhir_bridge.cli", *arguments], stdout=subprocess.DEVNULL
    ).pid
    usage = os.wait4(pid, 0)[2]
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Print the table."""
    print("command      processor seconds (least of", RUNS, "runs)")
    print(f"--help       {min(seconds('--help') for _ in range(RUNS)):.2f}  (goal 0.40)")
    for command in COMMANDS:
        print(f"{command:12} {min(seconds(command, '--help') for _ in range(RUNS)):.2f}")


if __name__ == "__main__":
    main()
