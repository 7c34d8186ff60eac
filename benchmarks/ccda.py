"""C-CDA documents a second of processor time: reading and converting, beside ccda-to-fhir.

    python benchmarks/ccda.py [--rounds N] [--no-peer] [FILE ...]

Without FILE the document of the example `summary` is taken. Both convert the same documents in turn, each twenty times
a round and once before, so that what is made once a process is not counted; the best round counts. What each creates is
counted, since a converter that leaves things out is fast. The peer (ccda-to-fhir from PyPI) runs in an environment of
its own that is kept in the cache folder; it validates by its classes as it builds. Ours is measured with the account of
what is not represented, with the garbage collector set as `convert` sets it, and without the validator, which checks a
sample of a run's first documents.
"""

from __future__ import annotations

import argparse
import gc
import json
import subprocess
import tempfile
import time
from pathlib import Path

from hl7v2 import peer_python

from fhir_bridge.adapters.ehr.ccda import read_document
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology

EXAMPLE = Path(__file__).parents[1] / "mappings/ehr/ccda/examples/summary/document.xml"
GOAL, TIMES = 60, 20
PEER = "ccda-to-fhir==0.3"
PEER_PROGRAM = """
import json, logging, pathlib, sys, time
from ccda_to_fhir import convert_document
logging.disable(logging.CRITICAL)
times, *names = sys.argv[1:]
documents = [pathlib.Path(name).read_text("utf-8-sig") for name in names]
for _ in sys.stdin:
    started, counts, failed = time.process_time(), 0, 0
    for document in documents * int(times):
        try:
            counts += len(convert_document(document)["bundle"]["entry"])
        except Exception:
            failed += 1
    print(json.dumps([time.process_time() - started, counts, failed]), flush=True)
"""


def peer(files: list[Path]) -> subprocess.Popen[str]:
    """The peer's process, which waits to convert the files."""
    command = [str(peer_python(PEER).absolute()), "-c", PEER_PROGRAM, str(TIMES), *map(str, files)]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder)


class Ours:
    """The shipped mapping, ready."""

    def __init__(self) -> None:
        self.mapping = load_mapping("ehr/ccda", adapters=adapters(), form="bytes")
        site = Site(site="benchmark", zone="Europe/Berlin", demo_key=True)
        resolver = IdentityResolver(site, IdKey(DEMO_KEY))
        self.context = Context(site, get_terminology(), resolver, self.mapping.adapter, bytes_=True)

    def convert(self, documents: list[bytes]) -> tuple[float, int, int]:
        """Processor time of the documents, the resources that they become, and how many were refused."""
        started, count, refused = time.process_time(), 0, 0
        for number, content in enumerate(documents):
            record = read_document(content, f"{number}.xml")
            if record.outcome == "read":
                count += len(self.mapping.convert(record, self.context).outputs)
            else:
                refused += 1
        return time.process_time() - started, count, refused


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

    def note(name: str, seconds: float, count: int, refused: int) -> None:
        best[name] = min(best.get(name, seconds), seconds)
        resources[name] = f"{count // TIMES} resources, {refused // TIMES} documents refused"

    own = Ours()
    own.convert(documents)
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    for _ in range(arguments.rounds):
        note("fhir_bridge", *own.convert(documents * TIMES))
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            note("ccda-to-fhir", *json.loads(process.stdout.readline()))
    for name, seconds in best.items():
        goal = f" (goal {GOAL})" if name == "fhir_bridge" else ""
        print(f"{name:14} {len(documents) * TIMES / seconds:8.1f} documents/s{goal}   {resources[name]}")
    if process is not None:
        process.kill()


if __name__ == "__main__":
    main()
