"""STOW-RS (PS3.18 10.5): objects are taken in; who sends them gets to know of each what became of it."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from fhir_bridge.pipeline.instances import InstanceReceiver, Kept
from fhir_bridge.pipeline.receiving import Unavailable
from fhir_bridge.plugins.extras import available
from fhir_bridge.server.dicomweb.calling import ROOT, answered, data_set, require_json
from fhir_bridge.server.dicomweb.multipart import MalformedBody, Part, TooLarge, media_type, parts_of
from fhir_bridge.server.rest.call import Call
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.storage.location import database_url

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

DICOM: Final = "application/dicom"
PROCESSING_FAILURE: Final = 0x0110
OTHER_STUDY: Final = 0xA900
CAN_NOT_UNDERSTAND: Final = 0xC000
OUT_OF_RESOURCES: Final = 0xA700
"""Failure reasons (PS3.4 B.2.3, PS3.18 I.2.2)."""


@dataclass(slots=True)
class _Result:
    """What became of the objects of a request: each a row of a sequence."""

    referenced: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    unavailable: bool = False

    @property
    def status(self) -> int:
        if self.failed or self.others:
            return 202 if self.referenced else (503 if self.unavailable else 409)
        return 200


@router.post(f"{ROOT}/studies")
async def store(request: Request) -> Response:
    """Take objects of any study."""
    return await answered(request, lambda call: _store(call, None))


@router.post(ROOT + "/studies/{study}")
async def store_study(request: Request, study: str) -> Response:
    """Take objects of one study; others fail."""
    return await answered(request, lambda call: _store(call, study))


async def _store(call: Call, study: str | None) -> Response:
    if not call.access.writes_everything:
        raise refuse(
            403,
            "FB-SMART-002",
            "to send objects, a token has to allow all writes (system/*.cud)",
            headers={"WWW-Authenticate": 'Bearer realm="fhir", error="insufficient_scope"'},
        )
    if not available("dicom"):
        raise refuse(501, "FB-REST-002", "this server takes no DICOM objects (the extra `dicom` is missing)")
    require_json(call)
    kind, parameters = media_type(call.request.headers.get("content-type", ""))
    multipart = kind == "multipart/related"
    if kind != DICOM and (not multipart or parameters.get("type", DICOM).lower() != DICOM):
        raise refuse(415, "FB-REST-004", f'objects come as multipart/related; type="{DICOM}"')
    receiver = await _receiver(call)
    result = _Result()
    most = call.services.settings.max_instance_bytes
    with tempfile.TemporaryDirectory(prefix="fhir-bridge-stow-") as folder:
        try:
            body = call.request.stream()
            parts = (
                parts_of(body, parameters.get("boundary", ""), Path(folder), most)
                if multipart
                else _whole(body, Path(folder), most)
            )
            async for part in parts:
                await _take(call, receiver, part, study, result)
                part.path.unlink()
        except MalformedBody as error:
            if not result.referenced:
                raise refuse(400, "FB-REST-001", str(error)) from error
            result.others.append({"00081197": _unsigned(CAN_NOT_UNDERSTAND)})
        except TooLarge as error:
            if not result.referenced:
                raise refuse(413, "FB-REST-007", str(error)) from error
            result.others.append({"00081197": _unsigned(OUT_OF_RESOURCES)})
        except ClientDisconnect:
            return Response(status_code=400)
    if not (result.referenced or result.failed or result.others):
        raise refuse(400, "FB-REST-001", "the body holds no object")
    return _response(call, study, result)


async def _whole(body: AsyncIterator[bytes], folder: Path, most: int) -> AsyncIterator[Part]:
    path, size = folder / "0.dcm", 0
    with path.open("xb") as file:
        async for piece in body:
            size += len(piece)
            if size > most:
                raise TooLarge(f"it has more than {most:,} bytes")
            file.write(piece)
    yield Part(DICOM, path)


async def _receiver(call: Call) -> InstanceReceiver:
    """The worker's, made with the first object: most workers never get one."""
    state, settings = call.request.app.state, call.services.settings
    known: InstanceReceiver | None = getattr(state, "instances", None)
    if known is None:
        url = database_url(settings.database_url, data_dir=settings.database_dir)
        known = state.instances = InstanceReceiver(
            call.services.store, url, settings.site, mapping=settings.dicom_mapping
        )
    return known


async def _take(
    call: Call, receiver: InstanceReceiver, part: Part, study: str | None, result: _Result
) -> None:
    if part.type not in ("", DICOM):
        result.others.append({"00081197": _unsigned(0x0122)})
        return
    stated = await receiver.identity(part.path)
    if stated is None:
        result.others.append({"00081197": _unsigned(CAN_NOT_UNDERSTAND)})
        return
    row: dict[str, Any] = {"00081150": _uid(stated.sop_class), "00081155": _uid(stated.uid)}
    if study is not None and stated.study != study:
        result.failed.append({**row, "00081197": _unsigned(OTHER_STUDY)})
        return
    try:
        kept: Kept = await receiver.receive(part.path)
    except Unavailable:
        result.unavailable = True
        result.failed.append({**row, "00081197": _unsigned(OUT_OF_RESOURCES)})
        return
    if kept.outcome != "kept":
        reason = PROCESSING_FAILURE if kept.outcome == "conflict" else CAN_NOT_UNDERSTAND
        result.failed.append({**row, "00081197": _unsigned(reason)})
        return
    result.referenced.append({**row, "00081190": _retrieve(call, stated.study, stated.series, stated.uid)})


def _response(call: Call, study: str | None, result: _Result) -> Response:
    content: dict[str, Any] = {"00081190": _retrieve(call, study) if study else {"vr": "UR"}}
    for tag, rows in (
        ("00081198", result.failed),
        ("00081199", result.referenced),
        ("0008119A", result.others),
    ):
        if rows:
            content[tag] = {"vr": "SQ", "Value": rows}
    return data_set(content, result.status)


def _retrieve(call: Call, study: str, series: str = "", instance: str = "") -> dict[str, Any]:
    """Retrieve URL, where objects are served; without value else (type 2)."""
    settings = call.services.settings
    if not (settings.dicomweb and settings.dicomweb_archive):
        return {"vr": "UR"}
    path = f"{settings.root}{ROOT}/studies/{study}"
    if instance:
        path += f"/series/{series}/instances/{instance}"
    return {"vr": "UR", "Value": [path]}


def _uid(value: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]} if value else {"vr": "UI"}


def _unsigned(value: int) -> dict[str, Any]:
    return {"vr": "US", "Value": [value]}
