"""XML in and out (R4 xml.html): a resource's XML and its JSON shape, without loss."""

from fhir_bridge.fhir.xml.errors import XmlError
from fhir_bridge.fhir.xml.reading import loads
from fhir_bridge.fhir.xml.writing import dumps

__all__ = ["XmlError", "dumps", "loads"]
