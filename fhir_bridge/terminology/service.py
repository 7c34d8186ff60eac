"""The terminology that mappings, validation and search ask (`fhir_bridge.fhir.TerminologyPort`).

It answers from, in this order: the folders it is given (a later folder before an earlier one, so a site's own
content before what ships), the definition tables (R4, v2, v3, THO, the guides), UCUM by its grammar, DICOM's tables.
Nothing is read before the first question.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from fhir_bridge.fhir import definitions, ucum
from fhir_bridge.fhir.ports import Concept, Translation
from fhir_bridge.plugins import get_manager
from fhir_bridge.terminology import dicom
from fhir_bridge.terminology.code_systems import LocalCodeSystem
from fhir_bridge.terminology.concept_maps import ConceptMaps
from fhir_bridge.terminology.files import SourceFile, read_folders
from fhir_bridge.terminology.value_sets import Asks, LocalValueSet

__all__ = ["Terminology", "get_terminology", "plugin_folders"]


class Terminology:
    """Code systems, value sets and concept maps behind `TerminologyPort`. Safe to share between threads."""

    def __init__(self, folders: Sequence[Path], *, plugins: bool = False) -> None:
        """A terminology of these folders; they are read at the first question that needs them.

        Args:
            folders: folders of CodeSystem, ValueSet and ConceptMap JSON; of two resources with one url, that of the
                later folder counts.
            plugins: put the folders that plug-ins add before these.
        """
        self._given = tuple(folders)
        self._plugins = plugins
        self._asks = Asks(self._exists, self._filtered, self._member)

    @classmethod
    def of(cls, files: Iterable[SourceFile]) -> Terminology:
        """A terminology of files that are read already."""
        made = cls(())
        made.__dict__["_files"] = {(file.kind, file.url): file for file in files}
        return made

    # --- what is loaded ---

    def load(self) -> None:
        """Read all folders now.

        Raises:
            TerminologyFileError: a file can't be used; the message names it.
        """
        _ = self._code_systems, self._value_sets, self._maps

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """All folders, the one that counts most last."""
        return (*(plugin_folders() if self._plugins else ()), *self._given)

    @cached_property
    def _files(self) -> dict[tuple[str, str], SourceFile]:
        return {(file.kind, file.url): file for file in read_folders(self.folders)}

    @cached_property
    def _code_systems(self) -> dict[str, list[LocalCodeSystem]]:
        found: dict[str, list[LocalCodeSystem]] = {}
        for (kind, _), file in reversed(self._files.items()):
            if kind == "CodeSystem":
                local = LocalCodeSystem.of(file.resource)
                found.setdefault(local.system, []).append(local)
        return found

    @cached_property
    def _value_sets(self) -> dict[str, LocalValueSet]:
        return {
            url: LocalValueSet(f.resource) for (kind, url), f in self._files.items() if kind == "ValueSet"
        }

    @cached_property
    def _maps(self) -> ConceptMaps:
        maps = [file.resource for (kind, _), file in self._files.items() if kind == "ConceptMap"]
        return ConceptMaps(reversed(maps))

    def concept_maps(self) -> list[str]:
        """Names, ids and urls of the loaded ConceptMaps."""
        return self._maps.names()

    # --- TerminologyPort ---

    def lookup(self, system: str, code: str) -> Concept | None:
        """The concept, or None where the system is known and lacks it, or where the system is unknown."""
        return self.defined(system, code) or dicom.lookup(system, code)

    def defined(self, system: str, code: str) -> Concept | None:
        """As `lookup`, without DICOM's tables, whose meanings of SNOMED CT and LOINC codes are DICOM's own."""
        for local in self._code_systems.get(system, ()):
            concept = local.lookup(code)
            if concept is not None:
                return concept
        if system == ucum.SYSTEM:
            return Concept(system, code, ucum.describe(code)) if ucum.is_valid(code) else None
        table = definitions.code_system(system)
        if table is not None:
            found = table.concepts.get(code)
            if found is None and not table.case_sensitive:
                found = next(
                    (c for key, c in table.concepts.items() if key.casefold() == code.casefold()), None
                )
            if found is not None:
                return Concept(system, found.code, found.display)
        return None

    def knows_system(self, system: str) -> bool:
        """Whether the whole content of this code system is at hand, so that a missing code is a wrong one."""
        if system == ucum.SYSTEM or any(local.complete for local in self._code_systems.get(system, ())):
            return True
        return definitions.code_system(system) is not None

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the coding is in the value set (url, perhaps `|version`); None where that can't be decided here.

        `system` None asks for a bare code, as in a `code` element with a required binding.
        """
        return self._member(value_set, system, code, 0)

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        """Targets of the loaded ConceptMaps for this source code in the wanted systems, best first.

        `system` None asks the maps whose source is text as people write it (units, sex).
        """
        return self._maps.translate(system, code, targets)

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        """Targets of one ConceptMap, named by url or by its `name`/`id`.

        Raises:
            KeyError: no such map is loaded; the message names the nearest.
        """
        try:
            return self._maps.translate_by_map(concept_map, code)
        except KeyError:
            near = difflib.get_close_matches(concept_map, self._maps.names(), 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise KeyError(f'no ConceptMap is named "{concept_map}"{hint}') from None

    # --- what value sets ask ---

    def _member(self, value_set: str, system: str | None, code: str, depth: int) -> bool | None:
        url = value_set.split("|")[0]
        local = self._value_sets.get(url)
        if local is not None:
            return local.member(system, code, self._asks, depth)
        table = definitions.value_set(value_set) or definitions.value_set(url)
        if table is None:
            return None
        answer = table.member(system, code)
        if answer is not None or system is None:
            return answer
        parts = [part for part in table.open if part.system == system]
        answers: list[bool | None] = []
        for part in parts:
            if part.filters:
                passed = [self._filtered(system, code, condition) for condition in part.filters]
                answers.append(False if False in passed else (None if None in passed else True))
            else:
                answers.append(self._exists(system, code))
        if True in answers:
            return True
        return False if answers and None not in answers else None

    def _exists(self, system: str, code: str) -> bool | None:
        if self.lookup(system, code) is not None:
            return True
        return False if self.knows_system(system) else None

    def _filtered(self, system: str, code: str, condition: tuple[str, str, str]) -> bool | None:
        """`is-a`, `descendent-of`, `is-not-a` and `in` on the code; other filters can't be decided here."""
        name, op, value = condition
        if op in ("in", "not-in") and name in ("code", "concept"):
            return (code in {part.strip() for part in value.split(",")}) == (op == "in")
        if name not in ("code", "concept") or op not in ("is-a", "descendent-of", "is-not-a"):
            return None
        below = self._is_a(system, code, value)
        if below is None:
            return None
        if op == "is-not-a":
            return not below
        return below and not (op == "descendent-of" and code == value)

    def _is_a(self, system: str, code: str, ancestor: str) -> bool | None:
        if code == ancestor:
            return True
        for local in self._code_systems.get(system, ()):
            if local.lookup(code) is not None and local.is_a(code, ancestor):
                return True
        table = definitions.code_system(system)
        if table is not None:
            return code in table.concepts and ancestor in table.ancestors(code)
        return False if any(local.complete for local in self._code_systems.get(system, ())) else None


def plugin_folders() -> list[Path]:
    """Folders that plug-ins add, what ships first."""
    found = [Path(path) for group in get_manager().hook.fhir_bridge_terminology() for path in group]
    unique = list(dict.fromkeys(path.resolve() for path in found))
    ours = [path for path in unique if _ships(path)]
    return ours + [path for path in unique if path not in ours]


def _ships(path: Path) -> bool:
    from fhir_bridge.plugins import shipped

    return path == shipped("terminology").resolve()


def get_terminology(extra_folders: Iterable[Path | str] = ()) -> Terminology:
    """The process's terminology: what ships, what plug-ins add, and these folders, which go before both. Cached."""
    return _cached(tuple(Path(folder).resolve() for folder in extra_folders))


@lru_cache(maxsize=16)
def _cached(extra: tuple[Path, ...]) -> Terminology:
    return Terminology(extra, plugins=True)
