"""The TerminologyCapabilities (`metadata?mode=terminology`, R4 terminologycapabilities.html): what is available now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fhir_bridge import __released__, __version__
from fhir_bridge.server.settings import Settings
from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.operations.options import EXPANSION_PARAMETERS

__all__ = ["terminology_capabilities"]


def terminology_capabilities(settings: Settings, library: Library) -> dict[str, Any]:
    """What the terminology service does, and with which code systems."""
    systems = (_code_system(library, url) for url in sorted(library.code_system_urls()))
    return {
        "resourceType": "TerminologyCapabilities",
        "url": f"{settings.fhir_base}/metadata?mode=terminology",
        "version": __version__,
        "name": "FhirBridgeTerminology",
        "title": "FHIR Bridge: terminology service",
        "status": "active",
        "date": datetime.now(UTC).date().isoformat(),
        "kind": "instance",
        "software": {"name": "fhir-bridge", "version": __version__},
        "implementation": {
            "description": f"{settings.organization} ({__released__})",
            "url": settings.fhir_base,
        },
        "codeSystem": [system for system in systems if system is not None],
        "expansion": {
            "hierarchical": True,
            "paging": True,
            "incomplete": False,
            "parameter": [{"name": name} for name in EXPANSION_PARAMETERS],
            "textFilter": "Every word of the text begins a word of the display or of a designation; case and accents "
            "do not count.",
        },
        "codeSearch": "all",
        "validateCode": {"translations": True},
        "translation": {"needsMap": True},
    }


def _code_system(library: Library, url: str) -> dict[str, Any] | None:
    """One code system; its versions, the newest last. None where there is nothing but supplements."""
    known = library.code_system_versions(url)
    default = library.code_system(url)
    if not known or default is None:
        return None
    # In order: the last is the one that is used where a request names none.
    versions_listed = [_version(known[item], item, default) for item in sorted(known, key=versions.order)]
    results: dict[str, Any] = {"uri": url}
    if any(len(item) > 1 or "code" in item for item in versions_listed):
        results["version"] = versions_listed
    results["subsumption"] = True
    return results


def _version(content: CodeSystemContent, version: str, default: CodeSystemContent) -> dict[str, Any]:
    results: dict[str, Any] = {"code": version} if version else {}
    results["isDefault"] = content.version == default.version
    if content.language:
        results["language"] = [content.language]
    names = [item.code for item in content.properties]
    if names:
        results["property"] = names
    return results
