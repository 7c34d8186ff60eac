"""`CodeSystem/$lookup` (R4 codesystem-operation-lookup.html)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent, ConceptDetail
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.contains import KINDS
from fhir_bridge.terminology.operations.names import PREFERRED_FOR_LANGUAGE, Name, Names
from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.operations.parameters import Parameters, answer, invalid, part
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.supplemented import SupplementedContent, canonical

__all__ = ["lookup"]


def lookup(scope: Scope, parameters: Parameters, content: CodeSystemContent | None = None) -> dict[str, Any]:
    """The concept of a code or Coding.

    Args:
        content: the code system of an operation on an instance.

    Raises:
        OperationError: the code system or the code is not available (404), or no code is named (400).
    """
    parameters.require_at_most_one("code", "coding")
    coding = parameters.coding("coding") or {}
    code = coding.get("code") or parameters.text("code")
    system, of_system = coding.get("system"), None
    if not system and (named := parameters.text("system")) is not None:
        system, of_system = versions.split_canonical(named)
    if not isinstance(code, str) or (content is None and not isinstance(system, str)):
        raise invalid("Name a code with its system, or a coding")
    scope.require_supplements(scope.options.supplements)
    if content is None:
        stated = coding.get("version") or parameters.text("version") or of_system
        version = scope.rule_version(str(system), stated)
        content = scope.code_system(str(system), version)
        if content is None:
            supplement = scope.library.supplement(str(system))
            if supplement is not None:
                raise OperationError(messages.supplement_as_system("", canonical(supplement)), status=404)
            known = scope.versions_of(str(system)) if version else []
            issue = messages.unknown_system("", str(system), version, known)
            raise OperationError(issue, status=404)
    right = content.find(code)
    detail = content.get(right) if right is not None else None
    if detail is None:
        text = f"Unable to find code '{code}' in {content.url}"
        if content.version:
            text += f" version {content.version}"
        raise OperationError(TxIssue("error", "not-found", "invalid-code", text), status=404)
    return answer(_entries(scope, content, detail))


def _entries(
    scope: Scope, content: CodeSystemContent, detail: ConceptDetail
) -> Iterator[tuple[str, str, Any]]:
    options = scope.options
    wanted = frozenset(options.properties)

    def asked(name: str) -> bool:
        return not wanted or "*" in wanted or name in wanted

    names = Names.of(content, detail)
    shown = names.preferred(options.languages) or names.preferred(None)
    yield "name", "valueString", content.name or content.title or content.url
    yield "version", "valueString", content.version
    yield "display", "valueString", shown.value if shown is not None else detail.code
    yield "code", "valueCode", detail.code
    yield "system", "valueUri", content.url
    if detail.definition and asked("definition"):
        yield "definition", "valueString", detail.definition
    yield "abstract", "valueBoolean", detail.abstract
    if isinstance(content, SupplementedContent):
        for supplement in content.supplements:
            yield "used-supplement", "valueCanonical", canonical(supplement)
    if asked("designation"):
        for name in names.all:
            yield "designation", "part", _designation(name)
    yield from _properties(content, detail, wanted)


def _designation(name: Name) -> list[dict[str, Any]]:
    results = []
    if name.language:
        results.append(part("language", "valueCode", name.language))
    if name.source:
        results.append(part("source", "valueCanonical", name.source))
    use = PREFERRED_FOR_LANGUAGE if name.is_display else name.use
    if use is not None:
        coding = {"system": use[0], "code": use[1]} if use[0] else {"code": use[1]}
        label = "Preferred For Language" if name.is_display else name.use_display
        results.append(part("use", "valueCoding", {**coding, "display": label} if label else coding))
    results.append(part("value", "valueString", name.value))
    return results


def _properties(
    content: CodeSystemContent, detail: ConceptDetail, wanted: frozenset[str]
) -> Iterator[tuple[str, str, Any]]:
    """`inactive` always (R4: a code system's own default), the others where they are asked for."""
    every = "*" in wanted
    yield "property", "part", _property("inactive", "valueBoolean", not detail.active)
    if every or "parent" in wanted:
        yield from _related(content, "parent", content.parents(detail.code))
    if every or "child" in wanted:
        yield from _related(content, "child", content.children(detail.code))
    for code, value, kind in detail.properties:
        if code != "inactive" and (every or code in wanted):
            yield "property", "part", _property(code, KINDS.get(kind, "valueString"), value)


def _related(content: CodeSystemContent, name: str, codes: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    for code in codes:
        yield "property", "part", _property(name, "valueCode", code, content.display(code))


def _property(code: str, kind: str, value: Any, description: str | None = None) -> list[dict[str, Any]]:
    results = [part("code", "valueCode", code), part("value", kind, value)]
    if description:
        results.insert(1, part("description", "valueString", description))
    return results
