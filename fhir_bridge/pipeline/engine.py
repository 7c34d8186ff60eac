"""Runs shards, here or in a pool of processes."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from threading import get_ident
from typing import Any

from fhir_bridge.fhir.definitions import Definitions
from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import (
    AlikeOutputs,
    CompiledMapping,
    Context,
    Form,
    IdentityResolver,
    Site,
    is_shipped,
    load_mapping,
    open_tables,
)
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import combined, mapping_hash, site_key
from fhir_bridge.pipeline.plan import RunRequest, Shard
from fhir_bridge.pipeline.shard import OutputCheck, ShardRun, ValidateMode
from fhir_bridge.pipeline.sink_run import SinkRun, SourceToKeep
from fhir_bridge.plugins import Adapter, adapters, get_manager, sinks
from fhir_bridge.terminology import Terminology

__all__ = [
    "Contexts",
    "RunIncomplete",
    "SinkSpec",
    "collect_seldom",
    "compile_ahead",
    "prepare",
    "prepared_run",
    "run_in_process",
    "run_shards",
]

SinkSpec = tuple[str, str]
"""Kind and target, plain text that travels to workers: (`parts`, folder), (`store`, database URL), (`nothing`, ``)."""

Checks = dict[str, OutputCheck]
"""The check of each mapping's outputs, which the shards of a run have in common within a process."""

_progress: Any = None
_checks: Checks = {}
"""Of a worker process, which serves one run."""


class RunIncomplete(Exception):
    """The run ended before all shards did; the manifest lets it go on."""


Contexts = Mapping[str, Mapping[str, str]]
"""`ConversionContext.parts` by mapping."""


def prepare(request: RunRequest, contexts: Contexts, sink: str, *, apart: bool = False) -> None:
    """Compile all mappings of a run, so that what is wrong with one is said before anything is written.

    Args:
        sink: the kind of sink that takes the resources.
        apart: other processes convert. They are forked from this one where that is safe; else it is compiled here in
            the form that is made soonest, and for these once.

    Raises:
        MappingErrors, SiteError, CrosswalkError: the run can't begin.
    """
    form = _form(request, sink)
    global _ahead, _forks
    _forks = apart and may_fork()
    if _forks:
        site = Site.load(request.site) if request.site else Site()
        IdentityResolver(site, site_key(site))
        for mapping in contexts:
            compiled = _compiled_for(site, mapping, mapping_hash(mapping), form)
            open_tables({**compiled.source_options, **request.options})
        return
    for mapping, parts in contexts.items():
        prepared = _prepare(request.site, mapping, combined(parts), "dicts" if apart else form)
        open_tables({**prepared.mapping.source_options, **request.options})
    if apart:
        file = str(request.site) if request.site else None
        _ahead = json.dumps([[file, mapping, form] for mapping in contexts])


_forks = False
"""Worker processes are forked from this one, which has compiled the mappings for them."""


def may_fork() -> bool:
    """Whether processes may be forked from this one: it has one thread, and no terminology store mapped.

    LMDB forbids to use a store in two processes. Of other systems than Linux it is not known.
    """
    try:
        single = len(list(Path("/proc/self/task").iterdir())) == 1
        mapped = Path("/proc/self/maps").read_text()
    except OSError:
        return False
    return single and ".lmdb" not in mapped


_ahead = ""
"""The mappings that the process which worker processes are forked from compiles for them."""

_AHEAD = "_FHIR_BRIDGE_AHEAD"
"""Variable of the environment that tells them to that process."""


def compile_ahead() -> None:
    """Compile the mappings of the run that this process was begun for, before it is forked.

    Threads, database and terminology stay closed. What is wrong with a mapping has been said.
    """
    wanted = json.loads(os.environ.pop(_AHEAD, "[]"))
    try:
        for file, mapping, form in wanted:
            _compiled_for(Site.load(Path(file)) if file else Site(), mapping, mapping_hash(mapping), form)
    except Exception:  # noqa: BLE001 - a worker compiles it itself, and says what is wrong
        return
    if wanted:
        collect_seldom()


def _form(request: RunRequest, sink: str) -> Form:
    """How outputs are made: as bytes where many are written and only now and then looked into."""
    takes_bytes = getattr(sinks()[sink], "takes_bytes", False)
    return "bytes" if takes_bytes and request.validate != "all" and not request.short else "dicts"


def run_shards(
    request: RunRequest,
    shards: Sequence[tuple[int, Shard]],
    sinks: Mapping[int, SinkSpec],
    contexts: Contexts,
    *,
    jobs: int,
    on_progress: Callable[[int], None],
    before: int = 0,
) -> Iterator[tuple[int, Account]]:
    """Run shards and yield each one's number and account as it ends; `on_progress` gets the records read so far.

    With a limit of records the shards run one after the other, so that the first in order are taken.

    Args:
        before: records that an earlier part of the run has read.

    Raises:
        RunIncomplete: a worker process died.
    """
    digests = {mapping: combined(parts) for mapping, parts in contexts.items()}
    limit = request.selection.limit
    checks: Checks = {}
    if jobs <= 1 or len(shards) <= 1 or limit is not None:
        for number, shard in shards:

            def tell(read: int, before: int = before) -> None:
                on_progress(before + read)

            if limit is not None:
                # Of the first limit, since `before` counts what all shards so far have read.
                request = replace(request, selection=replace(request.selection, limit=max(limit - before, 0)))
            account = _run(request, shard, digests[shard.mapping], sinks[number], tell, checks)
            before += account.read
            yield number, account
        return
    forks = _forks and may_fork()
    if forks and (first := _ahead_of(request, shards, digests)):
        _checks.clear()
        for number, shard in first:
            account = _run(request, shard, digests[shard.mapping], sinks[number], lambda _read: None, _checks)
            before += account.read
            yield number, account
        shards = [each for each in shards if each not in first]
        collect_seldom()
        forks = may_fork()
    # Elsewhere forked workers would inherit locks that threads of this process hold.
    context = multiprocessing.get_context("fork") if forks else _processes()
    counts = context.Array("q", max(number for number, _ in shards) + 1)
    if _ahead and not forks:
        os.environ[_AHEAD] = _ahead
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(counts,)) as pool:
        pending = {
            pool.submit(_in_worker, request, number, shard, digests[shard.mapping], sinks[number]): number
            for number, shard in shards
        }
        os.environ.pop(_AHEAD, None)
        try:
            while pending:
                # With a time-out, so that progress is seen while no shard ends.
                finished, _ = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                on_progress(before + sum(counts[:]))
                for future in finished:
                    yield pending.pop(future), future.result()
        except BrokenProcessPool as error:
            raise RunIncomplete("a worker process died (out of memory, or killed)") from error
        finally:
            pool.shutdown(cancel_futures=True)


def _ahead_of(
    request: RunRequest, shards: Sequence[tuple[int, Shard]], digests: Mapping[str, str]
) -> list[tuple[int, Shard]]:
    """The shards that are run here before others: what they compile, the validator above all, is there in processes
    that are forked from this one. None where there is imported terminology, which two processes can't share."""
    ahead = [
        (number, shard) for number, shard in shards if shard.piece is not None and shard.piece.get("ahead")
    ]
    for _, shard in ahead:
        prepared = _prepare(request.site, shard.mapping, digests[shard.mapping], _form(request, "parts"))
        imported = prepared.terminology.imported
        if imported is not None and imported.present:
            return []
    return ahead


def _processes() -> Any:
    """How worker processes begin: from one that has imported what they need, where the system has such."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["fhir_bridge.pipeline.worker_imports"])
    return context


def _start_worker(counts: Any) -> None:
    global _progress
    _progress = counts


def collect_seldom() -> None:
    """Let the garbage collector pass over what is prepared, and look for cycles among some thousand records at a time.

    For a process that converts and ends: definitions and mappings are some hundred thousand objects that stay, and a
    record leaves few cycles; looking at them all the time takes a fifth of a run.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS, 20, 20)


_OBJECTS = 50_000


def _in_worker(request: RunRequest, number: int, shard: Shard, context: str, sink: SinkSpec) -> Account:
    def tell(read: int) -> None:
        _progress[number] = read

    if gc.get_threshold()[0] != _OBJECTS:
        _prepare(request.site, shard.mapping, context, _form(request, sink[0]))
        collect_seldom()
    return _run(request, shard, context, sink, tell, _checks)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What shards of one mapping share within a process: compiled once, used for every file."""

    site: Site
    mapping: CompiledMapping
    terminology: Terminology
    identity: IdentityResolver
    content: str
    validators: dict[Severity, Validator] = field(default_factory=dict)
    contexts: dict[tuple[str, str, int], Context] = field(default_factory=dict)
    likenesses: dict[int, AlikeOutputs] = field(default_factory=dict)

    def validator_for(self, adapter: Adapter) -> Validator:
        """The validator; what others made may have extensions that no package here defines: R4 asks to keep them."""
        unknown: Severity = "warning" if getattr(adapter, "checks_all", False) else "error"
        if unknown not in self.validators:
            self.validators[unknown] = Validator.of(self.terminology, unknown, self.site.definitions)
        return self.validators[unknown]

    def context(self, request: RunRequest, form: Form) -> Context:
        """The context of a run. What it remembers of one file serves the next of the same thread."""
        key = (request.records_of, repr(sorted(request.options.items())), get_ident())
        known = self.contexts.get(key) if form == "bytes" else None
        if known is None:
            known = Context(
                site=self.site,
                terminology=self.terminology,
                identity=self.identity,
                adapter=request.records_of,
                options=request.options,
                bytes_=form == "bytes",
            )
            if form == "bytes":
                self.contexts[key] = known
        known.unmapped.clear()
        return known

    def alike(self, mapping: str, form: Form) -> AlikeOutputs | None:
        """What is known of records that are alike, by the same thread; None where each is converted by itself."""
        if form != "bytes" or not is_shipped(mapping):
            return None
        return self.likenesses.setdefault(get_ident(), AlikeOutputs(self.mapping))


@lru_cache(maxsize=32)
def _prepare(site_file: Path | None, mapping: str, _context: str, form: Form) -> _Prepared:
    """Kept while the context stays: a process that converts again after a change reads the files again."""
    site = Site.load(site_file) if site_file else Site()
    terminology = site.open_terminology()
    content = mapping_hash(mapping)
    compiled = _compiled_for(site, mapping, content, form)
    return _Prepared(site, compiled, terminology, IdentityResolver(site, site_key(site)), content)


def _compiled_for(site: Site, mapping: str, content: str, form: Form) -> CompiledMapping:
    plugins = frozenset(get_manager().get_plugins())
    return _compiled(mapping, content, site.definitions, form, plugins)


@lru_cache(maxsize=16)
def _compiled(
    mapping: str, _content: str, definitions: Definitions, form: Form, _plugins: frozenset[Any]
) -> CompiledMapping:
    """Kept while its content stays: a new crosswalk or another site compiles no mapping again."""
    return load_mapping(mapping, adapters=adapters(), definitions=definitions, form=form)


def _run(
    request: RunRequest,
    shard: Shard,
    digest: str,
    spec: SinkSpec,
    tell: Callable[[int], None],
    checks: Checks,
) -> Account:
    return run_in_process(request, shard, digest, spec, adapters()[request.adapter], tell, checks)


def run_in_process(
    request: RunRequest,
    shard: Shard,
    digest: str,
    spec: SinkSpec,
    adapter: Adapter,
    tell: Callable[[int], None] = lambda _read: None,
    checks: Checks | None = None,
) -> Account:
    """Run one shard in this process, its records read by `adapter`; `checks`: of the run's shards before it."""
    kind, target = spec
    run, run_of = prepared_run(request, shard, digest, kind, adapter, tell, checks)
    sink = sinks()[kind].open(target, run_of)
    try:
        return run.run(shard.paths, sink)
    finally:
        sink.close()


def _validated(request: RunRequest, adapter: Adapter) -> ValidateMode:
    """Which outputs are validated: all, not a sample, where the adapter asks for it."""
    return (
        "all" if request.validate == "sample" and getattr(adapter, "checks_all", False) else request.validate
    )


def prepared_run(
    request: RunRequest,
    shard: Shard,
    digest: str,
    sink: str,
    adapter: Adapter,
    tell: Callable[[int], None] = lambda _read: None,
    checks: Checks | None = None,
    form: Form | None = None,
) -> tuple[ShardRun, SinkRun]:
    """What converts the records of a shard, and what its sink is to know; the mapping is compiled once a process.

    Args:
        digest: `ConversionContext.digest` of the shard's mapping.
        sink: the kind of sink that takes the resources.
        checks: of the run's shards before it, to be gone on with: the first outputs of a rule are those of the run.
        form: how outputs are made; None: as the request and the sink suggest.

    Raises:
        MappingErrors, SiteError, CrosswalkError: the run can't begin.
    """
    form = form or _form(request, sink)
    prepared = _prepare(request.site, shard.mapping, digest, form)
    check = checks.get(shard.mapping) if checks is not None else None
    if check is None:
        keeps = not getattr(sinks()[sink], "takes_bytes", False)
        check = OutputCheck(prepared.validator_for(adapter), _validated(request, adapter), keeps=keeps)
        if checks is not None:
            checks[shard.mapping] = check
    run = ShardRun(
        adapter=adapter,
        mapping=prepared.mapping,
        context=prepared.context(request, form),
        options=request.options,
        check=check,
        selection=request.selection,
        on_progress=tell,
        jobs=request.jobs,
        piece=shard.piece,
        states=shard.states,
        alike=prepared.alike(shard.mapping, form),
    )
    site = prepared.site
    keep = SourceToKeep(shard.paths, shard.mapping, request.options, site.site)
    key = site_key(site).fingerprint
    return run, SinkRun(
        request.records_of,
        key,
        site.precedence,
        digest,
        request.remap,
        keep,
        site.definitions,
        prepared.content,
    )
