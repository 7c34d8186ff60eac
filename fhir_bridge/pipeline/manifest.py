"""The manifest of a run: what was asked, which shards are done; it lets an interrupted run go on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge.pipeline.account import Account

__all__ = ["Manifest", "ManifestError", "fingerprint_of"]

_FORMAT = 1


class ManifestError(Exception):
    """The folder's manifest can't serve this run; the message says why."""


def fingerprint_of(paths: Sequence[Path]) -> str:
    """A mark of the sources' names, sizes and times: another mark means that they changed since."""
    digest = hashlib.blake2b(digest_size=12)
    for path in paths:
        status = path.stat()
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@dataclass(slots=True)
class Manifest:
    """State of a run in its output folder.

    Attributes:
        parameters: what decides the output (mapping and its version, options, site, key fingerprint).
        shards: a source fingerprint each, in order.
        done: accounts of the finished shards, by shard number.
        complete: whether the output is assembled.
    """

    path: Path
    parameters: dict[str, Any]
    shards: list[str]
    done: dict[int, Account] = field(default_factory=dict)
    complete: bool = False

    def save(self) -> None:
        """Write the manifest atomically."""
        content = {
            "format": _FORMAT,
            "parameters": self.parameters,
            "shards": self.shards,
            "done": {str(number): account.dump() for number, account in sorted(self.done.items())},
            "complete": self.complete,
        }
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        with temporary.open("wb") as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def resume(self) -> bool:
        """Take over what an earlier run of the same parameters and sources finished; False where there is none.

        Raises:
            ManifestError: the earlier run was of other parameters or other sources.
        """
        if not self.path.exists():
            return False
        try:
            content = orjson.loads(self.path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise ManifestError(f"{self.path} can't be read ({error}); start again with --force") from error
        if content.get("format") != _FORMAT:
            raise ManifestError(f"{self.path} is of another format; start again with --force")
        for name, value in self.parameters.items():
            if content["parameters"].get(name) != value:
                raise ManifestError(
                    f"the run to resume had another {name}; give it again as it was, or start again with --force"
                )
        if content["shards"] != self.shards:
            raise ManifestError("the sources changed since the run to resume began; start again with --force")
        self.done = {int(number): Account.restore(dumped) for number, dumped in content["done"].items()}
        self.complete = content["complete"]
        return True
