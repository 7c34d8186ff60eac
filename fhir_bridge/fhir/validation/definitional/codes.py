"""Codes that definitions list: whether they are codes of their system, and members of a value set."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.issues import Severity
from fhir_bridge.fhir.validation.bindings import in_value_set, lacks
from fhir_bridge.fhir.validation.definitional.available import available_value_set
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_listed"]


def check_listed(
    system: Any, value_set: Any, code: Any, path: Path, run: Run, severity: Severity = "error"
) -> None:
    """The code is one of its system, and a member of the value set where one is named.

    Systems and value sets that are not available are left unchecked.

    Args:
        severity: of a code that the system, in the version available, does not have.
    """
    if not isinstance(system, str) or not isinstance(code, str):
        return
    if lacks(system, code, run):
        run.add("FB-FHIR-022", f"{system} has no code '{code[:80]}'", path, severity)
    elif (
        isinstance(value_set, str)
        and available_value_set(value_set, run.definitions) is not None
        and in_value_set(value_set, system, code, run) is False
    ):
        run.add(
            "FB-FHIR-020", f"the code '{code[:80]}' of {system} is not in {value_set}, which is mapped", path
        )
