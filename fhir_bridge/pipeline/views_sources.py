"""Where a view's resources come from: files and folders of FHIR JSON, or the store. One record at a time.

Numbers keep their digits: a record whose decimals all have their shortest form (`5.2`) is parsed fast, as floats that
give those digits back; any other (`5.20`, `1E-3`, twenty digits) is parsed with decimals.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from fhir_bridge.fhir.access import EVERYTHING, AccessFilter
from fhir_bridge.fhir.bundles import read_resource
from fhir_bridge.fhir.issues import Issue
from fhir_bridge.fhir.serialization import JsonError, loads, loads_exact
from fhir_bridge.pipeline.sources import fhir_files

if TYPE_CHECKING:
    from fhir_bridge.storage import Stored

__all__ = ["Record", "file_records", "parse_record", "stored_records"]

_NUMBER = re.compile(rb'":\s*(-?[0-9]+(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)|-?[0-9]{16,})')
_NUMBERS = re.compile(rb"\[\s*-?[0-9]")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    """A record of a source.

    Attributes:
        locator: file and place (`labs.ndjson:12`, `b.json#entry[3]`), or `Type/id` in the store.
        content: the resource; None where it was passed over unread, being of another type; or what is wrong with it.
        size: its bytes, about.
    """

    locator: str
    content: dict[str, Any] | Issue | None
    size: int


def parse_record(text: bytes, *, exact: bool = True) -> Any:
    """JSON, its numbers exact unless nobody will look at their digits.

    Raises:
        JsonError: it is no JSON.
    """
    if exact:
        if _NUMBERS.search(text):  # a list of numbers: rare, and not worth a rule of its own
            return loads_exact(text)
        for number in _NUMBER.findall(text):
            if repr(float(number)) != number.decode():
                return loads_exact(text)
    return loads(text)


def file_records(sources: Sequence[str], resource_type: str, *, exact: bool = True) -> Iterator[Record]:
    """The records of files, folders (`.json`, `.ndjson`, FHIR's `.xml`) and standard input (`-`, NDJSON).

    An NDJSON file is read by line. Bundles of any type give the resources of their entries, unless the view is over
    Bundle itself; a `.json` or `.xml` file is read whole. Contained resources are no records (SQL on FHIR v2, Notes).

    Args:
        exact: keep the digits of decimals (`View.exact`).

    Raises:
        SourceError: a source does not exist.
    """
    for source in sources:
        if source == "-":
            yield from _lines("-", sys.stdin.buffer, resource_type, exact)
            continue
        for file in fhir_files([source], xml=True):
            if file.suffix.lower() in (".ndjson", ".jsonl"):
                with file.open("rb") as lines:
                    yield from _lines(file.name, lines, resource_type, exact)
            elif file.suffix.lower() == ".xml":
                yield from _of_xml(file, resource_type)
            else:
                yield from _resources(file.name, file.read_bytes(), resource_type, exact)


def _lines(name: str, lines: BinaryIO, resource_type: str, exact: bool) -> Iterator[Record]:
    named = f'"{resource_type}"'.encode()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text:
            continue
        locator = f"{name}:{number}"
        whole = text[:1] == b"{" and text[-1:] == b"}" and b'"resourceType"' in text
        # Passed over unread, unless an escape could spell the type otherwise or a Bundle hold resources of it.
        if whole and named not in text and b"\\u" not in text and b'"Bundle"' not in text:
            yield Record(locator, None, len(text))
        else:
            yield from _resources(locator, text, resource_type, exact)


def _of_xml(file: Path, resource_type: str) -> Iterator[Record]:
    try:
        content = read_resource(file)
    except JsonError as error:
        yield Record(file.name, _unreadable(file.name, str(error)), 0)
        return
    yield from _entries(file.name, content, file.stat().st_size, resource_type)


def _resources(locator: str, text: bytes, resource_type: str, exact: bool) -> Iterator[Record]:
    try:
        content = parse_record(text.removeprefix(_BOM), exact=exact)
    except JsonError as error:
        yield Record(locator, _unreadable(locator, str(error)), len(text))
        return
    yield from _entries(locator, content, len(text), resource_type)


def _entries(locator: str, content: Any, size: int, resource_type: str) -> Iterator[Record]:
    """A resource, or the resources of a Bundle's entries; in place of what is none, what is wrong with it."""
    if not isinstance(content, dict):
        yield Record(locator, _unreadable(locator, "it is not a JSON object"), size)
        return
    if not isinstance(content.get("resourceType"), str):
        yield Record(locator, _unreadable(locator, "it has no resourceType"), size)
        return
    if content["resourceType"] != "Bundle" or resource_type == "Bundle":
        yield Record(locator, content, size)
        return
    entries = content.get("entry")
    entries = entries if isinstance(entries, list) else []
    for number, entry in enumerate(entries):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if resource is None and isinstance(entry, dict):
            continue  # an entry may be a request or a response alone
        where = f"{locator}#entry[{number}]"
        usable = isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)
        result = resource if usable else _unreadable(where, "the entry's resource has no resourceType")
        yield Record(where, result, size // len(entries))


def _unreadable(locator: str, message: str) -> Issue:
    return Issue("error", "FB-VIEW-034", message, locator)


def stored_records(
    url: str, resource_type: str, access: AccessFilter = EVERYTHING, *, exact: bool = True
) -> Iterator[Record]:
    """The current resources of a type in the store, as they are at the start, within `access`.

    Raises:
        Forbidden: no grant allows searching this type.
        psycopg.Error: the database can't be reached.
    """
    from fhir_bridge.storage import Store  # only what reads the store needs a database driver

    with asyncio.Runner() as runner:
        store = runner.run(Store.open(url, max_size=2))
        pages = store.stream(resource_type, access)
        try:
            while page := runner.run(_next(pages)):
                for stored in page:
                    locator = f"{stored.type}/{stored.id}"
                    yield from _resources(locator, stored.bytes, resource_type, exact)
        finally:
            runner.run(pages.aclose())
            runner.run(store.close())


async def _next(pages: AsyncIterator[list[Stored]]) -> list[Stored]:
    return await anext(pages, [])
