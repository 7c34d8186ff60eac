"""The rules of a first mapping, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from fhir_bridge.workshop.first_mapping.around_rules import AroundRules
from fhir_bridge.workshop.first_mapping.encounter_rule import EncounterRule
from fhir_bridge.workshop.first_mapping.event_rules import EventRules
from fhir_bridge.workshop.first_mapping.organism_rules import OrganismRules
from fhir_bridge.workshop.first_mapping.patient_rule import PatientRule
from fhir_bridge.workshop.first_mapping.tables import is_susceptibility
from fhir_bridge.workshop.first_mapping.wide_rules import WideRules

__all__ = ["Rules"]


class Rules(PatientRule, EncounterRule, OrganismRules, EventRules, WideRules, AroundRules):
    """Writes all rules of a plan; `used` and `questions` are complete once `lines` has been read to the end."""

    def lines(self) -> Iterator[str]:
        """The rules."""
        self._note_refusals(self._plan.event)
        if self._plan.patient:
            yield from self._patient()
            yield from self._background()
            yield from self._coverage()
            yield from self._allergies()
        if self._visits:
            yield from self._encounter()
            yield from self._visit_conditions()
            yield from self._procedures()
        yield from self._request()
        yield from self._prescription()
        yield from self._specimen()
        if self._plan.event == "Observation" and is_susceptibility(self._guesses):
            yield from self._organisms()
        elif self._plan.event == "Observation":
            yield from self._observation()
        elif self._plan.event not in ("", "Encounter"):
            yield from self._event()
        if self._plan.measures:
            yield from self._within()
            yield from self._wide()
