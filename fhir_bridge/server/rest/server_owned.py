"""What callers may not write: audit entries, predictions, and labels that the server set."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any
from urllib.parse import unquote, urlsplit

from fhir_bridge.fhir.access import EVERYTHING
from fhir_bridge.fhir.canonical import PREDICTION_CODES, PREDICTION_IDS
from fhir_bridge.fhir.serialization import loads
from fhir_bridge.governance.expunging import is_certificate
from fhir_bridge.server.delivery.identity import has_mark
from fhir_bridge.server.rest.refusal import refuse
from fhir_bridge.server.rest.writing import Writing
from fhir_bridge.storage.breathing import beside
from fhir_bridge.storage.errors import Gone, NotFound, StorageError
from fhir_bridge.storage.outlines import Outline, outline_of

__all__ = ["AI_LABEL", "READ_ONLY_TYPES", "check_new", "keep_labels"]

READ_ONLY_TYPES = frozenset({"AuditEvent"})
AI_LABEL = "AIAST"
"""v3-ObservationValue: created by artificial intelligence; only the server's own predictors set it."""
AI_DEVICE = "Artificial-Intelligence"
"""Type of a Device that is a model (HL7 AI Transparency on FHIR)."""
_MAKERS = frozenset("agent asserter author device informationSource performer recorder sender".split())
"""Elements that say who or what made a resource, or asserts it."""
_KINDS = ("category", "code")
"""Elements that say what a resource is."""
# Looked for in the bytes: nearly all resources have none of them, and need not be parsed.
_MARKS = (b'"security"', b"Device/", AI_DEVICE.encode())
_LOCAL = re.compile(r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9.-]{1,64})(?:/_history/.*)?")
_ELSEWHERE = re.compile(rf"(?:.*/)?({_LOCAL.pattern})")


def _labels(resource: dict[str, Any]) -> list[dict[str, Any]]:
    meta = resource.get("meta")
    labels = meta.get("security") if isinstance(meta, dict) else None
    return [label for label in labels if isinstance(label, dict)] if isinstance(labels, list) else []


def _is_labelled(resource: dict[str, Any]) -> bool:
    return any(label.get("code") == AI_LABEL for label in _labels(resource))


def _is_prediction(resource: dict[str, Any]) -> bool:
    """Whether the resource calls itself a prediction: by a code or identifier that only predictions have."""
    identifiers = resource.get("identifier")
    for identifier in identifiers if isinstance(identifiers, list) else (identifiers,):
        if isinstance(identifier, dict) and identifier.get("system") == PREDICTION_IDS:
            return True
    components = resource.get("component")
    parts = [item for item in components if isinstance(item, dict)] if isinstance(components, list) else []
    for part, name in product((resource, *parts), _KINDS):
        concepts = part.get(name)
        for concept in concepts if isinstance(concepts, list) else (concepts,):
            codings = concept.get("coding") if isinstance(concept, dict) else None
            for coding in codings if isinstance(codings, list) else ():
                if isinstance(coding, dict) and coding.get("system") == PREDICTION_CODES:
                    return True
    return False


def _is_model(resource: dict[str, Any]) -> bool:
    """Whether the resource is the Device that stands for a model."""
    kind = resource.get("type")
    codings = (
        kind.get("coding") if resource.get("resourceType") == "Device" and isinstance(kind, dict) else None
    )
    return isinstance(codings, list) and any(
        isinstance(coding, dict) and coding.get("code") == AI_DEVICE for coding in codings
    )


def _claims(node: Any, *, within: bool = False) -> Iterator[str]:
    """References to whom the resource says it was created by, wherever it says so."""
    if isinstance(node, list):
        for item in node:
            yield from _claims(item, within=within)
    elif isinstance(node, dict):
        for name, item in node.items():
            if within and name == "reference" and isinstance(item, str):
                yield item
            elif isinstance(item, list | dict):
                yield from _claims(item, within=within or name in _MAKERS)


def _references(resource: dict[str, Any]) -> set[str]:
    """What the resource says it was created by, and what a Provenance is about."""
    claims: list[Any] = [resource]
    if resource.get("resourceType") == "Provenance":
        claims.append({"device": resource.get("target")})
    # The target of a Provenance says what was created, not by whom: about a
    # prediction it is the server's as well.
    return {reference for claim in claims for reference in _claims(claim)}


def _meant(reference: str, base: str) -> str:
    """The relative reference that a client may read in an improper one: `./Device/x`, `Device/x#y`, `/Device/x`.

    An address with another host, port or path in front may be this server's under another name (`localhost`, a
    proxy's): the ids of models and results are keyed hashes, which no other site has.
    """
    try:
        # Decoded: `Device%2Fx` is `Device/x` to a client that reads it.
        address, own = urlsplit(unquote(reference)), urlsplit(base)
    except ValueError:
        return reference
    path = address.path
    if address.scheme or address.netloc:
        if address.netloc.lower() != own.netloc.lower() or not path.startswith(own.path + "/"):
            tail = _ELSEWHERE.fullmatch(posixpath.normpath(path)) if address.netloc else None
            return tail[1] if tail else reference
    elif not path.startswith(own.path + "/"):
        path = f"{own.path}/{path}"
    return posixpath.normpath(f"/{path.lstrip('/')}").removeprefix(own.path).lstrip("/")


# By what is stored, not by what is claimed: an id alone does not show that a Device is a model.
async def _is_ours(call: Writing, resource: dict[str, Any], outline: Outline) -> bool:
    """Whether a resource is a prediction, a model, or says that a model made it, or what a model made."""
    contained = resource.get("contained")
    inner = [item for item in contained if isinstance(item, dict)] if isinstance(contained, list) else []
    # Contained as well: it is stored with the resource, and a reader does not look where.
    if any(_is_labelled(item) or _is_model(item) for item in (resource, *inner)):
        return True
    if is_certificate(resource):
        return True
    about = resource.get("resourceType") == "Provenance"
    # Nearly all name no Device, and need not be looked through for who made them. An escape may hide one (`_meant`).
    if not about and not any("Device" in text or "%" in text for text in outline.references):
        return False
    for reference in await beside(outline.large, partial(_references, resource)):
        match = _LOCAL.fullmatch(_meant(reference, call.base))
        if match is None or (match[1] != "Device" and not about):
            continue
        try:
            # With every access: that the caller can't see the Device must not make it usable.
            stored = await call.services.store.read(match[1], match[2], EVERYTHING)
        except StorageError:  # nothing there, or no such type: it names no model
            continue
        named = loads(stored.bytes)
        if _is_labelled(named) or _is_model(named):
            return True
    return False


async def check_new(call: Writing, resource: dict[str, Any], outline: Outline) -> None:
    """Refuse a resource that only the server may make.

    Raises:
        Refusal: 403.
    """
    if resource.get("resourceType") in READ_ONLY_TYPES:
        raise refuse(403, "FB-REST-012", f"{resource['resourceType']} is written by the server only")
    if call.writes_predictions and has_mark(resource):
        return
    contained = resource.get("contained")
    inner = [item for item in contained if isinstance(item, dict)] if isinstance(contained, list) else []
    if any(_is_prediction(item) for item in (resource, *inner)) or await _is_ours(call, resource, outline):
        raise refuse(
            403,
            "FB-REST-012",
            "predictions, what claims to be of a model, and certificates are written by the server only",
        )


async def keep_labels(
    call: Writing, resource_type: str, resource_id: str, resource: dict[str, Any] | None
) -> None:
    """Before an update or delete: refuse it on a prediction, and carry security labels over into the new version.

    R4 resource.html#meta: labels stay unless the server takes them off.

    Raises:
        Refusal: 403, where the caller may know of the resource.
    """
    try:
        stored = await call.services.store.read(resource_type, resource_id, EVERYTHING)
    except (NotFound, Gone):
        return
    if resource_type != "Provenance" and not any(mark in stored.bytes for mark in _MARKS):
        return
    current = loads(stored.bytes)
    # Another bridge changes what it sent, and nothing that was created here.
    if not (call.writes_predictions and has_mark(current)) and await _is_ours(
        call, current, await outline_of(current)
    ):
        # Who may not know of it must not learn by 403 that it is there.
        await call.services.store.read(resource_type, resource_id, call.access)  # 404 comes before 403
        raise refuse(
            403, "FB-REST-012", "a prediction or certificate can't be changed or deleted over the API"
        )
    if resource is None:
        return
    # By system and code: the same label with another display is the same.
    has = {(label.get("system"), label.get("code")) for label in _labels(resource)}
    missing = [label for label in _labels(current) if (label.get("system"), label.get("code")) not in has]
    if missing:
        resource["meta"] = {**resource.get("meta", {}), "security": [*_labels(resource), *missing]}
