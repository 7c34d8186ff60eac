"""Mutation of a mapping: which wrong changes of its rules no golden example notices."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.mapping import CompiledMapping, MappingErrors, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.workshop.golden import Example, golden_examples
from fhir_bridge.workshop.mutants import Mutant, RuleDocument, rule_documents
from fhir_bridge.workshop.trial import try_mapping

__all__ = ["Mutation", "count_mutants", "mutate"]

Outputs = tuple[frozenset[bytes], ...]
"""For each example what it gives."""


@dataclass(slots=True)
class Mutation:
    """The result for one mapping.

    Attributes:
        noticed: changes that an example notices.
        refused: changes that `mapping check` refuses: none may be made by mistake.
        survived: changes that no example would miss.
        idle: rules that give nothing in any example, with the line of each.
        left: changes that were not tried for want of time.
    """

    mapping: Path
    noticed: int = 0
    refused: int = 0
    survived: list[Mutant] = field(default_factory=list)
    idle: list[tuple[str, int, int]] = field(default_factory=list)
    left: int = 0

    @property
    def tried(self) -> int:
        """Changes that compile and were tried; those of idle rules are."""
        return self.noticed + len(self.survived) + sum(count for _, _, count in self.idle)

    @property
    def score(self) -> float:
        """The share of tried changes that were noticed, from 0 to 100; 100 where none was tried."""
        return 100.0 * self.noticed / self.tried if self.tried else 100.0


def count_mutants(mapping: Path) -> int:
    """How many changes there are."""
    return sum(1 for document in rule_documents(mapping) for _ in document.mutants())


def mutate(mapping: Path, *, seconds: float, advance: Callable[[str], None] = lambda _: None) -> Mutation:
    """Try the changes of a mapping, those of each rule in turn, until the time is over.

    The changes are tried evenly over the rules, so that a short time says something of each.
    """
    result = Mutation(mapping)
    examples = golden_examples(mapping)
    until = time.monotonic() + seconds
    queues: list[tuple[RuleDocument, Outputs, list[Mutant]]] = []
    with tempfile.TemporaryDirectory() as folder:
        for document in rule_documents(mapping):
            mutants = list(document.mutants())
            if time.monotonic() > until:
                result.left += len(mutants)
                continue
            compiled = _compiled(document.text(), Path(folder))
            before = _outputs(compiled, examples) if compiled is not None else ()
            own = _of_rule(before, document)
            if compiled is None or not own:
                line = mutants[0].line if mutants else 0
                result.idle.append((document.rule, line, len(mutants)))
                for _ in mutants:
                    advance(document.rule)
            else:
                queues.append((document, before, mutants))
        while any(mutants for _, _, mutants in queues):
            for document, before, mutants in queues:
                if not mutants:
                    continue
                if time.monotonic() > until:
                    result.left += len(mutants)
                    mutants.clear()
                    continue
                mutant = mutants.pop(0)
                advance(document.rule)
                _try(document, mutant, before, examples, Path(folder), result)
    result.survived.sort(key=lambda mutant: mutant.line)
    return result


def _try(
    document: RuleDocument,
    mutant: Mutant,
    before: Outputs,
    examples: list[Example],
    folder: Path,
    result: Mutation,
) -> None:
    compiled = _compiled(document.changed(mutant), folder)
    if compiled is None:
        result.refused += 1
        return
    for example, expected in zip(examples, before, strict=True):
        if _output(compiled, example) != expected:
            result.noticed += 1
            return
    result.survived.append(mutant)


def _of_rule(outputs: Outputs, document: RuleDocument) -> bool:
    """Whether any example gives a resource of the rule's type."""
    kind = str(document.document["rules"][document.index].get("as"))
    mark = b'"resourceType":"' + kind.encode() + b'"'
    return any(mark in line for lines in outputs for line in lines)


def _compiled(text: str, folder: Path) -> CompiledMapping | None:
    file = folder / "mapping.yaml"
    file.write_text(text, "utf-8")
    try:
        return load_mapping(file, adapters=adapters())
    except MappingErrors:
        return None


def _outputs(mapping: CompiledMapping, examples: list[Example]) -> Outputs:
    return tuple(_output(mapping, example) for example in examples)


def _output(mapping: CompiledMapping, example: Example) -> frozenset[bytes]:
    file = example.folder / "site.yaml"
    site = Site.load(file) if file.exists() else None
    trial = try_mapping(mapping, example.sources, site, check="none")
    return frozenset(dumps(resource) for resource in trial.resources)
