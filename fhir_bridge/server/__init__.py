"""The FHIR REST API, the SMART authorization server, and what serves them."""

from fhir_bridge.server.app import create_app
from fhir_bridge.server.issues import CODES
from fhir_bridge.server.serve import serve
from fhir_bridge.server.settings import Settings

__all__ = ["CODES", "Settings", "create_app", "serve"]
