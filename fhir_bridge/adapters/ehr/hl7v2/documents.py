"""Documents inside results (OBX-5 of type ED or RP, HL7 v2.5.1 §2.A.24, §2.A.64) as Attachments."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.delimiters import unescape
from fhir_bridge.adapters.ehr.hl7v2.fields import Field, Segment
from fhir_bridge.adapters.ehr.hl7v2.groups import OBSERVATION, ORDER, VISIT_OBSERVATION, Group
from fhir_bridge.adapters.ehr.notes.extracted import ImplausibleValue, StatedFact, stated_facts
from fhir_bridge.fhir.datatypes import Attachment
from fhir_bridge.mapping import Context, function

__all__ = ["FUNCTIONS", "contents_facts", "contents_of", "document_of"]

_MIME_TYPES: Final = frozenset("application audio image message model multipart text video".split())
_SUBTYPES: Final = {
    "pdf": "application/pdf",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "tiff": "image/tiff",
    "tif": "image/tiff",
    "dicom": "application/dicom",
    "html": "text/html",
    "xml": "application/xml",
    "rtf": "application/rtf",
    "plain": "text/plain",
    "txt": "text/plain",
    "text": "text/plain",
    "octet-stream": "application/octet-stream",
}
"""Table 0291 where ED.2 is a word of table 0191 (`AP`, `IM`, `TX`) or is missing."""

_TOKEN: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*\Z")
_URL: Final = re.compile(r"(?i)(https?|ftps?|mllp|urn|file):\S+\Z")
_DOCUMENT_TYPES: Final = (["ED"], ["RP"])
"""OBX-2 of results that may be documents."""
_KEPT: Final = -1
"""Where a segment keeps what was built from it, beside its fields."""


def content_type(kind: str | None, subtype: str | None) -> str | None:
    """The media type that ED.2 and ED.3 (or RP.3 and RP.4) mean; None where they name none."""
    kind, subtype = (kind or "").lower(), (subtype or "").lower()
    if "/" in subtype and subtype.split("/", 1)[0] in _MIME_TYPES:
        return subtype
    if kind in _MIME_TYPES and _TOKEN.match(subtype):
        return f"{kind}/{subtype}"
    return _SUBTYPES.get(subtype) or _SUBTYPES.get(kind)


def _decoded(text: str, encoding: str) -> bytes | None:
    encoding = encoding.lower()
    try:
        if encoding == "base64":
            return base64.b64decode("".join(text.split()), validate=True)
        if encoding == "hex":
            return bytes.fromhex(text)
    except (binascii.Error, ValueError):
        return None
    return text.encode() if encoding in ("", "a") else None


def document_of(segment: Segment) -> Attachment | None:
    """The document in an OBX of type ED or RP; None for other types and where its content can't be read."""
    fields = segment.fields
    if len(fields) < 6 or fields[2] not in ("ED", "RP"):
        return None
    if _KEPT not in segment.read:
        segment.read[_KEPT] = _document(segment)
    return segment.read[_KEPT]  # type: ignore[no-any-return]


def _document(segment: Segment) -> Attachment | None:
    value = segment.field(5)
    value = value[0] if isinstance(value, list) else value
    if not isinstance(value, Field):
        return None
    attachment = Attachment()
    if segment.fields[2] == "RP":
        pointer = value.component(1)
        if kind := content_type(value.component(3), value.component(4)):
            attachment["contentType"] = kind
        if not pointer or not _URL.match(pointer):
            return None
        attachment["url"] = str(pointer)
    else:
        if kind := content_type(value.component(2), value.component(3)):
            attachment["contentType"] = kind
        pieces = value.raw.split(value.delimiters.component, 4)
        content = _decoded(
            unescape(pieces[4] if len(pieces) > 4 else "", value.delimiters), value.component(4) or ""
        )
        if not content:
            return None
        attachment["data"] = base64.b64encode(content).decode()
        attachment.setdefault(
            "contentType", "application/octet-stream"
        )  # R4 att-1; RFC 2046: of no known type
    name = segment.field(3)
    name = name[0] if isinstance(name, list) else name
    if isinstance(name, Field) and name.text:
        attachment["title"] = name.text
    return attachment


@function(scope=True, returns="boolean")
def is_document(s: Group) -> bool:
    """Whether the result in hand is a document that its report presents (`documents()` of the order)."""
    segment = s.first.get("OBX")
    return segment is not None and document_of(segment) is not None


@function(
    scope=True,
    returns="Attachment",
    selects=(("documents:OBX-5", "whole"), ("documents:OBX-3", "label")),
)
def documents(s: Group) -> list[Attachment] | None:
    """The documents among the results of the order in hand."""
    results = [
        document
        for group in s.of(OBSERVATION)
        for segment in group.segments
        if segment.fields[2:3] in _DOCUMENT_TYPES
        and segment.name == "OBX"
        and (document := document_of(segment)) is not None
    ]
    return results or None


def contents_of(patient: Group) -> list[Group]:
    """The observations of a patient in message order of their groups, in orders and outside."""
    orders = [part for order in patient.of(ORDER) for part in order.of(OBSERVATION)]
    return [*orders, *patient.of(VISIT_OBSERVATION)]


@function(
    scope=True,
    context=True,
    returns="Attachment",
    selects=(
        ("contents:OBX-5", "whole"),
        ("contents:OBX-3", "whole"),
        ("contents:OBX-11", "text"),
        ("contents:OBX-14", "text"),
    ),
)
def attachments(s: Group, ctx: Context) -> list[Attachment] | None:
    """The content of a document (MDM): each document in an OBX, and the texts of each OBX-3 as one plain text.

    A document that can't be read is reported, and its text kept.
    """
    results: list[Attachment] = []
    texts: dict[str, list[str]] = {}
    for group in contents_of(s):
        first = group.segments[0]
        title = _title(first)
        document = document_of(first)
        if document is not None:
            results.append(Attachment({**document, "title": title} if title else document))
        elif text := group.text:
            if first.fields[2:3] in _DOCUMENT_TYPES:
                ctx.flag(
                    "FB-HL7-028", f"a document in OBX-5 ({first.fields[2]}) can't be read; it is kept as text"
                )
            texts.setdefault(title, []).append(text)
    for title, lines in texts.items():
        content = base64.b64encode("\n".join(lines).encode()).decode()
        attachment = Attachment(contentType="text/plain; charset=utf-8", data=content)
        if title:
            attachment["title"] = title
        results.append(attachment)
    return results or None


_OF_CONTENT: Final[Mapping[int, str]] = {
    6: "unit",
    7: "reference range",
    8: "interpretation",
    9: "probability",
    10: "nature of the abnormality",
    12: "reference range since",
    13: "access checks",
    15: "producer",
    16: "responsible observer",
    17: "method",
    18: "equipment",
    19: "analysed",
    20: "site",
    21: "instance",
    22: "mood",
    25: "medical director",
    26: "release category",
    27: "root cause",
    28: "local process control",
    29: "observation type",
    30: "observation subtype",
}
"""Fields of a content's OBX for which a DocumentReference has no element, and what they say."""


@function(
    scope=True,
    returns="string",
    selects=(
        *((f"contents:NTE-{number}", "whole") for number in (3, 4, 5, 6, 7, 8)),
        *((f"contents:OBX-{number}", "whole") for number in _OF_CONTENT),
    ),
)
def contents_notes(s: Group) -> str | None:
    """The comments on the contents of a document (MDM), each after what it comments, and what is stated of them."""
    results: list[str] = []
    for group in contents_of(s):
        title = _title(group.segments[0])
        if notes := group.notes:
            results.append(f"Comment on {title}: {notes}" if title else f"Comment: {notes}")
        stated = [
            f"{label} {value.whole}"
            for number, label in _OF_CONTENT.items()
            for value in group.segments[0].every(number)
        ]
        if stated:
            results.append(f"{title or 'Content'}: {', '.join(stated)}")
    return "; ".join(results) or None


def contents_facts(patient: Group, implausible: list[ImplausibleValue]) -> list[StatedFact]:
    """What the texts of a document (MDM) state, by all extractors; spans are of the text of one OBX-3."""
    if "TXA" not in patient.first or patient.outer is None or patient.outer.part("MSH", 9, 1) != "MDM":
        return []
    texts: dict[str, list[str]] = {}
    for group in contents_of(patient):
        if document_of(group.segments[0]) is None and (text := group.text):
            texts.setdefault(_title(group.segments[0]), []).append(text)
    stated = str(patient.part("TXA", 4, 1) or patient.part("TXA", 6, 1) or "")
    try:
        day = date(int(stated[:4]), int(stated[4:6]), int(stated[6:8]))
    except ValueError:
        day = None
    return [
        fact
        for title, lines in texts.items()
        for fact in stated_facts("\n".join(lines), patient, title, day, implausible)
    ]


def _title(segment: Segment) -> str:
    """What a content is called: its text and codes; with its status and time, where it is not final or states one."""
    name = segment.field(3)
    name = name[0] if isinstance(name, list) else name
    label = (name.text or str(name)) if isinstance(name, Field) else ""
    if isinstance(name, Field) and label != name.whole:
        label = f"{label} [{name.whole}]"
    status, time = segment.part(11, 1), segment.part(14, 1)
    more = [str(part) for part in (status if status != "F" else None, time) if part]
    return " ".join(part for part in (label, f"({', '.join(more)})" if more else "") if part)


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "attachments": attachments,
    "contents_notes": contents_notes,
    "is_document": is_document,
    "documents": documents,
}
"""Functions that `hl7v2` adds to the expression language."""
