"""The small picture of a study on its patient's page, from the archive."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from starlette.responses import Response

from fhir_bridge.adapters.imaging.dicomweb_client import ArchiveClient, ArchiveUnavailable
from fhir_bridge.fhir.access import AccessFilter
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.plugins.extras import available
from fhir_bridge.server.dicomweb.retrieving import archive_of
from fhir_bridge.server.services import Services

__all__ = ["picture"]

_TYPES: Final = ("image/jpeg", "image/png")
_NO_IMAGES: Final = frozenset({"SR", "KO", "PR", "ECG", "SEG", "DOC", "REG", "RTSTRUCT", "RTPLAN"})
_HEADERS: Final = {
    "Cache-Control": "private, max-age=300",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}


async def picture(services: Services, access: AccessFilter, patient: str, study: str) -> Response | None:
    """A picture of the study of this patient; None where there is none, or none that the person may see.

    Raises:
        StorageError: the person may not see the study.
    """
    stored = await services.store.read("ImagingStudy", study, access)
    resource = loads(stored.bytes)
    if (resource.get("subject") or {}).get("reference") != f"Patient/{patient}":
        return None
    archive = archive_of(services.settings)
    if archive is None:
        return None
    try:
        return await _from_archive(archive, resource)
    except ArchiveUnavailable:
        return None
    finally:
        await archive.close()


async def _from_archive(archive: ArchiveClient, study: dict[str, Any]) -> Response | None:
    uid = next(
        (each["value"] for each in study.get("identifier", ()) if each.get("system") == "urn:dicom:uid"), ""
    ).removeprefix("urn:oid:")
    shown = [
        series
        for series in study.get("series", ())
        if (series.get("modality") or {}).get("code") not in _NO_IMAGES
    ]
    if not uid or not shown:
        return None
    series = max(shown, key=lambda each: each.get("numberOfInstances", 0))
    path = f"/studies/{uid}/series/{series['uid']}/instances"
    instances = [str(each["uid"]) for each in series.get("instance", ())]
    if not instances:  # read at depth `series`
        middle = max(int(series.get("numberOfInstances") or 1) // 2, 0)
        for offset in (middle, 0):
            asked = [("limit", "1"), ("offset", str(offset))]
            for found in await archive.query(path, asked):
                instances += (found.get("00080018") or {}).get("Value") or []
            if instances:
                break
    if not instances:
        return None
    instance = instances[len(instances) // 2]
    try:
        content, kind = await archive.rendered(uid, series["uid"], instance)
        if kind in _TYPES:
            return Response(content, media_type=kind, headers=_HEADERS)
    except ArchiveUnavailable as error:
        if error.status not in (400, 404, 406, 415, 500, 501):
            raise
    if not available("dicom"):
        return None
    # The archive does not render it: the frame is decoded here, where that is possible.
    from fhir_bridge.adapters.imaging.pictures import PictureError, thumbnail

    whole = await archive.instance(uid, series["uid"], instance)
    try:
        return Response(await asyncio.to_thread(thumbnail, whole), media_type="image/png", headers=_HEADERS)
    except PictureError:
        return None
