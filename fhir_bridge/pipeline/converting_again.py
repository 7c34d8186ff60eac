"""Records that are read again later are converted as a run would, one by one: what is kept beside the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fhir_bridge.pipeline.converted import ConvertedRecord
from fhir_bridge.pipeline.engine import prepared_run
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.plugins import SourceRecord, adapters

__all__ = ["record_converter"]


def record_converter(
    adapter: str, mapping: str, site: Path | None
) -> Callable[[SourceRecord], ConvertedRecord]:
    """What converts records of an adapter by a mapping. The mapping is compiled once a process.

    Args:
        site: the site file; None: the defaults.

    Raises:
        MappingErrors, SiteError, CrosswalkError: there is no such mapping any more, or it can't be read.
    """
    request = RunRequest(adapter, mapping, site, {}, validate="none", short=True)
    run, _ = prepared_run(request, Shard(mapping, ()), "again", "nothing", adapters()[adapter])
    return run.convert
