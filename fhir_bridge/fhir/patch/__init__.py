"""Patches of resources: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7396) and FHIRPath Patch (R4 fhirpatch.html)."""

from fhir_bridge.fhir.patch.difference import fhirpath_difference
from fhir_bridge.fhir.patch.errors import PatchError
from fhir_bridge.fhir.patch.fhirpath_operations import fhirpath_patch
from fhir_bridge.fhir.patch.json_operations import json_patch
from fhir_bridge.fhir.patch.merge import merge_patch

__all__ = ["PatchError", "fhirpath_difference", "fhirpath_patch", "json_patch", "merge_patch"]
