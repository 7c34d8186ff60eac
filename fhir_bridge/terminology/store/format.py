"""How concepts are in the store's file: keys, records, and the version of the form.

All in one LMDB file an import. A key begins with the number of the code system within the import (2 bytes, big
endian). Concepts have numbers (see `hierarchy`), 4 bytes big endian in keys so that they sort, in lists as the machine
has them.

| database | key | value |
|---|---|---|
| `code` | system, code (folded where case does not count) | `HEAD`, display |
| `node` | system, number | code |
| `detail` | system, number | JSON: see `encode_detail` |
| `up`, `down` | system, number | numbers of the direct parents, children |
| `cover` | system, number | bounds of further covered intervals |
| `order` | system | numbers in the order of the source; `roots` likewise |
| `prop` | system, property (2 bytes), value | numbers of the concepts that have it, sorted |
| `role` | system, number | role group, place of the attribute, value (`ecl_evaluation_set.LITERAL`) of each attribute |
| `value` | system, place of an attribute (2 bytes), value | numbers of the concepts that have it, sorted |
| `literal` | system, place | JSON `[type, text]` of a value that is no concept |
| `description` | system, number | JSON: id, kind, which name or the term itself |
| `member` | system, reference set (2 bytes), number | JSON of its rows: active, module, time, fields |
| `valueset` | url, 0, version | JSON of the ValueSet |
| `map`, `pam`, `fold` | map, system (2 bytes each), code | JSON rows, by source, by target, by source as folded text |
"""

from __future__ import annotations

import hashlib
from array import array
from decimal import Decimal
from struct import Struct
from typing import Any

import orjson

from fhir_bridge.fhir.serialization import loads_exact
from fhir_bridge.terminology.content import Designation, PropertyValue

__all__ = [
    "ABSTRACT",
    "COVERS",
    "DATABASES",
    "FILE",
    "FORMAT",
    "HAS_DISPLAY",
    "HEAD",
    "INACTIVE",
    "MAX_KEY",
    "OWN_CASE",
    "READABLE",
    "TEXT",
    "Detail",
    "Names",
    "Shape",
    "bounded",
    "decode_detail",
    "encode_detail",
    "packed",
    "read_json",
]

FILE = "content.lmdb"
TEXT = "text"
"""What an import is in: the concepts, and the index of their names."""

FORMAT = 2
"""Version of this form. Version 1 has neither `role` nor what is after it up to `member`."""

READABLE = (1, 2)
"""Forms that can be read; a file of another is refused, and its content must be imported again."""

DATABASES = (
    "code",
    "node",
    "detail",
    "up",
    "down",
    "cover",
    "order",
    "roots",
    "prop",
    "role",
    "value",
    "literal",
    "description",
    "member",
    "valueset",
    "map",
    "pam",
    "fold",
)

HEAD = Struct("<IIB")
"""Number, end of the subtree, flags."""

INACTIVE, ABSTRACT, COVERS, OWN_CASE, HAS_DISPLAY = 1, 2, 4, 8, 16
"""Flags: retired; not selectable; has a `cover`; the code is written otherwise than its key; a display follows."""

MAX_KEY = 480
"""Longer keys are shortened (LMDB takes 511 bytes, and prefixes are added)."""


def bounded(key: bytes) -> bytes:
    """A key that LMDB takes: a long one keeps its beginning and ends in a digest."""
    if len(key) <= MAX_KEY:
        return key
    return key[: MAX_KEY - 16] + hashlib.blake2b(key, digest_size=16).digest()


def packed(numbers: array[int]) -> bytes:
    """Numbers as a list of 4 bytes each."""
    return numbers.tobytes()


class Names:
    """Texts that repeat, kept once and told by their place."""

    def __init__(self, known: list[Any] | None = None) -> None:
        self.values: list[Any] = known or []
        self._places = {self._key(value): location for location, value in enumerate(self.values)}

    def number_of(self, value: Any) -> int:
        """Its place; a new one is added."""
        key = self._key(value)
        entry = self._places.get(key)
        if entry is None:
            entry = self._places[key] = len(self.values)
            self.values.append(value)
        return entry

    @staticmethod
    def _key(value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Shape:
    """Repeated texts of one code system's details: languages, uses of designations, names and types of properties."""

    def __init__(self, stored: dict[str, list[Any]] | None = None) -> None:
        stored = stored or {}
        self.languages = Names(stored.get("languages"))
        self.uses = Names([tuple(use) for use in stored.get("uses", [])])
        self.names = Names([tuple(name) for name in stored.get("names", [])])

    def stored(self) -> dict[str, list[Any]]:
        """As JSON."""
        return {"languages": self.languages.values, "uses": self.uses.values, "names": self.names.values}


def read_json(stored: bytes) -> Any:
    """Stored JSON; decimals keep their digits where there may be some (R4 datatypes.html#decimal)."""
    return loads_exact(stored) if b'"valueDecimal"' in stored else orjson.loads(stored)


def encode_detail(
    definition: str | None,
    designations: list[list[Any]],
    properties: list[list[Any]],
    extensions: Any,
) -> bytes:
    """JSON `[definition, [[value, language, use, extensions?]…], [[name, value]…], extensions?]`.

    Language, use and name are places in `Shape`, -1 for none.
    """
    content: list[Any] = [definition, designations, properties]
    if extensions:
        content.append(extensions)
    return orjson.dumps(content)


Detail = tuple[str | None, tuple[Designation, ...], tuple[PropertyValue, ...], tuple[Any, ...]]
"""Definition, designations, properties, extensions."""


def decode_detail(shape: Shape, stored: bytes | None) -> Detail:
    """What `encode_detail` wrote."""
    if stored is None:
        return None, (), (), ()
    content = read_json(stored)
    names = shape.names.values
    properties: list[PropertyValue] = []
    for location, value in content[2]:
        name, kind = names[location]
        properties.append((name, Decimal(value) if kind == "decimal" else value, kind))
    languages, uses = shape.languages.values, shape.uses.values
    designations = []
    for row in content[1]:
        language = languages[row[1]] if row[1] >= 0 else None
        extensions = tuple(row[3]) if len(row) > 3 else ()
        if row[2] < 0:
            designations.append(Designation(row[0], language, None, None, extensions))
        else:
            system, use, use_display = uses[row[2]]
            designations.append(Designation(row[0], language, (system, use), use_display, extensions))
    return content[0], tuple(designations), tuple(properties), tuple(content[3]) if len(content) > 3 else ()
