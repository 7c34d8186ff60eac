"""`implicitRules`: who does not know the rules can't determine what the content means (R4 resource.html#implicitRules).

The element is a modifier, and no rules are known here: every write refuses it, and validation reports it in the same
words.
"""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode

__all__ = ["IMPLICIT_RULES", "unknown_rules"]

IMPLICIT_RULES = IssueCode(
    "FB-STORE-023",
    "error",
    "The resource follows rules that are not known here",
    "Send the resource without implicitRules, in the meaning that R4 itself gives its elements.",
    "not-supported",
)


def unknown_rules(resource_type: object) -> str:
    """The message of the issue."""
    return f"{resource_type}.implicitRules names rules that are not known here"
