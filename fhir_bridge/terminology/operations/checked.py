"""A coding that `$validate-code` looks for in a value set, and the outcome of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail
from fhir_bridge.terminology.operations.names import NO_NAMES, Names
from fhir_bridge.terminology.operations.outcomes import TxIssue
from fhir_bridge.terminology.operations.status import concept_status

__all__ = ["Checked", "CodingAt"]


class CodingAt(NamedTuple):
    """A coding and where it is in the request."""

    path: str
    system: str | None
    version: str | None
    code: str
    display: str | None


@dataclass(slots=True)
class Checked:
    """The outcome of a coding.

    Attributes:
        member: None where a code system is missing, so that it can't be determined.
        content: the code system that was used.
        normalized: the code as the system writes it, where that differs.
        unknown: code systems that are missing (`url` or `url|version`).
        why: why the code is not in the value set, where more can be determined than that.
    """

    member: bool | None
    content: CodeSystemContent | None = None
    detail: ConceptDetail | None = None
    names: Names = NO_NAMES
    normalized: str | None = None
    inactive: bool = False
    issues: list[TxIssue] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    why: str | None = None

    @property
    def status(self) -> str:
        """The status of the concept that was found."""
        return "" if self.detail is None else concept_status(self.detail)
