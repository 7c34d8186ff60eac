"""dom-3 by hand: its expression walks the whole resource four times for each contained one, this does it once.

Equal to the FHIRPath result by test (tests/fhir/test_invariants.py), but for one thing: a contained resource that only
refers to itself is not used. The rule says `from elsewhere in the resource`, which its expression does not look at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from fhir_bridge.fhir.fhirpath.fhir_types import FhirType, r4_type
from fhir_bridge.fhir.validation.run import Run

__all__ = ["EXPRESSION", "contained_are_used"]

EXPRESSION = (
    "contained.where((('#'+id in (%resource.descendants().reference | %resource.descendants().as(canonical) | "
    "%resource.descendants().as(uri) | %resource.descendants().as(url))) or "
    "descendants().where(reference = '#').exists() or descendants().where(as(canonical) = '#').exists() or "
    "descendants().where(as(canonical) = '#').exists()).not()).trace('unmatched', id).empty()"
)
"""What R4 publishes for dom-3; the function stands for this text alone."""

_ADDRESSES = frozenset({"canonical", "uri", "url"})


def contained_are_used(value: Any, run: Run) -> bool:
    """Whether each contained resource is referred to from the resource, or refers to its container.

    One without a readable id is passed over: what is wrong with it is found where the structure is checked.
    """
    contained = value.get("contained") if isinstance(value, dict) else None
    if not isinstance(contained, list):
        return True
    named = [c for c in contained if isinstance(c, dict) and isinstance(c.get("id"), str)]
    if not named:
        return True
    # Over the whole resource, contained ones included; what each says of itself is taken off below.
    uses = Counter(text for text, _ in _addresses(run.resource) if text[:1] == "#")
    for resource in named:
        link, own = f"#{resource['id']}", list(_addresses(resource))
        elsewhere = uses[link] - sum(text == link for text, _ in own)
        # A contained resource may refer to its container, and is used by that (R4 references.html#contained).
        if not elsewhere and not any(text == "#" and kind for text, kind in own):
            return False
    return True


def _addresses(resource: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Texts that may refer: elements named `reference`, and canonical, uri and url; whether `#` in it is meant.

    dom-3 asks of a contained resource only for references and canonicals to `#`.
    """
    todo: list[tuple[dict[str, Any], FhirType]] = []
    _enter(resource, todo)
    while todo:
        node, kind = todo.pop()
        for key, value in node.items():
            step = kind.json_steps.get(key.removeprefix("_"))
            if step is None:
                continue
            name, _, target = step
            # `_name` beside a primitive holds an Element with extensions, whose values may refer too.
            if key[0] == "_":
                target = _element()
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, str):
                    if target.name in _ADDRESSES or name == "reference":
                        yield item, name == "reference" or target.name == "canonical"
                elif isinstance(item, dict):
                    # A resource type is open: what is in it is of the type it names.
                    if target.open:
                        _enter(item, todo)
                    else:
                        todo.append((item, target))


def _enter(resource: dict[str, Any], todo: list[tuple[dict[str, Any], FhirType]]) -> None:
    named = resource.get("resourceType")
    kind = r4_type(named) if isinstance(named, str) and "." not in named else None
    if kind is not None:
        todo.append((resource, kind))


def _element() -> FhirType:
    """What `_name` holds beside a primitive."""
    fhir_type = r4_type("Element")
    assert fhir_type is not None
    return fhir_type
