"""Polygenic scores: PGS Catalog scoring files over the samples of a VCF (docs/adapters/pgs.md)."""

from __future__ import annotations

from fhir_bridge.adapters.genomics.pgs.adapter import PgsAdapter

__all__ = ["PgsAdapter"]
