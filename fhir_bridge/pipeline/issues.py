"""Issue codes of a run as a whole."""

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode(
        "FB-RUN-001",
        "error",
        "No adapter takes this file",
        "Name the file itself instead of its folder to force it, or leave it out of the sources.",
        "not-supported",
    ),
    IssueCode(
        "FB-RUN-002",
        "error",
        "No mapping fits this source",
        "Name a mapping with --mapping, or write one (docs/mapping-language.md).",
        "not-supported",
    ),
    IssueCode(
        "FB-RUN-003",
        "fatal",
        "The source can't be opened",
        "Check that the file exists, that this user may read it, and that its name is UTF-8.",
        "not-found",
    ),
    IssueCode(
        "FB-RUN-004",
        "information",
        "The run took as many records as --limit names",
        "Nothing to do; the place is the first record or file that was not taken.",
        "informational",
    ),
    IssueCode(
        "FB-RUN-005",
        "error",
        "No record is the one asked for",
        "Write --only as rejects.ndjson and issues write locators: `adt.hl7#3`, `lab.csv:17`, or a file's name.",
        "not-found",
    ),
    IssueCode(
        "FB-RUN-010",
        "error",
        "Two contents under one id with one business time",
        "The first is kept and the second withheld. Add to the rule's `key:` what distinguishes them.",
        "conflict",
    ),
    IssueCode(
        "FB-RUN-011",
        "error",
        "One id is in the records of two patients",
        "The first is kept and the second withheld. Correct the patient or the key (order or visit number) at its "
        "source; where the two patients are one person, convert their link (ADT A40) in the same run.",
        "conflict",
    ),
    IssueCode(
        "FB-RUN-013",
        "error",
        "The sex that a sample's calls show is not the gender of its Patient",
        "Nothing of the sample is stored. Find out whether it is another person's (crosswalk, laboratory), or correct "
        "Patient.gender; where both are right, load with --set check_sex=false.",
        "conflict",
    ),
    IssueCode(
        "FB-RUN-020",
        "error",
        "A converted resource is not valid",
        "The resource is withheld. Correct the rule that the message names; "
        "`fhir-bridge validate` shows every finding.",
        "invalid",
    ),
    IssueCode(
        "FB-RUN-030",
        "error",
        "An entry of a batch Bundle was refused",
        "The status says why (R4 http.html); the other entries were carried out.",
        "processing",
    ),
    IssueCode(
        "FB-RUN-031",
        "error",
        "A resource to load has no id",
        "Give it an id, or send it in a transaction Bundle under a urn:uuid; loading must be repeatable.",
        "required",
    ),
    IssueCode(
        "FB-RUN-032",
        "error",
        "An entry of a Bundle can't be loaded",
        "Give the entry its resource; send a deletion in a transaction or batch.",
        "required",
    ),
    IssueCode(
        "FB-RUN-033",
        "information",
        "An entry of a Bundle is no part of a record",
        "Nothing to do: a search reports about itself in it.",
        "informational",
    ),
    IssueCode(
        "FB-RUN-040",
        "error",
        "A received message could not be processed",
        "It is kept. Report it with what the log says; `fhir-bridge inbox replay` processes it again.",
        "exception",
    ),
    IssueCode(
        "FB-RUN-041",
        "error",
        "Nothing of a received message could be converted",
        "It is kept. `fhir-bridge inbox message` shows it; correct the mapping, then `fhir-bridge inbox replay`.",
        "processing",
    ),
    IssueCode(
        "FB-RUN-042",
        "warning",
        "The order of an imaging study is not certain",
        "Its number fits several orders of the patient: write `basedOn` where you know it, or have issuers named.",
        "multiple-matches",
    ),
    IssueCode(
        "FB-RUN-043",
        "warning",
        "A message acts on an order that is not here, or not known by its number",
        "It is applied once an order of the patient with its number comes; correct the number at its sender.",
        "not-found",
    ),
    IssueCode(
        "FB-RUN-053",
        "warning",
        "A merge names a number that another patient has, too, who is not merged",
        "Link the other patient to the one that goes on, if they are one; else correct the number at its sender.",
        "business-rule",
    ),
    IssueCode(
        "FB-RUN-050",
        "error",
        "A file can't be kept: neither its reports nor that it was studied are stored, and older files count as before",
        "Give a file, not a stream, sorted by contig and position, and correct the line that is named; or load it "
        "without --keep-file.",
        "processing",
    ),
    IssueCode(
        "FB-RUN-051",
        "warning",
        "A kept file, or a newer one of its samples, came without the release of ClinVar that it was classified by",
        "Run `fhir-bridge reclassify` with the release again; or load with `--set clinvar=` and the release.",
        "processing",
    ),
)
