"""Narrative.div between XML and JSON: the text of the element as it is (R4 narrative.html)."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.entities import html5
from typing import Any, NoReturn
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from fhir_bridge.fhir.xml.shapes import XHTML

__all__ = ["DivReader", "xhtml_of"]

_XML_SPACE = "http://www.w3.org/XML/1998/namespace "
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]*);")
_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_MOST_NAMESPACES = 64
_TAG_NAME = re.compile(rb"<([^\s/>]+)")


class DivReader:
    """Cuts a div out of the source by its byte positions, so that nothing of it is rewritten.

    Only where the cut would not occur alone (a prefix or the namespace is declared further up) it is written anew, with
    the XHTML namespace as the default one.
    """

    def __init__(
        self, parser: Any, text: bytes, fail: Callable[[str], NoReturn], resume: Callable[[], None]
    ) -> None:
        self._parser, self._text, self._fail, self._resume = parser, text, fail, resume
        self._scope: list[tuple[str | None, str | None]] = []
        self._declared_at = -1
        self._target: dict[str, Any] = {}
        self._start = 0
        self._depth = 0
        self._alone = True
        self._outer: tuple[tuple[str | None, str | None], ...] = ()

    def declare(self, prefix: str | None, uri: str | None) -> None:
        """A namespace comes into scope."""
        # Expat announces the namespaces of an element before it, at the same position.
        index = self._parser.CurrentByteIndex
        if index != self._declared_at:
            self._declared_at = index
        self._scope.append((prefix, uri))
        if len(self._scope) > _MOST_NAMESPACES:
            self._fail(f"more than {_MOST_NAMESPACES} namespaces; R4 needs its own and XHTML's")

    def undeclare(self, _prefix: str | None) -> None:
        """The latest namespace leaves scope."""
        self._scope.pop()

    def begin(self, attributes: dict[str, str], target: dict[str, Any]) -> None:
        """The div starts: take the parser's events until it ends."""
        self._target = target
        self._start = self._parser.CurrentByteIndex
        self._depth = 1
        own = self._declared_at == self._start
        self._alone = own and self._text.startswith(b"<div", self._start)
        self._outer = tuple(self._scope)
        self._look("", attributes)
        self._parser.StartElementHandler = self._inner
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = None

    def _look(self, tag: str, attributes: dict[str, str]) -> None:
        if tag and not tag.startswith(XHTML):
            self._alone = False
        for name in attributes:
            if " " in name and not name.startswith(_XML_SPACE):
                self._alone = False

    def _inner(self, tag: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._look(tag, attributes)

    def _end(self, _tag: str) -> None:
        self._depth -= 1
        if self._depth:
            return
        cut = self._text[self._start : self._stop()].decode()
        alone = self._alone or _is_self_contained(cut)
        self._target["div"] = cut if alone else _written_anew(cut, self._outer)
        self._resume()

    def _stop(self) -> int:
        """The byte behind the div; the parser is at its end tag, or behind an empty-element tag."""
        index: int = self._parser.CurrentByteIndex
        name = _TAG_NAME.match(self._text, self._start)
        assert name is not None
        if self._text.startswith(b"</" + name.group(1), index):
            return self._text.index(b">", index) + 1
        return index


def _is_self_contained(cut: str) -> bool:
    """Whether all prefixes are declared within the div, and it is XHTML's by itself."""
    roots: list[str] = []
    parser: Any = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = lambda tag, _: roots.append(tag) if not roots else None
    try:
        parser.Parse(cut, True)
    except expat.ExpatError:  # a prefix that is declared further up
        return False
    return cut.startswith("<div") and roots[0] == f"{XHTML} div"


def _written_anew(cut: str, scope: tuple[tuple[str | None, str | None], ...]) -> str:
    """The same div with its namespaces declared in itself."""
    parts: list[str] = []
    open_elements: list[tuple[str, str]] = []
    declarations = "".join(
        f" {'xmlns:' + prefix if prefix else 'xmlns'}={quoteattr(uri or '')}"
        for prefix, uri in dict(scope).items()
    )

    def start(tag: str, attributes: dict[str, str]) -> None:
        space, _, local = tag.rpartition(" ")
        open_elements.append((space, local))
        if len(open_elements) == 1:
            return  # what is around the div
        inherited = bool(parts) and open_elements[-2][0] == space
        parts.append(f"<{local}" if inherited else f"<{local} xmlns={quoteattr(space)}")
        for name, value in attributes.items():
            where, _, short = name.rpartition(" ")
            if where and not name.startswith(_XML_SPACE):
                continue  # an attribute of another vocabulary: XHTML's reader ignores it
            parts.append(f" {'xml:' if where else ''}{short}={quoteattr(value)}")
        parts.append(">")

    def end(_tag: str) -> None:
        _, local = open_elements.pop()
        if open_elements:
            parts.append(f"</{local}>")

    parser: Any = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = lambda text: parts.append(escape(text))
    parser.CommentHandler = lambda text: parts.append(f"<!--{text}-->")
    parser.Parse(f"<around{declarations}>{cut}</around>", True)
    return "".join(parts)


def _number(match: re.Match[str]) -> str:
    """A character named as in HTML, by its number; a name that HTML does not have stays, for the parser to refuse."""
    name = match.group(1)
    if name in _OF_XML or f"{name};" not in html5:
        return match.group()
    return "".join(f"&#{ord(character)};" for character in html5[f"{name};"])


def xhtml_of(div: str) -> str:
    """The text of a div, fit to be in an XML document as it is.

    Raises:
        ValueError: it is not well-formed, is no div, or has a document type or XML declaration.
    """
    text = div.strip(" \t\r\n")
    if "&" in text:
        text = _NAMED.sub(_number, text)
    roots: list[str] = []

    def start(tag: str, _: dict[str, str]) -> None:
        roots.append(tag)
        parser.StartElementHandler = None

    def refuse(*_: Any) -> NoReturn:
        raise ValueError("a narrative has no document type or XML declaration")

    parser: Any = expat.ParserCreate("UTF-8", " ")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = parser.XmlDeclHandler = refuse
    try:
        # It is put into a document as it is: not well-formed, it could close the elements around it.
        parser.Parse(text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        reason = expat.errors.messages[error.code]
        raise ValueError(
            f"the narrative is not well-formed XML: {reason}, line {error.lineno}, column {error.offset + 1} of it"
        ) from error
    if roots[0] == "div" and text.startswith("<div"):
        # Many writers of JSON leave the namespace out, which R4 narrative.html asks for.
        return f'<div xmlns="{XHTML}"{text[4:]}'
    if roots[0] != f"{XHTML} div":
        raise ValueError(
            f"the narrative is <{roots[0].rpartition(' ')[2][:64]}>, <div> in {XHTML} is expected"
        )
    return text
