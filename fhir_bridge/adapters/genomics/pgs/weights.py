"""The weights of all scores, in arrays: about 45 bytes a variant, found by position or rsID."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from fhir_bridge.adapters.genomics.assembly import chromosome
from fhir_bridge.adapters.genomics.pgs.scoring_file import EFFECTS, Row, Score

__all__ = ["REPEATED", "Weights"]

REPEATED = "given by an earlier row already"

_SEX = {"23": "X", "24": "Y", "26": "MT"}
"""Numbers that PLINK gives to X, Y and the mitochondrion."""


class Weights:
    """Each variant of each score is a number, from 0.

    Attributes:
        scores: the scores, in order.
        score, effect: of a variant, as numbers of `scores` and `EFFECTS`.
        weight: of one copy.
        by_count: weights for 0, 1 and 2 copies, of the effect `dosages`.
        term: an interaction's number, and its size by number.
        repeated: rows that say again what an earlier one says of the same alleles at the same place; they count once.
    """

    def __init__(self) -> None:
        self.scores: list[Score] = []
        self.score = array("H")
        self.effect = array("B")
        self.weight = array("d")
        self.by_count: dict[int, tuple[float, ...]] = {}
        self.term: dict[int, int] = {}
        self.term_size: list[int] = []
        self._allele = array("L")
        self._other = array("L")
        self._alleles: list[str] = []
        self._number: dict[str, int] = {}
        self._others: list[tuple[str, ...]] = []
        self._other_number: dict[tuple[str, ...], int] = {}
        self._places: dict[str, tuple[array[int], array[int]]] = {}
        self._names: dict[str, list[int]] = {}
        self.repeated: set[int] = set()

    def __len__(self) -> int:
        return len(self.score)

    def add_score(self, score: Score) -> None:
        """Take a score; its rows follow."""
        self.scores.append(score)

    def add(self, row: Row, score: int) -> None:
        """Take a row of the score with a number."""
        term = None
        if row.effect == "interaction":
            term = len(self.term_size)
            self.term_size.append(len(row.parts))
        for contig, position, name, allele, others in row.parts:
            number = len(self.score)
            self.score.append(score)
            self.effect.append(EFFECTS.index(row.effect))
            self.weight.append(row.weights[0])
            self._allele.append(self._intern(allele))
            self._other.append(self._intern_others(others))
            if len(row.weights) == 3:
                self.by_count[number] = row.weights
            if term is not None:
                self.term[number] = term
            if position:
                entry = self._places.setdefault(contig_key(contig), (array("q"), array("L")))
                entry[0].append(position)
                entry[1].append(number)
            else:
                self._names.setdefault(name, []).append(number)

    def _intern(self, allele: str) -> int:
        number = self._number.get(allele)
        if number is None:
            number = self._number[allele] = len(self._alleles)
            self._alleles.append(allele)
        return number

    def _intern_others(self, others: tuple[str, ...]) -> int:
        number = self._other_number.get(others)
        if number is None:
            number = self._other_number[others] = len(self._others)
            self._others.append(others)
        return number

    def sort(self) -> None:
        """Order positions, once all rows are there."""
        for contig, (positions, numbers) in self._places.items():
            if any(positions[place] > positions[place + 1] for place in range(len(positions) - 1)):
                order = sorted(range(len(positions)), key=positions.__getitem__)
                self._places[contig] = (
                    array("q", [positions[place] for place in order]),
                    array("L", [numbers[place] for place in order]),
                )
        self._drop_repeated()

    def _drop_repeated(self) -> None:
        """Take the rows out that name a score's allele at a place a second time; the first one counts."""
        for contig, (positions, numbers) in self._places.items():
            before = len(self.repeated)
            first = 0
            for place in range(1, len(positions) + 1):
                if place < len(positions) and positions[place] == positions[first]:
                    continue
                if place - first > 1:
                    self._note_repeated(sorted(numbers[first:place]))
                first = place
            if len(self.repeated) > before:
                kept = [place for place, number in enumerate(numbers) if number not in self.repeated]
                self._places[contig] = (
                    array("q", [positions[place] for place in kept]),
                    array("L", [numbers[place] for place in kept]),
                )
        for name, several in self._names.items():
            if len(several) > 1:
                self._note_repeated(several)
                self._names[name] = [number for number in several if number not in self.repeated]

    def _note_repeated(self, numbers: Iterable[int]) -> None:
        seen: set[tuple[int, int, int]] = set()
        for number in numbers:
            if number in self.term:
                continue
            key = self.score[number], self._allele[number], self._other[number]
            if key in seen:
                self.repeated.add(number)
                self.scores[self.score[number]].unusable[REPEATED] += 1
            seen.add(key)

    def allele(self, number: int) -> str:
        """The effect allele."""
        return self._alleles[self._allele[number]]

    def others(self, number: int) -> tuple[str, ...]:
        """The other alleles that there may be; none where the score states none."""
        return self._others[self._other[number]]

    @property
    def by_name(self) -> dict[str, list[int]]:
        """Variants without a position, by rsID."""
        return self._names

    def at(self, contig: str, position: int) -> list[int]:
        """The variants at a position."""
        return list(self.between(contig, position, position))

    def between(self, contig: str, first: int, last: int) -> Iterator[int]:
        """The variants from one position to another."""
        entry = self._places.get(contig)
        if entry is None:
            return
        positions, numbers = entry
        place = bisect_left(positions, first)
        while place < len(positions) and positions[place] <= last:
            yield numbers[place]
            place += 1

    def positions(self, contig: str) -> array[int]:
        """The positions on a contig, in order."""
        entry = self._places.get(contig)
        return entry[0] if entry else array("q")

    def located(self) -> Iterator[tuple[str, int, int]]:
        """Contig, position and number of every variant that has a position."""
        for contig, (positions, numbers) in self._places.items():
            for position, number in zip(positions, numbers, strict=True):
                yield contig, position, number


def contig_key(name: str) -> str:
    """A contig under one name, whether it is written `chr1`, `1`, `23` or by its accession."""
    return chromosome(_SEX.get(name, name)) or name
