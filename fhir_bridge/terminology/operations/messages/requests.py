"""Issues about what a request asks for, and about the standing of what it leads to."""

from __future__ import annotations

from fhir_bridge.terminology.operations.outcomes import TxIssue

__all__ = ["bad_language", "reference_status"]


def bad_language(text: str) -> TxIssue:
    """`displayLanguage` can't be read."""
    return TxIssue(
        "error",
        "processing",
        "invalid-display",
        f"Invalid displayLanguage: '{text}'",
        "",
        "INVALID_DISPLAY_NAME",
    )


def reference_status(kind: str, resource: str, canonical: str) -> TxIssue:
    """The code system or value set is a draft, experimental, deprecated, withdrawn or retired.

    Args:
        kind: which of these.
        resource: CodeSystem or ValueSet.
    """
    text = f"Reference to {kind} {resource} {canonical}"
    return TxIssue("information", "business-rule", "status-check", text, "", f"MSG_{kind.upper()}")
