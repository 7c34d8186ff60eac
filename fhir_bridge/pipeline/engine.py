"""Runs shards, here or in a pool of processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import CompiledMapping, Context, IdentityResolver, Site, load_mapping
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.shard import OutputCheck, ShardRun
from fhir_bridge.pipeline.sinks import SinkRun
from fhir_bridge.plugins import adapters, sinks
from fhir_bridge.terminology import Terminology

__all__ = ["RunIncomplete", "SinkSpec", "run_shards", "site_key", "site_of"]

SinkSpec = tuple[str, str]
"""Kind and target, plain text that travels to workers: (`parts`, folder), (`store`, database URL), (`nothing`, ``)."""

_progress: Any = None


class RunIncomplete(Exception):
    """The run ended before all shards did; the manifest lets it go on."""


def site_of(request: RunRequest) -> Site:
    """The site's settings, or the defaults where no file is named."""
    return Site.load(request.site) if request.site else Site()


def site_key(site: Site) -> IdKey:
    """The key that ids are made with: the demo's public one, or the site's own, made once."""
    return IdKey(DEMO_KEY) if site.demo_key else IdKey.load_or_make(site.key_path)


def run_shards(
    request: RunRequest,
    shards: Sequence[tuple[int, Shard]],
    sinks: dict[int, SinkSpec],
    *,
    jobs: int,
    on_progress: Callable[[int], None],
) -> Iterator[tuple[int, Account]]:
    """Run shards and yield each one's number and account as it ends; `on_progress` gets the records read so far.

    Raises:
        RunIncomplete: a worker process died.
    """
    if jobs <= 1 or len(shards) <= 1:
        before = 0
        for number, shard in shards:

            def tell(read: int, before: int = before) -> None:
                on_progress(before + read)

            account = _run(request, shard, sinks[number], tell)
            before += account.read
            yield number, account
        return
    context = multiprocessing.get_context("spawn")
    counts = context.Array("q", max(number for number, _ in shards) + 1)
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(counts,)) as pool:
        pending = {
            pool.submit(_in_worker, request, number, shard, sinks[number]): number for number, shard in shards
        }
        try:
            while pending:
                finished, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                on_progress(sum(counts[:]))
                for future in finished:
                    yield pending.pop(future), future.result()
        except BrokenProcessPool as error:
            raise RunIncomplete("a worker process died (out of memory, or killed)") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _start_worker(counts: Any) -> None:
    global _progress
    _progress = counts


def _in_worker(request: RunRequest, number: int, shard: Shard, sink: SinkSpec) -> Account:
    def tell(read: int) -> None:
        _progress[number] = read

    return _run(request, shard, sink, tell)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What shards of one mapping share within a process: compiled once, used for every file."""

    site: Site
    mapping: CompiledMapping
    terminology: Terminology
    identity: IdentityResolver
    validator: Validator


@lru_cache(maxsize=32)
def _prepare(site_file: Path | None, mapping: str) -> _Prepared:
    site = Site.load(site_file) if site_file else Site()
    terminology = site.open_terminology()
    return _Prepared(
        site,
        load_mapping(mapping, adapters=adapters(), definitions=site.definitions),
        terminology,
        IdentityResolver(site, site_key(site)),
        Validator(terminology, definitions=site.definitions),
    )


def _run(request: RunRequest, shard: Shard, spec: SinkSpec, tell: Callable[[int], None]) -> Account:
    prepared = _prepare(request.site, shard.mapping)
    run = ShardRun(
        adapter=adapters()[request.adapter],
        mapping=prepared.mapping,
        context=Context(
            site=prepared.site,
            terminology=prepared.terminology,
            identity=prepared.identity,
            adapter=request.adapter,
        ),
        options=request.options,
        check=OutputCheck(prepared.validator, request.validate),
        selection=request.selection,
        on_progress=tell,
    )
    kind, target = spec
    site = prepared.site
    belonging = SinkRun(request.adapter, site_key(site).fingerprint, site.precedence, site.definitions)
    sink = sinks()[kind].open(target, belonging)
    try:
        return run.run(shard.paths, sink)
    finally:
        sink.close()
