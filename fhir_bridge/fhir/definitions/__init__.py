"""R4's definitions as tables: types, profiles, extensions, value sets, code systems, search parameters.

Built by `scripts/build_definitions.py` from HL7's packages, without prose. Importing costs nothing; a table is read,
and an entry becomes typed objects, when first asked for.

R4's types are always the same: functions look them up. Of the rest a `Definitions` has what is built in and what the
packages of a site add; it is passed to what uses it. `DEFAULT` serves who has no site, and so do its look-ups that
are here as functions.
"""

from fhir_bridge.fhir.definitions.defaults import DEFAULT
from fhir_bridge.fhir.definitions.model import (
    Binding,
    Constraint,
    Element,
    ElementType,
    ExtensionDefinition,
    ExtensionPart,
    Profile,
    SearchParameter,
    Slicing,
    TypeDefinition,
    Value,
)
from fhir_bridge.fhir.definitions.r4 import (
    compartment,
    find_type,
    is_primitive,
    load,
    patient_compartment,
    primitive_regex,
    resource_types,
    type_definition,
    type_names,
)
from fhir_bridge.fhir.definitions.registry import Definitions
from fhir_bridge.fhir.definitions.terminologies import CodeConcept, CodeSystem, OpenInclude, ValueSet

code_system = DEFAULT.code_system
code_systems = DEFAULT.code_systems
extension = DEFAULT.extension
extensions = DEFAULT.extensions
profile = DEFAULT.profile
profiles = DEFAULT.profiles
search_parameters = DEFAULT.search_parameters
structure = DEFAULT.structure
value_set = DEFAULT.value_set
value_sets = DEFAULT.value_sets

__all__ = [
    "DEFAULT",
    "Binding",
    "CodeConcept",
    "CodeSystem",
    "Constraint",
    "Definitions",
    "Element",
    "ElementType",
    "ExtensionDefinition",
    "ExtensionPart",
    "OpenInclude",
    "Profile",
    "SearchParameter",
    "Slicing",
    "TypeDefinition",
    "Value",
    "ValueSet",
    "code_system",
    "code_systems",
    "compartment",
    "extension",
    "extensions",
    "find_type",
    "is_primitive",
    "load",
    "patient_compartment",
    "primitive_regex",
    "profile",
    "profiles",
    "resource_types",
    "search_parameters",
    "structure",
    "type_definition",
    "type_names",
    "value_set",
    "value_sets",
]
