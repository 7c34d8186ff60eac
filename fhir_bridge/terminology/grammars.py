"""Code systems that are grammars: UCUM, language tags (BCP 47) and media types (BCP 13). They can't be listed."""

# ruff: noqa: ARG002 - what a kind of content has not, it answers whatever it is asked
from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any

from fhir_bridge.fhir import ucum, ucum_table
from fhir_bridge.fhir.ucum_grammar import UcumError, parse
from fhir_bridge.terminology.content import ConceptDetail, Designation, PropertyDefinition
from fhir_bridge.terminology.registries import subtag_names

__all__ = ["GRAMMARS", "GrammarContent", "LanguageTags", "MediaTypes", "Ucum"]

_NO_UNIT = re.compile(r'"(.*)" is no unit.*')


class GrammarContent(ABC):
    """A code system whose codes are all texts of a grammar.

    Attributes:
        enumeration: url of the value set that is listed in place of the whole system; None where none would do.
    """

    url: str
    version: str | None = None
    name: str | None = None
    title: str | None = None
    content = "complete"
    case_sensitive = True
    language: str | None = "en"
    hierarchy_meaning: str | None = None
    enumeration: str | None = None

    @property
    def properties(self) -> Sequence[PropertyDefinition]:
        """The declared properties."""
        return ()

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is known of the system itself."""
        fields = {"url": self.url, "version": self.version, "name": self.name, "status": "active"}
        return {key: value for key, value in fields.items() if value is not None}

    @abstractmethod
    def find(self, code: str) -> str | None:
        """The code, where the grammar has it."""

    def problem(self, code: str) -> str | None:
        """What is wrong with a code that the grammar doesn't have, in words; None where nothing can be determined."""
        return None

    def unmet(self, code: str, name: str, value: str) -> str | None:
        """Why a code doesn't have this value of a computed property, in words."""
        return None

    def get(self, code: str) -> ConceptDetail | None:
        """The concept."""
        return None if self.find(code) is None else ConceptDetail(code, self.display(code))

    def display(self, code: str) -> str | None:
        """The display."""
        return self.find(code)

    def in_words(self, code: str) -> str | None:
        """What the code says, for people."""
        return self.display(code)

    def property_text(self, code: str, name: str) -> str | None:
        """A property that is computed from the code, as a filter compares it."""
        return None

    def __len__(self) -> int:
        return 0

    def codes(self) -> Iterator[str]:
        """None: the grammar has no end."""
        return iter(())

    def roots(self) -> Sequence[str]:
        """None."""
        return ()

    def parents(self, code: str) -> Sequence[str]:
        """None."""
        return ()

    def children(self, code: str) -> Sequence[str]:
        """None."""
        return ()

    def is_a(self, code: str, ancestor: str) -> bool:
        """A grammar has no hierarchy: a code is itself."""
        return code == ancestor and self.find(code) is not None

    def descendants(self, code: str) -> Iterator[str]:
        """None."""
        return iter(())

    def with_property(self, name: str, value: str) -> Iterator[str]:
        """None can be listed."""
        return iter(())

    def search(self, text: str, limit: int = 1000, active_only: bool = False) -> list[str]:
        """The text itself, where it is a code."""
        return [text] if self.find(text) is not None else []


class Ucum(GrammarContent):
    """The Unified Code for Units of Measure."""

    url = ucum.SYSTEM
    version = ucum_table.VERSION
    name = "UCUM"
    title = "The Unified Code for Units of Measure"
    enumeration = "http://hl7.org/fhir/ValueSet/ucum-common"

    @property
    def properties(self) -> Sequence[PropertyDefinition]:
        """`canonical`: the base units that the unit comes down to."""
        return (PropertyDefinition("canonical", "code"),)

    def find(self, code: str) -> str | None:
        """The code, where it is UCUM."""
        return code if ucum.is_valid(code) else None

    def get(self, code: str) -> ConceptDetail | None:
        """The unit; its name in words is a designation."""
        if not ucum.is_valid(code):
            return None
        name = ucum.describe(code)
        names = () if name is None or name == code else (Designation(name, "en"),)
        return ConceptDetail(code, code, designations=names)

    def in_words(self, code: str) -> str | None:
        """The unit's name."""
        return ucum.describe(code)

    def problem(self, code: str) -> str | None:
        """Where the unit breaks."""
        try:
            parse(code)
        except UcumError as error:
            problem = _NO_UNIT.sub(r"The unit '\1' is unknown", error.problem)
            return f"Error processing unit '{code}': {problem} at character {error.position + 1}"
        return None

    def unmet(self, code: str, name: str, value: str) -> str | None:
        """Why a unit doesn't have this property."""
        property_text = self.property_text(code, name)
        if property_text is None or property_text == value:
            return None
        return f"Code {code} has canonical form {property_text}, not {value} as required"

    def property_text(self, code: str, name: str) -> str | None:
        """`canonical`."""
        if name != "canonical":
            return None
        canonical = ucum.canonical(Decimal(1), code)
        return None if canonical is None else canonical[1]


class LanguageTags(GrammarContent):
    """Language tags of registered subtags, in the case that RFC 5646 recommends (`en-US`, `zh-Hant`).

    What a tag is called is built from the names that the registry gives its subtags: `German (Switzerland)`.
    """

    url = "urn:ietf:bcp:47"
    name = "IETFLanguage"
    title = "IETF language"
    enumeration = "http://terminology.hl7.org/ValueSet/Languages"

    _TAG = re.compile(
        r"(?P<language>[a-z]{2,3}|[a-z]{4,8})(?P<extlang>(?:-[a-z]{3}){0,3})"
        r"(?:-(?P<script>[A-Z][a-z]{3}))?"
        r"(?:-(?P<region>[A-Z]{2}|[0-9]{3}))?"
        r"(?P<variant>(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*)"
        r"(?P<extension>(?:-[0-9a-wy-z](?:-[a-zA-Z0-9]{2,8})+)*)"
        r"(?P<private>(?:-x(?:-[a-zA-Z0-9]{1,8})+)?)"
    )
    _PRIVATE = re.compile(r"x(?:-[a-zA-Z0-9]{1,8})+")
    _NAMED = ("extlang", "script", "region", "variant")

    def find(self, code: str) -> str | None:
        """The tag, where it is well formed and its subtags are registered (RFC 5646 §2.2.9)."""
        return None if self._names(code) is None else code

    def get(self, code: str) -> ConceptDetail | None:
        """The tag; other names of its language are designations."""
        names = self._names(code)
        if names is None:
            return None
        others = tuple(Designation(name, "en") for name in names[1:])
        return ConceptDetail(code, names[0] if names else None, designations=others)

    def display(self, code: str) -> str | None:
        """The name of the language, and in brackets those of what else the tag says; None for private use."""
        names = self._names(code)
        return names[0] if names else None

    def property_text(self, code: str, name: str) -> str | None:
        """`language`, `script` and `region`."""
        match = self._TAG.fullmatch(code)
        return match[name] if match and name in ("language", "script", "region") else None

    def _names(self, code: str) -> Sequence[str] | None:
        """What the tag is called; None where it is none."""
        if len(code) > 255:
            return None
        if results := subtag_names("grandfathered", code):
            return results
        match = self._TAG.fullmatch(code)
        if match is None:
            return () if self._PRIVATE.fullmatch(code) else None
        languages = subtag_names("language", match["language"])
        subtags: list[str] = []
        for kind in self._NAMED:
            for subtag in (match[kind] or "").split("-"):
                if not subtag:
                    continue
                names = subtag_names(kind, subtag)
                if not names:
                    return None
                subtags.append(names[0])
        if not languages:
            return None
        subtags += [more[1:] for more in (match["extension"], match["private"]) if more]
        return [f"{name} ({', '.join(subtags)})" if subtags else name for name in languages]


class MediaTypes(GrammarContent):
    """Media types as RFC 6838 builds them, with parameters."""

    url = "urn:ietf:bcp:13"
    name = "MimeTypes"
    title = "Media types"

    _TYPE = re.compile(
        r"(?P<type>application|audio|font|example|image|message|model|multipart|text|video|haptics|chemical|x-[\w-]+)"
        r"/[A-Za-z0-9][A-Za-z0-9!#$&^_.+\-]{0,126}"
        r"(?:\s*;\s*[A-Za-z0-9!#$&^_.+\-]+=(?:[A-Za-z0-9!#$&^_.+\-/:]+|\"[^\"]*\"))*"
    )

    def find(self, code: str) -> str | None:
        """The type, where it is well formed."""
        return code if len(code) <= 1024 and self._TYPE.fullmatch(code) else None


class _All:
    """The grammars as a source of content."""

    @cached_property
    def _known(self) -> Mapping[str, GrammarContent]:
        contents: tuple[GrammarContent, ...] = (Ucum(), LanguageTags(), MediaTypes())
        return {content.url: content for content in contents}

    def urls(self) -> Sequence[str]:
        """The systems."""
        return tuple(self._known)

    def versions(self, url: str) -> Sequence[str]:
        """The version available."""
        entry = self._known.get(url)
        return () if entry is None else (entry.version or "",)

    def content(self, url: str, version: str | None = None) -> GrammarContent | None:
        """The grammar."""
        entry = self._known.get(url)
        return entry if entry is not None and version in (None, entry.version) else None


GRAMMARS = _All()
"""UCUM, language tags and media types."""
