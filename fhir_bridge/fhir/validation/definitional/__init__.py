"""Definitions that are checked as resources: what R4 asks of them beyond structure, formats and invariants.

A rule that needs another definition (the base of a profile, the value set of a map) holds where that is available.
"""

from collections.abc import Mapping

from fhir_bridge.fhir.validation.definitional.code_systems import check_code_system
from fhir_bridge.fhir.validation.definitional.concept_maps import check_concept_map
from fhir_bridge.fhir.validation.definitional.search_parameters import check_search_parameter
from fhir_bridge.fhir.validation.definitional.structure_maps import check_structure_map
from fhir_bridge.fhir.validation.definitional.structures import check_structure_definition
from fhir_bridge.fhir.validation.definitional.value_sets import check_value_set
from fhir_bridge.fhir.validation.run import Check

__all__ = ["CHECKS"]

CHECKS: Mapping[str, Check] = {
    "CodeSystem": check_code_system,
    "ConceptMap": check_concept_map,
    "SearchParameter": check_search_parameter,
    "StructureDefinition": check_structure_definition,
    "StructureMap": check_structure_map,
    "ValueSet": check_value_set,
}
"""What is checked of a definition when its elements are, by resource type."""
