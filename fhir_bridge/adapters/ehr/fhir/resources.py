"""Resources of files: one, a Bundle of them, or one a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from fhir_bridge.fhir.serialization import loads_exact

__all__ = ["Item", "parts_of", "resources"]

_LINED: Final = (".ndjson", ".jsonl")

MAX_DOCUMENT_BYTES = 256 << 20
"""Of a file of JSON, and of a line of NDJSON, each of which is read as a whole."""


_TOO_LARGE = f"larger than {MAX_DOCUMENT_BYTES >> 20} MB and was not read"

_TYPE: Final = re.compile(r"/[A-Z][A-Za-z]+$")

_MOST_BUNDLES: Final = 3
"""Bundles within each other."""


class Item(NamedTuple):
    """A resource, or why there is none at a place.

    Attributes:
        urls: fullUrl -> `Type/id` of the entries of its Bundle.
        bases: addresses of the servers that the entries of its Bundle are of, as far as their fullUrls say.
    """

    locator: str
    resource: Mapping[str, Any] | None
    problem: str = ""
    urls: Mapping[str, str] = {}
    bases: frozenset[str] = frozenset()


def resources(path: Path) -> Iterator[Item]:
    """The resources of a file, with memory for one of NDJSON, or for one file of JSON.

    Raises:
        OSError: it can't be read.
    """
    if path.suffix.lower() in _LINED:
        with path.open("rb") as file:
            for line, text in enumerate(iter(partial(file.readline, MAX_DOCUMENT_BYTES + 1), b""), start=1):
                if len(text) > MAX_DOCUMENT_BYTES:
                    yield Item(f"{path.name}:{line}", None, f"from here a line is {_TOO_LARGE}")
                    return
                if text.strip():
                    yield from _parts(_parsed(text, f"{path.name}:{line}"))
        return
    if path.stat().st_size > MAX_DOCUMENT_BYTES:
        problem = f"the file is {_TOO_LARGE}; as NDJSON, a resource a line, it may have any size"
        yield Item(path.name, None, problem)
        return
    yield from _parts(_parsed(path.read_bytes(), path.name))


def _parts(whole: Item, depth: int = 0) -> Iterator[Item]:
    """A resource; of a Bundle its entries, and those of the Bundles in it (the answers of a batch)."""
    resource = whole.resource
    if resource is None or resource.get("resourceType") != "Bundle" or depth > _MOST_BUNDLES:
        yield whole
        return
    entries = resource.get("entry")
    listed: Sequence[Any] = entries if isinstance(entries, list) else []
    urls = {}
    for entry in listed:
        item = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(item, Mapping) and entry.get("fullUrl") and item.get("resourceType"):
            identity = item.get("id") or str(entry["fullUrl"]).rpartition(":")[2]
            urls[str(entry["fullUrl"])] = f"{item['resourceType']}/{identity}"
    bases = whole.bases | _addresses(resource, urls)
    for number, entry in enumerate(listed):
        locator = f"{whole.locator}{'.' if depth else '#'}entry[{number}]"
        item = entry.get("resource") if isinstance(entry, Mapping) else None
        if not isinstance(item, Mapping) or not item.get("resourceType"):
            yield Item(locator, None, "the entry has no resource")
            continue
        if not item.get("id") and entry.get("fullUrl"):
            item = {**item, "id": str(entry["fullUrl"]).rpartition(":")[2]}
        yield from _parts(Item(locator, item, urls=urls, bases=bases), depth + 1)


def _addresses(bundle: Mapping[str, Any], urls: Mapping[str, str]) -> frozenset[str]:
    """The addresses of the server that a Bundle is of, by the fullUrls of its entries and by its own link."""
    stated = {url.removesuffix(named) for url, named in urls.items() if url.endswith(named)}
    links = bundle.get("link")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, Mapping) and link.get("relation") == "self" and isinstance(link.get("url"), str):
            path = link["url"].partition("?")[0].rstrip("/").removesuffix("/_search")
            stated.add(path[: path.rfind("/") + 1] if _TYPE.search(path) else f"{path}/")
    return frozenset(base for base in stated if base.startswith("http"))


def parts_of(text: bytes, name: str) -> Iterator[Item]:
    """The resources of a text of JSON."""
    yield from _parts(_parsed(text, name))


def _parsed(text: bytes, locator: str) -> Item:
    try:
        item = loads_exact(text)
    except (ValueError, RecursionError) as error:
        return Item(locator, None, f"it is no JSON, or is cut off ({str(error)[:80]})")
    if not isinstance(item, Mapping) or not isinstance(item.get("resourceType"), str):
        return Item(locator, None, "it is no resource: resourceType is missing")
    return Item(locator, item)
