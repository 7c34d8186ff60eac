"""Pharmacogenomics: what PharmCAT calls and recommends (docs/adapters/pharmcat.md)."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.pharmcat.adapter import PharmcatAdapter

__all__ = ["PharmcatAdapter"]
