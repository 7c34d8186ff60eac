"""Reasons for disagreement: who is right, and by which clause of the specification."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts.agreement.validators import ValidatorResult

__all__ = ["RIGHT", "Reason", "load", "reason_for"]

TABLE = Path(__file__).parent / "verdicts.toml"
RIGHT = ("ours", "official", "both", "neither")


@dataclass(frozen=True, slots=True)
class Reason:
    """A row of the table.

    Attributes:
        side: who finds the errors that the row speaks of: `ours` or `official`.
        code: regular expression for our issue code, or for the official message id; matches as a whole.
        message: regular expression that is found in the message.
        path: regular expression that is found in the path.
        right: who is right; `both` where the specification leaves it open.
        why: the reason, with the clause.
        rare: it explains what not every run meets (`rare = true`).
    """

    name: str
    side: str
    code: str
    message: str
    path: str
    right: str
    why: str
    rare: bool = False

    def matches(self, finding: tuple[str, str, str, str]) -> bool:
        """Whether the row explains this error."""
        _, code, path, message = finding
        return (
            re.fullmatch(self.code, code) is not None
            and re.search(self.message, message) is not None
            and re.search(self.path, path) is not None
        )


def load(table: Path = TABLE) -> list[Reason]:
    """The rows, in the order of the file.

    Raises:
        ValueError: a row lacks something, or says what no row may say.
    """
    rows = tomllib.loads(table.read_text(encoding="utf-8"))
    reasons = []
    for name, row in rows.items():
        reason = Reason(
            name=name,
            side=row.get("side", ""),
            code=row.get("code", ".*"),
            message=row.get("message", ""),
            path=row.get("path", ""),
            right=row.get("right", ""),
            why=row.get("why", ""),
            rare=row.get("rare", False),
        )
        if reason.side not in ("ours", "official") or reason.right not in RIGHT or not reason.why:
            raise ValueError(f"{table}: [{name}] needs side, right and why")
        if not (row.get("code") or row.get("message")):
            raise ValueError(f"{table}: [{name}] would explain everything: it needs a code or a message")
        reasons.append(reason)
    return reasons


def reason_for(
    ours: ValidatorResult, official: ValidatorResult, reasons: Iterable[Reason]
) -> tuple[Reason, ...] | None:
    """The rows that explain why one finds errors and the other none; None unless each error is explained."""
    side, errors = ("ours", ours.errors) if ours.errors else ("official", official.errors)
    rows = [r for r in reasons if r.side == side]
    return explain(errors, rows)


def explain(errors: Sequence[tuple[str, str, str, str]], rows: Sequence[Reason]) -> tuple[Reason, ...] | None:
    """The rows that explain the errors between them; None where one is left without."""
    reasons: list[Reason] = []
    for error in errors:
        row = next((r for r in rows if r.matches(error)), None)
        if row is None:
            return None
        if row not in reasons:
            reasons.append(row)
    return tuple(reasons)
