"""C-CDA documents a second of processor time: reading and converting, beside ccda-to-fhir.

    python benchmarks/ccda.py [--rounds N] [--no-peer] [FILE ...]

Without FILE the document of the example `summary` is taken. Both convert the same documents in turn, in one run; what
each creates is counted, since a converter that leaves things out is fast. The peer (ccda-to-fhir from PyPI) runs in an
environment of its own that is kept in the cache folder; it validates by its classes as it builds. Ours is measured with
the account of what is not represented, and without the validator, which checks a sample of a run's first documents.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from hl7v2 import peer_python

from fhir_bridge.adapters.ehr.ccda import read_document
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology

EXAMPLE = Path(__file__).parents[1] / "mappings/ehr/ccda/examples/summary/document.xml"
PEER = "ccda-to-fhir==0.3"
PEER_PROGRAM = """
import json, logging, pathlib, sys, time
from ccda_to_fhir import convert_document
logging.disable(logging.CRITICAL)
documents = [pathlib.Path(name).read_text("utf-8-sig") for name in sys.argv[1:]]
for _ in sys.stdin:
    started, counts, failed = time.process_time(), 0, 0
    for document in documents:
        try:
            counts += len(convert_document(document)["bundle"]["entry"])
        except Exception:
            failed += 1
    print(json.dumps([time.process_time() - started, counts, failed]), flush=True)
"""


def peer(files: list[Path]) -> subprocess.Popen[str]:
    """The peer's process, which waits to convert the files."""
    command = [str(peer_python(PEER).absolute()), "-c", PEER_PROGRAM, *map(str, files)]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)


def ours(documents: list[bytes]) -> tuple[float, Counter[str]]:
    """Processor time of the documents, and what they become."""
    mapping = load_mapping("ehr/ccda", adapters=adapters(), form="bytes")
    site = Site(site="benchmark", zone="Europe/Berlin", demo_key=True)
    resolver = IdentityResolver(site, IdKey(DEMO_KEY))
    context = Context(site, get_terminology(), resolver, mapping.adapter, bytes_=True)
    counts: Counter[str] = Counter()
    started = time.process_time()
    for number, content in enumerate(documents):
        record = read_document(content, f"{number}.xml")
        if record.outcome == "read":
            conversion = mapping.convert(record, context)
            counts.update(output.type for output in conversion.outputs)
        else:
            counts["(refused)"] += 1
    return time.process_time() - started, counts


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    files = [file.resolve() for file in arguments.files or [EXAMPLE]]
    documents = [file.read_bytes() for file in files]
    process = None
    if not arguments.no_peer:
        try:
            process = peer(files)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"the peer is left out: {PEER} can't be installed ({error})")
    best: dict[str, float] = {}
    resources: dict[str, str] = {}
    for _ in range(arguments.rounds):
        seconds, counts = ours(documents)
        best["fhir_bridge"] = min(best.get("fhir_bridge", seconds), seconds)
        resources["fhir_bridge"] = (
            f"{sum(counts.values())} resources, {counts['(refused)']} documents refused"
        )
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            taken, count, failed = json.loads(process.stdout.readline())
            best["ccda-to-fhir"] = min(best.get("ccda-to-fhir", taken), taken)
            resources["ccda-to-fhir"] = f"{count} resources, {failed} documents refused"
    for name, seconds in best.items():
        print(f"{name:14} {len(documents) / seconds:8.1f} documents/s   {resources[name]}")
    if process is not None:
        process.kill()


if __name__ == "__main__":
    main()
