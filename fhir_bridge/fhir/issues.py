"""Issues: what was found, where, and what to do. Every issue has a stable, documented code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Issue", "IssueCode", "Severity", "declare", "declared", "operation_outcome"]

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class IssueCode:
    """A kind of issue. `code` never changes its meaning; docs/issue-codes.md lists all of them.

    Attributes:
        code: `FB-<SUBJECT>-<number>`, or a name alone (`FB-STALE`).
        severity: `error` loses a record or part, `warning` keeps it but something needs a look.
        title: what is wrong, in one line.
        remedy: what a person can do about it.
        fhir: the code in http://hl7.org/fhir/issue-type that is in an OperationOutcome.
    """

    code: str
    severity: Severity
    title: str
    remedy: str
    fhir: str = "processing"


@dataclass(frozen=True, slots=True)
class Issue:
    """One finding.

    Attributes:
        code: a declared `IssueCode.code`.
        message: what was found and what was expected; holds no patient values unless asked for.
        source: where: file, record, segment, column, element path.
        expression: FHIRPath of the element in the output, where there is one.
    """

    severity: Severity
    code: str
    message: str
    source: str = ""
    expression: str = ""


_DECLARED: dict[str, IssueCode] = {}


def declare(*codes: IssueCode) -> dict[str, IssueCode]:
    """Register issue codes; each package declares its own in its `issues.py`."""
    for code in codes:
        if _DECLARED.setdefault(code.code, code) != code:
            raise ValueError(f"{code.code} is declared twice with different meanings")
    return {code.code: code for code in codes}


def declared() -> dict[str, IssueCode]:
    """All issue codes that the imported packages declare."""
    return dict(_DECLARED)


def operation_outcome(issues: list[Issue]) -> dict[str, Any]:
    """The issues as an OperationOutcome (R4 operationoutcome.html); no issue gives one `information` entry."""
    entries = []
    for issue in issues:
        known = _DECLARED.get(issue.code)
        entry: dict[str, Any] = {
            "severity": issue.severity,
            "code": known.fhir if known else "processing",
            "details": {
                "coding": [{"system": "https://fhir-bridge.org/fhir/CodeSystem/issue", "code": issue.code}],
                "text": issue.message,
            },
        }
        # Clients show this (HAPI's: nothing else); the place alone says nothing.
        entry["diagnostics"] = f"{issue.message} ({issue.source})" if issue.source else issue.message
        if issue.expression:
            entry["expression"] = [issue.expression]
        entries.append(entry)
    if not entries:
        entries = [{"severity": "information", "code": "informational", "details": {"text": "No issue"}}]
    return {"resourceType": "OperationOutcome", "issue": entries}
