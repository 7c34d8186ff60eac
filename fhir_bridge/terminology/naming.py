"""Names of codes in the reader's language, so that a record made in one country reads in another.

Nothing of the source is changed: its display and text stay, the name in the other language is beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fhir_bridge.terminology.operations.languages import Language
from fhir_bridge.terminology.operations.names import Names as ConceptNames
from fhir_bridge.terminology.service import Terminology

__all__ = ["TRANSLATION", "Names", "language_of"]

TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
"""R4's extension for a text in another language (languages.html#ext)."""

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_MANY = 20_000


def language_of(header: str) -> str | None:
    """The language that an Accept-Language header (RFC 9110 §12.5.4) likes best; None where it names none."""
    liked: list[tuple[float, str]] = []
    for part in header[:1000].split(","):
        tag, _, more = part.strip().partition(";")
        weight = more.strip().removeprefix("q=") or "1"
        if _TAG.fullmatch(tag) and re.fullmatch(r"[01](\.\d{0,3})?", weight):
            liked.append((-float(weight), tag))
    best = min(liked, key=lambda item: item[0], default=(0.0, ""))
    return best[1] if best[0] else None


class Names:
    """Names in one language: of the code systems' own designations, then of supplements; what is a name to show goes
    before what is a synonym."""

    def __init__(self, terminology: Terminology, language: str) -> None:
        """Names in a language.

        Args:
            language: BCP-47 tag; `de` is content with `de-CH`, and `de-CH` with `de` where there is nothing nearer.

        Raises:
            ValueError: it is no language tag.
        """
        if not _TAG.fullmatch(language):
            raise ValueError(f"{language!r} is no language tag (en, de-CH, …)")
        self.language = language
        self._wanted = Language(language)
        self._terminology = terminology
        self.of = lru_cache(_MANY)(self._of)
        """Name of a concept: `of(system, code)`; None where there is none in this language."""

    def concept(self, concept: Mapping[str, Any]) -> str | None:
        """Name of a CodeableConcept: of its first coding that has one."""
        codings = concept.get("coding", ())
        named = (self.of(c["system"], c["code"]) for c in codings if "system" in c and "code" in c)
        return next((name for name in named if name), None)

    def localized(self, resource: Mapping[str, Any]) -> dict[str, Any]:
        """A copy of a resource in which the display of each coding has its translation beside it (`_display`)."""
        results: dict[str, Any] = self._localized(resource)
        return results

    def _localized(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._localized(item) for item in node]
        if not isinstance(node, Mapping):
            return node
        results = {name: self._localized(value) for name, value in node.items()}
        system, code, display = results.get("system"), results.get("code"), results.get("display")
        if isinstance(system, str) and isinstance(code, str) and isinstance(display, str):
            name = self.of(system, code)
            if name is not None and name != display:
                results["_display"] = _translated(results.get("_display"), self.language, name)
        return results

    def _of(self, system: str, code: str) -> str | None:
        near, name = 0, None
        for content in self._terminology.contents(system):
            detail = content.get(code)
            result = None if detail is None else ConceptNames.of(content, detail).best(self._wanted)
            level = 0 if result is None else self._wanted.match(result.language or "")
            if result is not None and level > near:
                near, name = level, result.value
        return name


def _translated(element: Any, language: str, text: str) -> dict[str, Any]:
    """The companion of a primitive with one more translation; one in the same language stays."""
    companion = dict(element) if isinstance(element, Mapping) else {}
    extensions = list(companion.get("extension", ()))
    for extension in extensions:
        parts = extension.get("extension", ()) if extension.get("url") == TRANSLATION else ()
        if any(part.get("url") == "lang" and part.get("valueCode") == language for part in parts):
            return companion
    parts = [{"url": "lang", "valueCode": language}, {"url": "content", "valueString": text}]
    companion["extension"] = [*extensions, {"url": TRANSLATION, "extension": parts}]
    return companion
