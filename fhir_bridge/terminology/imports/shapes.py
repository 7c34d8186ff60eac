"""Looks into FHIR JSON whose parts may not be what FHIR says they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Misshapen", "objects", "text"]


class Misshapen(ValueError):
    """A part of a resource is not what FHIR says it is.

    Attributes:
        line: where it is; None where that is not known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def objects(node: Mapping[str, Any], name: str, where: str) -> list[dict[str, Any]]:
    """A member that is a list of objects; empty where it is missing.

    Args:
        node: what holds it.
        name: its name.
        where: what it is called in the message.

    Raises:
        Misshapen: it is something else.
    """
    value = node.get(name, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Misshapen(f"{where} is not a list of objects")
    return value


def text(node: Mapping[str, Any], name: str) -> str | None:
    """A member that is text; None where it is missing, empty or something else."""
    value = node.get(name)
    return value if isinstance(value, str) and value else None
