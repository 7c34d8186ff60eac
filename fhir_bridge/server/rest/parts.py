"""Answers that hold parts of resources: `_summary` and `_elements` (R4 search.html#summary, #elements)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from fhir_bridge.fhir.serialization import dumps, loads_exact
from fhir_bridge.fhir.subsets import Summary, subset
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest.refusal import refuse

__all__ = ["SHOWN", "Parts", "parts_of"]

SHOWN = frozenset({"_summary", "_elements"})
FEW = 4
"""Resources that are parsed on the event loop; a page of more is in a thread."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What is wanted of each resource of an answer.

    Attributes:
        elements: as asked for: `name` of every type, or `Patient.name` of one.
    """

    summary: Summary | None = None
    elements: tuple[str, ...] = ()

    def of(self, content: bytes) -> bytes:
        """What is wanted of one resource."""
        resource = loads_exact(content)
        kind = f"{resource['resourceType']}."
        wanted = [
            name.removeprefix(kind) for name in self.elements if "." not in name or name.startswith(kind)
        ]
        return dumps(subset(resource, summary=self.summary, elements=wanted))

    async def of_all(self, contents: Sequence[bytes]) -> Sequence[bytes]:
        """What is wanted of the resources of a page."""
        if len(contents) <= FEW:
            return [self.of(content) for content in contents]
        return await offloaded(lambda: [self.of(content) for content in contents])


def parts_of(own: Mapping[str, str], *, counts: bool) -> Parts | None:
    """What the parameters of an answer's form want of resources; None: all, as stored.

    Args:
        counts: whether `_summary=count` is taken, which gives no resources.

    Raises:
        Refusal: 400.
    """
    summary, elements = own.get("_summary", "false"), own.get("_elements")
    taken = ("true", "text", "data", "false", *(("count",) if counts else ()))
    if summary not in taken:
        raise refuse(400, "FB-REST-008", f"_summary takes {', '.join(taken)}")
    if elements is not None:
        names = tuple(filter(None, elements.split(",")))
        if not names or not all(name.replace(".", "").isalnum() and name.isascii() for name in names):
            raise refuse(400, "FB-REST-008", "_elements takes names of elements: status,code")
        if summary not in ("false", "count"):
            raise refuse(400, "FB-REST-008", "_elements and _summary each say what is wanted: send one")
        return Parts(elements=names)
    return None if summary in ("false", "count") else Parts(cast("Summary", summary))
