"""`If-Match`: which versions a write may replace (RFC 9110 §13.1.1, R4 http.html#concurrency)."""

from __future__ import annotations

import re

from fhir_bridge.storage.errors import BadPrecondition, VersionConflict

__all__ = ["require_version"]

_TAG = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_LIST = re.compile(rf"\s*{_TAG}(?:\s*,\s*(?:{_TAG})?)*\s*")
_EACH = re.compile(r'"([^"]*)"')
MOST = 1_000
"""Characters of the header."""


def require_version(if_match: str, version: int | None) -> None:
    """Refuse a write whose `If-Match` does not name the current version.

    Tags are compared weakly: R4 writes them `W/"3"`, and a version here is one content. A number alone is
    taken as well.

    Args:
        if_match: `*`, or a list of tags.
        version: that is current; None: nothing is there, or nothing that the caller may know of.

    Raises:
        BadPrecondition: the header can't be read. VersionConflict: it names other versions.
    """
    text = if_match.strip()
    current = "none" if version is None else str(version)
    if text == "*":
        if version is None:
            raise VersionConflict("If-Match asks for any version, and there is none")
        return
    if text.isascii() and text.isdecimal():
        named = [text]
    elif len(text) <= MOST and _LIST.fullmatch(text):
        named = _EACH.findall(text)
    else:
        raise BadPrecondition('If-Match is *, or a list of versions: W/"3", W/"4"')
    if version is None or current not in named:
        raise VersionConflict(f"If-Match names version {', '.join(named)[:80]}, current is {current}")
