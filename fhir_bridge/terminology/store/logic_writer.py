"""Writes what ECL asks of an RF2 release: attributes in role groups, descriptions, members of reference sets."""

# ruff: noqa: S608 - the parts of statements are our own names
from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson

from fhir_bridge.terminology.ecl_evaluation_set import LITERAL
from fhir_bridge.terminology.folding import MAX_INDEXED, words
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.content_writer import ContentWriter
from fhir_bridge.terminology.store.staging import LogicHeader, Staging

__all__ = ["LogicWriter"]


class LogicWriter:
    """The logic of one code system being written; its codes must be there already."""

    def __init__(self, staging: Staging, writer: ContentWriter, position: int, header: LogicHeader) -> None:
        self._staging, self._writer, self._place, self._header = staging, writer, position, header
        self._prefix = position.to_bytes(2, "big")
        self._attributes = form.Names()
        self._literals = form.Names()
        self._modules = form.Names()
        self._wordy: list[int] = []

    def roles(self, number: int, rows: Iterable[tuple[int, str, str, str]]) -> None:
        """Write the (group, attribute, value, type) rows of a concept."""
        result = array("I")
        for group, attribute, value, kind in rows:
            result.extend((group, self._attributes.number_of(attribute), self._value(value, kind)))
        if result:
            self._writer.put("role", self._prefix + number.to_bytes(4, "big"), form.packed(result))

    def descriptions(self, number: int, descriptions: bytes, names: Sequence[str]) -> None:
        """Write the descriptions of a concept (see `ConceptRow`), whose names the text index may not hold wholly."""
        # Letters are more than words and quickly counted; most concepts need no more.
        if (
            sum(map(len, names)) > MAX_INDEXED
            and len({w for name in names for w in words(name)}) > MAX_INDEXED
        ):
            self._wordy.append(number)
        self._writer.put("description", self._prefix + number.to_bytes(4, "big"), descriptions)

    def values(self) -> None:
        """Write which concepts have which value of an attribute."""
        rows = self._staging.rows(
            "SELECT x.name, x.value, x.type, p.number FROM property x"
            " CROSS JOIN concept c ON c.sys = x.sys AND c.key = x.key"
            f" CROSS JOIN place{self._place} p ON p.seq = c.seq WHERE x.sys = ? AND x.grp IS NOT NULL"
            " ORDER BY x.name, x.value, x.type, p.number",
            self._place,
        )
        for (attribute, value, kind), group in groupby(rows, itemgetter(0, 1, 2)):
            numbers = array("I", dict.fromkeys(number for _, _, _, number in group))
            location = self._attributes.number_of(attribute)
            key = self._prefix + location.to_bytes(2, "big") + self._value(value, kind).to_bytes(4, "big")
            self._writer.put("value", key, form.packed(numbers))

    def members(self) -> None:
        """Write the members of all reference sets."""
        locations = {code: n for n, code in enumerate(self._header.reference_sets)}
        rows = self._staging.rows(
            "SELECT x.reference_set, p.number, x.active, x.module, x.time, x.fields FROM member x"
            " CROSS JOIN concept c ON c.sys = x.sys AND c.key = x.key"
            f" CROSS JOIN place{self._place} p ON p.seq = c.seq WHERE x.sys = ?"
            " ORDER BY x.reference_set, p.number, x.rowid",
            self._place,
        )
        for (code, number), group in groupby(rows, itemgetter(0, 1)):
            results = [
                [active, self._modules.number_of(module), time, *orjson.loads(fields)]
                for _, _, active, module, time, fields in group
            ]
            key = self._prefix + locations[code].to_bytes(2, "big") + number.to_bytes(4, "big")
            self._writer.put("member", key, orjson.dumps(results))

    def described(self) -> dict[str, Any]:
        """What the description of the code system says of it; told last."""
        for location, literal in enumerate(self._literals.values):
            self._writer.put("literal", self._prefix + location.to_bytes(4, "big"), orjson.dumps(literal))
        return {
            "attributes": self._attributes.values,
            "kinds": self._header.kinds,
            "reference_sets": [[code, fields] for code, fields in self._header.reference_sets.items()],
            "modules": self._modules.values,
            "wordy": self._wordy,
            "coded": any(kind == "code" for kind, _ in self._literals.values),
        }

    def _value(self, value: str, kind: str) -> int:
        if kind == "code":
            record = self._writer.get("code", self._prefix + form.bounded(value.encode()))
            if record is not None:
                number: int = form.HEAD.unpack_from(record)[0]
                return number
        return LITERAL | self._literals.number_of((kind, value))
