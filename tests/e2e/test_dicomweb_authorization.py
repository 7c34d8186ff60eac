"""An archive over DICOMweb that asks for OAuth 2 client credentials; it is made up, and answers like one."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_composites import ROOT, SITE

CLIENT, SECRET = "bridge:1", "s%cret+/"


class Guarded(ThreadingHTTPServer):
    """An archive and its token endpoint: a token is good for `uses` requests."""

    def __init__(self, uses: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.uses, self.issued, self.left, self.scopes = uses, 0, 0, list[str]()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Guarded

    def log_message(self, *_: Any) -> None: ...

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        # RFC 6749 2.3.1: both are encoded as in a form before they are joined.
        expected = base64.b64encode(b"bridge%3A1:s%25cret%2B%2F").decode()
        if self.headers["Authorization"] != f"Basic {expected}" or "client_credentials" not in form:
            self._answer(401, {"error": "invalid_client"})
            return
        self.server.scopes.append(form)
        self.server.issued += 1
        self.server.left = self.server.uses
        token = {"access_token": f"t{self.server.issued}", "token_type": "Bearer", "expires_in": 3600}
        self._answer(200, token)

    def do_GET(self) -> None:
        if self.headers["Authorization"] != f"Bearer t{self.server.issued}" or not self.server.left:
            self._answer(401, {})
            return
        self.server.left -= 1
        study = {
            "00080020": {"vr": "DA", "Value": ["20240301"]},
            "00100020": {"vr": "LO", "Value": ["100"]},
            "0020000D": {"vr": "UI", "Value": [f"{ROOT}.1"]},
            "00201206": {"vr": "IS", "Value": [1]},
            "00201208": {"vr": "IS", "Value": [7]},
        }
        series = {
            "00080060": {"vr": "CS", "Value": ["CT"]},
            "0020000E": {"vr": "UI", "Value": [f"{ROOT}.1.1"]},
            "00201209": {"vr": "IS", "Value": [7]},
        }
        later = "offset=0" not in self.path and "offset=" in self.path
        self._answer(200, [] if later else [{**study, **series} if "/series" in self.path else study])

    def _answer(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Guarded]:
    server = Guarded()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS", server.root)
    monkeypatch.setenv("FHIR_BRIDGE_EGRESS_NETWORKS", "127.0.0.0/8")
    yield server
    server.shutdown()
    server.server_close()


def read(bridge: Callable[..., Any], folder: Path, server: Guarded, secret: str = SECRET) -> tuple[Any, Any]:
    """Convert what the archive has: its ImagingStudy, and the report."""
    (folder / "secret").write_text(secret + "\n")
    (folder / "site.yaml").write_text(SITE)
    (folder / "site.key").write_text("ab" * 32)
    (folder / "site.key").chmod(0o600)
    auth = (
        f"{{client_id: '{CLIENT}', token_url: {server.root}/token, scope: dicom.read, secret_file: secret}}"
    )
    listed = folder / "archives.yaml"
    listed.write_text(f"archives:\n  main:\n    url: {server.root}/dicom-web\n    auth: {auth}\n")
    out, report = folder / "out", folder / "report.json"
    done = bridge(
        "convert", listed, "-a", "dicomweb", "--site", folder / "site.yaml", "--out", out, "--report", report
    )
    assert done.exit_code in (0, 1), done.output
    assert secret not in done.output + report.read_text()
    found = out / "ImagingStudy.ndjson"
    return json.loads(found.read_bytes()) if found.exists() else None, json.loads(report.read_bytes())


def test_a_study_is_read_with_one_token(bridge: Callable[..., Any], tmp_path: Path, guarded: Guarded) -> None:
    study, _report = read(bridge, tmp_path, guarded)
    assert study["numberOfInstances"] == 7
    assert guarded.issued == 1
    assert "scope=dicom.read" in guarded.scopes[0]


def test_a_token_that_is_revoked_is_replaced_once(
    bridge: Callable[..., Any], tmp_path: Path, guarded: Guarded
) -> None:
    guarded.uses = 1
    study, _report = read(bridge, tmp_path, guarded)
    assert study["numberOfInstances"] == 7
    assert guarded.issued > 1


def test_a_wrong_secret_costs_the_archive_and_is_named(
    bridge: Callable[..., Any], tmp_path: Path, guarded: Guarded
) -> None:
    study, report = read(bridge, tmp_path, guarded, secret="wrong-one")
    assert study is None
    assert any("token endpoint answers 401" in issue["message"] for issue in report["issues"])
