"""Value sets as they are defined: what they include and exclude, ready to be asked (R4 valueset.html#compositions)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.definitions import ValueSet as Table

__all__ = ["FilterSpec", "Part", "ValueSetDefinition"]


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter of an include or exclude, as it is written; `where` is its FHIRPath."""

    property: str
    op: str
    value: str
    where: str


@dataclass(frozen=True)
class Part:
    """One include or exclude. All that it names must hold: the system, the concepts or filters, every value set.

    Attributes:
        system: None where it only imports value sets.
        concepts: the listed entries by code (FHIR JSON of include.concept), None where none are listed.
        raw: FHIR JSON of the include.
    """

    where: str
    system: str | None
    version: str | None
    concepts: Mapping[str, Mapping[str, Any]] | None
    filters: tuple[FilterSpec, ...]
    value_sets: tuple[str, ...]
    raw: Mapping[str, Any]

    @property
    def whole(self) -> bool:
        """Whether it takes the whole code system."""
        return self.concepts is None and not self.filters

    def listed(self, code: str, *, case_sensitive: bool) -> str | None:
        """The code as it is listed; None where it is not among the listed concepts."""
        if self.concepts is None:
            return None
        if code in self.concepts:
            return code
        return None if case_sensitive else self._folded.get(code.casefold())

    @cached_property
    def _folded(self) -> Mapping[str, str]:
        return {code.casefold(): code for code in reversed([*(self.concepts or ())])}


class ValueSetDefinition:
    """A value set.

    Attributes:
        resource: FHIR JSON. For a value set of the definition tables, what they state of it.
        contained: resources that `#id` names.
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.resource = resource
        self.url: str | None = resource.get("url")
        self.version: str | None = resource.get("version")

    @classmethod
    def of_table(
        cls, table: Table, known: definitions.Definitions = definitions.DEFAULT
    ) -> ValueSetDefinition:
        """From the definition tables."""
        return _TableDefinition(table, known)

    @property
    def canonical(self) -> str:
        """`url|version`, as messages name it."""
        if not self.url:
            return "(unidentified)"
        return f"{self.url}|{self.version}" if self.version else self.url

    @cached_property
    def contained(self) -> Mapping[str, ValueSetDefinition]:
        """Contained value sets by `#id`."""
        return {
            f"#{entry['id']}": ValueSetDefinition(entry)
            for entry in self.resource.get("contained", ())
            if isinstance(entry, Mapping) and entry.get("resourceType") == "ValueSet" and "id" in entry
        }

    @cached_property
    def has_no_requests(self) -> bool:
        """Whether it leaves everything to who uses it: it names no language and has no extension that could."""
        return not ({"language", "extension"} & self.resource.keys()) and "extension" not in (
            self.compose or {}
        )

    @property
    def compose(self) -> Mapping[str, Any] | None:
        """FHIR JSON of `compose`."""
        compose = self.resource.get("compose")
        return compose if isinstance(compose, Mapping) else None

    @cached_property
    def includes(self) -> Sequence[Part]:
        """What it takes."""
        return _parts(self.compose, "include")

    @cached_property
    def excludes(self) -> Sequence[Part]:
        """What it takes away."""
        return _parts(self.compose, "exclude")

    @cached_property
    def listed(self) -> Mapping[str | None, frozenset[str]]:
        """Codes that includes list without further condition, by system; None has those of all systems."""
        results: dict[str | None, set[str]] = {None: set()}
        for part in self.includes:
            if part.concepts is not None and part.system and not part.filters and not part.value_sets:
                results.setdefault(part.system, set()).update(part.concepts)
                results[None].update(part.concepts)
        return {system: frozenset(codes) for system, codes in results.items()}

    @property
    def active_only(self) -> bool:
        """Whether inactive codes are left out (`compose.inactive` is false; absent leaves them in)."""
        return self.compose is not None and self.compose.get("inactive") is False

    @cached_property
    def expanded(self) -> Mapping[tuple[str, str], Mapping[str, Any]] | None:
        """The entries of an expansion by (system, code), where the value set holds nothing but that."""
        expansion = self.resource.get("expansion")
        if self.compose is not None or not isinstance(expansion, Mapping):
            return None
        results: dict[tuple[str, str], Mapping[str, Any]] = {}
        waiting = list(reversed(expansion.get("contains", ())))
        while waiting:
            entry = waiting.pop()
            if isinstance(entry, Mapping):
                if isinstance(entry.get("code"), str) and not entry.get("abstract"):
                    results.setdefault((str(entry.get("system", "")), entry["code"]), entry)
                waiting.extend(reversed(entry.get("contains", ())))
        return results

    @property
    def expansion_whole(self) -> bool:
        """Whether the held expansion lists all codes: a total beyond what is listed can't say no."""
        total = self.resource.get("expansion", {}).get("total")
        return not isinstance(total, int) or total <= len(self.expanded or ())

    def extension(self, url: str) -> Sequence[Any]:
        """Values of an extension of the value set."""
        return [
            next((entry[key] for key in entry if key.startswith("value")), None)
            for entry in self.resource.get("extension", ())
            if isinstance(entry, Mapping) and entry.get("url") == url
        ]


class _TableDefinition(ValueSetDefinition):
    """A value set of the definition tables: listed codes by system, and whole systems or filters on them."""

    def __init__(self, table: Table, known: definitions.Definitions) -> None:
        self._known = known
        metadata = {
            "resourceType": "ValueSet",
            "url": table.url,
            "version": table.version,
            "status": "active",
        }
        super().__init__({key: value for key, value in metadata.items() if value})
        self._table = table

    @property
    def compose(self) -> Mapping[str, Any] | None:
        """None is kept; the parts are in its place."""
        return {}

    @cached_property
    def includes(self) -> Sequence[Part]:
        """What it takes."""
        parts = []
        for index, (system, codes) in enumerate(self._table.codes.items()):
            parts.append(
                Part(
                    f"include[{index}]",
                    system,
                    None,
                    _TableCodes(system, frozenset(codes), self._known),
                    (),
                    (),
                    {},
                )
            )
        for opened in self._table.open:
            where = f"include[{len(parts)}]"
            filters = tuple(
                FilterSpec(name, op, value, f"{where}.filter[{i}]")
                for i, (name, op, value) in enumerate(opened.filters)
            )
            parts.append(Part(where, opened.system or None, None, None, filters, (), {}))
        return parts

    @cached_property
    def excludes(self) -> Sequence[Part]:
        """None: the tables hold what is left."""
        return ()


class _TableCodes(Mapping[str, Mapping[str, Any]]):
    """Listed codes of the tables; put in the order of their code system when they are gone through."""

    def __init__(self, system: str, codes: frozenset[str], known: definitions.Definitions) -> None:
        self._known = known
        self._system = system
        self._codes = codes

    def __getitem__(self, code: str) -> Mapping[str, Any]:
        if code in self._codes:
            return {}
        raise KeyError(code)

    def __contains__(self, code: object) -> bool:
        return code in self._codes

    def __len__(self) -> int:
        return len(self._codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self._ordered)

    @cached_property
    def _ordered(self) -> Sequence[str]:
        table = self._known.code_system(self._system)
        locations = {} if table is None else {code: location for location, code in enumerate(table.concepts)}
        return sorted(self._codes, key=lambda code: (locations.get(code, len(locations)), code))


def _parts(compose: Mapping[str, Any] | None, kind: str) -> Sequence[Part]:
    parts = []
    for index, raw in enumerate((compose or {}).get(kind, ())):
        if not isinstance(raw, Mapping):
            continue
        where = f"{kind}[{index}]"
        concepts = raw.get("concept")
        listed = None
        # Reversed twice: of a code that is listed twice the first entry counts, and the order stays.
        if concepts:
            listed = {
                entry["code"]: entry
                for entry in reversed(concepts)
                if isinstance(entry, Mapping) and isinstance(entry.get("code"), str)
            }
            listed = dict(reversed(listed.items()))
        filters = tuple(
            FilterSpec(
                str(entry.get("property", "")),
                str(entry.get("op", "")),
                str(entry.get("value", "")),
                f"{where}.filter[{i}]",
            )
            for i, entry in enumerate(raw.get("filter", ()))
        )
        parts.append(
            Part(
                where,
                raw.get("system"),
                raw.get("version"),
                listed,
                filters,
                tuple(raw.get("valueSet", ())),
                raw,
            )
        )
    return parts
