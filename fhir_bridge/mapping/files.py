"""Where the files of mappings are: by name, by path, and relative to the file that names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from fhir_bridge.mapping.errors import MappingError, MappingErrors, Position, nearest
from fhir_bridge.plugins import get_manager, shipped

__all__ = [
    "file_of",
    "find_mapping",
    "find_named",
    "is_shipped",
    "mapping_names",
    "read_text",
    "relocated",
    "shown_name",
]

FILE = "mapping.yaml"

_relocation: ContextVar[tuple[Path, Path, str] | None] = ContextVar("_relocation", default=None)


@contextmanager
def relocated(folder: Path, other: Path, label: str) -> Iterator[None]:
    """While this is open, mappings of `folder` are looked for in `other`: an earlier revision of the same files.

    Args:
        folder, other: as they are once resolved.
        label: what messages write before the paths of `other`: `HEAD~1`.
    """
    token = _relocation.set((folder, other, label))
    try:
        yield
    finally:
        _relocation.reset(token)


def _folders() -> list[Path]:
    folders = [shipped("mappings")]
    for group in get_manager().hook.fhir_bridge_mappings():
        folders += [Path(folder) for folder in group or ()]
    relocation = _relocation.get()
    if relocation is None:
        return folders
    own, other, _ = relocation
    inside = ((folder, folder.resolve()) for folder in folders)
    return [other / real.relative_to(own) if real.is_relative_to(own) else folder for folder, real in inside]


def mapping_names() -> dict[str, Path]:
    """All mappings that are shipped or added by plug-ins: `ehr/hl7v2` -> file."""
    paths: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.glob(f"*/*/{FILE}")):
            paths.setdefault(f"{path.parent.parent.name}/{path.parent.name}", path)
    return paths


def _named(name: str) -> Path | None:
    """The file of a full name: what `mapping_names` has of it, without listing all."""
    if name.count("/") != 1 or name.startswith((".", "/")):
        return None
    return next((path for folder in _folders() if (path := folder / name / FILE).is_file()), None)


def is_shipped(name: str | Path) -> bool:
    """Whether a mapping is one of the project itself, as it ships.

    Raises:
        MappingErrors: there is none of this name.
    """
    return find_mapping(name).resolve().is_relative_to(shipped("mappings").resolve())


def find_mapping(name: str | Path) -> Path:
    """The file of a mapping: a path, `ehr/hl7v2`, or `hl7v2` where that names one alone.

    Raises:
        MappingErrors: there is none, or the short name means several.
    """
    path = Path(name)
    if path.is_dir() and (path / FILE).is_file():
        return path / FILE
    if path.is_file():
        return path
    text = str(name)
    if named := _named(text):
        return named
    known = mapping_names()
    short = [full for full in known if full.partition("/")[2] == text]
    if len(short) == 1:
        return known[short[0]]
    if short:
        statement, hint = f'"{text}" names several mappings', f"write {' or '.join(short)}"
    elif path.suffix in (".yaml", ".yml"):
        statement, hint = f"there is no file {text}", ""
    else:
        statement, hint = (
            f'no mapping is named "{text}"',
            nearest(text, [*known, *(n.partition("/")[2] for n in known)]),
        )
    raise MappingErrors([MappingError(Position(text, 1, 1), statement, hint, "FB-MAP-012")])


def find_named(name: str, beside: Path, position: Position, *, mapping: bool) -> Path:
    """The file that `include:` or `extends:` names: beside the file that names it, else shipped or of a plug-in.

    Args:
        name: as written: `segments/pid.yaml`, `../laboratory`, `ehr/hl7v2`, `ehr/hl7v2/segments/pid.yaml`.
        beside: the file that names it.
        position: where it does.
        mapping: a folder stands for its `mapping.yaml`, and `hl7v2` for `ehr/hl7v2`.

    Raises:
        MappingErrors: there is none.
    """
    for folder in _beside_first(beside):
        path = folder / name
        for candidate in (path / FILE if mapping else path, path, Path(f"{path}.yaml")):
            if candidate.is_file() and not _same(candidate, beside):
                return candidate
    if mapping:
        known = mapping_names()
        short = [full for full in known if full.partition("/")[2] == name]
        if len(short) == 1:
            return known[short[0]]
        hint = nearest(name, [*known, *(full.partition("/")[2] for full in known)])
        statement = f'no mapping is named "{name}", and {name} is no file'
    else:
        hint = nearest(name, (file.name for file in beside.parent.glob("*.yaml") if file != beside))
        statement = f"there is no file {name} beside this one or among what is shipped"
    raise MappingErrors([MappingError(position, statement, hint, "FB-MAP-012")])


def _beside_first(file: Path) -> Iterator[Path]:
    yield file.parent
    yield from _folders()


def _same(file: Path, other: Path) -> bool:
    return other.is_file() and file.samefile(other)


def read_text(file: Path, shown: str = "") -> str:
    """The text of a file; `shown` is what messages call it.

    Raises:
        MappingErrors: it is not UTF-8.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        position = Position(shown or shown_name(file), 1, 1)
        raise MappingErrors(
            [MappingError(position, f"the file is not UTF-8 (byte {error.start})", "", "FB-MAP-002")]
        ) from error


def shown_name(file: Path, value: str | Path = "") -> str:
    """What messages call a file: `ehr/hl7v2`, `ehr/hl7v2/segments/pid.yaml` of what is shipped or added, wherever
    this machine keeps it; else the path as it was given."""
    location = file.resolve()
    relocation = _relocation.get()
    if relocation is not None and location.is_relative_to(relocation[1]):
        return f"{relocation[2]}:{location.relative_to(relocation[1]).as_posix()}"
    for folder in _folders():
        real = _resolved(folder)
        if not location.is_relative_to(real):
            continue
        group, mapping, *rest = (*location.relative_to(real).parts, "", "")
        name = f"{group}/{mapping}"
        if _named(name) == folder / name / FILE:
            inside = "/".join(rest[:-2])
            return name if inside == FILE else f"{name}/{inside}"
    return str(value) if value and Path(value).is_file() else str(file)


def file_of(shown: str) -> Path:
    """The file that messages call so: the inverse of `shown_name`."""
    group, _, rest = shown.partition("/")
    mapping, _, inside = rest.partition("/")
    if named := _named(f"{group}/{mapping}"):
        return named.resolve().parent / (inside or FILE)
    return Path(shown)


@lru_cache(maxsize=64)
def _resolved(folder: Path) -> Path:
    return folder.resolve()
