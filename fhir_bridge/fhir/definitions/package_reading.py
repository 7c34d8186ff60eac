"""The files of one package as compact rows, before packages are linked; what can't be used is noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions.compact import CORE, MALFORMED, compact_element, compact_structure
from fhir_bridge.fhir.definitions.expansions import compact_code_system
from fhir_bridge.fhir.definitions.package_files import PackageError, files
from fhir_bridge.fhir.definitions.r4 import find_type
from fhir_bridge.fhir.definitions.snapshots import identified
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, loads_exact

__all__ = ["Draft", "PackageDraft", "read_package"]

Row = dict[str, Any]

SHOWN = 5
"""Names that a message lists."""


@dataclass(slots=True)
class Draft:
    """A definition as read.

    Attributes:
        row: what is in the table; for a structure its elements are those of the snapshot or the differential.
        ready: whether the elements are those of a snapshot.
    """

    url: str
    version: str
    file: str
    row: Row
    ready: bool = True


@dataclass(slots=True)
class PackageDraft:
    """One package as read.

    Attributes:
        globals: profiles that all resources of a type conform to, by the type.
        aside: names of definitions that take no part, by the reason.
        foreign: files of definitions for other FHIR versions, by the version.
    """

    source: Path
    name: str
    version: str = ""
    fhir: tuple[str, ...] = ()
    dependencies: dict[str, str] = field(default_factory=dict)
    structures: list[Draft] = field(default_factory=list)
    value_sets: list[Draft] = field(default_factory=list)
    code_systems: list[Draft] = field(default_factory=list)
    searches: list[Draft] = field(default_factory=list)
    issues: list[Issue] = field(default_factory=list)
    globals: dict[str, list[str]] = field(default_factory=dict)
    aside: dict[str, list[str]] = field(default_factory=dict)
    foreign: dict[str, list[str]] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and version, `hl7.fhir.us.mcode#4.0.0`."""
        return f"{self.name}#{self.version}" if self.version else self.name

    def note(self, error: PackageError, severity: str = "error") -> None:
        """Note what is wrong with the package or one of its files."""
        where = f"{self.source.name}:{error.file}" if error.file else self.source.name
        text = f"{self.label}: {error}" if self.version else str(error)
        self.issues.append(Issue(severity, error.code, text, where))  # type: ignore[arg-type]


def read_package(source: Path, numbers: dict[tuple[str, ...], int]) -> PackageDraft:
    """Read a package; constraints are numbered in `numbers`, which grows."""
    package = PackageDraft(source, source.stem)
    refused = False
    try:
        for name, content in files(source):
            if isinstance(content, PackageError):
                package.note(content)
                continue
            try:
                resource = loads_exact(content)
                if not isinstance(resource, dict):
                    raise PackageError("FB-PKG-004", f"{name}: a JSON object was expected", name)
                if name == "package.json":
                    _manifest(package, resource)
                    if refused := not _is_r4(package.fhir):
                        break
                else:
                    _definition(package, resource, name, numbers)
            except PackageError as error:
                package.note(PackageError(error.code, str(error), name))
            except JsonError as error:
                package.note(PackageError("FB-PKG-004", f"{name}: {error}", name))
            except MALFORMED as error:
                what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
                package.note(PackageError("FB-PKG-004", f"{name} is not well formed: {what}", name))
    except PackageError as error:
        package.note(error)
    if refused:
        return _refused(package)
    kept = (
        package.structures, package.value_sets, package.code_systems, package.searches, package.globals,
        package.aside, package.foreign,
    )  # fmt: skip
    if not package.issues and not any(kept) and not package.version:
        package.note(PackageError("FB-PKG-001", "it holds neither package.json nor a definition"))
    for stated, names in package.foreign.items():
        text = f"{len(names)} × definition for FHIR {stated[:20]}, R4 (4.0.1) is needed: {_listed(names)}"
        package.note(PackageError("FB-PKG-003", text))
    for reason, names in package.aside.items():
        text = f"{len(names)} × {reason} left aside: {_listed(names)}"
        package.note(PackageError("FB-PKG-010", text), "information")
    return package


def _refused(package: PackageDraft) -> PackageDraft:
    """A package for another FHIR version with nothing in it; package.json may come last and indicate so late."""
    empty = PackageDraft(package.source, package.name, package.version, package.fhir)
    text = ", ".join(package.fhir)
    empty.note(
        PackageError("FB-PKG-003", f"it is for FHIR {text}, R4 (4.0.1) is needed; nothing of it is used")
    )
    return empty


def _listed(names: Sequence[str]) -> str:
    return ", ".join(sorted(names)[:SHOWN]) + (" …" if len(names) > SHOWN else "")


def _manifest(package: PackageDraft, content: Mapping[str, Any]) -> None:
    package.name, package.version = str(content["name"])[:200], str(content.get("version", ""))[:100]
    stated = (
        content.get("fhirVersions") or content.get("fhir-version-list") or content.get("fhirVersion") or ()
    )
    package.fhir = (stated,) if isinstance(stated, str) else tuple(map(str, stated))
    package.dependencies = {str(k): str(v) for k, v in dict(content.get("dependencies") or {}).items()}


def _is_r4(stated: tuple[str, ...]) -> bool:
    """Whether a package is for R4 (4.0) or R4B (4.3, whose shared types are R4's); none stated counts as R4."""
    return not stated or any(version.startswith(("4.0", "4.1", "4.3")) for version in stated)


def _definition(
    package: PackageDraft, resource: Mapping[str, Any], name: str, numbers: dict[tuple[str, ...], int]
) -> None:
    kind = resource.get("resourceType")
    read: dict[Any, Callable[[], None]] = {
        "StructureDefinition": lambda: _structure(package, resource, name, numbers),
        "ValueSet": lambda: _value_set(package, resource, name),
        "CodeSystem": lambda: _code_system(package, resource, name),
        "SearchParameter": lambda: package.searches.append(_draft(resource, name, dict(resource))),
        "ImplementationGuide": lambda: _guide(package, resource),
    }
    if kind in read:
        read[kind]()


def _guide(package: PackageDraft, guide: Mapping[str, Any]) -> None:
    """The profiles that all resources of a type conform to (R4 implementationguide.html, `global`)."""
    for entry in guide.get("global", ()):
        kind, profile = entry["type"], entry["profile"]
        _texts("a global profile or its type", entry, names=("type", "profile"))
        if profile not in package.globals.setdefault(kind, []):
            package.globals[kind].append(profile)


def _draft(resource: Mapping[str, Any], name: str, row: Row, *, ready: bool = True) -> Draft:
    url, version = resource["url"], resource.get("version", "")
    if not isinstance(url, str) or not isinstance(version, str) or " " in url:
        raise PackageError("FB-PKG-004", f"{name} has no url of its own", name)
    return Draft(url, version, name, row, ready)


def _structure(
    package: PackageDraft, definition: Mapping[str, Any], name: str, numbers: dict[tuple[str, ...], int]
) -> None:
    stated = definition.get("fhirVersion")
    if isinstance(stated, str) and not _is_r4((stated,)):
        package.foreign.setdefault(stated, []).append(name)
        return
    if not _is_constraint(definition):
        known = find_type(str(definition.get("type"))) is not None
        reason = "R4's own type" if known else "logical model or type that R4 doesn't have"
        package.aside.setdefault(reason, []).append(str(definition.get("name")))
        return
    if find_type(str(definition["type"])) is None:
        if definition.get("kind") == "logical":
            package.aside.setdefault("profile of a logical model", []).append(str(definition.get("name")))
            return
        raise PackageError(
            "FB-PKG-003", f"{definition['url']} constrains {definition['type']}, which is no type of R4", name
        )
    ready = bool(definition.get("snapshot", {}).get("element"))
    elements = definition["snapshot" if ready else "differential"]["element"]
    for element in elements:
        _texts(
            f"a constraint of {element.get('path')}", *(element.get("constraint") or ()), names=_CONSTRAINT
        )
    row = compact_structure({**definition, "derivation": "constraint"}, (), numbers)
    _texts("its name, kind or type", row, names=("name", "kind", "type", "url"))
    texts = (*(part for pair in row.get("w", ()) for part in pair), *row.get("W", ()), *row.get("I", ()))
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a context, contextInvariant or imposed profile is no string")
    row["elements"] = [compact_element(element, numbers) for element in identified(elements)]
    row["P"] = package.label
    for element in row["elements"]:
        _sound(element)
    package.structures.append(_draft(definition, name, row, ready=ready))


def _is_constraint(definition: Mapping[str, Any]) -> bool:
    """Whether a definition narrows a type of R4.

    One that calls itself a specialization, or nothing, of a type that R4 has already can be nothing else.
    """
    kind = definition.get("type")
    return definition.get("derivation") == "constraint" or (
        definition["url"] != CORE + str(kind)
        and definition.get("baseDefinition") == CORE + str(kind)
        and find_type(str(kind)) is not None
    )


def _value_set(package: PackageDraft, resource: Mapping[str, Any], name: str) -> None:
    compose = resource.get("compose")
    if compose is None and "expansion" in resource:
        compose = {"include": _contained_codes(resource["expansion"].get("contains", ()))}
    package.value_sets.append(_draft(resource, name, dict(compose or {})))


def _contained_codes(contains: Any) -> list[Row]:
    """The codes of an expansion, as the includes of a compose."""
    by_system: dict[str, list[Row]] = {}
    todo = list(contains)
    while todo:
        concept = todo.pop()
        todo += concept.get("contains", ())
        if "code" in concept and not concept.get("abstract"):
            by_system.setdefault(concept.get("system", ""), []).append({"code": concept["code"]})
    return [{"system": system, "concept": codes} for system, codes in by_system.items()]


def _code_system(package: PackageDraft, resource: Mapping[str, Any], name: str) -> None:
    if resource["content"] == "complete" and resource.get("concept"):
        package.code_systems.append(_draft(resource, name, compact_code_system(resource)))
    else:
        package.aside.setdefault("code system without its whole content", []).append(
            str(resource.get("name"))
        )


def _texts(what: str, *holders: Mapping[str, Any], names: Sequence[str]) -> None:
    """Whether what is there under these names is text.

    Raises:
        TypeError: it is not.
    """
    for holder in holders:
        if any(not isinstance(holder.get(name, ""), str) for name in names):
            raise TypeError(f"{what} is no string")


_CONSTRAINT = ("key", "severity", "expression", "human", "source")
_STRINGS = ("i", "r", "N")
_NUMBERS = ("n", "x", "B", "L", "m", "u", "S")


def _sound(row: Row) -> None:
    """Whether an element's row has the shape that its readers rely on.

    Raises:
        TypeError: it has not.
    """
    for key in _STRINGS:
        if key in row and not isinstance(row[key], str):
            raise TypeError(f"an element's {key!r} is no string")
    for key in _NUMBERS:
        if key in row and type(row[key]) is not int:
            raise TypeError(f"a cardinality or length of {row['i']} is no whole number")
    for kind in row.get("t", ()):
        for part in (kind[0], *(kind[1] if kind[1:] else ()), *(kind[2] if kind[2:] else ())):
            if not isinstance(part, str):
                raise TypeError(f"a type of {row['i']} is no string")
    if any(not isinstance(part, str | None) for part in row.get("b", ())):
        raise TypeError(f"the binding of {row['i']} names its value set by something else than a canonical")
    if "s" in row and any(not isinstance(part, str) for pair in row["s"][0] for part in pair):
        raise TypeError(f"a discriminator of {row['i']} is no string")
