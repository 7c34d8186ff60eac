"""WADO-RS (PS3.18 10.4): objects of studies that the caller may see are passed on from the archive."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fhir_bridge.adapters.imaging.dicomweb_archives import ArchiveError, read_archives
from fhir_bridge.adapters.imaging.dicomweb_client import ArchiveClient, ArchiveUnavailable
from fhir_bridge.server.dicomweb.calling import ROOT, answered
from fhir_bridge.server.dicomweb.querying import visible_study
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.settings import Settings

__all__ = ["archive_of", "router"]

router = APIRouter(include_in_schema=False)

_SEGMENTS: Final = re.compile(r"(?:[0-9A-Za-z.,_-]{1,100}/)*[0-9A-Za-z.,_-]{1,100}")
_RESOURCES: Final = frozenset(
    {"series", "instances", "frames", "metadata", "rendered", "thumbnail", "bulk", "bulkdata", "pixeldata"}
)
_PARAMETERS: Final = frozenset(
    {"viewport", "window", "quality", "annotation", "iccprofile", "charset", "accept"}
)
_MOST_JSON: Final = 256 << 20
_KEPT_HEADERS: Final = ("content-type", "content-length", "content-location")


@router.get(ROOT + "/studies/{study}")
async def whole_study(request: Request, study: str) -> Response:
    """All objects of a study."""
    return await answered(request, lambda call: _passed_on(call, study, ""))


@router.get(ROOT + "/studies/{study}/{below:path}")
async def below_study(request: Request, study: str, below: str) -> Response:
    """What is below a study: series, instances, frames, metadata, pictures."""
    return await answered(request, lambda call: _passed_on(call, study, below))


def archive_of(settings: Settings) -> ArchiveClient | None:
    """The archive that is asked for objects: the first of the list; None where none is set.

    Raises:
        Refusal: 502: the list can't be used.
    """
    if settings.dicomweb_archive is None:
        return None
    try:
        archives, _ = read_archives(settings.dicomweb_archive)
    except ArchiveError as error:
        raise refuse(502, "FB-REST-002", "the list of archives can't be used") from error
    return ArchiveClient(archives[0], settings.allowed) if archives else None


async def _passed_on(call: Call, study: str, below: str) -> Response:
    # Before anything else: who may not see the study gets to know nothing of the archive either.
    await visible_study(call, study)
    words = below.split("/") if below else []
    if below and (not _SEGMENTS.fullmatch(below) or words[0] not in _RESOURCES or ".." in words):
        raise refuse(404, "FB-REST-002", "there is nothing at this address")
    archive = archive_of(call.services.settings)
    if archive is None:
        raise refuse(404, "FB-REST-002", "this server has no archive to ask for objects")
    parameters = [
        (name, value) for name, value in call.request.query_params.multi_items() if name in _PARAMETERS
    ]
    path = f"/studies/{study}" + (f"/{below}" if below else "")
    try:
        response = await archive.opened(path, call.request.headers.get("accept", "*/*"), parameters)
    except ArchiveUnavailable as error:
        await archive.close()
        raise refuse(502, "FB-REST-002", f"the archive does not answer: {error}") from error
    if response.status_code not in (200, 206):
        status = response.status_code
        await response.aclose()
        await archive.close()
        if status in (400, 404, 406, 410):
            raise refuse(status, "FB-REST-002", f"the archive answers {status}")
        raise refuse(502, "FB-REST-002", f"the archive answers {status}")
    headers = {name: value for name in _KEPT_HEADERS if (value := response.headers.get(name)) is not None}
    if "json" in headers.get("content-type", ""):
        return await _with_our_addresses(call, archive, response, headers)
    if response.headers.get("content-encoding"):
        headers.pop("content-length", None)  # it is of what is decoded on the way
    return StreamingResponse(_pieces(archive, response), response.status_code, headers)


async def _pieces(archive: ArchiveClient, response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for piece in response.aiter_bytes():
            yield piece
    finally:
        await response.aclose()
        await archive.close()


async def _with_our_addresses(
    call: Call, archive: ArchiveClient, response: httpx.Response, headers: dict[str, str]
) -> Response:
    """Metadata, whose addresses of bulk data lead here and not past the access filter."""
    body = bytearray()
    async for piece in _pieces(archive, response):
        body += piece
        if len(body) > _MOST_JSON:
            raise refuse(502, "FB-REST-002", "the archive's metadata are larger than is passed on")
    ours = f"{call.services.settings.root}{ROOT}".encode()
    content = bytes(body)
    # The archive may know itself by another name than it is reached by: what counts is the path below its root.
    for address in {archive.url.encode(), *_OTHER_ADDRESS.findall(content)}:
        content = content.replace(address, ours)
    return Response(content, response.status_code, media_type=headers.get("content-type"))


_OTHER_ADDRESS: Final = re.compile(rb'"(https?://[^"\s]{1,300}?)/studies/[0-9.]{1,64}')
