"""A folder of NDJSON, one file a resource type, that appears whole or not at all.

Each shard writes parts under `.parts/<shard>/`; when all are there, `assemble` joins them in order, lets the
ledger take out what occurs twice, and renames the finished files into place.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import orjson

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.record import owners_of
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.ledger import Ledger
from fhir_bridge.plugins import IssueLike

__all__ = [
    "PARTS",
    "REJECTS",
    "OutputFolder",
    "OutputFolderError",
    "PartSink",
    "assemble",
    "reject_line",
    "remove_parts",
]

PARTS = ".parts"
REJECTS = "rejects.ndjson"
_SEPARATOR = b"\t"
_BLANKS = str.maketrans("\t\n", "  ")
_WITHHELD = {
    "conflict": ("FB-RUN-010", "another content of {} under the same id and business time was withheld"),
    "another": ("FB-RUN-011", "{} is known under another patient: it was withheld"),
}


def reject_line(locator: str, outcome: str, issues: Iterable[IssueLike]) -> bytes:
    """A line of rejects.ndjson: where the record is, `rejected` or `partial`, and why."""
    entry = {
        "locator": locator,
        "outcome": outcome,
        "issues": [
            {"severity": issue.severity, "code": issue.code, "message": issue.message, "source": issue.source}
            for issue in issues
        ],
    }
    return orjson.dumps(entry) + b"\n"


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


class PartSink:
    """Writes one shard's outputs; a line is `id, mark, patients, locator, JSON`, of which `assemble` takes the last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        if folder.exists():
            shutil.rmtree(folder)  # left by a run that was cut off inside this shard
        folder.mkdir(parents=True)
        self._files: dict[str, BinaryIO] = {}
        self._rejects = (folder / REJECTS).open("wb")

    def write(self, record: ConvertedRecord, account: Account) -> None:
        """Write a record's resources."""
        for output in record.outputs:
            file = self._files.get(output.type)
            if file is None:
                file = self._files[output.type] = (self._folder / f"{output.type}.part").open(
                    "wb", buffering=1 << 18
                )
            time = output.time.isoformat() if output.time else ""
            # A tab separates the fields of a line, and a line ends it; a file's name may hold both.
            head = (
                output.id,
                f"{time} {record.sequence} {output.resource.get('status', '')}".translate(_BLANKS),
                " ".join(sorted(owners_of(output.resource).patients)),
                dumps(output.locator).decode(),
            )
            file.write("\t".join(head).encode() + _SEPARATOR + dumps(output.resource) + b"\n")
            account.resources[output.type] += 1

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """Name a rejected or partial record, and why."""
        self._rejects.write(reject_line(locator, outcome, issues))

    def flush(self, account: Account) -> None:  # noqa: ARG002 - a sink's signature
        """Make sure that everything is on disk."""
        for file in (*self._files.values(), self._rejects):
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Close all files."""
        for file in (*self._files.values(), self._rejects):
            file.close()


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
        with target[0].open("wb", buffering=1 << 20) as out:
            for part in parts:
                _join(part / f"{resource_type}.part", resource_type, out, ledger, people, account, withheld)
            out.flush()
            os.fsync(out.fileno())
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
                patient = orjson.loads(line.split(_SEPARATOR, 4)[4])
                for link in patient.get("link", ()):
                    kind, _, other = str(link["other"].get("reference", "")).partition("/")
                    # The mark of the one joins that of the other, so that links
                    # in any order come to one person.
                    if kind == "Patient":
                        people[person(other)] = person(patient["id"])
    return {patient: person(patient) for patient in people}


def _temporary(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f".{name}.tmp", folder / name


def _join(
    part: Path,
    resource_type: str,
    out: BinaryIO,
    ledger: Ledger,
    people: dict[str, str],
    account: Account,
    withheld: dict[str, list[Issue]],
) -> None:
    if not part.exists():
        return
    with part.open("rb") as lines:
        for line in lines:
            resource_id, mark, patients, where, text = line.split(_SEPARATOR, 4)
            owner = " ".join(sorted({people.get(item, item) for item in patients.decode().split()}))
            entry = ledger.enter(resource_type, resource_id.decode(), mark.decode(), text, owner)
            if entry in ("new", "version"):
                out.write(text)
                continue
            account.resources[resource_type] -= 1
            if entry in _WITHHELD:
                code, message = _WITHHELD[entry]
                locator = orjson.loads(where)
                issue = Issue("error", code, message.format(resource_type), locator)
                account.count_issues([issue])
                account.withheld += 1
                withheld.setdefault(locator, []).append(issue)
