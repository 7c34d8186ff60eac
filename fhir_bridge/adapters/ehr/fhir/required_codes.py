"""Codes of elements with a required binding, as R4 writes them: vendors write `ACTIVE`, `In Progress`, `refuted `."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from fhir_bridge.adapters.ehr.fhir.members import member_of
from fhir_bridge.fhir.definitions import Element, find_type, value_set

__all__ = ["with_required_codes"]

_CONCEPTS: Final = ("CodeableConcept", "Coding")
_WORDS: Final = re.compile(r"[\s_]+")
_LEFT: Final = frozenset(("Extension", "Narrative", "Reference", "xhtml"))
"""Types that hold no such code."""


class _Codes(NamedTuple):
    """The codes of a value set: those that are right, and a right one (system, code) of each as it may be written."""

    right: frozenset[tuple[str, str]]
    spelled: Mapping[str, tuple[str, str]]


class _Member(NamedTuple):
    """What a JSON member of a type is: its type, the path of its own members, the codes that it takes."""

    kind: str
    path: str | None
    codes: _Codes | None


def with_required_codes(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The resource with these codes; the very same where all are right, or none of R4's in other letters."""
    built: Mapping[str, Any] = _walk(resource, str(resource.get("resourceType")), None)
    return built


def _walk(value: Any, kind: str, path: str | None) -> Any:
    if isinstance(value, list):
        items = [_walk(item, kind, path) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if not isinstance(value, Mapping):
        return value
    kind = str(value.get("resourceType", kind)) if path is None else kind
    changed: dict[str, Any] = {}
    for name, item in value.items():
        member = _member(kind, path, name) if isinstance(name, str) else None
        if member is None:
            continue
        new = _walk(item, member.kind, member.path) if member.codes is None else _coded(item, member)
        if new is not item:
            changed[name] = new
    return {**value, **changed} if changed else value


@cache
def _member(kind: str, path: str | None, name: str) -> _Member | None:
    member = member_of(kind, path, name)
    if member is None:
        return None
    element, of = member.element, member.type
    if of in _LEFT:
        return None
    codes = _codes_of(element) if of in ("code", *_CONCEPTS) else None
    if codes is None and find_type(of) is None:
        return None
    return _Member(member.kind, member.path, codes)


def _codes_of(element: Element) -> _Codes | None:
    binding = element.binding
    if binding is None or binding.strength != "required" or binding.value_set is None:
        return None
    listed = value_set(binding.value_set)
    if listed is None or not listed.complete:
        return None
    right = frozenset((system, code) for system, codes in listed.codes.items() for code in codes)
    spelled: dict[str, tuple[str, str]] = {}
    for system, code in sorted(right):
        if spelled.setdefault(_spelling(code), (system, code)) != (system, code):
            return None  # letters distinguish codes here
    return _Codes(right, MappingProxyType(spelled))


def _spelling(text: str) -> str:
    return _WORDS.sub("-", text.strip().lower())


def _coded(value: Any, member: _Member) -> Any:
    codes = member.codes
    if codes is None:
        return value
    if isinstance(value, list):
        items = [_coded(item, member) for item in value]
        return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
    if isinstance(value, str):
        if any(code == value for _, code in codes.right):
            return value
        known = codes.spelled.get(_spelling(value))
        return known[1] if known is not None else value
    if not isinstance(value, Mapping):
        return value
    codings = value.get("coding")
    if codings is None and "text" not in value:
        return _coding(value, codes)
    listed = codings if isinstance(codings, list) else []
    corrected = [_coding(coding, codes) for coding in listed]
    if not any(_is_right(coding, codes) for coding in corrected):
        known = codes.spelled.get(_spelling(str(value.get("text") or "")))
        if known is not None:
            corrected = [{"system": known[0], "code": known[1]}, *corrected]
    if len(corrected) == len(listed) and all(new is old for new, old in zip(corrected, listed, strict=True)):
        return value
    return {**value, "coding": corrected}


def _is_right(coding: Any, codes: _Codes) -> bool:
    return isinstance(coding, Mapping) and (coding.get("system"), coding.get("code")) in codes.right


def _coding(coding: Any, codes: _Codes) -> Any:
    """A coding of the value set's system, or of none, with the code as it is written there."""
    if not isinstance(coding, Mapping) or _is_right(coding, codes) or not isinstance(coding.get("code"), str):
        return coding
    known = codes.spelled.get(_spelling(coding["code"]))
    if known is None or coding.get("system") not in (None, "", known[0]):
        return coding
    return {**coding, "system": known[0], "code": known[1]}
