"""Documents and messages: what their first entry refers to is in the Bundle (R4 documents.html, messaging.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_document", "check_message"]

# Their URLs name systems and definitions; followed, any shared code system would link everything.
_NAMES_NOTHING = frozenset({"system", "fullUrl", "url", "profile", "namespace"})
"""Elements whose URL names a system or definition and leads to no entry."""


class _Entries:
    """A Bundle's entries, found by full URL as references are resolved (R4 bundle.html#references)."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        items = bundle.get("entry")
        self.all: list[dict[str, Any]] = (
            [e for e in items if isinstance(e, dict)] if isinstance(items, list) else []
        )
        self._by_url: dict[str, int] = {}
        self._by_name: dict[str, int] = {}
        for index, entry in enumerate(self.all):
            url, resource = entry.get("fullUrl"), entry.get("resource")
            if isinstance(url, str):
                self._by_url.setdefault(url, index)
            if isinstance(resource, dict) and isinstance(resource.get("id"), str):
                self._by_name.setdefault(f"{resource.get('resourceType')}/{resource['id']}", index)

    def find(self, reference: str, index: int) -> int | None:
        """The place of the entry that a reference in entry `index` leads to; None where none is it."""
        # A fragment names something within the entry's resource.
        reference = reference.partition("#")[0].partition("/_history/")[0]
        if ":" in reference:
            return self._by_url.get(reference)
        url = self.all[index].get("fullUrl")
        resource = self.all[index].get("resource")
        if not isinstance(url, str) or not isinstance(resource, dict):
            return None
        own = f"{resource.get('resourceType')}/{resource.get('id')}"
        # R4 bundle.html#references: a relative reference counts from the entry's own base, which is
        # its fullUrl without type and id.
        return self._by_url.get(url.removesuffix(own) + reference) if url.endswith("/" + own) else None

    def named(self, reference: str) -> bool:
        """Whether an entry has this `Type/id`, whatever its full URL."""
        return reference.partition("/_history/")[0] in self._by_name


def _strings(node: Any) -> Iterator[str]:
    """What may lead to another entry: references and URLs below a node."""
    # A list of what is to do, not recursion: resources nest as deeply as the sender likes.
    todo: list[tuple[str, Any]] = [("", node)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, dict):
            todo.extend(value.items())
        elif isinstance(value, list):
            todo.extend((name, item) for item in value)
        elif isinstance(value, str) and name not in _NAMES_NOTHING and ("/" in value or ":" in value):
            yield value


def _references(node: Any, path: Path) -> Iterator[tuple[str, Path]]:
    """A Reference's text, or those of a list of them."""
    for index, item in enumerate(node) if isinstance(node, list) else [(-1, node)]:
        if isinstance(item, dict) and isinstance(item.get("reference"), str):
            yield item["reference"], (*path[:2], index)


def check_document(bundle: dict[str, Any], path: Path, run: Run) -> None:
    """What the Composition refers to is an entry, and every entry belongs to what the Composition reaches."""
    entries = _Entries(bundle)
    if not entries.all or not isinstance(entries.all[0].get("resource"), dict):
        run.add("FB-FHIR-081", "a document's first entry is a Composition", path)
        return
    composition = entries.all[0]["resource"]
    here: Path = ((path, "entry", 0), "resource", -1)
    for reference, where in _of_composition(composition, here):
        _included(reference, where, entries, run)
    _reached(entries, path, run)


def _of_composition(composition: dict[str, Any], here: Path) -> Iterator[tuple[str, Path]]:
    """The references whose targets a document includes: subject, encounter, authors, attesters, custodian, sections."""
    for name in ("subject", "encounter", "author", "custodian"):
        yield from _references(composition.get(name), (here, name, -1))
    for name, part in (("attester", "party"), ("event", "detail")):
        items = composition.get(name)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                yield from _references(item.get(part), ((here, name, index), part, -1))
    todo: list[tuple[Any, Path]] = [(composition.get("section"), here)]
    while todo:
        sections, above = todo.pop()
        for index, section in enumerate(sections if isinstance(sections, list) else ()):
            if isinstance(section, dict):
                there: Path = (above, "section", index)
                for name in ("author", "focus", "entry"):
                    yield from _references(section.get(name), (there, name, -1))
                todo.append((section.get("section"), there))


def check_message(bundle: dict[str, Any], path: Path, run: Run) -> None:
    """What the MessageHeader's focus refers to is an entry."""
    entries = _Entries(bundle)
    if not entries.all or not isinstance(entries.all[0].get("resource"), dict):
        run.add("FB-FHIR-081", "a message's first entry is a MessageHeader", path)
        return
    header = entries.all[0]["resource"]
    for reference, where in _references(
        header.get("focus"), (((path, "entry", 0), "resource", -1), "focus", -1)
    ):
        _included(reference, where, entries, run)


def _included(reference: str, where: Path, entries: _Entries, run: Run) -> None:
    """A reference of the first entry leads to another entry; definitions may be elsewhere."""
    if reference.startswith("#") or entries.find(reference, 0) is not None:
        return
    steps = reference.partition("/_history/")[0].rsplit("/", 2)
    kind = steps[-2] if len(steps) > 1 else ""
    if ":" in reference:
        # Definitions may be known without the Bundle; anything else has to be in
        # it (R4 documents.html#content).
        if run.definitions.structure(reference) is None and not _is_definition(kind):
            run.add("FB-FHIR-081", "no entry of the Bundle has this full URL", (where, "reference", -1))
    elif kind in definitions.resource_types():
        details = (
            " though one has this type and id: its fullUrl has another base"
            if entries.named(reference)
            else ""
        )
        run.add(
            "FB-FHIR-081",
            f"no entry of the Bundle is what this reference leads to{details}",
            (where, "reference", -1),
        )


def _is_definition(kind: str) -> bool:
    """Whether resources of this type have a canonical URL, so that they are known without the Bundle."""
    result = definitions.find_type(kind)
    return (
        result is not None
        and result.element(f"{kind}.url") is not None
        and result.element(f"{kind}.version") is not None
    )


def _reached(entries: _Entries, path: Path, run: Run) -> None:
    """Every entry is linked with the Composition by references, in either direction."""
    linked: dict[int, set[int]] = {index: set() for index in range(len(entries.all))}
    for index, entry in enumerate(entries.all):
        for text in _strings(entry.get("resource")):
            target = entries.find(text, index)
            if target is not None:
                linked[index].add(target)
                linked[target].add(index)
    # Links count in both directions: R4 documents.html#content takes in what refers to the
    # Composition as well (Provenance).
    reached, todo = {0}, [0]
    while todo:
        for following in linked[todo.pop()] - reached:
            reached.add(following)
            todo.append(following)
    for index in sorted(linked.keys() - reached):
        # Entries without resource are reported where entries are checked.
        if isinstance(entries.all[index].get("resource"), dict):
            run.add(
                "FB-FHIR-082", "no reference links this entry with the Composition", (path, "entry", index)
            )
