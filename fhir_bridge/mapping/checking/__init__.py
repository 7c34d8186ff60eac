"""What compiles and is probably wrong all the same: `fhir-bridge mapping check`."""

from fhir_bridge.mapping.checking.checks import check_mapping

__all__ = ["check_mapping"]
