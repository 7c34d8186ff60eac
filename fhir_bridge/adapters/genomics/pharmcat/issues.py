"""Issue codes of the adapter `pharmcat`."""

from __future__ import annotations

from fhir_bridge.fhir.issues import Issue, IssueCode, declare

__all__ = ["CODES", "issue"]

CODES = declare(
    IssueCode(
        "FB-PGX-001",
        "error",
        "The file is no JSON of PharmCAT",
        "Give PharmCAT's report, phenotype or match file as JSON (-reporterJson).",
    ),
    IssueCode(
        "FB-PGX-002",
        "error",
        "A part of the file has another form than PharmCAT writes",
        "Compare the part that is named with a file of PharmCAT 2 or 3.",
    ),
    IssueCode("FB-PGX-003", "error", "The file names no sample", "Name it with --set sample=NAME."),
    IssueCode("FB-PGX-004", "error", "An option of the reader is wrong", "Correct the option that is named."),
    IssueCode(
        "FB-PGX-010",
        "information",
        "Genes were not called",
        "Nothing to do, or give outside calls to PharmCAT.",
    ),
    IssueCode(
        "FB-PGX-011",
        "information",
        "Several diplotypes fit a gene's calls equally well",
        "All are kept; phased calls decide.",
    ),
    IssueCode(
        "FB-PGX-012",
        "warning",
        "A recommendation refers to genes that were not called, and is left out",
        "Compare the file with its genes.",
    ),
    IssueCode(
        "FB-PGX-013",
        "warning",
        "The file's timestamp can't be read: its results have no date, and no newer file replaces them by date",
        "Compare the timestamp with one of PharmCAT (2025-11-14T22:36:36.135Z).",
    ),
    IssueCode(
        "FB-PGX-014",
        "warning",
        "A name of the file is no text and is left out",
        "Compare the part that is named with a file of PharmCAT.",
    ),
    IssueCode(
        "FB-PGX-015",
        "information",
        "Warnings of the VCF's positions are left out",
        "Read them in the match file; a report or phenotype file has those of the positions that count.",
    ),
)


def issue(code: str, message: str, source: str = "") -> Issue:
    """An issue of the declared severity."""
    return Issue(CODES[code].severity, code, message, source)
