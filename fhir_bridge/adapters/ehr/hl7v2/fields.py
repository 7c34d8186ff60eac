"""Segments, and field values as mappings see them: text that knows its components."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters, unescape
from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.datatypes import CodeableConcept
from fhir_bridge.mapping import CLEARED

__all__ = ["Component", "Field", "Segment", "field_of", "hierarchic_designator", "is_identifier_type"]

DELETED = '""'
"""HL7 v2.5.1 §2.5.3: two quotes delete the value, nothing at all leaves it as it is."""

Coded = tuple[str | None, str | None, str | None, str | None]


class Component(str):
    """A component or subcomponent: its (first) text, escapes resolved; `.component(n)` reads subcomponent n."""

    __slots__ = ("delimiters", "raw")
    raw: str
    delimiters: Delimiters

    def component(self, number: int) -> str | None:
        """Subcomponent `number` (from 1), or None where it is empty."""
        parts = self.raw.split(self.delimiters.subcomponent)
        return _plain(parts[number - 1], self.delimiters) if number <= len(parts) else None

    @property
    def whole(self) -> str:
        """All of it, separators as written: for text whose sender does not escape them."""
        return unescape(self.raw, self.delimiters).strip()


class Field(str):
    """One repetition of a field. As text it is its first component, as HL7 reads a field that grew components."""

    __slots__ = ("_authority", "_texts", "delimiters", "raw")
    raw: str
    delimiters: Delimiters
    _authority: str | tuple[str, ...] | None
    _texts: list[Any]

    def part(self, number: int) -> Any:
        """Component `number` (from 1) as text, None, or `CLEARED`."""
        try:
            texts = self._texts
        except AttributeError:  # not asked for before
            delimiters = self.delimiters
            texts = self._texts = [
                _part_text(piece, delimiters) for piece in self.raw.split(delimiters.component)
            ]
        return texts[number - 1] if number <= len(texts) else None

    def component(self, number: int) -> Component | None:
        """Component `number` (from 1), or None where it is empty."""
        parts = self.raw.split(self.delimiters.component)
        if number > len(parts):
            return None
        raw = parts[number - 1]
        first = raw.split(self.delimiters.subcomponent, 1)[0]
        text = _plain(first, self.delimiters)
        if text is None and raw.strip(self.delimiters.subcomponent + " ") in ("", DELETED):
            return None
        value = Component(text or "")
        value.raw, value.delimiters = raw, self.delimiters
        return value

    @property
    def whole(self) -> str:
        """All of the repetition, separators as written."""
        return unescape(self.raw, self.delimiters).strip()

    def codings(self) -> tuple[Coded, ...]:
        """Codings of a CE, CWE or CNE: (system or scheme, code, display, version), both triplets and CWE's third.

        The system is the name that the message uses (HL7 table 0396), for the mapping language and
        `site.schemes` to resolve; an OID (CWE.14, .17, .20) where the name says only that it is local.
        """
        return _coded(self.raw, self.delimiters)[0]

    @property
    def text(self) -> str | None:
        """What a reader sees: the original text (CWE.9), else the first display, else the value itself."""
        return _coded(self.raw, self.delimiters)[1]

    @property
    def value(self) -> str | None:
        """CX.1: the identifier."""
        return str(self) or None

    @property
    def identifier_type(self) -> str | CodeableConcept | None:
        """CX.5: a code of HL7 table 0203; what is not of the table stays as text."""
        parts = _parts(self.raw, self.delimiters)
        code = parts[4] if len(parts) > 4 else None
        return code if code is None or code in _identifier_types() else CodeableConcept(text=code)

    @property
    def authority(self) -> str | tuple[str, ...] | None:
        """CX.4, the assigning authority: its names best first (namespace, universal id, that as a URI).

        None where the message names none.
        """
        try:
            return self._authority
        except AttributeError:  # not asked for before: every reference to the patient asks
            parts = self.raw.split(self.delimiters.component)
            names = parts[3].split(self.delimiters.subcomponent) if len(parts) > 3 else []
            self._authority = hierarchic_designator(names, self.delimiters)
            return self._authority


def is_identifier_type(code: str) -> bool:
    """Whether a code is of HL7 table 0203."""
    return code in _identifier_types()


def _parts(raw: str, delimiters: Delimiters) -> list[str | None]:
    return [
        _plain(part.split(delimiters.subcomponent, 1)[0], delimiters)
        for part in raw.split(delimiters.component)
    ]


@lru_cache(maxsize=20_000)
def _coded(raw: str, delimiters: Delimiters) -> tuple[tuple[Coded, ...], str | None]:
    """Codings and text of a coded field. Codes and units recur from message to message, so they are kept."""
    parts = _parts(raw, delimiters)
    text = next((parts[place] for place in (8, 1, 4) if place < len(parts) and parts[place]), None)
    if text is None and (parts[0] or not any(parts)):
        text = parts[0]
    parts += [None] * (21 - len(parts))
    triplets = (
        (parts[0], parts[1], parts[2], parts[6], parts[13]),
        (parts[3], parts[4], parts[5], parts[7], parts[16]),
        (parts[9], parts[10], parts[11], parts[12], parts[19]),
    )
    codings = tuple(
        (_scheme(name, oid), code, display, version) for code, display, name, version, oid in triplets if code
    )
    return codings, text


@lru_cache(maxsize=1)
def _identifier_types() -> frozenset[str]:
    system = definitions.code_system("http://terminology.hl7.org/CodeSystem/v2-0203")
    return frozenset(system.concepts) if system else frozenset()


def _scheme(name: str | None, oid: str | None) -> str | None:
    local = not name or name.upper() in ("L", "LOCAL") or name.startswith("99")
    return oid if oid and local else name


def hierarchic_designator(parts: list[str], delimiters: Delimiters) -> str | tuple[str, ...] | None:
    """The names that an HD (namespace, universal id, its type) gives, without repeats."""
    texts = [_plain(part, delimiters) for part in parts[:3]]
    namespace, universal, kind = [*texts, None, None, None][:3]
    names = [namespace] if namespace else []
    if universal:
        names.append(universal)
        if uri := _universal_uri(universal, kind):
            names.append(uri)
    names = list(dict.fromkeys(names))
    if not names:
        return None
    return names[0] if len(names) == 1 else tuple(names)


_OID: Final = re.compile(r"[0-2](\.(0|[1-9]\d*)){2,}")
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_URI: Final = re.compile(r"(?i)(urn:[a-z0-9][a-z0-9-]+:|https?://)\S+")


def _universal_uri(universal: str, kind: str | None) -> str | None:
    """The URI of a universal id, where it is one or has the form that its type promises."""
    if _URI.fullmatch(universal):
        return universal
    kind = (kind or "").upper()
    if kind in ("ISO", "") and _OID.fullmatch(universal):
        return f"urn:oid:{universal}"
    if kind in ("UUID", "GUID", "") and _UUID.fullmatch(universal):
        return f"urn:uuid:{universal.lower()}"
    return None


def _plain(raw: str, delimiters: Delimiters) -> str | None:
    """The text of a part that has no separators left; empty and deleted are None."""
    if not raw or raw == DELETED:
        return None
    return unescape(raw, delimiters).strip() or None


def _part_text(raw: str, delimiters: Delimiters) -> Any:
    if delimiters.subcomponent in raw:
        raw = raw.split(delimiters.subcomponent, 1)[0]
    if not raw:
        return None
    if raw == DELETED:
        return CLEARED
    if delimiters.escape in raw:
        raw = unescape(raw, delimiters)
    return raw.strip() or None


_SHORT: Final = 80
_MANY: Final = 20_000
Kept = dict[str, Any]
_kept: dict[Delimiters, Kept] = {}


def kept_of(delimiters: Delimiters) -> Kept:
    """Values read before with these delimiters: codes, units, names of senders recur from message to message."""
    if len(_kept) > 100:
        _kept.clear()
    return _kept.setdefault(delimiters, {})


def field_of(raw: str, delimiters: Delimiters) -> Any:
    """A repetition as a value: None where empty, `CLEARED` where it says `""`, else a `Field`."""
    if not raw:
        return None
    if raw == DELETED:
        return CLEARED
    if delimiters.component in raw or delimiters.subcomponent in raw:
        first = raw.split(delimiters.component, 1)[0].split(delimiters.subcomponent, 1)[0]
        if not raw.strip(delimiters.component + delimiters.subcomponent + " "):
            return None
    else:
        first = raw
    if delimiters.escape in first:
        first = unescape(first, delimiters)
    first = first.strip()
    if not first and first is raw.strip():
        return None
    value = Field("" if first == DELETED else first)
    value.raw, value.delimiters = raw, delimiters
    return value


_UNREAD: Final = object()


class Segment:
    """One segment, its fields parted when first asked for.

    Fields count from 1, as HL7 counts; MSH-1 is the separator.
    """

    __slots__ = ("_fields", "_kept", "_read", "delimiters", "line", "name")

    def __init__(self, name: str, line: str, delimiters: Delimiters, kept: Kept | None = None) -> None:
        self.name = name
        self.line = line
        self.delimiters = delimiters
        self._fields: list[str] | None = None
        self._read: dict[int, Any] = {}
        self._kept: Kept = {} if kept is None else kept

    @property
    def fields(self) -> list[str]:
        """Raw fields; position 0 is the segment's name."""
        fields = self._fields
        if fields is None:
            fields = self.line.split(self.delimiters.field)
            if self.name in ("MSH", "FHS", "BHS"):
                fields.insert(1, self.delimiters.field)
            self._fields = fields
        return fields

    def repetitions(self, number: int) -> list[str]:
        """Raw repetitions of a field that are not empty."""
        fields = self.fields
        if number >= len(fields) or not fields[number]:
            return []
        if self.name == "MSH" and number <= 2:
            return [fields[number]]
        return [part for part in fields[number].split(self.delimiters.repetition) if part]

    def field(self, number: int) -> Any:
        """The field: None, `CLEARED`, one `Field`, or a list of them where it repeats."""
        fields = self._fields or self.fields
        if number >= len(fields):
            return None
        raw = fields[number]
        if not raw:
            return None
        value = self._kept.get(raw, _UNREAD)
        return self._first_read(number, raw) if value is _UNREAD else value

    def _first_read(self, number: int, raw: str) -> Any:
        """A value that no field had before; a long one is kept by this segment, a short one by all."""
        delimiters = self.delimiters
        if number <= 2 and self.name == "MSH":
            return field_of(raw, delimiters)
        kept: dict[Any, Any] = self._kept
        key: Any = raw
        if len(raw) > _SHORT:
            kept, key = self._read, number
            if number in kept:
                return kept[number]
        elif len(kept) >= _MANY:
            kept.clear()
        if delimiters.repetition in raw:
            values = self.every(number)
            value = (values[0] if len(values) == 1 else values) if values else None
        else:
            value = field_of(raw, delimiters)
        kept[key] = value
        return value

    component = field
    """In a mapping, `k.2` of a segment `k` is its field 2."""

    def every(self, number: int, component: int = 0, subcomponent: int = 0) -> list[Any]:
        """All repetitions that hold something, as a list even of one."""
        values = (
            part_of(raw, self.delimiters, component, subcomponent)
            if component
            else field_of(raw, self.delimiters)
            for raw in self.repetitions(number)
        )
        return [value for value in values if value is not None and value is not CLEARED]

    def part(self, number: int, component: int) -> Any:
        """A component of the field's first repetition, as text, None, or `CLEARED`."""
        value = self.field(number)
        if value.__class__ is Field:
            return value.part(component)
        if value is None or value is CLEARED:
            return value
        return self.at(number, 1, component, 0)

    def at(self, number: int, repetition: int, component: int, subcomponent: int) -> Any:
        """A value by all its positions; 0 for component or subcomponent means the whole of what is around."""
        fields = self.fields
        if number >= len(fields) or not fields[number]:
            return None
        parts = fields[number].split(self.delimiters.repetition)
        if repetition > len(parts):
            return None
        raw = parts[repetition - 1]
        if not component:
            return field_of(raw, self.delimiters)
        return part_of(raw, self.delimiters, component, subcomponent)


def part_of(raw: str, delimiters: Delimiters, component: int, subcomponent: int) -> Any:
    """Component and subcomponent of a raw repetition, as text, None, or `CLEARED`."""
    if delimiters.component in raw:
        parts = raw.split(delimiters.component)
        if component > len(parts):
            return None
        raw = parts[component - 1]
    elif raw == DELETED:
        return CLEARED
    elif component > 1:
        return None
    if delimiters.subcomponent in raw:
        pieces = raw.split(delimiters.subcomponent)
        position = (subcomponent or 1) - 1
        if position >= len(pieces):
            return None
        raw = pieces[position]
    elif subcomponent > 1:
        return None
    if not raw:
        return None
    if raw == DELETED:
        return CLEARED
    if delimiters.escape in raw:
        raw = unescape(raw, delimiters)
    return raw.strip() or None
