"""Human genome builds: chromosome lengths and RefSeq accessions, and which build a header speaks of.

Lengths and accessions: NCBI assembly reports GCF_000001405.25 (GRCh37.p13), GCF_000001405.40 (GRCh38.p14) and
GCF_009914755.1 (T2T-CHM13v2.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.fhir.issues import Issue

__all__ = [
    "BUILDS",
    "CHROMOSOMES",
    "UNSTATED",
    "Build",
    "Contig",
    "UnknownBuild",
    "accession",
    "chromosome",
    "contig_length",
    "detect",
    "named",
    "names_build",
    "pseudoautosomal",
]

CHROMOSOMES = (*map(str, range(1, 23)), "X", "Y", "MT")


@dataclass(frozen=True, slots=True)
class Build:
    """A genome build; `lengths` (bases) and `accessions` are by chromosome name (`1` … `22`, `X`, `Y`, `MT`)."""

    name: str
    lengths: Mapping[str, int]
    accessions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contig:
    """A `##contig` line: `length` in bases and `assembly` where the line gives them."""

    name: str
    length: int | None = None
    assembly: str | None = None


class UnknownBuild(ValueError):
    """The header doesn't say which build it speaks of, or contradicts itself; `issue` says how."""

    def __init__(self, result: Issue) -> None:
        super().__init__(result.message)
        self.issue = result


def _build(name: str, lengths: str, accessions: Iterable[str]) -> Build:
    sizes = dict(zip(CHROMOSOMES, map(int, lengths.split()), strict=True))
    return Build(name, sizes, dict(zip(CHROMOSOMES, accessions, strict=True)))


def _refseq(versions: str) -> list[str]:
    return [f"NC_{number:06}.{version}" for number, version in enumerate(versions.split(), 1)] + [
        "NC_012920.1"
    ]


GRCH37 = _build(
    "GRCh37",
    "249250621 243199373 198022430 191154276 180915260 171115067 159138663 146364022 141213431 135534747 135006516 "
    "133851895 115169878 107349540 102531392 90354753 81195210 78077248 59128983 63025520 48129895 51304566 155270560 "
    "59373566 16569",
    _refseq("10 11 11 11 9 11 13 10 11 10 9 11 10 8 9 9 10 9 9 10 8 10 10 9"),
)
GRCH38 = _build(
    "GRCh38",
    "248956422 242193529 198295559 190214555 181538259 170805979 159345973 145138636 138394717 133797422 135086622 "
    "133275309 114364328 107043718 101991189 90338345 83257441 80373285 58617616 64444167 46709983 50818468 156040895 "
    "57227415 16569",
    _refseq("11 12 12 12 10 12 14 11 12 11 10 12 11 9 10 10 11 10 10 11 9 11 11 10"),
)
T2T = _build(
    "T2T-CHM13v2.0",
    "248387328 242696752 201105948 193574945 182045439 172126628 160567428 146259331 150617247 134758134 135127769 "
    "133324548 113566686 101161492 99753195 96330374 84276897 80542538 61707364 66210255 45090682 51324926 154259566 "
    "62460029 16569",
    [*(f"NC_{60924 + number:06}.1" for number in range(1, 25)), "CP068254.1"],
)
BUILDS = {build.name: build for build in (GRCH37, GRCH38, T2T)}
UNSTATED = Build("", {}, {})
"""For reading a file whose build does not matter."""

_NAMES = (
    (
        GRCH37,
        r"GRCh37|hg19|\bb37\b|hs37d5|human_g1k_v37|GCF_000001405\.(?:1[3-9]|2[0-5])\b|GCA_000001405\.(?:[1-9]|1[0-4])\b",
    ),
    (GRCH38, r"GRCh38|hg38|\bb38\b|hs38|GCF_000001405\.(?:2[6-9]|3\d|4\d)\b|GCA_000001405\.(?:1[5-9]|2\d)\b"),
    (T2T, r"CHM13.?v?2|T2T-CHM13|hs1\b|GCF_009914755\.1|GCA_009914755\.4"),
)
_PATTERNS = tuple((build, re.compile(pattern, re.IGNORECASE)) for build, pattern in _NAMES)
_BY_ACCESSION = {
    accession: (build, name)
    for build in BUILDS.values()
    for name, accession in build.accessions.items()
    if name != "MT" or build is T2T
}
_HG19_MITOCHONDRION = ("NC_001807.4", 16571)


_PSEUDOAUTOSOMAL = {
    ("GRCh37", "X"): ((60_001, 2_699_520), (154_931_044, 155_260_560)),
    ("GRCh37", "Y"): ((10_001, 2_649_520), (59_034_050, 59_363_566)),
    ("GRCh38", "X"): ((10_001, 2_781_479), (155_701_383, 156_030_895)),
    ("GRCh38", "Y"): ((10_001, 2_781_479), (56_887_903, 57_217_415)),
    ("T2T-CHM13v2.0", "X"): ((1, 2_394_410), (153_925_835, 154_259_566)),
    ("T2T-CHM13v2.0", "Y"): ((1, 2_458_320), (62_122_810, 62_460_029)),
}
"""PAR1 and PAR2 (NCBI assembly regions; T2T: Rhie et al. 2023)."""


def pseudoautosomal(assembly: str, chromosome: str | None, position: int) -> bool:
    """Whether a position of X or Y is in a region that recombines, of which all have two copies."""
    regions = _PSEUDOAUTOSOMAL.get((assembly, chromosome or ""), ())
    return any(first <= position <= last for first, last in regions)


def named(text: str) -> set[str]:
    """Names of the builds that a free text speaks of (`##reference`, `assembly=`, an option)."""
    return {build.name for build, pattern in _PATTERNS if pattern.search(text)}


def chromosome(contig: str) -> str | None:
    """The chromosome that a contig name stands for: `chr1`, `1`, `NC_000001.11`; None for any other contig."""
    if contig in _BY_ACCESSION:
        return _BY_ACCESSION[contig][1]
    if contig in ("NC_012920.1", _HG19_MITOCHONDRION[0]):
        return "MT"
    name = contig[3:] if contig[:3].lower() == "chr" else contig
    name = name.upper()
    if name == "M":
        return "MT"
    return name if name in BUILDS["GRCh38"].lengths else None


def names_build(accession: str | None) -> bool:
    """Whether an accession is a chromosome's of one build alone; the mitochondrion is one sequence in two of them."""
    return accession in _BY_ACCESSION


def accession(build: Build, contig: Contig) -> str | None:
    """RefSeq accession of a contig in a build; None where it isn't a chromosome or can't be determined.

    hg19's `chrM` of 16,571 bases is NC_001807.4, not the revised Cambridge sequence.
    """
    name = chromosome(contig.name)
    if name is None or build is UNSTATED:
        return None
    if name == "MT" and build is GRCH37:
        if contig.name.startswith("NC_"):
            return contig.name
        if contig.length is not None:
            return (
                _HG19_MITOCHONDRION[0] if contig.length == _HG19_MITOCHONDRION[1] else build.accessions["MT"]
            )
        return build.accessions["MT"] if contig.name == "MT" else None
    return build.accessions[name]


def contig_length(build: Build, chromosome: str | None, accession: str | None) -> int | None:
    """Bases of a chromosome in a build; None of another contig, and where neither is known."""
    if accession == _HG19_MITOCHONDRION[0]:
        return _HG19_MITOCHONDRION[1]
    return build.lengths.get(chromosome) if chromosome and accession else None


def detect(
    contigs: Mapping[str, Contig], reference: Iterable[str], option: str | None, *, check_lengths: bool = True
) -> Build:
    """The build that a header speaks of: by lengths and accessions of chromosomes, else by name; nothing is guessed.

    Args:
        contigs: the `##contig` lines by name.
        reference: values of `##reference` and `##assembly`.
        option: what the user says (`assembly`); taken where the header is silent, and checked where it isn't.
        check_lengths: a contig whose length is of no known build refuses the file.

    Raises:
        UnknownBuild: no evidence (FB-VCF-004), or evidence for two builds (FB-VCF-005).
    """
    stated: Build | None = None
    if option:
        wanted = named(option)
        if len(wanted) != 1:
            raise UnknownBuild(
                issue("FB-VCF-009", f'option assembly: "{option}" is not one of {", ".join(BUILDS)}')
            )
        stated = BUILDS[wanted.pop()]
    measured, named_builds, strange = _evidence(contigs, reference)
    evidence = measured or named_builds
    if strange and check_lengths and (stated or evidence):
        raise UnknownBuild(
            issue(
                "FB-VCF-005",
                f"the length of contig {strange} is of no build known here ({', '.join(BUILDS)})",
            )
        )
    if len(measured) > 1 or (not stated and len(evidence) > 1):
        raise UnknownBuild(issue("FB-VCF-005", f"the header speaks of {' and '.join(sorted(evidence))}"))
    if measured and named_builds and not measured & named_builds and not stated:
        text = (
            f"contig lengths are of {next(iter(measured))}, but the header names {next(iter(named_builds))}"
        )
        raise UnknownBuild(issue("FB-VCF-005", text))
    if stated:
        if evidence and stated.name not in evidence:
            text = f"the option says {stated.name}, the header {' or '.join(sorted(evidence))}"
            raise UnknownBuild(issue("FB-VCF-005", text))
        return stated
    if not evidence:
        text = (
            "contig lengths are of no human build known here"
            if strange
            else "the header names no human genome build"
        )
        raise UnknownBuild(issue("FB-VCF-004", f"{text} (##contig length or assembly, ##reference)"))
    return BUILDS[next(iter(evidence))]


def _file_name(text: str) -> str:
    """The name of a file that a path or address leads to, whose folders say nothing of it; any other text as it is."""
    folders, _, name = text.replace("\\", "/").rpartition("/")
    path = folders.startswith(("/", ".", "~")) or "//" in folders or folders[1:2] == ":" or "." in name
    return name if folders and (path or text[0] == "/") else text


def _evidence(
    contigs: Mapping[str, Contig], reference: Iterable[str]
) -> tuple[set[str], set[str], str | None]:
    """Builds by lengths and accessions, builds by name, and a chromosome whose length is of none."""
    strange: str | None = None
    measured: set[str] = set()
    names: set[str] = set()
    for contig in contigs.values():
        if contig.assembly:
            names |= named(_file_name(contig.assembly))
        if contig.name in _BY_ACCESSION:
            measured.add(_BY_ACCESSION[contig.name][0].name)
            continue
        chromosome_name = chromosome(contig.name)
        if chromosome_name is None or contig.length is None or chromosome_name == "MT":
            continue
        results = {build.name for build in BUILDS.values() if build.lengths[chromosome_name] == contig.length}
        measured |= results
        if not results:
            strange = strange or contig.name
    for text in reference:
        names |= named(_file_name(text))
    return measured, names, strange
