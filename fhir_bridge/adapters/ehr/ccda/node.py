"""An element of a document, as expressions of a mapping see it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

__all__ = ["BLOCKS", "MIXED", "NOTHING", "STATEMENTS", "Node", "place_of", "plain", "relations"]

STATEMENTS: Final = frozenset(
    """act encounter observation observationMedia organizer procedure regionOfInterest substanceAdministration
    supply""".split()
)
"""Elements of a clinical statement (CDA R2 §4.3.5)."""

MIXED: Final = frozenset(("desc", "originalText", "text", "title"))
"""Elements whose text may have elements in it (CDA R2 §4.3.5): white space in them is a part of what they say."""

BLOCKS: Final = frozenset(
    """br caption col colgroup item list paragraph table tbody td tfoot th thead tr
    blockquote dd div dl dt h1 h2 h3 h4 h5 h6 hr li ol p pre ul""".split()
)
"""Elements of narrative that text does not run through; those of XHTML, which narrative may not have, too."""
_IN_LINE: Final = frozenset(("td", "th"))

_RELATIONS: Final = ("entry", "entryRelationship", "component")
_SILENT: Final = frozenset(("nullFlavor", "type", "use", "classCode", "typeCode", "determinerCode", "unit"))


class Node:
    """An element: a path of names reads its children, or the attribute that the last name is.

    A child that says only why it is missing (`nullFlavor`) is absent to paths; `x.nullFlavor` reads the reason.

    Attributes:
        tag: local name; the names of HL7's own extensions (`sdtc:`) are without their prefix.
        attributes: by local name.
        content: the text directly in it, in one piece.
        up: the element around it.
        line: where it begins in the file.
        kind: of a clinical statement, what it is by its templates (`kinds.py`); else empty.
        in_section, container, in_document: of a statement, the section and the statement that it is in, and the
            document. No child or attribute of CDA is called so: an attribute of this class goes before those.
        key: of a statement or party, what identifies it within the document's patient.
    """

    __slots__ = (
        "_named",
        "_outer",
        "attributes",
        "children",
        "container",
        "content",
        "in_document",
        "in_section",
        "key",
        "kind",
        "line",
        "tag",
        "up",
    )

    def __init__(self, tag: str, attributes: dict[str, str], up: Node | None, line: int = 0) -> None:
        self.tag = tag
        self.attributes = attributes
        self.up = up
        self.line = line
        self.children: list[Node] = []
        self.content = ""
        self.kind = ""
        self.key = ""
        self.in_section: Node = NOTHING
        self.container: Node = NOTHING
        self.in_document: Node = NOTHING
        self._outer: Node | None = None
        self._named: dict[str, list[Node]] | None = None

    @property
    def outer(self) -> Node | None:
        """The object of the scope around it."""
        return self._outer

    @property
    def locator(self) -> str | None:
        """Where a statement begins, for people; None for what is none."""
        file = getattr(self.in_document, "file", "")
        return f"{file}:{place_of(self)}" if file and self.kind else None

    @property
    def named(self) -> dict[str, list[Node]]:
        """The children that say something, by name."""
        if self._named is None:
            self._named = {}
            for child in self.children:
                if not child.void:
                    self._named.setdefault(child.tag, []).append(child)
        return self._named

    @property
    def void(self) -> bool:
        """Whether it says nothing but why it is missing."""
        return (
            "nullFlavor" in self.attributes
            and not self.children
            and not self.content
            and _SILENT.issuperset(self.attributes)
        )

    def get(self, name: str) -> Any:
        """The child of a name (a list of several), else the attribute; statements by their kind."""
        named = self._named
        if named is None:
            named = self.named
        children = named.get(name)
        if children is not None:
            return children[0] if len(children) == 1 else list(children)
        value = self.attributes.get(name)
        if value is not None:
            return value
        if name == "relation":
            return self.relation
        if name[:1].isupper():
            statements = self.contained(name)
            return None if not statements else statements[0] if len(statements) == 1 else statements
        return None

    def path(self, *names: str) -> Any:
        """What a path of names reads: an element, a text, or a list of them."""
        current: Any = self
        for name in names:
            if current is None:
                return None
            if current.__class__ is list:
                several: list[Any] = []
                for item in current:
                    value = item.get(name) if item.__class__ is not str else None
                    if value.__class__ is list:
                        several += value
                    elif value is not None:
                        several.append(value)
                current = None if not several else several[0] if len(several) == 1 else several
            elif current.__class__ is str:
                return None
            else:
                current = current.get(name)
        return current

    def why(self, *names: str) -> str | None:
        """The `nullFlavor` of a child that is missing."""
        node: Node | None = self
        for name in names:
            node = next((child for child in node.children if child.tag == name), None) if node else None
        return node.attributes.get("nullFlavor") if node else None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "nullFlavor":
            return self.attributes.get(name)
        return self.get(name)

    def contained(self, kind: str = "") -> list[Node]:
        """The statements directly in this one, or directly in a section; those of a kind."""
        return [
            statement
            for relation in self.children
            if relation.tag in _RELATIONS
            for statement in relation.children
            if statement.tag in STATEMENTS and kind in ("", statement.kind)
        ]

    @property
    def relation(self) -> Node:
        """What a statement is linked to its container by."""
        return self.up or NOTHING

    def codings(self) -> list[tuple[str | None, str | None, str | None, str | None]]:
        """The codings of a coded value: its own and its translations'."""
        result = []
        for node in [self, *self.named.get("translation", ())]:
            code = (node.attributes.get("code") or "").strip() or None
            display = (node.attributes.get("displayName") or "").strip() or None
            if code or display:
                system = node.attributes.get("codeSystem") or node.attributes.get("codeSystemName")
                result.append(
                    (
                        (system or "").strip() or None,
                        code,
                        display,
                        node.attributes.get("codeSystemVersion") or None,
                    )
                )
        return result

    @property
    def text(self) -> str | None:
        """What a reader sees of it: the original text, its own, what it refers to in the narrative, its value."""
        for name in ("originalText", "text"):
            if (own := self.named.get(name)) and (shown := own[0].text):
                return shown
        if self.tag in MIXED and self.children:
            if shown := plain(self).strip():
                return shown
        elif self.content:
            return self.content
        if (references := self.named.get("reference")) and (target := references[0].attributes.get("value")):
            return self.top.narrative(target)
        if self.tag == "name" and self.children:
            return " ".join(self.words()) or None
        return self.attributes.get("value")

    @property
    def top(self) -> Node:
        """The document's outermost element."""
        node = self
        while node.up is not None:
            node = node.up
        return node

    def narrative(self, target: str) -> str | None:  # noqa: ARG002
        """The text that `#target` names; an element of a document that is not its top knows none."""
        return None

    @property
    def deleted(self) -> bool:
        """Whether it is narrative that an author took back (CDA R2 §4.3.5.1)."""
        return self.attributes.get("revised") == "delete"

    def words(self) -> Iterator[str]:
        """All text in it, in order, but what is deleted."""
        if self.deleted:
            return
        if self.content:
            yield self.content
        for child in self.children:
            yield from child.words()

    def walk(self) -> Iterator[Node]:
        """It and all elements in it, in order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += reversed(node.children)

    def __repr__(self) -> str:
        return f"<{self.tag}>"


NOTHING: Final = Node.__new__(Node)
"""An element that has nothing: the container of a statement that is in none."""
Node.__init__(NOTHING, "", {}, None)
NOTHING.in_section = NOTHING.container = NOTHING.in_document = NOTHING


def place_of(node: Node) -> str:
    """The line of an element; with the numbers of its section and entry, where several begin in that line."""
    current, entry = node, None
    while current.up is not None and current.tag != "section":
        if current.tag == "entry":
            entry = current
        current = current.up
    if entry is None or entry.line != node.line or current.tag != "section":
        return str(node.line)
    entries = [child for child in current.children if child.tag == "entry"]
    around = current.up.up if current.up is not None else None
    beside = [*entries, *(around.children if around is not None else ())]
    if sum(other.line == entry.line for other in beside if other is not current.up) == 1:
        return str(node.line)
    number = next(number for number, other in enumerate(entries, start=1) if other is entry)
    return f"{node.line} (section {current.key}, entry {number})"


def plain(node: Node, line: str = " ") -> str:
    """The text of narrative: what is marked up within a line as it is written, blocks apart, without what is deleted.

    Args:
        line: what is between two lines; cells of a row are one line.
    """
    pieces: list[str] = []
    _pieces(node, line, pieces)
    return re.sub(r" ?\n[ \n]*", "\n", re.sub(r" {2,}", " ", "".join(pieces))).strip(" \n")


def _pieces(node: Node, line: str, pieces: list[str]) -> None:
    if node.deleted:
        return
    between = "" if node.tag not in BLOCKS else " " if node.tag in _IN_LINE else line
    if between:
        pieces.append(between)
    if node.content:
        pieces.append(node.content)
    for child in node.children:
        _pieces(child, line, pieces)
    if between:
        pieces.append(between)


def relations(node: Node) -> list[Node]:
    """The links from a statement or section to those in it."""
    return [child for child in node.children if child.tag in _RELATIONS]
