"""Refusals: every error leaves as an OperationOutcome with the status that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_bridge.fhir.issues import Issue, operation_outcome
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.server.issues import CODES

__all__ = ["Refusal", "busy", "outcome_bytes", "refuse"]


class Refusal(Exception):
    """Ends a request with an HTTP status and issues."""

    def __init__(
        self, status: int, issues: Sequence[Issue], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status}: {', '.join(issue.code for issue in issues)}")
        self.status = status
        self.issues = list(issues)
        self.headers = dict(headers or {})


def refuse(
    status: int, code: str, message: str, *, source: str = "", headers: Mapping[str, str] | None = None
) -> Refusal:
    """A refusal with one issue of this package."""
    return Refusal(status, [Issue(CODES[code].severity, code, message, source)], headers)


RETRY_SECONDS = 1


def busy(message: str) -> Refusal:
    """The refusal of a server that has too much to do: 503, to be tried again."""
    return refuse(503, "FB-REST-017", message, headers={"Retry-After": str(RETRY_SECONDS)})


def outcome_bytes(issues: Sequence[Issue]) -> bytes:
    """The issues as the JSON of an OperationOutcome."""
    return dumps(operation_outcome(list(issues)))
