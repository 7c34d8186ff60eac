"""Issues about codes and their displays."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.terminology.operations.messages.wording import at, joined
from fhir_bridge.terminology.operations.outcomes import Severity, TxIssue

__all__ = [
    "abstract_code",
    "case_differs",
    "concept_deprecated_in_value_set",
    "deprecated_concept",
    "display_unknown_for_language",
    "inactive_code",
    "inactive_concept",
    "inactive_display",
    "no_displays",
    "unknown_code",
    "unknown_code_in_fragment",
    "wrong_display",
]


def unknown_code(path: str, code: str, system: str, version: str | None) -> TxIssue:
    """The code system, which is available whole, lacks the code."""
    text = f"Unknown code '{code}' in the CodeSystem '{system}'"
    name = "Unknown_Code_in"
    if version:
        text += f" version '{version}'"
        name = "Unknown_Code_in_Version"
    return TxIssue("error", "code-invalid", "invalid-code", text, at(path, "code"), name)


def unknown_code_in_fragment(path: str, code: str, system: str, version: str | None) -> TxIssue:
    """A part of the code system is available, which lacks the code."""
    text = (
        f"Unknown Code '{code}' in the CodeSystem '{system}' version '{version or ''}' - note that the code system "
        "is labeled as a fragment, so the code may be valid in some other fragment"
    )
    return TxIssue(
        "warning", "code-invalid", "invalid-code", text, at(path, "code"), "UNKNOWN_CODE_IN_FRAGMENT"
    )


def case_differs(path: str, code: str, correct: str, system: str) -> TxIssue:
    """The code differs from the right one by case, in a system that is not case sensitive."""
    text = (
        f"The code '{code}' differs from the correct code '{correct}' by case. Although the code system '{system}' "
        "is case insensitive, implementers are strongly encouraged to use the correct case anyway"
    )
    return TxIssue(
        "information", "business-rule", "code-rule", text, at(path, "code"), "CODE_CASE_DIFFERENCE"
    )


def abstract_code(path: str, system: str, code: str) -> TxIssue:
    """The code is not for use, and `abstract=false` asked for one that is."""
    text = f"Code '{system}#{code}' is abstract, and not allowed in this context"
    return TxIssue("error", "business-rule", "code-rule", text, at(path, "code"), "ABSTRACT_CODE_NOT_ALLOWED")


def inactive_code(path: str, code: str) -> TxIssue:
    """The code is inactive where only active ones are allowed."""
    text = f"The concept '{code}' is valid but is not active"
    return TxIssue("error", "business-rule", "code-rule", text, at(path, "code"), "STATUS_CODE_WARNING_CODE")


def inactive_concept(path: str, code: str, status: str) -> TxIssue:
    """The concept is inactive: a warning."""
    words = status if status in ("", "inactive") or status.isupper() else f"{status} and inactive"
    text = f"The concept '{code}' has a status of {words or 'inactive'} and its use should be reviewed"
    return TxIssue("warning", "business-rule", "code-comment", text, path, "INACTIVE_CONCEPT_FOUND")


def deprecated_concept(path: str, code: str) -> TxIssue:
    """The concept is deprecated: a warning."""
    text = f"The concept '{code}' is deprecated and its use should be reviewed"
    return TxIssue("warning", "business-rule", "code-comment", text, path, "DEPRECATED_CONCEPT_FOUND")


def concept_deprecated_in_value_set(
    path: str, system: str, code: str, status: str, value_set: str
) -> TxIssue:
    """The value set marks its entry as deprecated."""
    text = (
        f"The presence of the concept '{code}' in the system '{system}' in the value set {value_set} "
        f"is marked with a status of {status} and its use should be reviewed"
    )
    return TxIssue(
        "warning",
        "business-rule",
        "code-comment",
        text,
        at(path, "code"),
        "CONCEPT_DEPRECATED_IN_VALUESET",
    )


def wrong_display(
    severity: Severity,
    path: str,
    system: str,
    code: str,
    display: str,
    valid: Sequence[str],
    languages: str,
    *,
    spacing: bool,
) -> TxIssue:
    """None of the names in the asked languages."""
    stem = (
        "Display_Name_WS_for__should_be_one_of__instead_of"
        if spacing
        else ("Display_Name_for__should_be_one_of__instead_of")
    )
    begin = "Wrong whitespace in Display Name" if spacing else "Wrong Display Name"
    choices = valid[0] if len(valid) == 1 else f"one of {len(valid)} choices: {joined(valid, 'or')}"
    text = f"{begin} '{display}' for {system}#{code}. Valid display is {choices} (for the language(s) '{languages}')"
    return TxIssue(severity, "invalid", "invalid-display", text, at(path, "display"), stem)


def display_unknown_for_language(
    severity: Severity,
    path: str,
    system: str,
    code: str,
    display: str,
    default: str,
    languages: str,
    *,
    ok: bool,
) -> TxIssue:
    """The asked languages have no names; `ok`: the display is a valid one in the system's own language."""
    where = at(path, "display")
    if ok:
        text = (
            f"There are no valid display names found for the code {system}#{code} for language(s) '{languages}'. "
            f"The display is '{display}' which is a valid display for the default language"
        )
        name = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_OK"
    else:
        text = (
            f"Wrong Display Name '{display}' for {system}#{code}. There are no valid display names found "
            f"for language(s) '{languages}'. Default display is '{default}'"
        )
        name = "NO_VALID_DISPLAY_FOUND_NONE_FOR_LANG_ERR"
    return TxIssue(severity, "invalid", "invalid-display", text, where, name)


def no_displays(path: str, system: str, code: str, display: str, languages: str) -> TxIssue:
    """The concept has no name at all."""
    text = f"Cannot validate display '{display}' for {system}#{code} in language {languages}: No displays are known"
    return TxIssue(
        "warning", "invalid", "invalid-display", text, at(path, "display"), "NO_VALID_DISPLAY_AT_ALL"
    )


def inactive_display(path: str, code: str, display: str, status: str, valid: Sequence[str]) -> TxIssue:
    """The display is a name that is no longer right."""
    right = ",".join(f'"{item}"' if len(item) else item for item in valid)
    text = (
        f"'{display}' is no longer considered a correct display for code '{code}' (status = {status}). "
        f"The correct display is one of {right}."
    )
    return TxIssue(
        "warning", "invalid", "display-comment", text, at(path, "display"), "INACTIVE_DISPLAY_FOUND"
    )
