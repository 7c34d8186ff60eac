"""The rules of a first mapping, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.event_rules import EventRules
from fhir_bridge.workshop.first_mapping.patient_rule import PatientRule
from fhir_bridge.workshop.first_mapping.wide_rules import WideRules

__all__ = ["Rules"]


class Rules(PatientRule, EventRules, WideRules):
    """Writes all rules of a plan; `used` and `questions` are complete once `lines` has been read to the end."""

    def lines(self) -> Iterator[str]:
        """The rules."""
        if self._plan.patient:
            yield from self._patient()
        if self._plan.event:
            rules = {"Observation": self._observation, "Encounter": self._encounter}
            yield from rules.get(self._plan.event, self._event)()
        if self._plan.measures:
            yield from self._wide()
