"""`load`: sources, or FHIR as it is, into the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.bundles import iter_resources
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, loads_exact
from fhir_bridge.fhir.validation import Validator
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.convert import NO_LIMIT, RejectionLimit, RunResult
from fhir_bridge.pipeline.engine import RunIncomplete, run_shards, site_key
from fhir_bridge.pipeline.plan import RunRequest, plan
from fhir_bridge.pipeline.shard import TooManyRejected, ValidateMode
from fhir_bridge.pipeline.sources import SourceError, expand
from fhir_bridge.pipeline.store_sink import BATCH
from fhir_bridge.plugins import adapters
from fhir_bridge.storage import Store
from fhir_bridge.terminology import get_terminology

__all__ = ["check_syntax", "fhir_files", "load_fhir", "load_sources"]

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
    return _run(request, sources, ("store", url), jobs, limit, on_progress)


def check_syntax(
    request: RunRequest, sources: Sequence[str], *, convert: bool, on_progress: Progress = lambda _read: None
) -> RunResult:
    """Read everything and write nothing: the sources' syntax, or (with `convert`) a whole dry run."""
    if convert:
        return _run(request, sources, ("nothing", ""), 1, NO_LIMIT, on_progress)
    started = time.monotonic()
    adapter = adapters()[request.adapter]
    paths, _ = expand(sources, adapter)
    account = Account()
    reading = _Syntax({**request.options, "check": True}, Site.load(request.site) if request.site else Site())
    for record in adapter.read(paths, reading):
        account.count_issues(record.issues, record.locator)
        lost = any(issue.severity in ("error", "fatal") for issue in record.issues)
        outcome = record.outcome if record.outcome != "read" else ("partial" if lost else "converted")
        account.count_record(outcome, record.records)
        on_progress(account.read)
    return RunResult(account, account.report(seconds=time.monotonic() - started))


class _Syntax:
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
    paths, _ = expand(sources, adapter)
    shards = list(enumerate(plan(request, adapter, paths, jobs)))
    total = Account()
    incomplete, too_many = None, False
    try:
        for _, account in run_shards(
            request, shards, {number: sink for number, _ in shards}, jobs=jobs, on_progress=on_progress
        ):
            total.add(account)
    except RunIncomplete as error:
        incomplete = f"{error}; run it again: what is stored already is not stored twice"
    except TooManyRejected as error:
        incomplete, too_many = str(error), True
    report = total.report(seconds=time.monotonic() - started)
    return RunResult(total, report, incomplete, too_many or limit.exceeded(total))


def fhir_files(sources: Sequence[str]) -> list[Path]:
    """Files of FHIR JSON among the sources: named ones, and `.json` and `.ndjson` of folders.

    Reports, rejects and manifests that a run of ours left beside its NDJSON are no resources and are left out.

    Raises:
        SourceError: a source does not exist.
    """
    files: list[Path] = []
    for source in map(Path, sources):
        if source.is_dir():
            files += [
                file
                for file in sorted(source.rglob("*"))
                if file.suffix in (".json", ".ndjson")
                and file.name not in ("manifest.json", "report.json", "rejects.ndjson")
                and not any(part.startswith(".") for part in file.relative_to(source).parts)
            ]
        elif source.exists():
            files.append(source)
        else:
            raise SourceError(Issue("fatal", "FB-RUN-003", f"{source} does not exist", str(source)))
    return files


def load_fhir(
    sources: Sequence[str],
    url: str,
    *,
    validate: ValidateMode = "sample",
    site: Path | None = None,
    on_progress: Progress = lambda _read: None,
) -> RunResult:
    """Store NDJSON, single resources and Bundles as they are; an invalid or unreadable one is rejected by name.

    `sample` checks everything here: what others made has no mapping that vouches for it. `none` checks nothing.
    """
    started = time.monotonic()
    account = Account()
    settings = Site.load(site) if site else Site()
    asyncio.run(_store(_accepted(sources, validate, account, on_progress), url, settings, account))
    return RunResult(account, account.report(seconds=time.monotonic() - started))


async def _store(resources: Iterator[dict[str, Any]], url: str, site: Site, account: Account) -> None:
    async with await Store.open(url, max_size=1) as store:
        await store.check_site_key(site_key(site).fingerprint)
        result = await store.load(resources, adapter="fhir", precedence=site.precedence, batch=BATCH)
    account.count_issues(result.issues)
    account.resources.update(result.resources)
    account.stored.update(
        created=result.created,
        updated=result.updated,
        unchanged=result.unchanged,
        stale=result.stale,
        conflicts=result.conflicts,
    )


def _accepted(
    sources: Sequence[str], validate: ValidateMode, account: Account, on_progress: Progress
) -> Iterator[dict[str, Any]]:
    validator = Validator(get_terminology())
    for file in fhir_files(sources):
        for locator, text in iter_resources(file):
            try:
                resource = loads_exact(text)
            except JsonError as error:
                account.count_record("rejected")
                account.count_issues([Issue("error", "FB-FHIR-001", str(error), locator)])
                continue
            issues = [] if validate == "none" else validator.validate(resource)
            errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
            account.count_issues(errors, locator)
            account.count_record("rejected" if errors else "converted")
            on_progress(account.read)
            if not errors:
                yield resource
