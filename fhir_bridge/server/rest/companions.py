"""What is stored together with a resource, in its transaction, since the resource refers to it."""

from __future__ import annotations

from typing import Any

from fhir_bridge.server.rest.call import Call
from fhir_bridge.storage.writing import Operation

__all__ = ["companions"]

_ELEMENTS = ("derivedFrom", "focus")


async def companions(call: Call, resource: dict[str, Any]) -> list[Operation]:
    """Writes of what the resource is derived from or about, as far as an operation makes it (`Operations.companions`).

    Most resources name nothing there, and cost a look.
    """
    if call.operations is None or not any(name in resource for name in _ELEMENTS):
        return []
    values = (resource.get(name) for name in _ELEMENTS)
    items = (each for value in values for each in (value if isinstance(value, list) else [value]))
    references = (each.get("reference") for each in items if isinstance(each, dict))
    named = [reference for reference in references if isinstance(reference, str)]
    results: list[Operation] = []
    for find in call.operations.companions if named else ():
        results += await find(call, resource, named)
    return results
