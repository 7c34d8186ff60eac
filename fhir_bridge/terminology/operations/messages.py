"""The issues that the operations report, one function each, so that a text stands in one place.

Texts, ids and codes are the ones that HL7's terminology ecosystem guide gives; a client compares them by id.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.terminology.operations.outcomes import Severity, TxIssue

__all__ = [
    "abstract_code",
    "bad_filter",
    "bad_language",
    "bad_regex",
    "case_differs",
    "circular",
    "concept_deprecated_here",
    "deprecated_concept",
    "display_unknown_for_language",
    "empty_filter",
    "import_unknown",
    "inactive_code",
    "inactive_concept",
    "inactive_display",
    "joined",
    "no_displays",
    "no_system",
    "no_valid_coding",
    "not_a_code_system",
    "not_enumerable",
    "not_in_value_set",
    "not_inferred",
    "not_inferred_many",
    "reference_status",
    "relative_system",
    "supplement_as_system",
    "supplements_missing",
    "this_coding_not_in_value_set",
    "too_costly",
    "unknown_code",
    "unknown_code_in_fragment",
    "unknown_system",
    "unknown_system_expansion",
    "unknown_value_set",
    "version_checked",
    "version_differs",
    "wrong_display",
]


def joined(items: Sequence[str], last: str) -> str:
    """`a`, `a or b`, `a, b or c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def _at(path: str, element: str) -> str:
    return f"{path}.{element}" if path else element


# --- code systems ---


def unknown_system(path: str, system: str, version: str | None, known: Sequence[str]) -> TxIssue:
    """No definition of the code system, or of this version of it."""
    if not version:
        text = f"A definition for CodeSystem '{system}' could not be found, so the code cannot be validated"
        name = "UNKNOWN_CODESYSTEM"
    else:
        text = (
            f"A definition for CodeSystem '{system}' version '{version}' could not be found, "
            "so the code cannot be validated. "
        )
        if known:
            text += f"Valid versions: {_versions(known)}"
            name = "UNKNOWN_CODESYSTEM_VERSION"
        else:
            text += "No versions of this code system are known"
            name = "UNKNOWN_CODESYSTEM_VERSION_NONE"
    return TxIssue("error", "not-found", "not-found", text, _at(path, "system"), name)


def unknown_system_expansion(system: str, version: str | None, known: Sequence[str]) -> TxIssue:
    """The same, where a value set can't be expanded for it."""
    if not version:
        text = (
            f"A definition for CodeSystem '{system}' could not be found, so the value set cannot be expanded"
        )
        name = "UNKNOWN_CODESYSTEM_EXP"
    else:
        text = (
            f"A definition for CodeSystem '{system}' version '{version}' could not be found, "
            "so the value set cannot be expanded. "
        )
        if known:
            text += f"Valid versions: {_versions(known)}"
            name = "UNKNOWN_CODESYSTEM_VERSION_EXP"
        else:
            text += "No versions of this code system are known"
            name = "UNKNOWN_CODESYSTEM_VERSION_EXP_NONE"
    return TxIssue("error", "not-found", "not-found", text, "", name)


def _versions(known: Sequence[str]) -> str:
    return joined(known, "or" if len(known) == 2 else "and")


def version_checked(path: str, system: str, version: str, required: str) -> TxIssue:
    """`check-system-version` doesn't allow this version."""
    text = (
        f"The version '{version}' is not allowed for system '{system}': "
        f"required to be '{required}' by a version-check parameter"
    )
    where = _at(path, "version") if path is not None else ""
    return TxIssue("error", "exception", "version-error", text, where, "VALUESET_VERSION_CHECK")


def version_differs(
    path: str, system: str, used: str, stated: str | None, coding: str, *, default: bool
) -> TxIssue:
    """The version of the coding is not the version that the value set leads to.

    Args:
        used: what was looked for: the include's version after the version parameters, or what was taken by default.
        stated: the version that the include names.
        coding: the version of the coding.
        default: neither the include nor a parameter names a version.
    """
    where = _at(path, "version")
    if default:
        text = (
            f"The code system '{system}' version '{used}' for the versionless include in the ValueSet include "
            f"is different to the one in the value ('{coding}')"
        )
        return TxIssue("warning", "invalid", "vs-invalid", text, where, "VALUESET_VALUE_MISMATCH_DEFAULT")
    if used != (stated or ""):
        text = (
            f"The code system '{system}' version '{used}' resulting from the version '{stated or ''}' "
            f"in the ValueSet include is different to the one in the value ('{coding}')"
        )
        return TxIssue("error", "invalid", "vs-invalid", text, where, "VALUESET_VALUE_MISMATCH_CHANGED")
    text = (
        f"The code system '{system}' version '{used}' in the ValueSet include is different "
        f"to the one in the value ('{coding}')"
    )
    return TxIssue("error", "invalid", "vs-invalid", text, where, "VALUESET_VALUE_MISMATCH")


def supplement_as_system(path: str, supplement: str) -> TxIssue:
    """Coding.system names a supplement."""
    text = f"CodeSystem {supplement} is a supplement, so can't be used as a value in Coding.system"
    return TxIssue(
        "error", "invalid", "invalid-data", text, _at(path, "system"), "CODESYSTEM_CS_NO_SUPPLEMENT"
    )


def not_a_code_system(path: str, system: str) -> TxIssue:
    """Coding.system names a value set."""
    text = f"The Coding references a value set, not a code system ('{system}')"
    return TxIssue(
        "error", "invalid", "invalid-data", text, _at(path, "system"), "Terminology_TX_System_ValueSet2"
    )


def relative_system(path: str) -> TxIssue:
    """Coding.system is not an absolute URI."""
    text = "Coding.system must be an absolute reference, not a local reference"
    return TxIssue(
        "error", "invalid", "invalid-data", text, _at(path, "system"), "Terminology_TX_System_Relative"
    )


def no_system(path: str) -> TxIssue:
    """A coding without system."""
    text = (
        "Coding has no system. A code with no system has no defined meaning, and it cannot be validated. "
        "A system should be provided"
    )
    return TxIssue("warning", "invalid", "invalid-data", text, path, "Coding_has_no_system__cannot_validate")


# --- codes ---


def unknown_code(path: str, code: str, system: str, version: str | None) -> TxIssue:
    """The code system, which is at hand whole, lacks the code."""
    text = f"Unknown code '{code}' in the CodeSystem '{system}'"
    name = "Unknown_Code_in"
    if version:
        text += f" version '{version}'"
        name = "Unknown_Code_in_Version"
    return TxIssue("error", "code-invalid", "invalid-code", text, _at(path, "code"), name)


def unknown_code_in_fragment(path: str, code: str, system: str, version: str | None) -> TxIssue:
    """A part of the code system is at hand, which lacks the code."""
    text = (
        f"Unknown Code '{code}' in the CodeSystem '{system}' version '{version or ''}' - note that the code system "
        "is labeled as a fragment, so the code may be valid in some other fragment"
    )
    return TxIssue(
        "warning", "code-invalid", "invalid-code", text, _at(path, "code"), "UNKNOWN_CODE_IN_FRAGMENT"
    )


def case_differs(path: str, code: str, correct: str, system: str) -> TxIssue:
    """The code differs from the right one by case, in a system that is not case sensitive."""
    text = (
        f"The code '{code}' differs from the correct code '{correct}' by case. Although the code system '{system}' "
        "is case insensitive, implementers are strongly encouraged to use the correct case anyway"
    )
    return TxIssue(
        "information", "business-rule", "code-rule", text, _at(path, "code"), "CODE_CASE_DIFFERENCE"
    )


def abstract_code(path: str, system: str, code: str) -> TxIssue:
    """The code is not for use, and `abstract=false` asked for one that is."""
    text = f"Code '{system}#{code}' is abstract, and not allowed in this context"
    return TxIssue(
        "error", "business-rule", "code-rule", text, _at(path, "code"), "ABSTRACT_CODE_NOT_ALLOWED"
    )


def inactive_code(path: str, code: str) -> TxIssue:
    """The code is inactive where only active ones are allowed."""
    text = f"The concept '{code}' is valid but is not active"
    return TxIssue("error", "business-rule", "code-rule", text, _at(path, "code"), "STATUS_CODE_WARNING_CODE")


def inactive_concept(path: str, code: str, status: str) -> TxIssue:
    """The concept is inactive: a warning."""
    words = status if status in ("", "inactive") or status.isupper() else f"{status} and inactive"
    text = f"The concept '{code}' has a status of {words or 'inactive'} and its use should be reviewed"
    return TxIssue("warning", "business-rule", "code-comment", text, path, "INACTIVE_CONCEPT_FOUND")


def deprecated_concept(path: str, code: str) -> TxIssue:
    """The concept is deprecated: a warning."""
    text = f"The concept '{code}' is deprecated and its use should be reviewed"
    return TxIssue("warning", "business-rule", "code-comment", text, path, "DEPRECATED_CONCEPT_FOUND")


def concept_deprecated_here(path: str, system: str, code: str, status: str, value_set: str) -> TxIssue:
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
        _at(path, "code"),
        "CONCEPT_DEPRECATED_IN_VALUESET",
    )


# --- displays ---


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
    return TxIssue(severity, "invalid", "invalid-display", text, _at(path, "display"), stem)


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
    where = _at(path, "display")
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
        "warning", "invalid", "invalid-display", text, _at(path, "display"), "NO_VALID_DISPLAY_AT_ALL"
    )


def inactive_display(path: str, code: str, display: str, status: str, valid: Sequence[str]) -> TxIssue:
    """The display is a name that is no longer right."""
    right = ",".join(f'"{one}"' if len(one) else one for one in valid)
    text = (
        f"'{display}' is no longer considered a correct display for code '{code}' (status = {status}). "
        f"The correct display is one of {right}."
    )
    return TxIssue(
        "warning", "invalid", "display-comment", text, _at(path, "display"), "INACTIVE_DISPLAY_FOUND"
    )


# --- value sets ---


def not_in_value_set(path: str, coding: str, value_set: str) -> TxIssue:
    """The coding is not in the value set."""
    text = f"The provided code '{coding}' was not found in the value set '{value_set}'"
    name = "None_of_the_provided_codes_are_in_the_value_set_one"
    return TxIssue("error", "code-invalid", "not-in-vs", text, _at(path, "code"), name)


def this_coding_not_in_value_set(path: str, coding: str, value_set: str) -> TxIssue:
    """One coding of several is not in the value set."""
    text = f"The provided code '{coding}' was not found in the value set '{value_set}'"
    name = "None_of_the_provided_codes_are_in_the_value_set_one"
    return TxIssue("information", "code-invalid", "this-code-not-in-vs", text, _at(path, "code"), name)


def no_valid_coding(value_set: str) -> TxIssue:
    """No coding of a CodeableConcept is in the value set."""
    text = f"No valid coding was found for the value set '{value_set}'"
    return TxIssue("error", "code-invalid", "not-in-vs", text, "", "TX_GENERAL_CC_ERROR_MESSAGE")


def not_inferred(code: str, value_set: str) -> TxIssue:
    """`inferSystem`: no system of the value set has the code."""
    text = f"The System URI could not be determined for the code '{code}' in the ValueSet '{value_set}'"
    return TxIssue("error", "not-found", "cannot-infer", text, "code", "UNABLE_TO_INFER_CODESYSTEM")


def not_inferred_many(code: str, value_set: str, systems: Sequence[str]) -> TxIssue:
    """`inferSystem`: several systems of the value set have the code."""
    text = (
        f"The System URI could not be determined for the code '{code}' in the ValueSet '{value_set}': "
        f"value set expansion has multiple matches: [{', '.join(systems)}]"
    )
    name = "Unable_to_resolve_system__value_set_has_multiple_matches"
    return TxIssue("error", "not-found", "cannot-infer", text, "code", name)


def unknown_value_set(value_set: str) -> TxIssue:
    """No definition of the value set."""
    text = f"A definition for the value Set '{value_set}' could not be found"
    return TxIssue("error", "not-found", "not-found", text, "", "Unable_to_resolve_value_Set_")


def import_unknown(url: str, version: str | None) -> TxIssue:
    """A value set that is imported is not at hand, so that the expansion fails."""
    text = f"Unable to find included value set '{url}'"
    name = "VS_EXP_IMPORT_UNK"
    if version:
        text += f" version '{version}'"
        name = "VS_EXP_IMPORT_UNK_PINNED"
    return TxIssue("error", "not-found", "not-found", text, "", name)


def imports_too_deep(value_set: str, depth: int) -> TxIssue:
    """A chain of value sets that import each other, without end in sight."""
    text = f"The value set '{value_set}' stands at the end of a chain of more than {depth} imports"
    return TxIssue("error", "too-costly", "vs-invalid", text, "", "VALUESET_IMPORTS_TOO_DEEP")


def circular(value_set: str, pathway: Sequence[str]) -> TxIssue:
    """Value sets that import each other."""
    text = (
        f"Found a circularity pointing to {value_set} processing ValueSet with pathway [{', '.join(pathway)}]"
    )
    more = (
        f"Cyclic reference detected when excluding {value_set} via [{', '.join([*pathway[1:], value_set])}]"
    )
    return TxIssue(
        "error", "processing", "vs-invalid", text, "", "VALUESET_CIRCULAR_REFERENCE", diagnostics=more
    )


def supplements_missing(supplements: Sequence[str]) -> TxIssue:
    """Supplements that are required and not at hand."""
    s = "s" if len(supplements) > 1 else ""
    text = f"Required supplement{s} not found: {','.join(supplements)}"
    return TxIssue("error", "not-found", "not-found", text, "", "VALUESET_SUPPLEMENT_MISSING")


def too_costly(value_set: str, limit: int) -> TxIssue:
    """More codes than are given out at once."""
    text = f"The value set '{value_set}' expansion has too many codes to produce (>{limit})"
    return TxIssue("error", "too-costly", None, text, "", "VALUESET_TOO_COSTLY")


def not_enumerable(system: str) -> TxIssue:
    """A code system that is a grammar can't be listed."""
    text = (
        f"The code system '{system}' cannot be expanded because its codes cannot be iterated or enumerated "
        "in any meaningful sense"
    )
    return TxIssue("error", "not-supported", None, text, "", "CODESYSTEM_NOT_ENUMERABLE")


# --- filters ---


def empty_filter(where: str, system: str, property_name: str, op: str) -> TxIssue:
    """A filter without value."""
    text = f"The system {system} filter with property = {property_name}, op = {op} has no value"
    name = "UNABLE_TO_HANDLE_SYSTEM_FILTER_WITH_NO_VALUE"
    return TxIssue("error", "invalid", "vs-invalid", text, where, name)


def bad_filter(where: str, property_name: str, op: str, value: str, why: str = "") -> TxIssue:
    """A filter that this code system doesn't have."""
    text = f'The filter "{property_name} {op} {value}" is not understood or supported{why and ": " + why}'
    return TxIssue("error", "not-supported", "vs-invalid", text, where, "FILTER_NOT_UNDERSTOOD")


def bad_regex(where: str, property_name: str, value: str, why: str) -> TxIssue:
    """A filter whose regular expression can't be read or is too large."""
    text = (
        f"The value for a filter based on property '{property_name}' should be a valid regex, "
        f"not '{value}' (err = '{why}')"
    )
    return TxIssue("error", "invalid", "vs-invalid", text, where, "VALUESET_BAD_FILTER_VALUE_VALID_REGEX")


# --- requests ---


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
