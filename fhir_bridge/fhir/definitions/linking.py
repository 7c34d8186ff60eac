"""Packages made one layer: bases found, snapshots made, references pinned to versions, value sets worked out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fhir_bridge.fhir.definitions import r4
from fhir_bridge.fhir.definitions.compact import MALFORMED
from fhir_bridge.fhir.definitions.expansions import (
    Expansion,
    ExpansionError,
    Expansions,
    SystemTree,
    value_set_row,
)
from fhir_bridge.fhir.definitions.layers import key, sorted_versions
from fhir_bridge.fhir.definitions.package_files import PackageError
from fhir_bridge.fhir.definitions.package_reading import Draft, PackageDraft
from fhir_bridge.fhir.definitions.registration import code_of, content_of
from fhir_bridge.fhir.definitions.registry import Definitions
from fhir_bridge.fhir.definitions.searches import search_rows
from fhir_bridge.fhir.definitions.snapshots import SnapshotError, snapshot
from fhir_bridge.fhir.definitions.versions import named, newest, split

__all__ = ["link"]

BUILT_IN = frozenset(
    {
        "hl7.fhir.r4.core",
        "hl7.fhir.r4.expansions",
        "hl7.fhir.r4.examples",
        "hl7.terminology",
        "hl7.terminology.r4",
        "hl7.fhir.uv.extensions",
        "hl7.fhir.uv.extensions.r4",
        "hl7.fhir.uv.genomics-reporting",
        "hl7.fhir.uv.ips",
        "hl7.fhir.uv.tools",
        "hl7.fhir.uv.tools.r4",
    }
)
"""Packages whose definitions are built in, or that define nothing that a resource is checked against."""

OTHER_VERSIONS = {"hl7.fhir.uv.genomics-reporting": "3.0.0", "hl7.fhir.uv.ips": "2.0.0"}
"""Guides that are built in, in this version."""

SHOWN = 3
"""Names that a message lists."""

MAX_LISTED = 100_000
"""Codes of a value set that are listed; a larger one is left to the terminology available."""

PackagedDraft = tuple[PackageDraft, Draft]
Row = dict[str, Any]


class _Waiting(Exception):
    """A snapshot needs the elements of a structure that has none yet."""


class _Set:
    """Definitions of one kind by url and version, the first of each."""

    def __init__(self, packages: Iterable[PackageDraft], kind: str) -> None:
        self.by_url: dict[str, dict[str, PackagedDraft]] = {}
        for package in packages:
            for draft in getattr(package, kind):
                versions = self.by_url.setdefault(draft.url, {})
                if draft.version not in versions:
                    versions[draft.version] = (package, draft)
                elif versions[draft.version][1].row != draft.row:
                    first = versions[draft.version]
                    _note(package, draft, "FB-PKG-007", f"is defined in {first[0].label}:{first[1].file} too")

    def get(self, canonical: str) -> PackagedDraft | None:
        url, version = split(canonical)
        # Some urls hold a `|` themselves.
        versions = self.by_url.get(canonical) or self.by_url.get(url)
        if not versions:
            return None
        return versions[named(version, versions) or newest(versions)]

    def remove(self, draft: Draft) -> None:
        self.by_url[draft.url].pop(draft.version, None)
        if not self.by_url[draft.url]:
            del self.by_url[draft.url]

    def all(self) -> list[PackagedDraft]:
        return [version for versions in self.by_url.values() for version in versions.values()]


def _note(package: PackageDraft, draft: Draft, code: str, text: str, severity: str = "warning") -> None:
    package.note(PackageError(code, f"{draft.url} {text}", draft.file), severity)


def link(
    packages: Sequence[PackageDraft], numbers: dict[tuple[str, ...], int], known: Definitions
) -> tuple[Row, Row]:
    """Entries and header of the layer's table; issues are noted in the packages.

    Args:
        known: the definitions that the packages may build on beside their own.
    """
    structures = _Set(packages, "structures")
    value_sets, systems = _Set(packages, "value_sets"), _Set(packages, "code_systems")
    _dependencies(packages)
    _bases(structures, known)
    _snapshots(structures, numbers, known)
    for package, draft in structures.all():
        _discriminators(package, draft)
        _pin(package, draft, structures, value_sets, packages)
    entries: Row = {}
    versions: dict[str, dict[str, list[str]]] = {}

    def put(kind: str, draft: Draft, row: Row) -> None:
        entries[key(kind, draft.url, draft.version)] = row
        versions.setdefault(kind, {}).setdefault(draft.url, []).append(draft.version)

    for _, draft in structures.all():
        put("extensions" if draft.row["type"] == "Extension" else "profiles", draft, draft.row)
    for _, draft in systems.all():
        put("code_systems", draft, draft.row)
    for draft, row in _value_sets(value_sets, systems):
        put("value_sets", draft, row)
    entries |= _searches(packages, known)
    header = {
        "constraints": [list(constraint) for constraint in numbers],
        "versions": {kind: sorted_versions(result) for kind, result in versions.items()},
        "globals": _globals(packages, structures, known),
    }
    return entries, header


def _dependencies(packages: Sequence[PackageDraft]) -> None:
    """Note each dependency that is not available, once, however many packages name it."""
    names = {package.name for package in packages}
    needing: dict[tuple[str, str], list[PackageDraft]] = {}
    for package in packages:
        for name, version in package.dependencies.items():
            if name not in names:
                needing.setdefault((name, version), []).append(package)
    for (name, version), (first, *others) in needing.items():
        if name not in BUILT_IN:
            text = f"it depends on {name}#{version}, which is not available: what that defines is not checked"
        elif OTHER_VERSIONS.get(name, version) != version:
            text = (
                f"it depends on {name}#{version}; {OTHER_VERSIONS[name]}, which is built in, takes its place"
            )
        else:
            continue
        if others:
            text += f" (so for {', '.join(package.label for package in others)})"
        first.note(PackageError("FB-PKG-009", text), "warning")


def _bases(structures: _Set, known: Definitions) -> None:
    """Drop what builds on itself, and what has no snapshot and no base to make one from."""
    for package, draft in structures.all():
        seen = {id(draft)}
        at: PackagedDraft | None = (package, draft)
        while at is not None:
            base = str(at[1].row.get("base") or "")
            at = structures.get(base)
            if at is not None and id(at[1]) in seen:
                if at[1] is draft:
                    _note(
                        package,
                        draft,
                        "FB-PKG-005",
                        f"builds on itself by way of {base}; it is not used",
                        "error",
                    )
                    draft.row["cyclic"] = 1
                break
            if at is not None:
                seen.add(id(at[1]))
    alone: dict[int, tuple[PackageDraft, list[str]]] = {}
    for package, draft in structures.all():
        if draft.row.pop("cyclic", None):
            structures.remove(draft)
            continue
        base = str(draft.row.get("base") or "")
        if structures.get(base) is None and known.rows_of(base) is None:
            if draft.ready:
                alone.setdefault(id(package), (package, []))[1].append(base)
            else:
                _note(
                    package,
                    draft,
                    "FB-PKG-005",
                    f"builds on {base}, which is not available; it is not used",
                    "error",
                )
                structures.remove(draft)

    for package, bases in alone.values():
        shown = ", ".join(sorted(set(bases))[:SHOWN]) + (" …" if len(set(bases)) > SHOWN else "")
        text = f"{len(bases)} profiles build on what is not available ({shown}); their own snapshots are used"
        package.note(PackageError("FB-PKG-005", text), "warning")


def _snapshots(structures: _Set, numbers: dict[tuple[str, ...], int], known: Definitions) -> None:
    """Create the snapshots that are missing, bases first."""
    content_of_known = content_of(known)

    def content(kind: Sequence[Any]) -> Sequence[Mapping[str, Any]] | None:
        for canonical in kind[2] if len(kind) > 2 else ():
            structure = structures.get(canonical)
            if structure is not None:
                # As long as others progress, an extension's own snapshot is worth waiting for.
                if not structure[1].ready and patient:
                    raise _Waiting
                if structure[1].ready:
                    # Invariants hold by the extension's own definition, and would otherwise count twice.
                    return [{k: v for k, v in e.items() if k != "c"} for e in structure[1].row["elements"]]
        return content_of_known(kind)

    def base_rows(draft: Draft) -> Sequence[Mapping[str, Any]]:
        structure = structures.get(str(draft.row["base"]))
        if structure is not None:
            if not structure[1].ready:
                raise _Waiting
            return list(structure[1].row["elements"])
        rows, constraints = known.rows_of(str(draft.row["base"])) or ((), ())
        return _with_numbers(rows, constraints, numbers)

    waiting = [structure for structure in structures.all() if not structure[1].ready]
    patient = True
    while waiting:
        left = []
        for package, draft in waiting:
            try:
                draft.row["elements"] = snapshot(draft.row["elements"], base_rows(draft), content)
                draft.ready = True
            except _Waiting:
                left.append((package, draft))
            except SnapshotError as error:
                _note(package, draft, "FB-PKG-006", f"is not used: {error}", "error")
                structures.remove(draft)
            except MALFORMED as error:
                _note(package, draft, "FB-PKG-004", f"is not well formed: {error}", "error")
                structures.remove(draft)
        if len(left) == len(waiting):
            if not patient:
                for package, draft in left:
                    text = f"builds on {draft.row['base']}, which can't be used; it is not used"
                    _note(package, draft, "FB-PKG-005", text, "error")
                    structures.remove(draft)
                return
            patient = False  # extensions that hold each other: the walk takes the data type
        waiting = left


def _with_numbers(
    rows: Sequence[Mapping[str, Any]],
    constraints: Sequence[Sequence[str]],
    numbers: dict[tuple[str, ...], int],
) -> list[Mapping[str, Any]]:
    """Rows of a built-in table with the layer's numbers of their constraints."""
    return [
        {**row, "c": [numbers.setdefault(tuple(constraints[n]), len(numbers)) for n in row["c"]]}
        if "c" in row
        else row
        for row in rows
    ]


def _discriminators(package: PackageDraft, draft: Draft) -> None:
    """Note slicings whose slices nothing distinguishes."""
    sliced = {row["i"].rpartition(":")[0] for row in draft.row["elements"] if "N" in row}
    for row in draft.row["elements"]:
        name = row["i"].rpartition(".")[2]
        implied = name in ("extension", "modifierExtension") or name.endswith("[x]")
        if "s" in row and not row["s"][0] and row["i"] in sliced and not implied:
            text = f"slices {draft.row['type']}{row['i']} without discriminator: its slices are not checked"
            _note(package, draft, "FB-PKG-008", text)


def _pin(
    package: PackageDraft, draft: Draft, structures: _Set, value_sets: _Set, packages: Sequence[PackageDraft]
) -> None:
    """Where a canonical without version has several, take the package's own, or that of a dependency."""
    # A package means the versions it was published with, even where another package brings newer ones.
    names = [package, *(p for p in packages if package.dependencies.get(p.name) == p.version)]

    def pinned(canonical: Any, among: _Set) -> Any:
        if not isinstance(canonical, str) or "|" in canonical or len(among.by_url.get(canonical, ())) < 2:
            return canonical
        result = among.by_url[canonical]
        for owner in names:
            for version, (of, _) in result.items():
                if of is owner:
                    return f"{canonical}|{version}"
        return canonical

    row = draft.row
    row["base"] = pinned(row.get("base"), structures)
    for element in row["elements"]:
        for kind in element.get("t", ()):
            for location in (1, 2):
                if len(kind) > location:
                    kind[location] = [pinned(c, structures) for c in kind[location]]
        if "b" in element:
            strength, *bound = element["b"]
            element["b"] = [strength, *(pinned(c, value_sets) for c in bound)]


def _globals(packages: Sequence[PackageDraft], structures: _Set, known: Definitions) -> dict[str, list[str]]:
    """Profiles that guides ask of every resource of a type, in their own package's version where it has them."""
    results: dict[str, list[str]] = {}
    for package in packages:
        for kind, canonicals in package.globals.items():
            for canonical in canonicals:
                if structures.get(canonical) is None and known.rows_of(canonical) is None:
                    text = f"its guide asks {canonical} of every {kind}, which is not available: that is not checked"
                    package.note(PackageError("FB-PKG-009", text), "warning")
                    continue
                own = [
                    f"{canonical}|{version}"
                    for version, (of, _) in structures.by_url.get(canonical, {}).items()
                    if of is package and version
                ]
                results.setdefault(kind, []).append(own[0] if own else canonical)
    return results


def _value_sets(value_sets: _Set, systems: _Set) -> list[tuple[Draft, Row]]:
    trees: dict[str, SystemTree | None] = {}

    def tree(canonical: str) -> SystemTree | None:
        if canonical not in trees:
            own = systems.get(canonical)
            row = own[1].row if own else r4.built_row("code_systems", canonical)
            trees[canonical] = SystemTree(row) if row else None
        return trees[canonical]

    def compose(canonical: str) -> Mapping[str, Any] | None:
        value_set = value_sets.get(canonical)
        return value_set[1].row if value_set else None

    def ready(canonical: str) -> Expansion | None:
        row = r4.built_row("value_sets", canonical)
        return ({s: set(codes) for s, codes in row["c"].items()}, list(row.get("o", ()))) if row else None

    expansions = Expansions(compose, tree, ready)
    rows = []
    for package, draft in value_sets.all():
        try:
            expanded = expansions.expand(f"{draft.url}|{draft.version}" if draft.version else draft.url)
        except ExpansionError as error:
            _note(package, draft, "FB-PKG-005", f"is not used: {error}", "error")
            continue
        except MALFORMED as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
            _note(package, draft, "FB-PKG-004", f"is not well formed: {what}", "error")
            continue
        if expanded is not None:
            codes, rest = expanded
            if sum(map(len, codes.values())) > MAX_LISTED:
                codes, rest = {}, [*rest, *([system, [["listed", "=", ""]]] for system in codes)]
            rows.append((draft, value_set_row(draft.version, (codes, rest))))
    return rows


def _searches(packages: Iterable[PackageDraft], known: Definitions) -> Row:
    results = [(package, draft) for package in packages for draft in package.searches]
    codes = {draft.url: str(draft.row.get("code")) for _, draft in results}
    entries: Row = {}
    for package, draft in results:
        try:
            rows = list(search_rows(draft.row, r4.resource_types(), lambda c: code_of(c, codes, known)))
            code = str(draft.row["code"])
        except MALFORMED as error:
            what = f"{error.args[0]!r} is missing or not known" if isinstance(error, KeyError) else str(error)
            _note(package, draft, "FB-PKG-004", f"is not used: {what}", "error")
            continue
        for kind, row in rows:
            if kind in r4.resource_types():
                entries.setdefault(f"search {kind}", {}).setdefault(code, row)
    return entries
