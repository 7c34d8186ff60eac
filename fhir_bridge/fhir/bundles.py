"""Resources out of files (a resource, a Bundle, NDJSON, XML), and searchset Bundles out of stored bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fhir_bridge.fhir.serialization import JsonError, dumps, loads_exact

__all__ = ["Entry", "is_ndjson", "iter_documents", "iter_resources", "read_resource", "searchset"]

_NDJSON = frozenset({".ndjson", ".jsonl"})


def is_ndjson(path: Path) -> bool:
    """Whether each line of a file is a resource, by the file's name."""
    return path.suffix.lower() in _NDJSON


def iter_documents(path: Path) -> Iterator[tuple[str, bytes]]:
    """What a file holds as it is, each with a locator (`labs.ndjson:12`, `b.json`): for who validates it.

    A line of an NDJSON file is a resource, and so is any other file: a Bundle is given whole, whatever its type. Text
    is given right or wrong; what was XML is given as JSON.

    Raises:
        JsonError: a file is not the XML of a resource.
        OSError: the file can't be read.
    """
    if is_ndjson(path):
        yield from _lines(path)
        return
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    yield path.name, dumps(_parsed(path, content)[0]) if _is_xml(path, content) else content


def iter_resources(path: Path) -> Iterator[tuple[str, bytes]]:
    """The resources of a file, each with a locator that names file and place (`labs.ndjson:12`, `b.json#entry[3]`).

    An NDJSON file is read line by line (memory for one resource) and its lines are given as they are, right or
    wrong: who reads them reports. A JSON or XML file that is a Bundle of type collection, batch, transaction,
    searchset or history gives its entries' resources, with digits kept; a document or message Bundle, and any other
    resource, is given whole. What was XML is given as JSON.

    Raises:
        JsonError: a file that is not NDJSON is neither the JSON nor the XML of a resource.
        OSError: the file can't be read.
    """
    if is_ndjson(path):
        yield from _lines(path)
        return
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    resource, was_xml = _parsed(path, content)
    if resource.get("resourceType") != "Bundle" or resource.get("type") in ("document", "message"):
        yield path.name, dumps(resource) if was_xml else content
        return
    entries = resource.get("entry")
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict):
            yield f"{path.name}#entry[{number}]", dumps(inner)


def _lines(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip().removeprefix(b"\xef\xbb\xbf")
            if text:
                yield f"{path.name}:{number}", text


def read_resource(path: Path) -> dict[str, Any]:
    """The one resource of a JSON or XML file, in its JSON shape, with decimals kept to the digit.

    Raises:
        JsonError: it is neither the JSON nor the XML of a resource; the message begins with the file's name.
        OSError: the file can't be read.
    """
    return _parsed(path, path.read_bytes())[0]


def _parsed(path: Path, content: bytes) -> tuple[dict[str, Any], bool]:
    """The object in a file, and whether it was XML."""
    from fhir_bridge.fhir import xml  # few files are XML, and reading it loads much

    was_xml = _is_xml(path, content)
    try:
        resource = xml.loads(content) if was_xml else loads_exact(content)
    except (JsonError, xml.XmlError) as error:
        raise JsonError(
            f"{path.name}: {error}", line=error.line, column=error.column, expression=error.expression
        ) from error
    if not isinstance(resource, dict):
        raise JsonError(f"{path.name}: expected a JSON object, found {type(resource).__name__}")
    return resource, was_xml


def _is_xml(path: Path, content: bytes) -> bool:
    # Files are named as people like; JSON never begins with `<`.
    return path.suffix.lower() == ".xml" or content[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a searchset.

    Attributes:
        full_url: absolute URL of the resource.
        content: its stored bytes, written as they are.
        mode: `match`, `include` or `outcome`.
    """

    full_url: str
    content: bytes
    mode: str = "match"


def searchset(
    entries: Iterable[Entry],
    *,
    links: Iterable[tuple[str, str]] = (),
    total: int | None = None,
    kind: str = "searchset",
    **more: Any,
) -> bytes:
    """A Bundle around stored bytes, joined and not re-serialized (R4 bundle.html#searchset).

    Args:
        entries: the page's entries, in order.
        links: (relation, url) pairs; `self` and `next`.
        total: number of matches, where it was counted.
        kind: Bundle.type; another than searchset leaves `search.mode` out.
        more: further elements of the Bundle (`id`, `timestamp`).
    """
    head: dict[str, Any] = {"resourceType": "Bundle", **more, "type": kind}
    if total is not None:
        head["total"] = total
    listed = [{"relation": relation, "url": url} for relation, url in links]
    if listed:
        head["link"] = listed
    parts = []
    for entry in entries:
        search = b',"search":{"mode":' + dumps(entry.mode) + b"}" if kind == "searchset" else b""
        parts.append(b'{"fullUrl":' + dumps(entry.full_url) + b',"resource":' + entry.content + search + b"}")
    text = dumps(head)
    if not parts:
        return text
    return text[:-1] + b',"entry":[' + b",".join(parts) + b"]}"
