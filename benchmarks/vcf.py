"""Speed and memory of the VCF adapter on one core: lines and variant Observations a second, peak memory of the process.

    python benchmarks/vcf.py [--records 10000 200000] [--read-only]

Each size runs in a process of its own on a generated one-sample VCF (GRCh38, SNVs, the INFO and FORMAT keys of a common
caller), and prints a table. Conversion ends with the serialized resource; nothing is written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from random import Random

HEADER = """##fileformat=VCFv4.2
##fileDate=20260302
##contig=<ID=chr1,length=248956422>
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=AN,Number=1,Type=Integer,Description="Allele number">
##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">
##INFO=<ID=MQ,Number=1,Type=Float,Description="Mapping quality">
##INFO=<ID=QD,Number=1,Type=Float,Description="Quality by depth">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Quality">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Likelihoods">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1
"""


def make_file(path: Path, records: int) -> None:
    """A seeded file; the same size gives the same bytes."""
    random = Random(1)
    step = 240_000_000 // records
    with path.open("w") as file:
        file.write(HEADER)
        for number in range(records):
            reference, alternate = random.sample("ACGT", 2)
            depth = random.randint(10, 60)
            reads = random.randint(3, depth)
            position, quality = 10_000 + number * step, f"{random.random() * 900:.2f}"
            file.write(
                f"chr1\t{position}\trs{number}\t{reference}\t{alternate}\t{quality}\tPASS\t"
                f"AC=1;AF=0.5;AN=2;DP={depth};MQ=60.00;QD={random.random() * 30:.2f}\tGT:AD:DP:GQ:PL\t"
                f"{random.choice(('0/1', '0/1', '1/1'))}:{depth - reads},{reads}:{depth}:99:400,0,500\n"
            )


def measure(path: Path, records: int, *, read_only: bool) -> None:
    """Read, or convert, one file and print what it took."""
    from fhir_bridge.adapters.genomics import Options, VcfAdapter, read_vcf
    from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
    from fhir_bridge.fhir.serialization import dumps
    from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
    from fhir_bridge.terminology import get_terminology

    start, cpu = time.perf_counter(), time.process_time()
    result = size = 0
    if read_only:
        for record in read_vcf(path, Options()):
            result += record.line is not None
    else:
        mapping = load_mapping("genomics/vcf", adapters={"vcf": VcfAdapter()})
        site = Site()
        context = Context(site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), "vcf")
        start, cpu = time.perf_counter(), time.process_time()
        for record in read_vcf(path, Options()):
            if record.outcome == "read":
                for output in mapping.convert(record, context).outputs:
                    result += output.rule == "variant"
                    size += len(dumps(output.resource))
    seconds = time.perf_counter() - start
    cpu_seconds = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{'read' if read_only else 'convert':<8} {records:>10,} {result:>10,} {seconds:>8.2f} "
        f"{records / seconds:>10,.0f} {records / cpu_seconds:>12,.0f} {size // max(result, 1):>11,} {peak:>8}",
        flush=True,
    )


def main() -> None:
    """Run each size in a fresh process, so that its peak memory is its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="+", default=[10_000, 200_000])
    parser.add_argument("--read-only", action="store_true")
    options = parser.parse_args()
    print(
        f"{'what':<8} {'records':>10} {'made':>10} {'seconds':>8} {'per s':>10} {'per CPU s':>12} "
        f"{'bytes each':>11} {'peak MB':>8}"
    )
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        for records in options.records:
            path = Path(folder) / f"{records}.vcf"
            make_file(path, records)
            process = spawn.Process(
                target=measure, args=(path, records), kwargs={"read_only": options.read_only}
            )
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
