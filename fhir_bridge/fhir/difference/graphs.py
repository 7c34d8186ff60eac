"""One side of a comparison as a graph: resources, and what they name.

A node is a resource (contained ones and those of Bundle entries are nodes of their own), or a name of something that
is not here. Edges are the references between them. Nodes have colours: numbers that say what a node holds, what it
refers to and what refers to it, so that two nodes of one colour can stand for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhir_bridge.fhir.difference.forms import Form, Hole, Settings, evaluate, leaf, make_list, make_object
from fhir_bridge.fhir.difference.order import FREE_BUNDLES
from fhir_bridge.fhir.difference.shapes import parent_of, shape

__all__ = ["Edge", "Graph", "Node", "own_name"]

_ROUNDS = 8
_EVALUATIONS = 300_000
"""Of nodes, in refining their colours; a few rounds are always made."""
_LINKS = frozenset({"uri", "url", "oid", "uuid", "canonical"})
"""Types that may name a resource of a Bundle by its fullUrl, or a contained one (R4 bundle.html#references)."""


def own_name(resource: dict[str, Any]) -> str:
    """`Type/id`, or nothing where one of them is missing."""
    kind, identity = resource.get("resourceType"), resource.get("id")
    return f"{kind}/{identity}" if isinstance(kind, str) and isinstance(identity, str) else ""


class Edge(NamedTuple):
    """A way from a node to another.

    Attributes:
        path: the names of elements on the way.
        beside: a number for what is beside them, in the objects on the way.
    """

    path: str
    beside: int
    node: int


@dataclass(slots=True)
class Node:
    """A resource, or the name of one.

    Attributes:
        kind: the resource type; of a bare name what a renaming keeps of it: type, base URL or `urn:uuid:`.
        name: as the side calls it.
        value: the resource; None of a bare name.
        bundle: names of the entries of the Bundle that it is in.
        contained: nodes of the contained resources by id.
        edges: how it refers, and to which node.
        referrers: how it is referred to, and by which node.
    """

    kind: str
    name: str
    value: dict[str, Any] | None = None
    base: str = ""
    bundle: dict[str, int] | None = None
    contained: dict[str, int] = field(default_factory=dict)
    form: Form = 0
    edges: list[Edge] = field(default_factory=list)
    referrers: list[Edge] = field(default_factory=list)


class Graph:
    """The nodes of a side, and the form of every object and list in them."""

    def __init__(self, roots: Iterable[dict[str, Any]], settings: Settings) -> None:
        self.settings = settings
        self.nodes: list[Node] = []
        self.forms: dict[int, Form] = {}
        """By identity of the object or list."""
        self.at: dict[int, int] = {}
        """Nodes by identity of their resource."""
        self._names: dict[str, int] = {}
        self.roots = [self._add(resource, None, "") for resource in roots]
        # By number, as names of what is not here become nodes meanwhile; those have no form.
        for number in range(len(self.nodes)):
            node = self.nodes[number]
            assert node.value is not None
            node.form = self._object(node.value, node.kind, number, "")
        for number, node in enumerate(self.nodes):
            for edge in node.edges:
                self.nodes[edge.node].referrers.append(Edge(edge.path, edge.beside, number))
        self.plain = [self._plain(node) for node in self.nodes]
        """What each node holds, of its names the kind alone."""
        self.levels = self._levels()
        """Colours, from those that know a node's neighbours to those that know all around it."""
        self.colours = self.levels[-1]

    # --- nodes ----------------------------------------------------------------------------------------------------

    def _add(self, resource: dict[str, Any], bundle: dict[str, int] | None, full_url: str) -> int:
        """A node for a resource, and for those in it; the stack of Bundles in Bundles is bounded by the parser's."""
        number = len(self.nodes)
        name = own_name(resource)
        kind = resource.get("resourceType")
        node = Node(kind if isinstance(kind, str) else "", name or full_url, resource, bundle=bundle)
        self.nodes.append(node)
        self.at[id(resource)] = number
        names = self._names if bundle is None else bundle
        for alias in (name, full_url):
            if alias:
                names.setdefault(alias, number)
        if full_url.endswith("/" + name):
            node.base = full_url[: -len(name)]
        for inner in _objects(resource.get("contained")):
            # The empty dictionary keeps a contained resource's name out of the names of its side.
            inside = self._add(inner, {}, "")
            self.nodes[inside].bundle = bundle
            self.nodes[inside].base = node.base
            if isinstance(inner.get("id"), str):
                node.contained.setdefault(inner["id"], inside)
        if node.kind == "Bundle":
            entries: dict[str, int] = {}
            node.bundle = entries
            for entry in _objects(resource.get("entry")):
                content = entry.get("resource")
                if isinstance(content, dict):
                    url = entry.get("fullUrl")
                    self._add(content, entries, url if isinstance(url, str) else "")
        # Contained resources refer to each other by `#id` as well.
        for number_inside in node.contained.values():
            self.nodes[number_inside].contained = node.contained
        return number

    def named(self, text: str, holder: int, *, make: bool) -> int | None:
        """The node that a reference names; a new one for something that is not here, if `make`."""
        node = self.nodes[holder]
        if text.startswith("#"):
            entry = node.contained.get(text[1:])
            if entry is None and text == "#" and node.value is not None:
                return holder
        else:
            text = text.partition("/_history/")[0]
            entry = node.bundle.get(text) if node.bundle else None
            if entry is None and node.bundle and node.base:
                # R4 bundle.html#references: a relative reference is by the base of its entry's fullUrl.
                entry = node.bundle.get(node.base + text)
            if entry is None:
                entry = self._names.get(text)
        if entry is None and make:
            entry = len(self.nodes)
            kind = "#" if text.startswith("#") else _kept(text)
            self.nodes.append(Node(kind, text))
            names = node.contained if text.startswith("#") else self._names
            names[text.removeprefix("#") if text.startswith("#") else text] = entry
        return entry

    def node_in(self, item: Any) -> int | None:
        """The node of a list's item: a contained resource, or that of a Bundle's entry."""
        entry = self.at.get(id(item))
        if entry is None and isinstance(item, dict) and "resource" in item:
            entry = self.at.get(id(item["resource"]))
        return entry

    # --- forms ----------------------------------------------------------------------------------------------------

    def kept(self, value: dict[str, Any], parent: str) -> list[str]:
        """The properties of an object that are compared."""
        settings = self.settings
        names = list(value)
        if settings.ignore_ids and "resourceType" in value:
            names = [name for name in names if name != "id"]
        if not settings.narrative:
            names = [name for name in names if name != "text" or shape(parent, name).type != "Narrative"]
        if settings.empty:
            names = [name for name in names if not _is_empty(value[name])]
        return names

    def _object(self, value: dict[str, Any], parent: str, holder: int, how: str) -> Form:
        parts = []
        edges = self.nodes[holder].edges
        first = len(edges)
        for name in self.kept(value, parent):
            kind, inner, ordered = shape(parent, name)
            result = value[name]
            path = f"{how}.{name}"
            if isinstance(result, list):
                ordered = self.is_ordered(value, parent, name, declared=ordered)
                form = self._list(result, kind, inner, holder, path, name, ordered=ordered)
            else:
                form = self._value(result, kind, inner, holder, path, name, parent)
            parts.append((name, form))
        form = make_object(parts)
        self.forms[id(value)] = form
        if how and len(edges) > first:
            plain = evaluate(form, self._type_of)
            edges[first:] = [Edge(path, hash((beside, plain)), node) for path, beside, node in edges[first:]]
        return form

    def _type_of(self, hole: Hole) -> int:
        return hash(self.nodes[hole.node].kind)

    def is_ordered(self, value: dict[str, Any], parent: str, name: str, *, declared: bool) -> bool:
        """Whether the order of this property's items counts."""
        if self.settings.ordered or f"_{name}" in value:
            return True
        if declared and parent == "Bundle":
            return value.get("type") not in FREE_BUNDLES
        return declared

    def _list(
        self, value: list[Any], kind: str, inner: str, holder: int, how: str, name: str, *, ordered: bool
    ) -> Form:
        forms = [self._value(item, kind, inner, holder, how, name, "") for item in value]
        form = make_list(forms, ordered=ordered)
        self.forms[id(value)] = form
        return form

    def _value(
        self, value: Any, kind: str, inner: str, holder: int, how: str, name: str, parent: str
    ) -> Form:
        if isinstance(value, dict):
            number = self.at.get(id(value))
            if number is not None:
                self.nodes[holder].edges.append(Edge(how, 0, number))
                return Hole(number, inside=True)
            return self._object(value, parent_of(value, inner), holder, how)
        if isinstance(value, list):  # a list in a list is no FHIR, and compared all the same
            return self._list(value, kind, inner, holder, how, name, ordered=True)
        number = self.reference(value, kind, name, parent, holder)
        if number is not None:
            self.nodes[holder].edges.append(Edge(how, 0, number))
            return Hole(number, inside=False)
        return hash(leaf(value, kind, self.settings))

    def reference(self, value: Any, kind: str, name: str, parent: str, holder: int) -> int | None:
        """The node that a primitive value names, if it names one and names don't count."""
        if not self.settings.ignore_ids or not isinstance(value, str):
            return None
        # One with `?` is a search, which names nothing (R4 http.html#trules).
        if name == "reference" and parent in ("Reference", "") and "?" not in value:
            return self.named(value, holder, make=True)
        if name == "fullUrl" and parent == "Bundle.entry":
            return self.named(value, holder, make=True)
        return self.named(value, holder, make=False) if kind in _LINKS else None

    def _plain(self, node: Node) -> int:
        if node.value is None:
            return hash(node.kind)
        return hash((node.kind, evaluate(node.form, self._type_of)))

    # --- colours --------------------------------------------------------------------------------------------------

    def _levels(self) -> list[list[int]]:
        """Refined until no more nodes are distinguished, or it has cost too much; of many levels the first are kept."""
        known = self.plain
        count = len(set(known))
        levels: list[list[int]] = []
        for _ in range(max(_ROUNDS, _EVALUATIONS // max(1, len(self.nodes)))):
            known = self._refined(known)
            if len(levels) > _ROUNDS:
                levels.pop()
            levels.append(known)
            now = len(set(known))
            if now == count:
                break
            count = now
        return levels

    def _refined(self, known: list[int]) -> list[int]:
        """Colours that know what nodes of these colours a node refers to, and is referred to by."""

        def filled(hole: Hole) -> int:
            return known[hole.node]

        return [
            hash(
                (
                    known[number] if node.value is None else evaluate(node.form, filled),
                    *sorted(hash((edge.path, edge.beside, known[edge.node])) for edge in node.referrers),
                )
            )
            for number, node in enumerate(self.nodes)
        ]


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _kept(name: str) -> str:
    """What a renaming keeps of a name: its type, its base, or its kind."""
    if name.startswith("urn:uuid:"):
        return "urn:uuid:"
    return name.rpartition("/")[0]


def _is_empty(value: Any) -> bool:
    """Whether nothing is said: null, nothing in quotes, or only such in a list or object."""
    if isinstance(value, dict):
        return all(_is_empty(item) for item in value.values())
    if isinstance(value, list):
        return all(_is_empty(item) for item in value)
    return value is None or value == ""
