"""Reference distributions of scores, by ancestry: what a score is compared with, and when one fits.

A YAML file:

    reference: 1000 Genomes phase 3          # what people will read
    distributions:
    - {score: PGS001229, ancestry: EUR, samples: 503, variants: 829, mean: 0.2311, sd: 0.3352}
    - {score: PGS001229, ancestry: AFR, samples: 661, variants: 829, quantiles: [-0.9, …, 1.2]}
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.adapters.genomics.pgs.issues import issue
from fhir_bridge.fhir.issues import Issue

__all__ = ["Distribution", "DistributionError", "Placement", "place", "read_ancestries", "read_distributions"]

_LEAST_OVERLAP = 0.95
"""Share of the distribution's variants that a sample must have called."""


class DistributionError(ValueError):
    """The file can't be used; `issue` says why."""

    def __init__(self, result: Issue) -> None:
        super().__init__(result.message)
        self.issue = result


@dataclass(frozen=True, slots=True)
class Distribution:
    """A score's sums in a reference population.

    Attributes:
        reference: name of the population's source.
        variants: how many variants of the score the sums are of.
        quantiles: from the least to the greatest, evenly spaced; or mean and sd, of a normal distribution.
    """

    reference: str
    score: str
    ancestry: str
    samples: int
    variants: int
    mean: float | None = None
    sd: float | None = None
    quantiles: tuple[float, ...] = ()

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.reference}, {self.ancestry} (n={self.samples})"

    def percentile(self, value: float) -> float:
        """The share of the population, in percent, that has a lower sum."""
        if self.quantiles:
            last = len(self.quantiles) - 1
            low, high = bisect_left(self.quantiles, value), bisect_right(self.quantiles, value)
            if high > low:  # it is one of the quantiles
                return 100 * (low + high - 1) / 2 / last
            if low in (0, last + 1):
                return 0.0 if low == 0 else 100.0
            before, after = self.quantiles[low - 1], self.quantiles[low]
            return 100 * (low - 1 + (value - before) / (after - before)) / last
        assert self.mean is not None
        assert self.sd is not None
        return 50 * (1 + math.erf((value - self.mean) / self.sd / math.sqrt(2)))

    def z_score(self, value: float) -> float | None:
        """Standard deviations from the mean; None of a distribution by quantiles."""
        return (value - self.mean) / self.sd if self.mean is not None and self.sd else None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a sample's score is: in a distribution; or why in none."""

    distribution: Distribution | None = None
    reason: str = ""


def place(
    distributions: Mapping[tuple[str, str], Distribution], score: str, ancestry: str | None, called: int
) -> Placement:
    """The distribution that fits a score of which so many variants are called, or why none does."""
    if not distributions:
        return Placement(reason="no reference distribution is given")
    if not any(name == score for name, _ in distributions):
        return Placement(reason="there is no reference distribution of this score")
    if not ancestry:
        return Placement(reason="the sample's ancestry is not stated")
    distribution = distributions.get((score, ancestry))
    if distribution is None:
        return Placement(
            reason=f"there is no reference distribution of this score for the ancestry {ancestry}"
        )
    if not _LEAST_OVERLAP * distribution.variants <= called <= distribution.variants:
        return Placement(
            reason=f"{called} variants are called, the reference distribution is of {distribution.variants}"
        )
    return Placement(distribution)


def read_distributions(path: Path) -> dict[tuple[str, str], Distribution]:
    """The distributions of a file by score and ancestry.

    Raises:
        DistributionError: it can't be read, or an entry is wrong (FB-PGS-007).
    """
    try:
        content = YAML(typ="safe").load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise _wrong(path, f"can't be read as YAML ({type(error).__name__})") from error
    if not isinstance(content, dict) or not isinstance(content.get("distributions"), list):
        raise _wrong(path, "has no list `distributions`")
    reference = content.get("reference")
    if not isinstance(reference, str) or not reference.strip():
        raise _wrong(path, "has no `reference`, the name of the population's source")
    results: dict[tuple[str, str], Distribution] = {}
    for number, entry in enumerate(content["distributions"], 1):
        one = _distribution(path, number, entry, reference.strip())
        if results.setdefault((one.score, one.ancestry), one) is not one:
            raise _wrong(path, f"entry {number}: a second distribution of {one.score} for {one.ancestry}")
    return results


def _distribution(path: Path, number: int, entry: Any, reference: str) -> Distribution:
    if not isinstance(entry, dict):
        raise _wrong(path, f"entry {number} is no object")
    known = {"score", "ancestry", "samples", "variants", "mean", "sd", "quantiles"}
    if unknown := sorted(set(map(str, entry)) - known):
        raise _wrong(path, f"entry {number}: {unknown[0]} is none of {', '.join(sorted(known))}")
    try:
        score, ancestry = str(entry["score"]), str(entry["ancestry"])
        samples, variants = int(entry["samples"]), int(entry["variants"])
        quantiles = tuple(float(value) for value in entry.get("quantiles", ()))
        mean, sd = (None if entry.get(key) is None else float(entry[key]) for key in ("mean", "sd"))
    except (KeyError, TypeError, ValueError) as error:
        missing = f"{error.args[0]} is missing" if isinstance(error, KeyError) else "a value is no number"
        raise _wrong(path, f"entry {number}: {missing}") from error
    ordered = len(quantiles) >= 3 and list(quantiles) == sorted(quantiles) and quantiles[0] < quantiles[-1]
    normal = mean is not None and sd is not None and math.isfinite(mean) and math.isfinite(sd) and sd > 0
    if bool(quantiles) == (mean is not None or sd is not None) or not (ordered if quantiles else normal):
        raise _wrong(
            path, f"entry {number}: give mean and sd (above 0), or three or more ascending quantiles"
        )
    if samples < 2 or variants < 1:
        raise _wrong(path, f"entry {number}: samples and variants are counts")
    return Distribution(reference, score, ancestry, samples, variants, mean, sd, quantiles)


def read_ancestries(stated: str | None) -> tuple[str | None, dict[str, str]]:
    """The ancestry of all samples, or by sample, from the option: a word, or a file of two columns.

    Raises:
        DistributionError: the file has another form.
    """
    if stated is None:
        return None, {}
    path = Path(stated)
    if not path.is_file():
        if "/" in stated or "." in stated:
            raise _wrong(path, "is no file with the samples' ancestries")
        return stated, {}
    try:
        rows = [line.split("\t") for line in path.read_text("utf-8-sig").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, "can't be read") from error
    if not rows or [cell.strip().lower() for cell in rows[0]] != ["sample", "ancestry"]:
        raise _wrong(path, "has not `sample` and `ancestry` in its first line, separated by a tab")
    results: dict[str, str] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = [cell.strip() for cell in row]
        if len(cells) != 2 or not all(cells):
            raise _wrong(path, f"line {number} has not a sample and an ancestry")
        if results.setdefault(cells[0], cells[1]) != cells[1]:
            raise _wrong(path, f"line {number} gives a sample another ancestry")
    return None, results


def _wrong(path: Path, message: str) -> DistributionError:
    return DistributionError(issue("FB-PGS-007", f"{path.name} {message}", path.name))
