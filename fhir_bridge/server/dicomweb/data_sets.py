"""ImagingStudy as the attributes that QIDO-RS answers with (PS3.18 10.6.3.3)."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["instance_attributes", "series_attributes", "study_attributes", "value_of"]

Attributes = dict[str, Any]

_SEX: Final = {"male": "M", "female": "F", "other": "O"}


def study_attributes(
    study: dict[str, Any], patient: dict[str, Any] | None, referrer: dict[str, Any] | None, root: str
) -> Attributes:
    """Of a study, with its Patient and referring Practitioner as far as they may be seen.

    Args:
        root: address of the DICOMweb services.
    """
    uid = _uid_of(study)
    date, time, offset = _moment(study.get("started"))
    accession = next(
        (
            each.get("value")
            for each in study.get("identifier", ())
            if any(code.get("code") == "ACSN" for code in (each.get("type") or {}).get("coding", ()))
        ),
        None,
    )
    modalities = [coding["code"] for coding in study.get("modality", ()) if coding.get("code")]
    name: dict[str, Any] = next(iter((patient or {}).get("name", ())), {})
    identifier: dict[str, Any] = next(iter((patient or {}).get("identifier", ())), {})
    result: Attributes = {
        "00080005": _element("CS", "ISO_IR 192"),
        "00080020": _element("DA", date),
        "00080030": _element("TM", time),
        "00080050": _element("SH", accession),
        "00080056": _element("CS", "ONLINE"),
        "00080061": _element("CS", *modalities),
        "00080090": _name(next(iter((referrer or {}).get("name", ())), {})),
        "00081190": _element("UR", f"{root}/studies/{uid}"),
        "00100010": _name(name),
        "00100020": _element("LO", identifier.get("value")),
        "00100030": _element("DA", str((patient or {}).get("birthDate") or "").replace("-", "") or None),
        "00100040": _element("CS", _SEX.get(str((patient or {}).get("gender")))),
        "0020000D": _element("UI", uid),
        "00200010": {"vr": "SH"},
        "00201206": _element("IS", study.get("numberOfSeries")),
        "00201208": _element("IS", study.get("numberOfInstances")),
    }
    if offset:
        result["00080201"] = _element("SH", offset)
    if study.get("description"):
        result["00081030"] = _element("LO", study["description"])
    return result


def series_attributes(series: dict[str, Any], study: str, root: str) -> Attributes:
    """Of a series."""
    result: Attributes = {
        "00080060": _element("CS", (series.get("modality") or {}).get("code")),
        "0008103E": _element("LO", series.get("description")),
        "00081190": _element("UR", f"{root}/studies/{study}/series/{series['uid']}"),
        "0020000E": _element("UI", series["uid"]),
        "00200011": _element("IS", series.get("number")),
        "00201209": _element("IS", series.get("numberOfInstances")),
    }
    return result


def instance_attributes(instance: dict[str, Any], study: str, series: str, root: str) -> Attributes:
    """Of an instance."""
    sop_class = str((instance.get("sopClass") or {}).get("code", "")).removeprefix("urn:oid:")
    path = f"{root}/studies/{study}/series/{series}/instances/{instance['uid']}"
    frames = next(
        (each.get("valueInteger") for each in instance.get("extension", ()) if "valueInteger" in each), None
    )
    result = {
        "00080016": _element("UI", sop_class or None),
        "00080018": _element("UI", instance["uid"]),
        "00081190": _element("UR", path),
        "00200013": _element("IS", instance.get("number")),
    }
    if frames:
        result["00280008"] = _element("IS", frames)
    return result


def value_of(attributes: Attributes, tag: str) -> str | None:
    """The first value of an attribute, as text."""
    values = (attributes.get(tag) or {}).get("Value") or [None]
    return None if values[0] is None else str(values[0])


def _uid_of(study: dict[str, Any]) -> str:
    return next(
        (
            str(each.get("value", "")).removeprefix("urn:oid:")
            for each in study.get("identifier", ())
            if each.get("system") == "urn:dicom:uid"
        ),
        "",
    )


def _moment(started: Any) -> tuple[str | None, str | None, str | None]:
    """Date, time and offset as DICOM writes them (DA, TM, SH)."""
    if not isinstance(started, str):
        return None, None, None
    day, _, rest = started.partition("T")
    date = day.replace("-", "")
    date = date if len(date) == 8 else None  # type: ignore[assignment]  # DA has no year alone
    if not rest:
        return date, None, None
    zone = "+0000" if rest.endswith("Z") else rest[-6:].replace(":", "")
    clock = rest.removesuffix("Z") if rest.endswith("Z") else rest[:-6]
    return date, clock.replace(":", ""), zone


def _name(name: dict[str, Any]) -> dict[str, Any]:
    given = [str(each) for each in name.get("given", ()) if each]
    parts = [
        str(name.get("family") or ""),
        given[0] if given else "",
        " ".join(given[1:]),
        " ".join(str(each) for each in name.get("prefix", ()) if each),
        " ".join(str(each) for each in name.get("suffix", ()) if each),
    ]
    text = "^".join(part.replace("^", " ").replace("=", " ") for part in parts).rstrip("^")
    return {"vr": "PN", "Value": [{"Alphabetic": text}]} if text else {"vr": "PN"}


def _element(vr: str, *values: Any) -> dict[str, Any]:
    present = [value for value in values if value is not None]
    return {"vr": vr, "Value": present} if present else {"vr": vr}
