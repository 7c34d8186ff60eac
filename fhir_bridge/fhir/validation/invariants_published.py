"""Invariants that were published with a mistake: what is evaluated in their place, and why.

Each was corrected by a later release of FHIR or is read so by HL7's own validator; the expression is compared as a
whole, so that a corrected one is taken as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ANSWERED_ELSEWHERE", "BEST_PRACTICE", "CORRECTIONS", "Correction"]


@dataclass(frozen=True, slots=True)
class Correction:
    """What to evaluate instead; None where nothing can be meant. `reason` says what was wrong."""

    expression: str | None
    reason: str


_NAME = "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')"
_VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"

CORRECTIONS: dict[tuple[str, str], Correction] = {
    ("cid-0", _NAME): Correction(None, "ChargeItemDefinition has no element `name` in R4"),
    ("*", _NAME): Correction(
        "name.exists() implies name.matches('^[A-Z]([A-Za-z0-9_]){0,254}$')",
        "matches() finds its pattern anywhere, so any capital passed; and a missing name breaks no rule",
    ),
    ("bdl-8", "fullUrl.contains('/_history/').not()"): Correction(
        "fullUrl.exists() implies fullUrl.contains('/_history/').not()",
        "an entry without fullUrl gives no answer",
    ),
    (
        "con-3",
        f"clinicalStatus.exists() or verificationStatus.coding.where(system='{_VERIFICATION}' and code = "
        "'entered-in-error').exists() or category.select($this='problem-list-item').empty()",
    ): Correction(
        f"clinicalStatus.exists() or verificationStatus.coding.where(system='{_VERIFICATION}' and code = "
        "'entered-in-error').exists() or category.coding.where(system="
        "'http://terminology.hl7.org/CodeSystem/condition-category' and code = 'problem-list-item').empty()",
        "a CodeableConcept is compared with a string, so every category counted as a problem list item",
    ),
    (
        "tim-9",
        "offset.empty() or (when.exists() and ((when in ('C' | 'CM' | 'CD' | 'CV')).not()))",
    ): Correction(
        "offset.empty() or (when.exists() and when.select($this in ('C' | 'CM' | 'CD' | 'CV')).allFalse())",
        "`in` takes one item, and `when` repeats",
    ),
    ("rng-2", "low.empty() or high.empty() or (low <= high)"): Correction(
        "low.empty() or high.empty() or (low <= high).empty() or (low <= high)",
        "quantities whose units can't be compared give no answer",
    ),
    ("vs-1", "($this as dateTime).toString().length() >= 8"): Correction(
        "ofType(dateTime).hasValue().not() or ($this as dateTime).toString().length() >= 8",
        "the rule's text is of a dateTime with a value; a Period gave no answer",
    ),
    ("que-7", "operator = 'exists' implies (answer is Boolean)"): Correction(
        "operator = 'exists' implies (answer is boolean)",
        "answerBoolean is FHIR's boolean, not System.Boolean",
    ),
    ("ras-2", "probability is decimal implies (probability as decimal) <= 100"): Correction(
        "(probability.exists() and (probability is decimal)) implies ((probability as decimal) <= 100)",
        "a prediction without probability gives no answer",
    ),
    ("que-12", "enableWhen.count() > 2 implies enableBehavior.exists()"): Correction(
        "enableWhen.count() >= 2 implies enableBehavior.exists()", "the rule's text says two or more"
    ),
    (
        "opd-3",
        "targetProfile.exists() implies (type = 'Reference' or type = 'canonical')",
    ): Correction(
        "targetProfile.exists() implies (type = 'Reference' or type = 'canonical' or "
        "type.memberOf('http://hl7.org/fhir/ValueSet/resource-types'))",
        "a parameter may be a resource with a profile",
    ),
}
"""By key (`*`: any) and expression."""

ANSWERED_ELSEWHERE = {
    "ele-1": "empty values are found where the structure is checked (FB-FHIR-012)",
    "ext-1": "checked with the extension's definition",
    "ref-1": "contained references are followed where references are checked (FB-FHIR-041)",
    "txt-1": "the narrative is read where its text is checked (FB-FHIR-070)",
    "txt-2": "the narrative is read where its text is checked (FB-FHIR-070)",
}
"""Keys whose rule another check keeps, with a better message; they are compiled only when asked for by expression."""

BEST_PRACTICE = {"dom-6"}
"""Recommendations that R4 itself marks as best practice (elementdefinition-bestpractice)."""
