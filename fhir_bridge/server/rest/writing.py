"""What the checks of a write need to know of who writes: a request's call, or an import's caller."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pluggy

from fhir_bridge.fhir.access import AccessFilter

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["Parts", "Writing"]


class Parts(Protocol):
    """The parts of a process that checks ask."""

    @property
    def store(self) -> Store:
        """Where it is written."""

    @property
    def plugins(self) -> pluggy.PluginManager:
        """Who may refuse it."""


class Writing(Protocol):
    """Who writes, and where."""

    @property
    def services(self) -> Parts:
        """The parts of the process."""

    @property
    def access(self) -> AccessFilter:
        """The writer's access."""

    @property
    def base(self) -> str:
        """The FHIR base URL."""

    @property
    def writes_predictions(self) -> bool:
        """Whether the writer is another bridge, which may send its predictions."""
