"""Observations that say that the patient is pregnant without a code of pregnancy: an expected date of delivery, a
gestational age, a positive test for choriogonadotropin."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from fhir_bridge.predictions.record import codings, moment_of

__all__ = ["OBSERVED_CODES", "PREGNANT", "states_pregnancy"]

_LOINC: Final = "http://loinc.org"
_SNOMED: Final = "http://snomed.info/sct"
PREGNANT: Final[dict[str, Any]] = {"coding": [{"system": _SNOMED, "code": "77386006"}]}
"""What such an Observation states, as a CodeableConcept."""

_DELIVERY: Final = frozenset({"11778-8", "11779-6", "11780-4", "11781-2"})
"""LOINC of the expected date of delivery: stated, by the last period, by ovulation, by ultrasound."""
_GESTATION: Final = frozenset({"18185-9", "11884-4", "11885-1", "11887-7", "49051-6", "49052-4"})
"""LOINC of the gestational age."""
_TESTS: Final = frozenset({"2106-3", "2110-5", "2112-1", "2118-8", "80384-1", "80385-8"})
"""LOINC of choriogonadotropin as present or not, in urine, serum or plasma."""
OBSERVED_CODES: Final = frozenset((_LOINC, code) for code in _DELIVERY | _GESTATION | _TESTS)

_PUERPERIUM: Final = timedelta(days=42)
_POSITIVE: Final = frozenset(
    {
        (_SNOMED, "10828004"),
        (_SNOMED, "260373001"),
        (_SNOMED, "52101004"),
        (_LOINC, "LA6576-8"),
        (_LOINC, "LA9633-4"),
    }
    | {(_LOINC, "LA11882-0"), (_LOINC, "LA33-6")}
)
_POSITIVE_INTERPRETATIONS: Final = frozenset({"POS", "DET"})
_POSITIVE_WORDS: Final = frozenset({"positive", "positiv", "pos", "detected", "+", "nachgewiesen", "positif"})


def states_pregnancy(observation: dict[str, Any], as_of: datetime) -> bool:
    """Whether an Observation of `OBSERVED_CODES` says so; a date of delivery is over after the puerperium."""
    codes = {code for system, code in codings(observation.get("code")) if system == _LOINC}
    if codes & _DELIVERY:
        due = moment_of(str(observation.get("valueDateTime") or ""))
        return due is not None and due + _PUERPERIUM >= as_of
    if codes & _GESTATION:
        return any(name.startswith("value") for name in observation)
    return bool(codes & _TESTS) and _is_positive(observation)


def _is_positive(observation: dict[str, Any]) -> bool:
    value = observation.get("valueCodeableConcept") or {}
    words = {str(observation.get("valueString", "")), str(value.get("text", ""))}
    words |= {str(coding.get("display", "")) for coding in value.get("coding", ())}
    interpretations = {
        code for concept in observation.get("interpretation", ()) for _, code in codings(concept)
    }
    return (
        observation.get("valueBoolean") is True
        or not _POSITIVE.isdisjoint(codings(value))
        or not _POSITIVE_INTERPRETATIONS.isdisjoint(interpretations)
        or not _POSITIVE_WORDS.isdisjoint(word.strip().casefold() for word in words)
    )
