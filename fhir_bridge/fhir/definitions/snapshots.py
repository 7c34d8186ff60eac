"""A snapshot from a differential, for structures that ship without one (R4 profiling.html#snapshot).

Rows are those of `compact`. A differential may constrain an element, slice and reslice it, walk into a data type, into
an extension's own definition or through a content reference, and name one type of a choice (`valueQuantity`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

__all__ = ["Narrowing", "SizeError", "SnapshotError", "identified", "snapshot"]

Row = dict[str, Any]
Content = Callable[[Sequence[Any]], "Sequence[Mapping[str, Any]] | None"]
"""The elements of a type row `[code, targets, profiles, …]`: those of its profile where it has one that is known."""

Narrowing = Callable[["Mapping[str, Any]", "Mapping[str, Any]"], None]
"""Told of each element of a differential: what the base says of it, and the change, before that is made."""

MAX_ROWS = 50_000
"""Elements of a snapshot beyond which a differential is refused: the largest profiles have some two thousand."""

_BY_URL = [[["value", "url"]], "open", 0]
_BY_TYPE = [[["type", "$this"]], "open", 0]


class SnapshotError(ValueError):
    """A differential that doesn't fit its base; the message names the element."""


class SizeError(SnapshotError):
    """A snapshot of more elements than were allowed."""


def identified(elements: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The elements of a differential with ids, made from path and slice names where the file has none."""
    names: dict[str, str] = {}
    result: list[Mapping[str, Any]] = []
    for element in elements:
        if element.get("id"):
            result.append(element)
            continue
        path = element["path"]
        if not isinstance(path, str):
            raise TypeError("an element's path is no string")
        # A path that comes again ends the slices that were open at it and below.
        for open_path in [p for p in names if p == path or p.startswith(path + ".")]:
            del names[open_path]
        if "sliceName" in element:
            names[path] = str(element["sliceName"])
        steps = path.split(".")
        parts = []
        for number, step in enumerate(steps):
            name = names.get(".".join(steps[: number + 1]))
            parts.append(f"{step}:{name}" if name else step)
        result.append({**element, "id": ".".join(parts)})
    return result


def snapshot(
    differential: Iterable[Mapping[str, Any]],
    base: Sequence[Mapping[str, Any]],
    content: Content,
    narrowing: Narrowing | None = None,
    most: int = MAX_ROWS,
) -> list[Row]:
    """Compact rows of the snapshot.

    Args:
        differential: compact rows of the differential.
        base: compact rows of the base definition's snapshot.
        content: the elements of a type, for differentials that walk into `code.coding`.
        narrowing: notified of each change, so that it may check whether the base allows it.
        most: elements that the snapshot may have.

    Raises:
        SizeError: it would have more.
        SnapshotError: an element of the differential has no place in the base.
    """
    rows = [copy.deepcopy(dict(row)) for row in base]
    renamed: dict[str, str] = {}
    for change in differential:
        identifier = change["i"]
        # The differential may go on with the short name (`valueQuantity.code`) of an
        # element that has a full one here.
        for short, full in renamed.items():
            if identifier.startswith((short + ".", short + ":")):
                identifier = full + identifier[len(short) :]
        position = _find(rows, identifier)
        if position is None:
            position = _insert_element(rows, identifier, content)
        if len(rows) > most:
            raise SizeError(f"its snapshot has more than {most:,} elements")
        row = rows[position]
        if row["i"] != identifier:
            renamed[change["i"]] = row["i"]
        if narrowing is not None:
            narrowing(row, change)
        _constrain(row, change)
        _as_often_as_defined(row, change, content)
    return rows


def _constrain(row: Row, change: Mapping[str, Any]) -> None:
    """What a differential says of an element, put upon what its base says."""
    for key, value in change.items():
        match key:
            # `B` is the maximum in the base type, which decides whether JSON has a list; nothing narrows that.
            case "i" | "B":
                continue
            case "c":
                row["c"] = [*row.get("c", ()), *(n for n in value if n not in row.get("c", ()))]
            case "b" if "b" in row:
                old, new = [*row["b"], None][:3], [*value, None][:3]
                row["b"] = [new[0] or old[0], new[1] or old[1], *([n] if (n := new[2] or old[2]) else ())]
            # Without discriminators of its own a differential keeps those of the base.
            case "s" if "s" in row and not value[0]:
                row["s"] = [row["s"][0], value[1], value[2]]
            case _:
                row[key] = value
    if "N" in change:
        # A slice is not itself sliced as its list is, unless it says so (reslicing).
        if "s" not in change:
            row.pop("s", None)
        # A slice that has the short form as its name (`valueQuantity`) has that type alone.
        if "t" not in change and row["i"].rpartition(".")[2].partition(":")[0].endswith("[x]"):
            stem = row["i"].rpartition(".")[2].partition("[x]")[0]
            named = [kind for kind in row.get("t", ()) if _typed(stem, kind) == change["N"]]
            row["t"] = named or row.get("t", [])


def _as_often_as_defined(row: Row, change: Mapping[str, Any], content: Content) -> None:
    """An extension occurs no more often than its own definition's root says, where the differential says nothing."""
    kinds = change.get("t", ())
    if "x" in change or len(kinds) != 1 or kinds[0][0] != "Extension" or len(kinds[0]) < 3:
        return
    root = next(iter(content(kinds[0]) or ()), None)
    most = root.get("x", -1) if root is not None else -1
    if most >= 0 and not 0 <= row.get("x", -1) <= most:
        row["x"] = most


def _typed(stem: str, kind: Sequence[Any]) -> str:
    return f"{stem}{kind[0][:1].upper()}{kind[0][1:]}"


def _find(rows: Sequence[Row], identifier: str) -> int | None:
    return next((n for n, row in enumerate(rows) if row["i"] == identifier), None)


def _end(rows: Sequence[Row], position: int) -> int:
    """Behind the element, its children and its slices."""
    identifier = rows[position]["i"]
    n = position + 1
    while n < len(rows) and rows[n]["i"].startswith((identifier + ".", identifier + ":", identifier + "/")):
        n += 1
    return n


def _insert_element(rows: list[Row], identifier: str, content: Content) -> int:
    """Add the element that the differential names, with what comes with it; its position."""
    parent, _, last = identifier.rpartition(".")
    if ":" in last:
        return _new_slice(rows, parent, last, content)
    location = _find(rows, parent)
    if location is None:
        if not parent:
            raise SnapshotError(f"{identifier} is not in the base definition")
        location = _insert_element(rows, parent, content)
        parent = rows[location]["i"]  # a type of a choice, written short, has its own name
        identifier = f"{parent}.{last}"
        if (there := _find(rows, identifier)) is not None:
            return there
    if any(row["i"].startswith(parent + ".") for row in rows):
        return _choice(rows, parent, last, identifier)
    inner = _inside(rows, rows[location], last, content)
    if not inner:
        raise SnapshotError(f"{identifier} is not in the base definition")
    rows[location + 1 : location + 1] = [
        {**copy.deepcopy(dict(row)), "i": parent + row["i"]} for row in inner
    ]
    position = _find(rows, identifier)
    return position if position is not None else _choice(rows, parent, last, identifier)


def _inside(rows: Sequence[Row], row: Row, child: str, content: Content) -> list[Mapping[str, Any]]:
    """The children of an element whose type has them: of the first type that has this child."""
    if "r" in row:
        source = "." + row["r"].partition(".")[2]
        return [{**r, "i": r["i"][len(source) :]} for r in rows if r["i"].startswith(source + ".")]
    name = child.partition(":")[0]
    for kind in row.get("t", ()):
        inner = list(content(kind) or ())[1:]
        if any(
            r["i"] == f".{name}" or (r["i"].endswith("[x]") and name.startswith(r["i"][1:-3])) for r in inner
        ):
            return inner
    return []


def _new_slice(rows: list[Row], parent: str, last: str, content: Content) -> int:
    name, _, slice_name = last.partition(":")
    unsliced = f"{parent}.{name}"
    position = _find(rows, unsliced)
    if position is None:
        position = _insert_element(rows, unsliced, content)
    unsliced = rows[position]["i"]
    if ":" in unsliced[unsliced.rfind(".") :]:  # `valueQuantity:name`: the short form is a slice itself
        return position
    end = _end(rows, position)
    if (general := _of_all(rows, unsliced, slice_name)) is not None:
        stem = rows[general]["i"]
        own = [copy.deepcopy(row) for row in rows[general : _end(rows, general)]]
        rows[end:end] = [{**row, "i": f"{unsliced}:{slice_name}" + row["i"][len(stem) :]} for row in own]
        return end
    source = position
    if "/" in slice_name:  # a reslice starts from its slice
        source = _find(rows, f"{unsliced}:{slice_name.rpartition('/')[0]}") or position
    stem = rows[source]["i"]
    own = [
        copy.deepcopy(row)
        for row in rows[source : _end(rows, source)]
        if row["i"] == stem or (row["i"].startswith(stem + ".") and ":" not in row["i"][len(stem) :])
    ]
    for row in own:
        row["i"] = f"{unsliced}:{slice_name}" + row["i"][len(stem) :]
    # The list's minimum is of all slices together.
    own[0]["n"] = 0
    own[0]["N"] = slice_name
    own[0].pop("s", None)
    # R4 profiling.html#slicing: extensions are sliced by url, types of a choice by type, said or not.
    if "s" not in rows[position]:
        if name in ("extension", "modifierExtension"):
            rows[position]["s"] = copy.deepcopy(_BY_URL)
        elif name.endswith("[x]"):
            rows[position]["s"] = copy.deepcopy(_BY_TYPE)
    rows[end:end] = own
    return end


def _of_all(rows: Sequence[Row], unsliced: str, slice_name: str) -> int | None:
    """The slice of this name that every item of an outer list has, where the differential names one item's.

    `component.extension:reason` is what `component:weight.extension:reason` starts from.
    """
    parts = unsliced.split(".")
    for number in reversed(range(len(parts) - 1)):
        outer, colon, _ = parts[number].partition(":")
        if colon:
            parts[number] = outer
            if (result := _find(rows, f"{'.'.join(parts)}:{slice_name}")) is not None:
                return result
    return None


def _choice(rows: list[Row], parent: str, last: str, identifier: str) -> int:
    """`value[x]` written with a type (`valueQuantity`) is a slice of the choice by type."""
    for position, row in enumerate(rows):
        owner, _, name = row["i"].rpartition(".")
        if owner != parent or not name.endswith("[x]") or not last.startswith(name[:-3]):
            continue
        for kind in row.get("A") or row.get("t") or ():
            if _typed(name[:-3], kind) == last:
                full = f"{row['i']}:{last}"
                if (there := _find(rows, full)) is not None:
                    return there
                if "s" not in row:
                    # R4 profiling.html: the short form alone leaves the types that are so named, and no others
                    row["s"] = copy.deepcopy(_BY_TYPE)
                    row["A"], row["t"] = row.get("t", []), []
                if "A" in row:
                    row["t"] = [*row.get("t", ()), kind]
                own = {k: v for k, v in copy.deepcopy(row).items() if k not in ("s", "A")}
                rows.insert(_end(rows, position), {**own, "i": full, "N": last, "t": [kind], "n": 0})
                return rows.index(next(r for r in rows if r["i"] == full))
    raise SnapshotError(f"{identifier} is not in the base definition")
