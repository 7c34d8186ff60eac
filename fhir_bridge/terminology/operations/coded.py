"""What `$validate-code` is to validate: a code, a Coding or a CodeableConcept, as the request gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.operations.parameters import Parameters, invalid

__all__ = ["Coded", "Mode", "coded_value"]

Mode = Literal["code", "coding", "codeableConcept"]
_PATHS = {"code": "", "coding": "Coding"}


@dataclass(slots=True)
class Coded:
    """What is to be validated, and how it was given.

    Attributes:
        concept: the CodeableConcept; empty where a single code or Coding was given.
        codings: its codings by their place, or the single one. They are the request's own where nothing is added.
    """

    mode: Mode
    concept: Mapping[str, Any]
    codings: list[tuple[int, dict[str, Any]]]

    def path(self, index: int) -> str:
        """FHIRPath of a coding."""
        path = _PATHS.get(self.mode)
        return f"CodeableConcept.coding[{index}]" if path is None else path

    def first(self) -> Mapping[str, Any]:
        """The first coding; empty where there is none."""
        return self.codings[0][1] if self.codings else {}

    def within(self, system: str) -> Coded:
        """The codings that name no system taken as the system's."""
        named = [(location, {"system": system, **coding}) for location, coding in self.codings]
        return (
            _of_concept(self.concept, named)
            if self.mode == "codeableConcept"
            else Coded(self.mode, {}, named)
        )


def _of_concept(concept: Mapping[str, Any], codings: list[tuple[int, dict[str, Any]]]) -> Coded:
    """A CodeableConcept, copied together with its codings, to which the answer may add what was found out."""
    listed = list(concept.get("coding", ()))
    for location, coding in codings:
        listed[location] = coding
    return Coded("codeableConcept", {**concept, "coding": listed} if listed else concept, codings)


def coded_value(parameters: Parameters, *, code_system: bool) -> Coded:
    """The code, Coding or CodeableConcept of a request.

    Args:
        code_system: the request is asked of a code system, whose url is then the system of a bare code.

    Raises:
        OperationError: there is none, more than one, or one that can't be read.
    """
    parameters.require_at_most_one("code", "coding", "codeableConcept")
    concept = parameters.concept("codeableConcept")
    if concept is not None:
        listed = enumerate(concept.get("coding", ()))
        return _of_concept(concept, [(location, {**item}) for location, item in listed])
    coding = parameters.coding("coding")
    if coding is not None:
        display = parameters.text("display")
        if display is not None and "display" not in coding:  # a token `system|code` has no place for it
            coding = {**coding, "display": display}
        return Coded("coding", {}, [(0, coding if isinstance(coding, dict) else {**coding})])
    code = parameters.text("code")
    if code is not None:
        if code_system:
            system, version = parameters.text("url", "system"), parameters.text("version")
            if system is not None:
                system, stated = versions.split_canonical(system)
                version = version or stated
        else:
            system, version = parameters.text("system"), parameters.text("systemVersion", "version")
        if system or code_system or parameters.flag("inferSystem"):
            input_value = {
                "system": system,
                "version": version,
                "code": code,
                "display": parameters.text("display"),
            }
            return Coded(
                "code", {}, [(0, {name: value for name, value in input_value.items() if value is not None})]
            )
    looked = "coding | codeableConcept | code"
    if not code_system:
        looked += "+system | code+inferSystem"
    raise invalid(f"Unable to find code to validate (looked for {looked} in parameters", status=422)
