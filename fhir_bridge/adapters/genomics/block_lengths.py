"""FORMAT/LEN: the length of a sample's own block on a line with `<*>` (VCF 4.5 §1.6.2, §5.5)."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.values import whole

__all__ = ["has_block_lengths", "own_length", "with_end"]


def has_block_lengths(header: Header) -> bool:
    """Whether samples can have a length of their own: LEN is reserved since 4.5, or declared as there."""
    definition = header.format.get("LEN")
    if definition is None:
        return header.version >= "VCFv4.5"
    return (definition.number, definition.kind) == ("1", "Integer")


def own_length(values: Sequence[str], place: int | None) -> int | None:
    """LEN of a sample; None where it has none."""
    length = whole(values[place]) if place is not None and place < len(values) else None
    return length if length is not None and length > 0 else None


def with_end(columns: Sequence[str], position: int) -> str:
    """INFO of a line, with the END of its longest block where FORMAT has LEN."""
    keys = columns[8].split(":") if len(columns) > 9 else []
    if "LEN" not in keys or "<" not in columns[4]:
        return columns[7]
    place = keys.index("LEN")
    lengths = [own_length(text.split(":"), place) or 0 for text in columns[9:]]
    return f"{columns[7]};END={position + max(lengths) - 1}" if any(lengths) else columns[7]
