"""QIDO-RS (PS3.18 10.6): the studies that are here and that the caller may see, as ImagingStudy has them."""

from __future__ import annotations

import re
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_bridge.fhir.serialization import loads
from fhir_bridge.server.dicomweb.calling import ROOT, answered, data_set, preflight, require_json
from fhir_bridge.server.dicomweb.data_sets import (
    instance_attributes,
    series_attributes,
    study_attributes,
    value_of,
)
from fhir_bridge.server.rest import hooks
from fhir_bridge.server.rest.auditing import audit_search
from fhir_bridge.server.rest.call import Call, query_of
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.search import decoded
from fhir_bridge.storage.errors import StorageError

__all__ = ["router", "visible_study"]

router = APIRouter(include_in_schema=False)

for _path in (f"{ROOT}/studies", ROOT + "/studies/{below:path}"):
    router.add_api_route(_path, preflight, methods=["OPTIONS"])

UID: Final = re.compile(r"[0-9.]{1,64}")
_TAG: Final = re.compile(r"[0-9A-Fa-f]{8}")
_KEYWORDS: Final = {
    "0020000D": "StudyInstanceUID",
    "00100020": "PatientID",
    "00100010": "PatientName",
    "00080020": "StudyDate",
    "00080050": "AccessionNumber",
    "00080061": "ModalitiesInStudy",
    "00080090": "ReferringPhysicianName",
}
_LOWER: Final = {
    "0020000E": "SeriesInstanceUID",
    "00080060": "Modality",
    "00080018": "SOPInstanceUID",
}
_MOST: Final = 1000


@router.get(f"{ROOT}/studies")
async def studies(request: Request) -> Response:
    """Studies by UID, patient, date, accession number and modality."""
    return await answered(request, _studies)


@router.get(ROOT + "/studies/{study}/series")
async def series(request: Request, study: str) -> Response:
    """The series of a study."""

    async def work(call: Call) -> Response:
        asked = _Query(call, {**_LOWER})
        matched, patient, referrer = await visible_study(call, study)
        of_study = study_attributes(matched, patient, referrer, call.services.settings.root + ROOT)
        rows = [
            {**of_study, **series_attributes(each, study, call.services.settings.root + ROOT)}
            for each in matched.get("series", ())
        ]
        return data_set(asked.page(rows))

    return await answered(request, work)


@router.get(ROOT + "/studies/{study}/instances")
async def instances(request: Request, study: str) -> Response:
    """The instances of a study, as far as they were read."""
    return await answered(request, lambda call: _instances(call, study, None))


@router.get(ROOT + "/studies/{study}/series/{series}/instances")
async def instances_of_series(request: Request, study: str, series: str) -> Response:
    """The instances of a series."""
    return await answered(request, lambda call: _instances(call, study, series))


async def _instances(call: Call, study: str, series: str | None) -> Response:
    asked = _Query(call, {**_LOWER})
    matched, patient, referrer = await visible_study(call, study)
    root = call.services.settings.root + ROOT
    of_study = study_attributes(matched, patient, referrer, root)
    rows = [
        {
            **of_study,
            **series_attributes(each, study, root),
            **instance_attributes(item, study, each["uid"], root),
        }
        for each in matched.get("series", ())
        if series is None or each["uid"] == series
        for item in each.get("instance", ())
    ]
    return data_set(asked.page(rows))


class _Query:
    """The parameters of a query: what has to match, and which page is asked for."""

    def __init__(self, call: Call, lower: dict[str, str] | None = None) -> None:
        require_json(call)
        self.matching: dict[str, str] = {}
        self.limit, self.offset = _MOST, 0
        names = {**_KEYWORDS, **(lower or {})}
        known = {**names, **{keyword: keyword for keyword in names.values()}}
        for name, value in decoded(query_of(call.request)):
            if name in ("includefield", "fuzzymatching", "emptyvaluematching", "multiplevaluematching"):
                continue  # all that is known is answered, and matched as it stands
            if name in ("limit", "offset"):
                if not (value.isascii() and value.isdecimal()) or len(value) > 9:
                    raise refuse(400, "FB-REST-008", f"{name} is a number, 0 or more")
                setattr(self, name, int(value))
                continue
            keyword = known.get(name.upper() if _TAG.fullmatch(name) else name)
            if keyword is None:
                raise refuse(400, "FB-REST-008", f"{name[:40]} can't be searched by here")
            if value and value != "*":
                self.matching[keyword] = value
        self.limit = min(self.limit, _MOST)

    def page(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The rows that match by what series and instances have, of the page that is asked for."""
        for tag, keyword in _LOWER.items():
            wanted = self.matching.get(keyword)
            if wanted is not None:
                values = set(re.split(r"[\\,]", wanted))
                rows = [row for row in rows if value_of(row, tag) in values]
        return rows[self.offset : self.offset + self.limit]

    def parameters(self) -> list[tuple[str, str]]:
        """The search of ImagingStudy that finds the studies."""
        matched = [("status:not", "entered-in-error")]
        for keyword, value in self.matching.items():
            escaped = re.sub(r"([$|,\\])", r"\\\1", value)
            match keyword:
                case "StudyInstanceUID":
                    uids = re.split(r"[\\,]", value)
                    if not all(map(UID.fullmatch, uids)):
                        raise refuse(400, "FB-REST-008", "StudyInstanceUID is a UID, or several")
                    matched.append(("identifier", ",".join(f"urn:dicom:uid|urn:oid:{uid}" for uid in uids)))
                case "PatientID":
                    matched.append(("subject:Patient.identifier", escaped))
                case "PatientName":
                    words = re.split(r"[\^=* ]+", escaped)
                    matched += [("subject:Patient.name", word) for word in words if word]
                case "ReferringPhysicianName":
                    words = re.split(r"[\^=* ]+", escaped)
                    matched += [("referrer:Practitioner.name", word) for word in words if word]
                case "AccessionNumber":
                    matched.append(("identifier", escaped))
                case "ModalitiesInStudy":
                    matched.append(("modality", re.sub(r"\\\\|\\,", ",", escaped)))
                case "StudyDate":
                    matched += [("started", each) for each in _dates(value)]
        return matched


def _dates(value: str) -> list[str]:
    """A date, or a range of dates (PS3.4 C.2.2.2.5)."""
    first, dash, last = value.partition("-")
    if not all(each == "" or re.fullmatch(r"\d{8}", each) for each in (first, last)) or not (first or last):
        raise refuse(400, "FB-REST-008", "StudyDate is 20240131, or a range as 20240101-20240131")
    days = [f"{each[:4]}-{each[4:6]}-{each[6:]}" if each else "" for each in (first, last)]
    if not dash:
        return [days[0]]
    return [f"{prefix}{day}" for prefix, day in zip(("ge", "le"), days, strict=True) if day]


async def _studies(call: Call) -> Response:
    asked = _Query(call)
    parameters = asked.parameters()
    most = asked.offset + asked.limit
    if most > 10 * _MOST:
        raise refuse(
            400, "FB-REST-008", f"offset and limit are {10 * _MOST} together at most: search by StudyDate"
        )
    root = call.services.settings.root + ROOT
    rows: list[dict[str, Any]] = []
    seen, cursor = 0, None
    async with call.work():
        while len(rows) < asked.limit:
            page = await call.services.store.search(
                "ImagingStudy",
                [*parameters, ("_sort", "-started")],
                call.access,
                count=min(most - seen, 200) or 1,
                cursor=cursor,
            )
            await audit_search(
                call, f"GET {ROOT}/studies?{query_of(call.request)}", page.entries, "search-type"
            )
            for entry in page.entries:
                seen += 1
                if seen > asked.offset and len(rows) < asked.limit:
                    matched = _redacted(call, entry.bytes)
                    patient, referrer = await _patient(call, matched), await _referrer(call, matched)
                    rows.append(study_attributes(matched, patient, referrer, root))
            cursor = page.next
            if cursor is None or seen >= most:
                break
    return data_set(rows)


async def visible_study(
    call: Call, uid: str
) -> tuple[dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]:
    """The ImagingStudy of a UID, its Patient and its referring Practitioner, as far as the caller may see them.

    Raises:
        Refusal: 404: there is none, or none that the caller may know of.
    """
    if not UID.fullmatch(uid):
        raise refuse(404, "FB-REST-002", "there is no such study")
    parameters = [("identifier", f"urn:dicom:uid|urn:oid:{uid}"), ("status:not", "entered-in-error")]
    async with call.work():
        page = await call.services.store.search("ImagingStudy", parameters, call.access, count=2)
    if len(page.entries) != 1:
        raise refuse(404, "FB-REST-002", "there is no such study")
    await audit_search(call, f"GET {call.request.url.path}", page.entries, "search-type")
    matched = _redacted(call, page.entries[0].bytes)
    return matched, await _patient(call, matched), await _referrer(call, matched)


def _redacted(call: Call, content: bytes) -> dict[str, Any]:
    result: dict[str, Any] = loads(hooks.redact(call.services.plugins, content, call.access))
    return result


async def _patient(call: Call, study: dict[str, Any]) -> dict[str, Any] | None:
    return await _referred(call, study.get("subject"), "Patient")


async def _referrer(call: Call, study: dict[str, Any]) -> dict[str, Any] | None:
    return await _referred(call, study.get("referrer"), "Practitioner")


async def _referred(call: Call, reference: dict[str, Any] | None, kind: str) -> dict[str, Any] | None:
    target = str((reference or {}).get("reference", ""))
    if not target.startswith(f"{kind}/"):
        return None
    try:
        stored = await call.services.store.read(kind, target.removeprefix(f"{kind}/"), call.access)
    except StorageError:
        return None  # it is not here, or the caller may not see it
    return _redacted(call, stored.bytes)
