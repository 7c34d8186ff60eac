"""ValueSets list codes of systems (R4 valueset.html)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation.definitional.codes import check_listed
from fhir_bridge.fhir.validation.definitional.objects import objects
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_value_set"]


def check_value_set(value: Any, path: Path, run: Run) -> None:
    """`system` names a system without version, which has an element of its own, and listed codes are its codes.

    A retired value set may list codes that its system has no more. Where the version of the system is not stated, a
    code that it lacks is a warning: what such a value set holds is known only when it is used (R4
    ValueSet.compose.include.version); where another version is reported than that available, nothing is said.
    """
    compose = value.get("compose")
    if not isinstance(compose, dict):
        return
    retired = value.get("status") == "retired"
    for name in ("include", "exclude"):
        for part, here in objects(compose, name, (path, "compose", -1)):
            system = part.get("system")
            if not isinstance(system, str):
                continue
            if "|" in system:
                message = "the system holds a version, which belongs into `version`"
                run.add("FB-FHIR-016", message, (here, "system", -1))
            known = run.definitions.code_system(system)
            version = part.get("version")
            if retired or (known is not None and version not in (None, known.version)):
                continue
            severity: Severity = "warning" if version is None else "error"
            for concept, there in objects(part, "concept", here):
                check_listed(system, None, concept.get("code"), (there, "code", -1), run, severity)
