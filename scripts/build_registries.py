"""Build `fhir_bridge/terminology/registries.z`: names of language tags (BCP 47) and of countries (ISO 3166-1).

    python scripts/build_registries.py [--packages DIR] [--check]

Two packages of the npm registry are fetched with `npm pack`, or taken from a folder where they are already:
language-subtag-registry (IANA's language subtag registry as JSON, CC0) and cldr-core (the Unicode Consortium's table of
a country's alpha-2, alpha-3 and numeric codes, Unicode License V3). A country's name is that of its region subtag. The
same packages give the same bytes; `--check` fails where the file on disk is not what would be written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import orjson

from fhir_bridge.fhir.definitions.table import encode_table

TARGET = Path(__file__).resolve().parent.parent / "fhir_bridge" / "terminology" / "registries.z"
REGISTRY, MAPPINGS = "language-subtag-registry@0.4.2", "cldr-core@48.2.0"
KINDS = ("language", "extlang", "script", "region", "variant", "grandfathered")
LAST_NUMERIC = 894
"""Numeric codes beyond are no country's: CLDR numbers regions of its own from 900 on."""


def main() -> int:
    """Write the table, or with `--check` compare it."""
    parser = argparse.ArgumentParser(description="Build the names of languages and countries.")
    parser.add_argument("--packages", type=Path, help="a folder with the packages as npm packs them")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        packages = options.packages or Path(folder)
        if options.packages is None:
            subprocess.run(["npm", "pack", "--silent", REGISTRY, MAPPINGS], cwd=packages, check=True)
        result = build(packages)
    if options.check:
        same = TARGET.exists() and TARGET.read_bytes() == result
        print(f"{TARGET.name}: {'as built' if same else 'differs from what the script builds'}")
        return 0 if same else 1
    TARGET.write_bytes(result)
    print(f"{TARGET}: {len(result):,} bytes")
    return 0


def build(packages: Path) -> bytes:
    """The table's bytes."""
    date = _member(packages, REGISTRY, "package/data/json/meta.json")["File-Date"]
    registered: dict[str, dict[str, list[str]]] = {kind: {} for kind in KINDS}
    gone: set[str] = set()
    for record in _member(packages, REGISTRY, "package/data/json/registry.json"):
        kind = record["Type"]
        if kind in registered:
            subtag = record.get("Subtag") or record["Tag"]
            registered[kind][subtag] = record["Description"]
            if kind == "region" and "Deprecated" in record:
                gone.add(subtag)
    mappings = _member(packages, MAPPINGS, "package/supplemental/codeMappings.json")
    codes = mappings["supplemental"]["codeMappings"]
    countries = [
        [region, codes[region]["_alpha3"], codes[region]["_numeric"]]
        for region in sorted(registered["region"])
        if region not in gone
        and {"_alpha3", "_numeric"} <= codes.get(region, {}).keys()
        and int(codes[region]["_numeric"]) <= LAST_NUMERIC
    ]
    notice = _content(packages, MAPPINGS, "package/LICENSE").decode()
    return encode_table({**registered, "countries": countries}, {"date": date, "notice": notice})


def _member(packages: Path, package: str, member: str) -> Any:
    return orjson.loads(_content(packages, package, member))


def _content(packages: Path, package: str, member: str) -> bytes:
    name, _, version = package.partition("@")
    with tarfile.open(packages / f"{name}-{version}.tgz") as archive:
        result = archive.extractfile(member)
        assert result is not None
        return result.read()


if __name__ == "__main__":
    sys.exit(main())
