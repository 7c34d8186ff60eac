"""A receiver of notifications: keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Receiver", "Sent", "receiving"]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def kind(self) -> str:
        """The type of the notification in it."""
        return self.parameter("type")

    @property
    def entries(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["entry"]
        return found

    def parameter(self, name: str) -> Any:
        for each in self.entries[0]["resource"]["parameter"]:
            if each["name"] == name:
                return next(value for key, value in each.items() if key.startswith("value"))
        return None

    @property
    def numbers(self) -> list[int]:
        """Numbers of the events in it."""
        return [
            int(part["valueString"])
            for each in self.entries[0]["resource"]["parameter"]
            if each["name"] == "notification-event"
            for part in each["part"]
            if part["name"] == "event-number"
        ]

    @property
    def foci(self) -> list[str]:
        """Type and id of what the events are about."""
        return [
            "/".join(part["valueReference"]["reference"].split("/")[-2:])
            for each in self.entries[0]["resource"]["parameter"]
            if each["name"] == "notification-event"
            for part in each["part"]
            if part["name"] == "focus"
        ]


class Receiver:
    """What it was sent, and the status that it answers with."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.status = 200
        self.port = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def hook(self) -> str:
        return f"{self.origin}/hook"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            receiver.sent.append(Sent(self.command, self.path, dict(self.headers), body))
            self.send_response(receiver.status)
            self.end_headers()

        do_PUT = do_POST  # noqa: N815 - as the base class wants it

        def log_message(self, *_: Any) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
