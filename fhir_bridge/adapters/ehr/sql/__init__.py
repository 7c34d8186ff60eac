"""Databases: queries by SQLAlchemy, streamed, incremental by a watermark, with what was deleted since."""

from fhir_bridge.adapters.ehr.sql.adapter import SqlAdapter

__all__ = ["SqlAdapter"]
