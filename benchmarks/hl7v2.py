"""Messages a second: parsing alone, and whole conversion, of an ORU with 28 OBX and of an ADT.

    python benchmarks/hl7v2.py [FILE]

FILE holds one message to measure in place of the built-in ORU. One core, no I/O, terminology of the project.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from fhir_bridge.adapters.ehr.hl7v2 import read_message
from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Context, IdentityResolver, Site, load_mapping
from fhir_bridge.plugins import adapters
from fhir_bridge.terminology import get_terminology

HEADER = "MSH|^~\\&|LAB|HOSP|||20260101120000+0100||{kind}|1|P|2.5.1||||||UNICODE UTF-8"
PID = "PID|1||77^^^HOSP&1.2.3.4&ISO^MR||Keller^Ada^^^^^L||19600102|F|||Street 1^^Town^^1000^^H||555^PRN^PH"
OBX = "OBX|{n}|NM|718-7^Hemoglobin^LN|{n}|13.{n}|g/dL^gram per decilitre^UCUM|12.0-17.5|N|||F|||20260101110000+0100"


def oru() -> bytes:
    """An ORU with 28 numeric results."""
    order = "OBR|1|P1|F1|58410-2^CBC panel^LN|||20260101110000+0100|||||||||||||||20260101115900+0100||LAB|F"
    results = [OBX.format(n=number) for number in range(1, 29)]
    return "\r".join([HEADER.format(kind="ORU^R01"), PID, order, *results]).encode()


def adt() -> bytes:
    """An admission."""
    visit = "PV1|1|I|W1^2^3||||4711^Doe^Jo|||CAR|||||||||V1^^^HOSP" + "|" * 25 + "20260101100000+0100"
    return "\r".join([HEADER.format(kind="ADT^A01"), "EVN|A01|20260101120000+0100", PID, visit]).encode()


def rate(action: Callable[[], object], seconds: float = 2.0) -> float:
    """Runs in a second of one core's time, so that a busy machine measures the same."""
    action()
    count, start = 0, time.process_time()
    while time.process_time() - start < seconds:
        action()
        count += 1
    return count / (time.process_time() - start)


def main() -> None:
    """Measure and print."""
    site = Site(zone="Europe/Rome", demo_key=True)
    mapping = load_mapping("ehr/hl7v2", adapters=adapters())
    messages = {"ADT A01": adt(), "ORU, 28 OBX": oru()}
    if len(sys.argv) > 1:
        messages = {sys.argv[1]: Path(sys.argv[1]).read_bytes()}
    print(
        f"{'message':<14} {'parse/s':>9} {'groups/s':>9} {'convert/s':>10} {'with trace':>11} {'outputs':>8}"
    )
    for name, raw in messages.items():
        rates = []
        for trace in (False, True):
            context = Context(
                site, get_terminology(), IdentityResolver(site, IdKey(DEMO_KEY)), "hl7v2", trace
            )
            rates.append(rate(lambda c=context, r=raw: mapping.convert(read_message(r, "m#1"), c)))
        outputs = len(mapping.convert(read_message(raw, "m#1"), context).outputs)
        parse = rate(lambda r=raw: read_message(r, "m#1"))
        tree = rate(lambda r=raw: read_message(r, "m#1").tree)
        print(f"{name:<14} {parse:>9.0f} {tree:>9.0f} {rates[0]:>10.0f} {rates[1]:>11.0f} {outputs:>8}")


if __name__ == "__main__":
    main()
