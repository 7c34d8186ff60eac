"""The names of a concept and the one to show: display and designations, by language, kind and state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from fhir_bridge.terminology.concepts import STANDARDS_STATUS, designation
from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail, Designation
from fhir_bridge.terminology.operations.languages import Language, Languages

__all__ = ["NO_NAMES", "PREFERRED_FOR_LANGUAGE", "Name", "Names"]

PREFERRED_FOR_LANGUAGE = ("http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra", "preferredForLanguage")
_DISPLAY_USES = frozenset({PREFERRED_FOR_LANGUAGE, ("http://snomed.info/sct", "900000000000548007")})
_SYNONYM = ("http://snomed.info/sct", "900000000000013009")
_SHOWN_EXTENSIONS = frozenset(
    "http://hl7.org/fhir/StructureDefinition/" + name
    for name in (
        "coding-sctdescid",
        "rendering-style",
        "rendering-xhtml",
        "structuredefinition-standards-status",
        "codesystem-alternate",
    )
)


class Name(NamedTuple):
    """One name.

    Attributes:
        is_display: it is the concept's display (of the system or of the value set), not a designation.
        status: `active`, or why the name is no longer right.
    """

    value: str
    language: str | None = None
    use: tuple[str, str] | None = None
    use_display: str | None = None
    is_display: bool = False
    status: str = "active"
    extensions: tuple[Mapping[str, Any], ...] = ()
    source: str | None = None

    @property
    def displays(self) -> bool:
        """Whether it may stand for the concept: the display, or a designation whose use doesn't say otherwise."""
        return self.is_display or self.use is None or self.use in _DISPLAY_USES

    def json(self) -> dict[str, Any]:
        """As ValueSet.expansion.contains.designation."""
        results: dict[str, Any] = {}
        shown = [entry for entry in self.extensions if entry.get("url") in _SHOWN_EXTENSIONS]
        if shown:
            results["extension"] = shown
        if self.language:
            results["language"] = self.language
        use = PREFERRED_FOR_LANGUAGE if self.is_display else self.use
        if use is not None:
            results["use"] = {"system": use[0], "code": use[1]} if use[0] else {"code": use[1]}
            if self.use_display and not self.is_display:
                results["use"]["display"] = self.use_display
        results["value"] = self.value
        return results


class Names:
    """All names of a concept, in the order of the source."""

    __slots__ = ("all",)

    def __init__(self, names: Iterable[Name]) -> None:
        self.all: Sequence[Name] = [name for name in names if name.value]

    @classmethod
    def of(
        cls,
        content: CodeSystemContent,
        detail: ConceptDetail,
        entry: Mapping[str, Any] | None = None,
        language: str | None = None,
    ) -> Names:
        """Of a concept; of its entry in a value set too, where that has names of its own.

        Args:
            entry: FHIR JSON of ValueSet.compose.include.concept.
            language: of the value set.
        """
        if not entry and not detail.designations:
            return (
                cls((Name(detail.display, content.language, is_display=True),))
                if detail.display
                else NO_NAMES
            )
        names: list[Name] = []
        own = (entry or {}).get("display")
        if isinstance(own, str) and own.strip():
            names.append(Name(own.strip(), language or content.language, is_display=True))
        if detail.display and detail.display not in (own, None):
            names.append(Name(detail.display, content.language, is_display=True))
        names.extend(_name(item) for item in detail.designations)
        for raw in (entry or {}).get("designation", ()):
            item = designation(raw)
            if item is not None:
                names.append(_name(item))
        return cls(names)

    def preferred(self, languages: Languages | None) -> Name | None:
        """The name to show: the best of the wanted languages; without any, the display."""
        if languages is None:
            return _first(self.all)
        for language in languages.wanted:
            if language.tag == "*":
                if language.quality > 0:
                    return _first(self.all)
                continue
            result = self.best(language)
            if result is not None:
                return result
        return next((name for name in self.all if name.language is None and name.displays), None)

    def best(self, language: Language) -> Name | None:
        """The name to show in one language; None where there is none that is reported to be in it."""
        for level in (3, 2, 1):
            suited = [
                name
                for name in self.all
                if name.language is not None and language.match(name.language) == level
            ]
            if suited:
                return next(
                    (name for name in suited if name.displays),
                    next((name for name in suited if name.use == _SYNONYM), suited[0]),
                )
        return None

    def matching(self, display: str, languages: Languages | None) -> tuple[Name | None, bool]:
        """The name that a display is, without regard to case (an active one before others), and whether one differs
        from it by white space alone.
        """
        suited = [name for name in self.all if languages is None or languages.accepts(name.language)]
        same = [name for name in suited if name.value.casefold() == display.casefold()]
        if same:
            return next((name for name in same if name.status == "active"), same[0]), False
        tidy = _tidy(display)
        return None, any(_tidy(name.value) == tidy for name in suited)

    def valid(self, languages: Languages | None) -> list[str]:
        """The names that would be right in the wanted languages, as a message lists them."""
        shown = [
            name
            for name in self.all
            if name.displays
            and name.status == "active"
            and (languages is None or languages.accepts(name.language))
        ]
        return [f"'{name.value}' ({name.language})" if name.language else f"'{name.value}'" for name in shown]

    def in_language(self, tag: str | None) -> Names:
        """The names in one language, and those without one."""
        if tag is None:
            return Names(name for name in self.all if name.language is None or name.is_display)
        wanted = Language(tag)
        return Names(name for name in self.all if name.language is None or wanted.match(name.language))


NO_NAMES = Names(())
"""Of a concept without any."""


def _name(item: Designation) -> Name:
    status = "active"
    for entry in item.extensions:
        if entry.get("url") == STANDARDS_STATUS and entry.get("valueCode") in (
            "withdrawn",
            "deprecated",
            "inactive",
        ):
            status = "deprecated" if entry["valueCode"] == "withdrawn" else str(entry["valueCode"])
    return Name(
        item.value,
        item.language,
        item.use,
        item.use_display,
        False,
        status,
        tuple(item.extensions),
        item.source,
    )


def _first(names: Sequence[Name]) -> Name | None:
    if names and names[0].is_display:
        return names[0]
    ranked = (
        [name for name in names if name.is_display],
        [name for name in names if name.displays and name.status == "active"],
        [name for name in names if name.displays],
        names,
    )
    return next((result[0] for result in ranked if result), None)


def _tidy(text: str) -> str:
    return " ".join(text.split()).casefold()
