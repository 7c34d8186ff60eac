"""Lines of a kept file: what they say of a variant without their FHIR being parsed is what the FHIR says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import pysam
import pytest

from fhir_bridge.adapters.genomics import Options, read_vcf
from fhir_bridge.adapters.genomics.kept_reading import KeptReader, KeptVcf, TooManyLines, plain_variant
from fhir_bridge.adapters.genomics.query import Interval, read_observation
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.mapping import AlikeOutputs
from fhir_bridge.pipeline import record_converter
from fhir_bridge.server.genomics import kept as kept_evidence

HEAD = """##fileformat=VCFv4.3
##fileDate=20260301
##contig=<ID=chr1,length=248956422>
##contig=<ID=chrX,length=156040895>
##contig=<ID=chrM,length=16569>
##contig=<ID=chrUn_JTFH01000001v1_decoy,length=25139>
##FILTER=<ID=LowQual,Description="Low">
{more}##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">
##INFO=<ID=SOMATIC,Number=0,Type=Flag,Description="Somatic">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
"""
ALLELES = (
    *("A G", "C T", "G C", "T A") * 6,
    "G GA",
    "CAA C",
    "AT GC",
    "T TTT",
    "ACGT A",
    "A G,T",
    "N <DEL>",
    "A *,C",
    "t c",
)
GENOTYPES = (*("0/1", "1/1") * 5, "0|1", "1", "./1")
ASSESSED = '##INFO=<ID=ACMG_CLASS,Number=1,Type=String,Description="Class">\n'
ACCESSION = "NC_000001.11"


def kept_file(folder: Path, body: str, more: str = "") -> KeptVcf:
    """A file as it is kept: compressed, with its index."""
    plain, data = folder / "a.vcf", folder / "a.vcf.gz"
    plain.write_text(HEAD.format(more=more) + body)
    pysam.tabix_compress(str(plain), str(data), force=True)
    pysam.tabix_index(str(data), preset="vcf", csi=True, force=True)
    return KeptVcf("a" * 32, "a.vcf", data, folder / "a.vcf.gz.csi", "GRCh38", {}, "S1")


def random_body(number: int) -> str:
    random = Random(number)
    lines = []
    for contig in ("chr1", "chrX", "chrM", "chrUn_JTFH01000001v1_decoy"):
        position = 100
        for _ in range(200):
            position += random.choice((0, 1, 2, 3, 5, 8))
            reference, alternate = random.choice(ALLELES).split()
            info = (
                "DP=9;END=20000"
                if alternate == "<DEL>"
                else random.choice((*("DP=9", ".") * 5, "DP=8;SOMATIC"))
            )
            reads = ",".join(str(random.randrange(30)) for _ in range(alternate.count(",") + 2))
            lines.append(
                f"{contig}\t{position}\t{random.choice(('.', 'rs1', 'rs1;rs22', 'own1'))}\t{reference}\t{alternate}\t"
                f"{random.choice(('.', '30', '12.5'))}\t{random.choice(('PASS', '.', 'LowQual'))}\t{info}\tGT:AD:GQ\t"
                f"{random.choice(GENOTYPES)}:{reads}:{random.randrange(60)}\n"
            )
    return "".join(lines)


@pytest.mark.parametrize("number", range(6))
def test_what_a_line_says_of_its_variant_is_what_its_observation_says(number: int, tmp_path: Path) -> None:
    more = "##genomic_source_class=germline\n" if number % 2 else ""
    file = kept_file(tmp_path, random_body(number), more)
    convert = record_converter("vcf", "genomics/vcf", None)
    compared = 0
    for record in KeptReader(file).records(None):
        for each, outputs in convert(record) if record.outcome == "read" else ():
            stated = plain_variant(each)
            if stated is not None:
                (output,) = outputs
                observed = read_observation(loads(output.json))
                assert asdict(stated) == asdict(observed)
                assert (stated.change, stated.spellings) == (observed.change, observed.spellings)
                compared += 1
    assert compared > 20


def test_lines_that_are_alike_come_out_as_each_does_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = []
    outputs_of = AlikeOutputs.outputs

    def counted(*arguments: Any) -> Any:
        results = outputs_of(*arguments)
        known.append(sum(result is not None for result in results))
        return results

    monkeypatch.setattr(AlikeOutputs, "outputs", counted)
    convert = record_converter("vcf", "genomics/vcf", None)
    random = Random(5)
    body = "".join(
        f"chr1\t{100 + number}\t{random.choice(('.', 'rs1', 'rs1;rs22'))}\t{random.choice('AC')}\tG\t"
        f"{random.choice(('.', '30'))}\tPASS\tDP=9\tGT:AD:GQ\t"
        f"{random.choice(('0/1', '1/1'))}:{random.choice(('0,0', '5,.', '.', '7,8', '0,31'))}:{random.choice('059.')}\n"
        for number in range(900)
    )
    for record in KeptReader(kept_file(tmp_path, body)).records(None):
        for each, outputs in convert(record) if record.outcome == "read" else ():
            ((_, alone),) = convert(each)
            assert [output.json for output in outputs] == [output.json for output in alone]
    assert sum(known) > 300


def test_each_rule_of_the_shipped_mapping_gives_observations_of_its_kind(tmp_path: Path) -> None:
    convert = record_converter("vcf", "genomics/vcf", None)
    assessed = tmp_path / "assessed.vcf"
    assessed.write_text(
        HEAD.format(more=ASSESSED) + "chr1\t9\t.\tA\tG\t50\tPASS\tACMG_CLASS=Pathogenic\tGT\t0/1\n"
    )
    examples = [assessed, *sorted(Path("mappings/genomics/vcf/examples").rglob("*.vcf"))]
    seen: dict[str, set[str]] = {}
    for path in examples:
        for record in read_vcf(path, Options()):
            for _, outputs in convert(record) if record.line is not None and record.outcome == "read" else ():
                for output in outputs:
                    if output.type == "Observation":
                        seen.setdefault(output.rule, set()).add(kept_evidence._kind(output.resource))
    assert len(examples) > 5
    assert seen == {rule: {kind} for rule, kind in kept_evidence._KIND_OF_RULE.items()}


def test_each_line_of_places_comes_once_and_with_those_that_begin_where_it_does(tmp_path: Path) -> None:
    body = "".join(
        f"chr1\t{position}\t.\t{reference}\tG\t50\tPASS\t.\tGT\t0/1\n"
        for position, reference in (
            (90, "A"), (100, "A"), (100, "ACCCCCCCCCC"), (105, "A"), (105, "A"), (108, "A"), (300, "A"),
        )
    )  # fmt: skip
    reader = KeptReader(kept_file(tmp_path, body))

    def positions(*places: tuple[int, int]) -> list[int]:
        records = reader.records([Interval(ACCESSION, *place) for place in places])
        lines = [each for record in records for each in getattr(record, "block", (record,))]
        return [each.line.pos for each in lines if each.line is not None]

    assert positions((103, 106)) == [100, 100, 105, 105]
    assert positions((299, 300)) == [300]
    assert positions((104, 105), (103, 108), (0, 1)) == [100, 100, 105, 108]
    assert positions((0, 1000)) == [90, 100, 100, 105, 105, 108, 300]


def test_too_many_lines_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_bridge.adapters.genomics.kept_reading.MOST_LINES", 3)
    body = "".join(f"chr1\t{position}\t.\tA\tG\t50\tPASS\t.\tGT\t0/1\n" for position in (1, 2, 3, 9))
    reader = KeptReader(kept_file(tmp_path, body))
    assert len(list(reader.records([Interval(ACCESSION, 0, 3)]))) == 1
    for places in ([Interval(ACCESSION, 0, 9)], [Interval(ACCESSION, 0, 3), Interval(ACCESSION, 8, 9)]):
        with pytest.raises(TooManyLines):
            list(reader.records(places))
