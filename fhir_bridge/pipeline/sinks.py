"""The sinks that are built in, registered as any plug-in registers its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.part_sink import PartSink
from fhir_bridge.pipeline.sink_run import SinkRun
from fhir_bridge.plugins import IssueLike, Sink

__all__ = ["NoSink", "NoSinkFactory", "PartSinkFactory", "StoreSinkFactory"]


class PartSinkFactory:
    """`parts`: a shard's part of an output folder."""

    scheme = "parts"
    takes_bytes = True

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
    takes_bytes = True

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
