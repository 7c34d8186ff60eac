"""A code system of the store (`CodeSystemContent`)."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import orjson

from fhir_bridge.terminology.content import ConceptDetail, PropertyDefinition
from fhir_bridge.terminology.folding import words
from fhir_bridge.terminology.store import format as form
from fhir_bridge.terminology.store.import_archive import ImportArchive
from fhir_bridge.terminology.store.logic import StoredLogic
from fhir_bridge.terminology.store.name_similarity import Query
from fhir_bridge.terminology.store.numbering import StoredNumbering
from fhir_bridge.terminology.store.part import StoredPart

__all__ = ["Candidate", "StoredSystem"]

Candidate = tuple[str, float, str, str | None]
"""Code, score from 0 to 1, the name that fits, its language."""

_unpack = form.HEAD.unpack_from
_HEAD = form.HEAD.size
_LIKE = 80


class StoredDetail(ConceptDetail):
    """A concept of the store; what is asked for rarely is read from the file when it is asked for."""

    __slots__ = ("_number", "_system")

    def __getattr__(self, name: str) -> Any:
        if name not in _LATER:
            raise AttributeError(name)
        for field, value in zip(_LATER, self._system.detail(self._number), strict=True):
            object.__setattr__(self, field, value)
        return object.__getattribute__(self, name)


_LATER = ("definition", "designations", "properties", "extensions")


def _setter(owner: Any, name: str) -> Callable[[object, object], None]:
    """A slot's own setter: several times faster than a frozen dataclass's."""
    result: Callable[[object, object], None] = vars(owner)[name].__set__
    return result


_new = object.__new__
_set_code, _set_display = _setter(ConceptDetail, "code"), _setter(ConceptDetail, "display")
_set_active, _set_abstract = _setter(ConceptDetail, "active"), _setter(ConceptDetail, "abstract")
_set_system, _set_number = _setter(StoredDetail, "_system"), _setter(StoredDetail, "_number")


class StoredSystem(StoredPart):
    """One version of a code system, read from the store's file. Its memory does not grow with the code system.

    Beyond `CodeSystemContent` and `CountedContent` it tells `property_values` and `candidates`.
    """

    def __init__(self, archive: ImportArchive, described: Mapping[str, Any]) -> None:
        super().__init__(archive, described)
        self._prefix: bytes = self._place.to_bytes(2, "big")
        self._folds = not described["case_sensitive"]
        self._covered: bool = described["covered"]
        self._shape = form.Shape(described["shape"])

    # --- what it is ---

    @property
    def title(self) -> str | None:
        """Name for people."""
        result: str | None = self._described["title"]
        return result

    @property
    def content(self) -> str:
        """Code of codesystem-content-mode."""
        return str(self._described["content"])

    @property
    def case_sensitive(self) -> bool:
        """Whether case counts in codes."""
        return not self._folds

    @property
    def language(self) -> str | None:
        """Language of displays."""
        result: str | None = self._described["language"]
        return result

    @property
    def hierarchy_meaning(self) -> str | None:
        """What parent and child mean."""
        result: str | None = self._described["hierarchy_meaning"]
        return result

    @cached_property
    def properties(self) -> Sequence[PropertyDefinition]:
        """Declared properties, and those that concepts have."""
        return tuple(PropertyDefinition(*row) for row in self._described["properties"])

    @property
    def metadata(self) -> Mapping[str, Any]:
        """FHIR JSON of the CodeSystem without concepts."""
        results: Mapping[str, Any] = self._described["metadata"]
        return results

    @property
    def number(self) -> int:
        """Its number within the import."""
        return self._place

    @cached_property
    def numbering(self) -> StoredNumbering:
        """Its concepts by number, for ECL."""
        return StoredNumbering(
            self._archive, self._place, len(self), covered=self._covered, folds=self._folds
        )

    @cached_property
    def logic(self) -> StoredLogic | None:
        """Role groups, descriptions and reference sets, for ECL; None where they were not imported."""
        described = self._described.get("logic")
        return None if described is None else StoredLogic(self, described)

    @property
    def outdated(self) -> str | None:
        """Why an RF2 release has no `logic`: it was imported before that was kept."""
        described = self._archive.described
        if described["kind"] != "rf2" or described["format"] == form.FORMAT:
            return None
        files = ", ".join(described["sources"])
        return f"as {files} was imported by an earlier version of fhir-bridge; import it again"

    def __len__(self) -> int:
        return int(self._described["concepts"])

    # --- concepts ---

    def _record(self, code: str) -> bytes | None:
        if self._folds:
            code = code.casefold()
        key = code.encode("utf-8", "replace")
        if len(key) > form.MAX_KEY:
            key = form.bounded(key)
        transaction = self._archive.transaction
        entry: bytes | None = transaction.get(self._prefix + key, None, transaction.code)
        return entry

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything."""
        record = self._record(code)
        if record is None:
            return None
        number, _, flags = _unpack(record)
        if flags & form.OWN_CASE:
            code = self._code(number)
        elif self._folds:
            code = code.casefold()
        detail = _new(StoredDetail)
        _set_code(detail, code)
        _set_display(detail, record[_HEAD:].decode() if flags & form.HAS_DISPLAY else None)
        _set_active(detail, not flags & form.INACTIVE)
        _set_abstract(detail, flags & form.ABSTRACT != 0)
        _set_system(detail, self)
        _set_number(detail, number)
        return detail

    def detail(self, number: int) -> form.Detail:
        """Definition, designations, properties and extensions of a concept."""
        return form.decode_detail(self._shape, self._at("detail", number))

    def names(self, number: int) -> Sequence[str]:
        """The designations of a concept, in their order."""
        stored = self._at("detail", number)
        return () if stored is None else [row[0] for row in orjson.loads(stored)[1]]

    def find(self, code: str) -> str | None:
        """The code as the system writes it."""
        record = self._record(code)
        if record is None:
            return None
        if not self._folds:
            return code
        number, _, flags = _unpack(record)
        return self._code(number) if flags & form.OWN_CASE else code.casefold()

    def display(self, code: str) -> str | None:
        """The display."""
        record = self._record(code)
        return record[_HEAD:].decode() if record is not None and len(record) > _HEAD else None

    def is_active(self, code: str) -> bool:
        """Whether the code exists and is not retired; faster than `get`."""
        record = self._record(code)
        # The flags are the byte behind the two numbers of `HEAD`.
        return record is not None and not record[8] & form.INACTIVE

    def codes(self) -> Iterator[str]:
        """All codes in the order of the source."""
        return self._codes_of(self._stored("order", self._prefix))

    # --- hierarchy ---

    def roots(self) -> Sequence[str]:
        """Codes without parent."""
        return list(self._codes_of(self._stored("roots", self._prefix)))

    def parents(self, code: str) -> Sequence[str]:
        """Direct parents."""
        return self._beside("up", code)

    def children(self, code: str) -> Sequence[str]:
        """Direct children."""
        return self._beside("down", code)

    def is_a(self, code: str, ancestor: str) -> bool:
        """Whether the code is the ancestor or below it."""
        record, above = self._record(code), self._record(ancestor)
        if record is None or above is None:
            return False
        number = _unpack(record)[0]
        low, high, flags = _unpack(above)
        if low <= number < high:
            return True
        if not self._covered:
            return self._walks_to(number, low)
        if not flags & form.COVERS:
            return False
        bounds = memoryview(self._stored("cover", self._key(low))).cast("I")
        return bool(bisect_right(bounds, number) & 1)

    def descendants(self, code: str) -> Iterator[str]:
        """All codes below this one."""
        for low, high in self._below(code):
            yield from self._codes_between(low, high)

    def count_below(self, code: str) -> int:
        """How many codes are below this one, told without reading them."""
        return sum(high - low for low, high in self._below(code))

    def _below(self, code: str) -> list[tuple[int, int]]:
        """Intervals of the numbers below a code, itself left out."""
        record = self._record(code)
        if record is None:
            return []
        low, high, flags = _unpack(record)
        if not self._covered:
            return [(number, number + 1) for number in self._walk_down(low)]
        results = [(low + 1, high)]
        if flags & form.COVERS:
            bounds = iter(memoryview(self._stored("cover", self._key(low))).cast("I"))
            results.extend(zip(bounds, bounds, strict=True))
        return results

    def _walks_to(self, number: int, target: int) -> bool:
        seen, waiting = {number}, [number]
        while waiting:
            for parent in self._numbers("up", waiting.pop()):
                if parent == target:
                    return True
                if parent not in seen:
                    seen.add(parent)
                    waiting.append(parent)
        return False

    def _walk_down(self, number: int) -> list[int]:
        seen, waiting = {number}, [number]
        while waiting:
            for child in self._numbers("down", waiting.pop()):
                if child not in seen:
                    seen.add(child)
                    waiting.append(child)
        return sorted(seen - {number})

    # --- properties ---

    def with_property(self, name: str, value: str) -> Iterator[str]:
        """Codes that have a property of this name and value."""
        return map(self._code, self.numbers_with_property(name, value))

    def numbers_with_property(self, name: str, value: str) -> Sequence[int]:
        """Numbers of the concepts that have a property of this name and value, sorted."""
        locations: list[str] = self._described["property_places"]
        if name not in locations:
            return ()
        key = self._prefix + locations.index(name).to_bytes(2, "big") + value.encode("utf-8", "replace")
        return memoryview(self._stored("prop", form.bounded(key))).cast("I")

    def count_with_property(self, name: str, value: str) -> int:
        """How many codes have a property of this name and value, told without reading them."""
        return len(self.numbers_with_property(name, value))

    def property_values(self, name: str) -> Iterator[tuple[str, int]]:
        """Values of a property, sorted, and how many concepts have each (values beyond 480 bytes are left out)."""
        locations: list[str] = self._described["property_places"]
        if name not in locations:
            return
        prefix = self._prefix + locations.index(name).to_bytes(2, "big")
        cursor = self._archive.transaction.cursor("prop")
        if not cursor.set_range(prefix):
            return
        for key, numbers in cursor:
            if not key.startswith(prefix):
                return
            try:
                yield key[4:].decode(), len(numbers) // 4
            except UnicodeDecodeError:  # the digest of a long value
                continue

    # --- text ---

    def search(self, text: str, limit: int = 1000, active_only: bool = False) -> list[str]:
        """Codes with a name that holds every word of the text, or one that begins with it; best first."""
        owners = self._archive.text.filter(text, self._marks(active_only), limit)
        return [self._code(owner & 0xFFFFFFFF) for owner in owners]

    def numbers_with_words(self, text: str) -> Iterator[int]:
        """Numbers of the concepts whose names hold every word of the text, or one that begins with it."""
        owners = self._archive.text.filter(text, self._marks(active_only=False), len(self))
        return (owner & 0xFFFFFFFF for owner in owners)

    def candidates(self, text: str, limit: int = 20, active_only: bool = True) -> list[Candidate]:
        """Codes whose names are like the text, misspelt or partial as it may be; best first, each once.

        Returns:
            (code, score from 0 to 1, the name that fits best, its language) of each.
        """
        requested = words(text)
        if not requested or limit < 1:
            return []
        query = Query(requested, self._archive.text.rarity)
        best: dict[int, Candidate] = {}
        details: dict[int, ConceptDetail] = {}
        marks = self._marks(active_only=False)
        for hit in self._archive.text.candidates(text, marks, max(_LIKE, limit * 3), likely=active_only):
            number = hit.owner & 0xFFFFFFFF
            detail = details.get(number)
            if detail is None:
                entry = self.get(self._code(number))
                if entry is None:
                    continue
                detail = details[number] = entry
            if hit.name == 0:
                name, language = detail.display or "", self.language
            else:
                designation = detail.designations[hit.name - 1]
                name, language = designation.value, designation.language
            score = query.likeness(words(name))
            if number not in best or score > best[number][1]:
                best[number] = (detail.code, score, name, language)
        ranked = sorted(best.values(), key=lambda item: -item[1])
        return ranked[:limit]

    def _marks(self, active_only: bool) -> list[str]:
        marks = [f"s{self._place}"] if self._archive.described["several"] else []
        return [*marks, "a"] if active_only else marks

    # --- numbers and codes ---

    def _key(self, number: int) -> bytes:
        return self._prefix + number.to_bytes(4, "big")

    def _stored(self, database: str, key: bytes) -> bytes:
        transaction = self._archive.transaction
        entry: bytes = transaction.get(key, b"", transaction.databases[database])
        return entry

    def _at(self, database: str, number: int) -> bytes | None:
        transaction = self._archive.transaction
        key = self._prefix + number.to_bytes(4, "big")
        entry: bytes | None = transaction.get(key, None, transaction.databases[database])
        return entry

    def _code(self, number: int) -> str:
        return self._stored("node", self._key(number)).decode()

    def _numbers(self, database: str, number: int) -> array[int]:
        return array("I", self._stored(database, self._key(number)))

    def _beside(self, database: str, code: str) -> list[str]:
        record = self._record(code)
        return (
            []
            if record is None
            else list(self._codes_of(self._stored(database, self._key(_unpack(record)[0]))))
        )

    def _codes_of(self, numbers: bytes) -> Iterator[str]:
        return map(self._code, memoryview(numbers).cast("I"))

    def _codes_between(self, low: int, high: int) -> Iterator[str]:
        """Codes of a range of numbers, read in one pass."""
        if low >= high:
            return
        cursor = self._archive.transaction.cursor("node")
        if not cursor.set_range(self._key(low)):
            return
        last = self._key(high)
        for key, code in cursor:
            if key >= last:
                return
            yield code.decode()
