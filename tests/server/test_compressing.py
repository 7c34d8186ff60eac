"""Answers are compressed for who takes it, and say the same."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from starlette.requests import Request

from fhir_bridge.server.rest.answers import in_pieces
from fhir_bridge.server.rest.compressing import accepts_gzip, compress
from tests.server.conftest import Hospital


@pytest.mark.parametrize(
    ("header", "taken"),
    [
        ("gzip", True), ("deflate, GZIP;q=0.5", True), ("*", True), ("br, *;q=0.1", True), ("gzip;q=0", False),
        ("identity", False), ("", False), (None, False), ("gzip;q=0, *", False), ("gzip;q=x", False),
    ],
)  # fmt: skip
def test_what_a_client_takes(header: str | None, *, taken: bool) -> None:
    assert accepts_gzip(header) is taken


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/openapi.json", "/fhir/Observation?_count=100"])
def test_the_same_answer_in_less(hospital: Hospital, path: str) -> None:
    headers = hospital.token("user/*.rs")
    plain = hospital.http.get(path, headers={**headers, "Accept-Encoding": "identity"})
    packed = hospital.http.get(path, headers={**headers, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in plain.headers["vary"]
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded / 2
    assert int(packed.headers["content-length"]) == packed.num_bytes_downloaded
    without_time = [{**answer.json(), "timestamp": ""} for answer in (plain, packed)]
    assert without_time[0] == without_time[1]


def test_a_long_answer_is_compressed_piece_by_piece() -> None:
    parts = [f'"{number}",'.encode() * 50 for number in range(20_000)]
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def serve() -> None:
        request = Request({"type": "http", "headers": [(b"accept-encoding", b"gzip")]})
        response = in_pieces(parts)
        await compress(request, response)
        await response({}, None, send)  # type: ignore[arg-type]

    asyncio.run(serve())
    start, *bodies = sent
    assert (b"content-encoding", b"gzip") in start["headers"]
    assert not [value for name, value in start["headers"] if name == b"content-length"]
    assert len(bodies) > 10
    assert gzip.decompress(b"".join(body["body"] for body in bodies)) == b"".join(parts)


def test_a_short_answer_stays_as_it_is(hospital: Hospital) -> None:
    response = hospital.http.get("/fhir/Patient/nobody", headers=hospital.token("user/*.rs"))
    assert response.status_code == 404
    assert "content-encoding" not in response.headers
