"""The resources that both validators check: official examples, the guides' examples, and what the adapters make."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.serialization import JsonError, dumps, loads_exact
from scripts import referee

__all__ = ["PACKAGES", "Source", "adapter_output", "bundles_of", "package_examples", "sample"]

PACKAGES = {
    "r4": "hl7.fhir.r4.examples@4.0.1",
    "genomics": "hl7.fhir.uv.genomics-reporting@3.0.0",
    "ips": "hl7.fhir.uv.ips@2.0.0",
}
"""npm packages that carry examples. The R4 package holds its examples beside its definitions."""

LARGEST = 200_000
"""Bytes; larger files (Bundles of all definitions) cost the official validator minutes each."""

DEFINITIONAL = frozenset(
    "CapabilityStatement CodeSystem CompartmentDefinition ConceptMap GraphDefinition ImplementationGuide "
    "NamingSystem OperationDefinition SearchParameter StructureDefinition StructureMap ValueSet".split()
)
"""Types of which the R4 package holds thousands: every n-th is taken."""


@dataclass(frozen=True, slots=True)
class Source:
    """A resource to check.

    Attributes:
        group: where it comes from (`r4`, `genomics`, `ips`, `adapters`, `bundles`).
        name: how a report names it.
        text: its JSON.
    """

    group: str
    name: str
    text: bytes

    def parse(self) -> dict[str, Any]:
        """The resource; decimals are `Decimal`."""
        resource = loads_exact(self.text)
        assert isinstance(resource, dict)
        return resource


def package_examples(definitional: int) -> Iterator[Source]:
    """Examples of all packages in the order of their names.

    Args:
        definitional: how many resources of each definitional type to take from the R4 package, evenly spread.

    Raises:
        scripts.referee.Absent: a package can't be fetched.
    """
    for group, name in PACKAGES.items():
        archive = _package(name)
        results = sorted(_members(archive, group), key=lambda source: source.name)
        yield from sample(results, definitional) if group == "r4" else results


def _package(name: str) -> Path:
    path = referee.FOLDER / "downloads" / f"{name.replace('@', '-')}.tgz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        command = ["npm", "pack", "--silent", "--pack-destination", "downloads", name]
        referee.fetch(command, name)
    return path


def _members(archive: Path, group: str) -> Iterator[Source]:
    with tarfile.open(archive) as tar:
        for member in tar:
            folder, _, file = member.name.rpartition("/")
            wanted = folder == "package" if group == "r4" else folder == "package/example"
            if not wanted or not file.endswith(".json") or member.size > LARGEST:
                continue
            content = tar.extractfile(member)
            assert content is not None
            text = content.read()
            try:
                resource = loads_exact(text)
            except JsonError:
                continue  # not a resource's JSON: nothing that mutants could start from
            if isinstance(resource, dict) and isinstance(resource.get("resourceType"), str):
                yield Source(group, file.removesuffix(".json"), dumps(resource))


def sample(sources: Iterable[Source], each: int) -> list[Source]:
    """All sources, but of each definitional type no more than `each`, evenly spread over their names."""
    by_type: dict[str, list[Source]] = {}
    for source in sources:
        by_type.setdefault(source.name.partition("-")[0], []).append(source)
    chosen = []
    for kind, result in by_type.items():
        step = max(1, len(result) // each) if kind in DEFINITIONAL and each else 1
        limit = each if kind in DEFINITIONAL else len(result)
        chosen += result[::step][:limit]
    return chosen


def adapter_output(folders: Iterable[Path], each: int) -> Iterator[Source]:
    """Resources that this project's adapters wrote as NDJSON; the same text is taken once.

    Args:
        each: how many resources of a type to take from a file, evenly spread.
    """
    seen: set[bytes] = set()
    by_file: dict[tuple[Path, str], list[Source]] = {}
    for file, line, resource in referee.resources(folders):
        text = dumps(resource)
        if text not in seen and len(text) <= LARGEST:
            seen.add(text)
            where = file.relative_to(referee.ROOT) if file.is_relative_to(referee.ROOT) else file
            source = Source("adapters", f"{where}:{line}", text)
            by_file.setdefault((file, str(resource.get("resourceType"))), []).append(source)
    for result in by_file.values():
        yield from result[:: max(1, len(result) // each)][:each]


def bundles_of(sources: Iterable[Source], every: int = 12) -> Iterator[Source]:
    """Bundles of each kind built from the given resources, as material for the mutants of Bundle rules."""
    chosen = [s.parse() for s in sources if len(s.text) < 8_000]
    resources = [r for r in chosen if isinstance(r.get("id"), str) and r["resourceType"] not in DEFINITIONAL]
    kinds = ("collection", "transaction", "batch", "searchset", "history")
    for number, start in enumerate(range(0, len(resources) - 3, every)):
        kind = kinds[number % len(kinds)]
        part = {(r["resourceType"], r["id"]): r for r in resources[start : start + 3]}
        bundle: dict[str, Any] = {"resourceType": "Bundle", "id": f"made-{number}", "type": kind}
        if kind in ("searchset", "history"):
            bundle["total"] = len(part)
        bundle["entry"] = [_entry(resource, kind) for resource in part.values()]
        yield Source("bundles", f"Bundle-made-{number}-{kind}", dumps(bundle))


def _entry(resource: dict[str, Any], kind: str) -> dict[str, Any]:
    name = f"{resource['resourceType']}/{resource['id']}"
    entry: dict[str, Any] = {"fullUrl": f"https://fhir.hospital.org/r4/{name}", "resource": resource}
    if kind in ("transaction", "batch", "history"):
        entry["request"] = {"method": "PUT", "url": name}
    if kind == "history":
        entry["response"] = {"status": "200"}
    if kind == "searchset":
        entry["search"] = {"mode": "match"}
    return entry
