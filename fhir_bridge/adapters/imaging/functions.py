"""Functions that the adapter adds to the mapping language."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from hashlib import sha1
from typing import Any, Final
from urllib.parse import quote

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.dictionary_attributes import private_value
from fhir_bridge.adapters.imaging.encapsulated import Attachment as EncapsulatedDocument
from fhir_bridge.adapters.imaging.instances import Instance
from fhir_bridge.adapters.imaging.parties import PatientIdentity
from fhir_bridge.adapters.imaging.person_names import human_names
from fhir_bridge.adapters.imaging.structured_report import Document
from fhir_bridge.adapters.imaging.study import Series, Study
from fhir_bridge.adapters.imaging.values import Value
from fhir_bridge.adapters.imaging.waveform import Lead
from fhir_bridge.fhir.datatypes import Attachment, Coding, HumanName, Identifier, SampledData
from fhir_bridge.mapping import function
from fhir_bridge.mapping.functions.code_check import keep_valid

__all__ = [
    "FUNCTIONS",
    "document_content",
    "human_name",
    "private",
    "report_text",
    "sampled_data",
    "series_modality",
    "source_identifier",
    "text_coding",
]

_DATA_ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@function(returns="HumanName")
def human_name(name: Any) -> list[HumanName] | None:
    """HumanName of a PN value: one for each representation that it has (alphabetic, ideographic, phonetic)."""
    return human_names(name)


@function(scope=True)
def private(scope: Any, creator: str, group: int, element: int) -> Value:
    """The value of a private element: `private('SIEMENS MR HEADER', 0x0019, 0x0C)`.

    It is read from the instance itself; at a series or study, from the first instance.
    """
    while not isinstance(scope, Study | Series | Instance):
        scope = scope.outer
    instance = scope if isinstance(scope, Instance) else next(iter(scope.instances))
    return private_value(instance, creator, group, element)


@function(returns="SampledData")
def sampled_data(lead: Any) -> SampledData | None:
    """A lead's samples as SampledData (R4 datatypes.html#SampledData): integers, scaled by `factor` to its unit.

    None where the voltages are not known (`lead.readable`).
    """
    if not isinstance(lead, Lead):
        return None
    lead.outer.shown = True
    return lead.sampled


def _system(ctx: Any, code: Code) -> str | None:
    """System of a code by the site's schemes, PS3.16, else one of ours that keeps the designator."""
    local: str | None = ctx.site.schemes.get(code.scheme) if code.scheme else None
    if local or code.system is None or ":" in code.system:
        return local or code.system
    return f"urn:fhir-bridge:scheme:{quote(ctx.source, safe='')}:{quote(code.system, safe='')}"


@function(returns="Coding", context=True)
def text_coding(ctx: Any, code: Any) -> Coding | None:
    """A Coding of a code, or of its text alone: unmapped text becomes the display, and no code is guessed."""
    if not isinstance(code, Code):
        return None
    if code.value is None:
        return Coding(display=code.meaning) if code.meaning else None
    coding = Coding()
    system = _system(ctx, code)
    if system:
        coding["system"] = system
    coding["code"] = code.value
    if code.display:
        coding["display"] = code.display
    problem = keep_valid(ctx, coding, "bodySite")
    if problem:
        ctx.flag("FB-MAP-212", problem)
    return coding


@function(returns="Identifier", context=True)
def source_identifier(ctx: Any, patient: Any) -> Identifier | None:
    """What distinguishes a patient without Patient ID: a name of this source alone, by the study."""
    if not isinstance(patient, PatientIdentity) or patient.value is not None:
        return None
    link = ctx.identity.patient(None, None, adapter=ctx.adapter, source=ctx.source, fallback=patient.fallback)
    return Identifier(use="temp", system=link.system, value=link.value)


@function(returns="Coding", context=True)
def series_modality(ctx: Any, series: Any) -> Coding | None:
    """The modality of a series, which R4 requires; one that the source does not state is said to be unknown."""
    if not isinstance(series, Series):
        return None
    modality = text_coding(ctx, series.modality)
    return modality or Coding(extension=[{"url": _DATA_ABSENT, "valueCode": "unknown"}])


@function(returns="Attachment")
def report_text(document: Any) -> Attachment | None:
    """A structured report as people read it, as plain text."""
    if not isinstance(document, Document) or not document.lines:
        return None
    text = document.text or ""
    return Attachment(
        contentType="text/plain; charset=utf-8",
        data=b64encode(text.encode()).decode(),
        title=(document.title.meaning if document.title is not None else None) or "Structured report",
    )


@function(scope=True, returns="Attachment")
def document_content(document: Any, url: str | None = None) -> Attachment | None:
    """The encapsulated document in hand, with its content where that is kept; `url`: where its DICOM instance is."""
    if not isinstance(document, EncapsulatedDocument):
        return None
    attachment = Attachment()
    if document.media_type:
        attachment["contentType"] = document.media_type
    if document.content is not None:
        attachment["data"] = b64encode(document.content).decode()
        attachment["hash"] = b64encode(sha1(document.content, usedforsecurity=False).digest()).decode()
    elif url:
        attachment |= {"contentType": "application/dicom", "url": url}
    attachment["size"] = document.size
    if document.title:
        attachment["title"] = document.title
    return attachment


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "document_content": document_content,
    "human_name": human_name,
    "private": private,
    "report_text": report_text,
    "sampled_data": sampled_data,
    "series_modality": series_modality,
    "source_identifier": source_identifier,
    "text_coding": text_coding,
}
