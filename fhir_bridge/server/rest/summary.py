"""`Patient/id/$summary`: an International Patient Summary of what the caller may see (hl7.fhir.uv.ips 2.0.0)."""

from __future__ import annotations

import html
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.responses import Response

from fhir_bridge import __version__
from fhir_bridge.fhir.serialization import dumps, loads, loads_exact
from fhir_bridge.predictions.record import certainty_of
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.call_operations import CallOperation, Pairs, audit_shown, only
from fhir_bridge.server.rest.documents import document_bundle, read_named
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage import Stored
from fhir_bridge.storage.breathing import beside

__all__ = ["Summary"]

_IPS = "http://hl7.org/fhir/uv/ips/StructureDefinition"
_ABSENT = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
    ]
}
PAGE = 200
"""Resources of a section that are read at once."""

FEW = 20
"""Resources that are looked at on the event loop."""

_BESIDE = frozenset({"Medication", "Organization", "Practitioner", "PractitionerRole"})
"""Types that come along where a section's resources name them."""


@dataclass(frozen=True, slots=True)
class _Section:
    """A section of the summary: what is searched for it, and which of that counts."""

    code: str
    title: str
    searches: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    wanted: Callable[[dict[str, Any]], bool] = lambda _: True
    required: bool = False


def _has(resource: dict[str, Any], name: str, codes: frozenset[str]) -> bool:
    concept = resource.get(name)
    codings = concept.get("coding") if isinstance(concept, dict) else None
    return isinstance(codings, list) and any(
        isinstance(coding, dict) and coding.get("code") in codes for coding in codings
    )


_WRONG = frozenset({"entered-in-error", "refuted"})
_PAST = frozenset({"inactive", "remission", "resolved"})


def _is_right(resource: dict[str, Any]) -> bool:
    return not _has(resource, "verificationStatus", _WRONG) and certainty_of(resource.get("code")) != "A"


def _is_problem(condition: dict[str, Any]) -> bool:
    return _is_right(condition) and not _has(condition, "clinicalStatus", _PAST)


def _is_past(condition: dict[str, Any]) -> bool:
    return _is_right(condition) and _has(condition, "clinicalStatus", _PAST)


_SECTIONS = (
    _Section(
        "10160-0",
        "Medication summary",
        (
            ("MedicationStatement", (("status", "active,intended,on-hold,unknown"),)),
            ("MedicationRequest", (("status", "active,on-hold,unknown"),)),
        ),
        required=True,
    ),
    _Section(
        "48765-2", "Allergies and intolerances", (("AllergyIntolerance", ()),), _is_right, required=True
    ),
    _Section("11450-4", "Problem list", (("Condition", ()),), _is_problem, required=True),
    _Section("11369-6", "Immunizations", (("Immunization", (("status", "completed"),)),)),
    _Section("47519-4", "Procedures", (("Procedure", (("status:not", "entered-in-error,not-done"),)),)),
    _Section("46264-8", "Medical devices", (("DeviceUseStatement", ()),)),
    _Section("30954-2", "Results", (("Observation", (("category", "laboratory"),)),)),
    _Section("8716-3", "Vital signs", (("Observation", (("category", "vital-signs"),)),)),
    _Section("11348-0", "History of past problems", (("Condition", ()),), _is_past),
)
_NO_RESULT = ("status:not", "entered-in-error,cancelled")


class Summary(CallOperation):
    """Made anew each time from the patient's record; of results the last of each kind."""

    name = "summary"
    types: tuple[str, ...] = ("Patient",)
    access = "r"
    definition = "http://hl7.org/fhir/uv/ips/OperationDefinition/summary"
    levels = frozenset({"instance"})

    async def serve(self, call: Call, parameters: Pairs, body: dict[str, Any] | None) -> Response:  # noqa: ARG002
        """See `CallOperation.serve`."""
        known = only(parameters, ("profile", "persist"))
        if known.get("profile", f"{_IPS}/Bundle-uv-ips").partition("|")[0] != f"{_IPS}/Bundle-uv-ips":
            raise refuse(400, "FB-REST-008", f"profile: only {_IPS}/Bundle-uv-ips is made here")
        if known.get("persist", "false") != "false":
            raise refuse(400, "FB-REST-008", "summaries are not kept here: store the answer as a Bundle")
        patient = await call.services.store.read("Patient", call.id, call.access)
        sections = {section: await _read(call, section) for section in _SECTIONS}
        entries = list({(one.type, one.id): one for some in sections.values() for one in some}.values())
        many = len(entries) > FEW
        shown = [patient, *entries, *await read_named(call, await beside(many, partial(_named_by, entries)))]
        contents = await hooks.redact_all(call.services.plugins, [one.bytes for one in shown], call.access)
        redacted = {(one.type, one.id): content for one, content in zip(shown, contents, strict=True)}
        redacted["Patient", call.id] = _complete(contents[0])
        author = f"urn:uuid:{uuid.uuid4()}"
        composition = await beside(
            many, partial(_composition, call, loads(contents[0]), author, sections, redacted)
        )
        added = [(f"urn:uuid:{composition['id']}", dumps(composition)), (author, dumps(_author(author)))]
        stored = [(_url(call, one), redacted[one.type, one.id]) for one in shown]
        await audit_shown(call, parameters, shown)
        return answers.in_pieces(
            document_bundle([added[0], stored[0], added[1], *stored[1:]], f"{_IPS}/Bundle-uv-ips")
        )


def _url(call: Call, stored: Stored) -> str:
    return f"{call.base}/{stored.type}/{stored.id}"


async def _read(call: Call, section: _Section) -> list[Stored]:
    """The resources of a section."""
    results: list[Stored] = []
    store = call.services.store
    for kind, criteria in section.searches:
        if not call.access.permits(kind, "s"):
            continue
        parameters = [("patient" if kind != "Observation" else "subject", f"Patient/{call.id}"), *criteria]
        if kind == "Observation":
            parameters.append(_NO_RESULT)
        cursor: str | None = None
        while True:
            call.budget.check()
            most = {
                "count": min(PAGE, call.budget.entries),
                "cursor": cursor,
                "most_bytes": call.budget.bytes,
            }
            page = (
                await store.searches.last_observations(parameters, call.access, most=1, **most)  # type: ignore[arg-type]
                if kind == "Observation"
                else await store.search(kind, parameters, call.access, **most)  # type: ignore[arg-type]
            )
            call.budget.spend(
                entries=len(page.entries), size=sum(len(stored.bytes) for stored in page.entries)
            )
            wanted = partial(_wanted, section, page.entries)
            results += await beside(len(page.entries) > FEW, wanted)
            cursor = page.next
            if cursor is None:
                break
    return results


def _wanted(section: _Section, entries: Sequence[Stored]) -> list[Stored]:
    return [stored for stored in entries if section.wanted(loads(stored.bytes))]


def _named_by(entries: Sequence[Stored]) -> list[tuple[str, str]]:
    """What the resources name and is to come along, each once."""
    named: dict[tuple[str, str], None] = {}

    def walk(node: Any) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item)
        elif isinstance(node, dict):
            reference = node.get("reference")
            if isinstance(reference, str):
                kind, _, identity = reference.partition("/")
                if kind in _BESIDE and "/" not in identity:
                    named[kind, identity] = None
            for value in node.values():
                walk(value)

    for stored in entries:
        walk(loads(stored.bytes))
    return list(named)


def _complete(content: bytes) -> bytes:
    """The Patient as IPS wants it: what is not known is said to be unknown."""
    patient = loads_exact(content)
    if "birthDate" not in patient and "_birthDate" not in patient:
        patient["_birthDate"] = _ABSENT
    if not patient.get("name"):
        patient["name"] = [{"_family": _ABSENT}]
    return dumps(patient)


def _author(url: str) -> dict[str, Any]:
    return {
        "resourceType": "Device",
        "id": url.removeprefix("urn:uuid:"),
        "deviceName": [{"name": "FHIR Bridge", "type": "manufacturer-name"}],
        "version": [{"value": __version__}],
    }


def _composition(
    call: Call,
    patient: dict[str, Any],
    author: str,
    sections: dict[_Section, list[Stored]],
    contents: dict[tuple[str, str], bytes],
) -> dict[str, Any]:
    moment = datetime.now(UTC)
    return {
        "resourceType": "Composition",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [f"{_IPS}/Composition-uv-ips"]},
        "status": "final",
        "type": {
            "coding": [
                {"system": "http://loinc.org", "code": "60591-5", "display": "Patient summary Document"}
            ]
        },
        # Absolute: this Composition has no address of its own, from which a relative one would start.
        "subject": {"reference": f"{call.base}/Patient/{patient['id']}"},
        "date": moment.isoformat(timespec="seconds"),
        "author": [{"reference": author}],
        "title": f"Patient summary of {moment.date().isoformat()}",
        "section": [
            _section(call, section, some, contents)
            for section, some in sections.items()
            if some or section.required
        ],
    }


def _section(
    call: Call, section: _Section, some: Sequence[Stored], contents: dict[tuple[str, str], bytes]
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "title": section.title,
        "code": {"coding": [{"system": "http://loinc.org", "code": section.code}]},
    }
    if some:
        lines = [_line(loads(contents[one.type, one.id])) for one in some]
        text = "<ul>" + "".join(f"<li>{html.escape(line)}</li>" for line in lines) + "</ul>"
        content["entry"] = [{"reference": _url(call, one)} for one in some]
    else:
        # Not that there is none: that nobody has said so here, or not to this caller.
        text = "<p>No information is available.</p>"
        content["emptyReason"] = {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/list-empty-reason",
                    "code": "unavailable",
                    "display": "Unavailable",
                }
            ]
        }
    div = f'<div xmlns="http://www.w3.org/1999/xhtml">{text}</div>'
    return {**content, "text": {"status": "generated", "div": div}}


_NAMES = ("code", "medicationCodeableConcept", "vaccineCode", "medicationReference", "device")
_DATES = (
    "effectiveDateTime performedDateTime occurrenceDateTime onsetDateTime authoredOn recordedDate".split()
)


def _line(resource: dict[str, Any]) -> str:
    """A resource in a line of the narrative: what, how much, when."""
    parts = [next((text for name in _NAMES if (text := _text(resource.get(name)))), resource["resourceType"])]
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, dict) and "value" in quantity:
        parts.append(
            f"{quantity.get('comparator', '')}{quantity['value']} {quantity.get('unit', '')}".strip()
        )
    parts += [text for name in ("valueCodeableConcept", "valueString") if (text := _text(resource.get(name)))]
    parts += [str(resource[name]) for name in _DATES if isinstance(resource.get(name), str)][:1]
    return ", ".join(parts)


def _text(value: Any) -> str:
    """The text of a CodeableConcept, of a Reference, or a string."""
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    codings = value.get("coding")
    some = [coding for coding in (codings if isinstance(codings, list) else []) if isinstance(coding, dict)]
    texts = [value.get("text"), value.get("display"), *(coding.get("display") for coding in some)]
    texts += [coding.get("code") for coding in some]
    return next((text for text in texts if isinstance(text, str) and text), "")
