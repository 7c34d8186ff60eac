"""Issue codes of the REST server and of the authorization server."""

from __future__ import annotations

from fhir_bridge.fhir.issues import IssueCode, declare

__all__ = ["CODES"]

_ACCESS = "Ask for a token whose scopes cover this interaction and resource type."

CODES = declare(
    IssueCode(
        "FB-REST-001",
        "error",
        "The body is not JSON that FHIR allows",
        "Send one JSON object in UTF-8, each key once, no NaN, nested at most 200 levels, of at most a million values.",
        "structure",
    ),
    IssueCode(
        "FB-REST-002",
        "error",
        "The body is not the resource this address takes",
        "Send a resource whose resourceType and id are those of the address.",
        "invalid",
    ),
    IssueCode(
        "FB-REST-003",
        "error",
        "The answer can't be given in the format asked for",
        "Ask for application/fhir+json (Accept or _format).",
        "not-supported",
    ),
    IssueCode(
        "FB-REST-004",
        "error",
        "The body has a content type or encoding that is not taken",
        "Send application/fhir+json, not compressed.",
        "not-supported",
    ),
    IssueCode(
        "FB-REST-005",
        "error",
        "There is nothing at this address",
        "See /fhir/metadata for the resource types and operations served.",
        "not-found",
    ),
    IssueCode(
        "FB-REST-006",
        "error",
        "The address does not take this method",
        "Use a method of the header Allow.",
        "not-supported",
    ),
    IssueCode(
        "FB-REST-007",
        "error",
        "The request is too large",
        "Send less at once: split the Bundle, or store attachments apart.",
        "too-long",
    ),
    IssueCode(
        "FB-REST-008",
        "error",
        "A parameter or header can't be understood",
        "See the message for the value expected.",
        "value",
    ),
    IssueCode(
        "FB-REST-009",
        "warning",
        "A search parameter was left out of account",
        "See /fhir/metadata for the parameters of the type; Prefer: handling=strict refuses such a search.",
        "not-supported",
    ),
    IssueCode(
        "FB-REST-010",
        "error",
        "A Bundle can't be carried out as it is",
        "Send a Bundle of type transaction or batch whose entries have a relative request.url and a method.",
        "invalid",
    ),
    IssueCode(
        "FB-REST-011",
        "fatal",
        "The server failed",
        "Report the request id of the message; the cause is in the server's log.",
        "exception",
    ),
    IssueCode(
        "FB-REST-012",
        "error",
        "The server keeps these resources itself",
        "Audit entries and predictions can be read here, and written by the server only.",
        "business-rule",
    ),
    IssueCode(
        "FB-REST-013",
        "error",
        "The database does not answer",
        "Try again; the header Retry-After says when.",
        "transient",
    ),
    IssueCode(
        "FB-REST-014",
        "error",
        "The request did not arrive in time",
        "Send the head of the request within ten seconds, and the whole body within a minute.",
        "timeout",
    ),
    IssueCode(
        "FB-REST-015",
        "error",
        "The request contradicts the current state",
        "Read the resource again and repeat the change.",
        "conflict",
    ),
    IssueCode(
        "FB-REST-016",
        "error",
        "An operation has no access declared",
        'Give the plug-in\'s operation the interaction letters a caller needs (access = "rs").',
        "processing",
    ),
    IssueCode(
        "FB-REST-017",
        "error",
        "The server has too much to do",
        "Try again after the seconds of Retry-After, with fewer requests at once.",
        "throttled",
    ),
    IssueCode(
        "FB-REST-018",
        "error",
        "The request asks for more than one request may",
        "Ask for what was left out in further requests.",
        "too-costly",
    ),
    IssueCode(
        "FB-REST-019",
        "error",
        "The request took too long",
        "Narrow the search, or ask for less at once.",
        "timeout",
    ),
    IssueCode(
        "FB-REST-020",
        "error",
        "The patch can't be applied; nothing was changed",
        "Send a JSON Patch (application/json-patch+json) or a FHIRPath Patch (Parameters) of the current version.",
        "processing",
    ),
    IssueCode(
        "FB-REST-021",
        "error",
        "A part of a resource can't be stored",
        "Read the whole resource (without _summary and _elements), change it, and send it without the tag SUBSETTED.",
        "business-rule",
    ),
    IssueCode(
        "FB-SMART-001",
        "error",
        "A valid access token is needed",
        "Send Authorization: Bearer with an access token of this server; see /fhir/.well-known/smart-configuration.",
        "login",
    ),
    IssueCode("FB-SMART-002", "error", "The token does not allow this", _ACCESS, "forbidden"),
    IssueCode(
        "FB-SMART-003",
        "error",
        "A token was sent in a way that is not accepted",
        "Send it once, in the header Authorization, never in the address.",
        "security",
    ),
    IssueCode(
        "FB-SMART-004",
        "error",
        "A server without authorization answers only on its own machine",
        "Open it as localhost, or start it with --auth smart.",
        "forbidden",
    ),
    IssueCode(
        "FB-SMART-005",
        "error",
        "Too many failed attempts",
        "Wait the seconds of Retry-After, then send what is right.",
        "throttled",
    ),
)
