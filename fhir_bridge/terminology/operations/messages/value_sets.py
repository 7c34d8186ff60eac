"""Issues about value sets and their filters."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.terminology.operations.messages.wording import at
from fhir_bridge.terminology.operations.outcomes import TxIssue

__all__ = [
    "bad_filter",
    "bad_regex",
    "circular",
    "empty_filter",
    "import_unknown",
    "imports_too_deep",
    "no_valid_coding",
    "not_enumerable",
    "not_in_value_set",
    "not_inferred",
    "not_inferred_many",
    "supplements_missing",
    "this_coding_not_in_value_set",
    "too_costly",
    "unknown_value_set",
]


def not_in_value_set(path: str, coding: str, value_set: str) -> TxIssue:
    """The coding is not in the value set."""
    text = f"The provided code '{coding}' was not found in the value set '{value_set}'"
    name = "None_of_the_provided_codes_are_in_the_value_set_one"
    return TxIssue("error", "code-invalid", "not-in-vs", text, at(path, "code"), name)


def this_coding_not_in_value_set(path: str, coding: str, value_set: str) -> TxIssue:
    """One coding of several is not in the value set."""
    text = f"The provided code '{coding}' was not found in the value set '{value_set}'"
    name = "None_of_the_provided_codes_are_in_the_value_set_one"
    return TxIssue("information", "code-invalid", "this-code-not-in-vs", text, at(path, "code"), name)


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
    """A value set that is imported is not available, so that the expansion fails."""
    text = f"Unable to find included value set '{url}'"
    name = "VS_EXP_IMPORT_UNK"
    if version:
        text += f" version '{version}'"
        name = "VS_EXP_IMPORT_UNK_PINNED"
    return TxIssue("error", "not-found", "not-found", text, "", name)


def imports_too_deep(value_set: str, depth: int) -> TxIssue:
    """A chain of value sets that import each other, without end in sight."""
    text = f"The value set '{value_set}' is at the end of a chain of more than {depth} imports"
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
    """Supplements that are required and not available."""
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
