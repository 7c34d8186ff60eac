"""The manifest of a run: its context, its sources, which shards are done; it lets an interrupted run go on.

What an earlier run finished is taken over only if it would come out the same today: the context (mappings, site,
crosswalk, terminology, packages, program) and the sources are compared by content hash.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import SourceState, changed_parts
from fhir_bridge.pipeline.ndjson import PARTS
from fhir_bridge.pipeline.plan import Shard
from fhir_bridge.pipeline.source_files import SourceStates
from fhir_bridge.pipeline.sources import STANDARD_INPUT, is_standard_input

__all__ = ["DoneShard", "EarlierRun", "Finished", "Manifest", "ManifestError"]

_FORMAT = 2
_SHOWN = 5
_ANEW = "convert everything anew with --force"


class ManifestError(Exception):
    """The folder's manifest can't serve this run; the message says which part differs and what to do."""


@dataclass(frozen=True, slots=True)
class DoneShard:
    """A finished shard: its sources as they were read, and its account."""

    sources: SourceStates
    account: Account


@dataclass(frozen=True, slots=True)
class Finished:
    """The end of a run: size of each file, and what joining the parts took out or withheld."""

    files: Mapping[str, int]
    account: Account


@dataclass(slots=True)
class Manifest:
    """State of a run in its output folder.

    Attributes:
        selection: which records were asked for (`--only`, `--limit`).
        split: number of jobs that the sources were split for; another number of jobs may go on with it.
        context: the content hashes of `ConversionContext.parts`, by mapping.
        shards: mapping and sources of each shard, in order.
        done: the finished shards, by number.
        finished: what is there once all shards are done and joined.
    """

    folder: Path
    selection: Mapping[str, Any]
    split: int = 1
    context: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    shards: Sequence[Shard] = ()
    done: dict[int, DoneShard] = field(default_factory=dict)
    finished: Finished | None = None

    @property
    def path(self) -> Path:
        """The manifest's file."""
        return self.folder / "manifest.json"

    def save(self) -> None:
        """Write the manifest atomically."""
        temporary = self.path.with_name(f".{self.path.name}.tmp")
        with temporary.open("wb") as file:
            file.writelines(self._json())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.path)

    def _json(self) -> Iterator[bytes]:
        """The manifest in pieces: there may be 200,000 sources."""
        members: dict[str, Any] = {
            "format": _FORMAT,
            "selection": self.selection,
            "split": self.split,
            "context": self.context,
            "finished": self.finished
            and {"files": self.finished.files, "account": self.finished.account.dump()},
        }
        yield orjson.dumps(members, option=orjson.OPT_INDENT_2).removesuffix(b"\n}") + b',\n  "shards": ['
        for number, shard in enumerate(self.shards):
            yield b"%b\n{" % (b"," if number else b"")
            yield b'"mapping": %b, "sources": [' % orjson.dumps(shard.mapping)
            yield from _items(_named(shard))
            yield b"]}"
        yield b'],\n  "done": {'
        for position, (number, done) in enumerate(sorted(self.done.items())):
            yield b'%b\n"%d": {"account": ' % (b"," if position else b"", number)
            yield orjson.dumps(done.account.dump()) + b', "sources": ['
            yield from _items([*state.status, state.content] for state in done.sources)
            yield b"]}"
        yield b"}\n}"


@dataclass(frozen=True, slots=True)
class EarlierRun:
    """What the manifest of an earlier run says."""

    path: Path
    selection: Mapping[str, Any]
    split: int
    context: Mapping[str, Mapping[str, str]]
    shards: Sequence[tuple[str, Sequence[str]]]
    done: Mapping[int, DoneShard]
    finished: Finished | None

    @classmethod
    def read(cls, folder: Path) -> EarlierRun | None:
        """The run that left its manifest in this folder; None for a folder without content.

        Raises:
            ManifestError: there is content and no manifest, or one that can't be read.
        """
        path = folder / "manifest.json"
        try:
            content = orjson.loads(path.read_bytes())
            if content["format"] != _FORMAT:
                raise ManifestError(f"{path} was written by another version of fhir-bridge; {_ANEW}")
            run = cls(
                path,
                dict(content["selection"]),
                int(content["split"]),
                {name: dict(parts) for name, parts in content["context"].items()},
                [(shard["mapping"], list(shard["sources"])) for shard in content["shards"]],
                {
                    int(number): DoneShard(
                        SourceStates(
                            SourceState(tuple(status), content) for *status, content in item["sources"]
                        ),
                        Account.restore(item["account"]),
                    )
                    for number, item in content["done"].items()
                },
                content["finished"]
                and Finished(
                    dict(content["finished"]["files"]), Account.restore(content["finished"]["account"])
                ),
            )
            if any(n < 0 or len(run.shards[n][1]) != len(item.sources) for n, item in run.done.items()):
                raise ValueError("a finished piece has other sources than the piece")
            return run
        except FileNotFoundError:
            left = [file for file in folder.iterdir() if file.name != PARTS] if folder.is_dir() else []
            if left:
                raise ManifestError(
                    f"{folder} has content but no manifest.json, so there is no run to resume; "
                    f"name another folder, or {_ANEW}"
                ) from None
            return None
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ManifestError(f"{path} can't be read ({error}); {_ANEW}") from error

    def give_to(self, manifest: Manifest) -> None:
        """Hand over what this run finished to the one that resumes it, once it would come out the same today.

        Raises:
            ManifestError: it would not; the message names every part that differs.
        """
        results = [
            *self._other_request(manifest),
            *self._other_context(manifest),
            *self._other_sources(manifest),
        ]
        if results:
            raise ManifestError(
                f"the run in {self.path.parent} can't be resumed: {'; '.join(results)}. "
                f"Put it back as it was, or {_ANEW}"
            )
        if self.finished is not None:
            self._check_files(self.finished.files)
            manifest.finished = self.finished
        manifest.done = {
            number: shard
            for number, shard in self.done.items()
            # A finished piece counts as long as its parts are there to be joined.
            if self.finished is not None or (self.path.parent / PARTS / str(number)).is_dir()
        }

    def _other_request(self, manifest: Manifest) -> list[str]:
        differing = [f"--{name}" for name in changed_parts(self.selection, manifest.selection)]
        return [f"{' and '.join(differing)} was another"] if differing else []

    def _other_context(self, manifest: Manifest) -> list[str]:
        if self.context.keys() != manifest.context.keys():
            was, now = (", ".join(sorted(names)) for names in (self.context, manifest.context))
            return [f"the mapping was {was}, now it is {now}"]
        differing: dict[str, list[str]] = {}
        for mapping, parts in manifest.context.items():
            for part in changed_parts(self.context[mapping], parts):
                differing.setdefault(part, []).append(mapping)
        return [
            f"the mapping {', '.join(mappings)} changed" if part == "mapping" else f"the {part} changed"
            for part, mappings in differing.items()
        ]

    def _other_sources(self, manifest: Manifest) -> list[str]:
        was = {name for _, names in self.shards for name in names}
        now = {name for shard in manifest.shards for name in _names(shard)}
        results = [
            f"{what} ({_some(names)})"
            for what, names in (("sources are gone", was - now), ("there are new sources", now - was))
            if names
        ]
        if not results and list(self.shards) != [(shard.mapping, _names(shard)) for shard in manifest.shards]:
            results.append("the sources are in another order, or other mappings read them")
        if results:
            return results
        changed = [
            _names(shard)[location]
            for number, shard in enumerate(manifest.shards)
            if number in self.done
            for location, path in enumerate(shard.paths)
            if not self.done[number].sources[location].is_of(path)
        ]
        return [f"sources changed ({_some(changed)})"] if changed else []

    def _check_files(self, files: Mapping[str, int]) -> None:
        for name, size in files.items():
            file = self.path.parent / name
            if not file.is_file() or file.stat().st_size != size:
                what = "was changed" if file.is_file() else "is missing"
                raise ManifestError(f"{file}, which this run wrote, {what} since; {_ANEW}")


def _names(shard: Shard) -> list[str]:
    return list(_named(shard))


def _named(shard: Shard) -> Iterator[str]:
    return (STANDARD_INPUT if is_standard_input(path) else str(path) for path in shard.paths)


def _items(items: Iterable[Any]) -> Iterator[bytes]:
    """The items of a JSON array, a line for each thousand."""
    rest = iter(items)
    before = b""
    while some := list(islice(rest, 1000)):
        yield before + orjson.dumps(some)[1:-1]
        before = b",\n"


def _some(names: Sequence[str] | set[str]) -> str:
    listed = sorted(names)
    more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
