"""What an operation finds wrong: issues as the FHIR terminology ecosystem names them, and the error that ends one.

The texts and their ids are those that HL7's terminology ecosystem guide expects of every server, so that a client can
distinguish them without reading English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

__all__ = ["MESSAGE_ID", "TX_ISSUE_TYPE", "Findings", "OperationError", "TxIssue", "outcome"]

TX_ISSUE_TYPE = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type"
MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"

Severity = Literal["error", "warning", "information"]


class TxIssue(NamedTuple):
    """One finding.

    Attributes:
        code: of http://hl7.org/fhir/issue-type.
        kind: of tx-issue-type (`not-in-vs`, `invalid-display`, …); None where none fits.
        text: for a person.
        expression: the element of the request that it is about; empty for the whole.
        message_id: the stable name of the text.
        diagnostics: more, for who runs the server.
    """

    severity: Severity
    code: str
    kind: str | None
    text: str
    expression: str = ""
    message_id: str | None = None
    diagnostics: str | None = None

    def json(self) -> dict[str, Any]:
        """As an entry of OperationOutcome.issue."""
        entry: dict[str, Any] = {}
        if self.message_id is not None:
            entry["extension"] = [{"url": MESSAGE_ID, "valueString": self.message_id}]
        entry["severity"] = self.severity
        entry["code"] = self.code
        details: dict[str, Any] = {}
        if self.kind is not None:
            details["coding"] = [{"system": TX_ISSUE_TYPE, "code": self.kind}]
        details["text"] = self.text
        entry["details"] = details
        if self.diagnostics is not None:
            entry["diagnostics"] = self.diagnostics
        if self.expression:
            entry["expression"] = [self.expression]
        return entry


def outcome(issues: Sequence[TxIssue]) -> dict[str, Any]:
    """An OperationOutcome."""
    return {"resourceType": "OperationOutcome", "issue": [issue.json() for issue in issues]}


class OperationError(Exception):
    """An operation that can't be carried out; the answer is the OperationOutcome, with `status` as HTTP status.

    Attributes:
        answerable: `$validate-code` states it as a result of false instead, because a value set that can't be used is
            an answer to its question.
        unknown_system: the code system (`url` or `url|version`) whose absence is the cause.
    """

    def __init__(
        self,
        *issues: TxIssue,
        status: int = 422,
        answerable: bool = False,
        unknown_system: str | None = None,
    ) -> None:
        super().__init__("; ".join(issue.text for issue in issues))
        self.issues = issues
        self.status = status
        self.answerable = answerable
        self.unknown_system = unknown_system

    def json(self) -> dict[str, Any]:
        """The OperationOutcome."""
        return outcome(self.issues)


@dataclass(slots=True)
class Findings:
    """The issues of one validation, and the sentences of its `message`, each once."""

    issues: list[TxIssue] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def add(self, issue: TxIssue, *, tell: bool | None = None) -> None:
        """Note an issue; errors are expressed in the message, others where `tell` says so."""
        if issue not in self.issues:
            self.issues.append(issue)
        if tell or (tell is None and issue.severity == "error"):
            self.add_message(issue.text)

    def add_message(self, text: str) -> None:
        """Add a sentence to the message."""
        if text not in self.messages:
            self.messages.append(text)

    @property
    def failed(self) -> bool:
        """Whether there is an error."""
        return any(issue.severity == "error" for issue in self.issues)

    def message(self) -> str | None:
        """The message: the sentences in alphabetical order."""
        return "; ".join(sorted(self.messages)) or None
