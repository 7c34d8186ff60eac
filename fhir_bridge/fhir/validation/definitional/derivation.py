"""A profile beside the snapshot that its base and its differential give (R4 profiling.html#snapshot)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions.compact import MALFORMED, compact_element
from fhir_bridge.fhir.definitions.registration import content_of
from fhir_bridge.fhir.definitions.snapshots import SizeError, SnapshotError, identified, snapshot
from fhir_bridge.fhir.validation.definitional.available import available_structure
from fhir_bridge.fhir.validation.definitional.narrowing import is_allowed, type_codes, wider
from fhir_bridge.fhir.validation.definitional.objects import elements, objects, text
from fhir_bridge.fhir.validation.definitional.structure_elements import check_values
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_derivation"]

MAX_ELEMENTS = 5_000
"""Elements of a snapshot beyond which a differential is not followed: the largest profiles have some two thousand."""

Rows = Sequence[Mapping[str, Any]]


def check_derivation(value: dict[str, Any], path: Path, run: Run) -> None:
    """Each element of a profile's differential is one of its base, and allows no more than that; so does its snapshot.

    A profile of a base that is not available is left unchecked; an element of the wrong shape is found by its type.
    """
    canonical = text(value, "baseDefinition")
    known = available_structure(canonical, run.definitions)
    base = run.definitions.rows_of(canonical) if known is not None else None
    if base is None or value.get("derivation") != "constraint":
        return
    try:
        result = _from_differential(value, base[0], (path, "differential", -1), run)
        _check_snapshot(value, result, path, run)
    except MALFORMED:
        return


def _from_differential(value: dict[str, Any], base: Rows, path: Path, run: Run) -> Rows:
    """The rows of the base with the differential applied and checked against them; none where there are none."""
    changes = value.get("differential", {}).get("element", [])
    if len(changes) > MAX_ELEMENTS:
        return ()
    rows = [compact_element(change, {}) for change in identified(changes)]
    for row in rows:
        row.pop("c", None)  # invariants are numbered within a package
    of_base = {row["i"] for row in base}
    locations = iter(range(len(rows)))

    def narrowing(row: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        index = next(locations)
        here = (path, "element", index)
        # a slice that is made here has no cardinality of its own in the base
        own = row if "N" not in change or row["i"] in of_base else {**row, "n": 0, "x": -1}
        for problem in wider(own, change, changes[index]):
            run.add("FB-FHIR-090", problem, here)
        if "t" not in change:  # values are checked against the element's own types where it has them
            check_values(changes[index], type_codes(row), here, run)

    try:
        result = snapshot(rows, base, content_of(run.definitions), narrowing, MAX_ELEMENTS)
    except SizeError:
        return ()
    except SnapshotError as error:
        message = f"{text(value, 'type')}{error} {text(value, 'baseDefinition')}"
        run.add("FB-FHIR-090", message, (path, "element", next(locations)))
        return ()
    unsliced = set(_slices_of_nothing(result))
    for index, row in enumerate(rows):
        if row["i"] in unsliced and row["i"] not in of_base:
            message = "a slice, and nothing says how the slices are distinguished"
            run.add("FB-FHIR-090", message, (path, "element", index))
    return result


def _slices_of_nothing(rows: Rows) -> Iterator[str]:
    """Ids of slices that no `slicing` introduces (R4 profiling.html#slicing)."""
    introduced = {row["i"] for row in rows if "s" in row}
    for row in rows:
        if "N" in row and row["i"].rpartition(":")[0] not in introduced:
            yield row["i"]


def _check_snapshot(value: dict[str, Any], rows: Rows, path: Path, run: Run) -> None:
    """Types of the snapshot's elements are those that base and differential leave."""
    allowed = {row["i"]: type_codes(row) for row in rows if row.get("t")}
    root = text(value, "type")
    for element, here in elements(value, "snapshot", path):
        codes = allowed.get(text(element, "id").removeprefix(root))
        for kind, there in objects(element, "type", here):
            code = text(kind, "code")
            if codes is not None and code and ":" not in code and not is_allowed(code, codes):
                expected = " or ".join(sorted(codes)[:12])
                message = (
                    f"the type {code[:64]} is none that base and differential leave, expected {expected}"
                )
                run.add("FB-FHIR-090", message, (there, "code", -1))
