"""Issues about code systems and their versions."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.terminology.operations.messages.wording import at, joined
from fhir_bridge.terminology.operations.outcomes import TxIssue

__all__ = [
    "no_system",
    "not_a_code_system",
    "relative_system",
    "supplement_as_system",
    "unknown_system",
    "unknown_system_expansion",
    "version_checked",
    "version_differs",
]


def unknown_system(path: str, system: str, version: str | None, known: Sequence[str]) -> TxIssue:
    """No definition of the code system, or of this version of it."""
    text, name = _unknown(system, version, known, "the code cannot be validated")
    return TxIssue("error", "not-found", "not-found", text, at(path, "system"), name)


def unknown_system_expansion(system: str, version: str | None, known: Sequence[str]) -> TxIssue:
    """The same, where a value set can't be expanded for it."""
    text, name = _unknown(system, version, known, "the value set cannot be expanded", "_EXP")
    return TxIssue("error", "not-found", "not-found", text, "", name)


def _unknown(
    system: str, version: str | None, known: Sequence[str], so: str, suffix: str = ""
) -> tuple[str, str]:
    """Text and name of the message; `so` is what follows from it."""
    text = f"A definition for CodeSystem '{system}'"
    if not version:
        return f"{text} could not be found, so {so}", f"UNKNOWN_CODESYSTEM{suffix}"
    text += f" version '{version}' could not be found, so {so}. "
    if known:
        return f"{text}Valid versions: {_versions(known)}", f"UNKNOWN_CODESYSTEM_VERSION{suffix}"
    return (
        f"{text}No versions of this code system are known",
        f"UNKNOWN_CODESYSTEM_VERSION{suffix}_NONE",
    )


def _versions(known: Sequence[str]) -> str:
    return joined(known, "or" if len(known) == 2 else "and")


def version_checked(path: str, system: str, version: str, required: str) -> TxIssue:
    """`check-system-version` doesn't allow this version."""
    text = (
        f"The version '{version}' is not allowed for system '{system}': "
        f"required to be '{required}' by a version-check parameter"
    )
    where = at(path, "version") if path is not None else ""
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
    where = at(path, "version")
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
        "error", "invalid", "invalid-data", text, at(path, "system"), "CODESYSTEM_CS_NO_SUPPLEMENT"
    )


def not_a_code_system(path: str, system: str) -> TxIssue:
    """Coding.system names a value set."""
    text = f"The Coding references a value set, not a code system ('{system}')"
    return TxIssue(
        "error", "invalid", "invalid-data", text, at(path, "system"), "Terminology_TX_System_ValueSet2"
    )


def relative_system(path: str) -> TxIssue:
    """Coding.system is not an absolute URI."""
    text = "Coding.system must be an absolute reference, not a local reference"
    return TxIssue(
        "error", "invalid", "invalid-data", text, at(path, "system"), "Terminology_TX_System_Relative"
    )


def no_system(path: str) -> TxIssue:
    """A coding without system."""
    text = (
        "Coding has no system. A code with no system has no defined meaning, and it cannot be validated. "
        "A system should be provided"
    )
    return TxIssue("warning", "invalid", "invalid-data", text, path, "Coding_has_no_system__cannot_validate")
