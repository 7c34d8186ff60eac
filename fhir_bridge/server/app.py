"""The application of one web worker."""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.util
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pluggy
from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from fhir_bridge.fhir import definitions
from fhir_bridge.plugins import get_manager
from fhir_bridge.server import login, sample_app
from fhir_bridge.server.audit_log import AuditLog
from fhir_bridge.server.cors import Origins
from fhir_bridge.server.rest.endpoint import FhirEndpoint
from fhir_bridge.server.rest.operations import Operations
from fhir_bridge.server.rest.terminology import Versions, terminology_operations
from fhir_bridge.server.rest.validate import Validate
from fhir_bridge.server.services import Services
from fhir_bridge.server.settings import FHIR_PATH, Settings
from fhir_bridge.server.smart import authorize, discovery, inspect, launch, token
from fhir_bridge.server.smart.jwks import JwksCache
from fhir_bridge.server.smart.keys import SigningKey
from fhir_bridge.server.smart.tokens import TokenReader
from fhir_bridge.server.terminology import ServedTerminology, limits_of
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.grants import Grants

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["create_app"]

PAGES = "fhir_bridge.server.pages"

_log = logging.getLogger("fhir_bridge.server")


class _Application(FastAPI):
    """FastAPI for the pages and the authorization server; the FHIR API stands before it.

    Each layer of FastAPI costs every request, and the FHIR endpoint needs none of them: it takes addresses apart and
    answers errors itself. A Mount would besides send `POST [base]` on to `[base]/`, at an address made of the request's
    own Host header.
    """

    endpoint: FhirEndpoint | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; all below the base is FHIR, whatever characters stand there, alive once the worker is."""
        if scope["type"] != "http" or not _is_fhir(scope["path"].removeprefix(scope.get("root_path", ""))):
            await super().__call__(scope, receive, send)
        elif self.endpoint is None:
            await JSONResponse({"detail": "starting"}, 503)(scope, receive, send)
        else:
            scope["root_path"] = scope.get("root_path", "") + FHIR_PATH
            await self.endpoint(scope, receive, send)


def _is_fhir(path: str) -> bool:
    return path == FHIR_PATH or (path.startswith(FHIR_PATH + "/") and path != discovery.SMART_CONFIGURATION)


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
        OperationRefused: a plug-in's operation declares no access.
    """
    manager = plugins or get_manager()
    terminology = ServedTerminology(settings.site, limits_of(settings))
    operations = Operations.of_plugins(
        manager, [Validate(terminology), Versions(), *terminology_operations(terminology)]
    )

    @asynccontextmanager
    async def lifespan(app: _Application) -> AsyncIterator[None]:
        opened = store or await _open(settings)
        client = http or httpx.AsyncClient(timeout=5, follow_redirects=False)
        definitions.load()
        await asyncio.to_thread(terminology.load)
        services = await _services(settings, opened, manager, client, terminology)
        app.state.services, app.state.store, app.state.settings = services, opened, settings
        origins = app.state.origins = Origins(services.accounts)
        services.audit.start()
        app.endpoint = FhirEndpoint(services, operations, origins, terminology)
        if settings.auth == "none":
            _log.warning("NO AUTHORIZATION: whoever reaches %s may read and change everything", settings.root)
        gc.collect()
        gc.freeze()  # tables and code live as long as the worker: collections need not walk them on every request
        try:
            yield
        finally:
            await services.audit.stop()
            if http is None:
                await client.aclose()
            if store is None:
                await opened.close()

    app = _Application(
        title="FHIR Bridge",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # the redirects would be made of the request's Host header
    )
    for router in (
        discovery.router,
        login.router,
        authorize.router,
        token.router,
        inspect.router,
        launch.router,
    ):
        app.include_router(router)
    if settings.sample_app:
        app.include_router(sample_app.router)
    if settings.pages:
        _add_pages(app)
    return app


def known_to(settings: Settings) -> definitions.Definitions:
    """The definitions of the site that is served."""
    if settings.site is None:
        return definitions.DEFAULT
    from fhir_bridge.mapping import Site

    return Site.load(settings.site).definitions


async def _open(settings: Settings) -> Store:
    from fhir_bridge.storage import Store, database_url

    url = database_url(settings.database_url, data_dir=settings.database_dir)
    return await Store.open(url, known=known_to(settings))


async def _services(
    settings: Settings,
    store: Store,
    manager: pluggy.PluginManager,
    http: httpx.AsyncClient,
    terminology: ServedTerminology,
) -> Services:
    grants = Grants(store)
    return Services(
        settings=settings,
        store=store,
        accounts=Accounts(store),
        grants=grants,
        key=await SigningKey.load(grants),
        tokens=TokenReader(grants, settings.fhir_base),
        jwks=JwksCache(http),
        audit=AuditLog(store, manager),
        plugins=manager,
        http=http,
        terminology=terminology,
    )


def _add_pages(app: FastAPI) -> None:
    """The pages, where that room is there."""
    if importlib.util.find_spec(PAGES) is None:
        return
    router = getattr(importlib.import_module(PAGES), "router", None)
    if router is not None:
        app.include_router(router)
