"""Who is right where two engines differ, and by which clause: the rows of verdicts.toml, decided by people."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.peers.comparing import OUTCOMES, Finding

__all__ = ["RIGHT", "Verdict", "load", "verdict_for"]

TABLE = Path(__file__).parent / "verdicts.toml"
RIGHT = ("ours", "peer", "both", "neither")
_KEYS = frozenset(("element", "outcome", "value", "own", "adapter", "aligned", "elsewhere", "right", "why"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A row of the table.

    Attributes:
        element: regular expression that matches the whole element.
        outcomes: the outcomes that it speaks of.
        value, own: regular expressions that are found in what the peer has, in what we have.
        adapter, aligned, elsewhere: it speaks of those alone; None of all.
        right: who is right; `both` where the guides leave it open, or both say the same in other places.
        why: the reason, with the clause.
    """

    name: str
    element: re.Pattern[str]
    outcomes: tuple[str, ...]
    value: re.Pattern[str] | None
    own: re.Pattern[str] | None
    adapter: str | None
    aligned: bool | None
    elsewhere: bool | None
    right: str
    why: str

    def matches(self, adapter: str, finding: Finding) -> bool:
        """Whether the row speaks of a finding."""
        return (
            finding.outcome in self.outcomes
            and self.adapter in (None, adapter)
            and self.aligned in (None, finding.aligned)
            and self.elsewhere in (None, finding.elsewhere)
            and (self.value is None or self.value.search(finding.theirs) is not None)
            and (self.own is None or self.own.search(finding.ours) is not None)
            and self.element.fullmatch(finding.element) is not None
        )


def load(table: Path = TABLE) -> list[Verdict]:
    """The rows, in the order of the file; the first one that matches counts.

    Raises:
        ValueError: a row lacks something, or has what no row has.
    """
    return [_row(table, name, row) for name, row in tomllib.loads(table.read_text("utf-8")).items()]


def _row(table: Path, name: str, row: dict[str, Any]) -> Verdict:
    outcomes = tuple(row.get("outcome", ("they", "different")))
    if row.keys() - _KEYS or not row.get("element") or set(outcomes) - set(OUTCOMES[1:]):
        raise ValueError(f"{table}: [{name}] has keys or outcomes that no row has, or no element")
    if row.get("right") not in RIGHT or not str(row.get("why", "")).endswith("."):
        raise ValueError(f"{table}: [{name}] needs right ({', '.join(RIGHT)}) and why, a sentence")
    patterns = {key: re.compile(row[key]) if key in row else None for key in ("value", "own")}
    return Verdict(
        name,
        re.compile(row["element"]),
        outcomes,
        patterns["value"],
        patterns["own"],
        row.get("adapter"),
        row.get("aligned"),
        row.get("elsewhere"),
        row["right"],
        row["why"],
    )


def verdict_for(adapter: str, finding: Finding, rows: Iterable[Verdict]) -> Verdict | None:
    """The row that speaks of a difference; None where none does."""
    return next((row for row in rows if row.matches(adapter, finding)), None)
