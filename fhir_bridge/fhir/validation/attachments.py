"""Attachments: size and hash that are stated are those of the data (R4 datatypes.html#Attachment)."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any

from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_attachment"]

WHERE = "http://hl7.org/fhir/StructureDefinition/Attachment|4.0.1#Attachment"


def check_attachment(value: dict[str, Any], path: Path, run: Run) -> None:
    """`size` (bytes) and `hash` (SHA-1 in base64) against `data`; what a url leads to is not fetched."""
    data, size, digest = value.get("data"), value.get("size"), value.get("hash")
    if not isinstance(data, str) or (size is None and digest is None):
        return
    try:
        # R4 datatypes.html#base64Binary allows white space.
        content = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return  # its format is reported where the value is checked
    if type(size) is int and size != len(content):
        message = f"the data has {len(content)} bytes, size says {size}; defined by {WHERE}.size"
        run.add("FB-FHIR-072", message, (path, "size", -1))
    if isinstance(digest, str):
        # SHA-1 is what R4 asks for; nothing is protected by it.
        result = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode()
        if "".join(digest.split()) != result:
            message = f"it is not the SHA-1 of the data in base64; defined by {WHERE}.hash"
            run.add("FB-FHIR-072", message, (path, "hash", -1))
