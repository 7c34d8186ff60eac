"""The newest text of a patient for a model: the newest decides, and where it can't be read no older one is taken."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from fhir_bridge.predictions.inputs import MissingInput, UnusableInput, check_date, last_moment
from fhir_bridge.predictions.record import SETTLED, Evidence, PatientRecord, codings, effective_of
from fhir_bridge.predictions.times import moment_of

__all__ = ["find_note", "is_settled"]

_SETTLED: Final = {
    "Observation": SETTLED,
    "DiagnosticReport": SETTLED | {"appended"},
    "DocumentReference": frozenset({"current"}),
}
"""Statuses of what is not withdrawn, replaced or still to be changed."""
_UNSETTLED: Final = frozenset({"entered-in-error", "preliminary"})
_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([A-Za-z0-9_.:-]+)""", re.IGNORECASE)


class _Unreadable(Exception):
    """Why a text can't be read."""


def is_settled(resource: Mapping[str, Any]) -> bool:
    """Whether a resource is a result or text that counts; of other types, that it is none that was entered in error."""
    statuses = _SETTLED.get(resource["resourceType"])
    if statuses is not None:
        return resource.get("status") in statuses and resource.get("docStatus") not in _UNSETTLED
    verification = {code for _, code in codings(resource.get("verificationStatus"))}
    return "entered-in-error" not in (resource.get("status"), *verification)


def find_note(record: PatientRecord, codes: frozenset[tuple[str, str]], label: str) -> tuple[str, Evidence]:
    """The newest text of a DocumentReference or DiagnosticReport under one of the codes (none: any).

    Raises:
        MissingInput: there is none.
        UnusableInput: it can't be read, it has no time, another one may be as new and has another text, or it is dated
            after the run.
    """
    notes: list[tuple[dict[str, Any], Evidence]] = []
    for kind in ("DocumentReference", "DiagnosticReport"):
        for resource in record.all(kind):
            coded = {*codings(resource.get("type")), *codings(resource.get("code"))}
            if is_settled(resource) and (not codes or coded & codes) and _has_text(resource):
                time = str(resource.get("date") or effective_of(resource) or resource.get("issued") or "")
                shown = replace(record.evidence(resource, label), time=time, modality="text")
                notes.append((resource, shown))
    if not notes:
        raise MissingInput(f"no {label}")
    dated = []
    for resource, shown in notes:
        moment = moment_of(shown.time)
        if moment is None:
            raise UnusableInput(f"{label} has no time", shown)
        dated.append((moment, last_moment(shown.time, moment), resource, shown))
    newest = max(moment for moment, _, _, _ in dated)
    seen: list[tuple[str, Evidence]] = []
    for moment, last, resource, shown in sorted(
        dated, key=lambda item: (item[0], item[2]["id"]), reverse=True
    ):
        if moment != newest and last <= newest:
            continue
        check_date(label, resource, shown, record.as_of)
        try:
            text = _text_of(resource)
        except _Unreadable as why:
            raise UnusableInput(f"the newest {label} can't be read ({why})", shown) from why
        if seen and text != seen[0][0]:
            again = "two texts at one time" if moment == newest else "another text, which may be newer"
            raise UnusableInput(f"{label} has {again}", shown)
        seen.append((text, shown))
    return seen[0]


def _has_text(resource: Mapping[str, Any]) -> bool:
    """A report without form and conclusion is of its results alone."""
    return resource["resourceType"] == "DocumentReference" or any(
        resource.get(name) for name in ("presentedForm", "conclusion")
    )


def _text_of(resource: Mapping[str, Any]) -> str:
    """The first attachment that is plain text, else the conclusion.

    Raises:
        _Unreadable: there is none that can be read.
    """
    attachments = [content.get("attachment", {}) for content in resource.get("content", ())]
    attachments += resource.get("presentedForm", ())
    plain = [item for item in attachments if _kind_of(item) == "text/plain"]
    if plain:
        return _decoded(plain[0])
    if conclusion := str(resource.get("conclusion") or ""):
        return conclusion
    kinds = ", ".join(sorted({_kind_of(item) or "without contentType" for item in attachments}))
    raise _Unreadable(f"{kinds or 'no attachment'}, not text/plain")


def _kind_of(attachment: Mapping[str, Any]) -> str:
    return str(attachment.get("contentType") or "").partition(";")[0].strip().lower()


def _decoded(attachment: Mapping[str, Any]) -> str:
    if not attachment.get("data"):
        raise _Unreadable("its text is elsewhere, by url" if attachment.get("url") else "without data")
    stated = _CHARSET.search(str(attachment["contentType"]))
    charset = stated[1] if stated else "utf-8"
    try:
        text = base64.b64decode("".join(str(attachment["data"]).split()), validate=True).decode(charset)
    except LookupError as error:
        raise _Unreadable("in a charset that is not known") from error
    except (binascii.Error, ValueError) as error:
        raise _Unreadable(f"its data are not {charset}") from error
    if not text.strip():
        raise _Unreadable("it is empty")
    return text
