"""Narrative: the safe subset of XHTML that R4 allows (narrative.html; invariants txt-1 and txt-2).

The div is well-formed XML by itself, so it has no entities but XML's own five. R4 takes chapters 7 to 11 (without 9.4)
and 15 of HTML 4.0, links, images and style attributes; nothing deprecated, nothing active. Where an element may be
is what XHTML 1.0 has.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from typing import Any
from xml.parsers import expat

from fhir_bridge.fhir.validation.walking import objects_of

__all__ = ["dangling_links", "narrative_problem"]

NAMESPACE = "http://www.w3.org/1999/xhtml"

_ELEMENTS = frozenset(
    "a abbr acronym address area b bdo big blockquote br caption cite code col colgroup dd dfn div dl dt em "
    "h1 h2 h3 h4 h5 h6 hr i img kbd li map ol p pre q samp small span strong sub sup table tbody td "
    "tfoot th thead tr tt ul var".split()
)
_ANYWHERE = frozenset(
    "title style class id lang dir accesskey tabindex span width align valign char charoff abbr axis headers scope "
    "rowspan colspan space".split()
)
"""Attributes of any element; `lang` and `space` are `xml:lang` and `xml:space` too."""
_OF_ELEMENT = {
    "a": frozenset("href name charset type hreflang rel rev shape coords".split()),
    "area": frozenset("shape coords href nohref alt".split()),
    "blockquote": frozenset({"cite"}),
    "img": frozenset("src alt border longdesc height width usemap ismap".split()),
    "map": frozenset({"name"}),
    "q": frozenset({"cite"}),
    "table": frozenset("summary border frame rules cellspacing cellpadding".split()),
    "td": frozenset({"nowrap"}),
}
_PARENTS = {
    "area": frozenset({"map"}),
    "caption": frozenset({"table"}),
    "col": frozenset({"colgroup", "table"}),
    "colgroup": frozenset({"table"}),
    "dd": frozenset({"dl"}),
    "dt": frozenset({"dl"}),
    "li": frozenset({"ul", "ol"}),
    "tbody": frozenset({"table"}),
    "td": frozenset({"tr"}),
    "tfoot": frozenset({"table"}),
    "th": frozenset({"tr"}),
    "thead": frozenset({"table"}),
    "tr": frozenset({"table", "thead", "tbody", "tfoot"}),
}
_CHILDREN = {
    "dl": frozenset({"dd", "dt"}),
    "map": frozenset({"area"}),
    "ol": frozenset({"li"}),
    "table": frozenset("tbody tr caption thead tfoot col colgroup".split()),
    "tbody": frozenset({"tr"}),
    "tfoot": frozenset({"tr"}),
    "thead": frozenset({"tr"}),
    "tr": frozenset({"td", "th"}),
    "ul": frozenset({"li"}),
    **dict.fromkeys(("area", "br", "col", "hr", "img"), frozenset[str]()),
}
"""Elements that hold these alone, and no text."""
_BLOCKS = frozenset("div pre table ul ol".split())
_INLINE = frozenset(
    "a abbr acronym address b bdo big caption cite code dfn dt em h1 h2 h3 h4 h5 h6 i kbd pre q samp small span "
    "strong sub sup tt var".split()
)
"""Elements that hold none of these blocks; a paragraph holds no paragraph or quotation either."""

_WHITE_SPACE = " \t\r\n"
"""White space as XML has it: a no-break space is content."""
# Scripts, and addresses that a browser does not open: none belongs in a text that
# everybody must be able to read.
_UNSAFE_LINK = re.compile(r"(?i)\s*(javascript|vbscript|urn|cid)\s*:")
_LINK_LETTERS = re.compile(r"[^\s<>\"{}|\\^`]+")
_DATA = re.compile(r"data:[^,]*,[^,]+")
_TARGETS = re.compile(r"""\s(?:id|name)\s*=\s*["']([^"'>]+)["']""")


class _Unsafe(ValueError):
    """Something outside the subset; the message names it."""


class _Reader:
    """Follows the elements of a div."""

    def __init__(self, entries: Container[str]) -> None:
        self.entries = entries
        self.open: list[str] = []
        self.content = False
        self.links: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        # expat gives `namespace name`.
        space, _, tag = name.rpartition(" ")
        if space != NAMESPACE:
            raise _Unsafe(f"<{tag}> is not in the namespace {NAMESPACE}")
        if not self.open and tag != "div":
            raise _Unsafe(f"its root is <{tag}>, expected <div>")
        if tag not in _ELEMENTS:
            raise _Unsafe(f"<{tag}> is not allowed")
        self._location(tag)
        own = _OF_ELEMENT.get(tag, frozenset())
        for attribute, value in attributes.items():
            local = attribute.rpartition(" ")[2]
            if local not in _ANYWHERE and local not in own:
                raise _Unsafe(f"the attribute {local} of <{tag}> is not allowed")
            if local in ("href", "src"):
                if not (value.startswith("urn:") and value in self.entries):
                    _check_link(tag, local, value)
                # A link and an image to one name: the image's is kept, for its absence is an error.
                if value.startswith("#") and len(value) > 1 and self.links.get(value[1:]) != "img":
                    self.links[value[1:]] = tag
        if tag == "img":
            self.content = True
        self.open.append(tag)

    def _location(self, tag: str) -> None:
        parent = self.open[-1] if self.open else ""
        if tag in _PARENTS and parent not in _PARENTS[tag]:
            raise _Unsafe(f"<{tag}> is in <{parent}>, expected in {' or '.join(sorted(_PARENTS[tag]))}")
        # Of an element without rule of its own anything may be inside.
        if tag not in _CHILDREN.get(parent, _ELEMENTS):
            raise _Unsafe(f"<{tag}> may not be in <{parent}>")
        if tag in _BLOCKS and (inside := next((t for t in self.open if t in _INLINE), None)):
            raise _Unsafe(f"the block <{tag}> may not be in <{inside}>")
        if "p" in self.open and (tag in _BLOCKS or tag in ("p", "blockquote")):
            raise _Unsafe(f"the block <{tag}> may not be in a paragraph")
        if tag == "a" and "a" in self.open:
            raise _Unsafe("a link may not be in a link")

    def end(self, _: str) -> None:
        self.open.pop()

    def characters(self, content: str) -> None:
        if content.strip(_WHITE_SPACE):
            self.content = True
            if self.open and self.open[-1] in _CHILDREN:
                raise _Unsafe(f"text may not be in <{self.open[-1]}>")


def _check_link(tag: str, attribute: str, value: str) -> None:
    link = value.strip()
    if not link:
        raise _Unsafe(f"the {attribute} of <{tag}> is empty")
    if link.lower().startswith("data:"):
        if not _DATA.fullmatch(link):
            raise _Unsafe(f"the {attribute} of <{tag}> is no data URL")
    elif _UNSAFE_LINK.match(link) or not _LINK_LETTERS.fullmatch(link):
        raise _Unsafe(f"the {attribute} of <{tag}> is not a safe link")


def narrative_problem(div: str, entries: Container[str] = ()) -> str | None:
    """What is wrong with the text of `Narrative.div`; None where it is safe XHTML with content.

    Args:
        entries: full URLs of the Bundle around it: links may be a `urn:` of these (R4 bundle.html#references).
    """
    return _read(div, entries)[0]


def _read(div: str, entries: Container[str] = ()) -> tuple[str | None, dict[str, str]]:
    """What is wrong with a div, and its links within the resource with the element that has each."""
    reader = _Reader(entries)
    # Before the parser: a DOCTYPE may define entities that grow without bound, and R4 allows none of the three.
    if "<!" in div.replace("<!--", ""):
        return "it has a DOCTYPE, CDATA or entity declaration", reader.links
    # A blank separates namespace and name in what handlers get.
    parser: Any = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    problem: str | None = None
    try:
        parser.Parse(div, True)
    except _Unsafe as unsafe:
        problem = str(unsafe)
    except expat.ExpatError as error:
        problem = f"it is not well-formed XML ({expat.errors.messages[error.code]}, line {error.lineno})"
    except UnicodeEncodeError:
        # expat takes UTF-8, which has no half of a pair.
        problem = "it holds half a surrogate pair, which is no character"
    return problem if problem or reader.content else "it has no text (txt-2)", reader.links


def dangling_links(div: str, resource: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Links within the resource (`#name`) that lead to no id or anchor, and whether one is an image's source.

    R4 narrative.html §2.4.0.2 (image references) and §2.4.0.3 (ids).
    """
    # Most narratives have no link within the resource: no second parsing.
    links = _read(div)[1] if "#" in div else {}
    if links:
        for name in sorted(links.keys() - set(_names(resource))):
            yield name, links[name] == "img"


def _names(resource: dict[str, Any]) -> Iterator[str]:
    """Ids of elements, and ids and anchors in narratives."""
    for node in objects_of(resource):
        if isinstance(node.get("id"), str):
            yield node["id"]
        if isinstance(node.get("div"), str):
            yield from _TARGETS.findall(node["div"])
