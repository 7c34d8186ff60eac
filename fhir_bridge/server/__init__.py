"""The FHIR REST API, the SMART authorization server, and what serves them."""

import importlib
from typing import TYPE_CHECKING, Any

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


_HOMES = {"Settings": "settings", "create_app": "app", "serve": "serve"}


# Lazily, PEP 562: importing FastAPI here would make every command pay for it, and need the
# extra where it is not installed.
def __getattr__(name: str) -> Any:
    """What needs the extra `server`, when it is asked for: our plug-in is registered without it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    globals()[name] = result = getattr(module, name)  # in place of the module of this name
    return result
