"""The language of names on a page: the one asked for by `?language=`, else the one the browser likes best."""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache

from starlette.requests import Request

from fhir_bridge.terminology import Terminology
from fhir_bridge.terminology.naming import Names, language_of

__all__ = ["CHOICES", "language_for", "names_in", "reader"]

CHOICES = {"en": "English", "de": "Deutsch", "fr": "Français", "it": "Italiano", "nl": "Nederlands"}
"""Languages that a page offers; any other that the browser asks for is used where names exist."""

# A context variable, so that each request has its own, and threads that a page is
# rendered in (`to_thread`) see it.
reader: ContextVar[Names | None] = ContextVar("reader", default=None)
"""Names in the language of who reads the page that is being made; None: as the record has them."""


def language_for(request: Request) -> str | None:
    """The reader's language; None where names are to be as the record has them.

    That is for who names no language, and where a browser, and not the person, asks for English: most records hold it.
    """
    chosen = request.query_params.get("language")
    language = chosen or language_of(request.headers.get("accept-language", ""))
    if not language or (not chosen and language.casefold().split("-")[0] == "en"):
        return None
    # It is the key of a cache, so it is bounded; RFC 5646 §4.4.1 asks for 35 characters.
    return language.casefold()[:35]


# By the terminology object: after a write it is another one, and names are looked up anew.
@lru_cache(32)
def names_in(terminology: Terminology, language: str) -> Names | None:
    """Names in a language; None where it is none. What was found is kept as long as the terminology is the same."""
    try:
        return Names(terminology, language)
    except ValueError:
        return None
