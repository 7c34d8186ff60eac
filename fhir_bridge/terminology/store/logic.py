"""What an imported RF2 release says of its concepts beyond a CodeSystem (`ecl_evaluation_set.Logic`)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, islice
from typing import Any, Protocol

import orjson

from fhir_bridge.terminology.concepts import value_text
from fhir_bridge.terminology.ecl_evaluation_set import (
    LITERAL,
    DescriptionForm,
    Literal,
    Member,
    ReferenceSet,
    Role,
)
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.import_archive import ImportArchive
from fhir_bridge.terminology.store.numbering import StoredNumbering

__all__ = ["StoredLogic"]


class _System(Protocol):
    """What is asked of the code system that the logic is part of."""

    @property
    def archive(self) -> ImportArchive: ...

    @property
    def number(self) -> int: ...

    @property
    def numbering(self) -> StoredNumbering: ...

    def is_active(self, code: str) -> bool: ...

    def property_values(self, name: str) -> Iterator[tuple[str, int]]: ...

    def numbers_with_property(self, name: str, value: str) -> Sequence[int]: ...

    def numbers_with_words(self, text: str) -> Iterator[int]: ...

    def detail(self, number: int) -> form.Detail: ...

    def names(self, number: int) -> Sequence[str]: ...


class StoredLogic:
    """Read from the file when it is asked for; only the lists of attributes, kinds and modules are kept."""

    lacking = None
    lacking_groups = None

    def __init__(self, system: _System, described: Mapping[str, Any]) -> None:
        """The logic of a code system.

        Args:
            described: what `LogicWriter.described` made.
        """
        self._system, self._archive, self._described = system, system.archive, described
        self._prefix = system.number.to_bytes(2, "big")

    # --- attributes ---

    @property
    def attributes(self) -> Sequence[str]:
        """Codes of the attributes in use."""
        results: Sequence[str] = self._described["attributes"]
        return results

    @property
    def has_coded_literals(self) -> bool:
        """Whether attributes have codes as values that are no concepts of the release."""
        return bool(self._described["coded"])

    def roles(self, number: int) -> Iterator[Role]:
        """Role group, attribute and value of each attribute of a concept."""
        numbers = iter(array("I", self._read("role", number.to_bytes(4, "big"))))
        return zip(numbers, numbers, numbers, strict=True)

    def values(self, attribute: int) -> Iterator[tuple[int, Sequence[int]]]:
        """The values of an attribute, each with the concepts that have it."""
        for key, numbers in self._under("value", attribute):
            yield int.from_bytes(key, "big"), array("I", numbers)

    def having(self, attribute: int, value: int) -> Sequence[int]:
        """The concepts that have this value."""
        return array("I", self._read("value", attribute.to_bytes(2, "big") + value.to_bytes(4, "big")))

    def literal(self, value: int) -> Literal:
        """Type and text of a value that is no concept."""
        kind, text = orjson.loads(self._read("literal", (value ^ LITERAL).to_bytes(4, "big")))
        return kind, text

    # --- properties ---

    def is_active(self, number: int) -> bool:
        """Whether it is not retired."""
        return self._system.is_active(self._system.numbering.code(number))

    def inactive(self) -> Iterator[int]:
        """Those that are retired."""
        return self.with_property("inactive", "true")

    def property_values(self, name: str) -> Sequence[str] | None:
        """Values that a property has."""
        return [value for value, _ in self._system.property_values(name)] or None

    def with_property(self, name: str, value: str) -> Iterator[int]:
        """The concepts whose property has this value."""
        return iter(self._system.numbers_with_property(name, value))

    def property_of(self, number: int, name: str) -> Sequence[str]:
        """Values of a concept's property."""
        _, _, properties, _ = self._system.detail(number)
        return [value_text(value) for code, value, _ in properties if code == name]

    # --- descriptions ---

    @cached_property
    def kinds(self) -> Sequence[DescriptionForm]:
        """What many descriptions have in common."""
        return [
            DescriptionForm(bool(active), module, time, language, kind, dict(dialects))
            for active, module, time, language, kind, dialects in self._described["kinds"]
        ]

    def description_kinds(self, number: int) -> Iterator[tuple[str, int]]:
        """Id and place of the kind."""
        return ((str(identity), kind) for identity, kind, _ in self._descriptions(number))

    def descriptions(self, number: int) -> Iterator[tuple[str, int, str]]:
        """Id, place of the kind, and term."""
        stored = self._descriptions(number)
        names = self._system.names(number) if stored else ()
        for identity, kind, term in stored:
            yield str(identity), kind, names[term] if isinstance(term, int) else term

    def _descriptions(self, number: int) -> list[Any]:
        results: list[Any] = orjson.loads(self._read("description", number.to_bytes(4, "big")) or b"[]")
        return results

    def described(self, words: str) -> Iterator[int]:
        """At least the concepts with these words in one of their names, by the text index; with more words than it
        holds of one concept, they may have any."""
        return chain(self._system.numbers_with_words(words), self._described["wordy"])

    # --- reference sets ---

    @cached_property
    def reference_sets(self) -> Sequence[ReferenceSet]:
        """Those that have members."""
        return [
            ReferenceSet(code, tuple((name, kind) for name, kind in fields))
            for code, fields in self._described["reference_sets"]
        ]

    def members(self, reference_set: int) -> Iterator[tuple[int, Sequence[Member]]]:
        """The referenced concepts, each with its rows."""
        for key, rows in self._under("member", reference_set):
            yield int.from_bytes(key, "big"), self._rows(rows)

    def rows(self, reference_set: int, number: int) -> Sequence[Member]:
        """The rows of one concept."""
        return self._rows(
            self._read("member", reference_set.to_bytes(2, "big") + number.to_bytes(4, "big")) or b"[]"
        )

    def _rows(self, stored: bytes) -> list[Member]:
        modules = self._described["modules"]
        return [
            Member(bool(row[0]), modules[row[1]], row[2], tuple(islice(row, 3, None)))
            for row in orjson.loads(stored)
        ]

    # --- the file ---

    def _read(self, database: str, key: bytes) -> bytes:
        transaction = self._archive.transaction
        entry: bytes = transaction.get(self._prefix + key, b"", transaction.databases[database])
        return entry

    def _under(self, database: str, position: int) -> Iterator[tuple[bytes, bytes]]:
        """What a database has under a place of 2 bytes: the rest of the key, and the value."""
        prefix = self._prefix + position.to_bytes(2, "big")
        cursor = self._archive.transaction.cursor(database)
        if not cursor.set_range(prefix):
            return
        for key, value in cursor:
            if not key.startswith(prefix):
                return
            yield key[4:], value
