"""Validate terminology content: codes that don't exist, displays that don't match, rows twice or against each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.terminology.check_digits import is_well_formed
from fhir_bridge.terminology.concept_maps import EQUIVALENCES
from fhir_bridge.terminology.did_you_mean import did_you_mean, near_codes
from fhir_bridge.terminology.files import SourceFile, TerminologyFileError, read_file, read_folders
from fhir_bridge.terminology.issues import CODES
from fhir_bridge.terminology.lint_displays import called_otherwise, folded_display
from fhir_bridge.terminology.lint_imports import holds_maps, imported, maps_of
from fhir_bridge.terminology.map_sheets import is_map_sheet, read_map_sheet
from fhir_bridge.terminology.service import Terminology, plugin_folders
from fhir_bridge.terminology.store import open_store
from fhir_bridge.terminology.stored import StoreLayer

__all__ = ["lint_files", "lint_folders", "lint_store"]

_NO_TARGET = ("unmatched", "disjoint")
_EXCLUSIVE = ("equal", "equivalent")


def lint_folders(folders: Iterable[Path | str], store: Path | None = None) -> list[Issue]:
    """What is wrong with the terminology files of these folders (or single files); nothing found is an empty list.

    Read are CodeSystem, ValueSet and ConceptMap JSON, maps as HL7's v2-to-FHIR sheets (CSV), and downloads that hold
    maps (Usagi, SSSOM, an OMOP vocabulary, a FHIR package). Codes are looked up in what ships, in what plug-ins add, in
    the folders themselves and in the content store. A code of a system that is not completely available (SNOMED CT and
    LOINC, where they are not imported) is checked by its check digit.

    Args:
        store: folder of the content store; None leaves it out.
    """
    issues: list[Issue] = []
    files: list[SourceFile] = []
    downloads: list[Path] = []
    for folder in map(Path, folders):
        if not folder.exists():
            issues.append(_issue("FB-TERM-001", "there is no such file or folder", str(folder)))
            continue
        for path in sorted(_candidates(folder)):
            if _is_download(path):
                downloads.append(path)
                continue
            try:
                file = read_map_sheet(path) if path.suffix == ".csv" else read_file(path)
            except TerminologyFileError as error:
                issues.append(_issue(error.code, error.problem, str(path)))
                continue
            if file is not None:
                files.append(file)
    linted = {file.path.resolve() for file in files}
    around = [file for file in read_folders(plugin_folders()) if file.path.resolve() not in linted]
    opened = None if store is None else lambda: store
    issues.extend(lint_files(files, Terminology.of([*around, *files], store=opened)))
    for path in downloads:
        issues.extend(_download(path, [*around, *files], opened))
    return issues


def lint_store(folder: Path) -> list[Issue]:
    """What is wrong with the concept maps of a content store; findings name a map by its url."""
    around = list(read_folders(plugin_folders()))
    return lint_files(list(maps_of(open_store(folder))), Terminology.of(around, store=lambda: folder))


def _candidates(location: Path) -> Iterator[Path]:
    """The files to check: a given one whatever it is; in a folder JSON, and the tables that are maps."""
    if location.is_file() or _is_download(location):
        yield location
        return
    yield from location.rglob("*.json")
    for kind in ("*.csv", "*.tsv"):
        yield from (path for path in location.rglob(kind) if holds_maps(path) or is_map_sheet(path))


def _is_download(path: Path) -> bool:
    """Whether it has to be imported to be read."""
    if path.is_dir():
        return (path / "CONCEPT.csv").is_file() and holds_maps(path)
    return path.suffix not in (".json", ".csv") or (path.suffix == ".csv" and holds_maps(path))


def _download(path: Path, around: Sequence[SourceFile], store: Callable[[], Path] | None) -> list[Issue]:
    """The findings of the maps of a download; its own code systems count before those of the store."""
    try:
        with imported(path) as own:
            terminology = Terminology.of(around, store=store, more=(StoreLayer(lambda: own.path),))
            return lint_files(list(maps_of(own, path)), terminology)
    except TerminologyFileError as error:
        return [_issue(error.code, error.problem, str(path))]


def lint_files(files: Sequence[SourceFile], terminology: Terminology) -> list[Issue]:
    """As `lint_folders`, of files that are read already, against a given terminology."""
    issues = list(_same_url(files))
    for file in files:
        if file.kind == "ConceptMap":
            issues.extend(_Map(file, terminology).findings())
        elif file.kind == "CodeSystem":
            issues.extend(_code_system(file))
        else:
            issues.extend(_value_set(file, terminology))
    return issues


def _issue(code: str, message: str, source: str, expression: str = "") -> Issue:
    return Issue(CODES[code].severity, code, message, source, expression)


def _at(file: SourceFile, code: str, message: str, path: str) -> Issue:
    """An issue at an element path of a file, with the line where the file was read from rows."""
    line = file.lines.get(path) or file.lines.get(path.rpartition(".")[0])
    return _issue(code, message, f"{file.path}:{line}" if line else str(file.path), path)


def _same_url(files: Sequence[SourceFile]) -> Iterator[Issue]:
    seen: dict[str, Path] = {}
    for file in files:
        other = seen.setdefault(file.url, file.path)
        if other != file.path:
            yield _issue("FB-TERM-003", f"{file.url} is in {other.name} too", str(file.path), "url")
        if not file.resource.get("id"):
            yield _issue("FB-TERM-003", "no id", str(file.path), "id")


def _code_system(file: SourceFile) -> Iterator[Issue]:
    seen: set[str] = set()
    waiting = [(f"concept[{i}]", c) for i, c in enumerate(file.resource.get("concept", ()))]
    system = file.resource.get("supplements", file.url).split("|")[0]
    while waiting:
        path, concept = waiting.pop(0)
        code = str(concept.get("code"))
        if code in seen:
            yield _issue("FB-TERM-013", f'the code "{code}" occurs twice', str(file.path), f"{path}.code")
        seen.add(code)
        if not is_well_formed(system, code):
            problem = f'"{code}" is no code of {system} (its check digit is wrong)'
            yield _issue("FB-TERM-010", problem, str(file.path), f"{path}.code")
        waiting.extend((f"{path}.concept[{i}]", c) for i, c in enumerate(concept.get("concept", ())))


def _value_set(file: SourceFile, terminology: Terminology) -> Iterator[Issue]:
    compose = file.resource.get("compose", {})
    for part in ("include", "exclude"):
        for i, include in enumerate(compose.get(part, ())):
            system = include.get("system")
            for j, concept in enumerate(include.get("concept", ())):
                path = f"compose.{part}[{i}].concept[{j}]"
                yield from _coding(file, terminology, system, concept, path, "FB-TERM-010")
            for j, item in enumerate(include.get("filter", ())):
                path = f"compose.{part}[{i}].filter[{j}].value"
                for code in _filtered_by(item):
                    yield from _missing(file, terminology, system, {"code": code}, path, "FB-TERM-010")


def _filtered_by(item: Mapping[str, Any]) -> list[str]:
    """The codes that a filter of a value set names: one that does not exist selects nothing, without a word."""
    operator, value = item.get("op"), item.get("value")
    if item.get("property") not in ("concept", "code") or not isinstance(value, str):
        return []
    if operator in ("in", "not-in"):
        return [code for part in value.split(",") if (code := part.strip())]
    return [] if operator in ("regex", "exists") else [value]


def _coding(
    file: SourceFile,
    terminology: Terminology,
    system: Any,
    concept: Mapping[str, Any],
    path: str,
    missing: str,
    *,
    outdated: bool = False,
) -> Iterator[Issue]:
    """A code that does not exist, is on its way out, or whose display is another's.

    Args:
        missing: issue code for a code that does not exist.
        outdated: whether a deprecated code is in its place here: what is mapped to it is no younger.
    """
    code, display = concept.get("code"), concept.get("display")
    if not isinstance(system, str) or not isinstance(code, str):
        return
    result = terminology.lookup(system, code)
    if result is None:
        yield from _missing(file, terminology, system, concept, f"{path}.code", missing)
        return
    if not result.active:
        retired = "FB-TERM-020" if missing == "FB-TERM-011" else missing
        yield _at(file, retired, f'"{code}" is retired in {system}', f"{path}.code")
    elif missing != "FB-TERM-011" and not outdated and _deprecated(terminology, system, code):
        yield _at(file, "FB-TERM-020", f'"{code}" is deprecated in {system}', f"{path}.code")
    right = called_otherwise(terminology, system, code, display) if isinstance(display, str) else None
    if right is not None:
        problem = f'"{code}" is "{right}" in {system}, not "{display}"'
        yield _at(file, "FB-TERM-012", problem, f"{path}.display")


def _missing(
    file: SourceFile,
    terminology: Terminology,
    system: Any,
    concept: Mapping[str, Any],
    path: str,
    missing: str,
) -> Iterator[Issue]:
    """A code that does not exist, as far as that is known, or whose code system does not."""
    code, display = concept["code"], concept.get("display")
    if not isinstance(system, str) or terminology.lookup(system, code) is not None:
        return
    if terminology.knows_system(system):
        problem = f'{system} has no code "{code}"{_suggestion(terminology, system, code, display)}'
        yield _at(file, missing, problem, path)
    elif not is_well_formed(system, code):
        problem = f'"{code}" is no code of {system} (its check digit is wrong)'
        yield _at(file, missing, problem, path)
    elif terminology.knows_system(system.rstrip("/")) or ":" not in system:
        near = "; did you mean " + system.rstrip("/") + "?" if ":" in system else "; a URL is expected"
        yield _at(file, "FB-TERM-019", f"there is no code system {system}{near}", path)


def _deprecated(terminology: Terminology, system: str, code: str) -> bool:
    content = terminology.library.code_system(system)
    detail = None if content is None else content.get(code)
    return detail is not None and any(
        str(value).casefold() == "deprecated" for value in detail.values("status")
    )


def _suggestion(terminology: Terminology, system: str, code: str, display: Any) -> str:
    """What may have been meant by a code that does not exist: white space in it, or display and code interchanged."""
    bare = "".join(code.replace("\u00c2", "").split())
    if bare != code and bare and terminology.lookup(system, bare) is not None:
        return f'; without the white space (or broken characters) in it, "{bare}" is one'
    if isinstance(display, str):
        other = terminology.lookup(system, display)
        if other is not None and other.display and folded_display(other.display) == folded_display(code):
            return f'; code and display are interchanged: "{display}" is the code'
    content = terminology.library.code_system(system)
    near = [] if content is None else near_codes(content, code, display if isinstance(display, str) else None)
    return f"; did you mean {did_you_mean(content, near)}?" if content is not None and near else ""


class _Map:
    """The findings of one ConceptMap."""

    def __init__(self, file: SourceFile, terminology: Terminology) -> None:
        self.file = file
        self.terminology = terminology
        self.source_set = _canonical(file.resource, "source")
        self.target_set = _canonical(file.resource, "target")
        self.rows: set[tuple[Any, ...]] = set()
        self.exclusive: dict[tuple[Any, ...], list[str]] = defaultdict(list)

    def findings(self) -> Iterator[Issue]:
        for i, group in enumerate(self.file.resource.get("group", ())):
            source, target = group.get("source"), group.get("target")
            for j, element in enumerate(group.get("element", ())):
                path = f"group[{i}].element[{j}]"
                yield from _coding(self.file, self.terminology, source, element, path, "FB-TERM-011")
                yield from self._in_set(self.source_set, source, element, path, "FB-TERM-018")
                for k, row in enumerate(element.get("target", ())):
                    yield from self._target(source, element, target, row, f"{path}.target[{k}]")
        for (source, code, target), codes in self.exclusive.items():
            if len(codes) > 1:
                problem = f'"{code}" is equivalent to {" and ".join(sorted(codes))} of {target}'
                yield self._issue("FB-TERM-014", problem, f"{source or 'text'}")

    def _target(
        self, source: Any, element: Mapping[str, Any], target: Any, row: Mapping[str, Any], path: str
    ) -> Iterator[Issue]:
        equivalence, code = row.get("equivalence"), row.get("code")
        if equivalence not in EQUIVALENCES and equivalence not in _NO_TARGET:
            yield self._issue(
                "FB-TERM-016", f'"{equivalence}" is not an equivalence of R4', f"{path}.equivalence"
            )
        if equivalence in _NO_TARGET:
            return
        if not code or not target:
            missing = "group.target" if code else "a target code"
            yield self._issue("FB-TERM-017", f"{missing} is missing", path)
            return
        old = self._is_outdated(source, element.get("code"))
        yield from _coding(self.file, self.terminology, target, row, path, "FB-TERM-010", outdated=old)
        yield from self._in_set(self.target_set, target, row, path, "FB-TERM-015")
        key = (source, element.get("code"), target, code)
        if key[1] is None:
            return  # a sheet's row that only lists a target
        if key in self.rows:
            yield self._issue("FB-TERM-013", f'"{element.get("code")}" to "{code}" occurs twice', path)
        elif equivalence in _EXCLUSIVE and not row.get("dependsOn"):
            self.exclusive[key[:3]].append(str(code))
        self.rows.add(key)

    def _is_outdated(self, system: Any, code: Any) -> bool:
        if not isinstance(system, str) or not isinstance(code, str):
            return False
        result = self.terminology.lookup(system, code)
        return result is not None and (not result.active or _deprecated(self.terminology, system, code))

    def _in_set(
        self, value_set: str | None, system: Any, coding: Mapping[str, Any], path: str, code: str
    ) -> Iterator[Issue]:
        if value_set is None or not isinstance(system, str) or not isinstance(coding.get("code"), str):
            return
        if self.terminology.member(value_set, system, coding["code"]) is False:
            yield self._issue(code, f'"{coding["code"]}" is not in {value_set}', f"{path}.code")

    def _issue(self, code: str, message: str, expression: str) -> Issue:
        return _at(self.file, code, message, expression)


def _canonical(resource: Mapping[str, Any], side: str) -> str | None:
    value = resource.get(f"{side}Canonical") or resource.get(f"{side}Uri")
    return value if isinstance(value, str) else None
