"""Attributes that only a site's mapping names: read from the instance when asked for."""

from __future__ import annotations

from typing import Protocol

from fhir_bridge.adapters.imaging.attribute_reader import AttributeReader
from fhir_bridge.adapters.imaging.elements import Elements
from fhir_bridge.adapters.imaging.values import Value

__all__ = ["attribute_value", "private_value"]


class _Instance(Protocol):
    """What is asked of an instance."""

    @property
    def elements(self) -> Elements: ...

    def report(self, code: str, text: str) -> None: ...


def attribute_value(instance: _Instance, keyword: str) -> Value:
    """The value of any attribute of the data dictionary in this instance, or None."""
    return _reader(instance).value(keyword)


def private_value(instance: _Instance, creator: str, group: int, element: int) -> Value:
    """The value of a private element, found by its creator (PS3.5 7.8); `element` is the low byte of its number."""
    reader = _reader(instance)
    for block in range(0x10, 0x100):
        stated = reader.elements.get(group << 16 | block)
        if stated is not None and stated[1].decode("latin-1").strip("\0 ") == creator:
            tag = group << 16 | block << 8 | element & 0xFF
            entry = reader.elements.get(tag)
            name = f"private element ({group:04X},xx{element & 0xFF:02X})"
            return None if entry is None else reader.value_of(tag, name, entry)
    return None


def _reader(instance: _Instance) -> AttributeReader:
    return AttributeReader(instance.elements, instance.report)
