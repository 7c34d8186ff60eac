"""A document's XML as a tree, without anything that XML could make a parser do.

A document type declaration is refused, and with it every entity but the five of XML: nothing is fetched, nothing is
expanded. Depth and number of elements are limited, as is the size of the file (`adapter.py`).
"""

from __future__ import annotations

import re
from typing import Any, Final
from xml.parsers import expat

from fhir_bridge.adapters.ehr.ccda.node import BLOCKS, MIXED, Node, plain

__all__ = ["DocumentError", "Root", "parse"]

MAX_DEPTH: Final = 200
MAX_NODES: Final = 3_000_000
_KNOWN: Final = ("urn:hl7-org:v3 ", "urn:hl7-org:sdtc ", "http://www.w3.org/2001/XMLSchema-instance ")
_SPACE: Final = re.compile(r"[ \t\r\n]+")


class DocumentError(ValueError):
    """The XML can't be read; the message says why, with line and column."""


class Root(Node):
    """The outermost element.

    Attributes:
        file: what the document is called, for people.
        targets: elements of the narrative by their ID, worked out when first asked for.
        dangling: references to nothing in the narrative.
        twins: elements of parties that say what an earlier mention said, with that one (`parties.py`).
    """

    __slots__ = ("_targets", "dangling", "file", "twins")

    def __init__(self, tag: str, attributes: dict[str, str], line: int) -> None:
        super().__init__(tag, attributes, None, line)
        self._targets: dict[str, Node] | None = None
        self.dangling: dict[str, None] = {}
        self.twins: dict[int, int] = {}
        self.file = ""

    @property
    def targets(self) -> dict[str, Node]:
        """Elements by their ID."""
        if self._targets is None:
            self._targets = {}
            for node in self.walk():
                if name := node.attributes.get("ID"):
                    self._targets.setdefault(name, node)
        return self._targets

    def narrative(self, target: str) -> str | None:
        """The text that `#target` names."""
        name = target.strip().removeprefix("#")
        node = self.targets.get(name)
        if node is None:
            if target.startswith("#"):
                self.dangling[target] = None
            return None
        return plain(node).strip() or None


class _Builder:
    def __init__(self) -> None:
        self.root: Root | None = None
        self.current: Node | None = None
        self.depth = self.count = 0
        self.texts: list[str] = []
        self.mixed: Node | None = None
        self.tags: dict[str, str] = {}
        self.parser: Any = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.ordered_attributes = False
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.texts.append

    def _doctype(self, *_: Any) -> None:
        raise DocumentError(
            f"line {self.parser.CurrentLineNumber}: a document type declaration is not accepted (it can make a parser"
            " fetch files or grow without end); remove <!DOCTYPE …>"
        )

    def _flush(self, before: str | None) -> None:
        """Put the text that was read into its element.

        Args:
            before: the element that begins after it; None where its own ends.
        """
        text = self.texts[0] if len(self.texts) == 1 else "".join(self.texts)
        self.texts.clear()
        node = self.current
        if node is None:
            return
        if self.mixed is not None:
            text = self._mixed_text(node, text, before)
        elif node.tag == "text" and node.up and node.up.tag == "nonXMLBody":
            text = text.strip()
        else:
            text = " ".join(text.split())
        if not text:
            return
        if node.children or node.content:  # mixed content of narrative: words stay in order
            piece = Node("", {}, node)
            piece.content = text
            node.children.append(piece)
        else:
            node.content = text

    def _mixed_text(self, node: Node, text: str, before: str | None) -> str:
        """Text as XHTML would show it: runs of white space are one space, and none where a block begins or ends."""
        text = _SPACE.sub(" ", text)
        block = node is self.mixed or node.tag in BLOCKS
        last = node.children[-1].tag if node.children else None
        if last in BLOCKS or (block and last is None and not node.content):
            text = text.lstrip(" ")
            if node is self.mixed and before is None and last is None and text.isspace():
                return ""  # no-break spaces alone
        if before in BLOCKS or (block and before is None):
            text = text.rstrip(" ")
        return text

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tag = self.tags.get(name) or self.tags.setdefault(name, name.rpartition(" ")[2])
        if self.texts:
            self._flush(tag)
        self.depth += 1
        self.count += 1
        if self.depth > MAX_DEPTH or self.count > MAX_NODES:
            what = (
                f"elements nest deeper than {MAX_DEPTH}"
                if self.depth > MAX_DEPTH
                else f"more than {MAX_NODES} elements"
            )
            raise DocumentError(f"line {self.parser.CurrentLineNumber}: {what}")
        for key in attributes:
            if " " in key:
                attributes = {key.rpartition(" ")[2]: value for key, value in attributes.items()}
                break
        parent = self.current
        if parent is None:
            if name.startswith("urn:hl7-org:v3 ClinicalDocument"):
                self.root = Root(tag, attributes, self.parser.CurrentLineNumber)
                self.current = self.root
                return
            space = name.rpartition(" ")[0]
            raise DocumentError(
                f"line {self.parser.CurrentLineNumber}: the document begins with <{tag}>"
                f" of {space or 'no namespace'}; a C-CDA document is <ClinicalDocument> of urn:hl7-org:v3"
            )
        node = Node(tag, attributes, parent, self.parser.CurrentLineNumber)
        parent.children.append(node)
        self.current = node
        if self.mixed is None and tag in MIXED and parent.tag != "nonXMLBody":
            self.mixed = node

    def _end(self, _: str) -> None:
        if self.texts:
            self._flush(None)
        self.depth -= 1
        if self.mixed is self.current:
            self.mixed = None
        self.current = self.current.up if self.current is not None else None


def parse(content: bytes) -> Root:
    """The tree of a document.

    Raises:
        DocumentError: it is not well-formed, has a document type declaration, is too deep, or is no C-CDA document.
    """
    builder = _Builder()
    try:
        # Before a declaration XML allows nothing; some systems write a line end there.
        builder.parser.Parse(content.lstrip(b" \t\r\n") if content[:1].isspace() else content, True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, "it can't be read")
        raise DocumentError(f"line {error.lineno}, column {error.offset + 1}: {reason}") from None
    except (LookupError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"line {builder.parser.CurrentLineNumber}: {error}") from None
    if builder.root is None:
        raise DocumentError("there is no element in it")
    return builder.root
