"""Person names (PS3.5 6.2.1): three representations of five components."""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_bridge.fhir.datatypes import HumanName

__all__ = ["PersonName", "human_names", "person_name"]

_REPRESENTATION = "http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation"


class PersonName(NamedTuple):
    """The component groups of a PN value; each is `family^given^middle^prefix^suffix`, or empty."""

    alphabetic: str
    ideographic: str = ""
    phonetic: str = ""

    @property
    def text(self) -> str:
        """The name as people write it, from the first group that is filled."""
        return _text(self._components(self.alphabetic or self.ideographic or self.phonetic))

    @property
    def family(self) -> str | None:
        return self._components(self.alphabetic)[0] or None

    @property
    def given(self) -> list[str]:
        """Given and middle names."""
        return " ".join(self._components(self.alphabetic)[1:3]).split()

    @staticmethod
    def _components(group: str) -> list[str]:
        parts = [part.strip() for part in group.split("^")]
        return (parts + [""] * 5)[:5]


def person_name(text: str) -> PersonName | None:
    """Parse a decoded PN value; None where no component has a letter or digit (`^^^^`, `----`)."""
    groups = [group.strip().rstrip("^").strip() for group in text.split("=")]
    return PersonName(*[*groups, "", ""][:3]) if any(map(str.isalnum, text)) else None


def _text(components: list[str]) -> str:
    family, given_names, middle, prefix, suffix = components
    name = " ".join(part for part in (prefix, given_names, middle, family) if part)
    return f"{name}, {suffix}" if suffix else name


def human_names(value: Any) -> list[HumanName] | None:
    """HumanName for each filled group; ideographic and phonetic ones say so (iso21090-EN-representation)."""
    if isinstance(value, list):
        return [name for each in value for name in human_names(each) or ()] or None
    if not isinstance(value, PersonName):
        return None
    names = []
    for group, representation in zip(value, ("", "IDE", "SYL"), strict=True):
        if not group:
            continue
        family, given_names, middle, prefix, suffix = components = PersonName._components(group)
        name = HumanName(text=_text(components))
        if family:
            name["family"] = family
        for element, parts in (
            ("given", given_names.split() + middle.split()),
            ("prefix", prefix.split()),
            ("suffix", suffix.split()),
        ):
            if parts:
                name[element] = parts
        if representation:
            name["extension"] = [{"url": _REPRESENTATION, "valueCode": representation}]
        names.append(name)
    return names or None
