"""Which node of one side is which of the other: one renaming that explains as much as can be."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from functools import partial

from fhir_bridge.fhir.difference.forms import Hole, evaluate, leaf
from fhir_bridge.fhir.difference.graphs import Edge, Graph, Node
from fhir_bridge.fhir.difference.similarity import Reader, alike_by_features, features

__all__ = ["Pairing"]

_ROUNDS = 10
_PASSES = 50
"""Of pairing what says the same; each but the last pairs something."""


class Pairing:
    """Pairs of nodes, found from the surest to the likeliest.

    1. Nodes of one colour: they and all around them are the same. Where several are, the neighbours of the first pair
       are paired before the next, so that a chain of references stays one.
    2. Nodes that alone have what is near around them; resources that alone say what they say, once what they refer to
       is paired.
    3. Resources that alone are referred to in one way by a pair.
    4. Resources that have one type and id.
    5. The most alike of a type, beginning with those that refer to nothing.
    """

    def __init__(self, left: Graph, right: Graph, *, by_id: bool) -> None:
        self.left, self.right = left, right
        self.there: dict[int, int] = {}
        self.back: dict[int, int] = {}
        self._queue: deque[tuple[int, int]] = deque()
        self._by_id = by_id
        self._loose = False
        """Whether the way alone indicates which resource is which, once nothing surer does."""

    def find(self) -> None:
        """Pair what can be paired."""
        if self._by_id:
            self._same_names(self.left.roots, self.right.roots)
            self._follow()
        self._by(lambda graph, number: graph.colours[number], ties=True)
        for level in range(min(len(self.left.levels), len(self.right.levels)) - 1, -1, -1):
            self._by(partial(_at_level, level), ties=False)
        self._same_content()
        self._loose = True
        self._queue.extend(self.there.items())
        self._follow()
        self._same_content()
        if not self._by_id:
            self._same_names(self._open(self.left, self.there), self._open(self.right, self.back))
            self._follow()
            self._same_content()
        for _ in range(_ROUNDS):  # from those that refer to nothing onwards
            if not self._alike(settled=True):
                break
            self._same_content()
        self._by(self._content, ties=True)
        self._same_content()
        self._alike(settled=False)

    def _same_content(self) -> None:
        """Pair what says the same and is the only one that does, and on from there."""
        for _ in range(_PASSES):
            if not self._by(self._content, ties=False):
                break

    def bind(self, left: int, right: int) -> bool:
        """Whether two nodes can be one, given the pairs so far; remembers them."""
        known, back = self.there.get(left), self.back.get(right)
        if known is not None or back is not None:
            return known == right and back == left
        if not _fits(self.left.nodes[left], self.right.nodes[right]):
            return False
        self.there[left], self.back[right] = right, left
        self._queue.append((left, right))
        return True

    def force(self, left: int, right: int) -> None:
        """Compare these two, whatever they are."""
        self.there[left], self.back[right] = right, left
        self._queue.append((left, right))

    def number(self, graph: Graph, node: int) -> int:
        """A number that the two nodes of a pair share, and that others have not."""
        if graph is self.left:
            return hash(("pair", node)) if node in self.there else hash(("left", node))
        partner = self.back.get(node)
        return hash(("right", node)) if partner is None else hash(("pair", partner))

    # --- steps ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _open(graph: Graph, bound: dict[int, int]) -> list[int]:
        """Resources without a partner."""
        return [
            number
            for number, node in enumerate(graph.nodes)
            if node.value is not None and number not in bound
        ]

    def _content(self, graph: Graph, number: int) -> Hashable:
        """What a resource says, with the pairs known so far in the place of names."""
        bound = self.there if graph is self.left else self.back

        def filled(hole: Hole) -> int:
            if hole.node in bound:
                return self.number(graph, hole.node)
            return hash(graph.nodes[hole.node].kind)

        node = graph.nodes[number]
        return None if node.value is None else (node.kind, evaluate(node.form, filled))

    def _by(self, key: Callable[[Graph, int], Hashable], *, ties: bool) -> bool:
        """Pair nodes of one key. Without `ties` only where each side has one of it."""
        before = len(self.there)
        groups: dict[Hashable, tuple[list[int], list[int]]] = {}
        for side, (graph, bound) in enumerate(((self.left, self.there), (self.right, self.back))):
            for number in range(len(graph.nodes)):
                if number not in bound:
                    groups.setdefault(key(graph, number), ([], []))[side].append(number)
        groups.pop(None, None)
        for ours, theirs in groups.values():
            if len(ours) == len(theirs) == 1:
                self.bind(ours[0], theirs[0])
        self._follow()
        if ties:
            for ours, theirs in groups.values():
                self._tie(ours, theirs)
        return len(self.there) > before

    def _tie(self, ours: list[int], theirs: list[int]) -> None:
        """Pair nodes that can't be distinguished: those of one name first, then in order."""
        if not ours or not theirs:
            return
        self._same_names(ours, theirs)
        self._follow()
        rest = deque(number for number in theirs if number not in self.back)
        for number in ours:
            while rest and rest[0] in self.back:
                rest.popleft()
            if not rest:
                return
            if number not in self.there and self.bind(number, rest[0]):
                self._follow()

    def _same_names(self, ours: Iterable[int], theirs: Iterable[int]) -> None:
        names: dict[str, list[int]] = {}
        for number in theirs:
            name = self.right.nodes[number].name
            if name and number not in self.back:
                names.setdefault(name, []).append(number)
        for number in ours:
            same = names.get(self.left.nodes[number].name)
            if same and number not in self.there and self.bind(number, same[0]):
                same.pop(0)

    def _follow(self) -> None:
        """Pair the neighbours of new pairs, where the way to them and what they hold decide which is which."""
        while self._queue:
            left, right = self._queue.popleft()
            for edges in ("edges", "referrers"):
                for sure in (0, 1, 2):
                    ours = self._neighbours(self.left, left, edges, self.there, sure)
                    if not ours:
                        break
                    theirs = self._neighbours(self.right, right, edges, self.back, sure)
                    for key, nodes in ours.items():
                        others = theirs.get(key)
                        if others is not None and len(nodes) == len(others) and (not sure or len(nodes) == 1):
                            for pair in zip(nodes, others, strict=True):
                                self.bind(*pair)

    def _neighbours(
        self, graph: Graph, number: int, edges: str, bound: dict[int, int], sure: int
    ) -> dict[Hashable, list[int]]:
        """Unpaired neighbours by the way to them and their colour (0), what they hold (1), or their kind (2)."""
        results: dict[Hashable, dict[int, None]] = {}
        ways: list[Edge] = getattr(graph.nodes[number], edges)
        for path, beside, other in ways:
            if other in bound:
                continue
            node = graph.nodes[other]
            key: Hashable = (path, beside, graph.colours[other])
            if sure:
                key = (path, graph.plain[other] if sure == 1 else node.kind)
                if sure == 2 and node.value is not None and not self._loose:
                    continue
            results.setdefault(key, {})[other] = None
        return {key: list(nodes) for key, nodes in results.items()}

    def reader(self, graph: Graph, holder: int) -> Reader:
        """What two primitive values share where they say the same; names by the pair they are of."""
        bound = self.there if graph is self.left else self.back

        def read(value: object, path: str) -> Hashable:
            if path.endswith(".reference") and isinstance(value, str) and graph.settings.ignore_ids:
                node = graph.named(value, holder, make=False)
                return None if node is None or node not in bound else self.number(graph, node)
            return leaf(value, "", graph.settings)

        return read

    def _alike(self, *, settled: bool) -> bool:
        """Pair what is left by likeness, type by type; with `settled` only what refers to nothing unpaired."""
        before = len(self.there)
        kinds: dict[str, tuple[list[int], list[int]]] = {}
        named = frozenset(self.left.roots), frozenset(self.right.roots)
        for side, (graph, bound) in enumerate(((self.left, self.there), (self.right, self.back))):
            for number in self._open(graph, bound):
                node = graph.nodes[number]
                if self._by_id and number in named[side]:
                    continue
                if settled and any(edge.node not in bound for edge in node.edges):
                    continue
                kinds.setdefault(node.kind, ([], []))[side].append(number)
        for ours, theirs in kinds.values():
            left = [self.left.nodes[number].value for number in ours]
            right = [self.right.nodes[number].value for number in theirs]
            pairs = alike_by_features(
                left,
                right,
                [features(value, self.reader(self.left, n)) for value, n in zip(left, ours, strict=True)],
                [features(value, self.reader(self.right, n)) for value, n in zip(right, theirs, strict=True)],
            )
            for first, second in pairs:
                self.bind(ours[first], theirs[second])
        self._follow()
        return len(self.there) > before


def _at_level(level: int, graph: Graph, number: int) -> int:
    return graph.levels[level][number]


def _fits(left: Node, right: Node) -> bool:
    """Whether two nodes can be one: of one kind, or a resource and a `urn:uuid:` of something that is not here."""
    if left.kind == right.kind:
        return True
    bare = left if left.value is None else right
    return (left.value is None) != (right.value is None) and bare.kind == "urn:uuid:"
