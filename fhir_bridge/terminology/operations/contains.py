"""An entry of an expansion: ValueSet.expansion.contains in its R5 form, where properties are elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhir_bridge.terminology.concepts import CONCEPT_PROPERTIES, PropertyNames
from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail
from fhir_bridge.terminology.operations.names import Name, Names
from fhir_bridge.terminology.operations.options import Options
from fhir_bridge.terminology.operations.status import standards_status

__all__ = ["KINDS", "Entry", "PropertyTable", "contains"]

_SD = "http://hl7.org/fhir/StructureDefinition/"
_FROM_SYSTEM = frozenset(
    _SD + name for name in ("coding-sctdescid", "rendering-style", "rendering-xhtml", "codesystem-alternate")
)
_FROM_VALUE_SET = frozenset(
    _SD + name
    for name in (
        "valueset-supplement",
        "valueset-deprecated",
        "structuredefinition-standards-status",
        "valueset-concept-definition",
        "coding-sctdescid",
        "rendering-style",
        "rendering-xhtml",
    )
)
KINDS = {
    "code": "valueCode",
    "string": "valueString",
    "Coding": "valueCoding",
    "boolean": "valueBoolean",
    "integer": "valueInteger",
    "decimal": "valueDecimal",
    "dateTime": "valueDateTime",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A selected code.

    Attributes:
        reference: FHIR JSON of the value set's own entry for it, empty where it has none.
        language: of the value set that has the entry.
    """

    content: CodeSystemContent
    code: str
    reference: Mapping[str, Any]
    language: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """System, version and code."""
        return self.content.url, self.content.version or "", self.code


@dataclass(slots=True)
class PropertyTable:
    """The properties that an expansion declares: code by uri."""

    codes: dict[str, str] = field(default_factory=dict)
    uris: dict[str, str | None] = field(default_factory=dict)

    def code(self, code: str, uri: str | None) -> str:
        """The code under which a property is in this expansion; it is declared by the first that has it."""
        if uri is None:
            self.uris.setdefault(code, None)
            return code
        known = self.codes.get(uri)
        if known is not None:
            return known
        self.codes[uri] = code
        self.uris[code] = uri
        return code

    def json(self) -> list[dict[str, Any]]:
        """As ValueSet.expansion.property."""
        return [{"code": code, **({"uri": uri} if uri else {})} for code, uri in self.uris.items()]


def contains(
    entry: Entry, detail: ConceptDetail, options: Options, table: PropertyTable, *, with_version: bool
) -> dict[str, Any]:
    """The entry."""
    content = entry.content
    results: dict[str, Any] = {}
    extensions = _extensions(entry, detail)
    if extensions:
        results["extension"] = extensions
    results["system"] = content.url
    if with_version and content.version:
        results["version"] = content.version
    if detail.abstract:
        results["abstract"] = True
    if not detail.active:
        results["inactive"] = True
    results["code"] = entry.code
    names = Names.of(content, detail, entry.reference, entry.language)
    shown = _shown(names, options)
    if shown is not None:
        results["display"] = shown.value
    designations = _designations(names, shown, options)
    if designations:
        results["designation"] = designations
    properties = _properties(entry, detail, options, table)
    if properties:
        results["property"] = [{"code": code, kind: value} for code, (kind, value) in properties.items()]
    return results


def _shown(names: Names, options: Options) -> Name | None:
    languages = options.languages
    name = names.preferred(languages)
    if name is None and languages is not None and not languages.closed:
        name = names.preferred(None)
    return name


def _designations(names: Names, shown: Name | None, options: Options) -> list[dict[str, Any]]:
    if not (options.include_designations or (options.designations and options.include_designations is None)):
        return []
    return [
        name.json()
        for name in names.all
        if name is not shown and (not options.designations or _wanted(name, options.designations))
    ]


def _wanted(name: Name, tokens: Sequence[str]) -> bool:
    for token in tokens:
        system, _, code = token.rpartition("|")
        if name.use is not None and name.use == (system, code):
            return True
        if system in ("urn:ietf:bcp:47", "") and name.language == code:
            return True
    return False


def _extensions(entry: Entry, detail: ConceptDetail) -> list[Mapping[str, Any]]:
    own = [extension for extension in detail.extensions if extension.get("url") in _FROM_SYSTEM]
    return own + [
        extension
        for extension in entry.reference.get("extension", ())
        if extension.get("url") in _FROM_VALUE_SET
    ]


def _properties(
    entry: Entry, detail: ConceptDetail, options: Options, table: PropertyTable
) -> dict[str, tuple[str, Any]]:
    results: dict[str, tuple[str, Any]] = {}

    def put(name: str, code: str, kind: str, value: Any) -> None:
        if value is not None:
            results[table.code(code, CONCEPT_PROPERTIES + name)] = (kind, value)

    put("status", "status", "valueCode", _status(entry.content, detail))
    own, listed = detail.extensions, entry.reference.get("extension", ())
    for name, code, kind, urls in (
        ("label", "label", "valueString", ("codesystem-label", "valueset-label")),
        ("order", "order", "valueDecimal", ("codesystem-conceptOrder", "valueset-conceptOrder")),
        ("itemWeight", "weight", "valueDecimal", ("itemWeight", "itemWeight")),
    ):
        value = _extension(own, _SD + urls[0])
        more = _extension(listed, _SD + urls[1])
        put(name, code, kind, value if more is None else more)
    for wanted in options.properties:
        if wanted == "definition":
            put("definition", "definition", "valueString", detail.definition)
        elif wanted in ("parent", "child"):
            codes = getattr(entry.content, "parents" if wanted == "parent" else "children")(entry.code)
            put(wanted, wanted, "valueCode", codes[0] if codes else None)
        else:
            uris = {item.code: item.uri for item in entry.content.properties}
            for code, value, kind in detail.properties:
                if wanted in (code, "*"):
                    results[table.code(code, uris.get(code))] = (KINDS.get(kind, "valueString"), value)
    return results


def _status(content: CodeSystemContent, detail: ConceptDetail) -> str | None:
    for name in sorted(PropertyNames(content.properties).status):
        for value in detail.values(name):
            if str(value).casefold() != "active":
                return str(value)
    return standards_status({"extension": detail.extensions})


def _extension(extensions: Sequence[Mapping[str, Any]], url: str) -> Any:
    for extension in extensions:
        if extension.get("url") == url:
            return next((extension[key] for key in extension if key.startswith("value")), None)
    return None
