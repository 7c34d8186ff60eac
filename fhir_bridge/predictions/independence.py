"""Whether a model answers about each patient alone: by nothing of the others in the batch, and in any order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, cast

from fhir_bridge.predictions.tensors import Backend, Tensor

__all__ = ["MIXES", "mixes", "mixes_row", "picked"]

MIXES: Final = (
    "it mixes patients: it answers otherwise about a patient among others than about the same one alone"
)
_RELATIVE, _ABSOLUTE = 1e-3, 1e-6  # what is near 0 may be 1 less what is near 1, which has seven digits


def picked(tensors: Sequence[Tensor], rows: Sequence[int]) -> list[Tensor]:
    """The tensors of some patients, in this order."""
    return [
        Tensor(
            item.name,
            (len(rows), *item.shape[1:]),
            item.datatype,
            cast("list[float]", [value for row in rows for value in item.row(row)]),
        )
        for item in tensors
    ]


def mixes_row(
    backend: Backend,
    inputs: Sequence[Tensor],
    wanted: Sequence[str],
    together: Mapping[str, Tensor],
    row: int,
) -> bool:
    """Whether a patient alone gets another answer than in the batch; a model that varies by itself does not mix.

    Raises:
        ModelFailure: it can't be run on one.
    """
    own = picked(inputs, [row])
    alone = backend.run(own, wanted)
    if _same(together, row, alone, 0, wanted):
        return False
    return _same(alone, 0, backend.run(own, wanted), 0, wanted)


def mixes(backend: Backend, inputs: Sequence[Tensor], wanted: Sequence[str]) -> bool:
    """Whether patients of different values get other answers alone, or in another order, than together.

    Raises:
        ModelFailure: it can't be run so.
    """
    count = inputs[0].shape[0]
    together = backend.run(inputs, wanted)
    if any(together[name].shape[:1] != (count,) for name in wanted):
        return False  # that has no row for each patient is said elsewhere
    if any(mixes_row(backend, inputs, wanted, together, row) for row in range(count)):
        return True
    turned = backend.run(picked(inputs, list(reversed(range(count)))), wanted)
    again = backend.run(inputs, wanted)
    return all(_same(together, row, again, row, wanted) for row in range(count)) and not all(
        _same(together, row, turned, count - 1 - row, wanted) for row in range(count)
    )


def _same(
    one: Mapping[str, Tensor], row: int, other: Mapping[str, Tensor], place: int, wanted: Sequence[str]
) -> bool:
    for name in wanted:
        if one[name].shape[1:] != other[name].shape[1:]:
            return False
        for left, right in zip(one[name].row(row), other[name].row(place), strict=True):
            if left == right:
                continue
            if isinstance(left, str) or isinstance(right, str):
                return False
            a, b = cast("float", left), cast("float", right)
            both_missing = math.isnan(a) and math.isnan(b)
            if not both_missing and not math.isclose(a, b, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE):
                return False
    return True
