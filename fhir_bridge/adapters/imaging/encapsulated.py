"""Encapsulated documents: PDF, CDA and models for printing (PS3.3 A.45, C.24)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.times import joined, valid_datetime

__all__ = ["ENCAPSULATED_CLASSES", "Attachment", "read_attachment"]

_TYPES: Final = {
    "1.2.840.10008.5.1.4.1.1.104.1": "application/pdf",
    "1.2.840.10008.5.1.4.1.1.104.2": "text/xml",
    "1.2.840.10008.5.1.4.1.1.104.3": "model/stl",
    "1.2.840.10008.5.1.4.1.1.104.4": "model/obj",
    "1.2.840.10008.5.1.4.1.1.104.5": "model/mtl",
}
ENCAPSULATED_CLASSES: Final = frozenset(_TYPES)
"""Encapsulated PDF, CDA, STL, OBJ and MTL Storage."""


@dataclass(slots=True)
class Attachment:
    """An encapsulated document.

    Attributes:
        outer: its study.
        uid: SOP Instance UID.
        series: UID of its series.
        title: Document Title.
        code: Concept Name of the document's kind.
        media_type: MIME Type of Encapsulated Document, else that of its SOP class.
        content: the document; None where it is larger than what is kept of an instance.
        size: its length in bytes.
        time: when its content was made.
    """

    outer: Any
    uid: str
    series: str
    title: str | None
    code: Code | None
    media_type: str
    content: bytes | None
    size: int
    time: str | None
    verified: bool
    equipment: Any = None

    @property
    def study(self) -> Any:
        return self.outer


def read_attachment(reader: AttributeReader, uid: str, study: Any, equipment: Any = None) -> Attachment:
    """Read an encapsulated document; `equipment` is what made its series.

    Raises:
        ValueError: there is no document in it.
    """
    omitted = reader.omitted("EncapsulatedDocument")
    content = reader.data("EncapsulatedDocument") if omitted is None else None
    length = reader.integer("EncapsulatedDocumentLength")
    if content is not None:
        # An odd length is padded by a zero (PS3.5 8.2); before 2019 nothing stated the length.
        whole = length if length is not None and len(content) - 1 <= length <= len(content) else None
        content = content[:whole] if whole is not None else content.removesuffix(b"\0")
        if not content:
            raise ValueError("no document")
    stated = reader.text("MIMETypeOfEncapsulatedDocument")
    date, time = reader.text("ContentDate"), reader.text("ContentTime")
    return Attachment(
        study,
        uid,
        reader.text("SeriesInstanceUID") or "",
        reader.text("DocumentTitle"),
        reader.code("ConceptNameCodeSequence"),
        stated.lower() if stated and "/" in stated else _TYPES.get(reader.text("SOPClassUID") or "", ""),
        content,
        len(content) if content is not None else omitted or 0,
        joined(date, time, study.offset)[0]
        or valid_datetime(reader.text("AcquisitionDateTime"), study.offset)
        or study.started,
        reader.term("VerificationFlag", ("UNVERIFIED", "VERIFIED")) == "VERIFIED",
        equipment,
    )
