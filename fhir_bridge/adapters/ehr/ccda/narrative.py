"""Narrative blocks (CDA R2 §4.3.5.2) as XHTML of R4 (narrative.html): all text and structure, nothing that acts."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from fhir_bridge.adapters.ehr.ccda.node import BLOCKS, Node

__all__ = ["div"]

_SAME: Final = frozenset("table thead tbody tfoot tr th td col colgroup br sub sup caption".split())
_SPANS: Final = frozenset(("colspan", "rowspan"))
_HTML_BLOCKS: Final = frozenset("blockquote dd div dl dt h1 h2 h3 h4 h5 h6 li ol p pre ul".split())
_BLOCKS: Final = frozenset(("table", "list", "paragraph")) | _HTML_BLOCKS
_IN_TABLE: Final = frozenset(("table",))
_STYLES: Final = {"Bold": "b", "Italics": "i", "Underline": "u", "Emphasis": "i"}
_LINK: Final = re.compile(r"(?:https?://|mailto:|#)[^\s\"'<>]*\Z")
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]*\Z")
_EMPTY: Final = frozenset(("br", "col"))


def div(text: Node) -> str | None:
    """The narrative of a section as a `div`; None where it says nothing."""
    pieces: list[str] = []
    _inside(text, pieces)
    content = "".join(pieces)
    if not re.search(r"<(?:table|img)|[^\s<>](?![^<]*>)", content):
        return None
    return f'<div xmlns="http://www.w3.org/1999/xhtml">{content}</div>'


def _inside(node: Node, pieces: list[str]) -> None:
    if node.content:
        pieces.append(escape(node.content))
    for child in node.children:
        _element(child, pieces)


def _element(node: Node, pieces: list[str]) -> None:
    tag, attributes = _name(node), ""
    if node.up is not None and node.up.tag == "tr" and tag not in ("td", "th"):
        tag = "td"
    if not node.tag:
        pieces.append(escape(node.content))
        return
    if (name := node.attributes.get("ID")) and _NAME.match(name):
        attributes += f" id={quoteattr(name)}"
    for span in _SPANS & node.attributes.keys():
        if node.attributes[span].isdigit() and tag in ("th", "td"):
            attributes += f' {span}="{node.attributes[span]}"'
    if tag == "a" and _LINK.match(node.attributes.get("href", "")):
        attributes += f" href={quoteattr(node.attributes['href'])}"
    if node.deleted:
        attributes += ' style="text-decoration: line-through"'
    if tag in _EMPTY:
        pieces.append(f"<{tag}{attributes}/>")
        return
    apart = " " if tag == "span" and node.tag in BLOCKS else ""  # as no block may be in what is around it
    pieces.append(f"{apart}<{tag}{attributes}>")
    if node.tag == "renderMultiMedia" and (target := node.attributes.get("referencedObject")):
        pieces.append(escape(f"[{target}]"))
    _inside(node, pieces)
    pieces.append(f"</{tag}>{apart}")


def _in_link(node: Node) -> bool:
    """Whether an element is in a link, where XHTML has no other."""
    around = node.up
    while around is not None and around.tag != "text":
        if around.tag == "linkHtml":
            return True
        around = around.up
    return False


def _name(node: Node) -> str:
    tag = node.tag
    if tag == "caption" and (node.up is None or node.up.tag not in _IN_TABLE):
        return {"list": "li", "text": "p"}.get(node.up.tag if node.up is not None else "", "span")
    if tag in _SAME:
        return tag
    if tag == "paragraph":
        return "div" if any(child.tag in _BLOCKS for child in node.walk() if child is not node) else "p"
    if tag == "list":
        return "ol" if node.attributes.get("listType") == "ordered" else "ul"
    if tag == "item":
        return "li"
    if tag in _HTML_BLOCKS:
        return "div"
    if tag == "linkHtml" and not _in_link(node):
        return "a"
    if tag == "footnoteRef":
        return "sup"
    if any(child.tag in _BLOCKS for child in node.walk() if child is not node):
        return "div"
    return _STYLES.get(node.attributes.get("styleCode", "").strip(), "span")
