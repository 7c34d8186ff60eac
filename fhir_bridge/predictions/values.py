"""The value of a prediction in an Observation: `value[x]`, and components for what one value can't say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fhir_bridge.fhir.canonical import PREDICTION_CODES
from fhir_bridge.predictions.contract import Prediction, Refusal
from fhir_bridge.predictions.outputs import (
    ClassOutput,
    Interval,
    QuantityOutput,
    SurvivalOutput,
    TextOutput,
)
from fhir_bridge.predictions.value_sets import MENTIONED, UNDECIDED

__all__ = [
    "MENTIONED",
    "MODALITY_NAMES",
    "UNDECIDED",
    "Summary",
    "components_of",
    "shown",
    "summary_in",
    "summary_of",
    "value_elements",
]

UCUM: Final = "http://unitsofmeasure.org"
CONFIDENCE: Final = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence"
MODALITY_NAMES: Final = {
    "ehr": "Electronic health record",
    "imaging": "Imaging",
    "genomics": "Genomics",
    "signals": "Physiological signals",
    "text": "Clinical text",
}


def quantity(value: Decimal, unit: str) -> dict[str, Any]:
    """A Quantity in a UCUM unit."""
    return {"value": value, "unit": _printed(unit), "system": UCUM, "code": unit}


def _printed(unit: str) -> str:
    """A unit for people: what is an annotation alone (`{score}`) without its marks (UCUM §6)."""
    return unit[1:-1] if unit.startswith("{") and unit.find("}") == len(unit) - 1 else unit


def value_elements(result: Prediction, system: str) -> dict[str, Any]:
    """`value[x]` of the Observation; a curve is told by its risk at the horizon, and by components."""
    output = result.output
    if isinstance(output, ClassOutput):
        coding = {"system": system, "code": output.code, "display": output.display}
        return {"valueCodeableConcept": {"coding": [coding], "text": output.display}}
    if isinstance(output, QuantityOutput):
        return {"valueQuantity": quantity(output.value, output.unit)}
    if isinstance(output, TextOutput):
        return {"valueString": output.text}
    if result.percent is None:
        return {}
    return {"valueQuantity": quantity(Decimal(result.percent), "%")}


def components_of(result: Prediction, system: str) -> list[dict[str, Any]]:
    """Interval, probabilities of classes, points of a curve, the population, the guideline."""
    output = result.output
    components: list[dict[str, Any]] = []
    if result.interval is not None:
        components.append(_interval(result.interval, "%"))
    if isinstance(output, QuantityOutput) and output.interval is not None:
        components.append(_interval(output.interval, output.unit))
    if isinstance(output, ClassOutput):
        for code, display, probability in output.probabilities:
            coding = {"system": system, "code": code, "display": display}
            components.append(
                {
                    "code": {
                        "coding": [_coding("class-probability", "Probability of a class"), coding],
                        "text": f"Probability of {display}",
                    },
                    "valueQuantity": quantity(probability, "1"),
                }
            )
    if isinstance(output, SurvivalOutput):
        for years, share in output.points:
            point = {"coding": [_coding("survival", "Survival")], "text": f"Free of the event at {years:f} a"}
            components.append({"code": point, "valueQuantity": quantity(share, "1")})
    for code, display, text in (
        ("population", "Population", result.population),
        ("guideline", "Guideline of the category", result.guideline),
    ):
        if text:
            components.append({"code": _own(code, display), "valueString": text})
    return components


def _interval(interval: Interval, unit: str) -> dict[str, Any]:
    level = "" if interval.level is None else f"{(interval.level * 100).normalize():f} % "
    ends = {"low": quantity(interval.low, unit), "high": quantity(interval.high, unit)}
    code = _own("interval", "Interval") | {
        "text": f"{level}interval" if level else "Interval (of which level the model does not state)"
    }
    return {"extension": [{"url": CONFIDENCE, "valueRange": ends}], "code": code, "valueRange": ends}


def _coding(code: str, display: str) -> dict[str, Any]:
    return {"system": PREDICTION_CODES, "code": code, "display": display}


def _own(code: str, display: str) -> dict[str, Any]:
    return {"coding": [_coding(code, display)], "text": display}


class Summary(NamedTuple):
    """A result in a line: `predicted`, or why there is none; the value; its category, or the reason in words.

    Beside a category stands what could not be decided (`value_sets.UNDECIDED`).
    """

    kind: str
    value: str
    more: str


def summary_of(result: Prediction | Refusal) -> Summary:
    """Of what a model answers."""
    if isinstance(result, Refusal):
        return Summary(result.reason, "", result.text)
    return Summary(
        "predicted", shown(result), _more(result.category[1] if result.category else "", result.cautions)
    )


def summary_in(observation: Mapping[str, Any]) -> Summary:
    """Of a stored result."""
    absent = observation.get("dataAbsentReason")
    if absent:
        reasons = [
            REASONS[code] for coding in absent.get("coding", ()) if (code := coding.get("code")) in REASONS
        ]
        return Summary((*reasons, "failed")[0], "", str(absent.get("text", "")))
    quantity = observation.get("valueQuantity")
    concept = observation.get("valueCodeableConcept") or {}
    value = f"{quantity['value']} {quantity.get('unit', '')}".strip() if quantity else concept.get("text", "")
    classes = observation.get("interpretation") or [{}]
    notes = [str(note.get("text", "")) for note in observation.get("note", ())]
    return Summary(
        "predicted",
        str(value or observation.get("valueString", "")),
        _more(str(classes[0].get("text", "")), notes),
    )


def _more(category: str, notes: Iterable[str]) -> str:
    undecided = [note.removesuffix(".") for note in notes if note.startswith(UNDECIDED)]
    return ". ".join(text for text in (category, *undecided) if text)


REASONS: Final = {
    "not-applicable": "not-applicable",
    "not-performed": "missing-input",
    "error": "failed",
    "masked": "opted-out",
}
"""Why there is no result, by the code of dataAbsentReason that it was written with."""


def shown(result: Prediction) -> str:
    """The value for a person: `12.5 %`, `sinus rhythm`, `-0.4 mmol/L`."""
    output = result.output
    if isinstance(output, ClassOutput):
        return output.display
    if isinstance(output, QuantityOutput):
        return f"{output.value:f} {_printed(output.unit)}"
    if isinstance(output, TextOutput):
        return output.text
    return "" if result.percent is None else f"{result.percent:f} %"
