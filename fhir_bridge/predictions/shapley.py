"""Shapley values: how much each input moves an answer away from a baseline's, over all orders of putting them in."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from itertools import combinations
from math import factorial
from typing import Final

__all__ = ["shapley"]

EXACT: Final = 8
"""Inputs up to which all subsets are asked (256 rows); beyond, orders are drawn."""
ORDERS: Final = 64


def shapley(
    names: Sequence[str], value_of: Callable[[Sequence[frozenset[str]]], Sequence[float]]
) -> dict[str, float]:
    """Each input's value. They add up to the answer less the baseline's.

    Args:
        value_of: answers for sets of inputs that are as they are, the others as in the baseline.
    """
    if not names:
        return {}
    if len(names) > EXACT:
        return _sampled(names, value_of)
    subsets = [frozenset(some) for size in range(len(names) + 1) for some in combinations(names, size)]
    values = dict(zip(subsets, value_of(subsets), strict=True))
    count = len(names)
    weights = [factorial(size) * factorial(count - size - 1) / factorial(count) for size in range(count)]
    return {
        name: sum(
            weights[len(some)] * (values[some | {name}] - values[some])
            for some in subsets
            if name not in some
        )
        for name in names
    }


def _sampled(
    names: Sequence[str], value_of: Callable[[Sequence[frozenset[str]]], Sequence[float]]
) -> dict[str, float]:
    # Drawn alike each time: the same record has the same explanation.
    draw = random.Random(0)  # noqa: S311 - no secret
    orders = [draw.sample(list(names), len(names)) for _ in range(ORDERS)]
    chosen = [frozenset(order[:size]) for order in orders for size in range(len(names) + 1)]
    values = value_of(chosen)
    result = dict.fromkeys(names, 0.0)
    for number, order in enumerate(orders):
        start = number * (len(names) + 1)
        for place, name in enumerate(order):
            result[name] += (values[start + place + 1] - values[start + place]) / ORDERS
    return result
