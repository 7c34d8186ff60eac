"""The issue codes of validation. docs/issue-codes.md lists them; a code never changes its meaning."""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode(
        "FB-FHIR-001",
        "fatal",
        "not the JSON of a resource",
        "correct the text: the message says where it breaks",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-002",
        "fatal",
        "resourceType is missing or unknown",
        "name one of R4's resource types",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-003",
        "fatal",
        "nested too deep",
        "flatten the resource: nothing in R4 needs this depth",
        "too-long",
    ),
    IssueCode(
        "FB-FHIR-010", "error", "unknown element", "correct the name or remove the element", "structure"
    ),
    IssueCode(
        "FB-FHIR-011",
        "error",
        "wrong kind of JSON value",
        "write the JSON kind that the element's type has",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-012",
        "error",
        "empty or null value",
        "leave the element out: R4 JSON has no empty values",
        "structure",
    ),
    IssueCode("FB-FHIR-013", "error", "too few", "add the required element", "required"),
    IssueCode("FB-FHIR-014", "error", "too many", "keep no more than the allowed number", "structure"),
    IssueCode("FB-FHIR-015", "error", "several types of one choice", "keep one of them", "structure"),
    IssueCode(
        "FB-FHIR-016",
        "error",
        "value not in the format of its type",
        "write the value as the type prescribes",
        "value",
    ),
    IssueCode(
        "FB-FHIR-017",
        "error",
        "values and their extensions don't match",
        "pad both arrays to the same length with null",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-020",
        "error",
        "code not in the required value set",
        "use a code of the value set",
        "code-invalid",
    ),
    IssueCode(
        "FB-FHIR-021",
        "warning",
        "code not in the extensible value set",
        "use a code of the value set where one fits",
        "code-invalid",
    ),
    IssueCode(
        "FB-FHIR-022",
        "error",
        "code not in its code system",
        "correct the code or its system",
        "code-invalid",
    ),
    IssueCode(
        "FB-FHIR-023",
        "warning",
        "display differs from the code system's",
        "use the system's display, and write your own wording into text",
        "code-invalid",
    ),
    IssueCode(
        "FB-FHIR-030",
        "error",
        "value differs from what the profile fixes",
        "use the value the profile prescribes",
        "value",
    ),
    IssueCode("FB-FHIR-031", "error", "slice is missing or short", "add what the slice requires", "required"),
    IssueCode(
        "FB-FHIR-032", "error", "slice has too many", "keep no more than the slice allows", "structure"
    ),
    IssueCode(
        "FB-FHIR-033",
        "error",
        "fits no slice of a closed slicing",
        "remove it or make it fit a slice",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-034",
        "error",
        "type not allowed by the profile",
        "use a type the profile allows",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-035",
        "warning",
        "profile not known",
        "add the profile's package, or remove it from meta.profile",
        "not-found",
    ),
    IssueCode(
        "FB-FHIR-036",
        "error",
        "profile is for another type",
        "declare a profile of this resource's type",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-040",
        "error",
        "reference to a type that is not allowed",
        "refer to a resource of an allowed type",
        "structure",
    ),
    IssueCode(
        "FB-FHIR-041",
        "error",
        "contained reference leads nowhere",
        "contain the resource, or correct the id behind #",
        "not-found",
    ),
    IssueCode(
        "FB-FHIR-042",
        "error",
        "malformed reference",
        "write Type/id, an absolute URL, urn:uuid:… or #id",
        "value",
    ),
    IssueCode(
        "FB-FHIR-043",
        "warning",
        "reference is not in the Bundle",
        "add the resource to the Bundle",
        "not-found",
    ),
    IssueCode(
        "FB-FHIR-050", "warning", "extension not known", "add the package that defines it", "extension"
    ),
    IssueCode(
        "FB-FHIR-051",
        "error",
        "extension differs from its definition",
        "use the value and parts that its definition has",
        "extension",
    ),
    IssueCode(
        "FB-FHIR-060", "error", "invariant broken", "change the resource so that the rule holds", "invariant"
    ),
    IssueCode(
        "FB-FHIR-061",
        "warning",
        "recommended rule not kept",
        "consider changing the resource so that the rule holds",
        "invariant",
    ),
    IssueCode(
        "FB-FHIR-070",
        "error",
        "narrative is not safe XHTML",
        "use only the formatting that R4 narrative allows",
        "invalid",
    ),
    IssueCode(
        "FB-FHIR-080",
        "error",
        "Bundle entry is inconsistent",
        "correct the entry as the message says",
        "value",
    ),
)
