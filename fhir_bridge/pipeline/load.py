"""`load` with an adapter: sources through conversion into the store; and the runs that store nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fhir_bridge.mapping import Site, source_block
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import ConversionContext
from fhir_bridge.pipeline.convert import NO_LIMIT, RejectionLimit, RunResult, left_alone
from fhir_bridge.pipeline.engine import RunIncomplete, run_shards
from fhir_bridge.pipeline.plan import RunRequest, complete, plan
from fhir_bridge.pipeline.shard import TooManyRejected, report_stop
from fhir_bridge.pipeline.sources import expand
from fhir_bridge.plugins import adapters

if TYPE_CHECKING:
    from fhir_bridge.fhir.issues import Issue
    from fhir_bridge.pipeline.inbox import Waiting
    from fhir_bridge.pipeline.numbered_orders import JoinedOrders
    from fhir_bridge.pipeline.study_orders import Joined

__all__ = ["check_syntax", "load_sources"]

Progress = Callable[[int], None]


def load_sources(
    request: RunRequest,
    sources: Sequence[str],
    url: str,
    *,
    jobs: int = 1,
    limit: RejectionLimit = NO_LIMIT,
    on_progress: Progress = lambda _read: None,
) -> RunResult:
    """Convert and store. Loading what is stored already changes nothing, so a cut-off load is run again.

    Raises:
        SourceError, MappingErrors: before anything is stored.
        OtherSiteKey: the database holds resources whose ids were made with another site key.
    """
    import asyncio

    from fhir_bridge.pipeline.inbox import read_waiting  # only what stores needs a database driver
    from fhir_bridge.pipeline.merged_numbers import report_merges_since
    from fhir_bridge.pipeline.numbered_orders import join_orders_since
    from fhir_bridge.pipeline.study_orders import join_since
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.numbered_orders import CHANGING_TYPES
    from fhir_bridge.storage.study_patients import JOINED_TYPES

    result = _run(request, sources, ("store", url), jobs, limit, on_progress)
    with asyncio.Runner() as runner:
        # Where nothing was read, nothing has brought the schema up to date.
        store = runner.run(Store.open(url, migrate=result.account.read == 0, max_size=2))
        try:
            _replay(request, url, result, runner.run(read_waiting(store, request.site)))
            if result.account.resources.keys() & set(CHANGING_TYPES):
                _report_orders(result, runner.run(join_orders_since(store)))
            if result.account.resources.get("Patient"):
                _report_issues(result, runner.run(report_merges_since(store)))
            if result.account.resources.keys() & set(JOINED_TYPES):
                _report_joined(result, runner.run(join_since(store)))
            if dangling := runner.run(store.dangling()):
                result.report["dangling"] = dangling
        finally:
            runner.run(store.close())
    return result


def _replay(request: RunRequest, url: str, result: RunResult, waiting: Waiting) -> None:
    """The load may have brought the patients, links or mappings that records wait for."""
    from fhir_bridge.pipeline.inbox import replay_waiting

    account = result.account
    again = replay_waiting(
        url,
        request.site,
        waiting,
        moved=account.stored["moved"] > 0,
        patients=account.resources["Patient"] > 0,
    )
    if again is None:
        return
    result.report["inbox"] = {
        "processed": again.done + again.waiting,
        "settled": again.done,
        "waiting": again.waiting,
        "stored": dict(again.account.stored),
    }
    if again.no_mapping:
        result.report["inbox"]["no_mapping"] = dict(again.no_mapping)


def _report_joined(result: RunResult, joined: Joined) -> None:
    """Studies, orders and reports that found each other."""
    if joined.studies or joined.reports or joined.ambiguous:
        result.report["joined"] = {
            "studies": joined.studies,
            "reports": joined.reports,
            "ambiguous": joined.ambiguous,
        }


def _report_orders(result: RunResult, orders: JoinedOrders) -> None:
    """What names an order by its number, and its order."""
    _report_issues(result, orders.issues)
    if orders.joined:
        result.report["joined_orders"] = orders.joined


def _report_issues(result: RunResult, issues: Sequence[Issue]) -> None:
    """What was seen in the store, beside what was read."""
    result.account.count_issues(issues)
    if issues:
        result.report["issues"] = result.account.report(seconds=0)["issues"]


def check_syntax(
    request: RunRequest, sources: Sequence[str], *, convert: bool, on_progress: Progress = lambda _read: None
) -> RunResult:
    """Read everything and write nothing: the sources' syntax, or (with `convert`) a whole dry run."""
    if convert:
        return _run(request, sources, ("nothing", ""), 1, NO_LIMIT, on_progress)
    started = time.monotonic()
    adapter = adapters()[request.adapter]
    paths, left = expand(sources, adapter)
    account = Account()
    for shard in plan(request, adapter, paths, 1):
        options = {**source_block(shard.mapping), **request.options, "check": True}
        for record in adapter.read(shard.paths, _Syntax(options, request.load_site())):
            if not request.selection.takes(record.locator):
                continue
            limit = request.selection.limit
            if limit is not None and record.records and account.read >= limit:
                report_stop(account, record.locator)
                break
            account.count_issues(record.issues, record.locator)
            lost = any(issue.severity in ("error", "fatal") for issue in record.issues)
            outcome = record.outcome if record.outcome != "read" else ("partial" if lost else "converted")
            account.count_record(outcome, record.records)
            on_progress(account.read)
    account.add(left_alone(left))
    request.selection.report_end(account)
    return RunResult(account, account.report(seconds=time.monotonic() - started))


class _Syntax:
    selectors = None

    def __init__(self, options: dict[str, Any], site: Site) -> None:
        self.options = options
        self.site = site


def _run(
    request: RunRequest,
    sources: Sequence[str],
    sink: tuple[str, str],
    jobs: int,
    limit: RejectionLimit,
    on_progress: Progress,
) -> RunResult:
    started = time.monotonic()
    adapter = adapters()[request.adapter]
    paths, left = expand(sources, adapter)
    shards = list(enumerate(plan(request, adapter, paths, jobs)))
    if len(shards) == 1:
        request = replace(request, jobs=jobs)
    context = ConversionContext.of(request)
    contexts = {mapping: context.parts(mapping) for mapping in {shard.mapping for _, shard in shards}}
    total = Account()
    incomplete, too_many = None, False
    try:
        for _, account in run_shards(
            request,
            shards,
            {number: sink for number, _ in shards},
            contexts,
            jobs=jobs,
            on_progress=on_progress,
        ):
            total.add(account)
    except RunIncomplete as error:
        incomplete = f"{error}; run it again: what is stored already is not stored twice"
    except TooManyRejected as error:
        incomplete, too_many = str(error), True
        total.add(error.account)
    total.add(left_alone(left))
    if incomplete is None:
        if sink[0] != "nothing":
            complete(request, adapter, [shard for _, shard in shards])
        request.selection.report_end(total)
    report = total.report(seconds=time.monotonic() - started)
    return RunResult(total, report, incomplete, too_many or limit.exceeded(total))
