"""A concept map of the store, looked up on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import orjson

from fhir_bridge.fhir.ports import Translation
from fhir_bridge.terminology.concept_maps import EQUIVALENCES, folded
from fhir_bridge.terminology.store.import_archive import ImportArchive
from fhir_bridge.terminology.store.map_writer import map_key
from fhir_bridge.terminology.store.part import StoredPart

__all__ = ["MapSource", "MapTarget", "StoredMap"]


class MapTarget(NamedTuple):
    """A target of a source code; without code it says that there is none (`unmatched`).

    `more` is FHIR JSON of what else the target has: dependsOn, product, extension.
    """

    system: str | None
    code: str | None
    display: str | None
    equivalence: str
    comment: str | None
    source_display: str | None
    group: int
    more: Mapping[str, Any]


class MapSource(NamedTuple):
    """A source of a target code."""

    system: str | None
    code: str
    display: str | None
    equivalence: str
    comment: str | None


class StoredMap(StoredPart):
    """One ConceptMap of the store. Its memory does not grow with the number of rows."""

    def __init__(self, archive: ImportArchive, described: Mapping[str, Any]) -> None:
        super().__init__(archive, described)
        self._sources: list[str | None] = described["sources"]
        self._targets: list[str | None] = described["targets"]

    @property
    def resource(self) -> Mapping[str, Any]:
        """FHIR JSON of the map; its groups are without their elements."""
        results: Mapping[str, Any] = self._described["resource"]
        return results

    def __len__(self) -> int:
        return int(self._described["rows"])

    def targets(self, system: str | None, code: str) -> list[MapTarget]:
        """All that the map says of a source code, `unmatched` included, in the order of its rows."""
        if system not in self._sources:
            return []
        rows = self._rows("map", self._sources.index(system), code)
        # Text counts as it is written, and folded only where it does not occur so.
        if not rows and system is None:
            rows = self._rows("fold", 0, folded(code))
        return [self._target(row) for row in rows]

    def sources(self, system: str | None, code: str) -> list[MapSource]:
        """All source codes that lead to a target code."""
        if system not in self._targets:
            return []
        return [
            MapSource(self._sources[row[0]], row[1], row[2], row[3], row[4])
            for row in self._rows("pam", self._targets.index(system), code)
        ]

    def translate(self, system: str | None, code: str, targets: tuple[str, ...] = ()) -> list[Translation]:
        """Targets in the wanted systems (all, where none is named), best equivalence first."""
        translations = [
            Translation(row.system or "", row.code, row.display, row.equivalence, self.url)
            for row in self.targets(system, code)
            if row.code and row.equivalence in EQUIVALENCES and (not targets or row.system in targets)
        ]
        translations.sort(key=lambda item: EQUIVALENCES[item.equivalence])
        return translations

    def translate_code(self, code: str) -> list[Translation]:
        """As `translate`, for a code of whichever of the map's source systems has it."""
        return [item for system in self._sources for item in self.translate(system, code)]

    def about(self, code: str, *, reverse: bool = False) -> Mapping[str, Any]:
        """FHIR JSON of the ConceptMap with all its groups, and of their elements those with this code as source, or
        as target where it is asked in reverse (`maps.MapContent`)."""
        requested: Iterable[tuple[str | None, str]] = ((system, code) for system in self._sources)
        if reverse:
            requested = (
                (item.system, item.code) for system in self._targets for item in self.sources(system, code)
            )
        groups: list[dict[str, Any]] = [{**group, "element": []} for group in self.resource.get("group", ())]
        for system, source in dict.fromkeys(requested):
            elements: dict[int, dict[str, Any]] = {}
            for target in self.targets(system, source):
                element = elements.get(target.group)
                if element is None:
                    element = elements[target.group] = {"code": source, "target": []}
                    if target.source_display:
                        element["display"] = target.source_display
                    groups[target.group]["element"].append(element)
                element["target"].append(_json(target))
        return {**self.resource, "group": groups}

    def rows(self) -> Iterator[tuple[str | None, str, list[MapTarget]]]:
        """All rows: source system, source code, targets; sorted by system and code."""
        prefix = self._place.to_bytes(2, "big")
        cursor = self._archive.transaction.cursor("map")
        if not cursor.set_range(prefix):
            return
        for key, stored in cursor:
            if not key.startswith(prefix):
                return
            system = self._sources[int.from_bytes(key[2:4], "big")]
            code = key[4:].decode("utf-8", "replace")
            yield system, code, [self._target(row) for row in orjson.loads(stored)]

    def _rows(self, database: str, system: int, code: str) -> list[Any]:
        transaction = self._archive.transaction
        try:
            key = map_key(self._place, system, code)
        except UnicodeEncodeError:  # half a surrogate pair is in no file
            return []
        stored = transaction.get(key, None, transaction.databases[database])
        return [] if stored is None else list(orjson.loads(stored))

    def _target(self, row: list[Any]) -> MapTarget:
        more = row[7] if len(row) > 7 else {}
        return MapTarget(self._targets[row[0]], row[1], row[2], row[3], row[4], row[5], row[6], more)


def _json(target: MapTarget) -> dict[str, Any]:
    """FHIR JSON of element.target."""
    metadata: dict[str, Any] = {"equivalence": target.equivalence, **target.more}
    for name in ("code", "display", "comment"):
        value = getattr(target, name)
        if value:
            metadata[name] = value
    return metadata
