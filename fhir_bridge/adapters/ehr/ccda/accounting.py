"""What a document says that no rule represents: by the path of its elements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, Final

from fhir_bridge.adapters.ehr.ccda.node import MIXED, NOTHING, STATEMENTS, Node, place_of
from fhir_bridge.adapters.ehr.ccda.parsing import Root
from fhir_bridge.adapters.ehr.ccda.parties import PATIENT
from fhir_bridge.mapping import Applied, Read

__all__ = ["SILENT_ELEMENTS", "leaves", "path_of", "silent", "unread"]

_Leaf = tuple[int, str]

SILENT_ELEMENTS: Final = frozenset(("templateId", "typeId", "realmCode"))
"""Elements that say how a document is built."""

_SILENT: Final = frozenset(
    """classCode moodCode typeCode type contextControlCode contextConductionInd determinerCode inversionInd ID
    valueSet valueSetVersion schemaLocation styleCode partType independentInd unsorted listType language
    mediaType representation institutionSpecified isCriterionInd separatableInd displayable""".split()
)
"""Attributes that say how a document is built, or what HL7's model fixes for an element."""


_CONCERNS: Final = frozenset(("ProblemConcern", "AllergyConcern", "HealthConcern"))
_FIXED: Final = {
    "statusCode": {"completed": frozenset("Problem Allergy Reaction Severity Criticality".split())},
    "code": {"CONC": _CONCERNS, "48765-2": _CONCERNS},
}
_ONESELF: Final = ("ONESELF", "SELF")
"""What a patient is as an author of what is said of the patient."""
_FIXED_SYSTEMS: Final = ("2.16.840.1.113883.5.6", "2.16.840.1.113883.5.14", "2.16.840.1.113883.6.1")
"""Codes that a template fixes: they say nothing. Any other is reported."""


def silent(node: Node, name: str) -> bool:
    """Whether an attribute says nothing about a patient."""
    if name in _SILENT:
        return True
    if name == "codeSystemName":
        return "codeSystem" in node.attributes
    if name == "negationInd":
        return node.attributes[name] == "false"
    if node.tag == "code" and node.attributes.get("code") in _ONESELF and node.up and node.up.key == PATIENT:
        return True
    if node.up is not None and (fixed := _FIXED.get(node.tag)) and node.attributes.get("code") in fixed:
        own = node.up.kind in fixed[node.attributes["code"]]
        return (
            own
            and name != "displayName"
            and (name != "codeSystem" or node.attributes[name] in _FIXED_SYSTEMS)
        )
    if name == "value" and node.tag == "reference":
        return (
            node.up is not None and node.up.tag == "originalText" and node.attributes["value"].startswith("#")
        )
    return False


def _is_fixed(node: Node) -> bool:
    """Whether the code of an element is one that its template fixes."""
    return "code" in node.attributes and silent(node, "code")


def leaves(node: Node, taken: Container[_Leaf] = ()) -> Iterator[tuple[Node, str]]:
    """The attributes and texts (`#`) of an element and of those in it that count, but those taken."""
    stack = [node]
    while stack:
        node = stack.pop()
        tag = node.tag
        if tag in SILENT_ELEMENTS:
            continue
        key = id(node)
        for name in node.attributes:
            if (key, name) not in taken and not silent(node, name):
                yield node, name
        if node.content and (key, "#") not in taken and not node.content.isspace():
            yield node, "#"
        if tag == "section":
            stack += [child for child in reversed(node.children) if child.tag != "text"]
        elif node.children:
            stack += reversed(node.children)


def _subtree(node: Node, taken: set[_Leaf]) -> None:
    taken.add((id(node), "#"))
    for name in node.attributes:
        taken.add((id(node), name))
    for child in node.children:
        _subtree(child, taken)


_CODED: Final = ("code", "codeSystem", "codeSystemName", "codeSystemVersion", "displayName")


def _coded(node: Node, taken: set[_Leaf]) -> None:
    key = id(node)
    for name in _CODED if "code" in node.attributes else ("displayName",):
        taken.add((key, name))
    for child in node.children:
        if child.tag == "translation":
            _coded(child, taken)
        elif child.tag == "originalText":
            _subtree(child, taken)


def _text(node: Node, taken: set[_Leaf]) -> None:
    if node.tag in MIXED and node.children:
        _subtree(node, taken)
        return
    if node.content:
        taken.add((id(node), "#"))
    taken.add((id(node), "value"))
    for child in node.children:
        if child.tag in ("originalText", "reference", "text"):
            _subtree(child, taken)
        elif node.tag == "name":
            taken.add((id(child), "#"))


def _identifier(node: Node, taken: set[_Leaf]) -> None:
    for name in ("root", "extension", "assigningAuthorityName"):
        taken.add((id(node), name))


def _quantity(node: Node, taken: set[_Leaf]) -> None:
    for name in ("value", "unit", "inclusive"):
        taken.add((id(node), name))
    for child in node.children:
        if child.tag in ("low", "high", "center", "width", "numerator", "denominator"):
            _quantity(child, taken)


def _interval(node: Node, taken: set[_Leaf]) -> None:
    """A time or an interval of two; what is not represented of its center and width is reported by who reads it."""
    taken.add((id(node), "value"))
    for child in node.children:
        if child.tag in ("low", "high", "center", "width"):
            _quantity(child, taken)


def _timing(node: Node, taken: set[_Leaf]) -> None:
    for child in node.children:
        if child.tag == "period":
            _quantity(child, taken)
        elif child.tag == "event":
            _coded(child, taken)


def _person(node: Node, taken: set[_Leaf]) -> None:
    """What a reference to a party shows of it: nothing; what is said of it is in its own resource."""


def _coding(node: Node, taken: set[_Leaf]) -> None:
    """A code alone: its system's own display takes the place of the one beside it."""
    key = id(node)
    for name in _CODED:
        if name != "displayName":
            taken.add((key, name))


_READERS: Final[dict[str, Callable[[Node, set[_Leaf]], None]]] = {
    "coded": _coded,
    "coding": _coding,
    "text": _text,
    "time": _text,
    "identifier": _identifier,
    "quantity": _quantity,
    "interval": _interval,
    "timing": _timing,
    "link": _person,
    "whole": _subtree,
}

_BESIDE: Final = frozenset(("codeSystem", "codeSystemName", "codeSystemVersion", "displayName"))
"""What says nothing more of a code that a rule takes by itself, as its element has one system."""

_Take = tuple[str, tuple[str, ...], Callable[[Node, set[_Leaf]], None], str]


class _Step:
    """Where paths of names go on from an element: what is taken of what is reached, and the steps from there."""

    __slots__ = ("below", "readers")

    def __init__(self, below: dict[str, _Step] | None = None) -> None:
        self.readers: list[Callable[[Node, set[_Leaf]], None]] = []
        self.below: dict[str, _Step] = {} if below is None else below


class _Takes:
    """What a rule takes: by where it begins, paths as steps that share their beginnings; the others one by one."""

    __slots__ = ("paths", "single")

    def __init__(self, takes: Iterable[_Take]) -> None:
        self.paths: dict[str, dict[str, _Step]] = {}
        self.single: list[_Take] = []
        for take in takes:
            start, steps, reader, which = take
            if which != "all" or not steps or any(map(_special, steps)):
                self.single.append(take)
                continue
            step = _Step(self.paths.setdefault(start, {}))
            for name in steps:
                step = step.below.setdefault(name, _Step())
            step.readers.append(reader)


def _special(name: str) -> bool:
    """Whether a name is neither a child's nor an attribute's alone: a kind of statement, a link, a reason."""
    return name[:1].isupper() or name in ("relation", "nullFlavor")


_known: dict[_Take, _Take] = {}
"""Every way of taking, once: rules that take the same share it."""


def _takes(_: str, reads: list[Read]) -> _Takes:
    result: dict[_Take, None] = {}
    for read in reads:
        if read.selector.startswith("fact."):
            continue
        names = read.selector.replace("`", "").split(".")
        start = names[0] if names[0] in ("section", "parent", "document", "statement", "entity") else ""
        steps = (*(names[1:] if start else names), *[part for part in read.path if isinstance(part, str)])
        reader = _READERS.get(read.reader or "text", _subtree)
        scope = start or ("root " if read.scope == "ClinicalDocument" else "")
        take = (scope, tuple(steps), reader, "all" if read.loops else read.which)
        result[_known.setdefault(take, take)] = None
    return _Takes(result)


def _walk(node: Node, steps: dict[str, _Step], taken: set[_Leaf]) -> None:
    """Take what the steps lead to from an element; a path ends at an attribute, whatever would follow."""
    named = node._named
    if named is None:
        named = node.named
    for name in named if len(named) < len(steps) else steps:
        step, children = steps.get(name), named.get(name)
        if step is None or children is None:
            continue
        for child in children:
            for reader in step.readers:
                reader(child, taken)
            if step.below:
                _walk(child, step.below, taken)
    for name in node.attributes:
        if name in steps and name not in named:
            taken.add((id(node), name))


def _reach(node: Any, steps: tuple[str, ...]) -> list[tuple[Node, str]]:
    """The elements, or attributes of elements, that a path of names leads to."""
    if node is None or node is NOTHING:
        return []
    for position, name in enumerate(steps):
        reached = node.get(name)
        kind = reached.__class__
        if kind is str:
            return [(node, name)]
        if kind is list:
            rest = steps[position + 1 :]
            return [leaf for item in reached for leaf in _reach(item, rest)]
        if reached is None:
            if name == "nullFlavor" or steps[-1] == "nullFlavor":
                missing = _missing(node, steps[position:])
                if missing is not None:
                    return [(missing, "nullFlavor")]
            return []
        node = reached
    return [(node, "")]


def _begin(start: str, scope: Node, root: Root) -> Node:
    """The element that a path begins at."""
    if start == "section":
        return scope.in_section
    if start == "parent":
        return scope.container
    return root if start in ("document", "root ") else scope


def _missing(node: Node, steps: tuple[str, ...]) -> Node | None:
    current: Node | None = node
    for name in steps[:-1]:
        current = next((child for child in current.children if child.tag == name), None) if current else None
    return current


def unread(root: Root, applied: Iterable[Applied]) -> tuple[list[tuple[str, str]], list[str]]:
    """What the applied rules leave: in words with a place, each once; and, in words, what says nothing."""
    taken: set[_Leaf] = set()
    done: set[tuple[int, int]] = set()  # what is around statements is read by the rules of each
    for reads, scope, marks in applied:
        takes = reads.entered(marks, _takes)
        for start, steps in takes.paths.items():
            node = _begin(start, scope, root) if start else scope
            if start:
                key = (id(node), id(steps))
                if key in done:
                    continue
                done.add(key)
            if node is not NOTHING:
                _walk(node, steps, taken)
        for take in takes.single:
            start, names, reader, which = take
            node = scope
            if start:
                node = _begin(start, scope, root)
                key = (id(node), id(take))
                if key in done:
                    continue
                done.add(key)
            results = _reach(node, names)
            if which != "all" and results:
                results = results[:1] if which == "first" else results[-1:]
            for reached, name in results:
                if name:
                    taken.add((id(reached), name))
                else:
                    reader(reached, taken)
    twins = root.twins
    missing: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    left: dict[str, tuple[int, Node]] = {}
    for node, name in leaves(root, taken):
        twin = twins.get(id(node))
        while twin is not None and (twin, name) not in taken:
            twin = twins.get(twin)
        if twin is not None:
            continue
        path = path_of(node, name)
        if name == "nullFlavor":
            missing[path.removesuffix("/@nullFlavor")] += 1
        elif name in _BESIDE and "nullFlavor" in node.attributes and "code" not in node.attributes:
            missing[path] += 1
        elif name in _BESIDE and ((id(node), "code") in taken or _is_fixed(node)):
            beside[path] += 1
        else:
            count, first = left.get(path, (0, node))
            left[path] = (count + 1, first)
    texts = [
        (f"{path}{f' ({count} times)' if count > 1 else ''}", place_of(first))
        for path, (count, first) in left.items()
    ]
    declared = [
        f"{text}: {', '.join(path for path in counter)}"
        for text, counter in (("given as missing", missing), ("beside a code that is known", beside))
        if counter
    ]
    return texts, declared


def path_of(node: Node, name: str) -> str:
    """Where a leaf is: from the statement or section that it is in, which its kind or title names."""
    parts = [] if name == "#" else [f"@{name}"]
    current: Node | None = node
    while current is not None:
        if current.tag in STATEMENTS:
            parts.append(current.kind or current.tag)
            break
        if current.tag:
            parts.append(current.tag)
        if current.tag == "section":
            break
        current = current.up
    return "/".join(reversed(parts))
