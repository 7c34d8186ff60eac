"""Curation: from a local catalogue over suggestions and decisions to a ConceptMap."""

from fhir_bridge.terminology.curation.catalogue import by_use, encoding_of, read_catalogue
from fhir_bridge.terminology.curation.concept_map import concept_map
from fhir_bridge.terminology.curation.review import Decision, Entry, Review

__all__ = ["Decision", "Entry", "Review", "by_use", "concept_map", "encoding_of", "read_catalogue"]
