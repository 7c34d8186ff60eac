"""Issue codes of the mapping package: documents (0nn), running rules (1nn), coded values and times (2nn), identity."""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    # Documents: `load_mapping` refuses them.
    IssueCode(
        "FB-MAP-001", "error", "The mapping document is wrong", "Correct the mapping at the line named"
    ),
    IssueCode(
        "FB-MAP-002",
        "error",
        "The document is not YAML 1.2",
        "Correct the syntax at the line named",
        "structure",
    ),
    IssueCode(
        "FB-MAP-003",
        "error",
        "The document does not have the form of a mapping",
        "See docs/mapping-language.md; an editor with a YAML language server checks it while you type",
        "structure",
    ),
    IssueCode(
        "FB-MAP-004", "error", "An expression can't be read", "See the grammar in docs/mapping-language.md"
    ),
    IssueCode("FB-MAP-005", "error", "Unknown name", "Use a field of this source or a variable in scope"),
    IssueCode(
        "FB-MAP-006", "error", "Unknown function or argument", "See docs/mapping-language.md for functions"
    ),
    IssueCode("FB-MAP-007", "error", "No such element", "Use an element of the type, as R4 spells it"),
    IssueCode(
        "FB-MAP-008", "error", "The value can't be of the element's type", "Create the value with a function"
    ),
    IssueCode(
        "FB-MAP-009", "error", "The code is outside the element's required binding", "Use a code of the set"
    ),
    IssueCode("FB-MAP-010", "error", "A required element is never set", "Set it, or drop the profile"),
    IssueCode("FB-MAP-011", "error", "The profile fixes another value", "Use the profile's value"),
    IssueCode(
        "FB-MAP-012",
        "error",
        "No such rule, scope, adapter, profile, fragment, file or mapping",
        "Use one that exists",
    ),
    IssueCode(
        "FB-MAP-013",
        "error",
        "A change of what the extended mapping does not have",
        "Name what is there, or add it with `+`; after an upgrade, see what became of it in the mapping beneath",
    ),
    IssueCode(
        "FB-MAP-014", "error", "An option of the source is unknown or wrong", "See the page of the adapter"
    ),
    IssueCode(
        "FB-MAP-015",
        "error",
        "It compiles, and is probably wrong",
        "Correct it, or end the line with the comment `# checked`",
    ),
    IssueCode(
        "FB-MAP-016", "error", "A joined table can't be used", "Correct the file, its key column, or max_rows"
    ),
    # Running rules.
    IssueCode(
        "FB-MAP-101",
        "error",
        "A rule failed on a value",
        "See the mapping line named; the output is lost alone",
    ),
    IssueCode(
        "FB-MAP-102", "error", "A value is not of the element's type", "The element was left out", "value"
    ),
    IssueCode(
        "FB-MAP-103", "error", "Several values for an element that takes one", "Choose one in the mapping"
    ),
    IssueCode(
        "FB-MAP-104",
        "error",
        "A required element came out empty",
        "The output or part was left out",
        "required",
    ),
    IssueCode(
        "FB-MAP-105", "error", "A part of a key is empty", "The output has no identity without it", "required"
    ),
    IssueCode("FB-MAP-106", "error", "A value that no case of a match takes", "Add a case, or an `else:`"),
    IssueCode(
        "FB-MAP-107", "error", "A value that no case of a match takes was left out", "Add a case for it"
    ),
    IssueCode(
        "FB-MAP-108", "warning", "A reference to an output that was lost is left out", "See why it was lost"
    ),
    IssueCode(
        "FB-MAP-109",
        "error",
        "Two different contents under one id in a record",
        "The first stays; give the rule a key that distinguishes them",
        "duplicate",
    ),
    IssueCode(
        "FB-MAP-110", "information", "No rule produced anything for a record", "Check the rules' conditions"
    ),
    IssueCode(
        "FB-MAP-111", "error", "A code outside the element's required binding", "Translate it", "code-invalid"
    ),
    IssueCode(
        "FB-MAP-112",
        "error",
        "Several values where one was expected; none is taken",
        "Choose in the mapping",
    ),
    # Coded values, quantities and times.
    IssueCode(
        "FB-MAP-201", "warning", "A code has no mapping; the source's own is kept", "Add it to a ConceptMap"
    ),
    IssueCode("FB-MAP-202", "error", "No such ConceptMap is loaded", "Load the map, or correct its name"),
    IssueCode(
        "FB-MAP-203", "error", "A code has no mapping and the rule asks for one", "Add it to a ConceptMap"
    ),
    IssueCode(
        "FB-MAP-204",
        "warning",
        "A code has no mapping and was replaced as the rule says",
        "Add it to the map",
    ),
    IssueCode("FB-MAP-205", "error", "A code has no mapping and was left out", "Add it to a ConceptMap"),
    IssueCode(
        "FB-MAP-206", "warning", "A unit is not known in UCUM; its text is kept", "Add it to the units map"
    ),
    IssueCode(
        "FB-MAP-207",
        "error",
        "Not a number",
        "The element was left out; set `decimal:` in `source:`",
        "value",
    ),
    IssueCode(
        "FB-MAP-208", "error", "Not a date or time", "The element was left out; give a format", "value"
    ),
    IssueCode(
        "FB-MAP-209", "warning", "A time without zone: only its date is kept", "Set `zone:` in the site file"
    ),
    IssueCode(
        "FB-MAP-210",
        "warning",
        "A local time that the clock change doubles or skips: only its date is kept",
        "Send times with an offset",
    ),
    IssueCode("FB-MAP-211", "error", "Not a truth value", "The element was left out", "value"),
    IssueCode(
        "FB-MAP-212",
        "warning",
        "A code is not one of the system that the source names",
        "It is kept as a code of the source; correct it there, or load the system's newer version",
        "code-invalid",
    ),
    IssueCode(
        "FB-MAP-213",
        "warning",
        "A joined table has no row for a key, or several that differ",
        "Complete or correct the table; `else='drop'` where a row need not be there",
    ),
    IssueCode(
        "FB-MAP-214",
        "warning",
        "A period ends before it begins; its end is kept as text",
        "Correct it in the source: R4 allows no such period, so that the end is in an extension",
        "value",
    ),
    # Identity: what can't be linked is held, never guessed.
    IssueCode(
        "FB-ID-001",
        "error",
        "A patient identifier whose assigning authority is not known",
        "Name it under identity.authorities or identity.default_authority in the site file",
        "not-found",
    ),
    IssueCode(
        "FB-ID-002", "error", "No patient identifier", "Correct the source, or link the record", "not-found"
    ),
    IssueCode(
        "FB-ID-003",
        "error",
        "A sample that the crosswalk does not name",
        "Add it to the crosswalk file",
        "not-found",
    ),
    IssueCode(
        "FB-ID-004",
        "error",
        "A Patient of another system who is neither in its export nor stored",
        "Load the Patient: what waits in the inbox is stored then, and what was stored before stays",
        "not-found",
    ),
)
