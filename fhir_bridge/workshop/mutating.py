"""Mutation of a mapping: which wrong changes of its rules no golden example notices."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import CompiledMapping, MappingErrors, Position
from fhir_bridge.mapping.document import Document, plain
from fhir_bridge.mapping.loading import compile_composed, composed_document
from fhir_bridge.plugins import adapters
from fhir_bridge.workshop.golden import Example, golden_examples
from fhir_bridge.workshop.mutants import Mutant, RuleDocument, rule_documents
from fhir_bridge.workshop.trial import try_mapping

__all__ = ["Mutation", "count_mutants", "mutate"]

Outputs = tuple[frozenset[bytes], ...]
"""For each example what it gives."""

Place = tuple[object, ...]
"""What is changed and how."""


@dataclass(slots=True)
class Mutation:
    """The result for one mapping.

    Attributes:
        noticed: changes that an example notices.
        refused: changes that `mapping check` refuses: none may be made by mistake.
        survived: changes that no example would miss.
        idle: rules that give nothing in any example, with the place of each and the number of its changes.
        left: changes that were not tried for want of time.
    """

    mapping: Path
    noticed: int = 0
    refused: int = 0
    survived: list[Mutant] = field(default_factory=list)
    idle: list[tuple[str, Position, int]] = field(default_factory=list)
    left: int = 0

    @property
    def tried(self) -> int:
        """Changes that compile and were tried."""
        return self.noticed + len(self.survived)

    @property
    def unseen(self) -> int:
        """Changes of the rules that give nothing in any example."""
        return sum(count for _, _, count in self.idle)

    @property
    def score(self) -> float:
        """The share of changes that are noticed, from 0 to 100: what was not tried for want of time is taken to be like
        what was; 100 where there is no change."""
        scale = 1 + self.left / ((self.tried + self.refused) or 1)
        total = self.tried * scale + self.unseen
        return 100.0 * self.noticed * scale / total if total else 100.0


def count_mutants(mapping: Path) -> int:
    """How many changes there are, those of a fragment counted wherever it is put."""
    return sum(1 for document in rule_documents(mapping) for _ in document.mutants())


def mutate(mapping: Path, *, seconds: float, advance: Callable[[str], None] = lambda _: None) -> Mutation:
    """Try the changes of a mapping, those of each rule in turn, until the time is over.

    The changes are tried evenly over the rules, so that a short time says something of each. A change of a fragment
    that several rules use is one change: it is noticed where an example of any of them notices it.

    Raises:
        MappingErrors: the mapping does not compile.
    """
    compile_composed(composed_document(mapping), adapters=adapters())
    return _Trials(golden_examples(mapping), time.monotonic() + seconds, advance).run(mapping)


@dataclass(slots=True)
class _Queue:
    document: RuleDocument
    before: Outputs
    mutants: list[Mutant]


@dataclass(slots=True)
class _Trials:
    examples: list[Example]
    until: float
    advance: Callable[[str], None]
    noticed: set[Place] = field(default_factory=set)
    refused: set[Place] = field(default_factory=set)
    survived: dict[Place, Mutant] = field(default_factory=dict)
    left: set[Place] = field(default_factory=set)
    idle: list[tuple[RuleDocument, list[Mutant]]] = field(default_factory=list)

    def run(self, mapping: Path) -> Mutation:
        """Try what there is."""
        queues = [queue for document in rule_documents(mapping) if (queue := self._queue(document))]
        while any(queue.mutants for queue in queues):
            for queue in queues:
                if self._over:
                    self.left.update(mutant.place for mutant in queue.mutants)
                    queue.mutants.clear()
                elif queue.mutants:
                    mutant = queue.mutants.pop(0)
                    self.advance(queue.document.rule)
                    if mutant.place not in self.noticed:
                        self._try(queue, mutant)
        return self._result(mapping)

    @property
    def _over(self) -> bool:
        return time.monotonic() > self.until

    def _queue(self, document: RuleDocument) -> _Queue | None:
        """The changes of a rule with what it gives before them; None where there is no time, or it gives nothing."""
        compiled = _compiled(document.document)
        if compiled is None and document.whole is not None:
            return self._queue(document.whole)
        mutants = list(document.mutants())
        if self._over:
            self.left.update(mutant.place for mutant in mutants)
            return None
        before = tuple(_output(compiled, example) for example in self.examples) if compiled else ()
        if _of_rule(before, document):
            return _Queue(document, before, mutants)
        self.idle.append((document, mutants))
        for _ in mutants:
            self.advance(document.rule)
        return None

    def _try(self, queue: _Queue, mutant: Mutant) -> None:
        compiled = _compiled(queue.document.changed(mutant))
        if compiled is None:
            self.refused.add(mutant.place)
            return
        for example, expected in zip(self.examples, queue.before, strict=True):
            if _output(compiled, example) != expected:
                self.noticed.add(mutant.place)
                return
        self.survived.setdefault(mutant.place, mutant)

    def _result(self, mapping: Path) -> Mutation:
        survived = [mutant for place, mutant in self.survived.items() if place not in self.noticed]
        known = self.noticed | self.survived.keys() | self.refused
        idle = []
        for document, mutants in self.idle:
            own = {mutant.place for mutant in mutants} - known - self.left
            known |= own
            idle.append((document.rule, document.node.position, len(own)))
        return Mutation(
            mapping,
            noticed=len(self.noticed),
            refused=len(self.refused - self.noticed - self.survived.keys()),
            survived=sorted(survived, key=lambda mutant: mutant.position),
            idle=idle,
            left=len(self.left - known),
        )


def _of_rule(outputs: Outputs, document: RuleDocument) -> bool:
    """Whether any example gives a resource of the rule's type."""
    kind = plain(document.node).get("as")
    mark = b'"resourceType":"' + str(kind).encode() + b'"'
    return any(mark in line for lines in outputs for line in lines)


def _compiled(document: Document) -> CompiledMapping | None:
    try:
        return compile_composed(document, adapters=adapters())
    except MappingErrors:
        return None


def _output(mapping: CompiledMapping, example: Example) -> frozenset[bytes]:
    trial = try_mapping(mapping, example.sources, example.site(), check="none")
    return frozenset(dumps(resource) for resource in trial.resources)
