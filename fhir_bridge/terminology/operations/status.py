"""Whether a code system or value set should be used: draft, experimental, deprecated, withdrawn, retired."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fhir_bridge.terminology.concepts import STANDARDS_STATUS

__all__ = ["reference_state", "standards_status"]


def standards_status(resource: Mapping[str, Any]) -> str | None:
    """The extension structuredefinition-standards-status."""
    return next(
        (
            str(entry["valueCode"])
            for entry in resource.get("extension", ())
            if isinstance(entry, Mapping) and entry.get("url") == STANDARDS_STATUS and "valueCode" in entry
        ),
        None,
    )


def reference_state(resource: Mapping[str, Any], source: Mapping[str, Any]) -> str | None:
    """`deprecated`, `withdrawn`, `retired`, `experimental`, `draft`, or None where nothing is to be said.

    Args:
        source: the value set that refers to it; a draft may refer to a draft, an experimental one to its like.
    """
    standards = standards_status(resource)
    if standards in ("deprecated", "withdrawn"):
        return standards
    if resource.get("status") == "retired":
        return "retired"
    if resource.get("experimental") is True and source.get("experimental") is not True:
        return "experimental"
    draft = "draft" in (resource.get("status"), standards)
    if draft and "draft" not in (source.get("status"), standards_status(source)):
        return "draft"
    return None
