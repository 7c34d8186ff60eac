"""Whether a code system or value set should be used: draft, experimental, deprecated, withdrawn, retired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.terminology.concepts import STANDARDS_STATUS
from fhir_bridge.terminology.content import ConceptDetail

__all__ = ["concept_status", "reference_state", "standards_status"]


def standards_status(resource: Mapping[str, Any]) -> str | None:
    """The extension structuredefinition-standards-status."""
    for entry in resource.get("extension", ()):
        if isinstance(entry, Mapping) and entry.get("url") == STANDARDS_STATUS and "valueCode" in entry:
            return str(entry["valueCode"])
    return None


def concept_status(detail: ConceptDetail) -> str:
    """The concept's status: its property, the standards-status extension, or `inactive`; empty for an active one."""
    if detail.properties:
        for value in detail.values("status"):
            if str(value).casefold() != "active":
                return str(value)
    if detail.extensions:
        extended = standards_status({"extension": detail.extensions})
        if extended is not None:
            return extended
    return "" if detail.active else "inactive"


def reference_state(resource: Mapping[str, Any], source: Mapping[str, Any]) -> str | None:
    """`deprecated`, `withdrawn`, `retired`, `experimental`, `draft`, or None where nothing is to be said.

    Args:
        source: the value set that refers to it; a draft may refer to a draft, an experimental one to its like.
    """
    status, experimental = resource.get("status"), resource.get("experimental")
    if status == "active" and experimental is not True and "extension" not in resource:
        return None
    standards = standards_status(resource)
    if standards in ("deprecated", "withdrawn"):
        return standards
    if status == "retired":
        return "retired"
    if experimental is True and source.get("experimental") is not True:
        return "experimental"
    draft = "draft" in (status, standards)
    if draft and "draft" not in (source.get("status"), standards_status(source)):
        return "draft"
    return None
