"""Whatever is in a file, it is read or named; nothing is lost and nothing raises."""

from __future__ import annotations

import gzip
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_bridge.adapters.genomics import Options, read_vcf

from .conftest import text

COLUMNS = (
    "1 X MT 100 0 . A AC acgt C,G <DEL> <NON_REF> * G]1:5] PASS q10;s5 DP=5 END=3 CLNSIG=Pathogenic AF=x GT GT:AD "
    "0/1 1|2 ./. 0/1:3,4 9 ;"
).split(" ")
columns = st.lists(st.sampled_from([*COLUMNS, "\r"]) | st.text(max_size=8), max_size=12)


def account(path: Path) -> tuple[int, int]:
    total = alleles = 0
    for record in read_vcf(path, Options(assembly="GRCh38")):
        total += record.records
        if record.outcome != "read":
            assert record.issues
        for allele in record.scope("Allele"):
            alleles += 1
            assert allele.key
            assert allele.alt not in ("*", "<NON_REF>", "<*>")
            _ = (
                allele.hgvs_g,
                allele.allelic_state,
                allele.fraction,
                allele.consequence,
                allele.clinvar,
                allele.inner,
            )
            _ = (
                allele.change_type,
                allele.identifiers,
                allele.call.evidence,
                allele.info("AF"),
                allele.format("AD"),
            )
        for study in record.scope("Study"):
            assert study.conclusion
    return total, alleles


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(rows=st.lists(columns, max_size=5))
def test_every_line_is_accounted_for(tmp_path, rows):
    body = ["\t".join(row).replace("\n", "") for row in rows]
    path = tmp_path / "fuzz.vcf"
    content = text([]).encode() + b"".join(line.encode("utf-8", "surrogatepass") + b"\n" for line in body)
    path.write_bytes(content)
    total, _ = account(path)
    assert total == len(body)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(content=st.binary(max_size=200), cut=st.integers(0, 400), packed=st.booleans())
def test_any_bytes_and_any_cut_are_read_or_refused(tmp_path, content, cut, packed):
    whole = text(["1 100 . A C . PASS . GT 0/1"] * 20).encode() + content
    path = tmp_path / "fuzz.vcf"
    path.write_bytes((gzip.compress(whole) if packed else whole)[: -cut or None])
    account(path)
