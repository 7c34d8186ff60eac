"""What a file gave: a score of a sample (scope `Score`), and the record that holds the scores of some samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from fhir_bridge.adapters.genomics.file import Subject, VcfFile
from fhir_bridge.adapters.genomics.pgs.distributions import Placement
from fhir_bridge.adapters.genomics.pgs.scoring import (
    ABSENT,
    ASSUMED,
    DROPPED,
    FILTERED,
    FLIPPED,
    IN_BLOCK,
    MISMATCH,
    OTHER_STRAND,
    Totals,
)
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Record
from fhir_bridge.plugins import IssueLike, RecordOutcome

__all__ = ["PgsRecord", "SampleScore", "account_of"]


class SampleScore:
    """A score of a sample (scope `Score`).

    Attributes:
        number: of the sample, from 0.
        placement: in which reference distribution it is.
    """

    __slots__ = ("file", "name", "number", "placement", "totals")

    def __init__(self, file: VcfFile, name: str, number: int, totals: Totals, placement: Placement) -> None:
        self.file = file
        self.name = name
        self.number = number
        self.totals = totals
        self.placement = placement

    @property
    def outer(self) -> VcfFile:
        """The file."""
        return self.file

    @property
    def sum(self) -> Decimal:
        """The score: weights by dosages."""
        return _decimal(self.totals.sums[self.number])

    @property
    def average(self) -> Decimal | None:
        """The score by the alleles counted."""
        value = self.totals.average(self.number)
        return None if value is None else _decimal(value)

    @property
    def alleles(self) -> int:
        """Alleles that were counted."""
        return self.totals.alleles(self.number)

    @property
    def used(self) -> int:
        """Variants with a call."""
        return self.totals.called(self.number)

    @property
    def no_calls(self) -> int:
        """Variants that the sample has no call of."""
        return self.totals.no_calls[self.number]

    @property
    def imputed(self) -> int:
        """Of them, given the mean of the file's samples."""
        return self.totals.imputed[self.number]

    @property
    def interpretable(self) -> bool:
        """Whether a reference distribution fits."""
        return self.placement.distribution is not None

    @property
    def percentile(self) -> Decimal | None:
        """Within the reference distribution."""
        distribution = self.placement.distribution
        return None if distribution is None else round(Decimal(distribution.percentile(float(self.sum))), 1)

    @property
    def z_score(self) -> Decimal | None:
        """Standard deviations from the reference's mean."""
        distribution = self.placement.distribution
        value = None if distribution is None else distribution.z_score(float(self.sum))
        return None if value is None else round(Decimal(value), 3)

    @property
    def reference(self) -> str | None:
        """The reference distribution, for people."""
        distribution = self.placement.distribution
        return None if distribution is None else distribution.title

    @property
    def interpretation(self) -> str:
        """What the score says, or why it can't be interpreted, for people."""
        if self.placement.distribution is None:
            return f"Not interpretable: {self.placement.reason}"
        return f"Percentile {self.percentile} of {self.reference}"

    @property
    def account(self) -> str:
        """What became of the score's variants, for people."""
        totals = self.totals
        counts = totals.counts
        parts = [f"{self.used} of {totals.score.total} variants used"]
        if totals.score.ratio:
            parts.append(f"weights of type {totals.score.ratio} added as they are")
        for number, words in (
            (self.no_calls, "without a call"),
            (self.imputed, "of these given the file's mean"),
            (counts[ABSENT], "not in the file"),
            (counts[ASSUMED], "not in the file and taken as reference"),
            (counts[IN_BLOCK], "in a reference block of an unknown base"),
            (counts[MISMATCH] + counts[OTHER_STRAND], "with other alleles"),
            (counts[FLIPPED], "used on the other strand"),
            (totals.ambiguous, "strand-ambiguous and used"),
            (counts[DROPPED], "strand-ambiguous and left out"),
            (counts[FILTERED], "on filtered lines"),
            *((count, reason) for reason, count in sorted(totals.score.unusable.items())),
        ):
            if number:
                parts.append(f"{number} {words}")
        return "; ".join(parts)


def account_of(totals: Totals, file: VcfFile) -> dict[str, Any]:
    """A score's row of the report: what became of its variants, in the whole file."""
    counts = totals.counts
    return {
        "source": file.name,
        "score": totals.score.id,
        "variants": totals.score.total,
        "used": totals.used,
        "absent": counts[ABSENT],
        "assumed_reference": counts[ASSUMED],
        "in_reference_block": counts[IN_BLOCK],
        "mismatched": counts[MISMATCH] + counts[OTHER_STRAND],
        "flipped": counts[FLIPPED],
        "ambiguous": totals.ambiguous,
        "ambiguous_dropped": counts[DROPPED],
        "filtered": counts[FILTERED],
        "not_computable": dict(sorted(totals.score.unusable.items())),
        "duplicates": totals.duplicates,
        "no_calls": sum(totals.no_calls),
        "imputed": sum(totals.imputed),
        "samples": len(totals.sums),
    }


def _decimal(value: float) -> Decimal:
    """Ten significant digits, without an exponent."""
    return Decimal(format(Decimal(format(value, ".10g")), "f"))


class PgsRecord(Record):
    """The scores of some samples, or lines that gave none."""

    root = "File"
    source = "vcf"

    def __init__(
        self,
        locator: str,
        *,
        records: int = 1,
        outcome: RecordOutcome = "read",
        issues: Sequence[Issue] = (),
        file: VcfFile | None = None,
        scores: Sequence[SampleScore] = (),
        subjects: Sequence[Subject] = (),
        accounts: Sequence[Mapping[str, Any]] = (),
        key: str = "",
    ) -> None:
        time: datetime | None = file.time if file else None
        super().__init__(
            locator, source="vcf", time=time, records=records, outcome=outcome, issues=issues, key=key
        )
        self.file = file
        self.scores = scores
        self.subjects = subjects
        self._accounts = accounts

    @property
    def bounds(self) -> str:
        """Within what a sample's name is one sample where no crosswalk names its patient: this content."""
        return self.file.id if self.file is not None else ""

    def count_outputs(self, outputs: Sequence[Any], issues: Sequence[IssueLike]) -> None:
        """Scores are counted while the lines are read."""

    def part_accounts(self) -> Iterable[Mapping[str, Any]]:
        """What became of each score's variants."""
        return self._accounts

    def scope(self, name: str) -> Iterable[Any]:
        """The file, its samples, or their scores."""
        if name == "File":
            return (self.file,) if self.file is not None else ()
        if name == "Subject":
            return self.subjects
        return self.scores if name == "Score" else ()
