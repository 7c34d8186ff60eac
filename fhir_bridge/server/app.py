"""The application of one web worker."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pluggy
from fastapi import FastAPI
from starlette.datastructures import URLPath
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match, NoMatchFound
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


class _FhirRoute(BaseRoute):
    """The base itself and all below it, whatever characters stand there; alive once the worker is.

    A Mount would send `POST [base]` on to `[base]/`, at an address made of the request's own Host header.
    """

    def __init__(self) -> None:
        self.endpoint: FhirEndpoint | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Every method, so that refusals are OperationOutcomes too."""
        root = scope.get("root_path", "")
        path = scope["path"].removeprefix(root) if scope["type"] == "http" else ""
        if path != FHIR_PATH and not path.startswith(FHIR_PATH + "/"):
            return Match.NONE, {}
        return Match.FULL, {"app_root_path": scope.get("app_root_path", root), "root_path": root + FHIR_PATH}

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """No address has a name.

        Raises:
            NoMatchFound: always.
        """
        raise NoMatchFound(name, path_params)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self.endpoint is None:
            await JSONResponse({"detail": "starting"}, 503)(scope, receive, send)
            return
        await self.endpoint(scope, receive, send)


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
        manager, [Validate(), Versions(), *terminology_operations(terminology)]
    )
    fhir = _FhirRoute()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        opened = store or await _open(settings)
        client = http or httpx.AsyncClient(timeout=5, follow_redirects=False)
        definitions.load()
        services = await _services(settings, opened, manager, client)
        app.state.services, app.state.store, app.state.settings = services, opened, settings
        origins = app.state.origins = Origins(services.accounts)
        services.audit.start()
        fhir.endpoint = FhirEndpoint(services, operations, origins, terminology)
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

    app = FastAPI(
        title="FHIR Bridge",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,  # the redirects would be made of the request's Host header
    )
    app.include_router(discovery.router)  # first: one of its addresses lies below /fhir
    app.router.routes.append(fhir)
    for router in (login.router, authorize.router, token.router, inspect.router, launch.router):
        app.include_router(router)
    if settings.sample_app:
        app.include_router(sample_app.router)
    if settings.pages:
        _add_pages(app)
    return app


async def _open(settings: Settings) -> Store:
    from fhir_bridge.storage import Store, database_url

    return await Store.open(database_url(settings.database_url, data_dir=settings.database_dir))


async def _services(
    settings: Settings, store: Store, manager: pluggy.PluginManager, http: httpx.AsyncClient
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
    )


def _add_pages(app: FastAPI) -> None:
    """The pages, where that room is there."""
    if importlib.util.find_spec(PAGES) is None:
        return
    router = getattr(importlib.import_module(PAGES), "router", None)
    if router is not None:
        app.include_router(router)
