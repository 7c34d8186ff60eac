"""Mutation kinds: a name, what it does to a resource, and how mutants of all kinds are drawn by seed."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from random import Random
from typing import Any, TypeVar

from fhir_bridge.fhir.serialization import dumps
from scripts.agreement.corpus import Source
from scripts.agreement.mutants.walk import Node, Spot, nodes, spots

__all__ = ["MUTATORS", "Draft", "Mutant", "Mutator", "draw", "mutate", "mutator"]

_T = TypeVar("_T")


class Draft:
    """A copy of a resource that a mutator edits; it knows the resource's parts and its own dice.

    Attributes:
        resource: what is edited.
        text: JSON that replaces the resource's, for mutants that no parsed resource could be.
    """

    def __init__(self, resource: dict[str, Any], random: Random) -> None:
        self.resource = copy.deepcopy(resource)
        self.random = random
        self.text: bytes | None = None

    def nodes(self, *types: str) -> list[Node]:
        """All objects, or those of these types."""
        return [n for n in nodes(self.resource) if not types or n.element_id in types]

    def spots(self, *codes: str) -> list[Spot]:
        """All values, or those of these types."""
        return [s for s in spots(self.resource) if not codes or s.code in codes]

    def pick(self, choices: Sequence[_T]) -> _T | None:
        """One of the choices, None where there is none."""
        return self.random.choice(choices) if choices else None


Mutator = Callable[[Draft], "str | None"]
"""Edits the draft and says what it did; None where the resource has nothing to edit in this way."""

MUTATORS: dict[str, Mutator] = {}
"""All mutation kinds by name (`group/what`)."""


def mutator(name: str) -> Callable[[Mutator], Mutator]:
    """Register a mutator under this name."""

    def register(mutator: Mutator) -> Mutator:
        if name in MUTATORS:
            raise ValueError(f"two mutators are named {name}")
        MUTATORS[name] = mutator
        return mutator

    return register


@dataclass(frozen=True, slots=True)
class Mutant:
    """A resource changed in one way.

    Attributes:
        kind: the mutation kind.
        done: what was changed, and where.
        source: the resource it was built from.
        text: its JSON.
    """

    kind: str
    done: str
    source: Source
    text: bytes


def mutate(source: Source, name: str, seed: int) -> Mutant | None:
    """The mutant of this kind that a seed makes of a resource; None where the kind doesn't apply."""
    draft = Draft(source.parse(), Random(f"{seed}/{name}/{source.name}"))
    done = MUTATORS[name](draft)
    if done is None:
        return None
    text = draft.text if draft.text is not None else dumps(draft.resource)
    return None if text == source.text else Mutant(name, done, source, text)


def _order(sources: Sequence[Source], salt: str) -> list[int]:
    """An order of the sources in which each has its own place, so that one more moves no other."""
    return sorted(range(len(sources)), key=lambda n: sha1(f"{salt}/{sources[n].name}".encode()).digest())


def draw(sources: Sequence[Source], count: int, seed: int) -> Iterator[Mutant]:
    """About `count` mutants, as many of each kind as apply to the sources, in an order that the seed decides.

    Kinds take turns; each goes through the sources in an order of its own, so that a kind which fits few resources
    finds them, and a second round takes other places of the same resources.
    """
    orders = {name: _order(sources, f"{seed}/{name}") for name in MUTATORS}
    position: Counter[str] = Counter()
    seen: set[bytes] = set()
    alive = sorted(MUTATORS)
    built = 0
    while alive and built < count:
        for name in list(alive):
            result = None
            while result is None and position[name] < 2 * len(sources):
                turn, at = divmod(position[name], len(sources))
                position[name] += 1
                result = mutate(sources[orders[name][at]], name, seed + turn)
                if result is not None and result.text in seen:
                    result = None
            if result is None:
                alive.remove(name)
                continue
            seen.add(result.text)
            built += 1
            yield result
            if built >= count:
                return
