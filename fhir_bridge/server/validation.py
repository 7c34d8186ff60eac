"""Validation of what a worker is sent: by the process's validator, with the terminology that is written over REST.

"At once" holds for `$validate` as for the terminology operations; for a write a look is good for a moment. Most
resources never ask beyond the definition tables; only one that does is worth a question to the database whether
something was written, and is checked again where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from fhir_bridge.fhir.issues import Issue, Severity
from fhir_bridge.fhir.ports import Concept, TerminologyPort, Translation
from fhir_bridge.fhir.validation import get_validator
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.storage.breathing import Pause
from fhir_bridge.terminology import Terminology

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["LOOK_SECONDS", "MOST_FINDINGS", "ServedValidator"]

MOST_FINDINGS = 200
"""Findings on a resource that are listed; an invalid one with more is not looked at further."""

LOOK_SECONDS = 0.2
"""How long terminology that another process wrote may be unknown to the check of a write: each look is a statement."""


class ServedValidator:
    """Validates the resources of one request; after its first look at what is written it needs no other.

    Args:
        brought: resources that are written together with those that are checked; they count as written.
        unknown_extensions: how an extension that no available package defines is reported: what is to be stored may
            have one.
        implied: how severe what contradicts a profile is that is implied by a code and not declared.
        within: seconds for which a look at what other processes wrote is good; `LOOK_SECONDS` for writes.
    """

    def __init__(
        self,
        terminology: ServedTerminology,
        store: Store,
        brought: Sequence[Mapping[str, Any]] = (),
        unknown_extensions: Severity = "warning",
        implied: Severity = "error",
        within: float = 0.0,
    ) -> None:
        self._validator = get_validator(unknown_extensions, store.definitions)
        self._implied = implied
        self._within = within
        self._terminology = terminology
        self._store = store
        self._brought = tuple(brought)
        self._present: Terminology | None = None
        self._pause = Pause()

    async def issues(
        self, resource: dict[str, Any], profiles: Sequence[str] = (), *, inline: bool = False
    ) -> list[Issue]:
        """What the validator finds.

        Args:
            profiles: canonicals to check beside those in `meta.profile`.
            inline: validate on the event loop, for a resource that takes less time than a change of threads.

        Raises:
            psycopg.Error: the database was asked what is written, and does not answer.
        """
        if self._present is not None:
            return await self._validated(resource, profiles, self._present, inline)
        known = self._terminology.validation_terminology
        # Validated first with what is known: most resources ask no terminology at all, and cost no query.
        asking = _Asking(known)
        results = await self._validated(resource, profiles, asking, inline)
        if not asking.asked:
            return results
        await self._terminology.refresh(self._store, within=self._within)
        self._present = self._terminology.validation_terminology_with(self._brought)
        # The same object: nothing was written since, so the first result holds.
        if self._present is known:
            return results
        return await self._validated(resource, profiles, self._present, inline)

    async def _validated(
        self, resource: dict[str, Any], profiles: Sequence[str], terminology: TerminologyPort, inline: bool
    ) -> list[Issue]:
        validate = partial(
            self._validator.validate,
            resource,
            profiles,
            terminology,
            most=MOST_FINDINGS,
            implied=self._implied,
        )
        if not inline:
            return await offloaded(validate)
        await self._pause.take()
        return validate()


class _Asking:
    """A terminology that notes whether it was asked at all; without one, nothing is known."""

    def __init__(self, terminology: Terminology | None) -> None:
        self._terminology = terminology
        self.asked = False
        self.sound_codes = None if terminology is None else terminology.sound_codes

    def _ask(self) -> Terminology | None:
        self.asked = True
        return self._terminology

    def lookup(self, system: str, code: str) -> Concept | None:
        """As `TerminologyPort` has it."""
        terminology = self._ask()
        return None if terminology is None else terminology.lookup(system, code)

    def knows_system(self, system: str) -> bool:
        """As `TerminologyPort` has it."""
        terminology = self._ask()
        return terminology is not None and terminology.knows_system(system)

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """As `TerminologyPort` has it."""
        terminology = self._ask()
        return None if terminology is None else terminology.member(value_set, system, code)

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        """As `TerminologyPort` has it."""
        terminology = self._ask()
        return [] if terminology is None else terminology.translate(system, code, targets)

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        """As `TerminologyPort` has it."""
        terminology = self._ask()
        if terminology is None:
            raise KeyError(concept_map)
        return terminology.translate_by_map(concept_map, code)
