"""A document with what it includes and extends becomes one document, whose nodes know the file they came from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fhir_bridge.mapping.document import Document, Mapping, Node, Scalar, Sequence
from fhir_bridge.mapping.errors import MappingError, MappingErrors, Position, nearest, refuse
from fhir_bridge.mapping.files import find_mapping, find_named, read_text, shown_name
from fhir_bridge.mapping.fragments import Expander, Fragment
from fhir_bridge.mapping.joins import located
from fhir_bridge.mapping.overrides import merged
from fhir_bridge.mapping.parsed_documents import read_document

__all__ = ["compose", "composed_source", "mapping_files"]

_COMPOSING = ("include", "extends", "fragments", "override")
"""Keys of a document that are gone once it is composed."""

_INCLUDED = ("doc", "include", "fragments", "let", "rules")
"""Keys of a document that is included."""

_FORMS = {
    "fragments": (Mapping, "an object of named nodes"),
    "let": (Mapping, "an object of names and expressions"),
    "rules": (Sequence, "a list of rules"),
}
_NAMES_FILES = re.compile(r"\b(?:include|extends)\b['\"]?\s*:")
_MANY_FILES = 200


@dataclass(slots=True)
class _Layer:
    """A document with what it includes, over the one that it extends."""

    document: Document
    path: Path
    lets: list[tuple[Scalar, Node]] = field(default_factory=list)
    rules: list[Node] = field(default_factory=list)
    fragments: dict[str, Fragment] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)


class _Composition:
    def __init__(self) -> None:
        self.errors: list[MappingError] = []
        self.layers: list[_Layer] = []
        """What is extended goes first."""
        self._read: set[Path] = set()

    def report(self, error: MappingError) -> None:
        if error not in self.errors:
            self.errors.append(error)

    def add(self, document: Document, path: Path) -> None:
        """Read a document, and what it extends before it."""
        self._read.add(path.resolve())
        if len(self._read) > _MANY_FILES:
            raise MappingErrors([MappingError(document.root.position, "too many files", "", "FB-MAP-012")])
        extends = document.root.get("extends")
        if extends is not None:
            for name in self._names(extends, "extends", single=True):
                self.add(*self._extended(name, path))
        layer = _Layer(document, path)
        self._collect(layer, document, path, library=False)
        override = document.root.key("override")
        if override is not None and extends is None:
            refuse(
                self.report,
                override.position,
                "`override:` changes a mapping that `extends:` names",
                "extends: ehr/hl7v2",
            )
        self.layers.append(layer)

    def _collect(self, layer: _Layer, document: Document, path: Path, *, library: bool) -> None:
        root = document.root
        layer.files.add(document.file)
        for name in self._names(root.get("include"), "include", single=False):
            file = find_named(name.text, path, name.position, mapping=False)
            if (resolved := file.resolve()) in self._read:
                continue
            included = _read(file)
            for key, value in included.root:
                if key.text not in _INCLUDED:
                    head = key.text in ("mapping", "version", "title", "source", "extends", "override")
                    hint = "a whole mapping is taken by `extends:`" if head else nearest(key.text, _INCLUDED)
                    refuse(
                        self.report, key.position, f'a file that is included has no key "{key.text}"', hint
                    )
                elif (form := _FORMS.get(key.text)) and not isinstance(value, form[0]):
                    refuse(self.report, value.position, f"`{key.text}` is {form[1]}")
            self._read.add(resolved)
            self._collect(layer, included, file, library=True)
        for key, node in _entries(root.get("let")):
            if any(key.text == other.text for other, _ in layer.lets):
                refuse(self.report, key.position, f'the variable "{key.text}" is in an included file as well')
            layer.lets.append((key, node))
        for key, node in _entries(root.get("fragments")):
            if key.text in layer.fragments:
                refuse(self.report, key.position, f'two fragments are named "{key.text}"')
            layer.fragments[key.text] = Fragment.of(key, node, self.report, library=library)
        rules = root.get("rules")
        layer.rules += rules.items if isinstance(rules, Sequence) else []

    def _names(self, node: Node | None, key: str, *, single: bool) -> list[Scalar]:
        if node is None:
            return []
        items = node.items if isinstance(node, Sequence) and not single else [node]
        names = [
            item for item in items if isinstance(item, Scalar) and isinstance(item.value, str) and item.value
        ]
        if len(names) < len(items):
            what = "the name or path of a mapping" if single else "a list of files"
            refuse(self.report, node.position, f"`{key}` is {what}")
        return names

    def _extended(self, name: Scalar, beside: Path) -> tuple[Document, Path]:
        file = find_named(name.text, beside, name.position, mapping=True)
        if file.resolve() in self._read:
            raise MappingErrors(
                [MappingError(name.position, f'"{name.text}" extends itself', "", "FB-MAP-012")]
            )
        return _read(file), file

    # The composed document

    def document(self) -> Document:
        """All layers as one document."""
        top = self.layers[-1].document
        fragments: dict[str, Fragment] = {}
        for layer in self.layers:
            fragments |= layer.fragments
        expander = Expander(fragments, self.report)
        lets: dict[str, tuple[Scalar, Node]] = {}
        rules: list[Node] = []
        for layer in self.layers:
            for key, node in layer.lets:
                lets[key.text] = (key, expander.node(node))
            override = layer.document.root.get("override")
            if override is not None:
                rules = self._overridden(rules, override, expander)
            rules += [expander.node(rule) for rule in layer.rules]
        self._unused(fragments, expander.used)
        replaced = {
            "source": self.source(),
            "let": Mapping(top.root.position, list(lets.values())) if lets else None,
        }
        if isinstance(top.root.get("rules"), Sequence | None):  # else the check of its form reports it
            replaced["rules"] = Sequence(_position(top.root, "rules"), rules)
        entries = [entry for entry in top.root if entry[0].text not in (*_COMPOSING, *replaced)]
        for name, value in replaced.items():
            if value is not None:
                entries.append((top.root.key(name) or Scalar(value.position, name, name), value))
        return Document(
            top.file, top.text, Mapping(top.root.position, entries), frozenset(self.layers[-1].files)
        )

    def source(self) -> Node | None:
        """The `source:` block: a layer's options over those before it; null removes one."""
        result: Node | None = None
        for layer in self.layers:
            node = located(layer.document.root.get("source"), layer.path)
            if isinstance(result, Mapping) and isinstance(node, Mapping):
                result = merged(result, node, "source", self.report, strict=False)
            elif node is not None:
                result = node
        return result

    def _overridden(self, rules: list[Node], override: Node, expander: Expander) -> list[Node]:
        if not isinstance(override, Mapping):
            refuse(
                self.report,
                override.position,
                "`override` is an object of rules and what changes in them",
                "override: {patient: {gender: …}}",
            )
            return rules
        for key, change in override:
            names = {
                name.text: number for number, rule in enumerate(rules) if (name := _name(rule)) is not None
            }
            if key.text not in names:
                near = nearest(key.text, names) or f"there are {', '.join(names)}"
                refuse(
                    self.report,
                    key.position,
                    f'no rule is named "{key.text}" that could be changed',
                    near,
                    "013",
                )
                continue
            number = names[key.text]
            rule = rules[number]
            assert isinstance(rule, Mapping)
            if isinstance(change, Scalar) and change.value is None:
                rules = [*rules[:number], *rules[number + 1 :]]
            elif not isinstance(change, Mapping):
                refuse(
                    self.report,
                    change.position,
                    f'the change of "{key.text}" is an object of elements',
                    "`~` removes the rule",
                )
            elif (name := change.key("rule")) is not None:
                refuse(
                    self.report,
                    name.position,
                    "a rule keeps its name: ids are made of it",
                    "leave `rule:` out",
                )
            else:
                node = expander.change(change)
                changed = merged(rule, node, f'the rule "{key.text}"', self.report, strict=True)
                rules = [*rules[:number], changed, *rules[number + 1 :]]
        return rules

    def _unused(self, fragments: dict[str, Fragment], used: set[str]) -> None:
        """A fragment of the mapping itself that nothing uses changes nothing: one of that name has vanished beneath."""
        for name, fragment in fragments.items():
            if name not in used and not fragment.library:
                near = nearest(name, used - {name})
                refuse(
                    self.report, fragment.name.position, f'nothing uses the fragment "{name}"', near, "013"
                )


def compose(document: Document, path: Path) -> tuple[Document, list[MappingError]]:
    """The document with what it includes and extends, and what is wrong with how it does so.

    Args:
        document: as it was read.
        path: its file, beside which others are looked for.

    Raises:
        MappingErrors: a file is missing, or can't be read.
    """
    parts = any(key.text in _COMPOSING for key, _ in document.root)
    if not parts and "fragment" not in document.text and "join" not in document.text:
        return document, []
    composition = _Composition()
    composition.add(document, path)
    return composition.document(), composition.errors


def composed_source(document: Document, path: Path) -> Node | None:
    """The `source:` block of a document over that of what it extends.

    Raises:
        MappingErrors: a file is missing, or can't be read.
    """
    composition = _Composition()
    composition.add(document, path)
    return composition.source()


def mapping_files(name: str | Path) -> list[Path]:
    """All files that a mapping is made of: its own first, then what it includes and extends.

    Raises:
        MappingErrors: one is missing, or can't be read.
    """
    waiting = [find_mapping(name)]
    files: dict[tuple[int, int], Path] = {}
    while waiting:
        file = waiting.pop(0)
        # What it is, whatever leads to it: to resolve each of a hundred paths takes as long as to read them all.
        status = file.stat()
        if files.setdefault((status.st_dev, status.st_ino), file) is not file:
            continue
        state = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
        if _names_files(file, *state):
            for wanted, position, mapping in _named(read_text(file), shown_name(file)):
                waiting.append(find_named(wanted, file, position, mapping=mapping))
    return list(files.values())


@lru_cache(maxsize=1024)
def _names_files(file: Path, *_state: int) -> bool:
    """Whether a file may include or extend others; it is read again where its state is another one."""
    text = read_text(file)
    # The words first: looking for them alone takes a tenth of the time.
    return ("include" in text or "extends" in text) and bool(_NAMES_FILES.search(text))


@lru_cache(maxsize=256)
def _named(text: str, shown: str) -> tuple[tuple[str, Position, bool], ...]:
    """What a text names as included or extended."""
    root = read_document(text, shown).root
    names = []
    for key in ("include", "extends"):
        node = root.get(key)
        names += [
            (item.text, item.position, key == "extends")
            for item in (node.items if isinstance(node, Sequence) else [node])
            if isinstance(item, Scalar) and isinstance(item.value, str)
        ]
    return tuple(names)


def _read(file: Path) -> Document:
    shown = shown_name(file)
    return read_document(read_text(file, shown), shown)


def _entries(node: Node | None) -> list[tuple[Scalar, Node]]:
    return list(node) if isinstance(node, Mapping) else []


def _name(rule: Node) -> Scalar | None:
    name = rule.get("rule") if isinstance(rule, Mapping) else None
    return name if isinstance(name, Scalar) else None


def _position(root: Mapping, key: str) -> Position:
    name = root.key(key)
    return name.position if name is not None else root.position
