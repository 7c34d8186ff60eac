"""OMOP CDM 5.4: its clinical tables from CSV, a zip or a database, with concepts as codings of their vocabularies."""

from fhir_bridge.adapters.ehr.omop.adapter import OmopAdapter

__all__ = ["OmopAdapter"]
