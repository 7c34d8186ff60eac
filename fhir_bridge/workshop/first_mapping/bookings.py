"""Two dates of an appointment: when it was booked, and when it is."""

from __future__ import annotations

from fhir_bridge.workshop.first_mapping.guess import Guess
from fhir_bridge.workshop.first_mapping.selecting import of_roles
from fhir_bridge.workshop.first_mapping.spans import days_of
from fhir_bridge.workshop.first_mapping.table import Sample

__all__ = ["bookings"]


def bookings(sample: Sample, guesses: list[Guess]) -> None:
    """Of two dates of what is planned, the one that is never after the other is when it was booked."""
    dates = of_roles(guesses, "scheduled")
    if len(dates) != 2:
        return
    days = {guess.column: days_of(sample, guess) for guess in dates}
    for guess, other in (dates, dates[::-1]):
        known = [
            (first, second)
            for first, second in zip(days[guess.column], days[other.column], strict=True)
            if first is not None and second is not None
        ]
        if known and all(a <= b for a, b in known) and any(a < b for a, b in known):
            guess.role, guess.questions = "booked", []
            guess.evidence.append(f"never after {other.column}: when it was booked")
            return
