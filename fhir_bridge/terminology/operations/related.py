"""`ValueSet/$related`: how two value sets relate, a candidate operation of HL7's terminology ecosystem guide.

What the definitions tell is determined from them; where they can't decide, both are expanded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fhir_bridge.terminology.operations.expand import Expander
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.parameters import answer
from fhir_bridge.terminology.operations.scope import Scope
from fhir_bridge.terminology.value_set_definitions import Part, ValueSetDefinition

__all__ = ["related"]


class _Unclear(Exception):
    """The definitions don't state it."""


def related(scope: Scope, this: ValueSetDefinition, other: ValueSetDefinition) -> dict[str, Any]:
    """`same`, `subset`, `superset`, `overlapping`, `disjoint`, `empty` or `indeterminate`, as this is to the other."""
    performed = False
    codes: tuple[list[str], list[str], list[str]] | None
    try:
        common, left, right, codes = _by_definition(scope, this, other)
    except _Unclear:
        performed = True
        try:
            common, left, right, codes = _by_expansion(scope, this, other)
        except OperationError as error:
            text = f"Unable to compare {this.canonical} and {other.canonical}: This expansion failed: {error}"
            return _answer("indeterminate", text, performed, None, scope)
    a, b = this.canonical, other.canonical
    if not common and not left and not right:
        return _answer("empty", f"Both the value sets {a} and {b} are empty", performed, None, scope)
    if not common:
        return _answer(
            "disjoint", f"No shared codes between the value sets {a} and {b}", performed, codes, scope
        )
    if left and right:
        text = f"Both value sets {a} and {b} contain the codes the other doesn't, but there is some overlap"
        return _answer("overlapping", text, performed, codes, scope)
    if left:
        text = f"The valueSet {a} is a super-set of the valueSet {b}"
        return _answer("superset", text, performed, codes, scope)
    if right:
        return _answer(
            "subset", f"The valueSet {a} is a sub-set of the valueSet {b}", performed, codes, scope
        )
    if performed:
        codes = None
    return _answer("same", f"The value sets {a} and {b} contain the same codes", performed, codes, scope)


_Codes = tuple[list[str], list[str], list[str]]
_Comparison = tuple[bool, bool, bool, _Codes | None]
"""Whether there are common codes, codes of the first alone, codes of the other alone; and these codes, where listed."""


def _answer(result: str, text: str, performed: bool, codes: _Codes | None, scope: Scope) -> dict[str, Any]:
    entries: list[tuple[str, str, Any]] = [
        ("result", "valueCode", result),
        ("message", "valueString", text),
        ("performed-expansion", "valueBoolean", performed),
    ]
    if codes is not None and scope.options.diagnostics:
        for name, listed in zip(("common-codes", "missing-codes", "extra-codes"), codes, strict=True):
            if listed:
                entries.append((name, "valueString", ",".join(listed)))
    return answer(entries)


def _by_definition(scope: Scope, this: ValueSetDefinition, other: ValueSetDefinition) -> _Comparison:
    if this.excludes or other.excludes:
        if _same(this.includes, other.includes) and _same(this.excludes, other.excludes):
            return True, False, False, None
        raise _Unclear
    if this.active_only != other.active_only or this.expanded is not None or other.expanded is not None:
        raise _Unclear
    mine, theirs = _by_system(this), _by_system(other)
    common = left = right = False
    codes: _Codes | None = None
    for system in dict.fromkeys([*mine, *theirs]):
        first, second = mine.get(system, []), theirs.get(system, [])
        if not second:
            left = True
        elif not first:
            right = True
        else:
            c, a, b, listed = _common_system(scope, system, first, second)
            common, left, right = common or c, left or a, right or b
            codes = listed or codes
    return common, left, right, codes


def _by_system(value_set: ValueSetDefinition) -> dict[str, list[Part]]:
    parts: dict[str, list[Part]] = {}
    for part in value_set.includes:
        if part.system is None or part.value_sets or (part.concepts is not None and part.filters):
            raise _Unclear
        parts.setdefault(part.system, []).append(part)
    return parts


def _common_system(scope: Scope, system: str, first: Sequence[Part], second: Sequence[Part]) -> _Comparison:
    whole = [any(part.whole for part in parts) for parts in (first, second)]
    if all(whole):
        return True, False, False, None
    versions = {part.version for part in (*first, *second)}
    if any(whole):
        if len(versions) > 1:
            raise _Unclear
        return True, whole[0], whole[1], None
    if all(part.concepts is not None for part in (*first, *second)):
        a = list(dict.fromkeys(code for part in first for code in part.concepts or ()))
        b = list(dict.fromkeys(code for part in second for code in part.concepts or ()))
        return _compared(a, b)
    if len(versions) > 1:
        raise _Unclear
    if _same(first, second):
        return True, False, False, None
    if len(first) == 1 and len(second) == 1:
        return _filters(scope, system, first[0], second[0])
    raise _Unclear


def _compared(first: Sequence[str], second: Sequence[str]) -> _Comparison:
    inside, others = set(first), set(second)
    common = sorted(code for code in first if code in others)
    missing = sorted(code for code in first if code not in others)
    extra = sorted(code for code in second if code not in inside)
    return bool(common), bool(missing), bool(extra), (common, missing, extra)


def _filters(scope: Scope, system: str, first: Part, second: Part) -> _Comparison:
    """Two `is-a` filters are determined from the hierarchy."""
    if len(first.filters) != 1 or len(second.filters) != 1:
        raise _Unclear
    a, b = first.filters[0], second.filters[0]
    if {a.op, b.op} != {"is-a"} or not {a.property, b.property} <= {"concept", "code"}:
        raise _Unclear
    content = scope.code_system(system, scope.rule_version(system, first.version))
    if content is None or content.find(a.value) is None or content.find(b.value) is None:
        raise _Unclear
    if content.is_a(a.value, b.value):
        return True, False, True, None
    if content.is_a(b.value, a.value):
        return True, True, False, None
    below = content.descendants(a.value)
    if any(content.is_a(code, b.value) for code in below):
        raise _Unclear
    return False, True, True, None


def _same(first: Sequence[Part], second: Sequence[Part]) -> bool:
    return sorted(map(_definition, first)) == sorted(map(_definition, second))


def _definition(part: Part) -> str:
    filters = sorted((item.property, item.op, item.value) for item in part.filters)
    concepts = None if part.concepts is None else sorted(part.concepts)
    return repr((part.system, part.version, concepts, filters, sorted(part.value_sets)))


def _by_expansion(scope: Scope, this: ValueSetDefinition, other: ValueSetDefinition) -> _Comparison:
    listed = []
    limits = replace(scope.options.limits, codes=scope.options.limits.imported)
    scope.options = replace(scope.options, exclude_nested=True, count=None, offset=None, limits=limits)
    for value_set in (this, other):
        expansion = Expander(scope).run(value_set)["expansion"]
        listed.append([(item["system"], item["code"]) for item in expansion.get("contains", ())])
    first, second = listed
    inside, others = set(first), set(second)
    codes = (
        [code for system, code in first if (system, code) in others],
        [code for system, code in first if (system, code) not in others],
        [code for system, code in second if (system, code) not in inside],
    )
    return bool(codes[0]), bool(codes[1]), bool(codes[2]), codes
