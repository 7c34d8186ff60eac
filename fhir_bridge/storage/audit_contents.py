"""What is alike in most AuditEvents is stored as one byte each: with it, an event would be three times as long.

JSON has no control characters (RFC 8259 §7), so one of them can stand for a text. `audit_text` of the database reads
the same way (migration 0018): a mark keeps its meaning for ever.
"""

from __future__ import annotations

__all__ = ["shortened", "whole"]

_MARKS = (
    (
        b"\x01",
        b'{"resourceType":"AuditEvent","type":{"system":"http://terminology.hl7.org/CodeSystem/audit-event-type","code":"rest"},"subtype":[{"system":"http://hl7.org/fhir/restful-interaction","code":"',
    ),
    (
        b"\x02",
        b'{"resourceType":"AuditEvent","type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110114"},"subtype":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"',
    ),
    (
        b"\x03",
        b'"},"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"4"}},{"what":{"identifier":{"value":"',
    ),
    (
        b"\x04",
        b'{"type":{"system":"http://terminology.hl7.org/CodeSystem/audit-entity-type","code":"2"},"role":{"system":"http://terminology.hl7.org/CodeSystem/object-role","code":"24"},"query":"',
    ),
    (
        b"\x05",
        b'"}},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4"}]},"entity":[{"what":{"reference":"',
    ),
    (
        b"\x06",
        b'"}},"type":[{"system":"http://terminology.hl7.org/CodeSystem/security-source-type","code":"4"}]},"entity":[',
    ),
    (
        b"\x07",
        b'{"type":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},"who":{"reference":"',
    ),
    (
        b"\x08",
        b'{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110153"}]},"who":{"identifier":{"value":"',
    ),
    (
        b"\x0e",
        b'{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110152"}]},"who":{"identifier":{"value":"',
    ),
    (
        b"\x0f",
        b'"}},"type":{"system":"https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType","code":"XrequestId"}}]}',
    ),
    (
        b"\x10",
        b',"purposeOfEvent":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"',
    ),
    (b"\x11", b'"}},"requestor":true,"network":{"address":"'),
    (b"\x12", b'"}},"requestor":false,"network":{"address":"'),
    (b"\x13", b'"source":{"observer":{"identifier":{"value":"'),
    (b"\x14", b"http://dicom.nema.org/resources/ontology/DCM"),
    (b"\x15", b"http://terminology.hl7.org/CodeSystem/"),
)
"""Marks and what they stand for; what holds another comes before it."""


def shortened(content: bytes) -> bytes:
    """An event as it is stored."""
    for mark, text in _MARKS:
        content = content.replace(text, mark)
    return content


def whole(content: bytes) -> bytes:
    """The JSON of a stored event."""
    for mark, text in _MARKS:
        content = content.replace(mark, text)
    return content
