"""The site's settings, for what predicts while serving."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from fhir_bridge.fhir.ids import DEMO_KEY, IdKey
from fhir_bridge.mapping import Site

__all__ = ["site_settings"]


# Read once: a site file that changes counts from the next start on.
@lru_cache(maxsize=4)
def site_settings(path: str | None) -> tuple[Site, IdKey]:
    """The site file and the key of its ids; without a path the defaults, by which no model is enabled."""
    site = Site.load(Path(path)) if path else Site()
    return site, IdKey(DEMO_KEY) if site.demo_key else IdKey.load_or_make(site.key_path)
