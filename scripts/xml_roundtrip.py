"""JSON to XML and back for every resource of packages or folders: `python scripts/xml_roundtrip.py SOURCE...`.

SOURCE is a FHIR package (`.tgz`, as `npm pack hl7.fhir.r4.examples@4.0.1` gives it) or a folder of `.json` and `.xml`
files. Equal means: the same JSON, every decimal with the same digits. XML files go the other way, and are compared in
canonical form. Exit code 1 where one is not equal.
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.progress import track

sys.path.insert(0, str(Path(__file__).parent.parent))

from fhir_bridge.fhir import dumps as json_dumps
from fhir_bridge.fhir import loads_exact, xml
from tests.fhir.xml.canonical import canonical_xml


def documents(source: Path) -> Iterator[tuple[str, bytes]]:
    """The files of a package or folder, by name."""
    if source.is_dir():
        for file in sorted(source.rglob("*")):
            if file.suffix in (".json", ".xml"):
                yield file.name, file.read_bytes()
        return
    with tarfile.open(source) as package:
        for member in package:
            opened = package.extractfile(member) if member.name.endswith((".json", ".xml")) else None
            if opened is not None:
                yield member.name, opened.read()


def digits(value: Any) -> bytes:
    """JSON text that is equal only where every decimal has the same digits."""
    return json_dumps(_sorted(value))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def compare(name: str, text: bytes) -> str:
    """`equal`, `no resource`, or what is wrong."""
    if name.endswith(".xml"):
        if b"http://hl7.org/fhir" not in text[:4096]:
            return "no resource"
        back = xml.dumps(loads_exact(json_dumps(xml.loads(text))))
        return "equal" if canonical_xml(back) == canonical_xml(text) else "XML differs"
    resource = loads_exact(text)
    if not isinstance(resource, dict) or "resourceType" not in resource:
        return "no resource"
    same = digits(xml.loads(xml.dumps(resource))) == digits(resource)
    return "equal" if same else "JSON differs"


def main(sources: list[Path]) -> int:
    """Validate all files and print what was not equal, and the counts."""
    counts: Counter[str] = Counter()
    for source in sources:
        results = list(documents(source))
        for name, text in track(results, description=source.name):
            try:
                outcome = compare(name, text)
            except (ValueError, json.JSONDecodeError) as error:
                outcome = f"refused: {error}"
            counts[outcome.partition(":")[0]] += 1
            if outcome not in ("equal", "no resource"):
                print(f"{name}: {outcome}")
    print(", ".join(f"{count:,} {outcome}" for outcome, count in counts.most_common()))
    return 0 if set(counts) <= {"equal", "no resource"} else 1


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))
