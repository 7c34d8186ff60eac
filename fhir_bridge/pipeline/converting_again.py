"""Records that are read again later are converted as a run would, one by one: what is kept beside the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fhir_bridge.mapping import Output
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import ConversionContext
from fhir_bridge.pipeline.engine import prepared_run, run_in_process
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.plugins import Adapter, SourceRecord, adapters

__all__ = ["load_again", "record_converter"]


def record_converter(
    adapter: str, mapping: str, site: Path | None
) -> Callable[[SourceRecord], Sequence[tuple[SourceRecord, Sequence[Output]]]]:
    """What converts records of an adapter by a mapping, blocks of them to what each of theirs becomes.

    The mapping is compiled once a process, to the form that makes JSON.

    Args:
        site: the site file; None: the defaults.

    Raises:
        MappingErrors, SiteError, CrosswalkError: there is no such mapping any more, or it can't be read.
    """
    request = RunRequest(adapter, mapping, site, {}, validate="none")
    run, _ = prepared_run(request, Shard(mapping, ()), "again", "nothing", adapters()[adapter])
    return run.outputs_of


def load_again(adapter: Adapter, mapping: str, site: Path | None, path: Path, url: str) -> Account:
    """Store what a file says when it is read by an adapter of the caller's; what it said before is replaced. Blocking.

    Raises:
        MappingErrors, SiteError, CrosswalkError, OtherSiteKey: the run can't begin.
    """
    request = RunRequest(adapter.name, mapping, site, {})
    digest = ConversionContext.of(request).digest(mapping)
    return run_in_process(request, Shard(mapping, (path,)), digest, ("store", url), adapter)
