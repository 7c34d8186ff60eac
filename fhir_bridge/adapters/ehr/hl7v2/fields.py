"""Segments, and field values as mappings see them: text that knows its components."""

from __future__ import annotations

from typing import Any, Final

from fhir_bridge.adapters.ehr.hl7v2.coded import Coded, coded, identifier_parts, identifier_type
from fhir_bridge.adapters.ehr.hl7v2.composites import DELETED, hierarchic_designator, plain, undeleted
from fhir_bridge.adapters.ehr.hl7v2.delimiters import Delimiters, unescape
from fhir_bridge.adapters.ehr.hl7v2.units import with_exponents
from fhir_bridge.fhir.datatypes import CodeableConcept, Reference
from fhir_bridge.mapping import CLEARED

__all__ = ["Component", "Field", "Segment", "field_of"]


class Component(str):
    """A component or subcomponent: its (first) text, escapes resolved; `.component(n)` reads subcomponent n."""

    __slots__ = ("delimiters", "raw")
    raw: str
    delimiters: Delimiters

    def component(self, number: int) -> str | None:
        """Subcomponent `number` (from 1), or None where it is empty."""
        parts = self.raw.split(self.delimiters.subcomponent)
        return plain(parts[number - 1], self.delimiters) if number <= len(parts) else None

    @property
    def whole(self) -> str:
        """All of it, separators as written: for text whose sender does not escape them."""
        return unescape(undeleted(self.raw, self.delimiters), self.delimiters).strip()


class _Headless:
    """Of a part whose first piece is empty and whose others are not: `^PENICILLIN` is a value, though it has no text.

    It stands for true and equals no text, the empty one neither. What is empty in all its pieces is None.
    """

    __slots__ = ()

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is type(self) and self.raw == other.raw)  # type: ignore[attr-defined]

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.raw)  # type: ignore[attr-defined]


class HeadlessComponent(_Headless, Component):
    """A component without its first subcomponent."""

    __slots__ = ()


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
        text = plain(first, self.delimiters)
        if text is None and not _holds(raw, self.delimiters):
            return None
        value = Component(text) if text else HeadlessComponent()
        value.raw, value.delimiters = raw, self.delimiters
        return value

    @property
    def whole(self) -> str:
        """All of the repetition, separators as written."""
        return unescape(undeleted(self.raw, self.delimiters), self.delimiters).strip()

    def codings(self) -> tuple[Coded, ...]:
        """Codings of a CE, CWE or CNE: (system or scheme, code, display, version), both triplets and CWE's third.

        The system is the name that the message uses (HL7 table 0396), for the mapping language and
        `site.schemes` to resolve; an OID (CWE.14, .17, .20) where the name says only that it is local.
        """
        return coded(self.raw, self.delimiters).codings

    @property
    def text(self) -> str | None:
        """What a reader sees: the original text (CWE.9), else the first display, else the value itself."""
        return coded(self.raw, self.delimiters).text

    @property
    def as_unit(self) -> Field:
        """This as a unit: the same, but for exponents whose caret the sender did not escape."""
        whole = with_exponents(self.raw, self.delimiters)
        if whole is None:
            return self
        value: Field = field_of(whole, self.delimiters)
        return value

    @property
    def value(self) -> str | None:
        """CX.1: the identifier."""
        return str(self) or None

    @property
    def identifier_type(self) -> str | CodeableConcept | None:
        """CX.5: a code of HL7 table 0203; what is not of the table stays as text."""
        return identifier_type(self.part(5) or None)

    @property
    def assigner(self) -> Reference | None:
        """Who assigned it: CX.4 where it has both name and universal id, else the facility (CX.6)."""
        parts = identifier_parts(self.raw, self.delimiters)
        return parts.assigner if parts else None

    @property
    def extension(self) -> list[dict[str, Any]] | None:
        """What extends the identifier: its check digit (CX.2)."""
        parts = identifier_parts(self.raw, self.delimiters)
        return parts.extension if parts else None

    @property
    def period(self) -> tuple[str | None, str | None] | None:
        """CX.7 and CX.8: when the identifier is valid."""
        parts = identifier_parts(self.raw, self.delimiters)
        return parts.period if parts else None

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
            self._authority = hierarchic_designator([plain(name, self.delimiters) for name in names])
            return self._authority


class HeadlessField(_Headless, Field):
    """A repetition without its first component."""

    __slots__ = ()


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
    else:
        first = raw
    if delimiters.escape in first:
        first = unescape(first, delimiters)
    first = first.strip()
    if first == DELETED:
        first = ""
    if not first and not _holds(raw, delimiters):
        return None
    value = Field(first) if first else HeadlessField()
    value.raw, value.delimiters = raw, delimiters
    return value


def _holds(raw: str, delimiters: Delimiters) -> bool:
    """Whether any component or subcomponent of a repetition has text."""
    return any(
        plain(piece, delimiters)
        for part in raw.split(delimiters.component)
        for piece in part.split(delimiters.subcomponent)
    )


_UNREAD: Final = object()
_WITH_SEPARATOR: Final = frozenset(("MSH", "FHS", "BHS"))
"""Segments whose first field is the separator itself."""


class Segment:
    """One segment.

    Fields count from 1, as HL7 counts; MSH-1 is the separator.

    Attributes:
        fields: raw fields; position 0 is the segment's name.
    """

    __slots__ = ("_kept", "_read", "delimiters", "fields", "line", "name")

    def __init__(self, name: str, line: str, delimiters: Delimiters, kept: Kept | None = None) -> None:
        self.name = name
        self.line = line
        self.delimiters = delimiters
        self.fields: list[str] = line.split(delimiters.field)
        if name in _WITH_SEPARATOR:
            self.fields.insert(1, delimiters.field)
        self._kept: Kept = {} if kept is None else kept

    @property
    def read(self) -> dict[int, Any]:
        """What was read of this segment and is kept with it, by field."""
        try:
            return self._read
        except AttributeError:  # not asked for before
            self._read: dict[int, Any] = {}
            return self._read

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
        fields = self.fields
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
            kept, key = self.read, number
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
        fields = self.fields
        if number >= len(fields):
            return None
        raw = fields[number]
        if not raw:
            return None
        value = self._kept.get(raw, _UNREAD)
        if value is _UNREAD:
            value = self._first_read(number, raw)
        if value.__class__ is Field or value.__class__ is HeadlessField:
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
