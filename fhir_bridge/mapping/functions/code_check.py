"""Codes that their system does not have: they stay as codes of the source, and cost no more than themselves."""

from __future__ import annotations

from urllib.parse import quote

from fhir_bridge.fhir.datatypes import Coding
from fhir_bridge.fhir.validation.bindings import check_coding
from fhir_bridge.fhir.validation.run import Run
from fhir_bridge.mapping.runtime import Context

__all__ = ["keep_valid"]


def keep_valid(ctx: Context, coding: Coding, element: str = "coding") -> str | None:
    """Change a coding that the validator would refuse into one that says no more than is certain.

    A display that is not the system's is left out (R4 terminologies.html#4.1). A code that the system does not have, or
    of a system that is no URI, becomes a code of the source under a system of ours that keeps the name.

    Args:
        ctx: the run.
        coding: changed in place.
        element: name of the element it is for; `coding` within a CodeableConcept.

    Returns:
        What was wrong with the code, for FB-MAP-212; None where it stays.
    """
    system, code = coding.get("system"), coding.get("code")
    if not system or not code:
        return None
    run = Run(ctx.terminology)
    check_coding(coding, (None, element, -1), run)
    wrong = {issue.code for issue in run.issues if issue.severity in ("error", "fatal")}
    if "FB-FHIR-023" in wrong:
        coding.pop("display", None)
    if not wrong - {"FB-FHIR-023"} and not any(map(str.isspace, system)):
        return None
    coding["system"] = f"urn:fhir-bridge:scheme:{quote(ctx.source, safe='')}:{quote(system, safe='')}"
    return f"{system[:80]} has no code {code[:40]}; it is kept as a code of the source"
