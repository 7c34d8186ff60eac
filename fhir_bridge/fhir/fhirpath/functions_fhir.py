"""FHIR's own functions (R4 fhirpath.html#functions), reflection, and SQL-on-FHIR's keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_bridge.fhir.definitions import Profile
from fhir_bridge.fhir.fhirpath.environment import Frame
from fhir_bridge.fhir.fhirpath.errors import FHIRPathError
from fhir_bridge.fhir.fhirpath.fhir_types import TYPE_INFO
from fhir_bridge.fhir.fhirpath.items import Item, boolean, member, single, string
from fhir_bridge.fhir.fhirpath.references import reference_key, reference_of, resolve, resource_key
from fhir_bridge.fhir.fhirpath.registry import function, text_of, type_of
from fhir_bridge.fhir.ports import ConformancePort

__all__: list[str] = []

Items = list[Item]


@function("extension", 1)
def _extension(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    url = text_of(arguments[0](frame), "extension()")
    result: Items = []
    if url is not None:
        for item in items:
            member(item, "extension", result)
    return [e for e in result if isinstance(e.value, dict) and e.value.get("url") == url]


@function("hasExtension", 1)
def _has_extension(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return boolean(bool(_extension(items, arguments, frame)))


@function("hasValue")
def _has_value(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return boolean(len(items) == 1 and items[0].kind.primitive and items[0].value is not None)


@function("getValue")
def _get_value(items: Items, _: Sequence[Any], __: Frame) -> Items:
    if len(items) != 1 or not items[0].kind.primitive or items[0].value is None:
        return []
    return [Item(items[0].value, items[0].kind)]


@function("resolve")
def _resolve(items: Items, _: Sequence[Any], frame: Frame) -> Items:
    result: Items = []
    for item in items:
        target = resolve(item, frame.env)
        if target is not None:
            result.append(target)
    return result


@function("type")
def _type(items: Items, _: Sequence[Any], __: Frame) -> Items:
    return [
        Item({"namespace": "System" if item.kind.system else "FHIR", "name": item.kind.name}, TYPE_INFO)
        for item in items
    ]


@function("is", 1, takes_type=True)
def _is(items: Items, arguments: Sequence[Any], _: Frame) -> Items:
    item = single(items, "is()")
    return [] if item is None else boolean(type_of(arguments[0]).covers(item.kind))


@function("as", 1, takes_type=True)
def _as(items: Items, arguments: Sequence[Any], _: Frame) -> Items:
    single(items, "as()")
    return type_of(arguments[0]).filter(items)


# --- definitions and profiles -----------------------------------------------------------------------------------------


@function("conformsTo", 1)
def _conforms_to(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    """By the validator that the caller gives: no issue of severity error or fatal."""
    item = single(items, "conformsTo()")
    url = text_of(arguments[0](frame), "conformsTo()")
    if item is None or url is None:
        return []
    # A profile that is not known can't be conformed to or not: an error, no false answer.
    wanted = frame.env.definitions.structure(url)
    if wanted is None:
        raise FHIRPathError(f"conformsTo() doesn't know the structure {url}")
    if not isinstance(item.value, dict) or not item.kind.is_resource:
        raise FHIRPathError(f"conformsTo() takes a resource, found {item.type}")
    if not item.kind.is_a(wanted.type):
        return boolean(False)
    profiles = (url,) if isinstance(wanted, Profile) else ()
    return boolean(_conformance(frame, "conformsTo()").conforms(item.value, profiles, frame.env.terminology))


def _conformance(frame: Frame, what: str) -> ConformancePort:
    if frame.env.conformance is None:
        raise FHIRPathError(f"{what} needs a validator, and this evaluation was given none (conformance=)")
    return frame.env.conformance


@function("elementDefinition")
def _element_definition(_: Items, __: Sequence[Any], ___: Frame) -> Items:
    raise FHIRPathError("elementDefinition() needs the full definitions, which are not kept here")


@function("slice", 2)
def _slice(_: Items, __: Sequence[Any], ___: Frame) -> Items:
    raise FHIRPathError("slice() is not answered here: say what the slice's discriminator says in where()")


@function("checkModifiers", 0, None)
def _check_modifiers(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    allowed = {text_of(argument(frame), "checkModifiers()") for argument in arguments}
    for item in items:
        extensions: Items = []
        member(item, "modifierExtension", extensions)
        for extension in extensions:
            url = extension.value.get("url") if isinstance(extension.value, dict) else None
            if url not in allowed:
                raise FHIRPathError(f"the modifier extension {url} was not expected")
    return items


@function("htmlChecks")
def _html_checks(items: Items, _: Sequence[Any], frame: Frame) -> Items:
    text = text_of(items, "htmlChecks()")
    if text is None:
        return []
    return boolean(_conformance(frame, "htmlChecks()").narrative_problem(text) is None)


# --- terminology ------------------------------------------------------------------------------------------------------


def _codings(item: Item) -> list[tuple[str | None, str]]:
    """(system, code) of a code, Coding, CodeableConcept or Quantity; a bare code has no system."""
    value = item.value
    if isinstance(value, str):
        return [(None, value)]
    if not isinstance(value, dict):
        return []
    parts = value.get("coding") if item.kind.name == "CodeableConcept" else [value]
    results: list[tuple[str | None, str]] = []
    for part in parts if isinstance(parts, list) else ():
        code, system = (part.get("code"), part.get("system")) if isinstance(part, dict) else (None, None)
        if isinstance(code, str):
            results.append((system if isinstance(system, str) else "", code))
    return results


@function("memberOf", 1)
def _member_of(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    item = single(items, "memberOf()")
    url = text_of(arguments[0](frame), "memberOf()")
    if item is None or url is None:
        return []
    answers = [_in_value_set(url, system, code, frame) for system, code in _codings(item)]
    # One member is enough; only an undecided coding without any member is an error.
    if any(answer is True for answer in answers):
        return boolean(True)
    if any(answer is None for answer in answers):
        raise FHIRPathError(f"memberOf() can't decide: the value set {url} is not available")
    return boolean(False)


def _in_value_set(url: str, system: str | None, code: str, frame: Frame) -> bool | None:
    known = frame.env.definitions.value_set(url)
    answer = known.member(system, code) if known is not None else None
    if answer is None and frame.env.terminology is not None:
        return frame.env.terminology.member(url, system, code)
    return answer


def _subsumption(items: Items, arguments: Sequence[Any], frame: Frame, name: str, *, up: bool) -> Items:
    first, second = single(items, name), single(arguments[0](frame), name)
    if first is None or second is None:
        return []
    undecided = ""
    for system, code in _codings(first):
        for other, other_code in _codings(second):
            if not system or system != other:
                # Codes of two systems, or of none, never subsume each other.
                continue
            if code == other_code:
                return boolean(True)
            known = frame.env.definitions.code_system(system)
            if known is None:
                undecided = system
            elif (code in known.ancestors(other_code)) if up else (code in known.descendants(other_code)):
                return boolean(True)
    if undecided:
        raise FHIRPathError(f"{name} can't decide: the code system {undecided} is not available")
    return boolean(False)


@function("subsumes", 1)
def _subsumes(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return _subsumption(items, arguments, frame, "subsumes()", up=True)


@function("subsumedBy", 1)
def _subsumed_by(items: Items, arguments: Sequence[Any], frame: Frame) -> Items:
    return _subsumption(items, arguments, frame, "subsumedBy()", up=False)


# --- SQL on FHIR ----------------------------------------------------------------------------------------------------


@function("getResourceKey")
def _resource_key(items: Items, _: Sequence[Any], __: Frame) -> Items:
    keys = [
        resource_key(item.value, item.kind.name)
        for item in items
        if item.kind.is_resource and isinstance(item.value, dict)
    ]
    return [item for key in keys if key is not None for item in string(key)]


@function("getReferenceKey", 0, 1, takes_type=True)
def _reference_key(items: Items, arguments: Sequence[Any], _: Frame) -> Items:
    wanted = type_of(arguments[0]).fhir if arguments else None
    keys = [reference_key(reference_of(item), wanted) for item in items]
    return [item for key in keys if key is not None for item in string(key)]
