"""The calls of a line: which samples have which ALT, what is no allele of its own, and why a line says nothing."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.checks import fits
from fhir_bridge.adapters.genomics.genotype import Genotype, parse_genotype
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Call, Line
from fhir_bridge.fhir.issues import Issue

__all__ = ["read_calls"]

_GENOTYPES: dict[str, Genotype | None] = {}
_REASONS = {
    "FB-VCF-060": "all samples are called as reference",
    "FB-VCF-061": "a gVCF block called as reference",
    "FB-VCF-062": "no sample is called",
    "FB-VCF-064": "only a spanning deletion is called",
    "FB-VCF-065": "FORMAT has no GT",
}


def _genotype(text: str) -> Genotype | None:
    """A genotype, read once for each way of writing it."""
    if text in _GENOTYPES:
        return _GENOTYPES[text]
    found = parse_genotype(text)
    if len(_GENOTYPES) < 65536:
        _GENOTYPES[text] = found
    return found


def read_calls(line: Line, locator: str) -> tuple[list[Issue], Issue | None]:
    """Fill `line.calls` with the samples that have an ALT, and count for each sample's study.

    Returns:
        the issues of single samples and alleles, and the reason for skipping where no allele is left.
    """
    columns = line.columns
    keys = columns[8]
    if not (keys == "GT" or keys.startswith("GT:")):
        return [], issue("FB-VCF-065", _REASONS["FB-VCF-065"], locator)
    width = keys.count(":")
    highest = len(line.alternates)
    issues: list[Issue] = []
    told: set[str] = set()
    called = spanning = False
    for place, (column, name) in enumerate(line.file.columns):
        text = columns[column]
        genotype = _genotype(text.partition(":")[0])
        study = line.file.studies[place]
        if genotype is None or genotype.highest > highest:
            problem = "is not GT" if genotype is None else f"names an allele above {highest}"
            issues.append(issue("FB-VCF-040", f"the genotype of column {column + 1} {problem}", locator))
            continue
        if text.count(":") > width:
            issues.append(issue("FB-VCF-041", f"column {column + 1} has more values than FORMAT", locator))
            continue
        if not genotype.highest:
            if genotype.missing:
                study.no_calls += 1
            else:
                study.reference += 1
                called = True
            continue
        call = Call(line, name, text, genotype)
        for key in _misfits(call):
            message = (
                f"FORMAT/{key} of column {column + 1} is not of its declared type; the value is left out"
            )
            issues.append(issue("FB-VCF-031", message, locator))
        spanning |= _alleles(call, study.take, told)
        if call.alleles:
            line.calls.append(call)
    issues += [issue(code, message, locator) for code, message in _statements(told)]
    if line.calls:
        return issues, None
    code = _reason(line, called=called, spanning=spanning)
    return issues, issue(code, _REASONS[code], locator)


def _misfits(call: Call) -> list[str]:
    """Numeric FORMAT keys of a call whose values are no numbers."""
    declared = call.file.header.format
    return [
        key
        for key, value in call.fields.items()
        if (definition := declared.get(key)) is not None
        and definition.kind in ("Integer", "Float")
        and not fits(value, definition.kind)
    ]


def _alleles(call: Call, take: object, told: set[str]) -> bool:
    """Give a call its alleles; returns whether a spanning deletion was called."""
    assert callable(take)
    spanning = False
    if call.genotype.missing:
        told.add("FB-VCF-042")
    for number in call.genotype.alternates:
        kind = call.line.alternates[number - 1].kind
        if kind == "spanning":
            spanning = True
            told.add("FB-VCF-048")
            continue
        if kind == "unknown":
            told.add("FB-VCF-047")
            continue
        allele = Allele(call, number)
        call.alleles.append(allele)
        take(allele)
        told |= _limits(allele)
    return spanning


def _limits(allele: Allele) -> set[str]:
    """What FHIR or this reader does not state of an allele."""
    line = allele.line
    limits: set[str] = set()
    if allele.alternate.kind == "breakend":
        limits.add("FB-VCF-044")
    elif allele.alternate.kind == "symbolic":
        if line.end is None and allele.alternate.symbol[:1] != ("INS",):
            limits.add("FB-VCF-045")
    elif line.accession is None:
        if line.chromosome == "MT":
            limits.add("FB-VCF-049")
    elif allele.hgvs_g is None:
        limits.add("FB-VCF-043")
    if len(line.alternates) > 1 and "CLNSIG" in line.raw_info and not allele.clinvar_by_allele:
        limits.add("FB-VCF-046")
    return limits


_STATEMENTS = {
    "FB-VCF-042": "half call: zygosity is not stated",
    "FB-VCF-043": "g.HGVS is not stated without the reference sequence; REF, ALT and position are kept",
    "FB-VCF-044": "breakend: kept as written, its mate is not represented",
    "FB-VCF-045": "structural variant without END or SVLEN: its extent is not stated",
    "FB-VCF-046": "ClinVar's values are not tied to one of several ALTs and are left out",
    "FB-VCF-047": "called for <NON_REF> or <*>: no allele is named",
    "FB-VCF-048": "the spanning deletion * is no allele of its own",
    "FB-VCF-049": "g.HGVS is not stated: the mitochondrial reference is not known",
}


def _statements(told: set[str]) -> list[tuple[str, str]]:
    return [(code, _STATEMENTS[code]) for code in sorted(told)]


def _reason(line: Line, *, called: bool, spanning: bool) -> str:
    if spanning:
        return "FB-VCF-064"
    block = not line.alternates or all(alternate.kind == "unknown" for alternate in line.alternates)
    if called:
        return "FB-VCF-061" if block and "END" in line.raw_info else "FB-VCF-060"
    return "FB-VCF-062"
