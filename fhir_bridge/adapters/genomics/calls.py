"""The calls of a line: which samples have which ALT, what is no allele of its own, and why a line says nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from fhir_bridge.adapters.genomics.allele import Allele
from fhir_bridge.adapters.genomics.call_values import misdeclared, wrong_values
from fhir_bridge.adapters.genomics.called_regions import leave_open, note_regions
from fhir_bridge.adapters.genomics.copy_number import called_by_copies, contradicted_by_copies
from fhir_bridge.adapters.genomics.file import Study
from fhir_bridge.adapters.genomics.findings import count_allele
from fhir_bridge.adapters.genomics.format_pattern import format_pattern
from fhir_bridge.adapters.genomics.genotype import Genotype, parse_genotype
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.adapters.genomics.issues import issue
from fhir_bridge.adapters.genomics.line import Call, Line
from fhir_bridge.adapters.genomics.line_kinds import kinds_of
from fhir_bridge.adapters.genomics.relations import Relations
from fhir_bridge.fhir.issues import Issue

__all__ = ["read_calls"]

_REFERENCE = frozenset(("0/0", "0|0"))
_REFERENCE_FIRST = frozenset(("0/0", "0|0", "0/0:", "0|0:"))
"""Two copies of REF, as a whole sample column and as its first four characters."""
_REASONS = {
    "FB-VCF-060": "all samples are called as reference",
    "FB-VCF-061": "a gVCF block called as reference",
    "FB-VCF-062": "no sample is called",
    "FB-VCF-064": "only a spanning deletion is called",
    "FB-VCF-065": "FORMAT has no GT",
    "FB-VCF-066": "all calls fail a filter and are left out by the setting `filtered`",
    "FB-VCF-067": "samples are called for alleles that the line does not name",
    "FB-VCF-069": "alleles stay in the kept file",
}


_genotype = lru_cache(65536)(parse_genotype)
"""A genotype, read once for each way of writing it: a cohort's are few."""


def read_calls(line: Line, locator: str, relations: Sequence[Relations]) -> tuple[list[Issue], Issue | None]:
    """Fill `line.calls` with the samples that have an ALT, and count for each sample's study; `relations` are theirs.

    Returns:
        the issues of single samples and alleles, and the reason for skipping where no allele is left.
    """
    columns = line.columns
    keys = columns[8]
    line.file.kinds |= kinds_of(line)
    if not (keys == "GT" or keys.startswith("GT:")):
        return _without_genotype(line, locator, relations)
    width = keys.count(":")
    # An ALT `.` has no name, but a genotype may count it (`0|1`).
    highest = len(line.alternates) or 1
    file = line.file
    file.genotyped += 1
    issues: list[Issue] = []
    reported: set[tuple[str, str]] = set()
    copied = _states_copies(line)
    informative = _informative(line, width, all_of_them=copied)
    breakends = any(alternate.kind == "breakend" for alternate in line.alternates)
    called = len(informative) < len(file.columns)
    pattern = format_pattern(line) if informative else None
    if file.blocks or not line.alternates or line.alternates[-1].kind == "unknown":
        note_regions(line)
    for location, text in informative:
        genotype = _genotype(text.partition(":")[0])
        column, name = file.columns[location]
        study = file.studies[location]
        study.not_reference += 1
        if genotype is None or genotype.highest > highest:
            problem = "is not GT" if genotype is None else f"names an allele above {highest}"
            issues.append(issue("FB-VCF-040", f"the genotype of column {column + 1} {problem}", locator))
            study.lose("FB-VCF-040")
            leave_open(line, study)
            continue
        if text.count(":") > width:
            issues.append(issue("FB-VCF-041", f"column {column + 1} has more values than FORMAT", locator))
            study.lose("FB-VCF-041")
            leave_open(line, study)
            continue
        if not genotype.highest:
            if genotype.no_call and _by_copies(Call(line, name, text, genotype), study, reported):
                called = True
                continue
            if genotype.missing:
                study.no_calls += 1
                if not file.blocks:  # of a gVCF the sample's own block may go on there
                    leave_open(line, study)
            else:
                study.not_reference -= 1
                called = True
                if copied and called_by_copies(Call(line, name, text, genotype)) is not None:
                    reported.add(_statement("FB-VCF-094"))
            if line.number <= file.checked_to:
                issues += wrong_values(Call(line, name, text, genotype), column, locator)
            continue
        call = Call(line, name, text, genotype)
        if pattern is None or file.local or not pattern.fullmatch(text):
            issues += wrong_values(call, column, locator)
        if copied and contradicted_by_copies(call):
            text = "a genotype of the ALT, and a copy number without it: the genotype counts"
            reported.add(("FB-VCF-094", text))
        _alleles(call, study, reported)
        if call.alleles:
            if genotype.phased or breakends:
                relations[location].relate(call)
            if name in file.pedigree.parents:
                relations[location].inherit(call)
            line.calls.append(call)
    if line.calls:
        reported.update(misdeclared(line))
    issues += [issue(code, message, locator) for code, message in sorted(reported)]
    if line.calls:
        return issues, None
    code = _reason(line, {code for code, _ in reported}, called=called)
    return issues, issue(code, _REASONS[code], locator)


def _by_copies(call: Call, study: Study, reported: set[tuple[str, str]]) -> bool:
    """Whether a sample without a genotype has a copy number that says which ALT it has; then it gets that allele."""
    if "CN" not in call.fields or call.line.file.options.check:
        return False
    number = called_by_copies(call)
    if number is None:
        return False
    study.called += 1
    if _fails(call, study, reported):
        study.not_represented["FB-VCF-051"] += 1
    else:
        _allele(call, number, study, reported)
    if call.alleles:
        call.line.calls.append(call)
    return True


_TWO_COPIES = Genotype("./.", (None, None), phased=False, alternates=(), highest=0, missing=2)
_PRESENT = Genotype(".", (None,), phased=False, alternates=(1,), highest=1, missing=1)
"""What INFO/SOMATIC says of a tumour: it has the only ALT, in nobody knows how many copies."""


def _without_genotype(
    line: Line, locator: str, relations: Sequence[Relations]
) -> tuple[list[Issue], Issue | None]:
    """As `read_calls`, of a line without GT: the tumour has the only ALT of a line with INFO/SOMATIC (Strelka, Manta).

    Of other samples such a line says nothing; it is counted, so that their reports don't pass over it.
    """
    file, issues = line.file, []
    wide = line.columns[8].count(":")
    named = [each for each in line.alternates if each.kind not in _NO_ALLELE]
    tumour: frozenset[str] = frozenset()
    if (
        len(named) == len(line.alternates) == 1
        and line.raw_info.get("SOMATIC") is True
        and not file.options.check
    ):
        tumour = file.somatic if file.somatic is not None and len(file.somatic) == 1 else tumour
    reported: set[tuple[str, str]] = set()
    copied, by_copies = _states_copies(line), False
    if "CN" in line.keys and (file.blocks or not line.alternates):
        note_regions(line)
    for location, (column, name) in enumerate(file.columns):
        text, study = line.columns[column], file.studies[location]
        if text.count(":") > wide and (file.options.check or name in tumour):
            message = f"column {column + 1} has more values than FORMAT"
            issues.append(issue("FB-VCF-041", message, locator))
            if name in tumour:
                study.lose("FB-VCF-041")
                leave_open(line, study)
                continue
        if name in tumour:
            call = Call(line, name, text, _PRESENT)
            issues += wrong_values(call, column, locator)
            reported.add(_statement("FB-VCF-056"))
            _alleles(call, study, reported)
            if call.alleles:
                relations[location].relate(call)
                line.calls.append(call)
            continue
        if copied and (call := Call(line, name, text, _TWO_COPIES)).copies is not None:
            by_copies = True
            if _by_copies(call, study, reported):
                issues += wrong_values(call, column, locator)
            elif call.copies != len(_TWO_COPIES.alleles):
                study.ungenotyped += 1
                leave_open(line, study)
            continue
        if file.options.check:  # values of genotypes are of two copies (VCF 4.3 §1.6.2, GL)
            issues += wrong_values(Call(line, name, text, _TWO_COPIES), column, locator)
        if named:
            study.ungenotyped += 1
            leave_open(line, study)
            if not tumour:
                study.called += len(named)
                study.not_represented["FB-VCF-065"] += len(named)
    if line.calls:
        reported.update(misdeclared(line))
    issues += [issue(code, message, locator) for code, message in sorted(reported)]
    if line.calls:
        return issues, None
    code = "FB-VCF-065"
    if tumour or by_copies:
        code = _reason(line, {code for code, _ in reported}, called=by_copies)
    return issues, issue(code, _REASONS[code], locator)


def _states_copies(line: Line) -> bool:
    """Whether samples have a copy number of a symbolic ALT, which may be another one than their genotypes say."""
    symbolic = any(alternate.kind == "symbolic" for alternate in line.alternates)
    return symbolic and "CN" in line.columns[8].split(":") and not line.file.options.check


def _informative(line: Line, width: int, *, all_of_them: bool) -> list[tuple[int, str]]:
    """Place and text of the samples that are not plainly called as reference: in a cohort few of many."""
    file = line.file
    if all_of_them or (line.number <= file.checked_to and width):
        return [(location, line.columns[column]) for location, (column, _) in enumerate(file.columns)]
    texts = line.columns[9:] if file.all_columns else [line.columns[column] for column, _ in file.columns]
    if not width:
        return [result for result in enumerate(texts) if result[1] not in _REFERENCE]
    return [
        (location, text)
        for location, text in enumerate(texts)
        if text[:4] not in _REFERENCE_FIRST or text.count(":") > width
    ]


def _alleles(call: Call, study: Study, reported: set[tuple[str, str]]) -> None:
    """Give a call its alleles, and count them; `reported` gets what is not stated and why."""
    line = call.line
    if _fails(call, study, reported):
        study.called += len(call.genotype.alternates)
        study.not_represented["FB-VCF-051"] += len(call.genotype.alternates)
        return
    study.called += len(call.genotype.alternates)
    if call.genotype.missing and call.genotype is not _PRESENT:
        reported.add(_statement("FB-VCF-042"))
    for number in call.genotype.alternates:
        kind = line.alternates[number - 1].kind if line.alternates else "unknown"
        if kind in _NO_ALLELE:
            study.not_represented[_NO_ALLELE[kind]] += 1
            leave_open(line, study)  # of `*` too: which deletion spans the place the line does not say
            if kind == "invalid":  # which is an issue of the line
                study.lost_calls += 1
            else:
                reported.add(_statement(_NO_ALLELE[kind]))
        elif line.file.by_allele and (own := line.allele_filters) and own[number - 1]:
            _filtered_allele(call, number, study, reported)
        else:
            _allele(call, number, study, reported)


def _filtered_allele(call: Call, number: int, study: Study, reported: set[tuple[str, str]]) -> None:
    """An ALT that fails a filter by itself (AS_FilterStatus)."""
    if call.file.options.filtered == "leave-out":
        study.left_out += 1
        leave_open(call.line, study)
        study.not_represented["FB-VCF-051"] += 1
        reported.add(_statement("FB-VCF-051"))
        return
    reported.add(_statement("FB-VCF-050"))
    _allele(call, number, study, reported)


def _fails(call: Call, study: Study, reported: set[tuple[str, str]]) -> bool:
    """Whether a call fails a filter and is left out for it."""
    if not call.filtered:
        return False
    if call.file.options.filtered != "leave-out":
        reported.add(_statement("FB-VCF-050"))
        return False
    reported.add(_statement("FB-VCF-051"))
    study.left_out += 1
    leave_open(call.line, study)
    return True


def _allele(call: Call, number: int, study: Study, reported: set[tuple[str, str]]) -> None:
    """Give a call one allele, unless an earlier line says the same of it."""
    line = call.line
    allele = Allele(call, number)
    if len(call.file.columns) > 1:
        allele.twin = line.twins.setdefault(number, allele)
        if allele.twin is allele:
            allele.twin = None
    if line.earlier is not None:
        earlier = line.earlier.get((call.name, allele.variant), [])
        if call.statement in earlier:  # its resources come out the same, and count once
            allele.occurrence = earlier.index(call.statement) + 1
            allele.repeated = True
            study.not_represented["FB-VCF-037"] += 1
            reported.add(_statement("FB-VCF-037"))
            call.alleles.append(allele)
            return
        allele.occurrence = len(earlier) + 1
        if earlier:
            reported.add(_statement("FB-VCF-038"))
    if line.near and allele.alternate.kind == "bases":
        other = line.near.get((call.name, *trim(line.pos, line.ref, allele.alt)))
        if other is not None and other[0] != f"{line.pos} {line.ref} {allele.alt}":
            allele.respelled = other
            reported.add(_statement("FB-VCF-092"))
    call.alleles.append(allele)
    reportable = count_allele(study, allele)
    if call.file.options.keep and not reportable and not _is_stored(allele):
        call.alleles.pop()
        study.kept += 1
        line.kept = True
        if allele.begins is not None:
            call.file.endless.add(line.chrom)
        return
    for code in _limits(allele):
        reported.add(_statement(code))
    if call.file.consequences:
        reported.update(allele.annotation_problems)
    if allele.symbolic:
        reported.update(("FB-VCF-036", problem) for problem in allele.structure.problems)


def _is_stored(allele: Allele) -> bool:
    """Whether it is stored though the file is kept: already, with all variants of its place, or because it is found at
    another place too, where its line is not looked for."""
    if allele.symbolic and allele.joins:
        return True
    regions, line = allele.file.stored_regions, allele.line
    variants = allele.file.stored_variants
    if variants and f"{line.chromosome}:{allele.first}:{line.ref}:{allele.alt}" in variants:
        return True
    return regions is not None and regions.cover(line.chrom, line.pos, line.ref, line.columns[7])


def _statement(code: str) -> tuple[str, str]:
    return code, _STATEMENTS[code]


def _limits(allele: Allele) -> list[str]:
    """Codes of what FHIR or this reader does not state of an allele."""
    line = allele.line
    limits = []
    if allele.alternate.kind == "breakend":
        if not allele.joins:
            limits.append("FB-VCF-044")
    elif allele.alternate.kind == "symbolic":
        if not allele.placed:
            limits.append("FB-VCF-045")
    elif line.outside:
        limits.append("FB-VCF-057")
    elif line.accession is None:
        if line.chromosome == "MT":
            limits.append("FB-VCF-049")
    elif allele.file.reference is not None and allele.differs:
        limits.append("FB-VCF-039")
    elif allele.hgvs_g is None:
        limits.append("FB-VCF-043")
    if allele.file.release is not None:
        if allele.clinvar_unclear:
            limits.append("FB-VCF-052")
    elif len(line.alternates) > 1 and "CLNSIG" in line.raw_info and not allele.clinvar_by_allele:
        limits.append("FB-VCF-046")
    elif "CLNSIG" in line.raw_info and allele.clinvar_unclear:
        limits.append("FB-VCF-052")
    return limits


_NO_ALLELE = {"spanning": "FB-VCF-048", "unknown": "FB-VCF-047", "invalid": "FB-VCF-026"}
_STATEMENTS = {
    "FB-VCF-039": "REF is not what the reference sequence has there: neither g.HGVS nor SPDI is stated",
    "FB-VCF-037": "the same call as on an earlier line: it is written once",
    "FB-VCF-038": "a variant of an earlier line is called in another way: both calls are written",
    "FB-VCF-092": "a variant of an earlier line is called again, spelled in another way: both calls are written",
    "FB-VCF-042": "half call: zygosity is not stated",
    "FB-VCF-043": "g.HGVS is not stated without the reference sequence; REF, ALT and position are kept",
    "FB-VCF-044": "breakend: kept as written, it names no mate",
    "FB-VCF-045": "structural variant without usable END, SVLEN or intervals: its note has them, no extent is stated",
    "FB-VCF-046": "ClinVar's values are not tied to one of several ALTs and are left out",
    "FB-VCF-047": "called for <NON_REF>, <*> or an ALT `.`: no allele is named",
    "FB-VCF-048": "the spanning deletion * is no allele of its own",
    "FB-VCF-049": "g.HGVS is not stated: the mitochondrial reference is not known",
    "FB-VCF-050": "the call fails a filter (FILTER, FT or AS_FilterStatus): kept, with confidence low",
    "FB-VCF-051": "the call fails a filter (FILTER, FT or AS_FilterStatus): left out, as the setting `filtered` says",
    "FB-VCF-056": "no genotype: the tumour has the ALT by INFO/SOMATIC, zygosity is not stated",
    "FB-VCF-094": "a genotype of the reference, and a copy number of the ALT: the genotype counts",
    "FB-VCF-057": "POS and REF are not within the contig's known length: neither g.HGVS nor SPDI is stated",
    "FB-VCF-052": "CLNSIG is none of ClinVar's words, or of classes that conflict: kept as text, as the report says",
}


def _reason(line: Line, reported: set[str], *, called: bool) -> str:
    """Why a line gives nothing."""
    if line.kept:
        return "FB-VCF-069"
    for code, reason in (
        ("FB-VCF-051", "FB-VCF-066"),
        ("FB-VCF-048", "FB-VCF-064"),
        ("FB-VCF-047", "FB-VCF-067"),
    ):
        if code in reported:
            return reason
    block = not line.alternates or all(alternate.kind == "unknown" for alternate in line.alternates)
    if called:
        return "FB-VCF-061" if block and "END" in line.raw_info else "FB-VCF-060"
    return "FB-VCF-062"
