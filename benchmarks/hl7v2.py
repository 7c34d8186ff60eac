"""Messages a second of HL7 v2: reading, and whole conversion of an ORU with 28 OBX in each form, beside a peer.

    python benchmarks/hl7v2.py [--rounds N] [--no-peer] [FILE]

FILE holds messages to measure in place of the built-in ones, divided by blank lines. One core, no files written; each
message is other than the one before, as in a feed: patient, order, times and values change, tests and units recur. Our
outputs are validated as a run validates them by default (the first 20 of each rule, then 1 in 100) and given as JSON.
The peer (hl7v2-fhir-bridge from PyPI, MIT; it validates each bundle, and makes no Observations of numeric results) runs
in a virtual environment of its own, batches in turn with ours, so that both meet the same machine. Best of the rounds,
by processor time.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.pipeline.engine import collect_seldom
from fhir_bridge.pipeline.shard import OutputCheck
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology

PEER = "hl7v2-fhir-bridge==0.1.0"
BATCH = 100
HEADER = "MSH|^~\\&|LAB|HOSP|||{time}+0100||{kind}|M{n}|P|2.5.1||||||UNICODE UTF-8"
PID = "PID|1||{patient}^^^HOSP&1.2.3.4&ISO^MR||Keller^Ada^^^^^L||19600102|F|||Street 1^^Town^^1000^^H||555^PRN^PH"
OBR = "OBR|1|P{n}|F{n}|58410-2^CBC panel^LN|||{time}+0100|||||||||||||||{time}+0100||LAB|F"
OBX = "OBX|{n}|NM|{code}^{name}^LN|{n}|{value}|{unit}|{low}-{high}|{flag}|||F|||{time}+0100"
PV1 = "PV1|1|I|W1^2^3||||4711^Doe^Jo|||CAR|||||||||V{n}^^^HOSP" + "|" * 25 + "{time}+0100"

PANEL = """718-7 Hemoglobin g/dL 12.0 17.5|4544-3 Hematocrit % 36 50|789-8 Erythrocytes 10*6/uL 4.1 5.7
6690-2 Leukocytes 10*3/uL 4.0 10.0|777-3 Platelets 10*3/uL 150 400|787-2 MCV fL 80 96|785-6 MCH pg 27 33
786-4 MCHC g/dL 32 36|788-0 RDW % 11.5 14.5|770-8 Neutrophils % 40 75|736-9 Lymphocytes % 20 45
5905-5 Monocytes % 2 10|713-8 Eosinophils % 0 6|706-2 Basophils % 0 2|2951-2 Sodium mmol/L 135 145
2823-3 Potassium mmol/L 3.5 5.1|2075-0 Chloride mmol/L 98 107|17861-6 Calcium mg/dL 8.6 10.3
2160-0 Creatinine mg/dL 0.6 1.2|3094-0 Urea mg/dL 7 20|2345-7 Glucose mg/dL 70 99|1742-6 ALT U/L 7 56
1920-8 AST U/L 10 40|6768-6 ALP U/L 44 147|1975-2 Bilirubin mg/dL 0.1 1.2|2885-2 Protein g/dL 6.0 8.3
1751-7 Albumin g/dL 3.4 5.4|2777-1 Phosphate mg/dL 2.5 4.5"""
"""LOINC code, name, unit, reference range of 28 tests."""


def moment(number: int) -> str:
    """A time of a feed, as a DTM."""
    return f"202601{1 + number // 1440 % 28:02d}{number // 60 % 24:02d}{number % 60:02d}00"


def oru(number: int, chance: random.Random) -> bytes:
    """An ORU with 28 numeric results."""
    at = {"time": moment(number), "n": number, "patient": 1000 + number % 700}
    lines = [HEADER.format(kind="ORU^R01", **at), PID.format(**at), OBR.format(**at)]
    for place, entry in enumerate(PANEL.replace("\n", "|").split("|"), 1):
        code, name, unit, low, high = entry.split()
        middle, spread = (float(low) + float(high)) / 2, (float(high) - float(low)) / 3
        value = f"{max(chance.gauss(middle, spread), 0):.{len(low.partition('.')[2])}f}"
        flag = "L" if float(value) < float(low) else "H" if float(value) > float(high) else "N"
        lines.append(
            OBX.format(
                n=place,
                code=code,
                name=name,
                value=value,
                unit=unit,
                low=low,
                high=high,
                flag=flag,
                time=at["time"],
            )
        )
    return "\r".join(lines).encode()


def adt(number: int, _chance: random.Random) -> bytes:
    """An admission."""
    at = {"time": moment(number), "n": number, "patient": 1000 + number % 700}
    lines = [HEADER.format(kind="ADT^A01", **at), "EVN|A01|{time}+0100", PID, PV1]
    return "\r".join(line.format(**at) for line in lines).encode()


def feed(make: Callable[[int, random.Random], bytes], count: int) -> list[bytes]:
    """Messages, each other than the one before."""
    chance = random.Random(1)
    return [make(number, chance) for number in range(count)]


class Ours:
    """A conversion in one form."""

    def __init__(self, mapping: CompiledMapping, *, form: str, trace: bool) -> None:
        site = Site(zone="Europe/Rome", demo_key=True)
        terminology = get_terminology()
        identity = IdentityResolver(site, IdKey(DEMO_KEY))
        self.mapping = mapping
        self.context = Context(site, terminology, identity, "hl7v2", trace, bytes_=form == "bytes")
        self.check = OutputCheck(Validator(terminology), "sample")

    def seconds(self, batch: list[bytes]) -> float:
        """Processor time of a batch."""
        started = time.process_time()
        for raw in batch:
            for output in self.mapping.convert(read_message(raw, "m#1"), self.context).outputs:
                self.check.errors(output)
                assert output.json
        return time.process_time() - started


PEER_PROGRAM = """
import logging, pathlib, sys, time
from v2fhir.bridge import Bridge
from v2fhir.config import default_config_path, load_config
logging.disable(logging.CRITICAL)
messages = pathlib.Path(sys.argv[1]).read_bytes().split(b"\\n\\n")
size, bridge, position = int(sys.argv[2]), Bridge(load_config(default_config_path())), 0
for _ in sys.stdin:
    batch = [messages[(position + n) % len(messages)] for n in range(size)]
    position += size
    bridge._seen.clear()
    started = time.process_time()
    for message in batch:
        assert bridge.handle(message).ack_code == "AA"
    print(time.process_time() - started, flush=True)
"""


def peer_python(requirement: str, *others: str) -> Path:
    """The Python of a peer's own environment, made where it is not there yet: `name==version` of PyPI, and what else it
    needs."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "fhir-bridge" / "benchmarks" / requirement.replace("==", "-")
    python = home / "bin" / "python"
    if not (home / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, requirement, *others], check=True)
        (home / "installed").touch()
    return python


class Peer:
    """The peer, in an environment of its own that is kept in the cache folder."""

    def __init__(self, messages: list[bytes], folder: Path) -> None:
        file = folder / "messages"
        file.write_bytes(b"\n\n".join(messages))
        command = [str(peer_python(PEER).absolute()), "-c", PEER_PROGRAM, str(file), str(BATCH)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
        )  # it leaves its bundles in the working directory

    def seconds(self, _batch: list[bytes]) -> float:
        """Processor time of its next batch."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def table(messages: list[bytes], rounds: int, *, peer: bool) -> None:
    """Measure all forms in turn, and print a line each."""
    mapping = load_mapping("ehr/hl7v2", adapters=adapters(), form="bytes")
    measured: dict[str, Ours | Peer] = {
        "as dicts": Ours(mapping, form="dicts", trace=False),
        "as dicts, traced": Ours(mapping, form="dicts", trace=True),
        "as bytes": Ours(mapping, form="bytes", trace=False),
        "as bytes, source spans on": Ours(mapping, form="bytes", trace=True),
    }
    with tempfile.TemporaryDirectory() as folder:
        if peer:
            try:
                measured["hl7v2-fhir-bridge"] = Peer(messages, Path(folder))
            except (OSError, subprocess.CalledProcessError) as error:
                print(f"the peer is left out: {PEER} can't be installed ({error})")
        collect_seldom()  # as a run does
        best: dict[str, float] = {}
        for turn in range(rounds + 3):  # three to warm up
            start = turn * BATCH % max(len(messages) - BATCH, 1)
            batch = (messages * BATCH)[start : start + BATCH]
            for name, form in measured.items():
                seconds = form.seconds(batch)
                if turn >= 3:
                    best[name] = min(best.get(name, seconds), seconds)
        for form in measured.values():
            if isinstance(form, Peer):
                form.close()
    for name, seconds in best.items():
        print(f"{name:<28} {BATCH / seconds:>8,.0f}/s {seconds / BATCH * 1e3:>8.3f} ms")
    for form in ("as dicts", "as bytes"):
        traced = best["as dicts, traced" if form == "as dicts" else "as bytes, source spans on"]
        print(f"the trace of outputs {form} costs {traced / best[form] - 1:.1%}")
    if "hl7v2-fhir-bridge" in best:
        times = best["hl7v2-fhir-bridge"] / best["as bytes, source spans on"]
        print(f"{times:.1f} times the peer, source spans and validation on")


def rate(action: Callable[[bytes], object], messages: list[bytes]) -> float:
    """Messages a second of one core's time; the best batch."""
    best = 0.0
    for start in range(0, len(messages) - BATCH, BATCH):
        started = time.process_time()
        for raw in messages[start : start + BATCH]:
            action(raw)
        best = max(best, BATCH / (time.process_time() - started))
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--no-peer", action="store_true")
    arguments = parser.parse_args()
    count = BATCH * (arguments.rounds + 4)  # no round meets a message again
    kinds = {"ORU, 28 OBX": feed(oru, count), "ADT A01": feed(adt, count)}
    if arguments.file:
        kinds = {arguments.file.name: arguments.file.read_bytes().split(b"\n\n")}
    for name, messages in kinds.items():
        parsed = rate(lambda raw: read_message(raw, "m#1"), messages)
        grouped = rate(lambda raw: read_message(raw, "m#1").tree, messages)
        print(f"-- {name}: parsed {parsed:,.0f}/s, grouped {grouped:,.0f}/s")
        table(messages, arguments.rounds, peer=not arguments.no_peer and name.startswith("ORU"))


if __name__ == "__main__":
    main()
