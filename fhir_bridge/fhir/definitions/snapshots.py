"""A snapshot from a differential, for structures that ship without one (R4 profiling.html#snapshot).

Covers what a profile's differential ordinarily does: constrain an element, open a slice, walk into a data type.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["SnapshotError", "snapshot"]

Row = dict[str, Any]


class SnapshotError(ValueError):
    """A differential that doesn't fit its base; the message names the element."""


def snapshot(
    differential: Sequence[Mapping[str, Any]],
    base: Sequence[Mapping[str, Any]],
    elements_of_type: Callable[[str], Sequence[Mapping[str, Any]] | None],
) -> list[Row]:
    """Compact rows of the snapshot.

    Args:
        differential: compact rows of the differential.
        base: compact rows of the base definition's snapshot.
        elements_of_type: rows of a data type, for differentials that walk into `code.coding`.

    Raises:
        SnapshotError: an element of the differential has no place in the base.
    """
    rows = [copy.deepcopy(dict(row)) for row in base]
    renamed: dict[str, str] = {}
    for change in differential:
        identifier = change["i"]
        for short, full in renamed.items():
            if identifier.startswith((short + ".", short + ":")):
                identifier = full + identifier[len(short) :]
        position = _find(rows, identifier)
        if position is None:
            position = _make_room(rows, identifier, elements_of_type)
        row = rows[position]
        if row["i"] != identifier:
            renamed[change["i"]] = row["i"]
        for key, value in change.items():
            if key == "i":
                continue
            if key == "c":
                row["c"] = [*row.get("c", ()), *(n for n in value if n not in row.get("c", ()))]
            elif key != "B":
                row[key] = value
        if "N" in change and "s" not in change:
            row.pop("s", None)
    return rows


def _find(rows: Sequence[Row], identifier: str) -> int | None:
    return next((n for n, row in enumerate(rows) if row["i"] == identifier), None)


def _end(rows: Sequence[Row], position: int) -> int:
    """Behind the element, its children and its slices."""
    identifier = rows[position]["i"]
    n = position + 1
    while n < len(rows) and rows[n]["i"].startswith((identifier + ".", identifier + ":")):
        n += 1
    return n


def _make_room(
    rows: list[Row], identifier: str, elements_of_type: Callable[[str], Sequence[Mapping[str, Any]] | None]
) -> int:
    parent, _, last = identifier.rpartition(".")
    if ":" in last:
        unsliced = f"{parent}.{last.partition(':')[0]}"
        position = _find(rows, unsliced)
        if position is None:
            position = _make_room(rows, unsliced, elements_of_type)
        own = [
            copy.deepcopy(row)
            for row in rows[position : _end(rows, position)]
            if ":" not in row["i"][len(unsliced) :]
        ]
        for row in own:
            row["i"] = identifier + row["i"][len(unsliced) :]
        own[0]["n"] = 0
        end = _end(rows, position)
        rows[end:end] = own
        return end
    place = _find(rows, parent)
    if place is None:
        if not parent:
            raise SnapshotError(f"{identifier} is not in the base definition")
        place = _make_room(rows, parent, elements_of_type)
    if any(row["i"].startswith(parent + ".") for row in rows):
        return _choice(rows, parent, last, identifier)
    kinds = rows[place].get("t", ())
    content = elements_of_type(kinds[0][0]) if kinds else None
    if content is None and "r" in rows[place]:
        reference = rows[place]["r"]
        source = "." + reference.partition(".")[2]
        content = [{**row, "i": row["i"][len(source) :]} for row in rows if row["i"].startswith(source + ".")]
        content.insert(0, {"i": ""})
    if not content:
        raise SnapshotError(f"{identifier} is not in the base definition")
    rows[place + 1 : place + 1] = [
        {**copy.deepcopy(dict(row)), "i": parent + row["i"]} for row in content[1:]
    ]
    position = _find(rows, identifier)
    return position if position is not None else _choice(rows, parent, last, identifier)


def _choice(rows: list[Row], parent: str, last: str, identifier: str) -> int:
    """`value[x]` written with a type (`valueQuantity`) is a slice of the choice by type."""
    for position, row in enumerate(rows):
        owner, _, name = row["i"].rpartition(".")
        if owner == parent and name.endswith("[x]") and last.startswith(name[:-3]):
            for kind in row.get("t", ()):
                if name[:-3] + kind[0][0].upper() + kind[0][1:] == last:
                    rows.insert(
                        position + 1,
                        {**copy.deepcopy(row), "i": f"{row['i']}:{last}", "N": last, "t": [kind]},
                    )
                    row.setdefault("s", [[["type", "$this"]], "open", 0])
                    row["t"] = [kind]  # R4 profiling.html: the short form leaves this type alone
                    return position + 1
    raise SnapshotError(f"{identifier} is not in the base definition")
