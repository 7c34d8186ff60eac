"""Who and what a study names: its patient, physicians and machines."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_bridge.adapters.imaging.codes import Code
from fhir_bridge.adapters.imaging.issues import new_issue
from fhir_bridge.adapters.imaging.person_names import PersonName
from fhir_bridge.adapters.imaging.values import Value

__all__ = [
    "Equipment",
    "PatientIdentity",
    "Physician",
    "Request",
    "first_text",
    "issuer",
    "issuer_in",
    "people_of",
    "physician",
    "request_of",
]


class PatientIdentity(NamedTuple):
    """Patient ID with the authority that issued it (PS3.3 10.14).

    `authority` names the issuer, best first: its Universal Entity ID (an OID, URI or DNS name), its local name.
    Without any, nobody can say whose number it is.
    """

    value: str | None
    authority: tuple[str, ...]
    identifier_type: str | None = None
    fallback: str | None = None


class Physician(NamedTuple):
    """Someone whom the study names: key, name, identifying code, and in which parts.

    The key is the code and the name, so that equal keys are equal people in equal words whatever study says them.
    """

    study: Any
    key: str
    name: PersonName | None
    identifier: Code | None
    role: str

    @property
    def outer(self) -> Any:
        return self.study


class Request(NamedTuple):
    """What a study or series says of the order for it (Request Attributes Sequence, PS3.3 10.6).

    Attributes:
        accession: Accession Number.
        accession_issuer: who issued it.
        procedure: Requested Procedure ID.
        placer, filler: Placer and Filler Order Number of the imaging service request.
        placer_issuer, filler_issuer: who issued these (PS3.3 10.33).
    """

    accession: str | None
    accession_issuer: str | None
    procedure: str | None
    placer: str | None
    filler: str | None
    placer_issuer: str | None = None
    filler_issuer: str | None = None


class Equipment(NamedTuple):
    """A scanner or workstation (General Equipment module, PS3.3 C.7.5.1)."""

    study: Any
    manufacturer: str | None
    model: str | None
    serial: str | None
    uid: str | None
    station: str | None
    software: tuple[str, ...]

    @property
    def outer(self) -> Any:
        return self.study

    @property
    def name(self) -> str:
        """Manufacturer and model, as people say it."""
        parts = [part for part in (self.manufacturer, self.model) if part]
        return " ".join(parts) or self.station or "Imaging equipment"

    @property
    def key(self) -> str:
        """All that is said of it, so that the order in which studies are read never decides what is in it.

        A machine with new software is another Device: what it measured before was measured by the old one.
        """
        named = (self.uid, self.manufacturer, self.model, self.serial, self.station)
        return "\x1f".join(part or "" for part in (*named, *self.software))


def issuer(entity: Value, kind: Value) -> str | None:
    """A Universal Entity ID as a URI where its type allows it (ISO: an OID; URI; else as written)."""
    text = first_text(entity)
    if text is None:
        return None
    if kind == "ISO":
        return f"urn:oid:{text}"
    return f"urn:uuid:{text.lower()}" if kind == "UUID" else text


def issuer_in(items: Value) -> str | None:
    """Who issued a number: Universal Entity ID or local name, of the first item of a sequence (PS3.3 10.36)."""
    for item in items or ():
        entity, kind, local = (
            getattr(item, name, None)
            for name in ("UniversalEntityID", "UniversalEntityIDType", "LocalNamespaceEntityID")
        )
        return issuer(entity, kind) or first_text(local)
    return None


def request_of(item: Value, study: Request | None) -> Request:
    """The request that an item of Request Attributes Sequence names; its issuer is the study's for the same number."""
    accession, procedure, placer, filler = (
        first_text(getattr(item, name, None))
        for name in (
            "AccessionNumber",
            "RequestedProcedureID",
            "PlacerOrderNumberImagingServiceRequest",
            "FillerOrderNumberImagingServiceRequest",
        )
    )
    issued, placed_by, filled_by = (
        issuer_in(getattr(item, name, None))
        for name in (
            "IssuerOfAccessionNumberSequence",
            "OrderPlacerIdentifierSequence",
            "OrderFillerIdentifierSequence",
        )
    )
    if issued is None and study is not None and accession == study.accession:
        issued = study.accession_issuer
    return Request(accession, issued, procedure, placer, filler, placed_by, filled_by)


def first_text(value: Value) -> str | None:
    """The first value as text, None where there is none."""
    if isinstance(value, list):
        value = next((each for each in value if each), None)
    return str(value) if value else None


def people_of(scope: Any, names: str, identification: str, role: str) -> list[Physician]:
    """Those whom a name attribute of a study or series lists, with their codes where its sequence has them.

    Names and items go together in their order (PS3.3 C.7.2.1). Where they are not equally many nobody can say which
    belongs to which: each is a person of its own.
    """
    value = scope.get(names)
    people = value if isinstance(value, list) else [value] if value is not None else []
    items = scope.get(identification) or []
    pairs = [*zip(people, items, strict=False)]
    if len(people) != len(items):
        pairs = [*((name, None) for name in people), *((None, item) for item in items)]
        if people and items:
            message = f"{identification} has {len(items)} items for {len(people)} names; they were not joined"
            scope.study.report(new_issue("FB-DCM-030", message, scope.study.first))
    listed = []
    for name, item in pairs:
        codes = getattr(item, "PersonIdentificationCodeSequence", None)
        identifier = next((each for each in codes or () if isinstance(each, Code)), None)
        if not isinstance(name, PersonName):
            name = None
        person = physician(scope.study, name, identifier, role)
        if person.key:
            listed.append(person)
    return listed


def physician(study: Any, name: PersonName | None, identifier: Code | None, role: str) -> Physician:
    """Someone with a name or a code; the key is empty of nobody."""
    coded = identifier.key if identifier is not None and identifier.value else ""
    key = "\x1f".join(part for part in (coded, "=".join(name) if name else "") if part)
    return Physician(study, key, name, identifier, role)
