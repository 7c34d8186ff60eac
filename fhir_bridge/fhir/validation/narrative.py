"""Narrative: the safe subset of XHTML that R4 allows (narrative.html; invariants txt-1 and txt-2)."""

from __future__ import annotations

import re
from html.entities import html5
from typing import Any
from xml.parsers import expat

__all__ = ["narrative_problem"]

NAMESPACE = "http://www.w3.org/1999/xhtml"

_ELEMENTS = frozenset(
    "a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd del dfn div dl dt em "
    "h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup table tbody td "
    "tfoot th thead tr tt u ul var".split()
)
_ATTRIBUTES = frozenset(
    "abbr accesskey align alt axis bgcolor border cellhalign cellpadding cellspacing cellvalign char charoff charset "
    "cite class color colspan compact coords datetime dir frame headers height href hreflang hspace id ismap lang "
    "longdesc name noshade nowrap rel rev rowspan rules scope shape size span src start style summary tabindex title "
    "type usemap valign value vspace width".split()
)
_NAMED_ENTITY = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_XML_ENTITIES = frozenset({"amp", "lt", "gt", "quot", "apos"})
_SAFE_LINK = re.compile(r"(?i)\s*(https?:|mailto:|tel:|data:\s*image/|ftp:|cid:|urn:|#|[^:]*$)")


class _Unsafe(ValueError):
    """Something outside the subset; the message names it."""


def _entity(match: re.Match[str]) -> str:
    name = match.group(1)
    return match.group(0) if name in _XML_ENTITIES else html5.get(f"{name};", match.group(0))


def narrative_problem(div: str) -> str | None:
    """What is wrong with the text of `Narrative.div`; None where it is safe XHTML with content."""
    if "<!" in div.replace("<!--", ""):
        return "it has a DOCTYPE, CDATA or entity declaration"
    text = _NAMED_ENTITY.sub(_entity, div) if "&" in div else div
    seen = {"depth": 0, "content": False}

    def start(name: str, attributes: dict[str, str]) -> None:
        space, _, tag = name.rpartition(" ")
        if space != NAMESPACE:
            raise _Unsafe(f"<{tag}> is not in the namespace {NAMESPACE}")
        if not seen["depth"] and tag != "div":
            raise _Unsafe(f"its root is <{tag}>, expected <div>")
        if tag not in _ELEMENTS:
            raise _Unsafe(f"<{tag}> is not allowed")
        for attribute, value in attributes.items():
            local = attribute.rpartition(" ")[2]
            if local not in _ATTRIBUTES:
                raise _Unsafe(f"the attribute {local} is not allowed")
            if local in ("href", "src") and not _SAFE_LINK.match(value):
                raise _Unsafe(f"the {local} of <{tag}> is not a safe link")
        if tag == "img":
            seen["content"] = True
        seen["depth"] += 1

    def end(_: str) -> None:
        seen["depth"] -= 1

    def characters(content: str) -> None:
        if not content.isspace():
            seen["content"] = True

    parser: Any = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    try:
        parser.Parse(text, True)
    except _Unsafe as problem:
        return str(problem)
    except expat.ExpatError as error:
        return f"it is not well-formed XML ({expat.errors.messages[error.code]}, line {error.lineno})"
    return None if seen["content"] else "it has no text (txt-2)"
