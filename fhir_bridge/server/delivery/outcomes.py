"""What can become of a delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fhir_bridge.storage.outbox import Entry

__all__ = ["Channel", "Delivered", "Failed", "Leaving", "Refused", "Unavailable", "Unresolved"]

Leaving = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target has it. remote, version: the resource there; sent: what `Entry.sent` is from now on."""

    remote: str | None
    version: str | None
    sent: str | None


class Failed(Exception):
    """It did not work this time, and may the next; the message says why, and is for who runs the server."""


class Refused(Exception):
    """The target refuses this resource, and would again."""


class Unavailable(Exception):
    """The target takes nothing at present.

    Attributes:
        seconds: after which it asks to be tried again; None: it does not say.
    """

    def __init__(self, reason: str, seconds: float | None = None) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Unresolved(Exception):
    """The target does not have what the resource refers to, or what it is. references: as this server has them."""

    def __init__(self, references: Sequence[str], reason: str = "") -> None:
        super().__init__(
            reason or f"it refers to what the target does not have yet: {', '.join(references[:5])}"
        )
        self.references = tuple(references)


class Channel(Protocol):
    """How one target is spoken to."""

    async def deliver(
        self, entry: Entry, resource: dict[str, Any] | None, digest: str | None, leaving: Leaving
    ) -> Delivered:
        """Let the target have the resource as it is now.

        Args:
            resource: None where it was deleted.
            digest: of the resource, as it is here.
            leaving: is awaited before anything of the resource leaves, and not where nothing does.

        Raises:
            Failed, Refused, Unavailable, Unresolved: the target does not have it so.
        """
        ...

    async def close(self) -> None:
        """End connections."""
        ...
