"""The language of names on a page: the one asked for by `?language=`, else the one the browser likes best."""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache

from starlette.requests import Request

from fhir_bridge.terminology import get_terminology
from fhir_bridge.terminology.naming import Names, language_of

__all__ = ["CHOICES", "names_for", "reader"]

CHOICES = {"en": "English", "de": "Deutsch", "fr": "Français", "it": "Italiano", "nl": "Nederlands"}
"""Languages that a page offers; any other that the browser asks for is used where names exist."""

reader: ContextVar[Names | None] = ContextVar("reader", default=None)
"""Names in the language of who reads the page that is being made; None: as the record has them."""


def names_for(request: Request) -> Names | None:
    """Names in the reader's language; None for one that names no language, or English, which most records hold."""
    language = request.query_params.get("language") or language_of(request.headers.get("accept-language", ""))
    if not language or language.casefold().split("-")[0] == "en":
        return None
    try:
        return _names(language.casefold()[:35])
    except ValueError:
        return None


@lru_cache(32)
def _names(language: str) -> Names:
    return Names(get_terminology(), language)
