"""The model behind a result as HL7 AI Transparency on FHIR has it: AIDevice, AIModelCard, AIProvenance.

`hl7.fhir.uv.aitransparency`, as of 2026-08-06. Its profiles fix the types exactly, so nothing of ours is beside them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from fhir_bridge.plugins import Predictor
from fhir_bridge.predictions.contract import PredictorSettings
from fhir_bridge.predictions.model_card import markdown
from fhir_bridge.predictions.record import Evidence

__all__ = ["AIAST", "device", "model_card", "provenance", "reference_to", "unique"]

GUIDE: Final = "http://hl7.org/fhir/uv/aitransparency"
AI_TYPES: Final = f"{GUIDE}/CodeSystem/AIdeviceTypeCS"
AI_INPUTS: Final = f"{GUIDE}/CodeSystem/AIinputsCS"
AIAST: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_AI: Final = {"coding": [{"system": AI_TYPES, "code": "Artificial-Intelligence"}]}
_KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "published-equation": ("Rule-Based-Systems", "Deterministic-AI"),
    "machine-learned": ("Machine-Learning-Models",),
}
_DISPLAYS: Final = {
    "Rule-Based-Systems": "Rule-Based Systems",
    "Deterministic-AI": "Deterministic AI",
    "Machine-Learning-Models": "Machine Learning Models",
}


def device(resource_id: str, predictor: Predictor, content: str, card_id: str) -> dict[str, Any]:
    """The model as a Device: what it is, whose, which version and content."""
    card = predictor.card
    kinds = (*_KINDS[card.kind], *getattr(card, "ai_kinds", ()))
    return {
        "resourceType": "Device",
        "id": resource_id,
        "extension": [
            *(_kind(kind) for kind in dict.fromkeys(kinds)),
            {
                "url": f"{GUIDE}/StructureDefinition/aitransparency.modelCardDescription",
                "valueReference": {"reference": f"DocumentReference/{card_id}"},
            },
        ],
        "status": "active",
        "manufacturer": predictor.manufacturer,
        "deviceName": [{"name": predictor.title, "type": "user-friendly-name"}],
        "modelNumber": predictor.name,
        "type": _AI,
        "version": [
            {"value": predictor.version},
            {"type": {"text": "hash of code and files"}, "value": content},
        ],
    }


def _kind(code: str) -> dict[str, Any]:
    coding = {"system": AI_TYPES, "code": code}
    if code in _DISPLAYS:
        coding["display"] = _DISPLAYS[code]
    return {
        "url": f"{GUIDE}/StructureDefinition/aitransparency.AIKind",
        "valueCodeableConcept": {"coding": [coding]},
    }


def model_card(
    resource_id: str, predictor: Predictor, settings: PredictorSettings, device_id: str
) -> dict[str, Any]:
    """The model card as a DocumentReference, its text (Markdown) inline."""
    card = predictor.card
    attributes = {
        "developer": f"{predictor.manufacturer}. {card.details}",
        "intended_use": settings.intended_use or card.intended_use,
        "out_of_scope": card.cautioned_out_of_scope,
        "training_criteria": card.development,
        "fairness_approach": card.fairness,
        "external_process": card.external_validation,
        "update_process": card.maintenance,
        **getattr(card, "attributes", {}),
    }
    if settings.intended_use:
        attributes["intended_use"] = settings.intended_use
    text = markdown(
        predictor.title,
        {
            "Name": predictor.name,
            "Version": predictor.version,
            "Kind": card.kind.replace("-", " "),
            "Publication": card.citation,
            "Regulatory status here": settings.regulatory_status or "research use",
            "Approved here by": settings.approver or "nobody: research use",
        },
        attributes,
    )
    category = {"system": AI_INPUTS, "code": "AIModelCardMarkdownFormat", "display": "Markdown Format"}
    return {
        "resourceType": "DocumentReference",
        "id": resource_id,
        "status": "current",
        "type": {"coding": [{"system": AI_INPUTS, "code": "AIModelCard"}]},
        "category": [{"coding": [category]}],
        "description": f"Model card of {predictor.title}, version {predictor.version}",
        "author": [{"reference": f"Device/{device_id}"}],
        "content": [
            {
                "attachment": {
                    "contentType": "text/markdown",
                    "data": base64.b64encode(text.encode()).decode(),
                    "title": f"Model card: {predictor.name} {predictor.version}",
                }
            }
        ],
    }


def provenance(
    resource_id: str,
    targets: Iterable[str],
    inputs: Iterable[Evidence],
    device_id: str,
    card_id: str,
    recorded: datetime,
) -> dict[str, Any]:
    """Who made the result, when, from what: all inputs in their versions, and the model card."""
    return {
        "resourceType": "Provenance",
        "id": resource_id,
        "target": [{"reference": target} for target in targets],
        "recorded": recorded.isoformat(timespec="milliseconds"),
        "reason": [{"coding": [AIAST]}],
        "activity": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/v3-DataOperation",
                    "code": "CREATE",
                    "display": "create",
                }
            ]
        },
        "agent": [
            {
                "type": {
                    "coding": [
                        {
                            "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                            "code": "assembler",
                            "display": "Assembler",
                        }
                    ]
                },
                "role": [_AI],
                "who": {"reference": f"Device/{device_id}"},
            }
        ],
        "entity": [
            *({"role": "source", "what": reference_to(item)} for item in unique(inputs)),
            {"role": "derivation", "what": {"reference": f"DocumentReference/{card_id}"}},
        ],
    }


def reference_to(item: Evidence) -> dict[str, Any]:
    """A reference to an input in its version, with what it is and says."""
    return {
        "reference": item.reference,
        "display": f"{item.label}: {item.value}" if item.value else item.label,
    }


def unique(evidence: Iterable[Evidence]) -> list[Evidence]:
    """Each input once, the last word on it."""
    return list({item.reference: item for item in evidence}.values())
