"""From what a person names (files, folders, `-`) to the files an adapter reads."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.source_files import SourceFiles
from fhir_bridge.plugins import Adapter

__all__ = ["STANDARD_INPUT", "SourceError", "expand", "fhir_files", "is_standard_input", "standard_input"]

STANDARD_INPUT = "stdin"
"""What locators call it."""
_KEPT = "fhir-bridge-stdin-"


class SourceError(Exception):
    """A source that can't be used at all; the issue says which and why."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(issue.message)
        self.issue = issue


def expand(sources: Iterable[str | Path], adapter: Adapter) -> tuple[Sequence[Path], list[Path]]:
    """Files to read, in a stable order, and files of the named folders that the adapter does not take.

    A file that is named itself is always read; in a folder only names that end as the adapter's `suffixes` are.
    Hidden files are left out. `-` is standard input.

    Raises:
        SourceError: a source does not exist, or its name can't be written in a report.
    """
    left: list[Path] = []
    named = list(sources)
    files = _files(named, adapter.suffixes, left)
    # Nothing is in one folder twice.
    return SourceFiles(_named(files if len(named) == 1 else dict.fromkeys(files))), left


def _files(sources: Iterable[str | Path], suffixes: Sequence[str], left: list[Path]) -> Iterator[str]:
    """The files to read; those of folders that are not taken go into `left`."""
    for source in sources:
        if str(source) == "-":
            yield str(standard_input())
            continue
        path = Path(source)
        if path.is_dir():
            for file, is_file in _below(str(path)):
                if is_file and _takes(file, suffixes):
                    yield file
                else:
                    left.append(Path(file))
        elif path.exists():
            yield str(path)
        else:
            raise SourceError(Issue("fatal", "FB-RUN-003", f"{path} does not exist", str(path)))


def _below(folder: str) -> Iterator[tuple[str, bool]]:
    """What is below a folder by name, hidden things left out, and whether it is a file: no pipe, no link to nothing.

    Links to folders are not followed: one may lead around in a circle.
    """
    try:
        with os.scandir(folder) as scanned:
            shown = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False), _is_file(entry))
                for entry in scanned
                if not entry.name.startswith(".")
            )
    except OSError:  # it can't be read
        yield folder, False
        return
    for name, is_folder, is_file in shown:
        path = f"{folder.rstrip(os.sep)}{os.sep}{name}"
        if is_folder:
            yield from _below(path)
        else:
            yield path, is_file


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link to itself
        return False


def fhir_files(sources: Sequence[str], *, xml: bool = False) -> list[Path]:
    """Files of FHIR among the sources: named ones, and `.json`, `.ndjson` and (with `xml`) FHIR's `.xml` of folders.

    `-` is NDJSON on standard input. Reports, rejects and manifests that a run of ours left beside its NDJSON are no
    resources and are left out.

    Raises:
        SourceError: a source does not exist, or its name can't be written in a report.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        if str(source) == "-":
            files.append(standard_input(f"{STANDARD_INPUT}.ndjson"))
        elif source.is_dir():
            files += [
                file
                for file in sorted(source.rglob("*"))
                if (
                    file.suffix in (".json", ".ndjson", ".jsonl")
                    or (xml and file.suffix == ".xml" and _is_fhir(file))
                )
                and file.name not in ("manifest.json", "report.json", "rejects.ndjson")
                and not any(part.startswith(".") for part in file.relative_to(source).parts)
            ]
        elif source.exists():
            files.append(source)
        else:
            raise SourceError(Issue("fatal", "FB-RUN-003", f"{source} does not exist", str(source)))
    return [*map(Path, _named(map(str, files)))]


def _named(files: Iterable[str]) -> Iterator[str]:
    """The files, all of whose names can be written in locators, reports and the manifest."""
    for file in files:
        try:
            file.encode()
        except UnicodeEncodeError:  # the bytes of a name that is not UTF-8
            shown = file.encode("utf-8", "backslashreplace").decode()
            raise SourceError(
                Issue("fatal", "FB-RUN-003", f"the name of {shown} is not UTF-8: rename it", shown)
            ) from None
        yield file


def _is_fhir(file: Path) -> bool:
    """Whether an XML file is FHIR's: folders hold documents of other standards beside it."""
    with file.open("rb") as opened:
        return b'"http://hl7.org/fhir"' in opened.read(4096).replace(b"'", b'"')


def _takes(file: str, suffixes: Sequence[str]) -> bool:
    name = file.rpartition(os.sep)[2].lower()
    return not suffixes or any(name.endswith(suffix) for suffix in suffixes)


def is_standard_input(path: Path) -> bool:
    """Whether a file is what standard input was kept in."""
    return path.name == STANDARD_INPUT and path.parent.name.startswith(_KEPT)


def standard_input(name: str = STANDARD_INPUT) -> Path:
    """Standard input in a file of this name that only this user can read, removed when the process ends.

    The name is always the same: locators and the ids of what is known to its source alone are built from it.
    """
    folder = Path(tempfile.mkdtemp(prefix=_KEPT))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / name
    with path.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    return path
