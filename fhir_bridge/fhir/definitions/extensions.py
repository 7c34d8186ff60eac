"""What an extension's definition says, at a glance: where it may be, what it holds, its parts."""

from __future__ import annotations

from fhir_bridge.fhir.definitions.model import Element, ExtensionDefinition, ExtensionPart, Profile

__all__ = ["extension_definition"]


def extension_definition(profile: Profile) -> ExtensionDefinition:
    """The digest of a structure of type Extension."""
    return _part(profile, profile.root, profile.url)


def _part(profile: Profile, owner: Element, url: str) -> ExtensionDefinition:
    value: Element | None = None
    parts: dict[str, ExtensionPart] = {}
    closed = False
    for element in profile.children(owner.id):
        if element.name == "value[x]" and element.slice_name is None:
            value = element
        elif element.name == "extension" and element.slice_name is None:
            closed = element.slicing is not None and element.slicing.rules == "closed"
        elif element.name == "extension" and element.max != 0:
            part = _named(profile, element)
            parts[part.url] = part
    holds = value is not None and value.max != 0
    return ExtensionDefinition(
        url=url,
        contexts=profile.contexts if owner is profile.root else (),
        is_modifier=owner.is_modifier,
        value_types=value.types if value is not None and holds else (),
        value_required=value is not None and holds and value.min > 0,
        binding=value.binding if value is not None and holds else None,
        fixed=value.fixed if value is not None and holds else None,
        parts=parts,
        open_parts=not closed,
    )


def _named(profile: Profile, element: Element) -> ExtensionPart:
    """A part by its own `url`; one that is an extension of its own has only that extension's url."""
    url = profile.element(f"{element.id}.url")
    if url is not None and url.fixed is not None:
        name = str(url.fixed.value)
        return ExtensionPart(name, element.min, element.max, _part(profile, element, name))
    canonical = next((p for kind in element.types for p in kind.profiles), str(element.slice_name))
    name = canonical.partition("|")[0]
    return ExtensionPart(name, element.min, element.max, ExtensionDefinition(name))
