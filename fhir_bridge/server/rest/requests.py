"""Requests whose headers are found by name: Starlette goes through all of them at each of many looks."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request

__all__ = ["FhirRequest"]


class _Headers(Headers):
    """Headers with the first value of each name at hand."""

    @cached_property
    def _first(self) -> dict[str, str]:
        results: dict[str, str] = {}
        for name, value in self.raw:
            results.setdefault(name.decode("latin-1"), value.decode("latin-1"))
        return results

    def __getitem__(self, key: str) -> str:
        return self._first[key.lower()]

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.lower() in self._first

    if not TYPE_CHECKING:

        def get(self, key: str, default: str | None = None) -> str | None:
            """The first value of a name."""
            return self._first.get(key.lower(), default)


class FhirRequest(Request):
    """A request of the FHIR endpoint."""

    @cached_property
    def headers(self) -> Headers:
        """The headers, their names in lower case as ASGI has them."""
        return _Headers(scope=self.scope)
