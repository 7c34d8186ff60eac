"""Wearables and recorders: Apple Health, Open mHealth, tables of watches, WFDB and EDF."""

from fhir_bridge.adapters.ehr.wearables.adapter import WearablesAdapter

__all__ = ["WearablesAdapter"]
