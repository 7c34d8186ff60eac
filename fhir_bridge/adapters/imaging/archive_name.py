"""The name of the archive that a run reads."""

from __future__ import annotations

from fhir_bridge.plugins import ReadContext

__all__ = ["source_name"]


def source_name(context: ReadContext) -> str | None:
    """The option `name`: the archive that patient numbers without issuer are bounded by."""
    name = context.options.get("name")
    return str(name) if name else None
