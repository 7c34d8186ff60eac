"""DICOM instances of a study for a model: kept files of a folder, or of a DICOMweb archive (WADO-RS, PS3.18 10.4).

The archive is the one that the site names, else that of the study's Endpoint.

It runs in the model's process. The archive's origin has to be listed (FHIR_BRIDGE_EGRESS), as for all that leaves.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = [
    "InstanceError",
    "Instances",
    "from_archive",
    "from_endpoints",
    "from_folder",
    "series_of",
    "study_uid",
]

Instances = Callable[[str, str, str], bytes | None]
"""The file of an instance by the UIDs of study, series and instance; None where it is not there.

Raises:
    InstanceError: it can't be had.
"""

LARGEST: Final = 256 * 1024 * 1024
SECONDS: Final = 10.0
TOKEN: Final = "FHIR_BRIDGE_MODEL_ARCHIVE_TOKEN"  # noqa: S105 - the name of a variable
_ACCEPT: Final = (
    'multipart/related; type="application/dicom"; transfer-syntax=*, application/dicom; transfer-syntax=*'
)
_UID: Final = re.compile(r"[0-9.]{1,64}")
_BOUNDARY: Final = re.compile(r'boundary="?([^";,]{1,200})"?')


class InstanceError(Exception):
    """An instance can't be had; the text goes on after the name of the input."""


def from_folder(folder: Path) -> Instances:
    """Files `<SOPInstanceUID>.dcm`."""

    def read(_study: str, _series: str, instance: str) -> bytes | None:
        path = folder / f"{instance}.dcm"
        try:
            if path.stat().st_size > LARGEST:
                raise InstanceError("is in a file that is too large")
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InstanceError("can't be read from its DICOM file") from error

    return read


def from_archive(url: str) -> Instances:
    """The service at `url`; a bearer token is sent where FHIR_BRIDGE_MODEL_ARCHIVE_TOKEN is set."""

    def read(study: str, series: str, instance: str) -> bytes | None:
        return _instance(url, study, series, instance, os.environ.get(TOKEN))

    return read


def from_endpoints(study: dict[str, Any], endpoints: Sequence[dict[str, Any]]) -> Instances | None:
    """The WADO-RS services that a study names, those of a series before its own; None where it names none.

    Whoever may write an Endpoint chooses the address, so no token is sent there, and only listed ones are asked.

    Args:
        endpoints: the Endpoints that are stored, contained ones aside.
    """
    known = {f"Endpoint/{each.get('id')}": each for each in endpoints}
    known |= {f"#{each.get('id')}": each for each in study.get("contained", ())}
    of_study = list(_addresses(study, known))
    of_series = {
        str(series.get("uid", "")): list(_addresses(series, known)) for series in study.get("series", ())
    }
    if not of_study and not any(of_series.values()):
        return None

    def read(study_uid: str, series_uid: str, instance: str) -> bytes | None:
        failure: InstanceError | None = None
        for url in dict.fromkeys([*of_series.get(series_uid, ()), *of_study]):
            try:
                content = _instance(url, study_uid, series_uid, instance)
            except InstanceError as error:
                failure = failure or error
                continue
            if content is not None:
                return content
        if failure is not None:
            raise failure
        return None

    return read


def _addresses(owner: dict[str, Any], known: dict[str, dict[str, Any]]) -> Iterator[str]:
    for reference in owner.get("endpoint", ()):
        parts = str(reference.get("reference", "")).partition("/_history")[0].split("/")
        endpoint = known.get("/".join(parts[-2:]), {})
        address = str(endpoint.get("address", ""))
        if (
            endpoint.get("resourceType") == "Endpoint"
            and endpoint.get("status") == "active"
            and endpoint.get("connectionType", {}).get("code") == "dicom-wado-rs"
            and address
            and not set("?#") & set(address)
        ):
            yield address


def _instance(url: str, study: str, series: str, instance: str, token: str | None = None) -> bytes | None:
    if not study or not series:
        raise InstanceError("is of a study or series without a UID")
    address = f"{url.rstrip('/')}/studies/{study}/series/{series}/instances/{instance}"
    return asyncio.run(_fetch(address, token))


async def _fetch(url: str, token: str | None) -> bytes | None:
    import httpx

    from fhir_bridge.egress import Allowed, EgressRefused, client

    allowed = Allowed.of(
        os.environ.get("FHIR_BRIDGE_EGRESS", ""), os.environ.get("FHIR_BRIDGE_EGRESS_NETWORKS", "")
    )
    headers = {"Accept": _ACCEPT}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    content = bytearray()
    try:
        async with (
            asyncio.timeout(SECONDS),
            client(allowed, seconds=SECONDS) as http,
            http.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code in (404, 410):
                return None
            if answer.status_code != 200:
                raise InstanceError(f"is in an archive that answers {answer.status_code}")
            async for piece in answer.aiter_bytes():
                content += piece
                if len(content) > LARGEST:
                    raise InstanceError("is in a file that is too large")
            kind = answer.headers.get("content-type", "")
    except TimeoutError as error:
        raise InstanceError(f"is in an archive that did not answer within {SECONDS:g} s") from error
    except EgressRefused as error:
        raise InstanceError("is in an archive that may not be asked (FHIR_BRIDGE_EGRESS)") from error
    except httpx.HTTPError as error:
        raise InstanceError("is in an archive that does not answer") from error
    return _part(bytes(content), kind)


def _part(content: bytes, kind: str) -> bytes:
    """The one part of a multipart/related answer (RFC 2046 5.1.1), or the whole of another."""
    if not kind.lower().startswith("multipart/"):
        return content
    boundary = _BOUNDARY.search(kind)
    if boundary is None:
        raise InstanceError("is in an archive whose answer can't be read")
    marker = b"--" + boundary[1].encode("latin-1", "replace")
    _, _, rest = content.partition(marker)
    _, blank, body = rest.partition(b"\r\n\r\n")
    body, end, _ = body.partition(b"\r\n" + marker)
    if not blank or not end:
        raise InstanceError("is in an archive whose answer can't be read")
    return body


def series_of(study: dict[str, Any], modality: str) -> list[tuple[str, list[str]]]:
    """UIDs of the series of a modality, each with those of its instances in the order of their numbers."""
    result = []
    for series in study.get("series", ()):
        if series.get("modality", {}).get("code") == modality:
            instances = sorted(series.get("instance", ()), key=lambda item: int(item.get("number", 0)))
            uids = [str(item.get("uid", "")) for item in instances]
            uid = str(series.get("uid", ""))
            result.append((uid if _UID.fullmatch(uid) else "", [uid for uid in uids if _UID.fullmatch(uid)]))
    return result


def study_uid(study: dict[str, Any]) -> str:
    """The Study Instance UID; empty where none is stated."""
    for identifier in study.get("identifier", ()):
        uid = str(identifier.get("value", "")).removeprefix("urn:oid:")
        if identifier.get("system") == "urn:dicom:uid" and _UID.fullmatch(uid):
            return uid
    return ""
