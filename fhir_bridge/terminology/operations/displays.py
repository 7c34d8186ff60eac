"""Whether a display is a right name of its code, in the languages that are asked for."""

from __future__ import annotations

from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.checked import CodingAt
from fhir_bridge.terminology.operations.names import Names
from fhir_bridge.terminology.operations.options import Options
from fhir_bridge.terminology.operations.outcomes import Findings, Severity

__all__ = ["check_display"]


def check_display(
    coding_at: CodingAt,
    display: str,
    names: Names,
    content: CodeSystemContent,
    options: Options,
    findings: Findings,
) -> None:
    """Note what is wrong with the display of a coding; names that are no longer right get a warning."""
    languages, system = options.languages, content.url
    severity: Severity = "warning" if options.lenient_display else "error"
    match, spacing = names.matching(display, languages)
    if match is not None:
        if match.status != "active":
            right = [n.value for n in names.all if n.displays and n.status == "active"]
            findings.add(
                messages.inactive_display(coding_at.path, coding_at.code, display, match.status, right)
            )
        return
    text = options.languages_text
    valid = names.valid(languages)
    if valid:
        issue = messages.wrong_display(
            severity, coding_at.path, system, coding_at.code, display, valid, text, spacing=spacing
        )
    else:
        default = names.preferred(None)
        if default is None:
            issue = messages.no_displays(coding_at.path, system, coding_at.code, display, text)
        else:
            known, _ = names.in_language(content.language).matching(display, None)
            issue = messages.display_unknown_for_language(
                "information" if known else severity,
                coding_at.path,
                system,
                coding_at.code,
                display,
                default.value,
                text,
                ok=known is not None,
            )
    findings.add(issue, tell=True)
