"""Speed and memory of a VCF's conversion through the command line, files written, beside vcf2fhir of PyPI.

    python benchmarks/vcf.py [--records 10000 110000] [--rounds 2] [--no-peer]

Generated files (GRCh38, SNVs with the INFO and FORMAT keys of a common caller): of one sample, of four, with a CSQ
annotation, and of insertions and deletions. Each is converted in two sizes by one worker with the default validation;
the difference of both is what a further record costs, without the start. Processor time of the command, the median of
the rounds, which take all forms in turn. vcf2fhir (in an environment of its own that is kept in the cache folder)
converts smaller files of the first form in the same rounds; its memory grows with each record.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import NamedTuple

from hl7v2 import peer_python

HEADER = """##fileformat=VCFv4.2
##fileDate=20260302
##contig=<ID=chr1,length=248956422>
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Allele number">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">
##INFO=<ID=MQ,Number=1,Type=Float,Description="Mapping quality">
##INFO=<ID=QD,Number=1,Type=Float,Description="Quality by depth">
{more}##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}
"""
CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. Format: '
    'Allele|Consequence|IMPACT|SYMBOL|Gene|Feature_type|Feature|HGVSc|HGVSp|MANE_SELECT|gnomADe_AF">\n'
)
PEER, NEEDS = "vcf2fhir==0.1.1", ("pandas<2", "numpy<2")
PEER_PROGRAM = """
import logging, sys, vcf2fhir
logging.disable(logging.CRITICAL)
vcf2fhir.Converter(sys.argv[1], 'GRCh38', genomic_source_class='germline').convert(sys.argv[2])
"""
PEER_RECORDS = (200, 1200)


def make_file(
    path: Path, records: int, samples: int = 1, *, annotated: bool = False, indels: bool = False
) -> None:
    """A seeded file; the same arguments give the same bytes."""
    random = Random(1)
    step = 240_000_000 // records
    names = "\t".join(f"S{number + 1}" for number in range(samples))
    with path.open("w") as file:
        file.write(HEADER.format(more=CSQ if annotated else "", samples=names))
        for number in range(records):
            reference, alternate = random.sample("ACGT", 2)
            depth = random.randint(10, 60)
            reads = random.randint(3, depth)
            position, quality = 10_000 + number * step, f"{random.random() * 900:.2f}"
            info = f"AC=1;AF=0.5;AN=2;DP={depth};MQ=60.00;QD={random.random() * 30:.2f}"
            call = f"{random.choice(('0/1', '0/1', '1/1'))}:{depth - reads},{reads}:{depth}:99:400,0,500"
            if indels:
                inserted = "".join(random.choices("ACGT", k=random.choice((1, 1, 1, 2, 2, 3, 4, 8))))
                reference, alternate = random.choice(
                    ((reference, reference + inserted), (reference + inserted, reference))
                )
            if annotated:
                change = f"{number % 3000 + 1}{reference}>{alternate}"
                info += (
                    f";CSQ={alternate}|missense_variant|MODERATE|MYH7|ENSG00000092054|Transcript|NM_000257.4|"
                    f"NM_000257.4:c.{change}|NP_000248.2:p.Arg{number % 1000 + 1}Gln|NM_000257.4|0.00{number % 97}"
                )
            others = "".join(
                "\t" + random.choice((call, "0/0:30,0:30:99:0,90,900")) for _ in range(samples - 1)
            )
            file.write(
                f"chr1\t{position}\trs{number}\t{reference}\t{alternate}\t{quality}\tPASS\t{info}\tGT:AD:DP:GQ:PL\t"
                f"{call}{others}\n"
            )


class Measured(NamedTuple):
    """What a command took."""

    seconds: float
    peak: int


def measured(command: Sequence[str], folder: Path) -> Measured:
    """Processor time of a command, and its memory at the peak in MB."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command[0]}: status {status}")
    return Measured(usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024)


class Form(NamedTuple):
    """A form of file, and the command that converts one into a folder."""

    title: str
    sizes: tuple[int, int]
    make: Callable[[Path, int], None]
    command: Callable[[Path, Path], list[str]]


def forms(site: Path, sizes: tuple[int, int], *, peer: bool) -> list[Form]:
    """All that is measured."""

    def ours(source: Path, target: Path) -> list[str]:
        return [
            sys.executable, "-m", "fhir_bridge.cli", "convert", str(source), "--adapter", "vcf", "--site", str(site),
            "--out", str(target), "--jobs", "1", "--force",
        ]  # fmt: skip

    few = (sizes[0], sizes[0] + (sizes[1] - sizes[0]) // 4)
    result = [
        Form("one sample", sizes, make_file, ours),
        Form("four samples", few, lambda path, records: make_file(path, records, 4), ours),
        Form("with CSQ", few, lambda path, records: make_file(path, records, annotated=True), ours),
        Form("indels", few, lambda path, records: make_file(path, records, indels=True), ours),
    ]
    if peer:
        python = str(peer_python(PEER, *NEEDS).absolute())
        result.append(
            Form(
                "vcf2fhir",
                PEER_RECORDS,
                make_file,
                lambda source, target: [python, "-c", PEER_PROGRAM, str(source), f"{target}.json"],
            )
        )
    return result


def observations(target: Path) -> tuple[int, int]:
    """How many variants were written, and how many bytes they have on average."""
    lines = [
        len(line)
        for line in (target / "Observation.ndjson").open("rb")
        if b'"code":"69548-6"' in line and line.strip()
    ]
    return len(lines), sum(lines) // max(len(lines), 1)


def main() -> None:
    """Convert each form in both sizes, round by round, and print what a further record costs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--records", type=int, nargs=2, default=(10_000, 110_000))
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        site = folder / "site.yaml"
        site.write_text("demo_key: true\n")
        every = forms(site, tuple(options.records), peer=not options.no_peer)
        results: dict[tuple[str, int], list[Measured]] = {}
        written: dict[str, tuple[int, int]] = {}
        for form in every:
            for size in form.sizes:
                form.make(folder / f"{form.title}-{size}.vcf", size)
        for _ in range(options.rounds):
            for form in every:
                for size in form.sizes:
                    target = folder / "out" / f"{form.title}-{size}"
                    target.parent.mkdir(exist_ok=True)
                    command = form.command(folder / f"{form.title}-{size}.vcf", target)
                    results.setdefault((form.title, size), []).append(measured(command, folder))
                    if form.title != "vcf2fhir":
                        written[form.title] = observations(target)
        costs = {
            form.title: median(
                (large.seconds - small.seconds) / (form.sizes[1] - form.sizes[0])
                for small, large in zip(*(results[form.title, size] for size in form.sizes), strict=True)
            )
            for form in every
        }
        peer = costs.get("vcf2fhir")
        print(
            f"{'':<14}{'records':>9}{'CPU s':>8}{'MB':>6}{'µs a further record':>21}{'records/s':>11}"
            f"{'variants':>10}{'bytes each':>12}{'times vcf2fhir':>16}"
        )
        for form in every:
            large = results[form.title, form.sizes[1]]
            count, size = written.get(form.title, (0, 0))
            print(
                f"{form.title:<14}{form.sizes[1]:>9,}{median(each.seconds for each in large):>8.2f}"
                f"{max(each.peak for each in large):>6}{costs[form.title] * 1e6:>21.1f}{1 / costs[form.title]:>11,.0f}"
                + (f"{count:>10,}{size:>12,}" if count else " " * 22)
                + (f"{peer / costs[form.title]:>16.1f}" if peer and count else ""),
                flush=True,
            )


if __name__ == "__main__":
    main()
