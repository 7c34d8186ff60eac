"""A genome of two people, with a few variants that are reportable and more that are not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fhir_bridge.server import Settings, create_app
from tests.server.conftest import Http, bare_plugins, running

HEAD = """##fileformat=VCFv4.3
##fileDate={date}
##contig=<ID=chr1,length=248956422>
##contig=<ID=chr7,length=159345973>
##FILTER=<ID=LowQual,Description="Low">
##INFO=<ID=CLNSIG,Number=A,Type=String,Description="ClinVar">
##INFO=<ID=CLNDN,Number=.,Type=String,Description="ClinVar">
##INFO=<ID=CLNREVSTAT,Number=.,Type=String,Description="ClinVar">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
##SAMPLE=<ID=NA-ANNA>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tNA-ANNA\tNA-BERT
"""
LINES = (
    "chr1 1000 . A G 50 PASS . GT:AD:PS 0|1:10,9:1000 0/0:20,0:.",
    "chr1 1010 . C T 50 PASS . GT:AD:PS 0|1:11,9:1000 0/1:8,9:.",
    "chr1 1010 . CAA C 50 LowQual . GT:AD:PS 1|0:11,9:1000 0/0:20,0:.",
    "chr1 2000 . G A 50 PASS CLNSIG=Pathogenic;CLNDN=Cardiomyopathy;CLNREVSTAT=practice_guideline "
    "GT:AD:PS 0/1:9,9:. 0/1:9,9:.",
    "chr1 3000 . T C 50 PASS CLNSIG=Benign;CLNDN=Cardiomyopathy;CLNREVSTAT=practice_guideline "
    "GT:AD:PS 1/1:0,18:. 0/0:20,0:.",
    "chr1 5000 . N <DEL> 50 PASS SVTYPE=DEL;END=9000 GT:AD:PS 0/1:9,9:. 0/0:20,0:.",
    "chr7 4000 . T G,A 50 PASS . GT:AD:PS 1/2:0,9,9:. 0/2:9,0,9:.",
)  # fmt: skip


def genome(
    folder: Path, date: str = "20260301", lines: tuple[str, ...] = LINES, name: str = "genome.vcf"
) -> Path:
    path = folder / name
    path.write_text(HEAD.format(date=date) + "".join(line.replace(" ", "\t") + "\n" for line in lines))
    return path


def site(folder: Path) -> Path:
    (folder / "crosswalk.csv").write_text(
        "sample;system;value\nNA-ANNA;urn:oid:2.25.7;A1\nNA-BERT;urn:oid:2.25.7;B1\n"
    )
    path = folder / "site.yaml"
    path.write_text("demo_key: true\nidentity: {crosswalk: crosswalk.csv, unlinked: hold}\n")
    return path


@contextmanager
def serving_folder(folder: Path, database_url: str, **settings: Any) -> Iterator[Http]:
    """A server without sign-in, with the site and the kept files of a folder."""
    own = Settings(
        database_url=database_url,
        auth="none",
        site=folder / "site.yaml",
        blob_dir=folder / "blobs",
        pages=False,
        **settings,
    )
    with running(create_app(own, plugins=bare_plugins())) as http:
        yield http
