"""The terminology that mappings, validation and search ask (`fhir_bridge.fhir.TerminologyPort`).

It answers from, in this order: the folders it is given (a later folder before an earlier one, so a site's own
content before what ships), what is imported into the content store, the definition tables (R4, v2, v3, THO, the
guides), UCUM by its grammar, DICOM's tables. Nothing is read before the first question.
"""

from __future__ import annotations

import difflib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fhir_bridge.fhir.definitions import DEFAULT, Definitions
from fhir_bridge.fhir.ports import Concept, Translation
from fhir_bridge.fhir.sound_codes import SoundCodes
from fhir_bridge.plugins import get_manager
from fhir_bridge.terminology import dicom, versions
from fhir_bridge.terminology.concept_maps import ConceptMaps, best_first
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.dicom import DicomSource
from fhir_bridge.terminology.files import SourceFile, read_folders
from fhir_bridge.terminology.grammars import GrammarContent
from fhir_bridge.terminology.layers import ContentLayer, Layer, ResourceLayer, base_layers
from fhir_bridge.terminology.library import Library
from fhir_bridge.terminology.operations.options import Limits, Options
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.operations.selection import Selector
from fhir_bridge.terminology.operations.subsumes import Subsumption, relation
from fhir_bridge.terminology.stored import StoreLayer
from fhir_bridge.terminology.value_set_definitions import ValueSetDefinition

if TYPE_CHECKING:
    from fhir_bridge.terminology.store import StoredMap

__all__ = ["CodeValidity", "Terminology", "get_terminology", "plugin_folders"]

LOOK_AGAIN = 1.0
"""Seconds between two looks at what is imported."""
_CODES_KEPT = 100_000

KEPT = 65_536
"""Concepts whose answers are kept: what is mapped or validated names the same codes over and over."""


class CodeValidity(NamedTuple):
    """What `Terminology.validate_code` says.

    Attributes:
        valid: whether the code is of the value set or the code system; None where that can't be decided here.
        concept: what the code means, whether it is valid or not; None where that is not known.
        display_right: whether the display is one of the concept's names, in whatever language, without regard to case;
            None where none was given or no names are known.
    """

    valid: bool | None
    concept: Concept | None
    display_right: bool | None = None


class Terminology:
    """Code systems, value sets and concept maps behind `TerminologyPort`. Safe to share between threads."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        plugins: bool = False,
        store: Callable[[], Path] | None = None,
        definitions: Definitions = DEFAULT,
    ) -> None:
        """A terminology of these folders; they are read at the first question that needs them.

        Args:
            folders: folders of CodeSystem, ValueSet and ConceptMap JSON; of two resources with one url, that of the
                later folder counts.
            plugins: put the folders that plug-ins add before these.
            store: returns the folder of the content store, asked when it is needed; None leaves imported content out.
            definitions: those whose code systems and value sets it has.
        """
        self._definitions = definitions
        self._given = tuple(folders)
        self._plugins = plugins
        self._top: tuple[Layer, ...] = ()
        self._more: tuple[Layer, ...] = ()
        self.imported = None if store is None else StoreLayer(store)
        self._concept = lru_cache(KEPT)(self._find)
        self._imports: object = None
        self._looked = -math.inf

    @classmethod
    def of(
        cls,
        files: Iterable[SourceFile],
        *,
        store: Callable[[], Path] | None = None,
        more: Sequence[Layer] = (),
    ) -> Terminology:
        """A terminology of files that are read already.

        Args:
            store: as for a terminology of folders.
            more: layers that go before the store's.
        """
        terminology = cls((), store=store)
        terminology._more = tuple(more)
        # In the place of the cached property, which would read the folders.
        terminology.__dict__["_files"] = {(file.kind, file.url): file for file in files}
        return terminology

    def over(self, *layers: Layer) -> Terminology:
        """This terminology under layers that go before all that it has; its ConceptMaps stay the only ones of
        `translate`. What was read for this one is not read again.
        """
        terminology = Terminology(self._given, plugins=self._plugins, definitions=self._definitions)
        terminology._top, terminology._more, terminology.imported = (
            (*layers, *self._top),
            self._more,
            self.imported,
        )
        terminology.__dict__.update(
            folders=self.folders, _files=self._files, _read=self._read, _maps=self._maps
        )
        return terminology

    # --- what is loaded ---

    def load(self) -> None:
        """Read all folders now.

        Raises:
            TerminologyFileError: a file can't be used; the message names it.
        """
        _ = self.library, self._maps

    @cached_property
    def folders(self) -> tuple[Path, ...]:
        """All folders, the one that counts most last."""
        return (*(plugin_folders() if self._plugins else ()), *self._given)

    @cached_property
    def _files(self) -> dict[tuple[str, str], SourceFile]:
        return {(file.kind, file.url): file for file in read_folders(self.folders)}

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All that is available, what counts most first."""
        imported = () if self.imported is None else (self.imported,)
        return (*self._top, self._read, *self._more, *imported, *base_layers(self._definitions))

    @cached_property
    def _read(self) -> Layer:
        return ResourceLayer(file.resource for file in self._files.values())

    @property
    def library(self) -> Library:
        """The layers as one; another one after an import."""
        self._look()
        return self._library

    @property
    def sound_codes(self) -> SoundCodes:
        """Codes that validation found to be in order; others after an import."""
        self._look()
        return self._sound_codes

    @cached_property
    def _sound_codes(self) -> SoundCodes:
        return SoundCodes()

    @cached_property
    def _library(self) -> Library:
        return Library(self.layers)

    def _look(self) -> None:
        """Forget what was built from imported content that is no longer the present one."""
        if self.imported is None or (now := time.monotonic()) - self._looked < LOOK_AGAIN:
            return
        self._looked = now
        imports = self.imported.stamp()
        if imports != self._imports:
            self._imports = imports
            self._concept.cache_clear()
            for result in ("_library", "_sound_codes", "_selector", "_value_sets", "_codes", "_other_names"):
                self.__dict__.pop(result, None)

    @cached_property
    def _maps(self) -> ConceptMaps:
        maps = [file.resource for (kind, _), file in self._files.items() if kind == "ConceptMap"]
        return ConceptMaps(reversed(maps))

    @cached_property
    def _selector(self) -> Selector:
        """Answers membership; here DICOM may say that a SNOMED CT code exists, though not what it means."""
        # Without a limit of time: the scope lives as long as the content, and its
        # clock runs from the beginning.
        library = Library((*self.layers, ContentLayer(DicomSource(dicom.SCT))))
        return Selector(Scope(library, Options(limits=Limits(seconds=math.inf))))

    @cached_property
    def _value_sets(self) -> dict[str, ValueSetDefinition | None]:
        return {}

    @cached_property
    def _codes(self) -> dict[tuple[str, str], str | None]:
        """Codes by system and display, as they were looked for: a run asks for the same genes again and again."""
        return {}

    @cached_property
    def _other_names(self) -> dict[tuple[str, ...], tuple[str, str, str] | None]:
        return {}

    def concept_maps(self) -> list[str]:
        """Names, ids and urls of the loaded ConceptMaps."""
        return sorted({*self._maps.names(), *self._stored_maps})

    @property
    def _stored_maps(self) -> dict[str, StoredMap]:
        """The imported maps by name and url."""
        maps: dict[str, StoredMap] = {}
        for item in self.imported.maps() if self.imported is not None else ():
            for name in (item.name, item.url):
                if name is not None:
                    maps.setdefault(name, item)
        return maps

    # --- TerminologyPort ---

    def lookup(self, system: str, code: str) -> Concept | None:
        """The concept, or None where the system is known and lacks it, or where the system is unknown."""
        self._look()
        return self._concept(system, code) or dicom.lookup(system, code)

    def defined(self, system: str, code: str) -> Concept | None:
        """As `lookup`, without what DICOM's tables call a SNOMED CT code, which is not what SNOMED CT calls it."""
        self._look()
        return self._concept(system, code)

    def _find(self, system: str, code: str) -> Concept | None:
        for content in self.contents(system):
            detail = content.get(code)
            if detail is not None:
                if isinstance(content, GrammarContent):
                    return Concept(system, detail.code, content.in_words(code))
                return Concept(system, detail.code, detail.display, detail.active)
        return None

    def contents(self, system: str) -> Iterator[CodeSystemContent]:
        """Where a concept of the system may be; a supplement may have one that the system's fragment lacks."""
        code_system = self.library.code_system(system)
        if code_system is not None:
            yield code_system
        yield from self.library.supplements(system)

    def validate_code(
        self, value_set: str | None, system: str | None, code: str, display: str | None = None
    ) -> CodeValidity:
        """Whether a code is of a value set, or without one of its code system, and what it means.

        Args:
            value_set: url, perhaps `|version`; None asks the code system alone.
            system: None asks for a bare code, whatever system of the value set has it.
            display: a name to be checked too.
        """
        if value_set is not None:
            valid = self.member(value_set, system, code)
        elif system is not None:
            valid = self._exists(system, code)
        else:
            valid = None
        concept = None if system is None else self.lookup(system, code)
        if display is None:
            return CodeValidity(valid, concept)
        return CodeValidity(valid, concept, None if system is None else self._is_name(system, code, display))

    def _exists(self, system: str, code: str) -> bool | None:
        content = self.library.code_system(system)
        if content is None:
            return None
        return True if content.find(code) is not None else False if content.content == "complete" else None

    def _is_name(self, system: str, code: str, display: str) -> bool | None:
        """Whether this is one of the names of the concept; None where it has none that are known."""
        wanted, known = display.casefold(), False
        for content in self.contents(system):
            detail = content.get(code)
            if detail is None:
                continue
            for name in (detail.display, *(designation.value for designation in detail.designations)):
                if name:
                    known = True
                    if name.casefold() == wanted:
                        return True
        return False if known else None

    def code_of(self, system: str, display: str) -> str | None:
        """The one active code of this very display; None where there is none, or several, or no such system."""
        self._look()
        try:
            return self._codes[system, display]
        except KeyError:
            code = self._code_of(system, display)
            if len(self._codes) >= _CODES_KEPT:
                self._codes.clear()
            self._codes[system, display] = code
            return code

    def _code_of(self, system: str, display: str) -> str | None:
        for content in self.contents(system):
            codes = [
                code
                for code in content.search(display, 100, active_only=True)
                if content.display(code) == display
            ]
            if codes:
                return codes[0] if len(codes) == 1 else None
        return None

    def code_by_other_name(self, system: str, name: str, uses: Sequence[str]) -> tuple[str, str, str] | None:
        """The one active code that has a designation of these uses with this very value: its code, display and use.

        None where there is none, or several. Uses are tried in order.
        """
        self._look()
        key = system, name, *uses
        if key not in self._other_names:
            if len(self._other_names) >= _CODES_KEPT:
                self._other_names.clear()
            self._other_names[key] = self._by_other_name(system, name, uses)
        return self._other_names[key]

    def _by_other_name(self, system: str, name: str, uses: Sequence[str]) -> tuple[str, str, str] | None:
        for content in self.contents(system):
            having: dict[str, list[str]] = {use: [] for use in uses}
            for code in content.search(name, 100, active_only=True):
                detail = content.get(code)
                for designation in detail.designations if detail is not None else ():
                    use = designation.use[1] if designation.use else designation.use_display
                    if designation.value == name and use in having and code not in having[use]:
                        having[use].append(code)
            for use, codes in having.items():
                if codes:
                    return (codes[0], content.display(codes[0]) or name, use) if len(codes) == 1 else None
        return None

    def subsumes(self, system: str, first: str, second: str) -> Subsumption | None:
        """How the first code is to the second, as `$subsumes` says it; None where the code system is not available or
        lacks a code.
        """
        content = self.library.code_system(system)
        if content is None:
            return None
        item, other = content.find(first), content.find(second)
        return None if item is None or other is None else relation(content, item, other)

    def knows_system(self, system: str) -> bool:
        """Whether the whole content of this code system is available, so that a missing code is a wrong one."""
        code_system = self.library.code_system(system)
        return code_system is not None and code_system.content == "complete"

    def member(self, value_set: str, system: str | None, code: str) -> bool | None:
        """Whether the coding is in the value set (url, perhaps `|version`); None where that can't be decided here.

        `system` None asks for a bare code, as in a `code` element with a required binding.
        """
        self._look()
        try:
            # None is kept as well: that there is no such value set.
            definition = self._value_sets[value_set]
        except KeyError:
            definition = self._value_sets[value_set] = self._value_set(value_set)
        return None if definition is None else self._selector.member(definition, system, code)

    def _value_set(self, canonical: str) -> ValueSetDefinition | None:
        """The value set; the version available, where the one that is named is not."""
        url, version = versions.split_canonical(canonical)
        return self.library.value_set(url, version) or self.library.value_set(url)

    def translate(self, system: str | None, code: str, targets: tuple[str, ...]) -> list[Translation]:
        """Targets of the loaded ConceptMaps for this source code in the wanted systems, best first.

        `system` None asks the maps whose source is text as people write it (units, sex).
        """
        translations = self._maps.translate(system, code, targets)
        if self.imported is not None and (stored := self.imported.maps()):
            more = (item for each in stored for item in each.translate(system, code, targets))
            translations = best_first([*translations, *more], targets)
        return translations

    def source_codes(self, concept_map: str) -> list[str]:
        """The source codes of a ConceptMap's rows, each once; empty where it is not among the loaded files."""
        return self._maps.source_codes(concept_map)

    def map_targets(self, concept_map: str) -> frozenset[str]:
        """The codes that a loaded ConceptMap can give; empty for an imported one, which is not read as a whole."""
        return self._maps.targets(concept_map)

    def translate_by_map(self, concept_map: str, code: str) -> list[Translation]:
        """Targets of one ConceptMap, named by url or by its `name`/`id`.

        Raises:
            KeyError: no such map is loaded; the message names the nearest.
        """
        try:
            return self._maps.translate_by_map(concept_map, code)
        except KeyError:
            stored = self._stored_maps.get(concept_map.split("|")[0])
            if stored is not None:
                return stored.translate_code(code)
            near = difflib.get_close_matches(concept_map, self.concept_maps(), 1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise KeyError(f'no ConceptMap is named "{concept_map}"{hint}') from None


def plugin_folders() -> list[Path]:
    """Folders that plug-ins add, what ships first."""
    results = [Path(path) for group in get_manager().hook.fhir_bridge_terminology() for path in group]
    unique = list(dict.fromkeys(path.resolve() for path in results))
    ours = [path for path in unique if _ships(path)]
    return ours + [path for path in unique if path not in ours]


def _ships(path: Path) -> bool:
    from fhir_bridge.plugins import shipped

    return path == shipped("terminology").resolve()


def get_terminology(
    extra_folders: Iterable[Path | str] = (), store: Path | None = None, definitions: Definitions = DEFAULT
) -> Terminology:
    """The process's terminology: what ships, what plug-ins add, and these folders, which go before both. Cached.

    Args:
        store: folder of the content store; None takes the one of the environment, or the default.
        definitions: those whose code systems and value sets it has.
    """
    folders = tuple(Path(folder).resolve() for folder in extra_folders)
    return _cached(folders, None if store is None else store.resolve(), definitions)


@lru_cache(maxsize=16)
def _cached(extra: tuple[Path, ...], store: Path | None, definitions: Definitions) -> Terminology:
    opened = _store_folder if store is None else lambda: store
    return Terminology(extra, plugins=True, store=opened, definitions=definitions)


def _store_folder() -> Path:
    from fhir_bridge.terminology.store import store_path

    return store_path()
