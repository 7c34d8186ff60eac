"""Processor time of processes and of all that descend from them."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

TICKS = os.sysconf("SC_CLK_TCK")


def postmaster_of(url: str) -> int:
    """The process of which all of a PostgreSQL's are children."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return int(Path(f"/proc/{row[0]}/stat").read_text().rpartition(")")[2].split()[1])


def seconds_of(root: int | None) -> float:
    """Processor time of a process and all that descend from it, those that ended among them."""
    if root is None:
        return 0.0
    parents: dict[int, int] = {}
    spent: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
            spent[int(entry.name)] = sum(int(field) for field in fields[11:15])
    total = 0
    for process, ticks in spent.items():
        ancestor: int | None = process
        while ancestor and ancestor != root:
            ancestor = parents.get(ancestor)
        total += ticks if ancestor else 0
    return total / TICKS
