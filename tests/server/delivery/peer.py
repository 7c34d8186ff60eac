"""A FHIR server of another make: it keeps what it is sent, and misbehaves as it is told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

__all__ = ["Peer", "Request", "peering"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


Answer = tuple[int, dict[str, str], bytes]


class Peer:
    """What it holds, and how it answers.

    Attributes:
        conditional: whether it obeys If-None-Exist.
        answers: gives an answer in place of its own, or None.
        after: called once a write was carried out, and may answer in place of it.
    """

    def __init__(self) -> None:
        self.port = 0
        self.resources: dict[str, dict[str, Any]] = {}
        self.requests: list[Request] = []
        self.conditional = True
        self.answers: Callable[[Request], Answer | None] = lambda _: None
        self.after: Callable[[Request], Answer | None] = lambda _: None
        self._next = 0
        self._lock = threading.Lock()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/fhir"

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [resource for resource in self.resources.values() if resource["resourceType"] == kind]

    def writes(self, kind: str = "") -> list[Request]:
        return [
            request
            for request in self.requests
            if request.method in ("POST", "PUT", "DELETE") and request.path.startswith(f"/fhir/{kind}")
        ]

    def put(self, resource: dict[str, Any], identity: str | None = None) -> dict[str, Any]:
        """Keep a resource in its next version."""
        if identity is None:
            self._next += 1
            identity = f"t{self._next}"
        place = f"{resource['resourceType']}/{identity}"
        before = self.resources.get(place)
        version = str(int(before["meta"]["versionId"]) + 1) if before else "1"
        kept = {**resource, "id": identity, "meta": {**resource.get("meta", {}), "versionId": version}}
        self.resources[place] = kept
        return kept

    def answer(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
        given = self.answers(request)
        if given is not None:
            return given
        with self._lock:
            result = self._served(request)
        changed = self.after(request) if request.method != "GET" and result[0] < 300 else None
        return changed or result

    def _served(self, request: Request) -> Answer:
        parts = urlsplit(request.path)
        place = parts.path.removeprefix("/fhir/")
        if "/" not in place:
            if request.method == "GET":
                return json_answer(200, self._bundle(self._matching(place, parse_qs(parts.query))))
            condition = request.headers.get("If-None-Exist")
            matches = self._matching(place, parse_qs(condition)) if condition and self.conditional else []
            if matches:
                return json_answer(200, matches[0])
            kept = self.put(request.body)
            return json_answer(201, kept, {"Location": f"{self.base}/{place}/{kept['id']}/_history/1"})
        before = self.resources.get(place)
        if before is None:
            return json_answer(404, outcome("not there"))
        match = request.headers.get("If-Match")
        if match and match != f'W/"{before["meta"]["versionId"]}"':
            return json_answer(412, outcome("another version"))
        if request.method == "PUT":
            return json_answer(200, self.put(request.body, before["id"]))
        if request.method == "DELETE":
            del self.resources[place]
            return 204, {}, b""
        return json_answer(200, before)

    def _matching(self, kind: str, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        results = self.of(kind)
        for name, values in query.items():
            if name == "_count":
                continue
            system, value = values[0].split("|")
            if name == "identifier":
                wanted = {"system": system, "value": value}
                results = [
                    one
                    for one in results
                    if any(wanted.items() <= item.items() for item in one.get("identifier", ()))
                ]
            else:
                tag = {"system": system, "code": value}
                results = [one for one in results if tag in one["meta"].get("tag", ())]
        return results

    @staticmethod
    def _bundle(resources: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": len(resources),
            "entry": [{"resource": resource} for resource in resources],
        }


def outcome(text: str) -> dict[str, Any]:
    issue = {"severity": "error", "code": "processing", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def json_answer(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    etag = {}
    if isinstance(body, dict) and body.get("meta", {}).get("versionId"):
        etag = {"ETag": f'W/"{body["meta"]["versionId"]}"'}
    return (
        status,
        {"Content-Type": "application/fhir+json", **etag, **(headers or {})},
        json.dumps(body).encode(),
    )


@contextmanager
def peering() -> Iterator[Peer]:
    """A peer that runs."""
    peer = Peer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            content = self.rfile.read(length)
            is_json = "json" in self.headers.get("Content-Type", "")
            body = json.loads(content) if content and is_json else content.decode()
            answer = peer.answer(Request(self.command, self.path, dict(self.headers), body))
            status, headers, data = answer
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            try:
                self.wfile.write(data)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - as the base class wants it

        def log_message(self, *_: Any) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    peer.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield peer
    finally:
        server.shutdown()
        server.server_close()


def hangs(_: Request) -> Answer | None:
    """An answer that does not come."""
    time.sleep(3)
    return None
