"""How many copies of an allele each sample has at a line: from GT, DS or GP.

Dosages of one allele: GT counts copies; DS (of an ALT) is taken as it is, of REF it is 2 less the ALTs'; GP gives the
expectation. What an effect makes of a dosage is as in PLINK 2 (`--score`, modifiers `dominant`, `recessive`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from fhir_bridge.adapters.genomics.genotype import parse_genotype

__all__ = ["Dosages", "LineGenotypes", "contribution"]

Dosages = list[float | None]
"""For each sample the copies of an allele; None without a call."""


class LineGenotypes:
    """The samples' genotypes at one line.

    Args:
        keys: FORMAT's keys.
        texts: the samples' columns.
        alleles: REF and the ALTs.
        source: `GT`, `DS` or `GP`.
        doubled: a single copy counts as two, as males' X does (PLINK 2's --xchr-model 2).
        known: what GT texts of earlier lines gave, by allele and text: copies of it and copies in all.
    """

    def __init__(
        self,
        keys: Sequence[str],
        texts: Sequence[str],
        alleles: Sequence[str],
        source: str,
        known: dict[int, dict[str, tuple[float, int] | None]],
        *,
        doubled: bool = False,
    ) -> None:
        self._doubled = doubled
        self._texts = texts
        self._alleles = alleles
        self._known = known
        self.keys = keys
        self._place = {key: place for place, key in enumerate(keys)}
        self._source = source if source in self._place else "GT"
        self._cache: dict[int, tuple[Dosages, list[int] | None]] = {}

    def of(self, allele: int) -> tuple[Dosages, list[int] | None]:
        """Copies of an allele (0 is REF) by sample, and the copies in all where they are not 2 for each of them."""
        entry = self._cache.get(allele)
        if entry is None:
            entry = self._read(allele)
            entry = self._cache[allele] = _doubled(*entry) if self._doubled and entry[1] else entry
        return entry

    def _read(self, allele: int) -> tuple[Dosages, list[int] | None]:
        called, copies = self._from_genotypes(allele)
        if self._source == "GT":
            return called, copies
        place = self._place[self._source]
        read = self._dosage if self._source == "DS" else self._expected
        results: Dosages = []
        for number, text in enumerate(self._texts):
            fields = text.split(":")
            value = read(fields[place], allele) if place < len(fields) else None
            results.append(called[number] if value is None else value)
        if copies is not None:
            filled = zip(results, copies, strict=True)
            copies = [2 if result is not None and not count else count for result, count in filled]
            if all(count == 2 for count in copies):
                copies = None
        return results, copies

    def _from_genotypes(self, allele: int) -> tuple[Dosages, list[int] | None]:
        place = self._place.get("GT")
        if place is None:
            return [None] * len(self._texts), [0] * len(self._texts)
        if len(self._place) == 1:
            texts: Sequence[str] = self._texts
        else:
            texts = [text.partition(":")[0] for text in self._texts]
        known = self._known.setdefault(allele, {})
        for text in set(texts).difference(known):
            known[text] = _count(text, allele)
        entries = [known[text] for text in texts]
        if all(entry is not None and entry[1] == 2 for entry in set(entries)):
            return [entry[0] for entry in entries if entry is not None], None
        return (
            [None if entry is None else entry[0] for entry in entries],
            [0 if entry is None else entry[1] for entry in entries],
        )

    def _dosage(self, text: str, allele: int) -> float | None:
        values = _numbers(text)
        if values is None or len(values) != len(self._alleles) - 1:
            return None
        return 2 - sum(values) if allele == 0 else values[allele - 1]

    def _expected(self, text: str, allele: int) -> float | None:
        chances = self._chances(text, allele)
        return None if chances is None else chances[1] + 2 * chances[2]

    def _chances(self, text: str, allele: int) -> tuple[float, float, float] | None:
        """The probabilities of 0, 1 and 2 copies (GP, in the order of VCF 4.3 §1.6.2 GL)."""
        values = _numbers(text)
        count = len(self._alleles)
        if values is None or len(values) != math.comb(count + 1, 2) or not 0.99 < sum(values) < 1.01:
            return None
        results = [0.0, 0.0, 0.0]
        place = 0
        for second in range(count):
            for first in range(second + 1):
                results[(first == allele) + (second == allele)] += values[place]
                place += 1
        return results[0], results[1], results[2]

    def chances(self, allele: int) -> list[tuple[float, float, float] | None] | None:
        """Probabilities of 0, 1 and 2 copies by sample; None where the dosage is not from GP."""
        if self._source != "GP":
            return None
        place = self._place["GP"]
        results = []
        for text in self._texts:
            fields = text.split(":")
            results.append(self._chances(fields[place], allele) if place < len(fields) else None)
        return results


def _doubled(dosages: Dosages, copies: Sequence[int] | None) -> tuple[Dosages, list[int] | None]:
    """The same with single copies counted as two."""
    counts = list(copies or ())
    results = [
        2 * dosage if count == 1 and dosage is not None else dosage
        for dosage, count in zip(dosages, counts, strict=True)
    ]
    filled = [2 if count == 1 else count for count in counts]
    return results, None if all(count == 2 for count in filled) else filled


def _numbers(text: str) -> list[float] | None:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return values if all(0 <= value <= 2.0001 for value in values) else None


def _count(text: str, allele: int) -> tuple[float, int] | None:
    """Copies of an allele, and copies in all; None of a genotype that is missing in part or can't be read."""
    genotype = parse_genotype(text)
    if genotype is None or genotype.missing or not genotype.alleles:
        return None
    return float(genotype.alleles.count(allele)), len(genotype.alleles)


def contribution(
    effect: str, weights: Sequence[float], dosage: float, chances: tuple[float, float, float] | None = None
) -> float:
    """What a dosage adds to a score.

    Args:
        effect: one of `scoring_file.EFFECTS`, but `interaction`.
        weights: one, or three of the effect `dosages`.
        dosage: copies of the effect allele.
        chances: probabilities of 0, 1 and 2 copies, where they are known: then the result is the expectation.
    """
    if effect == "additive":
        return weights[0] * dosage
    if chances is not None:
        zero, one, two = chances
        if effect == "dosages":
            return weights[0] * zero + weights[1] * one + weights[2] * two
        return weights[0] * (one + two if effect == "dominant" else two)
    if effect == "dominant":
        return weights[0] * min(dosage, 1.0)
    if effect == "recessive":
        return weights[0] * max(dosage - 1.0, 0.0)
    low = min(int(dosage), 1)
    return weights[low] + (dosage - low) * (weights[low + 1] - weights[low])
