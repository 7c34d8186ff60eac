"""Extensions against their definitions: value type, parts, place among modifiers (R4 extensibility.html)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import ExtensionDefinition
from fhir_bridge.fhir.validation.bindings import binding_check
from fhir_bridge.fhir.validation.references import allowed_types, check_reference
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_extension"]

AT_HAND = (
    "http://hl7.org/fhir/StructureDefinition/",
    "http://hl7.org/fhir/uv/genomics-reporting/",
    "http://hl7.org/fhir/uv/ips/",
)
"""Where every extension is in the tables, so that an unknown one is a wrong one."""


def check_extension(value: Any, path: Path, run: Run) -> None:
    """An Extension whose structure is sound: ext-1, and its definition where that is known."""
    parts = value.get("extension")
    value_keys = [key for key in value if key.startswith(("value", "_value"))]
    if (parts is not None) == bool(value_keys):
        run.add("FB-FHIR-060", "ext-1: Must have either extensions or value[x], not both", path)
    url = value.get("url")
    if not isinstance(url, str):
        return
    if ":" not in url:
        parent = path[0]
        if parent is not None and parent[1] not in ("extension", "modifierExtension"):
            run.add("FB-FHIR-051", f"the url '{url[:80]}' of an extension is not absolute", (path, "url", -1))
        return  # a part: its parent's definition describes it
    definition = definitions.extension(url)
    if definition is None:
        at_hand = url.startswith(AT_HAND)
        run.add("FB-FHIR-050", f"the extension {url} is not known", path, "error" if at_hand else None)
        return
    if definition.is_modifier != (path[1] == "modifierExtension") and path[1] in (
        "extension",
        "modifierExtension",
    ):
        wanted = "modifierExtension" if definition.is_modifier else "extension"
        run.add("FB-FHIR-051", f"{url} is defined to stand in {wanted}", path)
    _content(value, definition, url, path, run)


def _content(value: dict[str, Any], definition: ExtensionDefinition, url: str, path: Path, run: Run) -> None:
    keys = {key.removeprefix("_") for key in value if key.startswith(("value", "_value"))}
    allowed = {"value" + t.code[0].upper() + t.code[1:]: t for t in definition.value_types}
    for key in keys:
        kind = allowed.get(key)
        if kind is None:
            wanted = " or ".join(sorted(allowed)) or "no value but parts"
            run.add(
                "FB-FHIR-051", f"{key} stands in {url}, which is defined with {wanted}", (path, "value", -1)
            )
            continue
        content = value.get(key)
        here = (path, "value", -1)
        if isinstance(content, dict) and kind.code == "Reference" and kind.targets:
            types = allowed_types(kind.targets)
            check_reference(content, types, " or ".join(sorted(types or ())), here, run)
        bound = binding_check(definition.binding, kind.code)
        if bound is not None and isinstance(content, dict | str):
            bound(content, here, run)
    if definition.value_required and not keys and not value.get("extension"):
        run.add("FB-FHIR-051", f"{url} has no value, its definition requires one", path)
    if definition.parts:
        _parts(value, definition, url, path, run)


def _parts(value: dict[str, Any], definition: ExtensionDefinition, url: str, path: Path, run: Run) -> None:
    counts: dict[str, int] = {}
    items = value.get("extension")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        name = item.get("url") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        counts[name] = counts.get(name, 0) + 1
        part = definition.parts.get(name)
        if part is None:
            if ":" not in name:
                run.add("FB-FHIR-051", f"{url} has no part '{name[:80]}'", (path, "extension", index))
        elif ":" not in name:
            _content(item, part.definition, f"{url}#{name}", (path, "extension", index), run)
    for name, part in definition.parts.items():
        count = counts.get(name, 0)
        if count < part.min:
            run.add("FB-FHIR-051", f"{url} has {count} × '{name}', at least {part.min} required", path)
        if part.max is not None and count > part.max:
            run.add("FB-FHIR-051", f"{url} has {count} × '{name}', at most {part.max} allowed", path)
