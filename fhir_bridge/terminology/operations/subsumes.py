"""`CodeSystem/$subsumes` (R4 codesystem-operation-subsumes.html)."""

from __future__ import annotations

from typing import Any, Literal

from fhir_bridge.terminology import versions
from fhir_bridge.terminology.content import CodeSystemContent
from fhir_bridge.terminology.operations import messages
from fhir_bridge.terminology.operations.outcomes import OperationError
from fhir_bridge.terminology.operations.parameters import Parameters, answer, invalid
from fhir_bridge.terminology.operations.scope import Scope

__all__ = ["Subsumption", "relation", "subsumes"]

Subsumption = Literal["equivalent", "subsumes", "subsumed-by", "not-subsumed"]
"""How one concept is to another (R4 concept-subsumption-outcome)."""


def subsumes(
    scope: Scope, parameters: Parameters, content: CodeSystemContent | None = None
) -> dict[str, Any]:
    """How concept A relates to concept B.

    Raises:
        OperationError: the code system is not available, lacks a code, or the request names none.
    """
    parameters.require_at_most_one("codeA", "codingA")
    parameters.require_at_most_one("codeB", "codingB")
    first, second = parameters.coding("codingA") or {}, parameters.coding("codingB") or {}
    code_a = first.get("code") or parameters.text("codeA")
    code_b = second.get("code") or parameters.text("codeB")
    named, of_system = versions.split_canonical(parameters.text("system") or "")
    system = first.get("system") or second.get("system") or named or None
    if len({item for item in (system, second.get("system"), named) if item}) > 1:
        raise invalid("codingA and codingB are of different code systems, which nothing relates")
    details = (first.get("version"), second.get("version"), parameters.text("version"), of_system)
    stated = [item for item in details if item]
    if len(set(stated)) > 1:
        raise invalid(
            f"The codes are of different versions of {system} ({' and '.join(map(str, dict.fromkeys(stated)))}):"
            " ask for both in one version"
        )
    if not isinstance(code_a, str) or not isinstance(code_b, str):
        raise invalid("Name two codes (codeA, codeB) with their system, or two codings")
    if content is None:
        if not isinstance(system, str):
            raise invalid("Name the code system of the codes (system)")
        version = scope.rule_version(system, stated[0] if stated else None)
        content = scope.code_system(system, version)
        if content is None:
            known = scope.versions_of(system) if version else []
            raise OperationError(messages.unknown_system("", system, version, known), status=404)
    results = []
    for name, code in (("codeA", code_a), ("codeB", code_b)):
        right = content.find(code)
        if right is None:
            issue = messages.unknown_code(name, code, content.url, content.version)
            raise OperationError(issue, status=404)
        results.append(right)
    return answer([("outcome", "valueCode", relation(content, results[0], results[1]))])


def relation(content: CodeSystemContent, first: str, second: str) -> Subsumption:
    """How the first is to the second, of two codes that exist."""
    if first == second:
        return "equivalent"
    if content.is_a(second, first):
        return "subsumes"
    return "subsumed-by" if content.is_a(first, second) else "not-subsumed"
