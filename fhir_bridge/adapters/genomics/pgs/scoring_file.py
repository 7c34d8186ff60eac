"""Scoring files of the PGS Catalog: their header, of all versions, and their rows.

Format 2.0 and the harmonised form: pgscatalog.org/downloads, "Formatting of PGS Scoring Files". Headers of version 1
write `# PGS ID = PGS000001`; files that pgscatalog-utils normalised have no header, and name score and effect type in
the columns `accession` and `effect_type`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fhir_bridge.adapters.genomics.assembly import named
from fhir_bridge.adapters.genomics.pgs.issues import issue
from fhir_bridge.adapters.genomics.stream import Break, OverlongLine, lines
from fhir_bridge.fhir.issues import Issue

__all__ = [
    "EFFECTS",
    "Row",
    "Score",
    "ScoringFileError",
    "is_scoring_file",
    "read_scoring_file",
    "scoring_files",
]

EFFECTS = ("additive", "dominant", "recessive", "dosages", "interaction")
"""How a weight applies: a copy; any copy; two copies; a weight for each count; the product of several dosages."""

_HEADER_V1 = {
    "reported_trait": "trait_reported",
    "original_genome_build": "genome_build",
    "number_of_variants": "variants_number",
    "number_of_interaction_terms": "interactions_number",
    "mapped_trait": "trait_mapped",
}
_COLUMNS = {
    "rsid": "rsID",
    "chr": "chr_name",
    "snpid": "rsID",
    "reference_allele": "other_allele",
    "hm_rsid": "hm_rsID",
    "hm_inferotherallele": "hm_inferOtherAllele",
}
_BASES = frozenset("ACGTN")
_LAST = (1 << 31) - 1
"""No position lies beyond (VCF 4.3 §1.3)."""
_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_LIMIT = 1 << 20


class ScoringFileError(ValueError):
    """A scoring file can't be used; `issue` says why."""

    def __init__(self, result: Issue) -> None:
        super().__init__(result.message)
        self.issue = result


@dataclass(slots=True)
class Score:
    """A polygenic score, and what became of its rows while they were read.

    Attributes:
        id: its accession; the file's name where it has none.
        build: of the positions that are used; None where only rsIDs are.
        ratio: what kind of ratio the weights are, by `weight_type` (`OR`, `HR`); None where they are none.
        total: rows; unusable: rows that can't be computed from a VCF, by reason.
    """

    id: str
    name: str | None = None
    trait: str | None = None
    ontology: str | None = None
    citation: str | None = None
    license: str | None = None
    build: str | None = None
    file: str = ""
    ratio: str | None = None
    total: int = 0
    unusable: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str:
        """For people: accession and name."""
        return f"{self.id} ({self.name})" if self.name and self.name != self.id else self.id

    @property
    def outcome(self) -> str | None:
        """The trait with its ontology's code, for people."""
        return f"{self.trait} ({self.ontology})" if self.trait and self.ontology else self.trait


@dataclass(slots=True)
class Row:
    """A weight that can be computed; `parts` are several only of an interaction.

    Attributes:
        parts: chromosome, position, rsID, effect allele and other alleles of each variant.
        weights: one; three (for 0, 1 and 2 copies) of the effect `dosages`.
    """

    score: Score
    effect: str
    parts: tuple[tuple[str, int, str, str, tuple[str, ...]], ...]
    weights: tuple[float, ...]


def is_scoring_file(path: Path) -> bool:
    """Whether a file looks like a scoring file by its first lines.

    Raises:
        OSError: it can't be read.
    """
    for number, line in enumerate(lines(path, _LIMIT)):
        if not isinstance(line, bytes) or number > 100:
            return False
        if line[:1] != b"#":
            return b"effect_allele" in line.lower()
        if line.startswith(b"##fileformat"):
            return False
    return False


def scoring_files(paths: Sequence[Path]) -> list[Path]:
    """The files, with those in folders, in order of their names.

    Raises:
        ScoringFileError: one is not there.
    """
    results: list[Path] = []
    for path in paths:
        if path.is_dir():
            results += sorted(each for each in path.iterdir() if each.is_file() and is_scoring_file(each))
        elif path.is_file():
            results.append(path)
        else:
            raise ScoringFileError(issue("FB-PGS-001", "there is no such scoring file", path.name))
    return results


def read_scoring_file(path: Path, build: str, stated: str | None) -> Iterator[Row | Issue | Score]:
    """The scores of a file as they begin, their rows, and an issue for each row that can't be read.

    Args:
        path: the file, plain or gzip.
        build: that of the VCF.
        stated: the build that the user says of files that name none.

    Raises:
        ScoringFileError: the file is no scoring file, is of another build, or damaged.
        OSError: it can't be read.
    """
    items = lines(path, _LIMIT)
    header: dict[str, str] = {}
    columns: list[str] = []
    number = 0
    for item in items:
        number += 1
        text = _text(item, path, number)
        if text is None:
            continue
        if text.startswith("#"):
            key, equals, value = text.strip("# \t").partition("=")
            if equals:
                name = key.strip().lower().replace(" ", "_")
                header[_HEADER_V1.get(name, name)] = value.strip()
            continue
        if text.strip():
            columns = [_COLUMNS.get(name.lower(), name) for name in text.strip("\n").split("\t")]
            break
    _check_columns(columns, path)
    reader = _Reader(path, header, columns, build, stated)
    yield from reader.scores.values()
    for item in items:
        number += 1
        text = _text(item, path, number)
        if text is not None and text.strip() and text[0] != "#":
            yield from reader.read(text, number)


def _text(item: bytes | OverlongLine | Break, path: Path, number: int) -> str | None:
    if isinstance(item, Break):
        if item.certain:
            raise ScoringFileError(issue("FB-PGS-001", item.reason, f"{path.name}:{number}"))
        return None
    if isinstance(item, OverlongLine):
        raise ScoringFileError(issue("FB-PGS-001", "a line is too long", f"{path.name}:{number}"))
    try:
        return item.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise ScoringFileError(
            issue("FB-PGS-001", "the file is not UTF-8 text", f"{path.name}:{number}")
        ) from error


def _check_columns(columns: Sequence[str], path: Path) -> None:
    if "effect_allele" not in columns:
        raise ScoringFileError(issue("FB-PGS-001", "the column effect_allele is missing", path.name))
    if twice := next((name for name in columns if name and columns.count(name) > 1), None):
        raise ScoringFileError(issue("FB-PGS-001", f"there are two columns {twice}", path.name))
    if "effect_weight" not in columns and not {"dosage_0_weight", "dosage_1_weight"} <= set(columns):
        message = "neither effect_weight nor dosage_0_weight, dosage_1_weight, dosage_2_weight is a column"
        raise ScoringFileError(issue("FB-PGS-001", message, path.name))
    if "rsID" not in columns and not _positions(columns):
        message = "neither rsID nor chr_name and chr_position is a column"
        raise ScoringFileError(issue("FB-PGS-001", message, path.name))


def _positions(columns: Sequence[str]) -> tuple[str, str] | None:
    """The columns that positions are read from: the harmonised ones where they are there."""
    for pair in (("hm_chr", "hm_pos"), ("chr_name", "chr_position")):
        if set(pair) <= set(columns):
            return pair
    return None


class _Reader:
    """Reads rows of one file."""

    def __init__(
        self, path: Path, header: Mapping[str, str], columns: Sequence[str], build: str, stated: str | None
    ) -> None:
        self._path = path
        self._header = header
        self._columns = columns
        self._pair = _positions(columns)
        self._build = self._checked_build(build, stated)
        if self._build is None:
            self._pair = None
        self.scores: dict[str, Score] = {}
        if "accession" not in columns:
            self._score("")

    def _checked_build(self, build: str, stated: str | None) -> str | None:
        if self._pair is None:
            return None
        key = "hmpos_build" if self._pair[0] == "hm_chr" else "genome_build"
        declared = named(self._header.get(key, ""))
        if len(declared) != 1 and stated:
            declared = {stated}
        if len(declared) != 1:
            if "rsID" in self._columns:
                return None
            raise ScoringFileError(issue("FB-PGS-003", f"the header's {key} names no build", self._path.name))
        own = declared.pop()
        if own != build:
            what = "harmonised to" if key == "hmpos_build" else "of"
            raise ScoringFileError(
                issue("FB-PGS-002", f"the score is {what} {own}, the VCF is of {build}", self._path.name)
            )
        return own

    def _score(self, accession: str) -> Score:
        score = self.scores.get(accession)
        if score is None:
            get = self._header.get
            stem = self._path.name.removesuffix(".gz").removesuffix(".txt").removesuffix(".tsv")
            score = self.scores[accession] = Score(
                id=accession or get("pgs_id") or get("omicspred_id") or stem,
                name=get("pgs_name") if not accession else None,
                trait=get("trait_mapped") or get("trait_reported"),
                ontology=get("trait_efo"),
                citation=get("citation"),
                license=get("license"),
                build=self._build,
                file=self._path.name,
                ratio=_ratio(get("weight_type", "")),
            )
        return score

    def read(self, text: str, number: int) -> Iterator[Row | Issue | Score]:
        """What a row says."""
        cells = text.split("\t")
        where = f"{self._path.name}:{number}"
        row = {key: cell.strip() for key, cell in zip(self._columns, cells, strict=False)}
        known = len(self.scores)
        score = self._score(row.get("accession", ""))
        if len(self.scores) > known:
            yield score
        score.total += 1
        if any(cell.strip() for cell in cells[len(self._columns) :]):
            score.unusable["the row can't be read"] += 1
            yield issue("FB-PGS-004", f"{len(cells)} cells under {len(self._columns)} columns", where)
            return
        reason = _not_computable(row)
        if reason:
            score.unusable[reason] += 1
            return
        weights = _weights(row)
        if weights is None:
            score.unusable["the row can't be read"] += 1
            yield issue("FB-PGS-004", "the weight is no number", where)
            return
        effect = _effect(row, weights)
        try:
            parts = self._parts(row, interaction=effect == "interaction")
        except ValueError as error:
            score.unusable["the row can't be read"] += 1
            yield issue("FB-PGS-004", str(error), where)
            return
        if not parts:
            score.unusable["no position in this build and no rsID"] += 1
            return
        yield Row(score, effect, parts, weights)

    def _parts(
        self, row: Mapping[str, str], *, interaction: bool
    ) -> tuple[tuple[str, int, str, str, tuple[str, ...]], ...]:
        name = row.get("hm_rsID") or row.get("rsID", "")
        chromosome = position = ""
        if self._pair:
            chromosome, position = (_missing(row.get(key, "")) for key in self._pair)
        other = row.get("other_allele", "") or row.get("hm_inferOtherAllele", "")
        texts = (chromosome, position, _missing(name), row["effect_allele"], other)
        split = [text.split("_x_") if interaction else [text] for text in texts]
        count = max(map(len, split))
        results = []
        for place in range(count):
            at = [
                each[place].strip() if place < len(each) else each[-1] if len(each) == 1 else ""
                for each in split
            ]
            if at[1] and not (at[1].isascii() and at[1].isdecimal()):
                raise ValueError("the position is no number")
            if len(at[1]) > 10 or int(at[1] or 0) > _LAST:
                raise ValueError("the position is on no chromosome")
            located = bool(at[0] and at[1].strip("0"))
            rsid = at[2] if at[2].startswith("rs") else ""
            if not located and not rsid:
                return ()
            others = tuple(each.upper() for each in at[4].replace("|", "/").split("/") if each)
            results.append((at[0], int(at[1]) if located else 0, rsid, at[3].upper(), others))
        return tuple(results)


def _ratio(weight_type: str) -> str | None:
    """The ratio that weights are, where they are not said to be its logarithm."""
    words = set(re.findall("[a-z]+", weight_type.lower()))
    named = words & {"or", "hr", "rr", "odds", "hazard", "risk", "ratio"}
    return weight_type[:40] if named and not words & {"log", "ln", "beta"} else None


def _missing(text: str) -> str:
    return "" if text in (".", "NA", "NR") else text


def _true(row: Mapping[str, str], key: str) -> bool:
    return row.get(key, "").lower() in ("true", "1", "yes")


def _not_computable(row: Mapping[str, str]) -> str | None:
    """Why a row can't be computed from the genotypes of a VCF; None where it can."""
    if _true(row, "is_haplotype") or _true(row, "is_diplotype"):
        return "haplotype or diplotype"
    effect = row.get("effect_allele", "").upper()
    parts = effect.split("_X_") if _true(row, "is_interaction") else [effect]
    if any(not part or not set(part) <= _BASES for part in parts):
        return "the effect allele is no sequence of bases"
    return None


def _weights(row: Mapping[str, str]) -> tuple[float, ...] | None:
    dosages = [row.get(f"dosage_{count}_weight", "") for count in range(3)]
    texts = dosages if any(dosages) else [row.get("effect_weight", "")]
    if not all(_NUMBER.fullmatch(text) for text in texts):  # Python reads 1_000, too
        return None
    results = tuple(float(text) for text in texts)
    return results if all(map(math.isfinite, results)) else None


def _effect(row: Mapping[str, str], weights: Sequence[float]) -> str:
    if len(weights) == 3:
        return "dosages"
    if _true(row, "is_interaction"):
        return "interaction"
    stated = row.get("effect_type", "").lower()
    if _true(row, "is_dominant") or stated == "dominant":
        return "dominant"
    if _true(row, "is_recessive") or stated == "recessive":
        return "recessive"
    return "additive"
