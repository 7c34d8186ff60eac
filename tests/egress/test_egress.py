"""What leaves: listed addresses, over the checked connection, and nothing else."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from fhir_bridge.egress import Allowed, EgressRefused, client


class Receiver(BaseHTTPRequestHandler):
    """Answers with the name that it was called by; `/away` leads elsewhere."""

    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        if self.path == "/away":
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
        self.end_headers()
        self.wfile.write(self.headers["Host"].encode())

    def log_message(self, *_: Any) -> None:
        """Nothing on the screen."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def get(url: str, allowed: Allowed) -> httpx.Response:
    async def call() -> httpx.Response:
        async with client(allowed) as http:
            return await http.get(url)

    return asyncio.run(call())


@pytest.mark.parametrize(
    ("url", "listed"),
    [
        ("https://ehr.example/fhir", True),
        ("https://EHR.example.:443/x?y", True),
        ("https://ehr.example:8443/", True),
        ("http://ehr.example/", False),
        ("https://ehr.example:444/", False),
        ("https://ehr.example.evil.example/", False),
        ("https://ehr.example@evil.example/", False),
        ("https://user:word@ehr.example/", False),
        ("ftp://ehr.example/", False),
        ("file:///etc/passwd", False),
        ("//ehr.example/", False),
        ("https://ehr.example:x/", False),
        ("https:///", False),
        ("", False),
    ],
)
def test_what_is_not_listed_is_refused(url: str, *, listed: bool) -> None:
    allowed = Allowed.of("https://ehr.example, HTTPS://ehr.example:8443")
    if listed:
        allowed.check(url)
    else:
        with pytest.raises(EgressRefused):
            allowed.check(url)


@pytest.mark.parametrize("origins", ["https://ehr.example/path", "ehr.example", "https://x?y"])
def test_a_setting_lists_origins_alone(origins: str) -> None:
    with pytest.raises(ValueError, match=r"list scheme|needs http"):
        Allowed.of(origins)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1",
        "::1", "::", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "255.255.255.255",
    ],
)  # fmt: skip
def test_private_addresses_need_their_network(address: str) -> None:
    assert not Allowed().permits(address)
    assert Allowed().permits("93.184.216.34")
    assert Allowed.of(networks="10.0.0.0/8").permits("10.1.2.3")
    assert Allowed.of(networks="10.0.0.0/8 fc00::/7").permits("::ffff:10.1.2.3")


def test_a_listed_name_reaches_a_listed_network(port: int) -> None:
    allowed = Allowed.of(f"http://localhost:{port}", "127.0.0.0/8 ::1/128")
    assert get(f"http://localhost:{port}/", allowed).text == f"localhost:{port}"


def test_the_authorities_that_are_trusted_are_read_once_for_all_clients(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    allowed = Allowed.of(f"http://localhost:{port}", "127.0.0.0/8 ::1/128")
    get(f"http://localhost:{port}/", allowed)
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("they are read again"))
    assert get(f"http://localhost:{port}/", allowed).status_code == 200


def test_a_listed_name_that_leads_inside_is_refused(port: int) -> None:
    with pytest.raises(EgressRefused, match="EGRESS_NETWORKS"):
        get(f"http://localhost:{port}/", Allowed.of(f"http://localhost:{port}"))


def test_a_redirect_is_not_followed(port: int) -> None:
    allowed = Allowed.of(f"http://localhost:{port}", "127.0.0.0/8 ::1/128")
    assert get(f"http://localhost:{port}/away", allowed).status_code == 302


def test_a_name_that_leads_elsewhere_the_second_time_gains_nothing(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was checked is the one that is connected to (DNS rebinding)."""
    asked: list[str] = []
    ours = socket.getaddrinfo

    def lookup(host: Any, *rest: Any, **more: Any) -> Any:
        if host == "rebinding.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) > 1 else "93.184.216.34"
        return ours(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    connected: list[str] = []

    async def connect(_loop: Any, _factory: Any, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise OSError("not reached in a test")

    monkeypatch.setattr(asyncio.BaseEventLoop, "create_connection", connect)
    with pytest.raises(httpx.ConnectError):
        get(f"http://rebinding.example:{port}/", Allowed.of(f"http://rebinding.example:{port}"))
    assert asked == ["rebinding.example"]
    assert connected == ["93.184.216.34"]


def test_nothing_is_taken_from_the_environment(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    allowed = Allowed.of(f"http://localhost:{port}", "127.0.0.0/8 ::1/128")
    assert get(f"http://localhost:{port}/", allowed).status_code == 200
