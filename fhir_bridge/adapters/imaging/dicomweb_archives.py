"""The file that lists archives to read over DICOMweb (docs/adapters/dicomweb.md)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from datetime import date
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fhir_bridge.egress import origin_of

__all__ = ["Archive", "ArchiveError", "Credentials", "read_archives"]


class ArchiveError(ValueError):
    """The file, or what it names, can't be used; the message says which setting of which archive."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How an archive is shown who asks. A secret is in a file, or in an environment variable, never in the list.

    Attributes:
        user: of basic authentication.
        client_id, token_url, scope: of OAuth 2 client credentials.
        secret_file, secret_env: password, client secret, or without user and client a bearer token.
    """

    user: str | None = None
    client_id: str | None = None
    token_url: str | None = None
    scope: str | None = None
    secret_file: Path | None = None
    secret_env: str | None = None

    def secret(self) -> str:
        """Password, client secret or token, read anew each time.

        Raises:
            ArchiveError: it is not there.
        """
        try:
            text = self.secret_file.read_text() if self.secret_file else os.environ[self.secret_env or ""]
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise ArchiveError(f"its secret can't be read ({type(error).__name__})") from error
        return text.strip()


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive.

    Attributes:
        name: in locators, and what its part of a study is known by; for ever.
        url: root of its DICOMweb services.
        depth: `series`: a query for each study, counts as the archive gives them. `full`: the metadata of all
            instances, and reports and waveforms whole.
        since: the earliest Study Date that is looked at; None: all.
        days: Study Dates of so many days up to today are looked at each time.
        sweep_days: after so many days all studies are looked at, which finds late and deleted ones.
        orthanc: address of Orthanc's own API, where the archive is one: its `/changes` say what to look at.
        page: studies of one query.
        seconds: that an answer may take from one piece to the next.
    """

    name: str
    url: str
    depth: Literal["series", "full"] = "series"
    since: date | None = None
    days: int = 30
    sweep_days: float = 7
    orthanc: str | None = None
    page: int = 500
    seconds: float = 60
    credentials: Credentials | None = field(default=None)


def read_archives(path: Path) -> tuple[list[Archive], Path | None]:
    """The archives, and the file that keeps what was read of them (`state`).

    Raises:
        ArchiveError: the file is missing, is not YAML, or has a wrong or unknown setting.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ArchiveError(f"the list of archives can't be read: {error.strerror}") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise ArchiveError("the list of archives is not YAML") from error
    if not isinstance(content, dict) or not isinstance(content.get("archives"), dict):
        raise ArchiveError("write `archives:`, and below it each archive by its name")
    unknown = content.keys() - {"archives", "state"}
    if unknown:
        raise ArchiveError(f"there is no setting {sorted(map(str, unknown))[0]}")
    state = content.get("state")
    archives = [_archive(str(name), item, path.parent) for name, item in content["archives"].items()]
    return archives, path.parent / str(state) if state else None


def _archive(name: str, settings: Any, folder: Path) -> Archive:
    def wrong(text: str) -> ArchiveError:
        return ArchiveError(f"archive {name}: {text}")

    if not isinstance(settings, dict) or not name or not name.replace("-", "").replace("_", "").isalnum():
        raise wrong("a name of letters, digits, - and _ has its settings below it")
    known = {each.name for each in fields(Archive)} - {"name", "credentials"}
    ways = {each.name for each in fields(Credentials)}
    given = dict(settings)
    auth = given.pop("auth", None)
    if unknown := given.keys() - known:
        raise wrong(f"there is no setting {sorted(map(str, unknown))[0]}")
    for key in ("url", "orthanc"):
        if key in given or key == "url":
            try:
                if not origin_of(str(given.get(key, ""))).startswith("http"):
                    raise ValueError
            except ValueError as error:
                raise wrong(f"{key} is no http(s) address") from error
            given[key] = str(given[key]).rstrip("/")
    if given.get("depth", "series") not in ("series", "full"):
        raise wrong("depth is series or full")
    since = given.get("since")
    if since is not None and not isinstance(since, date):
        raise wrong("since is a date, as 2024-01-31")
    for key in ("days", "sweep_days", "page", "seconds"):
        number = given.get(key, 1)
        if isinstance(number, bool) or not isinstance(number, int | float) or number <= 0:
            raise wrong(f"{key} is a number above 0")
        if key in ("days", "page") and key in given:
            given[key] = int(number)
    credentials = None
    if auth is not None:
        if not isinstance(auth, dict) or auth.keys() - ways:
            raise wrong(f"auth has {', '.join(sorted(ways))}")
        texts = {key: str(value) for key, value in auth.items()}
        secret = texts.pop("secret_file", None)
        credentials = Credentials(**texts, secret_file=folder / secret if secret else None)
        if (credentials.secret_file is None) == (credentials.secret_env is None):
            raise wrong("auth names secret_file or secret_env")
        if (credentials.client_id is None) != (credentials.token_url is None):
            raise wrong("auth by client_id needs token_url, and the other way round")
        if credentials.user is not None and credentials.client_id is not None:
            raise wrong("auth is by user or by client_id")
    return Archive(name=name, credentials=credentials, **given)
