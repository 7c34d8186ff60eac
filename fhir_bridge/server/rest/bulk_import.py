"""`$import`: the kick-off. NDJSON that was uploaded as Binary, or that lies below an allowed address.

The body is a Parameters resource (`input` with parts `type` and `url`, or `manifestUrl`), or the JSON object of the
proposals for Bulk Import (`{"input": [{"type": …, "url": …}]}`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from fhir_bridge.fhir import definitions
from fhir_bridge.server.rest.export import begin, check_async
from fhir_bridge.server.rest.operation_registry import OperationRequest
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.settings import Settings
from fhir_bridge.storage.bulk import packed

__all__ = ["Import", "is_allowed"]

MOST_INPUTS = 1_000
_FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "ndjson"})
_OURS = re.compile(r"Binary/([A-Za-z0-9.-]{1,64})")


class Import:
    """Begins an import and says where to ask for it. Each line is written with the caller's own access."""

    name = "import"
    types: tuple[str, ...] = ("",)
    access = "u"
    alone = True

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self, request: OperationRequest, parameters: Mapping[str, Any]) -> Response:
        check_async(request)
        body = request.body or {}
        asked = body if "resourceType" not in body else parameters
        if asked.get("inputFormat", "application/fhir+ndjson") not in _FORMATS:
            raise refuse(400, "FB-BULK-001", "inputFormat is application/fhir+ndjson")
        manifest = asked.get("manifestUrl")
        inputs = [] if manifest is not None else self._inputs(request, asked.get("input"))
        if manifest is not None and not is_allowed(manifest, self._settings.sources):
            raise _unread(manifest)
        payload = {
            "access": packed(request.access),
            "base": request.base,
            "manifest": manifest,
            "inputs": inputs,
        }
        return await begin(self._settings, request, "import", payload)

    def _inputs(self, request: OperationRequest, value: Any) -> list[dict[str, str]]:
        items = value if isinstance(value, list) else [value]
        if not items or len(items) > MOST_INPUTS or not all(isinstance(item, dict) for item in items):
            raise refuse(400, "FB-BULK-001", "`input` has the parts `url` and `type`; or send `manifestUrl`")
        results = []
        for item in items:
            kind, url = item.get("type", ""), item.get("url")
            if not isinstance(kind, str) or (kind and kind not in definitions.resource_types()):
                raise refuse(400, "FB-BULK-001", f"input.type: R4 has no type {str(kind)[:40]!r}")
            if not isinstance(url, str):
                raise refuse(400, "FB-BULK-001", "input.url is missing")
            # What is ours is read with the caller's access, whatever its address.
            local = _OURS.fullmatch(url.removeprefix(f"{request.base}/"))
            if local is None and not is_allowed(url, self._settings.sources):
                raise _unread(url)
            results.append({"type": kind, "url": f"Binary/{local[1]}" if local else url})
        return results


def is_allowed(url: Any, sources: Sequence[str]) -> bool:
    """Whether an address lies below one that may be fetched from, in the way it is written and not otherwise."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    # What a server may resolve to something above the prefix is none below it.
    if ".." in url or "\\" in url or "%2e" in url.lower() or "%2f" in url.lower() or "%5c" in url.lower():
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return (
        "@" not in parts.netloc and not parts.fragment and any(url.startswith(source) for source in sources)
    )


def _unread(url: Any) -> Exception:
    return refuse(
        400, "FB-BULK-006", f"{str(url)[:200]!a} is neither a Binary here nor below an allowed address"
    )
