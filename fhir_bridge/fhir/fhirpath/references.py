"""resolve(): contained resources, entries of the Bundle around, then whatever the handed resolver finds."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.fhirpath.environment import Environment
from fhir_bridge.fhir.fhirpath.items import Item, member, root_item

__all__ = ["reference_key", "reference_of", "resolve", "resource_key"]


def resource_key(resource: dict[str, Any], type_name: str) -> str | None:
    """`Type/id`: what getResourceKey() gives of a resource; None where it has no id (SQL on FHIR v2)."""
    identity = resource.get("id")
    return f"{type_name}/{identity}" if isinstance(identity, str) else None


def reference_key(reference: Any, wanted: str | None) -> str | None:
    """What getReferenceKey() gives of a reference's text: the key of the resource that it names by type and id.

    None where it names none so, or one of another type than the wanted one.
    """
    if not isinstance(reference, str) or reference.startswith(("#", "urn:")):
        return None
    parts = reference.partition("/_history/")[0].split("|")[0].split("/")
    if len(parts) < 2 or parts[-2] not in definitions.resource_types() or wanted not in (None, parts[-2]):
        return None
    return f"{parts[-2]}/{parts[-1]}"


def reference_of(item: Item) -> str | None:
    """The reference that an item holds: of a Reference its `reference`, of a uri, url or canonical itself."""
    value = item.value
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and item.kind.name in ("Reference", "Any"):
        reference = value.get("reference")
        return reference if isinstance(reference, str) else None
    return None


def resolve(item: Item, env: Environment) -> Item | None:
    """The resource an item refers to; None where it is not available (R4 fhirpath.html#functions)."""
    reference = reference_of(item)
    if not reference:
        return None
    if reference.startswith("#"):
        return _contained(item, reference[1:], env)
    entry = _in_bundle(item, reference, env)
    # An item that an expression created has no Bundle around it but the root's.
    if entry is None and env.root.kind.name == "Bundle" and env.root is not _top(item):
        entry = _entry(env.root, reference, "", env)
    if entry is None and env.resolver is not None:
        resource = env.resolver.resolve(reference)
        entry = root_item(resource) if isinstance(resource, dict) else None
    return entry


def _top(item: Item) -> Item:
    while item.parent is not None:
        item = item.parent
    return item


def _container(item: Item, env: Environment) -> Item:
    """The resource that contains the item, contained ones passed over."""
    current: Item | None = item
    result: Item | None = None
    while current is not None:
        if current.kind.is_resource and current.name != "contained":
            result = current
            break
        current = current.parent
    return result or env.root


def _contained(item: Item, name: str, env: Environment) -> Item | None:
    container = _container(item, env)
    # Ids of contained resources are those of the outermost container (R4 references.html#contained).
    for holder in (container, env.root):
        if not name:
            return holder
        contained: list[Item] = []
        member(holder, "contained", contained)
        for candidate in contained:
            if isinstance(candidate.value, dict) and candidate.value.get("id") == name:
                return candidate
    return None


def _in_bundle(item: Item, reference: str, env: Environment) -> Item | None:
    """The entry that the reference names, in the innermost Bundle around the item (R4 bundle.html#references)."""
    current: Item | None = item
    full_url = ""
    while current is not None:
        if current.name == "entry" and isinstance(current.value, dict):
            own = current.value.get("fullUrl")
            full_url = own if isinstance(own, str) else ""
        if current.kind.name == "Bundle":
            return _entry(current, reference, full_url, env)
        current = current.parent
    return None


def _entry(bundle: Item, reference: str, full_url: str, env: Environment) -> Item | None:
    reference = reference.partition("/_history/")[0]
    entries = env.entries(bundle, _index)
    entry = entries.get(f"={reference}")
    # A relative reference: first below the entry's own base, then by type and id.
    if ":" not in reference.partition("/")[0]:
        if entry is None and full_url.startswith(("http://", "https://")) and full_url.count("/") >= 4:
            entry = entries.get(f"={full_url.rsplit('/', 2)[0]}/{reference}")
        if entry is None:
            entry = entries.get(reference)
    return None if entry is None else _resource(entry)


def _index(bundle: Item) -> dict[str, Item]:
    """The entries of a Bundle by `Type/id`, and by their fullUrl behind `=`; the first of several."""
    items: dict[str, Item] = {}
    entries: list[Item] = []
    member(bundle, "entry", entries)
    for entry in entries:
        value = entry.value
        if not isinstance(value, dict):
            continue
        resource, full_url = value.get("resource"), value.get("fullUrl")
        if isinstance(full_url, str):
            items.setdefault(f"={full_url}", entry)
        if isinstance(resource, dict):
            items.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", entry)
    return items


def _resource(entry: Item) -> Item | None:
    items: list[Item] = []
    member(entry, "resource", items)
    return items[0] if items else None
