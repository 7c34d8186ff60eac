"""Compact tables on disk: one compressed file a subject, read at once, its entries parsed when asked for.

A file is a zlib stream of a JSON header line `{"index": {key: [offset, length]}, …}` and the entries' JSON behind it,
so that opening a table of thousands of entries costs milliseconds and holds no objects that nobody asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import dumps, loads_exact

__all__ = ["Table", "encode_table"]


class Table:
    """One table. Reading a key parses its entry; callers cache what they build from it."""

    __slots__ = ("_body", "_index", "header")

    def __init__(self, source: Path | bytes) -> None:
        content = zlib.decompress(source if isinstance(source, bytes) else source.read_bytes())
        head, _, self._body = content.partition(b"\n")
        self.header: dict[str, Any] = orjson.loads(head)
        self._index: dict[str, list[int]] = self.header.pop("index")

    def get(self, key: str, *, exact: bool = False) -> Any:
        """The entry, or None. `exact` gives decimals as `Decimal`."""
        location = self._index.get(key)
        if location is None:
            return None
        text = self._body[location[0] : location[0] + location[1]]
        return loads_exact(text) if exact else orjson.loads(text)

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._index)


def encode_table(entries: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> bytes:
    """The bytes of a table: keys sorted, so that equal content gives equal bytes."""
    index: dict[str, list[int]] = {}
    body = bytearray()
    for key in sorted(entries):
        text = dumps(entries[key])
        index[key] = [len(body), len(text)]
        body += text
    # The highest level: written once, read at each start, which it does not slow down.
    return zlib.compress(dumps({**(header or {}), "index": index}) + b"\n" + bytes(body), 9)
