"""A folder of NDJSON, one file a resource type, that appears whole or not at all.

Each shard writes parts under `.parts/<shard>/`; when all are there, `assemble` joins them in order, lets the
ledger take out what occurs twice, and renames the finished files into place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import orjson

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.ledger import Ledger
from fhir_bridge.pipeline.part_sink import REJECTS, Line, ids_of, lines_of, reject_line

__all__ = [
    "PARTS",
    "OutputFolder",
    "OutputFolderError",
    "assemble",
    "remove_parts",
]

PARTS = ".parts"
_WITHHELD = {
    "conflict": ("FB-RUN-010", "another content of {} under the same id and business time was withheld"),
    "another": ("FB-RUN-011", "{} is known under another patient: it was withheld"),
}


class OutputFolderError(Exception):
    """The output folder can't be used as asked."""


class OutputFolder:
    """The `--out` folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def prepare(self, *, resume: bool, force: bool) -> None:
        """Create the folder, or refuse one with content.

        Raises:
            OutputFolderError: it has content and neither `resume` nor `force` is given.
        """
        if self.path.exists() and not self.path.is_dir():
            raise OutputFolderError(f"{self.path} is a file; --out wants a folder")
        content = sorted(self.path.iterdir()) if self.path.exists() else []
        if content and force:
            self._clear(content)
        elif content and not resume:
            raise OutputFolderError(
                f"{self.path} has content ({content[0].name}, …); use --resume to go on with an interrupted run, "
                "--force to replace what a run left there, or another folder"
            )
        (self.path / PARTS).mkdir(parents=True, exist_ok=True)

    def _clear(self, content: list[Path]) -> None:
        """Remove what runs leave (NDJSON, manifest, report, parts); anything else stays and refuses."""
        foreign = [path for path in content if not _ours(path.name)]
        if foreign:
            raise OutputFolderError(
                f"{self.path} holds {foreign[0].name}, which no run of ours wrote; --force replaces only our own files"
            )
        for path in content:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _ours(name: str) -> bool:
    """Whether a run writes files of this name, half-written ones included."""
    if name.startswith(".") and name.endswith(".tmp"):
        name = name[1 : -len(".tmp")]
    return name in ("manifest.json", "report.json", PARTS) or name.endswith(".ndjson")


def assemble(folder: Path, shards: int, account: Account) -> dict[str, int]:
    """Join the parts of all shards in order into `<Type>.ndjson`; returns the files and their sizes.

    What is taken out is counted in `account`. The parts stay, so that a run that is cut off here joins them again.

    A resource that is there already is left out; another content under the same id and business time is withheld
    with FB-RUN-010 and named among the rejects, and its record is partial; two business times are two versions, both
    written. What is under an id of another patient's record is withheld with FB-RUN-011, unless a Patient.link of the
    run says that the two are one person.
    """
    parts = [folder / PARTS / str(number) for number in range(shards)]
    types = sorted({file.stem for part in parts for file in part.glob("*.part")})
    ledger = Ledger()
    people = _people(parts)
    finished: list[tuple[Path, Path]] = []
    withheld: dict[str, list[Issue]] = {}
    for resource_type in types:
        target = _temporary(folder, f"{resource_type}.ndjson")
        finished.append(target)
        files = [file for part in parts if (file := part / f"{resource_type}.part").exists()]
        left_out = _left_out(files, resource_type, ledger, people, account, withheld)
        _join(files, left_out, target[0])
    ledger.close()
    rejects = _temporary(folder, REJECTS)
    finished.append(rejects)
    with rejects[0].open("wb") as rejected:
        account.partial += _join_rejects(parts, withheld, rejected)
    # Only when all are whole does the first take its name.
    for temporary, final in finished:
        temporary.replace(final)
    return {final.name: final.stat().st_size for _, final in finished}


def remove_parts(folder: Path) -> None:
    """Remove the parts, once the run is known to be finished."""
    shutil.rmtree(folder / PARTS, ignore_errors=True)


def _join_rejects(parts: Iterable[Path], withheld: dict[str, list[Issue]], out: BinaryIO) -> int:
    """Write one line for each rejected or partial record; how many are partial only by what was withheld."""
    for part in parts:
        with (part / REJECTS).open("rb") as lines:
            if not withheld:
                shutil.copyfileobj(lines, out)
                continue
            for line in lines:
                entry = orjson.loads(line)
                more = withheld.pop(entry["locator"], None)
                if more:
                    added = orjson.loads(reject_line("", "", more))
                    line = orjson.dumps({**entry, "issues": [*entry["issues"], *added["issues"]]}) + b"\n"
                out.write(line)
    for locator, issues in withheld.items():
        out.write(reject_line(locator, "partial", issues))
    return len(withheld)


def _people(parts: Iterable[Path]) -> dict[str, str]:
    """Ids of Patients that Patient.link of the run joins, to one of them that stands for all."""
    people: dict[str, str] = {}

    def person(patient: str) -> str:
        while patient in people and people[patient] != patient:
            patient = people[patient]
        return patient

    for part in parts:
        file = part / "Patient.part"
        if not file.exists():
            continue
        with file.open("rb") as lines:
            for line in lines:
                if b'"link":' not in line:
                    continue
                patient = orjson.loads(line)
                for link in patient.get("link", ()):
                    kind, _, other = str(link["other"].get("reference", "")).partition("/")
                    # The mark of the one joins that of the other, so that links
                    # in any order come to one person.
                    if kind == "Patient":
                        people[person(other)] = person(patient["id"])
    return {patient: person(patient) for patient in people}


def _temporary(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f".{name}.tmp", folder / name


def _left_out(
    files: Sequence[Path],
    resource_type: str,
    ledger: Ledger,
    people: dict[str, str],
    account: Account,
    withheld: dict[str, list[Issue]],
) -> dict[Path, list[Line]]:
    """The lines of the parts that are not written, in order.

    Most ids occur once: only those that occur again are looked into.
    """
    again = ledger.repeated(chain.from_iterable(map(ids_of, files)))
    result: dict[Path, list[Line]] = {}
    for file in files if again is None or again else ():
        with file.open("rb") as content:
            for line in lines_of(file):
                if again is not None and line.id not in again:
                    continue
                content.seek(line.start)
                text = content.read(line.end - line.start)
                owner = " ".join(sorted({people.get(item, item) for item in line.patients.split()}))
                entry = ledger.enter(resource_type, line.id, line.mark, text, owner)
                if entry in ("new", "version"):
                    continue
                result.setdefault(file, []).append(line)
                account.resources[resource_type] -= 1
                if entry in _WITHHELD:
                    code, message = _WITHHELD[entry]
                    issue = Issue("error", code, message.format(resource_type), line.locator)
                    account.count_issues([issue])
                    account.withheld += 1
                    withheld.setdefault(line.locator, []).append(issue)
    return result


def _join(files: Sequence[Path], left_out: dict[Path, list[Line]], target: Path) -> None:
    """Write the finished file. A part that is whole by itself becomes it: nothing is written twice."""
    target.unlink(missing_ok=True)  # it may be the very file of a part
    if len(files) == 1 and not left_out:
        try:
            target.hardlink_to(files[0])
            return
        except OSError:  # a file system without links
            pass
    with target.open("wb", buffering=1 << 20) as out:
        for file in files:
            with file.open("rb") as content:
                position = 0
                for line in left_out.get(file, ()):
                    _copy(content, out, position, line.start)
                    position = line.end
                _copy(content, out, position, file.stat().st_size)
        out.flush()
        os.fsync(out.fileno())


_PIECE = 1 << 20
_IN_KERNEL = 1 << 30
"""Bytes that are copied at once: read and written here, or by the system."""


def _copy(content: BinaryIO, out: BinaryIO, start: int, end: int) -> None:
    """Append a stretch of a file."""
    out.flush()
    copy = getattr(os, "copy_file_range", None)
    while start < end and copy is not None:
        try:
            copied = copy(content.fileno(), out.fileno(), min(_IN_KERNEL, end - start), start)
        except OSError:  # a file system that can't
            break
        if not copied:
            break
        start += copied
    out.seek(0, os.SEEK_END)
    content.seek(start)
    while start < end:
        piece = content.read(min(_PIECE, end - start))
        if not piece:
            raise OSError(f"{content.name} is shorter than what is known of it")
        out.write(piece)
        start += len(piece)
