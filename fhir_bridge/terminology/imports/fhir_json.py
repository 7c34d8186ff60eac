"""FHIR content: a package (.tgz), and CodeSystem, ValueSet, ConceptMap or a Bundle of them as JSON, NDJSON or XML.

Other resources of a package are passed over. A CodeSystem without concepts (`not-present`) is not kept: it would hide
one with concepts. What is large is read concept by concept, so that memory does not grow with it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from fhir_bridge.fhir import xml
from fhir_bridge.fhir.serialization import dumps
from fhir_bridge.terminology.imports.fhir_code_systems import Node, nodes_of, read_code_system, streamed_nodes
from fhir_bridge.terminology.imports.fhir_concept_maps import (
    Group,
    groups_of,
    read_concept_map,
    streamed_groups,
)
from fhir_bridge.terminology.imports.json_text import WHOLE, JsonText, Span, parsed
from fhir_bridge.terminology.imports.options import Options
from fhir_bridge.terminology.imports.shapes import Misshapen, objects
from fhir_bridge.terminology.imports.sources import Source
from fhir_bridge.terminology.store.errors import ImportProblem
from fhir_bridge.terminology.store.staging import Staging

__all__ = ["read", "recognizes"]

_KINDS = ("CodeSystem", "ValueSet", "ConceptMap")
_MARKS = tuple(f'"{kind}"'.encode() for kind in _KINDS)
_MAX_XML = 64 << 20
_NAMESPACE = b'"http://hl7.org/fhir"'
_NO_CONCEPTS = "code systems without concepts, left out"


def recognizes(source: Source) -> bool:
    """Whether it is a package, or one of its first files is a JSON object or a resource's XML."""
    if source.is_tar:
        return True
    names = source.files(".json", ".ndjson", ".xml")
    return any(_begins_as_resource(source.start(name, 4096), name.lower()) for name in names[:50])


def _begins_as_resource(start: bytes, name: str) -> bool:
    if name.endswith(".xml"):
        return _NAMESPACE in start
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def read(source: Source, staging: Staging, options: Options) -> None:
    """Read all terminology resources into the staging.

    Raises:
        ImportProblem: a file is not JSON, a resource has no url or is misshapen, or nothing of use is there.
    """
    reader = _Reader(staging, options)
    for name, file in source.entries():
        base = name.rsplit("/", 1)[-1].lower()
        if base in ("package.json", ".index.json") or "/." in name:
            continue
        label = source.label(name)
        if base.endswith(".xml"):
            if _NAMESPACE in (start := file.read(WHOLE)):
                reader.xml(start + file.read(_MAX_XML), label)
        elif base.endswith((".json", ".ndjson")):
            start = file.read(WHOLE + 1)
            # One byte more shows that there is more.
            if len(start) > WHOLE:
                with _mapped(start, file, label, staging) as json:
                    reader.large(json, base)
            else:
                reader.small(start, label, base)
    if not reader.count:
        left_out = staging.notes.get(_NO_CONCEPTS)
        why = f"; {_NO_CONCEPTS}: {left_out:,}" if left_out else ""
        raise ImportProblem(str(source.path), None, f"holds no CodeSystem, ValueSet or ConceptMap{why}")


@contextmanager
def _mapped(start: bytes, rest: IO[bytes], label: str, staging: Staging) -> Iterator[JsonText]:
    """A large file as JSON that can be read anywhere; it is put beside the staging, for an archive can't be."""
    # Not in /tmp, which may be small or in memory.
    with tempfile.TemporaryFile(dir=staging.path.parent) as copy:
        copy.write(start)
        shutil.copyfileobj(rest, copy, 1 << 20)
        copy.flush()
        json = JsonText(copy, label)
        try:
            yield json
        finally:
            json.close()


class _Reader:
    """Takes the terminology resources of one import, of whatever size and however they are wrapped."""

    def __init__(self, staging: Staging, options: Options) -> None:
        self.staging, self.options = staging, options
        self.count = self.systems = 0
        self._seen: set[tuple[str, str, str]] = set()

    def small(self, content: bytes, label: str, name: str) -> None:
        """A file that is parsed as a whole, or line by line."""
        if name.endswith(".ndjson"):
            for line, text in enumerate(content.splitlines(), 1):
                if text.strip():
                    self._parsed(parsed(text, label, line), label, line)
        elif any(mark in content for mark in _MARKS):
            # Most files of a package are of other types, and need no parsing.
            self._parsed(parsed(content, label, 1), label, None)

    def large(self, json: JsonText, name: str) -> None:
        """A file that is too large for that."""
        for span in json.lines() if name.endswith(".ndjson") else (json.whole(),):
            self._placed(json, span)

    def xml(self, content: bytes, label: str) -> None:
        """A resource as XML."""
        if len(content) > _MAX_XML:
            raise ImportProblem(
                label, None, f"is XML of more than {_MAX_XML >> 20} MB; take the JSON form", "FB-TERM-032"
            )
        try:
            resource = xml.loads(content)
        except xml.XmlError as error:
            raise ImportProblem(label, None, str(error)) from error
        self._parsed(resource, label, None)

    def _parsed(self, resource: Any, label: str, line: int | None) -> None:
        if not isinstance(resource, dict):
            raise ImportProblem(label, line, "holds no FHIR resource")
        if resource.get("resourceType") == "Bundle":
            try:
                entries = objects(resource, "entry", "entry")
            except Misshapen as error:
                raise ImportProblem(label, line, str(error)) from error
            for entry in entries:
                if isinstance(inner := entry.get("resource"), dict) and inner.get("resourceType") in _KINDS:
                    self._parsed(inner, label, line)
            return

        def nodes() -> Iterator[Node]:
            return nodes_of(objects(resource, "concept", "concept"), line or 0)

        self._take(
            resource,
            label,
            line,
            resource.get("concept", []) != [],
            nodes,
            lambda: groups_of(objects(resource, "group", "group")),
            lambda: dumps(resource),
        )

    def _placed(self, json: JsonText, span: Span) -> None:
        """A resource in a large file."""
        if span.is_small:
            self._parsed(json.parsed(span), json.label, span.line)
            return
        head, large = json.outline(span)
        if head.get("resourceType") == "Bundle":
            for entry in json.elements(large["entry"]) if "entry" in large else ():
                self._entry(json, entry)
            return
        for name in set(large) - {"concept", "group", "compose", "expansion", "text", "contained"}:
            head[name] = json.parsed(large[name])
        concepts, groups = large.get("concept"), large.get("group")

        def nodes() -> Iterable[Node]:
            if concepts is not None:
                return streamed_nodes(json, concepts)
            return nodes_of(objects(head, "concept", "concept"), span.line)

        def grouped() -> list[Group]:
            if groups is not None:
                return streamed_groups(json, groups)
            return groups_of(objects(head, "group", "group"))

        has_concepts = concepts is not None or head.get("concept", []) != []
        self._take(head, json.label, span.line, has_concepts, nodes, grouped, lambda: json.checked(span))

    def _entry(self, json: JsonText, entry: Span) -> None:
        """An entry of a large Bundle."""
        if not entry.is_small:
            _, large = json.outline(entry)
            if "resource" in large:
                self._placed(json, large["resource"])
            return
        result = json.parsed(entry)
        inner = result.get("resource") if isinstance(result, dict) else None
        if isinstance(inner, dict) and inner.get("resourceType") in _KINDS:
            self._parsed(inner, json.label, entry.line)

    def _take(
        self,
        head: Mapping[str, Any],
        label: str,
        line: int | None,
        has_concepts: bool,
        nodes: Callable[[], Iterable[Node]],
        groups: Callable[[], list[Group]],
        text: Callable[[], bytes],
    ) -> None:
        kind = head.get("resourceType")
        if kind not in _KINDS:
            return
        url = self._identified(head, str(kind), label, line)
        if not self._is_new(head, str(kind), url):
            return
        try:
            if kind == "ValueSet":
                self.staging.value_set(head, text())
            elif kind == "ConceptMap":
                read_concept_map(head, groups(), self.staging, self.options)
            elif has_concepts or head.get("content") == "supplement":
                self._named_once(label, line)
                read_code_system(head, nodes(), self.staging, self.options)
            else:
                self.staging.note(_NO_CONCEPTS)
                return
        except Misshapen as error:
            raise ImportProblem(label, error.line or line, f"holds {kind} {url}, where {error}") from error
        self.count += 1

    def _named_once(self, label: str, line: int | None) -> None:
        self.systems += 1
        if self.options.system is not None and self.systems > 1:
            raise ImportProblem(label, line, "holds a second CodeSystem; --system can name one only")

    @staticmethod
    def _identified(head: Mapping[str, Any], kind: str, label: str, line: int | None) -> str:
        """The url of a resource."""
        url = head.get("url")
        if not isinstance(url, str) or not url:
            raise ImportProblem(label, line, f"holds a {kind} without url, so that nothing can name it")
        if len(url) > 400:
            raise ImportProblem(label, line, f"holds a {kind} whose url is longer than 400 characters")
        return url

    def _is_new(self, head: Mapping[str, Any], kind: str, url: str) -> bool:
        """Whether it is met for the first time: packages hold resources in their own file and in Bundles."""
        key = (kind, url, str(head.get("version") or ""))
        if key in self._seen:
            self.staging.note("resources that were met before, by url and version, left out")
            return False
        self._seen.add(key)
        return True
