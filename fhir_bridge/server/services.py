"""What the request handlers share: one of each a worker, at `app.state.services`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import httpx
import pluggy
from starlette.requests import Request

from fhir_bridge.server.audit_log import AuditLog
from fhir_bridge.server.refusals import Refusals
from fhir_bridge.server.settings import Settings
from fhir_bridge.server.slots import ByteLimit, Slots
from fhir_bridge.server.smart.jwks import JwksCache
from fhir_bridge.server.smart.keys import SigningKey
from fhir_bridge.server.smart.tokens import TokenReader
from fhir_bridge.server.subscriptions.sockets import Sockets
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.storage.accounts import Accounts
from fhir_bridge.storage.attempts import Attempts
from fhir_bridge.storage.blobs import Blobs
from fhir_bridge.storage.bulk import BulkJobs
from fhir_bridge.storage.grants import Grants

if TYPE_CHECKING:
    from fhir_bridge.storage import Store

__all__ = ["Services", "services_of"]


@dataclass(slots=True)
class Services:
    """The parts of one worker.

    Attributes:
        blobs: large contents.
        bulk: exports and imports.
        slots: turns at searches, histories, operations and Bundles.
        bodies: bytes of all requests' bodies.
        sockets: websockets of Subscriptions.
        large: a turn at a large body, which takes many times its size when it is parsed.
    """

    settings: Settings
    store: Store
    accounts: Accounts
    grants: Grants
    attempts: Attempts
    key: SigningKey
    tokens: TokenReader
    jwks: JwksCache
    audit: AuditLog
    refusals: Refusals
    plugins: pluggy.PluginManager
    http: httpx.AsyncClient
    terminology: ServedTerminology
    blobs: Blobs
    bulk: BulkJobs
    slots: Slots
    bodies: ByteLimit
    large: asyncio.Semaphore
    sockets: Sockets


def services_of(request: Request) -> Services:
    """The worker's services behind a request."""
    return cast("Services", request.app.state.services)
