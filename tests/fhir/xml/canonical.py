"""XML brought to one form, so that two documents that say the same are the same text."""

from __future__ import annotations

import re
from decimal import Decimal
from xml.etree import ElementTree

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_SCHEMA_LOCATION = "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation"
_FHIR = "{http://hl7.org/fhir}"


def canonical_xml(text: bytes) -> str:
    """Without comments and without white space between FHIR elements; a number in one of its spellings."""
    root = ElementTree.fromstring(text)
    root.attrib.pop(_SCHEMA_LOCATION, None)
    for element in root.iter():
        value = element.get("value")
        if element.tag.startswith(_FHIR):
            element.text = None
            if value is not None and _NUMBER.fullmatch(value):
                element.set("value", str(Decimal(value)))
            for child in element:
                child.tail = None
    return ElementTree.canonicalize(ElementTree.tostring(root))
