"""Which FHIR stands for which source file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fhir_bridge.fhir.bundles import is_ndjson, iter_documents
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.workshop.audit.fhir_pool import EVERYTHING, Allowed, Pool
from fhir_bridge.workshop.audit.leaves import SourceRecord
from fhir_bridge.workshop.dicom_files import is_dicom

__all__ = ["Group", "Problem", "allowed_resources", "form_of_source", "groups", "read_pool"]

_FHIR: Final = frozenset((".json", ".ndjson", ".jsonl", ".fhir", ".xml"))
_MESSAGES: Final = (".hl7", ".hl7v2", ".er7", ".mllp")
_TABLES: Final = (".csv", ".tsv", ".tab")
_VARIANTS: Final = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf", ".gvcf", ".gvcf.gz")
_TYPES: Final = re.compile(r"[A-Z][A-Za-z]+(?:[-_.]?\d+)?\Z")


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or a part of it that can't be read."""

    place: str
    reason: str


@dataclass(slots=True)
class Group:
    """Source files, and the FHIR files that were made of them."""

    sources: list[Path] = field(default_factory=list)
    fhir: list[Path] = field(default_factory=list)


def groups(source: Path, fhir: Path) -> tuple[list[Group], list[Path]]:
    """Source files with their FHIR, and the FHIR files that belong to no source.

    FHIR belongs to the source of the same name (`a/b.hl7`: `a/b.json`, `b.expected.ADT_A01.json`); sources without
    such FHIR share all that is left over.
    """
    sources = _files(source, lambda path: form_of_source(path) is not None)
    outputs = _files(fhir, lambda path: path.suffix.lower() in _FHIR)
    paired: list[Group] = []
    left: list[Path] = []
    used: set[Path] = set()
    for path in sources:
        own = _named(path, outputs, source, fhir)
        if own:
            used.update(own)
            paired.append(Group([path], own))
        else:
            left.append(path)
    rest = [path for path in outputs if path not in used]
    if left:
        paired.append(Group(left, rest))
        rest = []
    return paired, rest


def _named(path: Path, outputs: Iterable[Path], source: Path, fhir: Path) -> list[Path]:
    """The FHIR files that are called as a source file is, those of the same folder if there are any."""
    stem = _stem(path)
    seen = [
        other
        for other in outputs
        if not _TYPES.match(other.stem) and (other.name.startswith(f"{stem}.") or other.stem == stem)
    ]
    longer = [other for other in seen if other.stem == stem] or seen
    folder = path.parent.relative_to(source) if source.is_dir() else Path()
    same = [
        other for other in longer if (other.parent.relative_to(fhir) if fhir.is_dir() else Path()) == folder
    ]
    return same or longer


def _stem(path: Path) -> str:
    """The name without its ending, of several suffixes without all: `panel` of `panel.vcf.gz`."""
    longest = max((end for end in _VARIANTS if path.name.lower().endswith(end)), key=len, default="")
    return path.name[: -len(longest)] if longest else path.stem


def form_of_source(path: Path) -> str | None:
    """What a file is: `hl7v2`, `csv`, `vcf`; `dicom` by its content too; None for what is no source."""
    name = path.name.lower()
    for form, suffixes in (("hl7v2", _MESSAGES), ("csv", _TABLES), ("vcf", _VARIANTS)):
        if name.endswith(suffixes):
            return form
    return "dicom" if path.suffix.lower() not in _FHIR and is_dicom(path) else None


def _files(path: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    if path.is_file():
        return [path]
    return [file for file in sorted(path.rglob("*")) if file.is_file() and wanted(file)]


def read_pool(files: Iterable[Path], base: Path, problems: list[Problem], foreign: list[str]) -> Pool:
    """The FHIR of some files. What can't be read is a problem with its place; files without FHIR are `foreign`."""
    pool = Pool()
    for path in files:
        name = path.relative_to(base).as_posix() if base.is_dir() else path.name
        others: list[str] = []
        before = len(pool.resources)
        try:
            for locator, text in _documents(path):
                place = name + locator[len(path.name) :]
                try:
                    document = loads_exact(text)
                except JsonError as error:
                    problems.append(Problem(place, str(error)))
                    continue
                if isinstance(document, dict) and document.get("resourceType"):
                    pool.add(document, place)
                else:
                    others.append(place)
        except (OSError, JsonError) as error:
            problems.append(Problem(name, str(error)))
        if others and len(pool.resources) == before:
            foreign.append(name)
        elif others:
            problems.append(
                Problem(others[0], f"no FHIR resource here, nor in {len(others) - 1} other places")
            )
    pool.link()
    return pool


def _documents(path: Path) -> Iterator[tuple[str, bytes]]:
    if is_ndjson(path):
        yield from iter_documents(path)
        return
    text = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    if text.lstrip()[:1] == b"{" and b"\n{" in text.strip() and not _one_document(text):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{path.name}:{number}", line
        return
    yield from iter_documents(path)


def _one_document(text: bytes) -> bool:
    try:
        loads_exact(text)
    except JsonError:
        return False
    return True


def allowed_resources(record: SourceRecord, pool: Pool, several: bool) -> Allowed:
    """The resources of a pool that may be of the record.

    A pool that stands for several records is narrowed to the Bundle that names the record (MSH-10), else to what is
    about its patients or about nobody.
    """
    if not several:
        return EVERYTHING
    if pool.bundles > 1:
        for name in record.names:
            for leaf in pool.find("t:" + name.casefold()):
                if leaf.resource.bundle >= 0 and leaf.resource.type in ("Bundle", "MessageHeader"):
                    return Allowed(bundle=leaf.resource.bundle)
    patients = frozenset(
        patient
        for identifier in record.patients
        for leaf in pool.find("t:" + identifier.casefold())
        if leaf.resource.type in ("Patient", "Specimen") and ".identifier." in leaf.path
        for patient in leaf.resource.patients
    )
    return Allowed(patients=patients)
