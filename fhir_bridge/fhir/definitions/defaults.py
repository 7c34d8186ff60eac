"""The definitions of who names none: what is built in and shipped, and the packages that the environment names."""

from __future__ import annotations

import logging
import os

from fhir_bridge.fhir.definitions.packages import load_packages
from fhir_bridge.fhir.definitions.registry import Added, Definitions

__all__ = ["DEFAULT", "PACKAGES"]

PACKAGES = "FHIR_BRIDGE_PACKAGES"
"""The environment's packages: paths, separated as in PATH."""


def _of_environment() -> Added:
    report = load_packages([path for path in os.environ.get(PACKAGES, "").split(os.pathsep) if path])
    report.log(logging.getLogger(__name__))
    return report.definitions.added


DEFAULT = Definitions(_of_environment)
"""Read when first asked for something; it never changes after that."""
