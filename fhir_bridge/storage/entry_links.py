"""Links between entries of a Bundle, replaced by what the entries become (R4 http.html#trules, bundle.html#references).

These are References, elements of type uri, url, oid and uuid, and links of narratives. A canonical is none, nor is what
names a code system or the resource itself, nor any text: an identifier may be the very UUID that the entry has.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from fhir_bridge.fhir import definitions
from fhir_bridge.storage.errors import BadReference

__all__ = ["named_from", "rewrite", "with_narrative_links"]

Named = Callable[[str], str | None]
"""What to write in place of a link; None: it stays."""

_URNS: Final = ("urn:uuid:", "urn:oid:")
_LINKS: Final = frozenset({"uri", "url", "oid", "uuid"})
_NO_LINKS: Final = frozenset({("system", "uri"), ("url", "uri"), ("fullUrl", "uri")})
"""Properties that name something for ever, by name and type."""
_NARRATIVE_LINK = re.compile(
    r"""(?P<start>\s(?:href|src)\s*=\s*)(?P<quote>["'])(?P<url>[^"'<>]+)(?P=quote)"""
)
_RESTFUL = re.compile(
    r"(?P<base>https?://.+)/[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")


def named_from(full_url: str | None, named: Named) -> Named:
    """What links of an entry name: a relative one is on the server from which the entry is, so far as that is here.

    Args:
        full_url: of the entry.
        named: what addresses name.
    """
    origin = _RESTFUL.fullmatch(full_url or "")
    if origin is None:
        return named
    base = origin["base"]
    return lambda text: (named(f"{base}/{text}") if _RELATIVE.fullmatch(text) else None) or named(text)


def with_narrative_links(value: Any, named: Named) -> Any:
    """A copy of a resource in which the links of its narratives are replaced, and nothing else."""
    if isinstance(value, dict):
        return {
            key: _narrative(item, named)
            if key == "div" and isinstance(item, str)
            else with_narrative_links(item, named)
            for key, item in value.items()
        }
    return [with_narrative_links(item, named) for item in value] if isinstance(value, list) else value


def rewrite(resource: dict[str, Any], named: Named) -> dict[str, Any]:
    """A copy of a resource with its links replaced.

    Raises:
        BadReference: a `urn:uuid:` reference that stands for no entry.
    """
    result: dict[str, Any] = _rewritten(resource, "", None, named, True)
    return result


class _Place:
    """An object on the way to a value: what is known of its type is worked out where it matters, which is rare."""

    __slots__ = ("above", "name", "value")

    def __init__(self, value: Mapping[str, Any], name: str, above: _Place | None) -> None:
        self.value, self.name, self.above = value, name, above

    @property
    def type(self) -> str:
        """The path or the type by which the definitions know the object; empty where they don't."""
        own = self.value.get("resourceType")
        if isinstance(own, str):
            return own
        return _property(self.above.type, self.name)[1] if self.above is not None else ""


@lru_cache(4096)
def _property(parent: str, name: str) -> tuple[str, str]:
    """The type of a property, and by what its own properties are known; empty where R4 has no such property."""
    if name.startswith("_"):
        return "Element", "Element"
    definition = definitions.find_type(parent.partition(".")[0]) if parent else None
    child = definition.child(parent, name) if definition is not None else None
    if child is None:
        return "", ""
    element, kind = child
    inner = element.path if kind in ("BackboneElement", "Element") else kind
    return kind, element.content_reference or inner


def _rewritten(value: Any, name: str, place: _Place | None, named: Named, whole: bool) -> Any:
    """As `rewrite`; whole: all that is referred to by `urn:uuid:` has to be an entry."""
    if isinstance(value, dict):
        if value.get("resourceType") == "Bundle":
            # One that is stored names its own entries first, and perhaps what is nowhere.
            urls = (entry.get("fullUrl") for entry in _objects(value.get("entry")))
            own = {url for url in urls if isinstance(url, str)}
            outside, whole = named, False

            def named(text: str) -> str | None:
                return None if text in own else outside(text)

        here = _Place(value, name, place)
        return {key: _rewritten(item, key, here, named, whole) for key, item in value.items()}
    if isinstance(value, list):
        return [_rewritten(item, name, place, named, whole) for item in value]
    if not isinstance(value, str):
        return value
    if name == "div":
        return _narrative(value, named)
    if name == "reference":
        result = named(value)
        # Only a Reference has to name an entry: a uri may be an identifier that happens to be a UUID.
        if result is None and whole and value.startswith("urn:uuid:"):
            raise BadReference(f"no entry has the fullUrl {value}")
        return result or value
    if value.startswith(_URNS) and (result := named(value)) and place is not None:
        kind = _property(place.type, name)[0]
        return result if kind in _LINKS and (name, kind) not in _NO_LINKS else value
    return value


def _narrative(div: str, named: Named) -> str:
    def link(match: re.Match[str]) -> str:
        new = named(html.unescape(match["url"]))
        return f"{match['start']}{match['quote']}{new}{match['quote']}" if new else match[0]

    return _NARRATIVE_LINK.sub(link, div)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
