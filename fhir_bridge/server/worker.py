"""The background worker: work that belongs to no request. It does jobs, follows writes, and forgets what is over."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool

from fhir_bridge import egress
from fhir_bridge.mapping import CrosswalkError, MappingErrors, SiteError
from fhir_bridge.pipeline.instances import COMPOSE_JOB, compose_stored
from fhir_bridge.plugins import get_manager
from fhir_bridge.server.background import handlers, work_on_jobs
from fhir_bridge.server.bulk import export_handler, import_handler, predict_handler
from fhir_bridge.server.consuming import consume, consumers_of, prediction_triggers
from fhir_bridge.server.delivery.forwarding import forwarder
from fhir_bridge.server.delivery.sending import Sender, send
from fhir_bridge.server.delivery.targets import Targets
from fhir_bridge.server.inbox_replay import inbox_consumer, replay_inbox
from fhir_bridge.server.leasing import pause
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.settings import Settings
from fhir_bridge.server.smart.keys import SigningKey
from fhir_bridge.server.study_orders import (
    merged_numbers_consumer,
    numbered_orders_consumer,
    study_orders_consumer,
)
from fhir_bridge.server.subscriptions.channels import RestHook
from fhir_bridge.server.subscriptions.matching import subscription_consumer
from fhir_bridge.server.subscriptions.notifying import Notifier, notify
from fhir_bridge.server.subscriptions.owners import Owners
from fhir_bridge.server.subscriptions.sealing import SEAL, Seal
from fhir_bridge.server.terminology import ServedTerminology, limits_of
from fhir_bridge.storage.attempts import Attempts
from fhir_bridge.storage.blobs import open_blobs
from fhir_bridge.storage.bulk import BulkJobs
from fhir_bridge.storage.errors import StorageError
from fhir_bridge.storage.grants import Grants
from fhir_bridge.storage.jobs import Jobs
from fhir_bridge.storage.subscriptions import Subscriptions

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["run"]

PURGE_SECONDS = 600
SWEEP_ROUNDS = 24 * 3600 // PURGE_SECONDS
"""Once a day, and when the worker begins, all contents that are kept are looked at."""

_log = logging.getLogger("fhir_bridge.worker")


def run(settings: Settings) -> None:
    """Work until requested to stop (SIGTERM, SIGINT); the entry of its process."""
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    from fhir_bridge.storage import Store, database_url

    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    parent = multiprocessing.parent_process()
    if parent is not None:
        loop.add_reader(parent.sentinel, stopped.set)  # `serve` was killed: nothing is left to work for
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    url = await asyncio.to_thread(database_url, settings.database_url, data_dir=settings.database_dir)
    # The schema was brought up to date by `serve`. Few connections: no request waits for what is done here.
    async with await Store.open(url, migrate=False, max_size=6, known=settings.definitions()) as store:
        site = settings.site_file
        # Tasks of their own: a long job must not hold up consumers, nor either of them the housekeeping; and a kind
        # each, for a model that hangs must hold up neither another model nor an export.
        jobs = [
            asyncio.create_task(work_on_jobs(store, {kind: handler}, stopped))
            for kind, handler in handlers(site).items()
        ]

        async def compose(store: Store, payload: dict[str, Any]) -> dict[str, Any]:
            return await compose_stored(store, url, settings.site, payload)

        composing = asyncio.create_task(work_on_jobs(store, {COMPOSE_JOB: compose}, stopped))
        manager = get_manager()
        blobs = await open_blobs(store, settings.blobs)
        terminology = ServedTerminology(settings.site, limits_of(settings))
        bulk_kinds = {
            "bulk-export": export_handler(blobs, manager),
            "bulk-import": import_handler(blobs, manager, settings, terminology),
            "bulk-predict": predict_handler(blobs, site),
        }
        bulk = [
            asyncio.create_task(work_on_jobs(store, {kind: handler}, stopped))
            for kind, handler in bulk_kinds.items()
        ]
        rounds = 0
        grants = Grants(store)
        owners = Owners(grants, open_=settings.auth == "none")
        targets = list(Targets.load(settings.delivery).targets.values())
        own = [
            inbox_consumer(url, settings.site),
            study_orders_consumer(),
            numbered_orders_consumer(),
            merged_numbers_consumer(),
            subscription_consumer(owners),
            *prediction_triggers(site),
            *map(forwarder, targets),
        ]
        consumers = asyncio.create_task(consume(store, [*consumers_of(manager), *own], stopped))
        http = egress.client(settings.allowed)
        seal = Seal((await SigningKey.load(grants)).secret(SEAL))
        redact = partial(hooks.redact, manager)
        notifier = Notifier(store, owners, RestHook(seal, http), redact, settings.fhir_base)
        notifying = asyncio.create_task(notify(notifier, stopped))
        senders = [
            await Sender.of(store, target, settings.allowed, http, redact, settings.fhir_base)
            for target in targets
        ]
        # A task each: a target that hangs holds up no other.
        sending = [asyncio.create_task(send(sender, stopped)) for sender in senders]
        while not stopped.is_set():
            try:
                await grants.purge()
                await Subscriptions(store.pool).purge()
                await Jobs(store.pool, "housekeeping").purge()
                await Attempts(store).purge()
                await store.prepare_audit()
                await _replay_inbox(store, url, settings.site)
                removed = await settings.retention().apply(store.pool)
                if any(removed.values()):
                    _log.info("removed by age: %s", removed)
                await BulkJobs(store.pool, blobs).forget(timedelta(days=settings.keep_export_days))
                await (blobs.sweep() if rounds % SWEEP_ROUNDS == 0 else blobs.collect())
                rounds += 1
            except (StorageError, psycopg.Error, psycopg_pool.PoolTimeout, OSError) as error:
                # The database may be away for hours; this loop is the worker's life and must not end with it.
                _log.warning("housekeeping waits: the database does not answer (%s)", type(error).__name__)
            await pause(stopped, PURGE_SECONDS)
        # What is under way is finished; `stopped` keeps all from beginning more.
        await asyncio.gather(*jobs)
        await composing
        # But for what may take long: another worker goes on where it was.
        for task in (*bulk, *sending):
            task.cancel()
        await asyncio.gather(*bulk, *sending, return_exceptions=True)
        await consumers
        await notifying
        await http.aclose()


async def _replay_inbox(store: Store, url: str, site: Path | None) -> None:
    """A crosswalk or a mapping may have been corrected; no change of the database shows."""
    try:
        await replay_inbox(store, url, site)
    except (SiteError, CrosswalkError, MappingErrors) as error:
        _log.warning("the inbox waits: %s", error)
