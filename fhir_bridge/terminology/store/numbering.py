"""The concepts of a stored code system by number (`ecl_evaluation_set.Numbering`)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from itertools import chain

from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.import_archive import ImportArchive

__all__ = ["StoredNumbering"]


class StoredNumbering:
    """Numbers as the file has them: in preorder of the hierarchy, so that what is below is a few intervals."""

    def __init__(
        self, archive: ImportArchive, position: int, count: int, *, covered: bool, folds: bool
    ) -> None:
        self._archive, self._prefix, self._count = archive, position.to_bytes(2, "big"), count
        self._covered, self._folds = covered, folds

    def __len__(self) -> int:
        return self._count

    def number(self, code: str) -> int | None:
        """The number of a code."""
        record = self._record(code)
        return None if record is None else int(form.HEAD.unpack_from(record)[0])

    def code(self, number: int) -> str:
        """The code of a number."""
        return self._read("node", self._key(number)).decode()

    def roots(self) -> Sequence[int]:
        """Those without parents."""
        return array("I", self._read("roots", self._prefix))

    def inner(self) -> Iterator[int]:
        """Those with children."""
        cursor = self._archive.transaction.cursor("down")
        result = cursor.set_range(self._prefix)
        while result:
            key = cursor.key()
            if key[:2] != self._prefix:
                return
            yield int.from_bytes(key[2:], "big")
            result = cursor.next()

    def parents(self, number: int) -> Sequence[int]:
        """Direct parents."""
        return array("I", self._read("up", self._key(number)))

    def children(self, number: int) -> Sequence[int]:
        """Direct children."""
        return array("I", self._read("down", self._key(number)))

    def bounds(self, number: int) -> Sequence[int] | None:
        """Intervals of all that is below; None where the hierarchy was too tangled for them."""
        if not self._covered:
            return None
        record = self._record(self.code(number))
        if record is None:
            return ()
        low, high, flags = form.HEAD.unpack_from(record)
        if not flags & form.COVERS:
            return (low + 1, high)
        more = array("I", self._read("cover", self._key(number)))
        pairs = iter(more)
        return list(chain.from_iterable(sorted([(low + 1, high), *zip(pairs, pairs, strict=True)])))

    def _record(self, code: str) -> bytes | None:
        key = form.bounded((code.casefold() if self._folds else code).encode("utf-8", "replace"))
        transaction = self._archive.transaction
        entry: bytes | None = transaction.get(self._prefix + key, None, transaction.code)
        return entry

    def _key(self, number: int) -> bytes:
        return self._prefix + number.to_bytes(4, "big")

    def _read(self, database: str, key: bytes) -> bytes:
        transaction = self._archive.transaction
        entry: bytes = transaction.get(key, b"", transaction.databases[database])
        return entry
