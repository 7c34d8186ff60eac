"""Packages made on the spot: definitions as small as they can be, and archives of them."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions.packages import PackageReport

BASE = "http://example.org/fhir/StructureDefinition/"
R4 = "http://hl7.org/fhir/StructureDefinition/"

Resource = dict[str, Any]


def element(identifier: str, **content: Any) -> Resource:
    """An ElementDefinition; a slice's name is taken from its id."""
    path = ".".join(part.partition(":")[0] for part in identifier.split("."))
    name = identifier.rpartition(".")[2].partition(":")[2]
    return {"id": identifier, "path": path, **({"sliceName": name} if name else {}), **content}


def profile(
    name: str, kind: str, *elements: Resource, base: str = "", version: str = "1.0.0", **more: Any
) -> Resource:
    """A profile with a differential."""
    return {
        "resourceType": "StructureDefinition",
        "url": BASE + name,
        "version": version,
        "name": name,
        "status": "active",
        "kind": "complex-type" if kind in ("Extension", "Quantity", "CodeableConcept") else "resource",
        "abstract": False,
        "type": kind,
        "baseDefinition": base or R4 + kind,
        "derivation": "constraint",
        "differential": {"element": [element(kind), *elements]},
        **more,
    }


def extension(name: str, *elements: Resource, on: Sequence[str] = ("Patient",), **more: Any) -> Resource:
    """An extension with a differential."""
    return profile(
        name,
        "Extension",
        element("Extension.url", fixedUri=BASE + name),
        *elements,
        context=[{"type": "element", "expression": where} for where in on],
        **more,
    )


def sliced(
    path: str, *discriminators: tuple[str, str], rules: str = "open", ordered: bool = False, **more: Any
) -> Resource:
    """An element with its slicing."""
    slicing = {
        "discriminator": [{"type": kind, "path": at} for kind, at in discriminators],
        "rules": rules,
        "ordered": ordered,
    }
    return element(path, slicing=slicing, **more)


def manifest(
    name: str, version: str = "1.0.0", dependencies: Mapping[str, str] | None = None, fhir: str = "4.0.1"
) -> Resource:
    """A package.json."""
    return {
        "name": name,
        "version": version,
        "fhirVersions": [fhir],
        "dependencies": dict(dependencies or {}),
    }


def files_of(resources: Sequence[Resource]) -> dict[str, bytes]:
    """Files by name, as a publisher names them."""
    return {
        f"{r['resourceType']}-{r.get('name', number)}-{number}.json": json.dumps(r).encode()
        for number, r in enumerate(resources)
    }


def archive(path: Path, files: Mapping[str, bytes], folder: str = "package/") -> Path:
    """A .tgz of these files."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def package(
    folder: Path,
    name: str,
    *resources: Resource,
    version: str = "1.0.0",
    dependencies: Mapping[str, str] | None = None,
    fhir: str = "4.0.1",
) -> Path:
    """A package as a registry gives it."""
    content = json.dumps(manifest(name, version, dependencies, fhir)).encode()
    return archive(folder / f"{name}-{version}.tgz", {"package.json": content, **files_of(resources)})


def named(name: str) -> Resource:
    """A profile of Patient that asks for a date of birth."""
    return profile(name, "Patient", element("Patient.birthDate", min=1))


def codes(report: PackageReport) -> list[str]:
    """The codes of a report's issues."""
    return [issue.code for issue in report.issues]
