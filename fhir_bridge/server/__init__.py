"""The FHIR REST API, the SMART authorization server, and what serves them."""

from fhir_bridge.server.app import create_app
from fhir_bridge.server.issues import CODES
from fhir_bridge.server.serve import serve
from fhir_bridge.server.settings import Settings

__all__ = ["CODES", "Settings", "create_app", "serve"]

PUBLIC_MODULES = (
    "background",
    "review",
    "sample_app",
    "serve",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""
