"""Queries and retrieval over DICOMweb (PS3.18 10.4, 10.6), through the egress port."""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

import httpx

from fhir_bridge.adapters.imaging.dicomweb_archives import Archive, ArchiveError
from fhir_bridge.egress import Allowed, EgressRefused, client

__all__ = ["ArchiveClient", "ArchiveUnavailable", "Attributes"]

Attributes = dict[str, Any]
"""A data set in the DICOM JSON Model (PS3.18 F)."""

_JSON: Final = "application/dicom+json"
_MOST_JSON: Final = 512 << 20
"""Bytes of an answer to a query: metadata of a study of 100,000 instances."""
_MOST_INSTANCE: Final = 4 << 30
_MOST_PICTURE: Final = 32 << 20


class ArchiveUnavailable(Exception):
    """The archive can't be reached, refuses, or answers something else; the message says what.

    Attributes:
        status: HTTP status; None without an answer.
    """

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class ArchiveClient:
    """One archive. Its addresses have to be listed in FHIR_BRIDGE_EGRESS, as for all that leaves."""

    def __init__(self, archive: Archive, allowed: Allowed | None = None) -> None:
        self._archive = archive
        if allowed is None:
            allowed = Allowed.of(
                os.environ.get("FHIR_BRIDGE_EGRESS", ""), os.environ.get("FHIR_BRIDGE_EGRESS_NETWORKS", "")
            )
        self._http = client(allowed, seconds=archive.seconds)
        self._token = ""
        self._until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def studies(self, dates: str | None = None) -> AsyncIterator[Attributes]:
        """All studies, or those of a range of Study Dates (`20240101-20240131`), page by page.

        Raises:
            ArchiveUnavailable: as all methods.
        """
        seen: set[str] = set()
        while True:
            parameters = [("limit", str(self._archive.page)), ("offset", str(len(seen)))]
            parameters += [("includefield", tag) for tag in ("00201206", "00201208")]
            parameters += [("StudyDate", dates)] if dates else []
            page = await self.query("/studies", parameters)
            known = len(seen)
            for study in page:
                uid = text_of(study, "0020000D")
                if uid and uid not in seen:
                    seen.add(uid)
                    yield study
            # A server may have a smaller limit of its own; one that knows no offset gives the same again.
            if not page or len(seen) == known:
                return

    async def series(self, study: str, fields: Sequence[str]) -> list[Attributes]:
        """The series of a study, with these attributes as far as the archive has them: one query."""
        return await self.query(f"/studies/{study}/series", [("includefield", each) for each in fields])

    async def metadata(self, study: str) -> list[Attributes]:
        """The attributes of all instances of a study."""
        return await self.query(f"/studies/{study}/metadata", ())

    async def instance(self, study: str, series: str, instance: str) -> bytes:
        """An instance as a file."""
        path = f"{self._archive.url}/studies/{study}/series/{series}/instances/{instance}"
        accept = 'multipart/related; type="application/dicom"'
        content, kind = await self._get(path, accept, (), _MOST_INSTANCE)
        return _first_part(content, kind)

    async def rendered(self, study: str, series: str, instance: str) -> tuple[bytes, str]:
        """A picture of an instance as the archive renders it, and its media type."""
        path = f"{self._archive.url}/studies/{study}/series/{series}/instances/{instance}/rendered"
        content, kind = await self._get(path, "image/jpeg, image/png;q=0.5", (), _MOST_PICTURE)
        if kind.lower().startswith("multipart/"):
            part = _first_part(content, kind)
            return part, "image/png" if part.startswith(b"\x89PNG") else "image/jpeg"
        return content, kind.partition(";")[0].strip().lower()

    @property
    def url(self) -> str:
        """Root of the archive's services."""
        return self._archive.url

    async def opened(
        self, path: str, accept: str, parameters: Sequence[tuple[str, str]] = ()
    ) -> httpx.Response:
        """An answer of any status, to be read as it comes and closed by the caller."""
        try:
            headers = {"Accept": accept, **await self._authorization()}
            options: dict[str, Any] = {"params": list(parameters)} if parameters else {}
            request = self._http.build_request("GET", self._archive.url + path, headers=headers, **options)
            return await self._http.send(request, stream=True)
        except (EgressRefused, ArchiveError) as error:
            raise ArchiveUnavailable(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ArchiveUnavailable(f"it can't be reached ({type(error).__name__})") from error

    async def query(self, path: str, parameters: Sequence[tuple[str, str]]) -> list[Attributes]:
        """The answer to a query; empty where nothing matches."""
        content, _ = await self._get(self._archive.url + path, _JSON, parameters, _MOST_JSON)
        if not content.strip():
            return []
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise ArchiveUnavailable("its answer is no JSON") from error
        if not isinstance(answer, list) or not all(isinstance(each, dict) for each in answer):
            raise ArchiveUnavailable("its answer is not in the DICOM JSON Model")
        return answer

    async def changes(self, since: int) -> tuple[list[Mapping[str, Any]], int]:
        """What changed in Orthanc since a number, and the number to go on from."""
        matched: list[Mapping[str, Any]] = []
        while True:
            answer = await self.orthanc("/changes", [("since", str(since)), ("limit", "1000")])
            changes = answer.get("Changes") or []
            matched += changes
            since = int(answer.get("Last") or since)
            if answer.get("Done", True) or not changes:
                return matched, since

    async def orthanc(self, path: str, parameters: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
        """An answer of Orthanc's own API."""
        content, _ = await self._get(
            f"{self._archive.orthanc}{path}", "application/json", parameters, _MOST_JSON
        )
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise ArchiveUnavailable("Orthanc's answer is no JSON") from error
        if not isinstance(answer, dict):
            raise ArchiveUnavailable("Orthanc's answer is another than expected")
        return answer

    async def _get(
        self, url: str, accept: str, parameters: Sequence[tuple[str, str]], most: int, *, again: bool = False
    ) -> tuple[bytes, str]:
        """Body and content type."""
        try:
            headers = {"Accept": accept, **await self._authorization()}
            # httpx replaces the query of an address where there are parameters, even none.
            options: dict[str, Any] = {"params": list(parameters)} if parameters else {}
            async with self._http.stream("GET", url, headers=headers, **options) as response:
                if response.status_code == 401 and self._token and not again:
                    self._until = 0.0  # revoked before its time: once, another is asked for
                    return await self._get(url, accept, parameters, most, again=True)
                if response.status_code == 204:
                    return b"", ""
                if response.status_code not in (200, 206):
                    raise ArchiveUnavailable(
                        f"it answers {response.status_code} to {response.request.url.path[:120]}",
                        response.status_code,
                    )
                body = bytearray()
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > most:
                        raise ArchiveUnavailable(f"its answer is larger than {most:,} bytes")
                return bytes(body), response.headers.get("Content-Type", "")
        except EgressRefused as error:
            raise ArchiveUnavailable(str(error)) from error
        except ArchiveError as error:
            raise ArchiveUnavailable(str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ArchiveUnavailable(f"it can't be reached ({type(error).__name__})") from error

    async def _authorization(self) -> dict[str, str]:
        credentials = self._archive.credentials
        if credentials is None:
            return {}
        if credentials.user is not None:
            pair = f"{credentials.user}:{credentials.secret()}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        if credentials.token_url is None:
            return {"Authorization": f"Bearer {credentials.secret()}"}
        if time.monotonic() >= self._until:
            form = {"grant_type": "client_credentials"}
            if credentials.scope:
                form["scope"] = credentials.scope
            # RFC 6749 2.3.1: the way that every authorization server has to know, both parts encoded as in a form.
            basic = httpx.BasicAuth(quote_plus(credentials.client_id or ""), quote_plus(credentials.secret()))
            answer = await self._http.post(credentials.token_url, data=form, auth=basic)
            try:
                content = answer.json()
                token = content["access_token"]
            except (ValueError, KeyError, TypeError) as error:
                raise ArchiveUnavailable(f"its token endpoint answers {answer.status_code}") from error
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise ArchiveUnavailable("its token endpoint gives no token")
            stated = content.get("expires_in")
            lasts = float(stated) if isinstance(stated, int | float) else 300.0
            self._token, self._until = token, time.monotonic() + max(lasts - 30, lasts / 2)
        return {"Authorization": f"Bearer {self._token}"}


def text_of(attributes: Attributes, tag: str) -> str | None:
    """The first value of an attribute as text; None where there is none."""
    element = attributes.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    value = values[0] if isinstance(values, list) and values else None
    return str(value) if isinstance(value, str | int) else None


def _first_part(content: bytes, kind: str) -> bytes:
    """The content of the first part of a multipart answer (RFC 2046); the whole where it is none."""
    if not kind.lower().startswith("multipart/"):
        return content
    line, _, _ = content.lstrip(b"\r\n").partition(b"\r\n")
    start = content.find(b"\r\n\r\n")
    if not line.startswith(b"--") or start < 0:
        raise ArchiveUnavailable("its multipart answer can't be read")
    end = content.find(b"\r\n" + line.rstrip(), start)
    return content[start + 4 : end if end >= 0 else None]
