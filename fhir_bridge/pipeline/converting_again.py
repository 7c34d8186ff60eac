"""Records that are read again later are converted as a run would, one by one: what is kept beside the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from fhir_bridge.mapping import Output, Site, mapping_files
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import ConversionContext, SourceState, combined
from fhir_bridge.pipeline.engine import prepared_run, run_in_process
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.plugins import Adapter, SourceRecord, adapters

__all__ = ["load_again", "record_converter"]


def record_converter(
    adapter: str, mapping: str, site: Path | None
) -> Callable[[SourceRecord], Sequence[tuple[SourceRecord, Sequence[Output]]]]:
    """What converts records of an adapter by a mapping, blocks of them to what each of theirs becomes.

    The mapping is compiled to the form that makes JSON, once a process while it stays. What the site file, its
    crosswalk and the mapping say at the time of the call counts.

    Args:
        site: the site file; None: the defaults.

    Raises:
        MappingErrors, SiteError, CrosswalkError, OSError: there is no such mapping any more, or it can't be read.
    """
    request = RunRequest(adapter, mapping, site, {}, validate="none")
    run, _ = prepared_run(request, Shard(mapping, ()), _state(mapping, site), "nothing", adapters()[adapter])
    return run.outputs_of


def _state(mapping: str, site: Path | None) -> str:
    """What decides now what a record becomes, by the status of its files alone: it is asked at each question."""
    files, state = _MAPPINGS.get(mapping, ([], ""))
    if not files or repr([*map(_status, files)]) != state:
        files = mapping_files(mapping)
        state = repr([*map(_status, files)])
        _MAPPINGS[mapping] = files, state
    parts = {"mapping": state}
    if site is not None:
        status = SourceState.status_of(site)
        crosswalk = _crosswalk(site, status)
        parts["site"] = repr(status)
        parts["crosswalk"] = repr(crosswalk and SourceState.status_of(crosswalk))
    return combined(parts)


_MAPPINGS: dict[str, tuple[list[Path], str]] = {}
"""The files that a mapping is made of, and what they were then: while they stay it is made of no others."""


def _status(path: Path) -> tuple[int, ...] | None:
    return SourceState.status_of(path) if path.exists() else None


@lru_cache(maxsize=8)
def _crosswalk(site: Path, _status: tuple[int, ...]) -> Path | None:
    return Site.load(site).crosswalk_path


def load_again(adapter: Adapter, mapping: str, site: Path | None, path: Path, url: str) -> Account:
    """Store what a file says when it is read by an adapter of the caller's; what it said before is replaced. Blocking.

    Raises:
        MappingErrors, SiteError, CrosswalkError, OtherSiteKey: the run can't begin.
    """
    request = RunRequest(adapter.name, mapping, site, {})
    digest = ConversionContext.of(request).digest(mapping)
    return run_in_process(request, Shard(mapping, (path,)), digest, ("store", url), adapter)
