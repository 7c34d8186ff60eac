"""The application of one web worker."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx
import pluggy
import psycopg
import psycopg_pool
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_bridge import egress
from fhir_bridge.fhir import definitions
from fhir_bridge.plugins import get_manager
from fhir_bridge.server import cds, login, metrics, sample_app
from fhir_bridge.server.admission import Admission
from fhir_bridge.server.audit_log import AuditLog
from fhir_bridge.server.authorization import authorize, discovery, inspect, launch, token
from fhir_bridge.server.cors import Origins
from fhir_bridge.server.dicomweb import querying, retrieving, storing
from fhir_bridge.server.finishing import finish_all
from fhir_bridge.server.garbage import collect_in_pauses
from fhir_bridge.server.receiving import http as messages
from fhir_bridge.server.refusals import Refusals
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.endpoint import FhirEndpoint, below_base
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.server.rest.websocket import subscribe
from fhir_bridge.server.routes import add_pages
from fhir_bridge.server.services import Services
from fhir_bridge.server.settings import FHIR_PATH, Settings
from fhir_bridge.server.slots import ByteLimit, Slots
from fhir_bridge.server.smart.jwks import JwksCache
from fhir_bridge.server.smart.keys import SigningKey
from fhir_bridge.server.smart.tokens import TokenReader
from fhir_bridge.server.subscriptions.owners import Owners
from fhir_bridge.server.subscriptions.sockets import PATH, Sockets
from fhir_bridge.server.terminology import ServedTerminology, limits_of
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.attempts import Attempts
from fhir_bridge.storage.blobs import open_blobs
from fhir_bridge.storage.bulk import BulkJobs
from fhir_bridge.storage.grants import Grants

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["create_app"]

# Six for what lasts (`Slots`), half of them for one caller.
CONNECTIONS = 10
"""Of a worker to the database: four are left for reads, writes, sign-ins and tokens when all else is busy."""

_log = logging.getLogger("fhir_bridge.server")


class _Application(FastAPI):
    """FastAPI for the pages and the authorization server; the FHIR API is before it.

    Each layer of FastAPI costs every request, and the FHIR endpoint needs none of them: it takes addresses apart and
    answers errors itself. A Mount would besides send `POST [base]` on to `[base]/`, at an address built from the
    request's own Host header.
    """

    endpoint: ASGIApp | None = None
    admission: Admission | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the application's life itself."""
        if scope["type"] != "http" or self.admission is None:
            await self.dispatch(scope, receive, send)
        else:
            await self.admission(scope, receive, send)

    async def dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """All below the base is FHIR, whatever characters are there, alive once the worker is."""
        if scope["type"] == "http" and _is_fhir(scope):
            if self.endpoint is None:
                await JSONResponse({"detail": "starting"}, 503)(scope, receive, send)
            else:
                await self.endpoint(scope, receive, send)
        elif scope["type"] == "http" and _OBSCURE.search(scope.get("raw_path", b"")):
            # Starlette decodes the path before it routes: `%2F` would come out as a
            # separator that the sender never sent.
            await JSONResponse({"detail": "there is nothing at this address"}, 404)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


_OBSCURE = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)
"""An encoded slash, backslash or NUL: decoded, it would make another address of it."""


def _is_fhir(scope: Scope) -> bool:
    # Discovery is below the base too, and FHIR's dispatcher knows only resources and operations.
    below = below_base(scope)
    return below is not None and FHIR_PATH + below != discovery.SMART_CONFIGURATION


def create_app(
    settings: Settings,
    store: Store | None = None,
    *,
    plugins: pluggy.PluginManager | None = None,
    http: httpx.AsyncClient | None = None,
) -> FastAPI:
    """The application: FHIR API, authorization server, sign-in and pages.

    Args:
        store: an open store, which stays the caller's; absent, one is opened on `settings.database_url` and closed.
        plugins: the manager; absent, the process's own.
        http: client for the key sets of registered applications; absent, one is made.

    Raises:
        OperationRefused, PluginError: an operation or a route of a plug-in declares no access.
    """
    manager = plugins or get_manager()
    terminology = ServedTerminology(settings.site, limits_of(settings))
    operations = Operations.of_plugins(manager, _Context(terminology, settings))
    # Before the application exists, so that a plug-in's mistake stops the start and not the first request.
    wrappers = [wrapper for group in manager.hook.fhir_bridge_middleware() for wrapper in group]

    @asynccontextmanager
    async def lifespan(app: _Application) -> AsyncIterator[None]:
        opened = store or await _open(settings)
        # The address of a key set is registered; where it leads to is checked all the same.
        client = http or egress.client(settings.allowed.registered(), seconds=5)
        # Here, once, rather than in the first request, which would wait for it.
        definitions.load()
        await asyncio.to_thread(terminology.load)
        services = await _services(settings, opened, manager, client, terminology)
        app.state.services, app.state.store, app.state.settings = services, opened, settings
        origins = app.state.origins = Origins(services.accounts)
        intake = app.state.intake = messages.LazyIntake(settings)
        services.audit.start()
        app.endpoint = FhirEndpoint(services, operations, origins, terminology)
        # The first that is registered comes out as the outermost.
        for wrapper in reversed(wrappers):
            app.endpoint = wrapper(app.endpoint)
        if settings.auth == "none":
            _log.warning("NO AUTHORIZATION: whoever reaches %s may read and change everything", settings.root)
        # What is garbage by now would be kept for ever by `freeze`.
        gc.collect()
        gc.freeze()  # tables and code live as long as the worker: collections need not walk them
        assert app.admission is not None
        cleaning = asyncio.create_task(collect_in_pauses(app.admission), name="garbage")
        try:
            yield
        finally:
            # Begun writes first, since they leave events; the counts of refusals leave some as
            # well; then the log is emptied.
            cleaning.cancel()
            await finish_all()
            await intake.stop()
            await services.sockets.stop()
            await services.refusals.flush()
            await services.audit.stop()
            if http is None:
                await client.aclose()
            if store is None:
                await opened.close()

    # No description of the pages for everybody; the FHIR API describes itself at /metadata.
    app = _Application(
        title="FHIR Bridge",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # the redirects would be built from the request's Host header
    )
    app.admission = Admission(app.dispatch, settings.max_requests)
    app.add_exception_handler(psycopg.OperationalError, _away)
    app.add_exception_handler(psycopg_pool.PoolTimeout, _away)
    for router in (
        discovery.router,
        login.router,
        authorize.router,
        token.router,
        inspect.router,
        launch.router,
        messages.router,
        metrics.router,
        storing.router,
        *((querying.router, retrieving.router) if settings.dicomweb else ()),
    ):
        app.include_router(router)
    app.add_api_websocket_route(PATH, subscribe)
    if settings.cds:
        app.include_router(cds.router)
    if settings.sample_app:
        app.include_router(sample_app.router)
    if settings.pages:
        add_pages(app, manager)
    return app


async def _away(_request: Request, error: Exception) -> JSONResponse:
    """Of pages and the authorization server: nothing of what was asked was done (RFC 6749 §4.1.2.1)."""
    _log.error("the database does not answer (%s)", type(error).__name__)
    content = {"error": "temporarily_unavailable", "error_description": "the database does not answer now"}
    return JSONResponse(content, 503, {"Retry-After": "2", "Cache-Control": "no-store"})


@dataclass(frozen=True, slots=True)
class _Context:
    terminology: ServedTerminology
    settings: Settings


async def _open(settings: Settings) -> Store:
    from fhir_bridge.storage import Store, database_url

    return await Store.open(
        database_url(settings.database_url, data_dir=settings.database_dir),
        max_size=CONNECTIONS,
        statement_seconds=settings.max_request_seconds + 5,  # the budget ends it first, and says so
        known=settings.definitions(),
        base=settings.fhir_base,
        most_index_rows=settings.max_index_rows,
        check_references=settings.check_references,
    )


async def _services(
    settings: Settings,
    store: Store,
    manager: pluggy.PluginManager,
    http: httpx.AsyncClient,
    terminology: ServedTerminology,
) -> Services:
    grants, log = Grants(store), AuditLog(store, before_answer=settings.audit_reads == "before-answer")
    blobs = await open_blobs(store, settings.blobs)
    return Services(
        settings=settings,
        store=store,
        accounts=Accounts(store),
        grants=grants,
        attempts=Attempts(store),
        key=await SigningKey.load(grants),
        tokens=TokenReader(grants, settings.fhir_base),
        jwks=JwksCache(http),
        audit=log,
        refusals=Refusals(log),
        plugins=manager,
        http=http,
        terminology=terminology,
        blobs=blobs,
        bulk=BulkJobs(store.pool, blobs),
        slots=Slots(CONNECTIONS - 4, (CONNECTIONS - 4) // 2),
        bodies=ByteLimit(4 * settings.max_body_bytes),
        large=asyncio.Semaphore(1),
        sockets=Sockets(
            store,
            Owners(grants, open_=settings.auth == "none"),
            partial(hooks.redact, manager),
            settings.fhir_base,
        ),
    )
