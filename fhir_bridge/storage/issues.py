"""Issue codes of storage."""

from __future__ import annotations

from fhir_bridge.fhir.implicit_rules import IMPLICIT_RULES
from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

CODES = declare(
    IssueCode("FB-STORE-001", "error", "Storage refused", "See the message.", "exception"),
    IssueCode(
        "FB-STORE-002",
        "error",
        "No such resource, or none that you may see",
        "Check type and id, and whether your scopes reach it.",
        "not-found",
    ),
    IssueCode("FB-STORE-003", "error", "The resource was deleted", "Read its history.", "deleted"),
    IssueCode(
        "FB-STORE-004", "error", "Not allowed", "Ask for a scope that allows the interaction.", "forbidden"
    ),
    IssueCode(
        "FB-STORE-005",
        "error",
        "The resource has changed since you read it",
        "Read it again, redo the change, send the new ETag in If-Match.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-006",
        "error",
        "Criteria match several resources",
        "Narrow the criteria to one resource.",
        "multiple-matches",
    ),
    IssueCode(
        "FB-STORE-007",
        "error",
        "Not a resource that can be stored",
        "Give resourceType, and the same type and id as in the URL.",
        "invalid",
    ),
    IssueCode(
        "FB-STORE-008",
        "error",
        "The search can't be understood",
        "Correct the parameter; the CapabilityStatement lists what is supported.",
        "invalid",
    ),
    IssueCode(
        "FB-STORE-009",
        "error",
        "The paging link is not valid",
        "Repeat the search from its start.",
        "invalid",
    ),
    IssueCode(
        "FB-STORE-010",
        "error",
        "The transaction was refused as a whole",
        "Correct the entry named; nothing was stored.",
        "processing",
    ),
    IssueCode(
        "FB-STORE-011",
        "error",
        "A reference in the transaction can't be resolved",
        "Give the entry with that fullUrl, or criteria that match one resource.",
        "not-found",
    ),
    IssueCode(
        "FB-STORE-012",
        "error",
        "An output can't be loaded",
        "The output is left out; correct its mapping or file. The others are loaded.",
        "invalid",
    ),
    IssueCode(
        "FB-STORE-013",
        "warning",
        "Two contents under one id with the same time",
        "Check the key of the rule: it joins what may not be one thing. One content is current, both are in history.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-014",
        "warning",
        "Sources disagree on a person's demographics",
        "Compare the sources; the source that precedence names first is shown.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-015",
        "information",
        "No source says it any more",
        "Nothing to do: the record was processed again and no longer gives this resource. It is entered in error, or "
        "deleted where its type can't say so; its history stays.",
        "informational",
    ),
    IssueCode(
        "FB-STORE-016",
        "warning",
        "No source says it any more, but others refer to it",
        "It was kept; delete it by hand once nothing refers to it.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-017",
        "warning",
        "Made by an older version of the mapping than what is stored",
        "Load with the newer mapping, or with --remap to go back to the older one on purpose.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-018",
        "error",
        "A business key is known under another patient",
        "The record changed nothing. Correct its patient or its key and send it again; where the two patients are one "
        "person, link them (ADT A40, Patient.link) and replay the record: `fhir-bridge inbox list`.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-019",
        "warning",
        "Two contents of one part of a record",
        "The older one stays, of equal times the one with the smaller hash. Check which is right at its source.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-031",
        "error",
        "More rows of the search index than one write may have",
        "Send the resources in several requests, or a resource with so many values in parts; `load` takes any number.",
        "too-costly",
    ),
    IssueCode(
        "FB-STORE-036",
        "error",
        "After an upgrade: the index lacks what the search asks for",
        "Wait until the background worker of `serve` has made it anew, or run `fhir-bridge reindex`.",
        "transient",
    ),
    IssueCode(
        "FB-STORE-027",
        "information",
        "Parts of a record are deleted",
        "Nothing to do: they count as skipped. A part that was deleted by mistake returns with a newer time.",
        "informational",
    ),
    IssueCode(
        "FB-STORE-028",
        "warning",
        "Two files of one sample or phone, or versions of a document, differ, and no date indicates which is newer",
        "Find out which is newer. Give the older or newer one its date (##fileDate, or --set effective=) and load it "
        "again; until then both count, and of two contents of one variant the last that was loaded.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-029",
        "information",
        "An older file of a sample or phone, or document, says things that the newer one does not speak of",
        "Nothing to do where the files are parts of one study (a chromosome each). Where the newer is to replace the "
        "older, load it under the older one's file name.",
        "informational",
    ),
    IssueCode(
        "FB-STORE-030",
        "warning",
        "A study that was converted apart lacks instances that are stored: resources loaded as they are are not united",
        "Load the DICOM files themselves with --adapter dicom, or convert all of the study in one run.",
        "conflict",
    ),
    IssueCode(
        "FB-STALE",
        "information",
        "Older than what is stored",
        "Nothing to do: it is kept in history and did not become current.",
        "informational",
    ),
    IssueCode(
        "FB-STORE-020",
        "error",
        "The database belongs to another site key",
        "Load with the key whose fingerprint the database names, or into another database.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-021", "error", "The database schema is newer", "Run a newer fhir-bridge.", "exception"
    ),
    IssueCode(
        "FB-STORE-032",
        "error",
        "A resource refers to one that is not here",
        "Store what it refers to before it, or in the same transaction; or refer to it by identifier. A site may set "
        "`check_references` to false.",
        "not-found",
    ),
    IssueCode(
        "FB-STORE-033",
        "error",
        "A resource that others refer to can't be deleted",
        "Delete or change those first, or in the same transaction. A site may set `check_references` to false.",
        "conflict",
    ),
    IssueCode(
        "FB-STORE-026",
        "error",
        "The database's disk is full",
        "Free disk space, then send it again: nothing of this write was stored, and what was stored before is whole.",
        "no-store",
    ),
    IssueCode(
        "FB-STORE-025",
        "error",
        "The records of an upgraded database are still being made",
        "Wait: the background worker of `serve` makes them. Without a server, run `fhir-bridge reindex`.",
        "transient",
    ),
    IssueCode(
        "FB-STORE-024",
        "error",
        "A stored part of a record can't be read",
        "What the record said before stays. Load its parts again, or use the program that stored them.",
        "exception",
    ),
    IMPLICIT_RULES,
    IssueCode(
        "FB-STORE-041",
        "error",
        "The header If-Match, or ifMatch of an entry, can't be read",
        'Send *, or versions as ETags: W/"3", W/"4".',
        "value",
    ),
    IssueCode(
        "FB-STORE-040",
        "warning",
        "An active Consent decides nothing: its rule can't be interpreted here",
        "Say by provision.type (permit or deny), or by policyRule OPTIN or OPTOUT of v3-ActCode, who may see the "
        "record, with purposes of v3-ActReason, the scope patient-privacy or research, and a reference to the Patient "
        "here, and load it again. Until then access is as if the patient had said nothing.",
        "business-rule",
    ),
    IssueCode(
        "FB-STORE-022",
        "error",
        "The embedded PostgreSQL can't be started",
        "Follow the message, or set FHIR_BRIDGE_DATABASE_URL to a PostgreSQL server of your own.",
        "transient",
    ),
)
