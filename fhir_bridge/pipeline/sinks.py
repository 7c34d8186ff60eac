"""What a sink is told of its run, and the sinks that are built in, registered as any plug-in registers its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.ndjson import PartSink
from fhir_bridge.plugins import IssueLike, Sink

__all__ = [
    "NoSink",
    "NoSinkFactory",
    "PartSinkFactory",
    "SinkRun",
    "SourceToKeep",
    "StoreSinkFactory",
]


@dataclass(frozen=True, slots=True)
class SourceToKeep:
    """What a sink needs to keep a source whose records have to wait, and to process it again.

    Attributes:
        paths: the files that the sink's records come from.
        mapping: name or file of the mapping.
        options: as in `RunRequest`.
    """

    paths: Sequence[Path]
    mapping: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SinkRun:
    """The run that a sink belongs to.

    Attributes:
        fingerprint: of the site key that ids are made with; a store refuses another than its own.
        precedence: resource type to adapters, strongest first.
        context: `ConversionContext.digest` of what converts; while it stays, a record converts to what it did.
        remap: what a newer version of the mapping made is replaced too.
        keep: the sources of the run, for records that have to wait.
        definitions: the site's.
    """

    adapter: str
    fingerprint: str
    precedence: Mapping[str, Sequence[str]] = field(default_factory=dict)
    context: str = ""
    remap: bool = False
    keep: SourceToKeep | None = None
    definitions: Definitions = DEFAULT


class PartSinkFactory:
    """`parts`: a shard's part of an output folder."""

    scheme = "parts"

    def open(self, target: str, run: SinkRun) -> Sink:  # noqa: ARG002 - files need to know nothing of the run
        """A sink for the folder `target`."""
        return PartSink(Path(target))


class StoreSinkFactory:
    """`store`: the bridge's own PostgreSQL."""

    scheme = "store"

    def open(self, target: str, run: SinkRun) -> Sink:
        """A sink for the database at the URL `target`."""
        from fhir_bridge.pipeline.store_sink import StoreSink  # only what stores needs a database driver

        return StoreSink(target, run)


class NoSinkFactory:
    """`nothing`: a dry run."""

    scheme = "nothing"

    def open(self, target: str, run: SinkRun) -> Sink:  # noqa: ARG002 - there is no target
        """A sink that counts."""
        return NoSink()


class NoSink:
    """For a dry run: counts what would be written."""

    def write(self, record: ConvertedRecord, account: Account) -> None:
        """Count the outputs."""
        account.resources.update(output.type for output in record.outputs)

    def reject(self, locator: str, outcome: str, issues: Iterable[IssueLike]) -> None:
        """The account has it already."""

    def flush(self, account: Account) -> None:
        """There is nothing to flush."""

    def close(self) -> None:
        """There is nothing to close."""
