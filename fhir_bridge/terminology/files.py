"""Folders of terminology JSON: found, read, and refused with a message that says where a file breaks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.terminology.shapes import misshapen

__all__ = ["KINDS", "SourceFile", "TerminologyFileError", "TextIndexError", "read_folders", "read_text"]

KINDS = frozenset({"CodeSystem", "ValueSet", "ConceptMap"})
"""What a terminology is built from."""

OTHERS = frozenset({"StructureDefinition", "NamingSystem", "ImplementationGuide", "SearchParameter"})
"""What may be beside it and is read by others."""


class TerminologyFileError(ValueError):
    """A file in a terminology folder that can't be used; the message names it and what to do."""

    def __init__(self, path: Path, problem: str, code: str = "FB-TERM-001") -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem
        self.code = code


class TextIndexError(ValueError):
    """A text index can't be read (another version of tantivy wrote it, or files are missing), or can't be written."""


def read_text(path: Path, remedy: str, encoding: str = "utf-8-sig") -> str:
    """The text of a file that people write.

    Args:
        remedy: what to do about a file that is not of the encoding.

    Raises:
        TerminologyFileError: it is not, and in which line; or there is no such encoding.
    """
    try:
        return path.read_text(encoding=encoding)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        name = "UTF-8" if encoding == "utf-8-sig" else encoding
        raise TerminologyFileError(path, f"line {line} is not {name}; {remedy}") from error
    except LookupError as error:
        raise TerminologyFileError(path, f"there is no encoding {encoding}") from error


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One resource of a folder.

    Attributes:
        lines: where a resource was read from rows: the line of an element path (`group[0].element[3].target[0]`).
    """

    path: Path
    kind: str
    url: str
    resource: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)


def read_folders(folders: Iterable[Path]) -> Iterator[SourceFile]:
    """The code systems, value sets and concept maps of these folders, folder by folder, sorted by name.

    Raises:
        TerminologyFileError: a folder is missing, a file is not JSON, not such a resource, or has no url.
    """
    for folder in folders:
        if not folder.is_dir():
            raise TerminologyFileError(folder, "there is no such folder of terminology")
        for path in sorted(folder.rglob("*.json")):
            file = read_file(path)
            if file is not None:
                yield file


def read_file(path: Path) -> SourceFile | None:
    """One file; None where it holds a definition that terminology does not use (a StructureDefinition)."""
    try:
        resource = loads_exact(path.read_bytes())
    except JsonError as error:
        raise TerminologyFileError(path, f"{error}; correct the file or take it out of the folder") from error
    except OSError as error:
        raise TerminologyFileError(path, f"can't be read: {error.strerror}") from error
    kind = resource.get("resourceType") if isinstance(resource, dict) else None
    if kind in OTHERS:
        return None
    if not isinstance(kind, str) or kind not in KINDS:
        raise TerminologyFileError(
            path,
            f"holds {kind or 'no resource'}, where CodeSystem, ValueSet or ConceptMap is expected",
            "FB-TERM-002",
        )
    url = resource.get("url")
    if not isinstance(url, str) or not url:
        raise TerminologyFileError(
            path, f"this {kind} has no url, so that nothing can name it", "FB-TERM-003"
        )
    problem = misshapen(resource)
    if problem:
        raise TerminologyFileError(path, problem)
    return SourceFile(path, kind, url, resource)
