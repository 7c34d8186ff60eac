"""Whose child a sample is, by a PED file, and from which parent an allele comes.

A PED file (PLINK 1.9, "PED files", its first six columns) has family, individual, father, mother, sex (1 male,
2 female) and phenotype, divided by white space; `0` is nobody. Individuals are named as the samples of the VCF.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from fhir_bridge.adapters.genomics.assembly import pseudoautosomal
from fhir_bridge.adapters.genomics.genotype import Genotype, parse_genotype
from fhir_bridge.adapters.genomics.header import Header
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.options import OptionError

__all__ = ["Parents", "Pedigree", "inheritance", "read_pedigree", "rows_of"]

_NOBODY = ("0", ".", "")


class Parents(NamedTuple):
    """Columns of a sample's parents; None of one who is not in the file. `son`: the sample is male by the pedigree."""

    father: int | None
    mother: int | None
    son: bool


class Pedigree(NamedTuple):
    """Parents by sample, and how many individuals of the pedigree the file does not have."""

    parents: Mapping[str, Parents]
    missing: int


NONE = Pedigree({}, 0)


def rows_of(entries: Sequence[str]) -> list[str]:
    """Individual, father, mother and sex, divided by tabs, of each entry of the option: such a row, or a PED file.

    Raises:
        OptionError: a file can't be read, or a line of it is wrong (FB-VCF-009).
    """
    results: list[str] = []
    for entry in entries:
        results += [entry] if "\t" in entry else _of_file(Path(entry))
    return results


def _of_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(path, "can't be read as text") from error
    results: list[str] = []
    known: set[str] = set()
    for number, line in enumerate(lines, 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or line.startswith("#"):
            continue
        if len(cells) < 5 or not cells[1].strip():
            raise _wrong(path, f"line {number} is not family, individual, father, mother, sex")
        name, father, mother, sex = (cell.strip() for cell in cells[1:5])
        if name in known:
            raise _wrong(path, f"line {number} names an individual again")
        if name in (father, mother) or (father == mother and father not in _NOBODY):
            raise _wrong(path, f"line {number}: nobody is their own parent, or both parents of one")
        known.add(name)
        results.append(f"{name}\t{father}\t{mother}\t{sex}")
    return results


def _wrong(path: Path, message: str) -> OptionError:
    return OptionError(issue("FB-VCF-009", f"option pedigree: {path.name} {message}", path.name), "pedigree")


def read_pedigree(entries: Sequence[str], header: Header) -> Pedigree:
    """The parents of the file's samples.

    Raises:
        OptionError: see `rows_of`.
    """
    if not entries:
        return NONE
    columns = {sample: column for column, sample in enumerate(header.samples, 9)}
    parents: dict[str, Parents] = {}
    missing = 0
    for row in rows_of(entries):
        name, father, mother, sex = row.split("\t")
        if name not in columns:
            missing += 1
            continue
        both = columns.get(father), columns.get(mother)
        if both != (None, None):
            parents[name] = Parents(*both, sex == "1")
    return Pedigree(parents, missing)


def inheritance(
    columns: Sequence[str],
    parents: Parents,
    genotype: Genotype,
    number: int,
    *,
    assembly: str,
    chromosome: str | None,
    position: int,
) -> str | None:
    """From whom a child's allele comes: `maternal`, `paternal`, `both`, `de novo`; None where genotypes leave it open.

    Who has the allele decides, where it is the only one that can have given it. De novo is claimed where everybody who
    could have given it is called and has it not. A son has X of his mother and Y of his father (outside of what both
    recombine), and mitochondria are the mother's, of which absence proves nothing.
    """
    if genotype.missing:
        return None
    father, mother = (_genotype(columns, column) for column in parents[:2])
    if chromosome == "MT":
        return "maternal" if mother is not None and number in mother.alleles else None
    sexual = chromosome in ("X", "Y") and not pseudoautosomal(assembly, chromosome, position)
    if sexual and (chromosome == "Y" or parents.son):
        giver, word = (father, "paternal") if chromosome == "Y" else (mother, "maternal")
        if giver is None:
            return None
        return word if number in giver.alleles else "de novo" if not giver.missing else None
    of_father, of_mother = _has(father, number), _has(mother, number)
    if genotype.alleles.count(number) > 1:
        return "both" if of_father and of_mother else None
    if of_father is None or of_mother is None or (of_father and of_mother):
        return None
    return "paternal" if of_father else "maternal" if of_mother else "de novo"


def _genotype(columns: Sequence[str], column: int | None) -> Genotype | None:
    return None if column is None else parse_genotype(columns[column].partition(":")[0])


def _has(genotype: Genotype | None, number: int) -> bool | None:
    """Whether a parent has an allele; None where that is not known."""
    if genotype is None or (genotype.missing and number not in genotype.alleles):
        return None
    return number in genotype.alleles
