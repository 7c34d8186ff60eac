"""Speed of XML in and out: `python -m benchmarks.xml_files [FOLDER of JSON examples]`.

Prints MB/s of XML and laboratory Observations a second, beside what parsing alone costs: expat with handlers that do
nothing, the standard library's tree, and lxml's (where it is installed), which hold no FHIR and are the baseline. The
best of some rounds counts, by processor time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from fhir_bridge.fhir import dumps as json_dumps
from fhir_bridge.fhir import loads_exact, xml
from tests.fhir.resources import troponin

ROUNDS = 7
OBSERVATIONS = 1000


def best(function: Callable[[Any], Any], arguments: Sequence[Any]) -> float:
    """Seconds of the fastest round over all arguments."""
    spent = []
    for _ in range(ROUNDS):
        start = time.process_time()
        for argument in arguments:
            function(argument)
        spent.append(time.process_time() - start)
    return min(spent)


def empty_handlers(text: bytes) -> None:
    parser = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = lambda _tag, _attributes: None
    parser.EndElementHandler = lambda _tag: None
    parser.Parse(text, True)


def main(folder: Path | None) -> None:
    resources: list[Any] = [troponin()]
    if folder is not None:
        read = (loads_exact(path.read_bytes()) for path in sorted(folder.glob("*.json")))
        resources = [
            resource for resource in read if isinstance(resource, dict) and "resourceType" in resource
        ]
    observation = troponin()
    documents = [xml.dumps(resource) for resource in resources]
    item = xml.dumps(observation)
    megabytes = sum(map(len, documents)) / 1e6
    json_texts = [json_dumps(resource) for resource in resources]
    cases: list[tuple[str, Callable[[Any], Any], Sequence[Any], Any]] = [
        ("xml.loads", xml.loads, documents, item),
        ("xml.dumps", xml.dumps, resources, observation),
        ("expat, empty handlers", empty_handlers, documents, item),
        ("ElementTree parse", ElementTree.fromstring, documents, item),
        ("loads_exact of the JSON", loads_exact, json_texts, json_dumps(observation)),
    ]
    try:
        from lxml import etree  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        print("lxml is not installed: its line is left out")
    else:
        cases.insert(2, ("lxml parse", etree.fromstring, documents, item))
    print(
        f"{len(resources)} resources, {megabytes:.1f} MB of XML; a laboratory Observation of {len(item)} bytes\n"
    )
    print(f"{'':26}{'MB/s':>8}{'Observations/s':>18}")
    for name, function, arguments, single in cases:
        speed = megabytes / best(function, arguments)
        rate = OBSERVATIONS / best(function, [single] * OBSERVATIONS)
        print(f"{name:26}{speed:8.1f}{rate:18,.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
