"""Validation of resources against R4, the profiles they declare, and terminology.

`Validator.validate` gives issues with a FHIRPath expression each; it never raises on bad input.
`InvariantEngine` is the port where an engine for FHIRPath invariants plugs in.
"""

from fhir_bridge.fhir.validation.codes import CODES
from fhir_bridge.fhir.validation.invariants import InvariantEngine, Invariants, Predicate
from fhir_bridge.fhir.validation.run import Run
from fhir_bridge.fhir.validation.validator import Validator, get_validator

__all__ = ["CODES", "InvariantEngine", "Invariants", "Predicate", "Run", "Validator", "get_validator"]
