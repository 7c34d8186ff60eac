"""The issue codes of definition packages. docs/issue-codes.md lists them; a code never changes its meaning."""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode(
        "FB-PKG-001",
        "error",
        "package can't be read",
        "name a .tgz of a registry, a folder with package.json, or a JSON file of a definition",
        "not-found",
    ),
    IssueCode(
        "FB-PKG-002",
        "error",
        "package is unsafe or too large",
        "take the package from its publisher again: the message names the limit or the file",
        "too-long",
    ),
    IssueCode(
        "FB-PKG-003",
        "error",
        "package or definition is for another FHIR version",
        "take the package's R4 edition",
        "not-supported",
    ),
    IssueCode(
        "FB-PKG-004",
        "error",
        "file of a package is not a definition",
        "correct or remove the file",
        "structure",
    ),
    IssueCode(
        "FB-PKG-005",
        "error",
        "base definition is missing, or builds on itself",
        "add the package that defines the base; let no profile build on itself",
        "not-found",
    ),
    IssueCode(
        "FB-PKG-006",
        "error",
        "differential doesn't fit its base",
        "correct the element, or ship a snapshot",
        "structure",
    ),
    IssueCode(
        "FB-PKG-007",
        "warning",
        "url is defined twice in the same version",
        "keep one: the first is used",
        "duplicate",
    ),
    IssueCode(
        "FB-PKG-008",
        "warning",
        "slices can't be distinguished",
        "give the slicing discriminators: without them its slices are not checked",
        "incomplete",
    ),
    IssueCode(
        "FB-PKG-009",
        "warning",
        "a package that this one depends on is not available",
        "add the package to the setting",
        "incomplete",
    ),
    IssueCode(
        "FB-PKG-010",
        "information",
        "definition is left aside",
        "nothing: R4's own types and logical models take no part in validation",
        "informational",
    ),
)
