"""Concept maps to OMOP's standard concepts, as the forms of the OMOP community give them."""

from __future__ import annotations

import re

from fhir_bridge.terminology.imports.curies import OMOP
from fhir_bridge.terminology.store.staging import MapHeader, Staging

__all__ = ["part_of_url", "put_map"]


def part_of_url(text: str, otherwise: str) -> str:
    """A name with what may not be in a URN written as a hyphen; another where nothing is left."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-") or otherwise


def put_map(
    staging: Staging, url: str, version: str | None, *, name: str, title: str, status: str, source: str
) -> int:
    """Put a ConceptMap from a source system to OMOP into the staging, without rows; gives its number.

    Args:
        name: for computers; what may not be in it is written as an underscore.
    """
    plain = re.sub(r"[^A-Za-z0-9]", "_", name)
    resource = {
        "resourceType": "ConceptMap",
        "url": url,
        "name": plain,
        "title": title,
        "status": status,
        "sourceUri": source,
        "targetUri": OMOP,
    }
    return staging.concept_map(MapHeader(url, version, plain, resource))
