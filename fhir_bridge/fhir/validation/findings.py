"""Findings up to a number: what a caller reads of them is bounded, and so is what they cost."""

from __future__ import annotations

from dataclasses import replace

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.validation.codes import CODES

__all__ = ["Findings", "IssueLimitReached"]


LONGEST_MESSAGE = 1_000
"""Characters of a message."""


class IssueLimitReached(Exception):
    """The resource is invalid, and as many findings as wanted are listed."""


class Findings(list[Issue]):
    """The findings of a validation. Once `most` are listed, the validation ends with the first error, listed or not;
    until there is one, only warnings can follow, which are counted.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most
        self._failed = False
        self._more = 0
        self._ended = False

    def append(self, issue: Issue) -> None:
        """Note a finding.

        Raises:
            IssueLimitReached: there are enough.
        """
        failed = issue.severity in ("error", "fatal")
        # Cut in the middle: a message ends in what defines the rule.
        if (
            len(issue.message) > LONGEST_MESSAGE
        ):  # it quotes a value, and a value may be as long as the resource
            shortened = f"{issue.message[: LONGEST_MESSAGE - 300]} … {issue.message[-300:]}"
            issue = replace(issue, message=shortened)
        if len(self) < self._most:
            self._failed |= failed
            super().append(issue)
            return
        # Listed beyond the number: without an error among the findings the resource would pass for valid.
        if failed and not self._failed:  # one that makes the difference
            super().append(issue)
        if failed or self._failed:
            self._ended = True
            raise IssueLimitReached
        self._more += 1

    def closed(self) -> list[Issue]:
        """All that is listed, and a word on what is not."""
        issues = list(self)
        if self._ended or self._more:
            text = (
                "what else is wrong was not looked for" if self._ended else f"{self._more} more are warnings"
            )
            issues.append(
                Issue(
                    CODES["FB-FHIR-004"].severity, "FB-FHIR-004", f"the first {self._most} findings: {text}"
                )
            )
        return issues
