"""What holds between a Bundle's entries beyond its invariants (R4 bundle.html#references)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_entries", "full_urls"]


def full_urls(bundle: dict[str, Any]) -> dict[str, str]:
    """The full URLs of a Bundle's entries, and the resource types behind them."""
    found = {}
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("fullUrl"), str):
            resource = entry.get("resource")
            if isinstance(resource, dict):
                found[entry["fullUrl"]] = str(resource.get("resourceType"))
    return found


def check_entries(bundle: dict[str, Any], path: Path, run: Run) -> None:
    """Full URLs agree with the resources they stand for; documents and messages give every entry one."""
    entries = bundle.get("entry")
    needs_url = bundle.get("type") in ("document", "message")
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if not isinstance(entry, dict):
            continue
        here = (path, "entry", index)
        full_url, resource = entry.get("fullUrl"), entry.get("resource")
        if not isinstance(full_url, str):
            if needs_url and resource is not None:
                run.add("FB-FHIR-080", f"an entry of a {bundle['type']} has no fullUrl", here)
            continue
        if not full_url.startswith(("http://", "https://")) or not isinstance(resource, dict):
            continue
        kind, identifier = resource.get("resourceType"), resource.get("id")
        if isinstance(identifier, str) and not full_url.endswith(f"/{kind}/{identifier}"):
            run.add("FB-FHIR-080", f"fullUrl does not end with the resource's {kind}/{identifier}", here)
