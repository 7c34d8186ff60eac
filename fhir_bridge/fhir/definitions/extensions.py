"""Extension definitions, compact: where one may stand, what it holds, its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions.compact import element_types, kind, typed_value
from fhir_bridge.fhir.definitions.model import Binding, ExtensionDefinition, ExtensionPart, Value

__all__ = ["compact_extension", "extension", "merge_extensions"]


def compact_extension(definition: Mapping[str, Any], elements: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A row from a StructureDefinition of type Extension; `elements` is its snapshot or, failing that, differential."""
    by_id = {e.get("id") or e["path"]: e for e in elements}
    row = _part(by_id, "Extension")
    row["w"] = [[c["type"], c["expression"]] for c in definition.get("context", ())]
    if by_id.get("Extension", {}).get("isModifier"):
        row["m"] = 1
    return row


def _part(by_id: Mapping[str, Mapping[str, Any]], root: str) -> dict[str, Any]:
    row: dict[str, Any] = {}
    value = by_id.get(f"{root}.value[x]")
    typed = next(
        (e for i, e in by_id.items() if i.startswith(f"{root}.value[x]:") and "." not in i[len(root) + 1 :]),
        None,
    )
    if value is None:
        value = next(
            (
                e
                for i, e in by_id.items()
                if i.rpartition(".")[0] == root and i.rpartition(".")[2].startswith("value")
            ),
            None,
        )
    if value is not None and value.get("max") != "0":
        kinds = element_types(value) or ([] if typed is None else element_types(typed))
        row["t"] = kinds
        if value.get("min"):
            row["n"] = 1
        if binding := (value.get("binding") or (typed or {}).get("binding")):
            row["b"] = [binding["strength"], binding.get("valueSet")]
        if fixed := typed_value(value, "fixed"):
            row["f"] = fixed
    parts: dict[str, Any] = {}
    prefix = f"{root}.extension:"
    for identifier, element in by_id.items():
        if not identifier.startswith(prefix) or "." in identifier[len(prefix) :] or element.get("max") == "0":
            continue
        url = typed_value(by_id.get(f"{identifier}.url", {}), "fixed")
        profile = next((p for t in element.get("type", ()) for p in t.get("profile", ())), None)
        name = str(url[1] if url else profile or element.get("sliceName"))
        maximum = element.get("max", "*")
        # a part that is an extension of its own is looked up by its url
        content = {"$": profile} if profile and not url else _part(by_id, identifier)
        parts[name] = [element.get("min", 0), -1 if maximum == "*" else int(maximum), content]
    if parts:
        row["e"] = parts
    slicing = by_id.get(f"{root}.extension", {}).get("slicing")
    if slicing and slicing.get("rules") == "closed":
        row["z"] = 1
    return row


def merge_extensions(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """One url defined by two packages: what either allows."""
    merged = dict(first)
    merged["w"] = first["w"] + [c for c in second["w"] if c not in first["w"]]
    known = {t[0]: t for t in first.get("t", ())}
    if "t" in first or "t" in second:
        merged["t"] = list(first.get("t", ()))
        for row in second.get("t", ()):
            if row[0] not in known:
                merged["t"].append(row)
            elif len(row) > 1 and len(known[row[0]]) > 1:
                targets = known[row[0]][1]
                targets.extend(t for t in row[1] if t not in targets)
    if "e" in second:
        merged["e"] = {**second["e"], **first.get("e", {})}
    return merged


def extension(url: str, row: Mapping[str, Any]) -> ExtensionDefinition:
    """A row as the typed model. A part defined elsewhere (`$`) has only its url."""
    kinds = tuple(kind(t) for t in row.get("t", ()))
    return ExtensionDefinition(
        url=row.get("$", url),
        contexts=tuple((c[0], c[1]) for c in row.get("w", ())),
        is_modifier="m" in row,
        value_types=kinds,
        value_required="n" in row,
        binding=Binding(*row["b"]) if "b" in row else None,
        fixed=Value(*row["f"]) if "f" in row else None,
        parts={
            name: ExtensionPart(name, low, None if high < 0 else high, extension(name, content))
            for name, (low, high, content) in row.get("e", {}).items()
        },
        open_parts="z" not in row,
    )
