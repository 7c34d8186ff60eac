"""Why a patch was not applied: which operation, where, and what is in the way."""

from __future__ import annotations

__all__ = ["PatchError"]

_LONGEST = 200


class PatchError(ValueError):
    """A patch that can't be applied; the resource is as it was.

    Attributes:
        reason: what was found and what was expected.
        operation: number of the operation, from 1; 0 where the patch as a whole is meant.
        path: the pointer or FHIRPath it gives.
    """

    def __init__(self, reason: str, *, operation: int = 0, path: str = "") -> None:
        self.reason, self.operation, self.path = reason, operation, path
        where = [f"operation {operation}"] if operation else []
        if path:
            where.append(path if len(path) <= _LONGEST else path[:_LONGEST] + "…")
        super().__init__(f"{', '.join(where)}: {reason}" if where else reason)
