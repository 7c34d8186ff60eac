"""`ConceptMap/$translate`, both ways (R4 conceptmap-operation-translate.html; the names of R5 are read too)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.maps import MapContent, ResourceMap, other_map, unmapped_target
from fhir_bridge.terminology.operations.outcomes import OperationError, TxIssue
from fhir_bridge.terminology.operations.parameters import Parameters, answer, invalid, part
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.operations.selection import Selector

__all__ = ["EQUIVALENCE_TO_RELATIONSHIP", "translate"]

EQUIVALENCE_TO_RELATIONSHIP = {
    "equal": "equivalent",
    "equivalent": "equivalent",
    "relatedto": "related-to",
    "inexact": "related-to",
    "wider": "source-is-narrower-than-target",
    "subsumes": "source-is-narrower-than-target",
    "narrower": "source-is-broader-than-target",
    "specializes": "source-is-broader-than-target",
    "unmatched": "not-related-to",
    "disjoint": "not-related-to",
}
"""R4's ConceptMap equivalence as R5's relationship. R4 says what the target is to the source, R5 the reverse."""

_TO_EQUIVALENCE = {
    "equivalent": "equivalent",
    "related-to": "relatedto",
    "source-is-narrower-than-target": "wider",
    "source-is-broader-than-target": "narrower",
    "not-related-to": "unmatched",
}
_REVERSED = {
    "wider": "narrower",
    "narrower": "wider",
    "subsumes": "specializes",
    "specializes": "subsumes",
}
_NO_MATCH = frozenset({"unmatched", "disjoint"})


@dataclass(frozen=True, slots=True)
class _TranslationRequest:
    """What is to be translated, and into what.

    Attributes:
        reverse: whether the code is on the map's target side.
        outcome_is_source: whether the match's `concept` is then the one on the source side, as R4's `reverse` has it;
            for a target code (R5) that is the match's `source`.
        dependencies: values of other elements that rows may depend on, by uri.
    """

    system: str | None
    version: str | None
    code: str
    reverse: bool
    source: str | None
    target: str | None
    target_system: str | None
    outcome_is_source: bool
    dependencies: Mapping[str, frozenset[str]]


def translate(
    scope: Scope, parameters: Parameters, concept_map: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The matches of a code in one map, or in all that are available.

    Args:
        concept_map: the map of an operation on an instance.

    Raises:
        OperationError: no code is named (400), or the named map is not available (404).
    """
    questions = _translation_request(parameters)
    missing: dict[str, None] = {}
    matches: list[tuple[str, list[dict[str, Any]]]] = []
    for question in questions:
        maps = [ResourceMap(concept_map)] if concept_map is not None else _maps(scope, parameters)
        wanted = _wanted(scope, question)
        for content in maps:
            if _in_scope(content.resource, question):
                matches += (match for match in _by_map(scope, content, question, missing) if wanted(match[1]))
    result = any(match[0] not in _NO_MATCH for match in matches)
    entries: list[tuple[str, str, Any]] = [("result", "valueBoolean", result)]
    if not result:
        named = ", ".join(
            f"{question.system}#{question.code}" if question.system else question.code
            for question in questions
        )
        messages = [f"No translation was found for {named}"]
        messages += [
            f"the ConceptMap {question} that is to be asked too is not available" for question in missing
        ]
        entries.append(("message", "valueString", "; ".join(messages)))
    entries += [("match", "part", parts) for _, parts in matches]
    return answer(entries)


def _by_map(
    scope: Scope, first: MapContent, request: _TranslationRequest, missing: dict[str, None]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The matches of one map and of those that it leaves to what it has no row for, each asked once.

    Args:
        missing: gets the canonicals of maps that are not available.
    """
    waiting, seen = [first], set()
    while waiting:
        item = waiting.pop(0)
        # Maps may leave codes to each other in a circle.
        seen.add(_canonical(item.resource))
        others: list[str] = []
        yield from _matches(item.about(request.code, reverse=request.reverse), request, others)
        for reference in others:
            other = _named(scope, *versions.split_canonical(reference))
            if other is None:
                missing[reference] = None
            elif _canonical(other.resource) not in seen:
                waiting.append(other)


def _wanted(scope: Scope, request: _TranslationRequest) -> Callable[[list[dict[str, Any]]], bool]:
    """Tests whether a match is of the value set in which the translation is sought, as far as that is available: a map
    need not say between which value sets it is."""
    sought = None if request.target is None else scope.value_set(request.target)
    if sought is None:
        return lambda _: True
    selector = Selector(scope)
    outcome = "source" if request.reverse and not request.outcome_is_source else "concept"

    def of_it(parts: list[dict[str, Any]]) -> bool:
        coding: Mapping[str, Any] = next(
            (item["valueCoding"] for item in parts if item["name"] == outcome), {}
        )
        return (
            "code" not in coding or selector.member(sought, coding.get("system"), coding["code"]) is not False
        )

    return of_it


def _translation_request(parameters: Parameters) -> list[_TranslationRequest]:
    """What is to be translated; of a CodeableConcept each of its codings (R4: all of them)."""
    reverse = parameters.flag("reverse") is True
    codings = _codings(parameters, "sourceCoding", "coding", "sourceCodeableConcept", "codeableConcept")
    system = parameters.text("sourceSystem", "system")
    if not codings and (code := parameters.text("sourceCode", "code")) is not None:
        codings = [{"system": system, "code": code, "version": parameters.text("sourceVersion", "version")}]
    target_system = parameters.text("targetSystem", "targetsystem")
    outcome_is_source = reverse
    if not codings:
        codings = _codings(parameters, "targetCoding", "targetCodeableConcept")
        if not codings and (code := parameters.text("targetCode")) is not None:
            codings = [{"system": target_system, "code": code}]
        reverse, target_system = True, system
    codings = [coding for coding in codings if isinstance(coding.get("code"), str)]
    if not codings:
        raise invalid("Name a code to translate: code with system, coding, codeableConcept, or a target code")
    return [
        _TranslationRequest(
            coding.get("system"),
            coding.get("version"),
            coding["code"],
            reverse,
            parameters.text("sourceScope", "source"),
            parameters.text("targetScope", "target"),
            target_system,
            outcome_is_source,
            _dependencies(parameters),
        )
        for coding in codings
    ]


def _codings(parameters: Parameters, *names: str) -> list[Mapping[str, Any]]:
    """The codings of the first of these parameters that has any."""
    for name in names:
        if name.endswith("Concept"):
            concept = parameters.concept(name) or {}
            codings = [item for item in concept.get("coding", ()) if isinstance(item, Mapping)]
            if codings:
                return codings
        elif (result := parameters.coding(name)) is not None:
            return [result]
    return []


def _dependencies(parameters: Parameters) -> Mapping[str, frozenset[str]]:
    """The values that the request states of other elements (`dependency`), by the element's uri.

    R4 gives each as a CodeableConcept, whose codes and text count as its values; R5 as any value of `attribute`.
    """
    results: dict[str, set[str]] = {}
    for entry in parameters.all("dependency"):
        parts = {
            coding.get("name"): coding for coding in entry.get("part", ()) if isinstance(coding, Mapping)
        }
        element = _value(parts.get("element") or parts.get("attribute"))
        value = _value(parts.get("concept") or parts.get("value"))
        if not isinstance(element, str):
            continue
        values = results.setdefault(element, set())
        if isinstance(value, Mapping):
            codings = [value, *(value.get("coding") or ())]
            values.update(
                str(coding["code"]) for coding in codings if isinstance(coding, Mapping) and "code" in coding
            )
            value = value.get("text")
        if value is not None:
            values.add(str(value))
    return {element: frozenset(values) for element, values in results.items()}


def _value(entry: Mapping[str, Any] | None) -> Any:
    return next((value for key, value in (entry or {}).items() if key.startswith("value")), None)


def _maps(scope: Scope, parameters: Parameters) -> Sequence[MapContent]:
    resources = parameters.resources("conceptMap")
    if resources:
        return [ResourceMap(item) for item in resources]
    named = parameters.text("url")
    if named is None:
        return scope.library.concept_maps
    url, version = versions.split_canonical(named)
    version = parameters.text("conceptMapVersion") or version
    result = _named(scope, url, version)
    if result is None:
        what = f"{url}|{version}" if version else url
        issue = TxIssue(
            "error", "not-found", "not-found", f"A definition for the ConceptMap '{what}' could not be found"
        )
        raise OperationError(issue, status=404)
    return [result]


def _named(scope: Scope, url: str, version: str | None) -> MapContent | None:
    """The map of this url: this version, or the newest."""
    results = [
        concept_map for concept_map in scope.library.concept_maps if concept_map.resource.get("url") == url
    ]
    if version is not None:
        results = [concept_map for concept_map in results if versions.matches(version, _version(concept_map))]
    best = versions.newest(_version(concept_map) for concept_map in results)
    return (
        None
        if best is None
        else next(concept_map for concept_map in results if _version(concept_map) == best)
    )


def _version(content: MapContent) -> str:
    return str(content.resource.get("version") or "")


def _matches(
    resource: Mapping[str, Any], request: _TranslationRequest, others: list[str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Equivalence and parts of each match in one map.

    Args:
        others: gets the canonicals of maps that groups leave the code to.
    """
    for group in resource.get("group", ()):
        if not isinstance(group, Mapping):
            continue
        source, target = _system(group.get("source")), _system(group.get("target"))
        near, far = (target, source) if request.reverse else (source, target)
        if request.system is not None and near is not None and near != request.system:
            continue
        if request.target_system is not None and far != request.target_system:
            continue
        result = False
        for element, row in _rows(group):
            mine = row.get("code") if request.reverse else element.get("code")
            if mine != request.code:
                continue
            result = True
            if not _applies(row, request):
                continue
            yield _match(resource, element, row, source, target, request)
        if not result and not request.reverse:
            instead = unmapped_target(group, request.code)
            if instead is not None:
                yield _match(resource, {"code": request.code}, instead, source, target, request)
            elif (other := other_map(group)) is not None:
                others.append(other)


def _applies(row: Mapping[str, Any], request: _TranslationRequest) -> bool:
    """Whether nothing in the request contradicts the row; what it does not state is left to the reader."""
    for item in row.get("dependsOn", ()):
        known = request.dependencies.get(str(item.get("property", item.get("attribute", ""))))
        if known is not None and str(_value(item)) not in known:
            return False
    return True


def _rows(group: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    for element in group.get("element", ()):
        if isinstance(element, Mapping):
            targets = element.get("target", ())
            # R5's way to say that there is no target.
            if element.get("noMap") is True:
                yield element, {"equivalence": "unmatched"}
            for row in targets:
                if isinstance(row, Mapping):
                    yield element, row


def _match(
    resource: Mapping[str, Any],
    element: Mapping[str, Any],
    row: Mapping[str, Any],
    source: str | None,
    target: str | None,
    request: _TranslationRequest,
) -> tuple[str, list[dict[str, Any]]]:
    equivalence = row.get("equivalence") or _TO_EQUIVALENCE.get(str(row.get("relationship")), "relatedto")
    if request.reverse:
        equivalence = _REVERSED.get(equivalence, equivalence)
    parts = [
        part("equivalence", "valueCode", equivalence),
        part("relationship", "valueCode", EQUIVALENCE_TO_RELATIONSHIP.get(equivalence, "related-to")),
    ]
    there = _some(
        system=target, code=row.get("code"), display=None if request.reverse else row.get("display")
    )
    here = _some(system=source, code=element.get("code"), display=element.get("display"))
    if request.outcome_is_source:
        parts.append(part("concept", "valueCoding", here))
    else:
        if "code" in there:
            parts.append(part("concept", "valueCoding", there))
        if request.reverse:
            parts.append(part("source", "valueCoding", here))
    parts.append(part("originMap", "valueCanonical", _canonical(resource)))
    for name in ("product", "dependsOn"):
        parts.extend(part(name, "part", _product(item)) for item in row.get(name, ()))
    if isinstance(row.get("comment"), str):
        parts.append(part("message", "valueString", row["comment"]))
    return equivalence, parts


def _product(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A `product` or `dependsOn` of a row, which have the same parts."""
    value = _value(item)
    coding = (
        value
        if isinstance(value, Mapping)
        else _some(
            system=item.get("system"), code=None if value is None else str(value), display=item.get("display")
        )
    )
    element = str(item.get("property", item.get("attribute", "")))
    return [part("element", "valueUri", element), part("concept", "valueCoding", coding)]


def _some(**values: Any) -> dict[str, Any]:
    """Without what is not stated."""
    return {name: value for name, value in values.items() if value is not None}


def _in_scope(resource: Mapping[str, Any], request: _TranslationRequest) -> bool:
    """Whether the map is between the value sets that the request names."""
    source = _scope_of(resource, "source")
    target = _scope_of(resource, "target")
    wanted_source, wanted_target = (
        (request.target, request.source) if request.reverse else (request.source, request.target)
    )
    return all(
        wanted is None or known is None or _system(known) == _system(wanted)
        for known, wanted in ((source, wanted_source), (target, wanted_target))
    )


def _scope_of(resource: Mapping[str, Any], side: str) -> str | None:
    for name in (f"{side}Canonical", f"{side}Uri", f"{side}ScopeCanonical", f"{side}ScopeUri"):
        if isinstance(resource.get(name), str):
            return str(resource[name])
    return None


def _system(canonical: Any) -> str | None:
    return canonical.split("|")[0] if isinstance(canonical, str) else None


def _canonical(resource: Mapping[str, Any]) -> str:
    url, version = resource.get("url", ""), resource.get("version")
    return f"{url}|{version}" if version else str(url)
