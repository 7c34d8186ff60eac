"""ORU^R01 and MDM^T02 of HL7 v2.5.1, from an Observation or a document and its Patient."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fhir_bridge.server.delivery.pdf import one_page
from fhir_bridge.server.delivery.targets import Target
from fhir_bridge.server.delivery.v2_fields import (
    UnknownForm,
    authority,
    coded,
    component,
    escaped,
    name,
    name_text,
    named,
    segment,
    time,
    value,
)

__all__ = ["WITHDRAWN", "Message", "NoMessage", "build", "status_of"]

_STATUS: Final[Mapping[str, str]] = {
    "preliminary": "P",
    "final": "F",
    "amended": "C",
    "corrected": "C",
    "cancelled": "X",
    "entered-in-error": "D",
    # of a DocumentReference
    "current": "F",
    "superseded": "F",
}
"""Observation.status and DocumentReference.status -> OBX-11 (HL7 table 0085). What is only registered is not sent."""
_GENDER: Final = {"male": "M", "female": "F", "other": "O", "unknown": "U"}
WITHDRAWN: Final = ("D", "X")


class NoMessage(ValueError):
    """The resource can't be sent as a message; the message says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message without the parts that differ from try to try.

    Attributes:
        kind: MSH-9.
        segments: all but MSH.
        digest: of what it says.
        document: TXA-12, of an MDM.
    """

    kind: str
    segments: tuple[str, ...]
    document: str = ""

    @property
    def digest(self) -> str:
        """What it says, apart from the number and time of the message itself."""
        text = "\r".join(line for line in self.segments if not line.startswith(("EVN|", "TXA|")))
        return hashlib.blake2b(f"{self.kind[:3]}\r{text}".encode(), digest_size=16).hexdigest()

    def encoded(self, target: Target, control: str) -> bytes:
        """ER7, in UTF-8 (MSH-18), its segments ended by a carriage return."""
        head = segment(
            "MSH",
            {
                1: "^~\\&",
                2: escaped(target.application),
                3: escaped(target.facility),
                4: escaped(target.receiving_application),
                5: escaped(target.receiving_facility),
                6: _now(),
                8: self.kind,
                9: control,
                10: "P",
                11: "2.5.1",
                17: "UNICODE UTF-8",
            },
        )
        return "".join(f"{line}\r" for line in (head, *self.segments)).encode()


def status_of(resource: Mapping[str, Any], before: str | None) -> str | None:
    """OBX-11 of what is to be sent; None where nothing is.

    Args:
        before: OBX-11 of what was sent before; None where nothing was.

    Raises:
        NoMessage: of such a status HL7 v2 knows nothing.
    """
    status = resource.get("status")
    if status == "registered":
        return None
    letter = _STATUS.get(str(status))
    if letter is None:
        raise NoMessage(f"the status {status} has no form in HL7 v2")
    if before is None or before in WITHDRAWN:
        # There is nothing to withdraw or correct.
        return None if letter == "D" or letter == before else {"C": "F"}.get(letter, letter)
    # Table 0085: what follows a final result replaces it.
    return "C" if letter in ("P", "F") and before in ("F", "C") else letter


def build(
    target: Target,
    resource: Mapping[str, Any],
    patient: Mapping[str, Any],
    status: str,
    mark: str,
    before: str = "",
    event: str = "",
) -> Message:
    """The message that tells of a result or document in a status.

    Args:
        mark: identifies the resource for ever (OBR-3, TXA-12).
        before: TXA-12 of the document that this one replaces or cancels.
        event: identifies this message among all of the resource; empty for its first.

    Raises:
        NoMessage: there is none of such a resource.
    """
    kind = resource["resourceType"]
    if kind not in ("Observation", "DocumentReference"):
        raise NoMessage(f"a {kind} has no form in HL7 v2 here")
    person = _person(target, patient)
    try:
        if target.message == "MDM^T02":
            return _document(target, resource, patient, person, status, mark, before, event)
        if kind != "Observation":
            raise NoMessage("documents go out as MDM^T02")
        return Message("ORU^R01^ORU_R01", (person, *_results(target, resource, status, mark)))
    except UnknownForm as error:
        raise NoMessage(str(error)) from error


def _person(target: Target, patient: Mapping[str, Any]) -> str:
    identifiers = []
    for item in patient.get("identifier") or ():
        system, number = item.get("system"), item.get("value")
        if not system or not number or item.get("use") == "old":
            continue
        assigned = authority(system, target.authorities)
        if assigned:
            codings = (item.get("type") or {}).get("coding") or ()
            code = next((coding.get("code") for coding in codings if coding.get("code")), "MR")
            identifiers.append("^".join([escaped(number), "", "", assigned, escaped(code)]))
    if not identifiers:
        raise NoMessage("the Patient has no identifier of an authority that the target is sent (authorities)")
    return segment(
        "PID",
        {
            1: "1",
            3: "~".join(identifiers),
            5: name(patient.get("name") or ()),
            7: time(patient.get("birthDate")),
            8: _GENDER.get(str(patient.get("gender")), ""),
        },
    )


def _results(target: Target, resource: Mapping[str, Any], status: str, mark: str) -> list[str]:
    """OBR, and an OBX for the value and for each component, with the notes."""
    effective = time(
        resource.get("effectiveDateTime") or (resource.get("effectivePeriod") or {}).get("start")
    )
    order = segment(
        "OBR",
        {
            1: "1",
            3: component(mark, target.application),
            4: named(resource.get("code")),
            7: effective,
            22: time(resource.get("issued")),
            # Table 0123 has no D: of an order whose results were deleted there are none.
            25: "X" if status in WITHDRAWN else status,
        },
    )
    gone = status in WITHDRAWN
    lines = [order, _result(1, "", resource, status, effective, gone=gone)]
    notes = [] if gone else [str(note["text"]) for note in resource.get("note") or () if note.get("text")]
    method = (resource.get("method") or {}).get("text")
    if method and not gone:
        notes.append(str(method))
    lines += [segment("NTE", {1: str(number), 3: escaped(text)}) for number, text in enumerate(notes, 1)]
    for number, part in enumerate(resource.get("component") or (), 1):
        lines.append(_result(number + 1, str(number), part, status, effective, gone=gone))
    return lines


def _result(
    number: int, sub_id: str, node: Mapping[str, Any], status: str, effective: str, *, gone: bool
) -> str:
    # A value that was withdrawn is not told again: OBX-3 and OBX-4 say which it is (§7.4.2.11).
    kind, text, unit = ("", "", "") if gone else value(node)
    ranges = (node.get("referenceRange") or [{}])[0]
    flags = [coded(item).split("^")[0] for item in node.get("interpretation") or ()]
    return segment(
        "OBX",
        {
            1: str(number),
            2: kind,
            3: named(node.get("code")),
            4: sub_id,
            5: text,
            6: unit,
            7: "" if gone else escaped(ranges.get("text") or _range(ranges)),
            8: "" if gone else "~".join(flag for flag in flags if flag),
            11: status,
            14: effective,
        },
    )


def _range(ranges: Mapping[str, Any]) -> str:
    low, high = ((ranges.get(side) or {}).get("value") for side in ("low", "high"))
    if low is not None and high is not None:
        return f"{low}-{high}"
    return f">={low}" if low is not None else f"<={high}" if high is not None else ""


def _document(
    target: Target,
    resource: Mapping[str, Any],
    patient: Mapping[str, Any],
    person: str,
    status: str,
    mark: str,
    before: str,
    event: str,
) -> Message:
    """T02 for a document, T10 for one that replaces it, T11 for its cancellation (HL7 v2.5.1 §9.6)."""
    gone = status in WITHDRAWN
    trigger = "T11" if gone else "T10" if before else "T02"
    content = b"" if gone else _pdf(resource, patient)
    # Each replacement is a document of its own, also one that says what an earlier one said: a chain of parents
    # (TXA-13) must not end in a circle.
    version = hashlib.blake2b(f"{event} ".encode() + content, digest_size=8).hexdigest()
    number = (before or mark) if gone else f"{mark}.{version}" if event else mark
    moment = (
        time(resource.get("effectiveDateTime") or resource.get("date") or resource.get("issued")) or _now()
    )
    title = named(resource.get("code") or resource.get("type")) or component("", "Document")
    lines = [
        segment("EVN", {1: trigger, 2: _now()}),
        person,
        segment("PV1", {1: "1", 2: "N"}),
        segment(
            "TXA",
            {
                1: "1",
                2: "CN",
                3: "AP",
                4: moment,
                6: time(resource.get("issued")) or moment,
                12: component(number, target.application),
                13: component(before, target.application) if trigger == "T10" else "",
                17: "DO" if status == "P" else "AU",
                19: "CA" if gone else "AV",
            },
        ),
    ]
    if not gone:
        data = base64.b64encode(content).decode()
        fields = {1: "1", 2: "ED", 3: title, 5: f"^application^pdf^Base64^{data}", 11: status, 14: moment}
        lines.append(segment("OBX", fields))
    structure = "MDM_T01" if gone else "MDM_T02"
    return Message(f"MDM^{trigger}^{structure}", tuple(lines), number)


def _pdf(resource: Mapping[str, Any], patient: Mapping[str, Any]) -> bytes:
    """The PDF of a document; of a result one page that says it.

    Raises:
        NoMessage: the document has no PDF within itself.
    """
    if resource["resourceType"] == "Observation":
        return one_page(_title(resource), _lines(resource, patient))
    for item in resource.get("content") or ():
        attachment = item.get("attachment") or {}
        if attachment.get("contentType") == "application/pdf" and attachment.get("data"):
            try:
                return base64.b64decode(attachment["data"], validate=True)
            except ValueError as error:
                raise NoMessage("its PDF is not base64") from error
    raise NoMessage("it has no PDF within itself (content.attachment.data)")


def _title(resource: Mapping[str, Any]) -> str:
    code = resource.get("code") or {}
    first: Mapping[str, Any] = next(iter(code.get("coding") or ()), {})
    return str(code.get("text") or first.get("display") or first.get("code") or "Result")


def _lines(resource: Mapping[str, Any], patient: Mapping[str, Any]) -> list[str]:
    """What a person has to know of a result."""
    numbers = [str(item["value"]) for item in patient.get("identifier") or () if item.get("value")]
    lines = [
        f"Patient: {name_text(patient.get('name') or ())}",
        f"Born: {patient.get('birthDate') or 'not known'}   Number: {', '.join(numbers)}",
        f"Status: {resource.get('status')}   Time: {resource.get('effectiveDateTime') or resource.get('issued') or ''}",
        "",
        f"{_title(resource)}: {_value_text(resource)}",
    ]
    lines += [f"    {_title(part)}: {_value_text(part)}" for part in resource.get("component") or ()]
    lines += ["", *(str(note["text"]) for note in resource.get("note") or () if note.get("text"))]
    method = (resource.get("method") or {}).get("text")
    return [*lines, *([f"Method: {method}"] if method else [])]


def _value_text(node: Mapping[str, Any]) -> str:
    if "valueQuantity" in node:
        quantity = node["valueQuantity"]
        unit = quantity.get("unit") or quantity.get("code") or ""
        unit = "" if unit == "1" else unit
        text = f"{quantity.get('comparator', '')}{quantity.get('value', '')} {unit}"
    elif "valueCodeableConcept" in node:
        text = _title({"code": node["valueCodeableConcept"]})
    else:
        text = value(node)[1]
    interpretations = [_title({"code": item}) for item in node.get("interpretation") or ()]
    return " ".join([text.strip(), *(f"({item})" for item in interpretations)]).strip()


def _now() -> str:
    # To the ten-thousandth of a second: a receiver orders a result and its correction by the times of their messages.
    moment = datetime.now(UTC)
    return f"{moment:%Y%m%d%H%M%S}.{moment.microsecond // 100:04}+0000"
