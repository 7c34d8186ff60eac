"""fhir_bridge: EHR, imaging and genomics records to FHIR R4, served over SMART, with predictions attached.

The functions of the top level work on resources alone, without server or database: `validate`, `fhirpath`, `view`,
`diff`, `to_xml` (`fhir_bridge.toolkit`). They are imported when one is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fhir_bridge.deferred import deferred

if TYPE_CHECKING:
    from fhir_bridge.toolkit import diff, fhirpath, to_xml, validate, view

__all__ = ["__version__", "diff", "fhirpath", "to_xml", "validate", "view"]

__version__ = "0.1.0"
__released__ = "2026-11-25"

__getattr__ = deferred(__name__, dict.fromkeys(("diff", "fhirpath", "to_xml", "validate", "view"), "toolkit"))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
