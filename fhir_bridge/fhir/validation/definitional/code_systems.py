"""CodeSystems: their count, the value set of all their codes, supplements (R4 codesystem.html)."""

from __future__ import annotations

from typing import Any

from fhir_bridge.fhir.validation.bindings import lacks
from fhir_bridge.fhir.validation.definitional.available import available_value_set
from fhir_bridge.fhir.validation.definitional.objects import objects, text
from fhir_bridge.fhir.validation.run import Path, Run

__all__ = ["check_code_system"]


def check_code_system(value: Any, path: Path, run: Run) -> None:
    """`count` counts a complete content, `valueSet` has all codes and no others, a supplement adds to known codes."""
    concepts = _concepts(value, path)
    content = value.get("content")
    count = value.get("count")
    if content == "complete" and concepts and type(count) is int and count != len(concepts):
        run.add(
            "FB-FHIR-016", f"{len(concepts)} concepts are defined, count says {count}", (path, "count", -1)
        )
    if content == "not-present" and concepts:
        message = "concepts are defined where content says that none is present"
        run.add("FB-FHIR-090", message, (path, "concept", -1))
    if "valueSet" in value:
        _check_value_set(text(value, "url"), text(value, "valueSet"), (path, "valueSet", -1), run)
    _check_supplement(text(value, "supplements"), content, concepts, path, run)


def _concepts(value: dict[str, Any], path: Path) -> list[tuple[dict[str, Any], Path]]:
    """All concepts, those below others included."""
    results: list[tuple[dict[str, Any], Path]] = []
    todo = [(value, path)]
    while todo:
        holder, here = todo.pop()
        inner = list(objects(holder, "concept", here))
        results += inner
        todo += inner
    return results


def _check_value_set(url: str, canonical: str, path: Path, run: Run) -> None:
    """R4 CodeSystem.valueSet: all codes of this system and no others, as far as value set and system are available."""
    listed = available_value_set(canonical, run.definitions)
    if listed is None or not url:
        return
    known = run.definitions.code_system(url)
    systems = {*listed.codes, *(include.system for include in listed.open)} - {"", url}
    if known is not None:
        # a value set of another publication may list the same codes under the system that they stood in before
        systems = {s for s in systems if s not in listed.codes or listed.codes[s] - known.concepts.keys()}
    if systems:
        named = ", ".join(sorted(systems)[:3])
        run.add("FB-FHIR-090", f"{canonical} has codes of {named}, expected those of {url} alone", path)
    elif known is not None and listed.complete and url in listed.codes:
        left = sorted(known.concepts.keys() - listed.codes[url])
        if left:
            message = f"{canonical} lacks '{left[0][:80]}', expected all {len(known.concepts)} codes of {url}"
            run.add("FB-FHIR-090", message, path)


def _check_supplement(
    supplemented: str, content: Any, concepts: list[tuple[dict[str, Any], Path]], path: Path, run: Run
) -> None:
    """R4 CodeSystem.supplements goes with content `supplement`, and the concepts are those of that system."""
    if bool(supplemented) != (content == "supplement") and isinstance(content, str):
        message = (
            f"content is '{content[:32]}' and supplements {'names' if supplemented else 'lacks'} a system"
        )
        run.add("FB-FHIR-090", f"{message}, expected both of a supplement", (path, "content", -1))
    system = supplemented.partition("|")[0]
    for concept, here in concepts if system else ():
        code = concept.get("code")
        if isinstance(code, str) and lacks(system, code, run):
            run.add("FB-FHIR-022", f"{system} has no code '{code[:80]}'", (here, "code", -1))
