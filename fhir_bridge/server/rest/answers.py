"""Answers built from stored bytes: nothing is parsed on the way to the socket."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from urllib.parse import urlencode

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fhir_bridge.fhir.issues import Issue
from fhir_bridge.server.offloading import offloaded
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.call import FHIR_JSON, Call
from fhir_bridge.server.rest.parts import Parts
from fhir_bridge.server.rest.refusal import outcome_bytes
from fhir_bridge.storage import HistoryEntry, SearchPage, Stored, Written

__all__ = [
    "InPieces",
    "body_of",
    "encoded",
    "history_bundle",
    "in_pieces",
    "matches",
    "not_modified",
    "outcome",
    "resource",
    "search_bundle",
    "validators",
    "written",
]


def validators(stored: Stored) -> dict[str, str]:
    """ETag and Last-Modified (R4 http.html#read)."""
    return {"ETag": stored.etag, "Last-Modified": _http_date(int(stored.last_updated.timestamp()))}


@lru_cache(maxsize=256)
def _http_date(seconds: int) -> str:
    # HTTP dates are GMT (RFC 9110 §5.6.7), in whole seconds.
    return format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)


def not_modified(call: Call, stored: Stored) -> bool:
    """Whether the caller has this version already (If-None-Match, else If-Modified-Since)."""
    headers = call.request.headers
    # RFC 9110 §13.1.3: If-Modified-Since is ignored where If-None-Match is given.
    if (known := headers.get("if-none-match")) is not None:
        return matches(known, stored)
    if (since := headers.get("if-modified-since")) is not None:
        try:
            moment = parsedate_to_datetime(since)
        except ValueError:
            return False
        # The header has whole seconds: with its fraction the same version would always be newer.
        return bool(stored.last_updated.replace(microsecond=0) <= moment.astimezone(UTC))
    return False


def matches(known: str, stored: Stored) -> bool:
    """Whether a list of ETags, as If-None-Match has it, holds that of this version."""
    # Compared weakly (RFC 9110 §13.1.2), which is all that If-None-Match asks for.
    tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
    return "*" in tags or stored.etag.removeprefix("W/") in tags


def resource(call: Call, stored: Stored, wanted: Parts | None = None) -> Response:
    """One resource, or what is wanted of it."""
    headers = validators(stored)
    if not_modified(call, stored):
        return Response(status_code=304, headers=headers)
    body = hooks.redact(call.services.plugins, stored.bytes, call.access)
    if wanted is not None:
        body = wanted.of(body)
    return Response(body, headers=headers, media_type=FHIR_JSON)


def outcome(status: int, issues: Sequence[Issue], headers: dict[str, str] | None = None) -> Response:
    """An OperationOutcome."""
    return Response(outcome_bytes(issues), status, headers=headers, media_type=FHIR_JSON)


def written(call: Call, result: Written) -> Response:
    """The answer to a create or update, as the header Prefer wishes (R4 http.html#create)."""
    stored = result.stored
    headers = validators(stored)
    created = result.outcome == "created"
    headers["Location"] = f"{call.base}/{stored.type}/{stored.id}/_history/{stored.version}"
    status = 201 if created else 200
    preference = call.preference
    if preference == "minimal":
        return Response(status_code=status, headers=headers)
    if preference == "OperationOutcome":
        return outcome(status, call.warnings, headers)
    body = hooks.redact(call.services.plugins, stored.bytes, call.access)
    return Response(body, status, headers=headers, media_type=FHIR_JSON)


_UNRESERVED = re.compile(r"[A-Za-z0-9_.~=&-]*")


def encoded(parameters: Sequence[tuple[str, str]]) -> str:
    """Parameters as an address has them."""
    plain = "&".join([f"{name}={value}" for name, value in parameters])
    # A character of the two that separate, within a name or value, makes one more than there are.
    if _UNRESERVED.fullmatch(plain) and plain.count("=") + plain.count("&") == 2 * len(parameters) - 1:
        return plain
    return urlencode(parameters)


def _links(
    call: Call,
    path: str,
    parameters: Sequence[tuple[str, str]],
    cursors: Mapping[str, str | None],
    requested: Sequence[tuple[str, str]],
) -> bytes:
    """`self` says what was taken into account; the others ask as the caller did, for their cursors are bound to that.

    Args:
        cursors: by relation: `next`, `previous`.
    """
    here = f"{call.base}/{path}" if path else call.base
    own = here + (f"?{encoded(parameters)}" if parameters else "")
    links = [{"relation": "self", "url": own}]
    # All parameters as they came, unknown ones too: a cursor is bound to them (`Cursors`).
    kept = [pair for pair in requested if pair[0] != "_cursor"]
    for relation, cursor in cursors.items():
        if cursor is not None:
            links.append({"relation": relation, "url": f"{here}?{urlencode([*kept, ('_cursor', cursor)])}"})
    return orjson.dumps(links)


def _bundle(kind: bytes, links: bytes, total: int | None, entries: Iterable[Sequence[bytes]]) -> list[bytes]:
    """A Bundle in pieces: its entries' contents are not copied."""
    counted = b"" if total is None else b',"total":%d' % total
    # By hand: contents are bytes of the store, and parsing them only to write them
    # again would be most of the work.
    head = (
        b'{"resourceType":"Bundle","type":"' + kind + b'","timestamp":'
        + orjson.dumps(datetime.now(UTC).isoformat(timespec="milliseconds")) + counted + b',"link":' + links
    )  # fmt: skip
    parts = [head]
    for number, entry in enumerate(entries):
        parts.append(b"," if number else b',"entry":[')
        parts.extend(entry)
    parts.append(b"]}" if len(parts) > 1 else b"}")
    return parts


LARGE = 256 * 1024
"""Bytes from which an answer is sent in pieces, as the client takes them."""


class InPieces(Response):
    """An answer that is never whole in memory beside its pieces."""

    def __init__(self, parts: Sequence[bytes], size: int, media_type: str) -> None:
        # The length is known, so no chunks; and a client that is cut off notices.
        super().__init__(media_type=media_type, headers={"content-length": str(size)})
        self.pieces = parts
        self._packer: zlib._Compress | None = None

    def whole(self) -> bytes:
        """The answer in one piece."""
        return b"".join(self.pieces)

    def compress(self, level: int) -> None:
        """Send it as gzip; how long that gets is not known before."""
        # 31: the largest window, and gzip's own header and trailer.
        self._packer = zlib.compressobj(level, zlib.DEFLATED, 31)
        del self.headers["content-length"]
        self.headers["Content-Encoding"] = "gzip"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it, no faster than it is read."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        waiting: list[bytes] = []
        size = 0
        for part in self.pieces:
            waiting.append(part)
            size += len(part)
            if size >= LARGE:
                # `send` waits while the client is slow, so no more than this is in the socket's buffer.
                await send(
                    {"type": "http.response.body", "body": await self._packed(waiting), "more_body": True}
                )
                waiting, size = [], 0
        await send({"type": "http.response.body", "body": await self._packed(waiting, last=True)})

    async def _packed(self, parts: Sequence[bytes], *, last: bool = False) -> bytes:
        content = b"".join(parts)
        if self._packer is None:
            return content
        packed: bytes = await offloaded(self._packer.compress, content)
        return packed + self._packer.flush() if last else packed


def body_of(response: Response) -> bytes:
    """The whole body of an answer."""
    return response.whole() if isinstance(response, InPieces) else bytes(response.body)


def in_pieces(parts: Sequence[bytes]) -> Response:
    """An answer of pieces."""
    size = sum(map(len, parts))
    if size < LARGE:
        return Response(b"".join(parts), media_type=FHIR_JSON)
    return InPieces(parts, size, FHIR_JSON)


def search_bundle(
    call: Call,
    path: str,
    parameters: Sequence[tuple[str, str]],
    page: SearchPage,
    contents: Sequence[bytes],
    notes: Sequence[Issue],
    asked: Sequence[tuple[str, str]],
) -> list[bytes]:
    """A searchset (R4 http.html#search).

    Args:
        parameters: those of `asked` that were taken into account.
        contents: of the page's entries, then of what comes along, as the caller may see them.
    """
    base = call.base.encode()
    modes = [b"match"] * len(page.entries) + [b"include"] * len(page.included)
    entries: list[Sequence[bytes]] = [
        (
            b'{"fullUrl":"' + base + b"/" + f"{stored.type}/{stored.id}".encode() + b'","resource":',
            content,
            b',"search":{"mode":"' + mode + b'"}}',
        )
        for stored, content, mode in zip(page.shown, contents, modes, strict=True)
    ]
    if notes:
        entries.append((b'{"resource":' + outcome_bytes(notes) + b',"search":{"mode":"outcome"}}',))
    links = _links(call, path, parameters, {"previous": page.previous, "next": page.next}, asked)
    return _bundle(b"searchset", links, page.total, entries)


def history_bundle(
    call: Call,
    path: str,
    parameters: Sequence[tuple[str, str]],
    entries: Sequence[HistoryEntry],
    contents: Sequence[bytes],
    total: int | None,
    cursor: str | None,
) -> list[bytes]:
    """A history (R4 http.html#history), newest first; a deletion has no resource."""
    return _bundle(
        b"history",
        _links(call, path, parameters, {"next": cursor}, parameters),
        total,
        [_history_entry(call, entry, content) for entry, content in zip(entries, contents, strict=True)],
    )


def _history_entry(call: Call, entry: HistoryEntry, content: bytes) -> Sequence[bytes]:
    stored = entry.stored
    where = f"{stored.type}/{stored.id}"
    # R4 http.html#history: of a create the type alone is the url, since the id was not known.
    request = orjson.dumps({"method": entry.method, "url": stored.type if entry.method == "POST" else where})
    status = {"POST": "201 Created", "PUT": "200 OK", "DELETE": "204 No Content"}[entry.method]
    response = orjson.dumps(
        {"status": status, "etag": stored.etag, "lastModified": stored.last_updated.isoformat()}
    )
    return (
        b'{"fullUrl":' + orjson.dumps(f"{call.base}/{where}") + (b',"resource":' if content else b""),
        content,
        b',"request":' + request + b',"response":' + response + b"}",
    )
