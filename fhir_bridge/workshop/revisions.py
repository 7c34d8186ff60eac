"""Versions of a mapping that git has: `HEAD~1:mappings/x/mapping.yaml`, with all files of that revision."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fhir_bridge.mapping import MappingError, MappingErrors, Position, find_mapping, mapping_names, relocated

__all__ = ["Version", "version_of"]

_REFERENCE = re.compile(r"(?P<revision>[^\s:-][^\s:]*):(?P<path>.+)", re.DOTALL)
_READ = frozenset((".yaml", ".yml", ".csv", ".tsv", ".txt", ".json"))
"""Endings of what a mapping is made of: its own files, those it includes and extends, tables that it joins."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a mapping.

    Attributes:
        name: as it was asked for.
        mapping: name or file to load it by.
        repository, tree: the checkout, and the folder that has its files as they were; None for what is not from git.
    """

    name: str
    mapping: str
    repository: Path | None = None
    tree: Path | None = None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While this is open, files of the checkout are looked for as they were at the revision."""
        if self.repository is None or self.tree is None:
            yield
            return
        with relocated(self.repository, self.tree, self.name.partition(":")[0]):
            yield


@contextmanager
def version_of(name: str, revision: str = "") -> Iterator[Version]:
    """A version by file, by name (`ehr/hl7v2`), or of git: `REVISION:PATH`, or `revision` and a path.

    `PATH` is as git takes it (from the top of the repository; `./x` from this folder), or the name of a mapping whose
    file is in a repository. It may be the folder that has `mapping.yaml`.

    Raises:
        MappingErrors: git has no such revision or file.
    """
    match = None if revision or _is_mapping(name) else _REFERENCE.fullmatch(name)
    if not revision and match is None:
        yield Version(name, name)
        return
    if match:
        revision, path = match["revision"], match["path"]
        start = find_mapping(path).resolve() if path in mapping_names() else Path.cwd()
    else:
        start = find_mapping(name).resolve()
        path = str(start)
    shown = f"{revision}:{path if match else name}"
    repository = _repository(start, shown)
    commit = _git(
        repository, shown, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-") as folder:
        tree = Path(folder).resolve()
        _extract(repository, commit, tree, shown)
        inside = _inside(path, start, repository)
        file = tree / inside
        if file.is_dir():
            file /= "mapping.yaml"
        if not file.is_file():
            raise _error(shown, f"{revision} has no file {inside.as_posix()}")
        yield Version(shown, str(file), repository, tree)


def _is_mapping(name: str) -> bool:
    return Path(name).exists() or name in mapping_names()


def _inside(path: str, start: Path, repository: Path) -> PurePosixPath:
    """The path from the top of the repository."""
    if start.is_file():
        return PurePosixPath(start.relative_to(repository).as_posix())
    if path.startswith("."):
        resolved = (start / path).resolve()
        return PurePosixPath(
            resolved.relative_to(repository).as_posix() if resolved.is_relative_to(repository) else path
        )
    return PurePosixPath(path)


def _repository(start: Path, shown: str) -> Path:
    folder = start if start.is_dir() else start.parent
    return Path(_git(folder, shown, "rev-parse", "--show-toplevel")).resolve()


def _git(folder: Path, shown: str, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and options end before what a person wrote
            ["git", "-C", str(folder), *arguments],  # noqa: S607 - the git that the person uses
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise _error(shown, "git is not installed") from None
    if done.returncode:
        reason = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ").partition("\n")[0]
        raise _error(shown, reason or f"git knows no revision {shown.partition(':')[0]}")
    return done.stdout.decode("utf-8").strip()


def _extract(repository: Path, commit: str, tree: Path, shown: str) -> None:
    """What a mapping can be made of, as it was."""
    with tempfile.TemporaryFile() as packed:
        done = subprocess.run(  # noqa: S603 - no shell; the commit is a hash
            ["git", "-C", str(repository), "archive", "--format=tar", commit],  # noqa: S607
            stdout=packed,
            stderr=subprocess.PIPE,
            check=False,
        )
        if done.returncode:
            raise _error(shown, done.stderr.decode("utf-8", "replace").strip())
        packed.seek(0)
        with tarfile.open(fileobj=packed, mode="r:") as archive:
            for member in archive:
                if member.isfile() and PurePosixPath(member.name).suffix.lower() in _READ:
                    archive.extract(member, tree, filter="data")


def _error(shown: str, reason: str) -> MappingErrors:
    hint = "write REVISION:PATH with the path from the top of the repository"
    return MappingErrors([MappingError(Position(shown, 1, 1), reason, hint, "FB-MAP-012")])
