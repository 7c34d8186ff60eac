"""Expressions at random, of R4's element names and all functions: sense is not asked for."""

from __future__ import annotations

import random

from fhir_bridge.fhir.fhirpath.registry import FUNCTIONS
from fhir_bridge.fhir.fhirpath.syntax import PRECEDENCE

NAMES = (
    "name given use code coding system value component item linkId birthDate deceased active extension url id "
    "meta contained subject reference effective status unit entry resource identifier period start low high text "
    "div Patient Observation category telecom"
).split()
LEAVES = [
    *"'a' 'official' '' '[a-z]+' '1' 1 0 2.5 100000000000 true false {} @2015 @2015-02-04T10:00:00Z @T10:00".split(),
    *"$this $index $total %resource %context %rootResource".split(),
    "1 'mg'",
    "3 days",
]
TYPES = "Quantity string Patient HumanName System.String Coding boolean dateTime Reference uri".split()
UNSURE = frozenset({"now", "timeOfDay", "conformsTo"})
"""Functions left out: two evaluations differ by the moment, or validate the whole resource."""


def expression(chance: random.Random, depth: int) -> str:
    """An expression of at most this depth."""
    kind = chance.randint(0, 11)
    if depth <= 0 or kind < 2:
        return chance.choice(NAMES if chance.random() < 0.7 else LEAVES)
    if kind < 5:
        return f"{expression(chance, depth - 1)}.{chance.choice(NAMES)}"
    if kind < 9:
        return _call(chance, depth)
    if kind == 9:
        operator = chance.choice([o for o in PRECEDENCE if o not in ("is", "as")])
        return f"({expression(chance, depth - 1)} {operator} {expression(chance, depth - 1)})"
    if kind == 10:
        return f"({expression(chance, depth - 1)} {chance.choice(['is', 'as'])} {chance.choice(TYPES)})"
    return f"{expression(chance, depth - 1)}[{chance.choice(['0', '1', '$index'])}]"


def _call(chance: random.Random, depth: int) -> str:
    function = chance.choice([f for f in FUNCTIONS.values() if f.name not in UNSURE])
    count = chance.randint(function.least, 2 if function.most is None else function.most)
    arguments = [
        chance.choice(TYPES) if function.takes_type and index == 0 else expression(chance, depth - 1)
        for index in range(count)
    ]
    return f"({expression(chance, depth - 1)}).`{function.name}`({', '.join(arguments)})"
