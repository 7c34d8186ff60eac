"""The calls of a line: which samples have which ALT, what is no allele of its own, and why a line says nothing."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.checks import counts, fits
from fhir_bridge.adapters.genomics.genotype import Genotype, parse_genotype
from fhir_bridge.adapters.genomics.header import Definition
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Call, Line
from fhir_bridge.fhir.issues import Issue

__all__ = ["read_calls"]

_GENOTYPES: dict[str, Genotype | None] = {}
_LIKELIHOODS = {
    "GL": Definition("GL", "G", "Float", "", numeric=True),
    "PL": Definition("PL", "G", "Integer", "", numeric=True),
}
"""Checked even where the header does not declare them (VCF 4.3 §1.6.2)."""
_REFERENCE = frozenset(("0/0", "0|0"))
_REFERENCE_FIRST = frozenset(("0/0", "0|0", "0/0:", "0|0:"))
"""Two copies of REF, as a whole sample column and as its first four characters."""
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
    file = line.file
    file.genotyped += 1
    issues: list[Issue] = []
    told: set[str] = set()
    telling = _telling(line, width)
    called = len(telling) < len(file.columns)
    spanning = False
    for place, text in telling:
        genotype = _genotype(text.partition(":")[0])
        column, name = file.columns[place]
        study = file.studies[place]
        study.not_reference += 1
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
                study.not_reference -= 1
                called = True
            if file.unchecked > 0:
                file.unchecked -= 1
                issues += _wrong_values(Call(line, name, text, genotype), column, locator)
            continue
        call = Call(line, name, text, genotype)
        issues += _wrong_values(call, column, locator)
        spanning |= _alleles(call, study.take, told)
        if call.alleles:
            line.calls.append(call)
    if told:
        issues += [issue(code, message, locator) for code, message in _statements(told)]
    if line.calls:
        return issues, None
    code = _reason(line, called=called, spanning=spanning)
    return issues, issue(code, _REASONS[code], locator)


def _telling(line: Line, width: int) -> list[tuple[int, str]]:
    """Place and text of the samples that are not plainly called as reference: in a cohort few of many."""
    file = line.file
    if file.unchecked > 0 and width:
        return [(place, line.columns[column]) for place, (column, _) in enumerate(file.columns)]
    texts = line.columns[9:] if file.all_columns else [line.columns[column] for column, _ in file.columns]
    if not width:
        return [found for found in enumerate(texts) if found[1] not in _REFERENCE]
    return [
        (place, text)
        for place, text in enumerate(texts)
        if text[:4] not in _REFERENCE_FIRST or text.count(":") > width
    ]


def _checked_keys(line: Line) -> list[tuple[str, Definition]]:
    """The keys of a FORMAT whose values can be wrong, worked out once for each FORMAT of a file."""
    file = line.file
    found = file.checked_keys.get(line.columns[8])
    if found is None:
        known = ((key, file.header.format.get(key) or _LIKELIHOODS.get(key)) for key in line.keys)
        found = [
            (key, definition)
            for key, definition in known
            if definition is not None and (definition.numeric or definition.kind == "Character")
        ]
        file.checked_keys[line.columns[8]] = found
    return found


def _wrong_values(call: Call, column: int, locator: str) -> list[Issue]:
    """FORMAT values that are not of their declared type, or not as many as their Number says; they are left out."""
    found: list[Issue] = []
    fields = call.fields
    for key, definition in _checked_keys(call.line):
        value = fields.get(key)
        if value is None or value == "." or (definition.number == "1" and value.isdecimal()):
            continue
        wrong = _wrong(value, definition, call)
        if wrong:
            code, said = wrong
            message = f"FORMAT/{key} of column {column + 1} {said}; the value is left out"
            found.append(issue(code, message, locator))
            del fields[key]
    return found


def _wrong(value: str, definition: Definition, call: Call) -> tuple[str, str] | None:
    """Code and words for what is wrong with a value; None where nothing is."""
    if definition.numeric:
        if not fits(value, definition.kind):
            return "FB-VCF-031", "is not of its declared type"
    elif any(len(part) > 1 for part in value.split(",")):
        return "FB-VCF-034", "is no character"
    given = value.count(",") + 1
    alternates = len(call.line.alternates)
    wanted = counts(alternates).get(definition.number)
    if wanted is None or wanted == given:
        return None
    if definition.number in "ARG":
        copies = len(call.genotype.alleles)
        if not alternates or (definition.number == "G" and copies > 2):
            return None
        if definition.number == "G" and copies == 1:
            # Programs write the values of one copy, or of two.
            if given == alternates + 1 or call.genotype.no_call:
                return None
            wanted = alternates + 1
    return "FB-VCF-034", f"has {given} values, not {wanted}"


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
        _limits(allele, told)
    return spanning


def _limits(allele: Allele, limits: set[str]) -> None:
    """Add what FHIR or this reader does not state of an allele."""
    line = allele.line
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
