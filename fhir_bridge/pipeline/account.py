"""The account of a run: every record is read and then converted, skipped or rejected; nothing else can happen."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from fhir_bridge.plugins import IssueLike

__all__ = ["MAX_ISSUE_GROUPS", "Account", "peak_mb"]

MAX_ISSUE_GROUPS = 2000
"""Distinct (code, message) pairs that a report keeps apart; beyond it they are counted by code alone."""


def peak_mb() -> float:
    """Highest resident memory of this process and of its finished children, in MiB."""
    # `ru_maxrss` is in bytes on macOS, in KiB on Linux.
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return round(max(peaks) * unit / 2**20, 1)


_COUNTS = ("read", "converted", "partial", "skipped", "rejected", "withheld")


@dataclass(slots=True)
class Account:
    """Counts of one run or of one piece of it; pieces add up with `add`.

    `converted` includes `partial`: a record that lost a part but not itself. `withheld` counts resources that were
    made and not written, and what a file lost outside of its records (a header, a summary). `stored` counts what a
    load did to the store (created, updated, unchanged, stale, conflicts). `calls` are the accounts of parts of records
    that readers keep (a sample's variant calls). `state` is what a piece of a file came to, for the record that the
    file ends with.
    """

    read: int = 0
    converted: int = 0
    partial: int = 0
    skipped: int = 0
    rejected: int = 0
    withheld: int = 0
    resources: Counter[str] = field(default_factory=Counter)
    unmapped: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    issues: dict[tuple[str, str, str], list[Any]] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    state: dict[str, Any] | None = None

    def count_record(self, outcome: str, records: int = 1) -> None:
        """Count `records` source records that ended as `converted`, `partial`, `skipped` or `rejected`."""
        if not records and outcome in ("partial", "rejected"):
            self.withheld += 1
        self.read += records
        if outcome == "converted":
            self.converted += records
        elif outcome == "partial":
            self.converted += records
            self.partial += records
        else:
            setattr(self, outcome, getattr(self, outcome) + records)

    def recount(self, records: int, before: str, after: str) -> None:
        """Count records anew that turned out otherwise when they were written."""
        if not records:
            return
        self.read -= records
        if before == "partial":
            self.partial -= records
        self.converted -= records
        self.count_record(after, records)

    def count_issues(self, issues: Iterable[IssueLike], locator: str = "", *, times: int = 1) -> None:
        """Count issues by what they say, each so many times; the first place is kept as an example."""
        for issue in issues:
            key = (issue.severity, issue.code, issue.message)
            known = self.issues.get(key)
            if known is None and len(self.issues) >= MAX_ISSUE_GROUPS:
                key = (issue.severity, issue.code, "(more of this code, with other messages)")
                known = self.issues.get(key)
            if known is None:
                self.issues[key] = [issue.source or locator, times]
            else:
                known[1] += times

    def add(self, other: Account) -> None:
        """Take another piece's counts into this account."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.resources.update(other.resources)
        self.unmapped.update(other.unmapped)
        self.stored.update(other.stored)
        self.calls += other.calls
        for key, (source, count) in other.issues.items():
            known = self.issues.setdefault(key, [source, 0])
            known[1] += count

    def withhold_kept(self, parts: int, code: str) -> None:
        """Count as withheld what of the last parts was to be in a kept file, which was not kept."""
        for row in self.calls[len(self.calls) - parts :]:
            if number := row.get("kept_in_file"):
                row["withheld"] = dict(sorted({**row["withheld"], code: number}.items()))
                row["kept_in_file"] = 0

    @property
    def balanced(self) -> bool:
        """Whether read = converted + skipped + rejected."""
        return self.read == self.converted + self.skipped + self.rejected

    @property
    def has_errors(self) -> bool:
        """Whether an issue of the run is an error."""
        return any(severity in ("error", "fatal") for severity, _, _ in self.issues)

    def report(self, *, seconds: float) -> dict[str, Any]:
        """The report as docs/reports.md describes it, most frequent first."""
        report: dict[str, Any] = {
            "records": {
                "read": self.read,
                "converted": self.converted,
                "partial": self.partial,
                "skipped": self.skipped,
                "rejected": self.rejected,
            },
            "resources": dict(sorted(self.resources.items())),
            "unmapped": [
                {"system": system, "code": code, "display": display, "count": count}
                for (system, code, display), count in sorted(
                    self.unmapped.items(), key=lambda item: (-item[1], item[0])
                )
            ],
            "issues": [
                {"severity": severity, "code": code, "source": source, "message": message, "count": count}
                for (severity, code, message), (source, count) in sorted(
                    self.issues.items(), key=lambda item: (-item[1][1], item[0])
                )
            ],
            "seconds": round(seconds, 3),
            "peak_mb": peak_mb(),
        }
        if self.withheld:
            report["withheld"] = self.withheld
        if self.calls:
            report["calls"] = self.calls
        if self.stored:
            report["stored"] = dict(self.stored)
        return report

    def dump(self) -> dict[str, Any]:
        """A JSON form that `restore` reads back, for the manifest."""
        return {
            "counts": [getattr(self, name) for name in _COUNTS],
            "resources": dict(self.resources),
            "unmapped": [[*key, count] for key, count in self.unmapped.items()],
            "issues": [[*key, *value] for key, value in self.issues.items()],
            "stored": dict(self.stored),
            "calls": self.calls,
            **({"state": self.state} if self.state else {}),
        }

    @classmethod
    def restore(cls, dumped: dict[str, Any]) -> Account:
        """The account that `dump` wrote."""
        account = cls(*dumped["counts"])
        account.resources.update(dumped["resources"])
        account.stored.update(dumped["stored"])
        account.state = dumped.get("state")
        account.calls += dumped["calls"]
        account.unmapped.update({(s, c, d): n for s, c, d, n in dumped["unmapped"]})
        account.issues.update({(s, c, m): [where, n] for s, c, m, where, n in dumped["issues"]})
        return account
