"""`load` without an adapter: NDJSON, resources and Bundles into the store as they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.mapping import Site
from fhir_bridge.pipeline.account import Account
from fhir_bridge.pipeline.context import site_key
from fhir_bridge.pipeline.convert import NO_LIMIT, RejectionLimit, RunResult
from fhir_bridge.pipeline.fhir_records import Checked
from fhir_bridge.pipeline.shard import EVERY_RECORD, Selection, TooManyRejected, ValidateMode
from fhir_bridge.pipeline.sources import fhir_files

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["load_fhir"]

Progress = Callable[[int], None]


def load_fhir(
    sources: Sequence[str],
    url: str,
    *,
    validate: ValidateMode = "sample",
    site: Path | None = None,
    selection: Selection = EVERY_RECORD,
    limit: RejectionLimit = NO_LIMIT,
    on_progress: Progress = lambda _read: None,
) -> RunResult:
    """Store NDJSON, single resources and Bundles as they are; an invalid or unreadable one is rejected by name.

    `sample` checks everything here: what others made has no mapping that vouches for it. `none` checks nothing. A
    transaction is taken whole, whatever `selection` limits.

    Raises:
        SourceError: a source does not exist.
        OtherSiteKey: the database holds resources whose ids were made with another site key.
    """
    import asyncio  # only what stores needs it

    started = time.monotonic()
    account = Account()
    settings = Site.load(site) if site else Site()
    checked = Checked(validate, account, selection, on_progress, settings)
    dangling = asyncio.run(_store(fhir_files(sources, xml=True), url, settings, checked))
    incomplete = str(TooManyRejected(account)) if checked.too_many else None
    if incomplete is None:
        selection.report_end(account)
    report = account.report(seconds=time.monotonic() - started)
    if dangling:
        report["dangling"] = dangling
    return RunResult(account, report, incomplete, checked.too_many or limit.exceeded(account))


async def _store(files: Iterable[Path], url: str, site: Site, checked: Checked) -> dict[str, int]:
    """Store everything; gives what is referred to and not here (`Store.dangling`)."""
    # Only what stores needs a database driver.
    from fhir_bridge.pipeline.numbered_orders import join_orders_since
    from fhir_bridge.pipeline.store_sink import BATCH, count_stored
    from fhir_bridge.storage import Store
    from fhir_bridge.storage.numbered_orders import CHANGING_TYPES

    account = checked.account
    async with await Store.open(url, max_size=1, known=site.definitions) as store:
        # Before anything is stored: ids of two keys for one source would stand side by side.
        await store.check_site_key(site_key(site).fingerprint)
        plain: list[Path] = []
        for file in files:
            bundle = checked.transaction(file)
            if bundle is None:
                plain.append(file)
            elif bundle:
                await _transact(store, file, bundle, account)
        result = await store.load(
            checked.resources(plain), adapter="fhir", precedence=site.precedence, batch=BATCH
        )
        if result.resources.keys() & set(CHANGING_TYPES):
            account.count_issues((await join_orders_since(store)).issues)
        dangling = await store.dangling()
    account.recount(result.rejected + result.refused, "converted", "rejected")
    count_stored(account, result)
    return dangling


async def _transact(store: Store, file: Path, bundle: dict[str, Any], account: Account) -> None:
    """Carry out a transaction or batch Bundle, its `urn:uuid`s resolved; done twice it changes nothing."""
    from fhir_bridge.pipeline.store_sink import count_stored
    from fhir_bridge.storage import StorageError

    entries = [_repeatable(entry) for entry in bundle.get("entry") or []]
    # They are no part of the transaction: each is kept as it is, once.
    events = [entry["resource"] for entry in entries if _is_event(entry.get("resource"))]
    if events:
        result = await store.load(events)
        count_stored(account, result)
        account.count_record("converted", len(events) - result.rejected)
        account.count_record("rejected", result.rejected)
        entries = [entry for entry in entries if not _is_event(entry.get("resource"))]
    bundle = {**bundle, "entry": entries}
    try:
        response = await store.transaction(bundle, EVERYTHING)
    except StorageError as error:
        account.count_record("rejected", len(entries))
        account.count_issues([error.issue], file.name)
        return
    for number, (entry, answer) in enumerate(zip(entries, response.get("entry", ()), strict=False)):
        status = str(answer.get("response", {}).get("status", ""))
        if status[:1] in ("2", "3"):
            account.count_record("converted")
            account.stored["created" if status.startswith("201") else "updated"] += 1
            if isinstance(entry.get("resource"), dict):
                account.resources[str(entry["resource"].get("resourceType"))] += 1
        else:
            account.count_record("rejected")
            message = f"the batch entry was refused with {status}"
            account.count_issues([Issue("error", "FB-RUN-030", message, f"{file.name}#entry[{number}]")])


def _is_event(resource: Any) -> bool:
    return isinstance(resource, dict) and resource.get("resourceType") == "AuditEvent"


def _repeatable(entry: dict[str, Any]) -> dict[str, Any]:
    """A POST under a `urn:uuid:` as a PUT to that UUID, so that loading the file again creates no second resource."""
    request, resource = entry.get("request") or {}, entry.get("resource")
    full_url = str(entry.get("fullUrl", ""))
    unconditional = request.get("method") == "POST" and not request.get("ifNoneExist")
    if not unconditional or not full_url.startswith("urn:uuid:") or not isinstance(resource, dict):
        return entry
    identity = full_url.removeprefix("urn:uuid:").lower()
    put = {"method": "PUT", "url": f"{resource.get('resourceType')}/{identity}"}
    return {**entry, "resource": {**resource, "id": identity}, "request": put}
