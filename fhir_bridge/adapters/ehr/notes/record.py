"""A note as a source record."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any

from fhir_bridge.adapters.ehr.dtm import timestamp
from fhir_bridge.adapters.ehr.notes.extracted import (
    ImplausibleValue,
    StatedFact,
    implausible_values,
    stated_facts,
)
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Record
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["Note"]


class Note(Record):
    """A note: its text, its file, and what its name says of it."""

    root = "note"

    def __init__(
        self,
        locator: str,
        *,
        content: bytes = b"",
        text: str = "",
        media_type: str = "text/plain",
        named: dict[str, str | None] | None = None,
        issues: Sequence[IssueLike] = (),
        outcome: RecordOutcome = "read",
    ) -> None:
        named = named or {}
        key = blake2b(locator.encode("utf-8", "surrogatepass") + b"\0" + content, digest_size=16).hexdigest()
        moment: datetime | None = timestamp(re.sub(r"\D", "", named.get("time") or ""))
        super().__init__(
            locator,
            source=named.get("authority") or "notes",
            time=moment,
            outcome=outcome,
            issues=issues,
            key=key,
        )
        self.text = text
        self._content = content
        self.media_type = media_type
        self.named = named
        self.name = locator
        self._facts: list[StatedFact] | None = None
        self._implausible: list[ImplausibleValue] = []

    @property
    def data(self) -> str:
        """The file, in base64."""
        return base64.b64encode(self._content).decode()

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._content)

    @property
    def plain(self) -> str | None:
        """The text in base64, where the file itself is no plain text."""
        return None if self.media_type == "text/plain" else base64.b64encode(self.text.encode()).decode()

    def scope(self, name: str) -> Iterable[Any]:
        """The note, or the facts that it states."""
        if name == "note":
            return (self,)
        if name == "Fact":
            if self._facts is None:
                self._facts = list(stated_facts(self.text, self, implausible=self._implausible))
            return self._facts
        return ()

    def unread(self, applied: Iterable[Any]) -> list[Issue]:  # noqa: ARG002 - whatever the rules, the text is kept whole
        """The values that the text states and that can be none."""
        return implausible_values(self._implausible, self.locator)
