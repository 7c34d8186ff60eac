"""Issue codes of the EHR readers."""

from __future__ import annotations

from fhir_bridge.fhir.issues import Issue, IssueCode, declare

__all__ = ["new_issue"]

_CODES = declare(
    IssueCode(
        "FB-CSV-001",
        "error",
        "The header of the table can't be read",
        "Check encoding and delimiter in the mapping's source block; the file is refused whole.",
        "structure",
    ),
    IssueCode(
        "FB-CSV-002",
        "error",
        "A column of this name occurs twice in the header",
        "Give every column its own name; the file is refused whole.",
        "duplicate",
    ),
    IssueCode(
        "FB-CSV-003",
        "error",
        "A column that the mapping needs is not in the table",
        "Export the column, correct its name in the mapping, or list it under source.optional.",
        "required",
    ),
    IssueCode(
        "FB-CSV-004",
        "error",
        "The row has more or fewer cells than the header",
        "Look for an unquoted delimiter or a line break in a cell of this row.",
        "structure",
    ),
    IssueCode(
        "FB-CSV-005",
        "error",
        "Bytes of the row are not of the file's encoding",
        "Set source.encoding to what the export uses (utf-8, cp1252, …).",
        "structure",
    ),
    IssueCode(
        "FB-CSV-006",
        "error",
        "A quoted cell is not closed",
        "Double the quote characters inside the cell, or set source.quote.",
        "structure",
    ),
    IssueCode(
        "FB-CSV-007",
        "warning",
        "No mapping speaks of this table",
        "Name one with --mapping, or write one with source.file and source.columns. Its rows count as skipped.",
        "not-supported",
    ),
    IssueCode(
        "FB-CSV-008",
        "error",
        "The table fits more than one mapping, or one by name but not by its columns",
        "Name the mapping with --mapping, or make source.file and source.columns of the mappings distinguish them.",
        "structure",
    ),
    IssueCode(
        "FB-CSV-009",
        "error",
        "The source options of the mapping are wrong",
        "Correct the source block; docs/adapters/csv.md lists its keys.",
        "invalid",
    ),
    IssueCode(
        "FB-CSV-010",
        "error",
        "The file can't be opened",
        "Check that it exists and may be read.",
        "not-found",
    ),
    IssueCode(
        "FB-CSV-011",
        "warning",
        "A column of the table holds values that no rule represents",
        "Add it to a rule, or list it under source.ignore where it is not wanted.",
        "incomplete",
    ),
    IssueCode(
        "FB-CSV-012",
        "information",
        "A column of the table holds values that the mapping leaves out by its source.ignore",
        "Nothing to do.",
        "informational",
    ),
    IssueCode(
        "FB-CSV-013",
        "warning",
        "The workbook has further sheets, which are not read",
        "Name the sheet with source.sheet; convert the workbook once for each sheet that is wanted.",
        "incomplete",
    ),
    IssueCode(
        "FB-CSV-014",
        "error",
        "The rest of the table can't be read",
        "The file is damaged or cut off: ask for it again. The rows before are converted.",
        "structure",
    ),
    IssueCode(
        "FB-HL7-001",
        "error",
        "The file does not begin with a message",
        "Expected MSH, FHS or BHS at the start; check that it is HL7 v2 in ER7 form.",
        "structure",
    ),
    IssueCode(
        "FB-HL7-002",
        "error",
        "The MSH segment can't be read",
        "MSH needs a field separator and at least the component separator in MSH-2.",
        "structure",
    ),
    IssueCode(
        "FB-HL7-003",
        "error",
        "The message is not in the character set that it states",
        "Correct MSH-18 at the sender, or set source.encoding.",
        "structure",
    ),
    IssueCode(
        "FB-HL7-004",
        "error",
        "The character set in MSH-18 is not known",
        "Use a name of HL7 table 0211, or set source.encoding.",
        "not-supported",
    ),
    IssueCode(
        "FB-HL7-005",
        "warning",
        "The message states no character set and is not UTF-8; it was read as windows-1252",
        "Send MSH-18, or set source.encoding.",
        "structure",
    ),
    IssueCode(
        "FB-HL7-006",
        "warning",
        "A line that is no segment was joined to the one before",
        "The sender puts a bare line break inside a field: escape it as \\.br\\ or \\X0D\\.",
        "structure",
    ),
    IssueCode(
        "FB-HL7-007",
        "warning",
        "The message lacks a segment that the mapping requires; it was skipped",
        "Use a mapping for this message type, or leave such messages out of the feed.",
        "not-supported",
    ),
    IssueCode(
        "FB-HL7-008",
        "warning",
        "The mapping covers this message type in part",
        "Only the segments that the mapping names are converted; the rest of the message is not.",
        "not-supported",
    ),
    IssueCode(
        "FB-HL7-009",
        "error",
        "The file can't be opened",
        "Check that it exists and may be read.",
        "not-found",
    ),
    IssueCode(
        "FB-HL7-010",
        "error",
        "The message is larger than the limit",
        "Raise source.max_message_mb where such messages are meant.",
        "too-long",
    ),
    IssueCode(
        "FB-HL7-011",
        "warning",
        "The count that a batch or file trailer states differs from the messages read",
        "The file may be cut short: ask the sender for it again.",
        "incomplete",
    ),
    IssueCode(
        "FB-HL7-012",
        "warning",
        "The message says something that no rule represents; it is partial",
        "Add the field to the mapping where it matters. docs/adapters/hl7v2.md lists the fields that do not count.",
        "incomplete",
    ),
    IssueCode(
        "FB-HL7-013",
        "warning",
        "The patient has no identifier and is known to this source alone",
        "Send PID-3: by an account number or a message alone nothing else is found of the same person.",
        "incomplete",
    ),
    IssueCode(
        "FB-HL7-014",
        "information",
        "A vital sign without unit was given the only one that it can have",
        "Send OBX-6.",
        "incomplete",
    ),
    IssueCode(
        "FB-HL7-015",
        "warning",
        "A vital sign is in no unit that R4 takes for it; its value is in a note",
        "Send OBX-6 in UCUM, or add the unit's text to the units ConceptMap.",
        "value",
    ),
    IssueCode(
        "FB-HL7-016",
        "information",
        "A number is not written as its type says, but can be read",
        "Send NM as digits with sign and point, and SN in its components.",
        "value",
    ),
    IssueCode(
        "FB-HL7-017",
        "information",
        "Fields of the exchange itself, and components that say nothing about what a value means, are left out",
        "Nothing to do; docs/adapters/hl7v2.md says of each why it does not count. A rule may read it all the same.",
        "informational",
    ),
)


def new_issue(code: str, message: str, source: str) -> Issue:
    """An issue of a declared code, with that code's severity."""
    return Issue(_CODES[code].severity, code, message, source)
