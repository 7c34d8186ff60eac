"""Who may send messages: listed addresses, holders of a certificate, tokens that may write all; others nothing."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from fhir_bridge.server import Settings
from fhir_bridge.server.receiving.peers import may_send
from tests.patience import until
from tests.server.messages.sender import adt, codes, connected, oru
from tests.server.serving import Served, serving

GONE = (ssl.SSLError, ConnectionError)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority (ca.pem), what it issued (server.pem, sender.pem with their keys), and a stranger's own."""
    folder = tmp_path_factory.mktemp("certificates")
    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    for name in ("ca", "stranger"):
        _openssl(
            *new, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"
        )
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for name in ("server", "sender"):
        request = folder / f"{name}.csr"
        _openssl(
            *(part for part in new[:7] if part != "-x509"),
            "-subj",
            f"/CN={name}",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            request,
        )
        issuer = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial", "-days", "2")
        _openssl(
            "x509",
            "-req",
            "-in",
            request,
            *issuer,
            "-extfile",
            folder / "names",
            "-out",
            folder / f"{name}.pem",
        )
    _write_expired(folder)
    return folder


def _write_expired(folder: Path) -> None:
    """What the authority issued to a sender, and has ended (expired.pem), and will begin (future.pem)."""
    authority = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    now = datetime.now(UTC)
    for name, begin, end in (
        ("expired", now - timedelta(days=30), now - timedelta(days=1)),
        ("future", now + timedelta(days=1), now + timedelta(days=30)),
    ):
        own = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"{name} Ada Keller")]))
            .issuer_name(authority.subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .sign(key, hashes.SHA256())
        )
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.key").write_bytes(own.private_bytes(*form))


@pytest.fixture(scope="module")
def served(database_url: str, site: Path, port: int, certificates: Path) -> Iterator[Served]:
    tls = {
        "mllp_certificate": certificates / "server.pem",
        "mllp_key": certificates / "server.key",
        "mllp_client_ca": certificates / "ca.pem",
    }
    with serving(database_url, auth="none", site=site, mllp=port, hl7v2_failures="error", **tls) as process:
        process.database_url = database_url
        yield process


def _tls(certificates: Path, name: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    if name is not None:
        context.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
    return context


def test_only_who_shows_a_certificate_may_send(served: Served, port: int, certificates: Path) -> None:
    with connected(port, tls=_tls(certificates, "sender")) as sender:
        assert codes(sender.send(adt(1, "t1"))) == ["AA"]
    for name in (None, "stranger", "expired", "future"):
        with pytest.raises(GONE), connected(port, tls=_tls(certificates, name)) as sender:
            sender.send(adt(2, "t2"))
    with connected(port) as plain, pytest.raises(GONE):
        plain.send(adt(2, "t2"))
    with psycopg.connect(served.database_url) as connection:
        assert connection.execute("SELECT 1 FROM received_message WHERE control_id = 'A2'").fetchone() is None
    reasons = (
        "peer did not return a certificate",
        "self-signed certificate",
        "wrong version number",
        "certificate has expired",
        "certificate is not yet valid",
    )
    for why in reasons:
        until(lambda why=why: f"TLS handshake failed: {why}" in served.said(), why)
    assert "Keller" not in served.said()
    assert "Traceback" not in served.said()
    with connected(port, tls=_tls(certificates, "sender")) as sender:
        assert codes(sender.send(adt(3, "t1"))) == ["AA"], "others go on"


def test_a_failure_is_an_error_where_the_site_says_so(served: Served, port: int, certificates: Path) -> None:
    with connected(port, tls=_tls(certificates, "sender")) as sender:
        taken = oru(10, "t4").replace("M10", "M11")  # the order of another patient
        first, second = sender.send(oru(10, "t3"), taken)
        assert (first["code"], second["code"]) == ("AA", "AE")
        assert "FB-STORE-018" in second["text"]
        assert sender.send(taken)[0]["code"] == "AE"  # sent again, it is tried again


def test_over_http_a_message_goes_in_and_its_ack_comes_out(served: Served) -> None:
    def post(message: str, kind: str = "application/hl7-v2; charset=utf-8") -> httpx.Response:
        return httpx.post(
            f"{served.root}/hl7v2", content=message.encode(), headers={"Content-Type": kind}, timeout=120
        )

    for _ in range(2):
        answer = post(adt(20, "t5"))
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/hl7-v2")
        assert "MSA|AA|A20" in answer.text
    assert served.get("Patient?identifier=t5").json()["total"] == 1
    assert post("nonsense").status_code == 400
    assert "MSA|AR" in post("nonsense").text
    assert post(adt(21, "t5"), "application/json").status_code == 415
    assert post("").status_code == 400
    refused = post(oru(10, "t6").replace("M10", "M12"))
    assert (refused.status_code, "MSA|AE|M12" in refused.text) == (422, True)


def test_addresses_are_listed_or_this_machine() -> None:
    assert may_send(Settings(), "127.0.0.1")
    assert may_send(Settings(), "::1")
    assert not may_send(Settings(), "10.0.0.1")
    listed = Settings(mllp_allow="10.0.0.0/8 192.0.2.7")
    assert may_send(listed, "::ffff:10.1.2.3")
    assert may_send(listed, "192.0.2.7")
    assert not may_send(listed, "192.0.2.8")
    assert not may_send(listed, "127.0.0.1")
    for wrong in (
        {"mllp": 2575, "mllp_host": "0.0.0.0"},
        {"mllp_allow": "nonsense"},
        {"mllp_client_ca": "ca.pem"},
    ):
        with pytest.raises(ValidationError):
            Settings(**wrong)
    Settings(mllp=2575, mllp_host="0.0.0.0", mllp_allow="10.0.0.0/8")
