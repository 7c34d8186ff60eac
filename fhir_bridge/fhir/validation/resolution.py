"""Resources that a reference leads to within what is being validated: contained ones, and entries of the Bundle.

R4 references.html#contained, bundle.html#references.
"""

from __future__ import annotations

import re
from typing import Any

from fhir_bridge.fhir.validation.run import Run

__all__ = ["BundleEntries", "resolve"]

Resource = dict[str, Any]

_ID = r"[A-Za-z0-9\-.]{1,64}"
_RESTFUL = re.compile(rf"(?P<base>https?://.+)/[A-Z][A-Za-z]+/{_ID}(?:/_history/{_ID})?")
_HISTORY = re.compile(rf"/_history/{_ID}$")


class BundleEntries:
    """The resources of a Bundle by full URL and by type and id; indexed at the first question."""

    __slots__ = ("_bundle", "_by_name", "_by_url")

    def __init__(self, bundle: Resource) -> None:
        self._bundle = bundle
        self._by_url: dict[str, Resource] | None = None
        self._by_name: dict[str, Resource] = {}

    def find(self, reference: str, full_url: str) -> Resource | None:
        """The resource that a reference of the entry with this full URL leads to.

        A relative reference counts from the base of the entry's own URL; without one it names type and id.
        """
        # Most resources have no reference that a profile follows: nothing is indexed for them.
        if self._by_url is None:
            self._by_url = self._index()
        plain = _HISTORY.sub("", reference)
        if ":" in reference.partition("/")[0]:
            # With the version first: a Bundle may hold several.
            return self._by_url.get(reference) or self._by_url.get(plain)
        own = _RESTFUL.fullmatch(full_url)
        if own is not None:
            return self._by_url.get(f"{own['base']}/{plain}")
        # R4 bundle.html#references: an entry without RESTful fullUrl names type and id.
        return self._by_name.get(plain)

    def _index(self) -> dict[str, Resource]:
        by_url: dict[str, Resource] = {}
        entries = self._bundle.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, dict) else None
            if isinstance(resource, dict):
                if isinstance(url := entry.get("fullUrl"), str):
                    # The first of two entries of one fullUrl; that there are two is bdl-7.
                    by_url.setdefault(url, resource)
                self._by_name.setdefault(f"{resource.get('resourceType')}/{resource.get('id')}", resource)
        return by_url


def resolve(reference: Any, run: Run) -> Resource | None:
    """The resource behind a reference or canonical; None where it is not here."""
    if not isinstance(reference, str) or not reference:
        return None
    if reference.startswith("#"):
        return _contained(reference[1:], run)
    # From the innermost: a Bundle within a Bundle resolves in its own entries first.
    for entries, full_url in reversed(run.bundles):
        result: Resource | None = entries.find(reference, full_url)
        if result is not None:
            return result
    return None


def _contained(name: str, run: Run) -> Resource | None:
    # `#` alone is the container (R4 references.html#contained).
    if not name:
        return run.root
    items = run.root.get("contained")
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and item.get("id") == name:
            result: Resource = item
            return result
    return None
