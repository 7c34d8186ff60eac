"""Displays, designations and descriptions of SNOMED CT's concepts, from the descriptions of an RF2 release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import orjson

from fhir_bridge.terminology.dialects import DIALECTS, GB, US
from fhir_bridge.terminology.store.staging import DesignationRow, Staging

__all__ = ["SYNONYM", "SYSTEM", "Named", "Terms"]

SYSTEM = "http://snomed.info/sct"
FSN, SYNONYM, DEFINITION = 900000000000003001, 900000000000013009, 900000000000550004
_PREFERRED = 900000000000548007
_MAINTENANCE = "http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra"
_USES = {FSN: "Fully specified name", DEFINITION: "Definition"}


class Named(NamedTuple):
    """A concept as its descriptions name it.

    Attributes:
        concept: active, module, effective time, whether it is sufficiently defined, line of the file.
        designations: the preferred ones first.
        descriptions: as `ConceptRow` has them.
    """

    code: str
    concept: tuple[Any, ...]
    display: str | None
    definition: str | None
    designations: list[DesignationRow]
    descriptions: bytes | None


class Terms:
    """The descriptions of a release.

    Attributes:
        kinds: what many descriptions have in common (`LogicHeader.kinds`); filled by `concepts`.
    """

    def __init__(self, staging: Staging) -> None:
        """The descriptions that `rf2_load` has read."""
        self._staging = staging
        self.kinds: dict[tuple[Any, ...], int] = {}
        self._order = self._dialect_order()
        self._alike: dict[str, set[int]] = {}
        for refset in self._order:
            if refset in DIALECTS:
                self._alike.setdefault(DIALECTS[refset].split("-")[0], set()).add(refset)

    def concepts(self) -> Iterator[Named]:
        """All concepts, by SCTID."""
        rows = self._staging.rows(
            "SELECT c.id, c.active, c.module, c.time, c.defined, c.line, t.id, t.kind, t.language, t.term, t.active,"
            " t.module, t.time, d.refset, d.acceptability FROM x_concept c LEFT JOIN x_term t ON t.concept = c.id"
            " LEFT JOIN x_dialect d ON d.term = t.id AND d.active = 1 ORDER BY c.id, t.id, d.refset"
        )
        for result, group in groupby(rows, itemgetter(0)):
            described = list(group)
            yield self._named(str(result), described[0][1:6], [row[6:] for row in described])

    def _dialect_order(self) -> dict[int, int]:
        """Language reference sets, the one whose preferred terms are displays first."""
        counted = self._staging.rows(
            "SELECT refset, count(*) FROM x_dialect WHERE active = 1 GROUP BY refset ORDER BY 2 DESC"
        )
        results = [refset for refset, _ in counted]
        first = [refset for refset in (US, GB) if refset in results]
        return {refset: location for location, refset in enumerate(dict.fromkeys([*first, *results]))}

    def _named(self, code: str, concept: tuple[Any, ...], rows: list[tuple[Any, ...]]) -> Named:
        names = _Names(code, self._order, self._alike)
        described: list[tuple[int, int, str, int | None]] = []
        for identity, group in groupby(rows, itemgetter(0)):
            if identity is None:
                continue
            term = list(group)
            _, kind, language, text, active, module, time = term[0][:7]
            dialects = {refset: acceptability for *_, refset, acceptability in term if refset is not None}
            location = names.add(kind, language, text, dialects) if active and text else None
            described.append(
                (
                    identity,
                    self._description_type(active, module, time, language, kind, dialects),
                    text,
                    location,
                )
            )
        descriptions = [
            (identity, kind, text if location is None else names.place(location))
            for identity, kind, text, location in described
        ]
        result = orjson.dumps(descriptions) if descriptions else None
        return Named(code, concept, names.display, names.definition, names.designations, result)

    def _description_type(
        self, active: int, module: str, time: str, language: str, kind: int, dialects: dict[int, int]
    ) -> int:
        accepted = tuple((str(refset), str(item)) for refset, item in dialects.items())
        key = (active, module, time, language, str(kind), accepted)
        return self.kinds.setdefault(key, len(self.kinds))


class _Names:
    """The names of one concept, being collected."""

    def __init__(self, code: str, order: dict[int, int], alike: dict[str, set[int]]) -> None:
        self._code, self._order, self._alike = code, order, alike
        self._preferred: list[DesignationRow] = []
        self._others: list[DesignationRow] = []
        self._best: tuple[int, str] | None = None
        self._full: str | None = None
        self.definition: str | None = None

    def add(self, kind: int, language: str, text: str, dialects: dict[int, int]) -> int:
        """Add an active description; returns what `place` wants (from -1 down for those that are not preferred)."""
        wanted = [refset for refset, item in dialects.items() if item == _PREFERRED]
        if kind == DEFINITION:
            self.definition = self.definition or text
        elif kind == FSN:
            if self._full is None or language == "en":
                self._full = text
        elif wanted:
            best = min(self._order[refset] for refset in wanted)
            if self._best is None or best < self._best[0]:
                self._best = (best, text)
            self._preferred.extend(
                DesignationRow(self._code, text, tag, _MAINTENANCE, "preferredForLanguage")
                for tag in self._tags(language, wanted)
            )
            return len(self._preferred) - 1
        self._others.append(
            DesignationRow(self._code, text, language, SYSTEM, str(kind), _USES.get(kind, "Synonym"))
        )
        return -len(self._others)

    def _tags(self, language: str, wanted: Sequence[int]) -> Iterable[str]:
        """Languages in which a term is preferred: the dialects, or the language where all of them agree."""
        if set(wanted) >= self._alike.get(language, set(wanted)):
            return (language,)
        return sorted({DIALECTS.get(refset, language) for refset in wanted})

    def place(self, where: int) -> int:
        """Where a name is in `designations`."""
        return where if where >= 0 else len(self._preferred) - where - 1

    @property
    def designations(self) -> list[DesignationRow]:
        """All names, the preferred first."""
        return [*self._preferred, *self._others]

    @property
    def display(self) -> str | None:
        """The preferred term of the first dialect, else the fully specified name, else any."""
        if self._best is not None:
            return self._best[1]
        return self._others[0].value if self._others and self._full is None else self._full
