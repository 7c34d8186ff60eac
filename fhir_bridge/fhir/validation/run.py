"""One validation: its findings, and the paths they carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_bridge.fhir.issues import Issue, Severity
from fhir_bridge.fhir.ports import TerminologyPort
from fhir_bridge.fhir.validation.codes import CODES

__all__ = ["Check", "Path", "Run", "render"]

Path = tuple[Any, str, int]
"""(parent, name, index): built while descending, made text only for a finding. Index -1 is no list."""


class Run:
    """What the checks of one validation share.

    Attributes:
        resource: the resource being checked (%resource); contained ones take their turn.
        root: the resource that contains it (%rootResource).
        contained: ids of the root's contained resources and their types.
        bundle: full URLs of the Bundle around it and the types behind them; None outside a Bundle.
    """

    __slots__ = ("bundle", "contained", "issues", "resource", "root", "terminology")

    def __init__(self, terminology: TerminologyPort | None) -> None:
        self.issues: list[Issue] = []
        self.terminology = terminology
        self.resource: dict[str, Any] = {}
        self.root: dict[str, Any] = {}
        self.contained: dict[str, str] = {}
        self.bundle: dict[str, str] | None = None

    def add(self, code: str, message: str, path: Path, severity: Severity | None = None) -> None:
        """Note a finding at this path."""
        self.issues.append(Issue(severity or CODES[code].severity, code, message, expression=render(path)))


Check = Callable[[Any, Path, Run], None]
"""Checks a value at its path."""


def render(path: Path | None) -> str:
    """A path as FHIRPath: `Observation.component[2].code`."""
    steps: list[str] = []
    while path is not None:
        parent, name, index = path
        steps.append(name if index < 0 else f"{name}[{index}]")
        path = parent
    return ".".join(reversed(steps))
