"""The FHIR endpoint: address, token, interaction, answer. One ASGI application, mounted at `/fhir`."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote, unquote

import psycopg
import psycopg_pool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.server.cors import Origins, preflight_headers
from fhir_bridge.server.finishing import finished
from fhir_bridge.server.joining import answer
from fhir_bridge.server.rest import answers, hooks
from fhir_bridge.server.rest.budget import Budget
from fhir_bridge.server.rest.call import Call, check_format, query_of, request_id, wants_xml
from fhir_bridge.server.rest.callers import caller_of
from fhir_bridge.server.rest.compressing import compress
from fhir_bridge.server.rest.descriptions import Descriptions
from fhir_bridge.server.rest.operation_registry import Operations
from fhir_bridge.server.rest.operations import operate
from fhir_bridge.server.rest.refusal import Refusal, refuse
from fhir_bridge.server.rest.refused import record_refusal
from fhir_bridge.server.rest.registry import Handler, Shape, allowed, find
from fhir_bridge.server.rest.requests import FhirRequest
from fhir_bridge.server.rest.search import check_plain, decoded
from fhir_bridge.server.rest.xml_answers import in_xml
from fhir_bridge.server.services import Services
from fhir_bridge.server.settings import FHIR_PATH
from fhir_bridge.server.smart.tokens import Caller
from fhir_bridge.server.terminology import ServedTerminology
from fhir_bridge.storage.errors import DiskFull, StorageError

__all__ = ["FhirEndpoint", "below_base"]

_log = logging.getLogger("fhir_bridge.rest")

_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
_NOT_KEPT = (b"cache-control", b"no-store")
_AWAY = (psycopg.OperationalError, psycopg_pool.PoolTimeout, OSError)
"""What is raised where the database does not answer."""
_SEGMENT = re.compile(r"[A-Za-z0-9.\-]{1,64}")
_WARNING = (
    '299 - "fhir-bridge runs WITHOUT AUTHORIZATION: anyone on this machine may read and change everything"'
)


@dataclass(slots=True)
class _Who:
    """Who calls, as far as it is known when a request is refused."""

    caller: Caller | None = None
    access: AccessFilter | None = None


class FhirEndpoint:
    """Serves the FHIR API for one worker.

    Args:
        services: the worker's parts.
        operations: what is served at `$name`.
        origins: who may call from a browser.
        terminology: what TerminologyCapabilities describes.
    """

    def __init__(
        self, services: Services, operations: Operations, origins: Origins, terminology: ServedTerminology
    ) -> None:
        self._services = services
        self._operations = operations
        self._origins = origins
        self._open = services.settings.auth == "none"
        self._descriptions = Descriptions(services, operations, terminology)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever happens, the answer is an OperationOutcome or what was asked for."""
        request = FhirRequest(scope, receive, send)
        identity = request_id(request)
        who = _Who()
        try:
            response = await self._serve(request, identity, who)
        except Refusal as refusal:
            response = answers.outcome(refusal.status, refusal.issues, refusal.headers)
            await self._record(request, identity, who, refusal.status, refusal.issues[0].code)
        except StorageError as error:
            response = _of_storage(error)
            await self._record(request, identity, who, error.status, error.code)
        except psycopg.errors.QueryCanceled:  # by the database's own limit; the budget's ends it before
            # Before OperationalError, of which psycopg makes this one and DiskFull subclasses.
            long = refuse(503, "FB-REST-019", "the database took too long: narrow the search")
            response = answers.outcome(long.status, long.issues)
        except psycopg.errors.DiskFull:
            _log.critical("request %s: the database's disk is full", identity)
            response = _of_storage(DiskFull("the database's disk is full: nothing of this was stored"))
        except _AWAY as error:
            _log.error("request %s: the database does not answer (%s)", identity, type(error).__name__)
            away = refuse(
                503, "FB-REST-013", "the database does not answer now", headers={"Retry-After": "2"}
            )
            response = answers.outcome(away.status, away.issues, away.headers)
        except Exception as error:  # noqa: BLE001 - the last boundary: the caller gets an outcome, the log the place
            # The message of an exception may hold a patient's values, so only its type and place are logged.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("request %s failed with %s\n%s", identity, type(error).__name__, where)
            failed = refuse(500, "FB-REST-011", f"the server failed on request {identity}")
            response = answers.outcome(failed.status, failed.issues)
        response = await self._finish(request, response, identity)
        if scope["method"] == "HEAD":
            response = _without_body(response)
        await answer(response, scope, receive, send)

    async def _finish(self, request: Request, response: Response, identity: str) -> Response:
        # On raw headers, looked at once: Starlette's own interface copies or goes through them with each look.
        named = dict(response.raw_headers)
        if named.get(b"content-type", b"").startswith(b"application/fhir+json") and wants_xml(request):
            response = await in_xml(request, response)
        response.raw_headers += (_NO_SNIFFING, (b"x-request-id", identity.encode("latin-1")))
        # Patients' data must stay in no cache (RFC 9111 §5.2.2.5).
        if b"cache-control" not in named:
            response.raw_headers.append(_NOT_KEPT)
        if self._open:
            response.headers["Warning"] = _WARNING
        elif b"access-control-allow-origin" not in named and "origin" in request.headers:
            await self._origins.allow(request.headers.get("origin"), response.headers)
        await compress(request, response)
        return response

    async def _record(self, request: Request, identity: str, who: _Who, status: int, code: str) -> None:
        """Take note of a refusal; one that can't be noted is refused all the same."""
        # The address itself may be what was refused.
        try:
            path = _segments(request)
        except Refusal:
            path = []
        try:
            await record_refusal(
                self._services, request, identity, who.caller, who.access, status, code, path=path
            )
        except _AWAY as error:
            _log.error("request %s: its refusal can't be noted (%s)", identity, type(error).__name__)

    async def _serve(self, request: Request, identity: str, who: _Who) -> Response:
        segments = _segments(request)
        # Before the token: browsers send none with a preflight.
        if request.method == "OPTIONS":
            return self._preflight(segments)
        if (description := await self._descriptions.find(segments, request)) is not None:
            # Discovery is open to browsers; without authorization nothing is, for any page could read everything.
            if not self._open:
                description.headers["Access-Control-Allow-Origin"] = "*"
            return description
        caller = who.caller = await caller_of(self._services, request)
        access = who.access = hooks.authorize(self._services.plugins, caller.access, request)
        if not _has_its_own_format(request, segments):
            check_format(request)
        budget = Budget(self._services.settings)
        call = Call(
            request,
            self._services,
            caller,
            access,
            identity,
            operations=self._operations,
            describe=self._descriptions.metadata,
            budget=budget,
        )
        method = "GET" if request.method == "HEAD" else request.method
        if segments and segments[-1].startswith("$"):
            return await self._operation(call, segments, method)
        shape = _shape(call, segments)
        interaction = find(shape, method)
        if interaction is None:
            raise refuse(
                405, "FB-REST-006", f"{method[:10]} is not taken here", headers={"Allow": allowed(shape)}
            )
        # R4 http.html#parameters: parameters that would change the answer must not be ignored in silence.
        if request.scope["query_string"] and not interaction.asks:
            check_plain(call, decoded(query_of(request)))
        if interaction.writes and not interaction.finishes:
            return await finished(_handled(call, interaction.handler))
        return await _handled(call, interaction.handler)

    def _preflight(self, segments: Sequence[str]) -> Response:
        """No token is asked for; whether the origin is allowed shows in the headers."""
        response = Response(status_code=204, headers=preflight_headers(_METHODS))
        if segments in (["metadata"], ["openapi.json"]) and not self._open:
            response.headers["Access-Control-Allow-Origin"] = "*"
        return response

    async def _operation(self, call: Call, segments: Sequence[str], method: str) -> Response:
        *location, name = segments
        if method not in ("GET", "POST"):
            raise refuse(405, "FB-REST-006", "an operation takes GET or POST", headers={"Allow": "GET, POST"})
        if len(location) > 2:
            raise refuse(404, "FB-REST-005", "there is nothing at this address")
        if location:
            call.type = _known_type(location[0])
        if len(location) == 2:
            call.id = _plain(location[1])
        call.operation = name[1:]
        return await _handled(call, partial(operate, operations=self._operations))


async def _handled(call: Call, handler: Handler) -> Response:
    """The answer of a handler, and what the call held given back."""
    try:
        return await handler(call)
    finally:
        call.close()


def _segments(request: Request) -> list[str]:
    """The address below the base, taken apart before it is decoded: an encoded slash is a character of its part.

    One slash at the end is left out of account; an empty part anywhere else is a part that nothing has.

    Raises:
        Refusal: 400: bytes that are not UTF-8.
    """
    # Split before decoding: an id that holds `%2F` must stay one part.
    path = below_base(request.scope)
    assert path is not None
    segments = path.removeprefix("/").removesuffix("/").split("/")
    if "%" not in path:
        return [] if segments == [""] else segments
    try:
        return [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError as error:
        raise refuse(400, "FB-REST-008", "the address is not UTF-8") from error


def below_base(scope: Scope) -> str | None:
    """The address below the FHIR base as it was sent, percent-encoded; None where it is elsewhere."""
    # Servers without raw_path (tests) have the decoded path alone.
    path = scope["raw_path"].decode("latin-1") if "raw_path" in scope else quote(scope["path"])
    path = path.removeprefix(scope.get("root_path", ""))
    if path == FHIR_PATH or path.startswith(FHIR_PATH + "/"):
        return path.removeprefix(FHIR_PATH)
    return None


def _has_its_own_format(request: Request, segments: Sequence[str]) -> bool:
    """Whether an address answers in what is stored there: files of an export, contents of a Binary."""
    match segments:
        case ["_bulk", *_]:
            return True
        case ["Binary", _] | ["Binary", _, "_history", _]:
            return request.method in ("GET", "HEAD")
        case _:
            return False


def _known_type(name: str) -> str:
    if name not in definitions.resource_types():
        raise refuse(404, "FB-REST-005", f"there is no resource type {name[:40]!a}")
    return name


def _plain(text: str) -> str:
    if not _SEGMENT.fullmatch(text):
        raise refuse(404, "FB-REST-005", "an id has up to 64 letters, digits, - and .")
    return text


def _shape(call: Call, segments: Sequence[str]) -> Shape:
    """The kind of address; its parts go into the call.

    Raises:
        Refusal: 404.
    """
    match segments:
        case []:
            return "base"
        case ["_history"]:
            return "_history"
        case ["_search"]:
            return "_search"
        case ["_bulk", identity]:
            call.id = _plain(identity)
            return "_bulk/id"
        case ["_bulk", identity, number]:
            call.id, call.version = _plain(identity), _plain(number)
            return "_bulk/id/file"
        case [name]:
            call.type = _known_type(name)
            return "Type"
        case [name, "_search"]:
            call.type = _known_type(name)
            return "Type/_search"
        case [name, "_history"]:
            call.type = _known_type(name)
            return "Type/_history"
        case [name, identity]:
            call.type, call.id = _known_type(name), _plain(identity)
            return "Type/id"
        case [name, identity, "_history"]:
            call.type, call.id = _known_type(name), _plain(identity)
            return "Type/id/_history"
        case [name, identity, "*"]:
            call.compartment = (_known_type(name), _plain(identity))
            return "Type/id/*"
        case [name, identity, kind] if kind[:1].isupper():
            call.compartment = (_known_type(name), _plain(identity))
            call.type = _known_type(kind)
            return "Type/id/Type"
        case [name, identity, "_history", version]:
            call.type, call.id, call.version = _known_type(name), _plain(identity), _plain(version)
            return "Type/id/_history/version"
        case _:
            raise refuse(404, "FB-REST-005", "there is nothing at this address")


def _of_storage(error: StorageError) -> Response:
    headers = {}
    if error.status == 503:
        headers["Retry-After"] = "2"
    if error.status == 403:
        headers["WWW-Authenticate"] = 'Bearer realm="fhir", error="insufficient_scope"'
    return answers.outcome(error.status, [error.issue], headers)


def _without_body(response: Response) -> Response:
    # A new response: the length and the body of the first must not go out, its headers must (RFC 9110 §9.3.2).
    bare = Response(status_code=response.status_code)
    bare.raw_headers = response.raw_headers
    return bare
