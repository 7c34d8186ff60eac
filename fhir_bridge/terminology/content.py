"""What the operations ask of a code system's content, however it is kept: as JSON, as a table, as an imported store.

An implementation is read-only and safe to share between threads. Codes are given and answered as the code system
writes them; only `get`, `find` and `display` take a code in another case, where the system is not case sensitive.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

__all__ = [
    "CodeSystemContent",
    "ConceptDetail",
    "ContentSource",
    "CountedContent",
    "Designation",
    "PropertyDefinition",
    "PropertyValue",
]


@dataclass(frozen=True, slots=True)
class Designation:
    """Another name of a concept (R4 CodeSystem.concept.designation).

    Attributes:
        language: BCP-47 tag, None where it is not stated.
        use: (system, code) of what kind of name it is; None where it is not stated.
        use_display: display of `use`, where there is one.
        extensions: FHIR JSON of the extensions on the designation.
        source: canonical (`url|version`) of the supplement that adds the name, None where the system itself has it.
    """

    value: str
    language: str | None = None
    use: tuple[str, str] | None = None
    use_display: str | None = None
    extensions: tuple[Mapping[str, Any], ...] = ()
    source: str | None = None


PropertyValue = tuple[str, Any, str]
"""(code, value, type) of a concept's property; type is code, string, Coding, boolean, integer, decimal or dateTime,
and the value is as FHIR JSON has it (a Coding is a dict)."""


@dataclass(frozen=True, slots=True)
class PropertyDefinition:
    """A property that a code system declares (R4 CodeSystem.property); `uri` says what it means, where stated."""

    code: str
    type: str
    uri: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class ConceptDetail:
    """A concept with all that `$lookup` reports of it.

    Attributes:
        active: False for a concept that is retired or inactive; a deprecated one stays active (R4
            codesystem.html#status).
        abstract: the code only groups others and is not for use (`notSelectable`).
        properties: every property, also the ones that `active` and `abstract` are drawn from, without the hierarchy,
            which `parents` and `children` of the content show.
        extensions: FHIR JSON of the extensions on the concept.
    """

    code: str
    display: str | None = None
    definition: str | None = None
    active: bool = True
    abstract: bool = False
    designations: tuple[Designation, ...] = ()
    properties: tuple[PropertyValue, ...] = ()
    extensions: tuple[Mapping[str, Any], ...] = ()

    def values(self, name: str) -> Iterator[Any]:
        """Values of one property."""
        return (value for code, value, _ in self.properties if code == name)


@runtime_checkable
class CodeSystemContent(Protocol):
    """One version of one code system.

    Attributes:
        url: canonical url, as a Coding's system names it.
        version: business version, None where it has none.
        content: `complete`, `fragment`, `supplement`, `not-present` or `example` (R4 codesystem-content-mode).
        language: BCP-47 tag of `ConceptDetail.display`, None where it is not stated.
        hierarchy_meaning: `is-a`, `part-of`, `grouped-by`, `classified-with` or None.
        properties: the declared properties; the ones that a source has without declaring them count as declared.
        metadata: FHIR JSON of the CodeSystem without its concepts (`status`, `experimental`, `extension`, …); at least
            `{"url": …}`.
    """

    @property
    def url(self) -> str: ...
    @property
    def version(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def title(self) -> str | None: ...
    @property
    def content(self) -> str: ...
    @property
    def case_sensitive(self) -> bool: ...
    @property
    def language(self) -> str | None: ...
    @property
    def hierarchy_meaning(self) -> str | None: ...
    @property
    def properties(self) -> Sequence[PropertyDefinition]: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...

    def get(self, code: str) -> ConceptDetail | None:
        """The concept with everything; None where the code does not exist."""
        ...

    def find(self, code: str) -> str | None:
        """The code as the system writes it; None where it does not exist. The fast path of validation."""
        ...

    def display(self, code: str) -> str | None:
        """The display in `language`; None where the code does not exist or has none. A fast path."""
        ...

    def __len__(self) -> int:
        """Number of concepts, inactive ones included. A grammar (UCUM) answers 0: it can't be listed."""
        ...

    def codes(self) -> Iterator[str]:
        """All codes in the order of the source, a parent before its children where the source nests them."""
        ...

    def roots(self) -> Sequence[str]:
        """Codes that have no parent, in the order of the source."""
        ...

    def parents(self, code: str) -> Sequence[str]:
        """Direct parents; empty for a root and for a code that does not exist."""
        ...

    def children(self, code: str) -> Sequence[str]:
        """Direct children in the order of the source."""
        ...

    def is_a(self, code: str, ancestor: str) -> bool:
        """Whether the code is the ancestor or below it (reflexive and transitive); False for a code that is not."""
        ...

    def descendants(self, code: str) -> Iterator[str]:
        """All codes below this one, itself not among them, each once."""
        ...

    def with_property(self, name: str, value: str) -> Iterator[str]:
        """Codes that have a property of this name and value; a Coding is compared by its code, a boolean as
        `true`/`false`, a number by its digits."""
        ...

    def search(self, text: str, limit: int = 1000, active_only: bool = False) -> list[str]:
        """Codes whose display or a designation holds every word of the text (the beginning of a word is enough,
        case and accents don't count), best first."""
        ...


@runtime_checkable
class CountedContent(Protocol):
    """What content tells besides where it counts without listing."""

    def count_below(self, code: str) -> int:
        """How many codes are below this one."""
        ...

    def count_with_property(self, name: str, value: str) -> int:
        """How many codes have a property of this name and value."""
        ...


class ContentSource(Protocol):
    """Where content is found: a folder, the definition tables, the imported store, the server's own resources."""

    def urls(self) -> Sequence[str]:
        """Urls of the code systems that it has."""
        ...

    def versions(self, url: str) -> Sequence[str]:
        """Versions available of one system, the newest last; `""` stands for one without version."""
        ...

    def content(self, url: str, version: str | None = None) -> CodeSystemContent | None:
        """The content of exactly this version, the newest where none is named; None where it is not available."""
        ...
