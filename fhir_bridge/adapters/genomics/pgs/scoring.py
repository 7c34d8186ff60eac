"""Scores of all samples of a file, computed while its lines are read once."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fhir_bridge.adapters.genomics.assembly import pseudoautosomal
from fhir_bridge.adapters.genomics.pgs.dosage import Dosages, LineGenotypes, contribution
from fhir_bridge.adapters.genomics.pgs.options import PgsOptions
from fhir_bridge.adapters.genomics.pgs.scoring_file import EFFECTS, Score
from fhir_bridge.adapters.genomics.pgs.weights import Weights, contig_key

__all__ = ["MEAN_NEEDS", "Scorer", "Totals"]

_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_AMBIGUOUS = frozenset((frozenset("AT"), frozenset("CG")))
MEAN_NEEDS = 50
"""Samples that a file must have for their mean (PLINK 2 asks for as many)."""
ABSENT, MISMATCH, OTHER_STRAND, FILTERED, IN_BLOCK, DROPPED, USED, FLIPPED, ASSUMED = range(9)
"""What became of a variant of a score; the highest counts."""


@dataclass(slots=True)
class Totals:
    """A score over the samples.

    Attributes:
        sums: by sample.
        less: copies that a sample has less than two of each variant: no calls, and single copies.
        no_calls: variants without a call, by sample; imputed: of them, given the mean of the file's samples.
        lines: variants and interactions that were added.
        counts: variants, by what became of them; duplicates: variants on more than one line; ambiguous: used ones.
    """

    score: Score
    sums: list[float]
    less: list[int]
    no_calls: list[int]
    imputed: list[int]
    lines: int = 0
    counts: Counter[int] = field(default_factory=Counter)
    duplicates: int = 0
    ambiguous: int = 0

    def alleles(self, sample: int) -> int:
        """Copies that were counted (PLINK's ALLELE_CT)."""
        return 2 * self.lines - self.less[sample]

    def average(self, sample: int) -> float | None:
        """The sum by the copies counted and imputed (PLINK's SCORE_AVG)."""
        denominator = self.alleles(sample) + 2 * self.imputed[sample]
        return self.sums[sample] / denominator if denominator else None

    def called(self, sample: int) -> int:
        """Variants of the score that a sample has a call of."""
        return self.used - self.no_calls[sample]

    @property
    def used(self) -> int:
        """Variants that are in the score of a sample that has all of them called."""
        return sum(self.counts[state] for state in (USED, FLIPPED, ASSUMED))


class Scorer:
    """Adds the lines of a file to the scores of its samples.

    Args:
        assembly: name of the build, which says where X recombines with Y.
        base: the bases of the reference by contig and positions; None where there is none.

    Attributes:
        without_dosage: lines of which genotypes are counted, as they have not what dosages are to be taken from.
    """

    def __init__(
        self,
        weights: Weights,
        samples: int,
        options: PgsOptions,
        assembly: str,
        base: Callable[[str, int, int], str | None] | None = None,
    ) -> None:
        self._weights = weights
        self._samples = samples
        self._options = options
        self._base = base
        self._assembly = assembly
        self.without_dosage = 0
        self._state = bytearray(len(weights))
        self._known: dict[int, dict[str, tuple[float, int] | None]] = {}
        self._pending: dict[int, list[Dosages]] = {}
        self._contigs: dict[str, str] = {}
        self._positions: dict[int, int] | None = None
        self.totals = [
            Totals(score, [0.0] * samples, [0] * samples, [0] * samples, [0] * samples)
            for score in weights.scores
        ]

    def wants(self, contig: str, position: int, name: str, end: int) -> bool:
        """Whether a score has a variant on a line, or in the block that ends at `end`."""
        if self._weights.by_name and name in self._weights.by_name:
            return True
        positions = self._weights.positions(self._contig(contig))
        place = bisect_left(positions, position)
        return place < len(positions) and positions[place] <= end

    def _contig(self, name: str) -> str:
        key = self._contigs.get(name)
        if key is None:
            key = self._contigs[name] = contig_key(name)
        return key

    def add(self, columns: Sequence[str], texts: Sequence[str], *, end: int, failed: bool) -> bool:
        """Add a line to the scores; whether one has a variant on it.

        Args:
            columns: the line's columns, FORMAT at least.
            texts: those of the samples.
            end: the last position of a block that is called as reference; else POS.
            failed: a filter failed, and such lines are left out.
        """
        contig, position = self._contig(columns[0]), int(columns[1])
        reference = columns[3].upper()
        alleles = [reference]
        if columns[4] not in (".", "<NON_REF>", "<*>"):
            alleles += [each if each[:1] == "<" else each.upper() for each in columns[4].split(",")]
        genotypes = LineGenotypes(
            columns[8].split(":"),
            texts,
            alleles,
            self._options.dosage,
            self._known,
            doubled=contig == "X"
            and self._options.hemizygous == "two"
            and not pseudoautosomal(self._assembly, "X", position),
        )
        numbers = self._weights.at(contig, position)
        for name in columns[2].split(";") if self._weights.by_name else ():
            numbers += self._weights.by_name.get(name, ())
        for number in numbers:
            self._variant(number, alleles, genotypes, failed=failed)
        matched = bool(numbers)
        if matched and self._options.dosage not in genotypes.keys:
            self.without_dosage += 1
        if end > position:
            for number in self._weights.between(contig, position + 1, end):
                matched = True
                self._in_block(number, columns[0], genotypes, failed=failed)
        return matched

    def _note(self, number: int, state: int) -> None:
        self._state[number] = max(self._state[number], state)

    def _variant(
        self, number: int, alleles: Sequence[str], genotypes: LineGenotypes, *, failed: bool
    ) -> None:
        totals = self.totals[self._weights.score[number]]
        effect, others = self._weights.allele(number), self._weights.others(number)
        allele, state = self._match(effect, others, alleles)
        if allele is None:
            self._note(number, state)
            return
        if failed:
            self._note(number, FILTERED)
            return
        if self._state[number] >= DROPPED:
            totals.duplicates += 1
            return
        pair = frozenset((effect, *others)) if len(others) == 1 else frozenset((effect, *alleles[:2]))
        if pair in _AMBIGUOUS:
            if self._options.ambiguous == "drop":
                self._note(number, DROPPED)
                return
            totals.ambiguous += 1
        self._note(number, state)
        self._count(number, genotypes, allele)

    def _match(self, effect: str, others: Sequence[str], alleles: Sequence[str]) -> tuple[int | None, int]:
        """The number of the effect allele on a line (-1: it is not on a line without ALT), and what it is then."""
        number = _place(effect, others, alleles)
        if number is not None:
            return number, USED
        flipped = effect.translate(_COMPLEMENT)
        number = _place(flipped, [other.translate(_COMPLEMENT) for other in others], alleles)
        if number is None or not others:
            return None, MISMATCH
        return (number, FLIPPED) if self._options.flip else (None, OTHER_STRAND)

    def _in_block(self, number: int, contig: str, genotypes: LineGenotypes, *, failed: bool) -> None:
        """A variant within a block that is called as reference: which allele that is, only the reference says."""
        if self._state[number] >= DROPPED:
            return
        if failed or self._base is None:
            self._note(number, FILTERED if failed else IN_BLOCK)
            return
        reference = self._reference_at(number, contig)
        allele = None if reference is None else _place(*self._pair(number), [reference])
        if allele is None:
            self._note(number, MISMATCH)
            return
        self._note(number, USED)
        self._count(number, genotypes, allele)

    def _pair(self, number: int) -> tuple[str, tuple[str, ...]]:
        return self._weights.allele(number), self._weights.others(number)

    def _reference_at(self, number: int, contig: str) -> str | None:
        if self._base is None:
            return None
        if self._positions is None:
            self._positions = {each: position for _, position, each in self._weights.located()}
        position = self._positions[number]
        effect, others = self._pair(number)
        longest = max(map(len, (effect, *others)))
        bases = self._base(contig, position, position + longest - 1)
        if bases is None:
            return None
        return max((each for each in (effect, *others) if bases.startswith(each)), key=len, default=bases[:1])

    def _count(self, number: int, genotypes: LineGenotypes, allele: int) -> None:
        """Add a variant to all samples; `allele` -1 is one that nobody has."""
        totals = self.totals[self._weights.score[number]]
        effect = EFFECTS[self._weights.effect[number]]
        dosages, copies = genotypes.of(max(allele, 0))
        if allele < 0:
            dosages = [None if dosage is None else 0.0 for dosage in dosages]
        if effect == "interaction":
            self._interact(number, dosages)
            return
        totals.lines += 1
        weight = self._weights.weight[number]
        if copies is None and effect == "additive":
            totals.sums = [
                total + weight * dosage  # type: ignore[operator]  # all are called
                for total, dosage in zip(totals.sums, dosages, strict=True)
            ]
            return
        weights = self._weights.by_count.get(number, (weight,))
        chances = genotypes.chances(allele) if effect != "additive" and allele >= 0 else None
        mean = self._mean(dosages)
        for sample, dosage in enumerate(dosages):
            if copies is not None:
                totals.less[sample] += 2 - copies[sample]
            if dosage is None:
                totals.no_calls[sample] += 1
                if mean is None:
                    continue
                totals.imputed[sample] += 1
                dosage = mean
            of = None if chances is None else chances[sample]
            totals.sums[sample] += contribution(effect, weights, dosage, of)

    def _mean(self, dosages: Dosages) -> float | None:
        if self._options.missing != "mean" or self._samples < MEAN_NEEDS:
            return None
        called = [dosage for dosage in dosages if dosage is not None]
        return sum(called) / len(called) if called else None

    def _interact(self, number: int, dosages: Dosages) -> None:
        """Keep the dosages of a part of an interaction; with the last of them add the product."""
        term = self._weights.term[number]
        parts = self._pending.setdefault(term, [])
        parts.append(dosages)
        if len(parts) < self._weights.term_size[term]:
            return
        totals = self.totals[self._weights.score[number]]
        totals.lines += 1
        for sample, values in enumerate(zip(*self._pending.pop(term), strict=True)):
            product = self._weights.weight[number]
            for value in values:
                if value is None:
                    totals.no_calls[sample] += 1
                    totals.less[sample] += 2
                    break
                product *= value
            else:
                totals.sums[sample] += product

    def finish(self) -> None:
        """Take what the file does not have as the options say, and count what became of every variant."""
        if self._options.absent == "reference" and self._base is not None:
            for contig, _, number in self._weights.located():
                if self._state[number] == ABSENT:
                    self._assume(number, contig)
        for number, state in enumerate(self._state):
            if number in self._weights.repeated:
                continue
            self.totals[self._weights.score[number]].counts[state] += 1

    def _assume(self, number: int, contig: str) -> None:
        reference = self._reference_at(number, contig)
        allele = None if reference is None else _place(*self._pair(number), [reference])
        if allele is None:
            self._note(number, MISMATCH)
            return
        self._note(number, ASSUMED)
        text = ["0/0"] * self._samples
        self._count(number, LineGenotypes(["GT"], text, [reference or ""], "GT", self._known), allele)


def _place(effect: str, others: Sequence[str], alleles: Sequence[str]) -> int | None:
    """The number of the effect allele among a line's; -1 where the line has no ALT and its REF is the other allele."""
    if effect in alleles:
        if not others or len(alleles) == 1 or any(other in alleles for other in others):
            return alleles.index(effect)
        return None
    if len(alleles) == 1 and alleles[0] in others:
        return -1
    return None
