"""The targets of deliveries: where they are, what they may be sent, and how they are spoken to (docs/delivery.md)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import parse_qsl, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.egress import origin_of
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.definitions import resource_types
from fhir_bridge.server.smart.scopes import access_of, parse

__all__ = ["Authentication", "Target", "TargetError", "Targets"]

MLLP = ("mllp", "mllps")


class TargetError(ValueError):
    """The file of targets can't be used; the message names file and setting."""


class Authentication(BaseModel):
    """How the bridge proves who it is.

    Attributes:
        client_id, key_file: a SMART backend client, with its private key (JWK; RSA or EC P-384), beside the file.
        scope: what is requested of the token endpoint.
        token_url: the token endpoint; absent: as the target's `.well-known/smart-configuration` says.
        bearer_file, bearer_env: a token that does not change, in a file or in an environment variable.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: str | None = None
    key_file: Path | None = None
    scope: str = "system/*.cruds"
    token_url: str | None = None
    bearer_file: Path | None = None
    bearer_env: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        ways = [self.client_id is not None, self.bearer_file is not None, self.bearer_env is not None]
        if sum(ways) != 1 or (self.client_id is None) != (self.key_file is None):
            raise ValueError("give client_id and key_file, or bearer_file, or bearer_env")
        return self


class Target(BaseModel):
    """One system that is sent something.

    Attributes:
        url: the FHIR base URL, or `mllp://host:port` (`mllps` over TLS) of a system that takes HL7 v2.
        scope: what may leave, as SMART system scopes (`system/Observation.rs`); nothing else does.
        purpose: purpose of use (v3-ActReason) by which consents are decided.
        send: searches; what they match is sent when it changes, and sent again when it changes after that.
        auth: how the bridge proves who it is; absent: not at all.
        relay: whether a FHIR server is sent what another bridge sent here; two that send to each other must not.
        find_only: types that are looked up at the target by identifier, and never created there.
        identifiers: by type, the system of the identifier that they are looked up by; absent: the first with a system.
        conflict: what is done where the target's resource was changed by others: `park` or `overwrite`.
        refused: whether what the target refuses is parked at once, or tried again as after a failure first.
        seconds: that one answer may take.
        report_after_hours: what waits longer is reported in the log.
        message: the message of a system that takes HL7 v2.
        application, facility, receiving_application, receiving_facility: MSH-3 to MSH-6.
        authorities: assigning authority (PID-3.4) -> system of the identifier; those of other systems are not sent.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    scope: str
    purpose: str = "TREAT"
    send: tuple[str, ...] = ()
    auth: Authentication | None = None
    relay: bool = False
    find_only: frozenset[str] = frozenset()
    identifiers: dict[str, str] = Field(default_factory=dict)
    conflict: Literal["park", "overwrite"] = "park"
    refused: Literal["park", "retry"] = "park"
    seconds: float = Field(default=30, gt=0, le=600)
    report_after_hours: float = Field(default=24, gt=0)
    message: Literal["ORU^R01", "MDM^T02"] = "ORU^R01"
    application: str = "FHIR_BRIDGE"
    facility: str = ""
    receiving_application: str = ""
    receiving_facility: str = ""
    authorities: dict[str, str] = Field(default_factory=dict)

    _name: str = PrivateAttr(default="")
    _folder: Path = PrivateAttr(default_factory=Path)

    @field_validator("url")
    @classmethod
    def _address(cls, value: str) -> str:
        origin_of(value)
        parts = urlsplit(value)
        if parts.scheme.startswith("ws") or parts.query or parts.fragment:
            raise ValueError("give http(s)://host[:port]/path, or mllp(s)://host:port")
        return value.rstrip("/")

    @field_validator("scope")
    @classmethod
    def _scopes(cls, value: str) -> str:
        for text in value.split():
            scope = parse(text)
            if scope is None or scope.level != "system":
                raise ValueError(f"{text} is no SMART system scope such as system/Observation.rs")
        return value

    @field_validator("send")
    @classmethod
    def _searches(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for search in value:
            if search.partition("?")[0] not in resource_types():
                raise ValueError(f"{search} is no search such as Observation?category=laboratory")
        return value

    @classmethod
    def at(cls, url: str) -> Target:
        """A target that no file describes, for `load --to URL`: without authentication, for what a person sends."""
        target = cls(url=url, scope="system/*.rs")
        target._name = target.url
        return target

    @property
    def name(self) -> str:
        """As the outbox has it."""
        return self._name

    @property
    def is_mllp(self) -> bool:
        """Whether it takes HL7 v2."""
        return urlsplit(self.url).scheme in MLLP

    @property
    def searches(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Type and parameters of each search."""
        parts = [search.partition("?") for search in self.send]
        return [(kind, parse_qsl(query, keep_blank_values=True)) for kind, _, query in parts]

    @property
    def access(self) -> AccessFilter:
        """What may leave."""
        return access_of(
            self.scope, user=None, patient=None, purpose=self.purpose, subject=f"target:{self.name}"
        )

    def secret(self) -> str:
        """The private key (JSON), or the bearer token, read anew: keys are replaced while the server runs.

        Raises:
            TargetError: it is not there.
        """
        auth = self.auth
        file = auth and (auth.key_file or auth.bearer_file)
        try:
            text = (self._folder / file).read_text() if file else os.environ[str(auth and auth.bearer_env)]
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise TargetError(f"its key or token can't be read: {type(error).__name__}") from error
        return text.strip()


class Targets(BaseModel):
    """What the file of targets says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: dict[str, Target] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None) -> Targets:
        """Read the file; without one there is no target.

        Raises:
            TargetError: it is missing, is not YAML, or has a wrong or unknown setting.
        """
        if path is None:
            return cls()
        try:
            content: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
            targets = cls.model_validate(content)
        except OSError as error:
            raise TargetError(f"{path}: the targets can't be read: {error.strerror}") from error
        except (YAMLError, UnicodeDecodeError) as error:
            raise TargetError(f"{path}: not YAML: {error}") from error
        except ValidationError as error:
            result = "; ".join(
                f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
                for item in error.errors(include_url=False)
            )
            raise TargetError(f"{path}: {result}") from error
        for name, target in targets.targets.items():
            target._name, target._folder = name, path.parent
        return targets

    def at(self, url: str) -> Target:
        """The target of this name or address; one of its own where the file has none.

        Raises:
            TargetError: it is neither a target's name nor an address that can be sent to.
        """
        if url in self.targets:
            return self.targets[url]
        wanted = url.rstrip("/")
        known = next((target for target in self.targets.values() if target.url == wanted), None)
        try:
            return known or Target.at(url)
        except ValidationError as error:
            texts = [item["msg"].removeprefix("Value error, ") for item in error.errors(include_url=False)]
            raise TargetError("; ".join(texts)) from error
