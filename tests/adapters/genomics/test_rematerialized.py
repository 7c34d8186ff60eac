"""Variants that are read back from our FHIR are those of the VCF: allele, zygosity, fraction, depth, extent, filters.

Each VCF is read by a few lines of its own here; `bcftools norm -m -` (in pysam) must give the same alleles.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import redirect_stderr
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from fhir_bridge.adapters.genomics import Options, VcfAdapter, read_vcf
from fhir_bridge.adapters.genomics.hgvs import trim
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.terminology import get_terminology

STATES = {"LA6705-3": "homozygous", "LA6706-1": "heterozygous", "LA6707-9": "hemizygous"}


@pytest.fixture(scope="module")
def mapping() -> CompiledMapping:
    return load_mapping("genomics/vcf", adapters={"vcf": VcfAdapter()})


def component(resource: dict[str, Any], code: str) -> Any:
    for entry in resource.get("component", ()):
        if any(coding["code"] == code for coding in entry["code"]["coding"]):
            return next(value for key, value in entry.items() if key.startswith("value"))
    return None


def of_fhir(resource: dict[str, Any], specimens: dict[str, str]) -> tuple[Any, ...]:
    """What an Observation says of a call: sample, REF, ALT, state, reads, extent, whether it failed a filter."""
    exact = component(resource, "81254-5")
    outer = component(resource, "81301-4")
    span = exact or outer
    state = component(resource, "53034-5")
    depth = component(resource, "82121-5")
    confidence = component(resource, "variant-confidence-status")
    evidence = resource["note"][0]["text"]
    fraction = component(resource, "81258-6")
    return (
        specimens[resource["specimen"]["reference"]],
        component(resource, "69547-8"),
        component(resource, "69551-0"),
        STATES.get(state["coding"][0]["code"]) if state else None,
        int(depth["value"]) if depth else None,
        (int(span["low"]["value"]), int(span["high"]["value"])) if exact else None,
        confidence is not None and confidence["coding"][0]["code"] == "low",
        evidence.partition(". The file")[0].split()[1] if evidence.startswith("VCF GT=") else "",
        Decimal(str(fraction["value"])) if fraction else None,
    )


def lines(path: Path) -> Iterator[list[str]]:
    content = path.read_bytes()
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    for line in content.decode().splitlines():
        if line[:2] != "##":
            yield line.split("\t")


def of_vcf(path: Path, file: Any, rejected: set[int]) -> Counter[tuple[Any, ...]]:
    """The same of every ALT in every genotype of the file, by a reading of its own; without the lines `rejected`."""
    rows = lines(path)
    samples = next(rows)[9:]
    calls: Counter[tuple[Any, ...]] = Counter()
    for number_of_line, row in enumerate(rows, file.header.lines + 1):
        if number_of_line in rejected or len(row) < 9:
            continue
        chrom, pos, _, ref, alts, _, filters, info = row[:8]
        keys = row[8].split(":")
        alternates = alts.split(",")
        chromosome = chrom.upper().removeprefix("CHR")
        for sample, text in zip(samples, row[9:], strict=True):
            values = dict(zip(keys, text.split(":"), strict=False))
            copies = re.split(r"[/|]", values.get("GT", ".").lstrip("/|"))
            ft = values.get("FT", ".")
            failed = filters not in ("PASS", ".") or ft not in ("PASS", ".", "")
            for number in sorted({int(copy) for copy in copies if copy.isdecimal() and copy != "0"}):
                if alts == "." or alternates[number - 1] in ("*", "<*>", "<NON_REF>"):
                    continue
                alt = alternates[number - 1]
                bases = alt.isalpha()
                reads = values.get("AD", "").split(",")
                usable = file.uses["AD"].layout == "R" and len(reads) == len(alternates) + 1
                depth = int(reads[number]) if usable and reads[number].isdecimal() else None
                spans = (
                    (int(pos), int(pos) + len(ref) - 1)
                    if bases or alt[0] != "<"
                    else _span(int(pos), info, alts)
                )
                fraction = None
                if usable and not {"AF", "VAF"} & set(values) and all(map(str.isdecimal, reads)):
                    total = sum(map(int, reads))
                    fraction = round(Decimal(reads[number]) / total, 4) if total else None
                calls[
                    sample,
                    ref.upper(),
                    alt.upper() if bases else alt,
                    _state(
                        copies,
                        str(number),
                        chromosome,
                        alternates,
                        _recombines(file.assembly, chromosome, int(pos)),
                    ),
                    depth,
                    spans,
                    failed,
                    f"GT={values['GT']}",
                    fraction if not {"AF", "VAF"} & set(values) else "declared",
                ] += 1
    return calls


def _span(position: int, info: str, alts: str) -> Any:
    """First and last changed base of a symbolic ALT, where END alone says it; `unknown` where more must be read."""
    keys = dict(entry.partition("=")[::2] for entry in info.split(";"))
    if {"CIPOS", "CIEND", "IMPRECISE", "CHR2", "SVLEN"} & set(keys) or "," in alts or "END" not in keys:
        return "unknown"
    if alts.startswith("<INS"):
        return position, position
    end = int(keys["END"])
    return (position + 1, end) if end > position else (position, position)


def _recombines(assembly: str, chromosome: str, position: int) -> bool:
    """Whether X or Y has two copies here: the ends of the first pseudoautosomal region; the second is in no test."""
    last = {"GRCh37X": 2_699_520, "GRCh38X": 2_781_479, "GRCh37Y": 2_649_520, "GRCh38Y": 2_781_479}
    return 10_001 <= position <= last.get(assembly + chromosome, 0)


def _state(
    copies: list[str], number: str, chromosome: str, alternates: list[str], recombines: bool
) -> str | None:
    if chromosome in ("M", "MT") or "." in copies:
        return None
    if len(copies) == 1:
        return "hemizygous" if chromosome in ("X", "Y") and not recombines else None
    if set(copies) == {number}:
        return "homozygous"
    spanning = str(alternates.index("*") + 1) if "*" in alternates else None
    return "hemizygous" if len(copies) == 2 and spanning in copies else "heterozygous"


def convert(records: list[Any], mapping: CompiledMapping) -> tuple[Counter[tuple[Any, ...]], Any]:
    context = Context(
        Site(demo_key=True), get_terminology(), IdentityResolver(Site(demo_key=True), IdKey(DEMO_KEY)), "vcf"
    )
    specimens: dict[str, str] = {}
    seen: dict[str, Any] = {}
    file = None
    for record in records:
        file = record.file or file
        if record.outcome != "read":
            continue
        for output in mapping.convert(record, context).outputs:
            if output.type == "Specimen":
                specimens[f"Specimen/{output.id}"] = output.resource["identifier"][0]["value"]
            elif output.rule == "variant":
                seen[output.id] = output.resource
    calls: Counter[tuple[Any, ...]] = Counter()
    for resource in seen.values():
        call = of_fhir(resource, specimens)
        if call[7] == "GT=./." or not call[7]:
            continue  # by its copy number alone
        calls[call] += 1
    return calls, file


def compare(path: Path, mapping: CompiledMapping, *, restate: bool = True) -> tuple[int, list[str]]:
    options = Options(restate=restate)
    records = list(read_vcf(path, options))
    if records[0].issues and records[0].issues[0].code in ("FB-VCF-004", "FB-VCF-005"):
        options = Options(assembly="GRCh38", check_lengths=False, restate=restate)
        records = list(read_vcf(path, options))
    if not any(record.file and record.file.header.samples for record in records):
        return 0, []
    rejected = {
        int(record.locator.rpartition(":")[2])
        for record in records
        if record.records and record.outcome == "rejected" and ":" in record.locator
    }
    given, file = convert(records, mapping)
    wanted = of_vcf(path, file, rejected)
    of_given, of_wanted = by_allele(given), by_allele(wanted)
    # A call that is there twice in the same words counts once.
    missing = [
        f"{path.name}: not in FHIR {call}"
        for call in wanted
        if not any(same(call, it) for it in of_given[call[:3]])
    ]
    made_up = [
        f"{path.name}: not in the VCF {call}"
        for call in given
        if not any(same(it, call) for it in of_wanted[call[:3]])
    ]
    return sum(given.values()), missing + made_up


def by_allele(calls: Counter[tuple[Any, ...]]) -> dict[tuple[Any, ...], list[tuple[Any, ...]]]:
    """Calls by sample, REF and ALT."""
    result: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
    for call in calls:
        result[call[:3]].append(call)
    return result


def same(wanted: tuple[Any, ...], given: tuple[Any, ...]) -> bool:
    return all(a == b or a in ("unknown", "declared") for a, b in zip(wanted, given, strict=True))


def normalized(path: Path) -> set[tuple[int, str, str]]:
    """POS, REF and ALT of the variants of bases in a file, each ALT on a line of its own, trimmed; by bcftools."""
    import pysam.bcftools

    with redirect_stderr(StringIO()):
        text = pysam.bcftools.norm("-m", "-any", str(path), catch_stdout=True)
    found = set()
    for line in str(text).splitlines():
        columns = line.split("\t")
        if line[:1] == "#" or len(columns) < 10 or not columns[4].isalpha():
            continue
        genotypes = [re.split(r"[/|]", column.split(":")[0]) for column in columns[9:]]
        if columns[8].split(":")[0] == "GT" and any("1" in copies for copies in genotypes):
            found.add(trim(int(columns[1]), columns[3].upper(), columns[4].upper()))
    return found


@pytest.mark.shared
def test_alleles_of_real_files_are_those_that_bcftools_splits(shared: Path, mapping: CompiledMapping) -> None:
    import pysam

    pysam.set_verbosity(0)
    compared = 0
    for path in sorted((shared / "data" / "vcf").rglob("*.vcf")):
        if "hts-specs" in str(path) or path.stat().st_size > 1 << 20:
            continue
        records = list(read_vcf(path, Options(assembly="GRCh38", check_lengths=False)))
        if any(record.outcome == "rejected" for record in records):
            continue
        try:
            wanted = normalized(path)
        except pysam.SamtoolsError:
            continue  # what bcftools refuses
        ours = {
            trim(allele.line.pos, allele.line.ref, allele.alt)
            for record in records
            for allele in record.scope("Allele")
            if not allele.symbolic
        }
        assert ours == wanted, path.name
        compared += len(wanted)
    assert compared > 300


@pytest.mark.shared
@pytest.mark.parametrize("restate", [True, False])
def test_variants_of_real_files_come_back(shared: Path, mapping: CompiledMapping, restate: bool) -> None:
    calls, wrong = 0, []
    for path in sorted((shared / "data" / "vcf").rglob("*.vcf")):
        if "/failed/" in str(path) or path.stat().st_size > 1 << 20:
            continue
        count, problems = compare(path, mapping, restate=restate)
        calls += count
        wrong += problems
    assert wrong[:20] == []
    assert calls > 3500
