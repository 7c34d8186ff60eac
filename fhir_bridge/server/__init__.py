"""The FHIR REST API, the SMART authorization server, and what serves them."""

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred
from fhir_bridge.server.issues import CODES

if TYPE_CHECKING:
    from fhir_bridge.server.app import create_app
    from fhir_bridge.server.serve import serve
    from fhir_bridge.server.settings import Settings

__all__ = ["CODES", "Settings", "create_app", "serve"]

PUBLIC_MODULES = (
    "background",
    "delivery",
    "genomics",
    "review",
    "sample_app",
    "serve",
)
"""What else other packages and plug-ins may import; checked by scripts/check_interfaces.py."""

# Importing FastAPI here would make every command pay for it, and need the extra `server` where it is not installed.
__getattr__ = deferred(__name__, {"Settings": "settings", "create_app": "app", "serve": "serve"})
