"""What no rule of a mapping represents, for a rule that keeps it as it is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_bridge.mapping import Context, function

__all__ = ["FUNCTIONS"]


@function(context=True, returns="string")
def remainder(ctx: Context) -> list[str] | None:
    """What no rule before this one represents of a message about one patient, each with its place (`ORC-21.7: X`).

    The rule that writes it must be the last of the mapping, and call it in the element itself. What it keeps
    is reported as information, and does not make
    the message partial.
    """
    rest: list[str] | None = ctx.record.rest(ctx.applied)
    return rest


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {"remainder": remainder}
"""Functions that `hl7v2` adds to the expression language."""
