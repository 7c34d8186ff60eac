"""The issue codes of terminology content. docs/issue-codes.md lists them; a code never changes its meaning."""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode(
        "FB-TERM-001",
        "error",
        "terminology file can't be read",
        "correct the JSON at the place the message names, or take the file out of the folder",
        "structure",
    ),
    IssueCode(
        "FB-TERM-002",
        "error",
        "not a CodeSystem, ValueSet, ConceptMap, NamingSystem or StructureDefinition",
        "a terminology folder holds only these; move the file elsewhere",
        "structure",
    ),
    IssueCode(
        "FB-TERM-003",
        "error",
        "url or id missing, or used twice",
        "give every resource a url of its own; a site replaces a shipped one by the same url in its own folder",
        "duplicate",
    ),
    IssueCode(
        "FB-TERM-010",
        "error",
        "target code does not exist",
        "look the code up in its code system: it is misspelt, retired, or of another system",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-011",
        "error",
        "source code does not exist",
        "look the code up in its code system, or take the row out",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-012",
        "warning",
        "display differs from the code system's",
        "write the display as the code system has it; a wrong display often means a wrong code",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-013",
        "error",
        "the same row twice",
        "take one out",
        "duplicate",
    ),
    IssueCode(
        "FB-TERM-014",
        "error",
        "contradictory rows",
        "a source code has one equivalent or equal target; mark the others wider, narrower or inexact",
        "conflict",
    ),
    IssueCode(
        "FB-TERM-015",
        "error",
        "target is not in the map's target value set",
        "choose a code of the value set, or correct targetUri/targetCanonical",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-016",
        "error",
        "equivalence missing or unknown",
        "use one of R4's concept-map-equivalence codes",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-017",
        "error",
        "a group without target system, or a target without code",
        "name group.target; write a target without code only with equivalence unmatched",
        "required",
    ),
    IssueCode(
        "FB-TERM-018",
        "warning",
        "source code is not in the map's source value set",
        "take the row out, or correct sourceUri/sourceCanonical",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-019",
        "error",
        "no such code system",
        "name the code system by its canonical URL, to the letter (no trailing slash)",
        "code-invalid",
    ),
    IssueCode(
        "FB-TERM-020",
        "warning",
        "code is on its way out",
        "a deprecated target still counts, but choose its successor; a retired source code only maps old data",
        "business-rule",
    ),
    IssueCode(
        "FB-TERM-030",
        "error",
        "an import can't be read",
        "the file or archive is missing, damaged or encrypted; download it again or unpack it",
        "not-found",
    ),
    IssueCode(
        "FB-TERM-031",
        "error",
        "an import is malformed",
        "the message names file and line; correct it or ask the publisher; nothing of it was imported",
        "structure",
    ),
    IssueCode(
        "FB-TERM-032",
        "error",
        "an import is out of all proportion",
        "an archive that unpacks to a multiple beyond reason is refused; unpack it yourself if you trust it",
        "too-costly",
    ),
    IssueCode(
        "FB-TERM-033",
        "error",
        "the form of an import is not known",
        "name it with --format, or give the download as the publisher made it",
        "not-supported",
    ),
)
