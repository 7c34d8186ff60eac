"""Settings of the server, from the environment (`FHIR_BRIDGE_*`) or from what starts it. docs/rest.md lists them."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from fhir_bridge.egress import Allowed
from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.storage.location import default_data_dir
from fhir_bridge.storage.retention import Retention

__all__ = ["FHIR_PATH", "Settings", "is_loopback"]

FHIR_PATH = "/fhir"
"""Where the FHIR API is below the base URL."""


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine and no other."""
    # No look-up of names: any other name may mean another machine tomorrow.
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """How the server runs."""

    # An empty variable counts as absent: shells and container files set those that are not filled in.
    model_config = SettingsConfigDict(
        env_prefix="FHIR_BRIDGE_", env_ignore_empty=True, extra="ignore", frozen=False
    )

    database_url: str | None = Field(
        default=None, description="PostgreSQL to use (`postgresql://…`); absent: the embedded server."
    )
    database_dir: Path | None = Field(
        default=None, description="Where the embedded server keeps its files; absent: the user's data folder."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(default=1, ge=1, le=64, description="Web worker processes.")
    base_url: str | None = Field(
        default=None,
        description="The server's address as clients see it, without `/fhir`; links, issuer and audience are made "
        "of it, never of a request's headers. Absent: http://HOST:PORT.",
    )
    auth: Literal["smart", "none"] = Field(
        default="smart",
        description="`smart`: every request needs a token. `none`: anyone may do anything; loopback only.",
    )
    site: Path | None = Field(
        default=None, description="The site's settings (YAML), for what predicts while serving."
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Token (16 characters or more) by which a monitoring system reads `/metrics`; absent: it is not "
        "served.",
    )
    mllp: int | None = Field(
        default=None, ge=1, le=65535, description="Port to listen on for HL7 v2 over MLLP; absent: none."
    )
    mllp_host: str = Field(default="127.0.0.1", description="Address to listen on for MLLP.")
    mllp_allow: str = Field(
        default="",
        description="Addresses and networks (`10.1.2.3 10.2.0.0/16`) that may send over MLLP, divided by spaces. None: "
        "this machine; with `mllp_client_ca` whoever shows a certificate.",
    )
    mllp_certificate: Path | None = Field(
        default=None, description="Certificate (PEM, with its chain) by which MLLP is served over TLS."
    )
    mllp_key: Path | None = Field(
        default=None, description="Private key of `mllp_certificate`; absent: in the same file."
    )
    mllp_client_ca: Path | None = Field(
        default=None,
        description="Certificates (PEM) of those who issue the certificates of senders; each sender has to show one.",
    )
    mllp_connections: int = Field(
        default=100, ge=1, description="Most MLLP connections at once; more are closed as they come."
    )
    dicom: str | None = Field(
        default=None,
        description="`AETITLE:PORT` to receive DICOM objects by (C-STORE, C-ECHO); absent: not at all.",
    )
    dicom_host: str = Field(default="127.0.0.1", description="Address to listen on for DICOM.")
    dicom_allow: str = Field(
        default="",
        description="Who may send DICOM objects: application entities, addresses and networks (`CT1@10.1.2.3 "
        "ANY@10.2.0.0/16`), divided by spaces. None: this machine; with `dicom_client_ca` whoever shows a certificate.",
    )
    dicom_certificate: Path | None = Field(
        default=None, description="Certificate (PEM, with its chain) by which DICOM is received over TLS."
    )
    dicom_key: Path | None = Field(
        default=None, description="Private key of `dicom_certificate`; absent: in the same file."
    )
    dicom_client_ca: Path | None = Field(
        default=None,
        description="Certificates (PEM) of those who issue the certificates of senders of DICOM; each has to show one.",
    )
    dicom_connections: int = Field(default=50, ge=1, description="Most DICOM associations at once.")
    dicom_folder: Path | None = Field(
        default=None,
        description="Folder whose files are received as DICOM objects once they are complete; they are moved into its "
        "folders `received` and `refused`. Absent: none.",
    )
    dicom_mapping: str | None = Field(
        default=None, description="Mapping of received DICOM objects, by name or file; absent: imaging/dicom."
    )
    max_instance_bytes: int = Field(
        default=2 * 1024**3, ge=1024, description="Largest DICOM object that is received over HTTP."
    )
    dicomweb: bool = Field(
        default=False,
        description="Whether DICOMweb is served: queries (QIDO-RS) of the studies that are here, and with "
        "`dicomweb_archive` their objects (WADO-RS).",
    )
    dicomweb_archive: Path | None = Field(
        default=None,
        description="List of archives (docs/adapters/dicomweb.md); the first is asked for objects and pictures.",
    )
    max_message_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Largest HL7 v2 message that is received; a bigger one is refused.",
    )
    hl7v2_mapping: str | None = Field(
        default=None, description="Mapping of received HL7 v2 messages, by name or file; absent: ehr/hl7v2."
    )
    validate_messages: Literal["all", "sample"] = Field(
        default="all",
        description="What of a message's resources is validated before it is stored: `all`, or the first of each rule "
        "and then 1 in 100 (`sample`), which takes an eighth to a third less time.",
    )
    hl7v2_failures: Literal["accept", "error"] = Field(
        default="accept",
        description="How a message is answered that was kept and could not be converted or stored: `accept` (AA; it is "
        "in the inbox) or `error` (AE, with the reason; it is in the inbox, too).",
    )
    keep_messages_days: float | None = Field(
        default=None,
        gt=0,
        description="Days that received messages stay which wait for nothing; absent: for ever.",
    )
    forwarded_allow_ips: str | None = Field(
        default=None,
        description="Addresses of reverse proxies whose X-Forwarded-For and -Proto are believed.",
    )
    max_connections: int = Field(
        default=500,
        ge=2,
        description="Connections of one worker; beyond, the one that has waited longest without a request is closed.",
    )
    max_requests: int = Field(
        default=100,
        ge=1,
        description="Requests that one worker has under way; further ones are answered with 503 and Retry-After.",
    )
    max_body_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Largest request body; a bigger one is refused with 413.",
    )
    max_request_entries: int = Field(
        default=10_000,
        ge=1,
        description="Resources that one request is given, and entries that are carried out for it, whatever it nests.",
    )
    max_answer_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Bytes of one answer; a page that would be larger is shorter, with a `next` link.",
    )
    max_request_seconds: float = Field(
        default=30,
        gt=0,
        description="Time of one search, history, operation or Bundle, from when it is there and has its turn.",
    )
    max_bundle_entries: int = Field(
        default=5000,
        ge=1,
        description="Most entries of one transaction or batch Bundle; more are refused with 413.",
    )
    max_index_rows: int = Field(
        default=250_000,
        ge=1000,
        description="Rows of the search index that the resources of one write have together; more are refused (413).",
    )
    page_size: int = Field(default=50, ge=1, description="Entries of a search page where `_count` is absent.")
    max_page_size: int = Field(
        default=1000, ge=1, description="Most entries of a search page, whatever `_count` says."
    )
    max_expansion: int = Field(
        default=1000,
        ge=1,
        description="Most codes of an expanded value set where `count` is absent; more are refused as too costly.",
    )
    max_expansion_page: int = Field(
        default=10_000,
        ge=1,
        description="Largest `count` of an expansion, and most codes of a value set that another one imports.",
    )
    terminology_seconds: float = Field(
        default=30, gt=0, description="Time that one terminology operation may take; then it is too costly."
    )
    check_references: bool = Field(
        default=True,
        description="Whether a write over REST is refused that refers to a resource which is not here (422), and the "
        "deletion of what others refer to (409). `load` stores either way.",
    )
    audit_reads: Literal["soon", "before-answer"] = Field(
        default="soon",
        description="When AuditEvents of reads and searches are stored: within 0.2 s (`soon`), or `before-answer`. "
        "Those of writes are stored with what is written.",
    )
    implied_profiles: Literal["error", "warning"] = Field(
        default="error",
        description="How a write is taken that contradicts a profile which its code implies and it does not declare (a "
        "heart rate without category): `error` refuses it, as R4 asks; `warning` stores it.",
    )
    keep_audit_days: float | None = Field(
        default=None,
        gt=0,
        description="Days that AuditEvents stay at least; they go a calendar month at a time. Absent: for ever. "
        "Mind the law.",
    )
    keep_history_days: float | None = Field(
        default=None, gt=0, description="Days that a version stays once it was replaced; absent: for ever."
    )
    keep_sources_days: float | None = Field(
        default=None,
        gt=0,
        description="Days that raw messages and files stay which records in the inbox wait for; absent: until they "
        "are settled.",
    )
    blob_dir: Path | None = Field(
        default=None,
        description="Where large contents and exports are kept, for all processes alike; absent: beside the embedded "
        "server's files in the user's data folder.",
    )
    chain_files: str = Field(
        default="",
        description="UCSC chain files between genome builds (.chain, .gz), divided by spaces: genomics operations then "
        "find variants of another build than the one asked about.",
    )
    transcript_files: str = Field(
        default="",
        description="GFF3 files of transcripts on RefSeq chromosomes, divided by spaces: genomics operations then take "
        "c. and n. names.",
    )
    reference_files: str = Field(
        default="",
        description="FASTA files of genome builds as `GRCh38=path`, divided by spaces: genomics operations then "
        "compare deletions and insertions however they are written.",
    )
    max_binary_bytes: int = Field(
        default=1024**3, ge=1024, description="Largest content of a Binary; a bigger one is refused with 413."
    )
    max_bulk_jobs: int = Field(
        default=4,
        ge=1,
        description="Exports and imports that one caller may have at once; more are refused (429).",
    )
    keep_export_days: float = Field(
        default=3, gt=0, description="Days that the files of an export or import stay once it is done."
    )
    import_sources: str = Field(
        default="",
        description="Addresses below which `$import` may fetch files (`https://host/path/`), divided by spaces; none: "
        "what is to be imported is uploaded as Binary.",
    )
    egress: str = Field(
        default="",
        description="Where the server may send to: `https://host[:port]`, divided by spaces; nowhere by default.",
    )
    egress_networks: str = Field(
        default="",
        description="Private networks (`10.1.0.0/16`) that a listed name, or the address of a registered key set, may "
        "lead to, divided by spaces.",
    )
    delivery: Path | None = Field(
        default=None,
        description="The file of targets that results are sent to (docs/delivery.md); absent: none.",
    )
    prediction_writers: str = Field(
        default="",
        description="Clients that authenticate by key and may write predictions: other bridges that send theirs, "
        "divided by spaces.",
    )
    cds: bool = Field(
        default=True,
        description="Whether CDS Hooks are served at /cds-services, to registered clients that authenticate by key.",
    )
    cds_seconds: float = Field(
        default=0.45,
        gt=0,
        le=10,
        description="Time of one call of a CDS service; what is not ready by then gives no card, and no error.",
    )
    warm_models: bool = Field(
        default=True,
        description="Whether the site's models are started with the server, and again when one is altered or "
        "has ended, rather than by the first question.",
    )
    pages: bool = Field(default=True, description="Whether the pages for people are served beside the API.")
    sample_app: bool = Field(
        default=False,
        description="Whether a small SMART application of our own is served at /sample-app/; for demonstrations, "
        "because its script runs under the server's own address.",
    )
    organization: str = Field(default="FHIR Bridge", description="Name shown on the sign-in pages.")

    @model_validator(mode="after")
    def _readable_egress(self) -> Self:
        Allowed.of(self.egress, self.egress_networks)
        return self

    @model_validator(mode="after")
    def _mllp_closed(self) -> Self:
        networks = self.mllp_networks
        if self.mllp_client_ca is not None and self.mllp_certificate is None:
            raise ValueError("mllp_client_ca needs mllp_certificate: certificates are shown over TLS only")
        open_host = self.mllp is not None and not is_loopback(self.mllp_host)
        if open_host and not networks and self.mllp_client_ca is None:
            raise ValueError(
                f"mllp_host {self.mllp_host} is reached from other machines: list them in mllp_allow, or ask for "
                "certificates with mllp_client_ca"
            )
        return self

    @field_validator("dicom")
    @classmethod
    def _entity_and_port(cls, value: str | None) -> str | None:
        if value is not None:
            title, _, port = value.rpartition(":")
            if not title.strip() or len(title) > 16 or "\\" in title or not title.isascii():
                raise ValueError("give AETITLE:PORT, with a title of at most 16 characters")
            if not port.isdigit() or not 0 < int(port) < 65536:
                raise ValueError("give AETITLE:PORT, with a port of 1 to 65535")
        return value

    @model_validator(mode="after")
    def _dicom_closed(self) -> Self:
        senders = self.dicom_senders
        if self.dicom_client_ca is not None and self.dicom_certificate is None:
            raise ValueError("dicom_client_ca needs dicom_certificate: certificates are shown over TLS only")
        open_host = self.dicom is not None and not is_loopback(self.dicom_host)
        if open_host and not senders and self.dicom_client_ca is None:
            raise ValueError(
                f"dicom_host {self.dicom_host} is reached from other machines: list them in dicom_allow, or ask for "
                "certificates with dicom_client_ca"
            )
        return self

    @field_validator("base_url")
    @classmethod
    def _absolute(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give http(s)://host[:port][/path], without query or fragment")
        # Links are built by appending to it.
        return value.rstrip("/")

    @field_validator("import_sources")
    @classmethod
    def _prefixes(cls, value: str) -> str:
        for address in value.split():
            parts = urlsplit(address)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError("give http(s)://host[:port]/path/, without query or fragment")
            if not parts.path.endswith("/"):
                raise ValueError("end each address with a slash: what begins with it may be fetched")
        return value

    @model_validator(mode="after")
    def _open_only_here(self) -> Self:
        if self.auth == "none":
            if not is_loopback(self.host):
                raise ValueError(
                    f"auth none serves anyone who can reach the port, so it needs a loopback host, not {self.host}"
                )
            named = urlsplit(self.root).hostname or ""
            # The name as well: DNS rebinding makes a browser send a stranger's page to this
            # address under the stranger's name.
            if not is_loopback(named):
                raise ValueError(f"auth none needs a loopback base URL, not {self.root}")
        return self

    def definitions(self) -> Definitions:
        """What the site that is served is checked and searched by.

        Raises:
            SiteError: its file can't be used.
        """
        if self.site is None:
            return DEFAULT
        from fhir_bridge.mapping import Site

        return Site.load(self.site).definitions

    @property
    def site_file(self) -> str | None:
        """Path of the site file as text, by which what was read of it is known (`predictions.site`)."""
        return None if self.site is None else str(self.site)

    @property
    def blobs(self) -> Path:
        """The folder of large contents."""
        return self.blob_dir or default_data_dir().parent / "blobs"

    @property
    def sources(self) -> tuple[str, ...]:
        """Addresses below which `$import` may fetch."""
        return tuple(self.import_sources.split())

    @property
    def mllp_networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        """Addresses that may send over MLLP.

        Raises:
            ValueError: one is none.
        """
        return tuple(ipaddress.ip_network(item) for item in self.mllp_allow.split())

    @property
    def dicom_senders(self) -> tuple[tuple[str | None, ipaddress.IPv4Network | ipaddress.IPv6Network], ...]:
        """Who may send DICOM objects: title (None: any) and network.

        Raises:
            ValueError: one is none.
        """
        matched = []
        for item in self.dicom_allow.split():
            title, at, address = item.rpartition("@")
            matched.append((title if at and title != "ANY" else None, ipaddress.ip_network(address)))
        return tuple(matched)

    @cached_property
    def allowed(self) -> Allowed:
        """Where the server may send to."""
        return Allowed.of(self.egress, self.egress_networks)

    def retention(self) -> Retention:
        """How long what is not current stays."""
        value = (
            self.keep_audit_days,
            self.keep_history_days,
            self.keep_sources_days,
            self.keep_messages_days,
        )
        return Retention(*(None if days is None else timedelta(days=days) for days in value))

    @cached_property
    def root(self) -> str:
        """The server's own address (the issuer), without a trailing slash."""
        if self.base_url:
            return self.base_url
        # RFC 3986 §3.2.2: an IPv6 address is in brackets.
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @cached_property
    def fhir_base(self) -> str:
        """The FHIR base URL: what clients give as `aud` and what links begin with."""
        return self.root + FHIR_PATH

    @property
    def secure(self) -> bool:
        """Whether clients come by https, so that cookies may say so."""
        return self.root.startswith("https:")
