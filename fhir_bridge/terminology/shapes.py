"""Whether CodeSystem, ValueSet and ConceptMap JSON has the form that is walked later; not whether it is good FHIR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["misshapen"]


class _Texts:
    """A list of strings."""


class _Many:
    """A list of objects of this form."""

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form


_EXTENSIONS: dict[str, Any] = {"url": str}
_EXTENSIONS["extension"] = _Many(_EXTENSIONS)
_EXTENDED = _Many(_EXTENSIONS)
_DESIGNATIONS = _Many(
    {"value": str, "language": str, "use": {"system": str, "code": str}, "extension": _EXTENDED}
)
_NAMED = {"url": str, "version": str, "name": str, "title": str, "language": str, "extension": _EXTENDED}

_CONCEPT: dict[str, Any] = {
    "code": str,
    "display": str,
    "definition": str,
    "designation": _DESIGNATIONS,
    "property": _Many({"code": str, "valueCoding": {"system": str, "code": str}}),
    "extension": _EXTENDED,
}
_CONCEPT["concept"] = _Many(_CONCEPT)
_INCLUDES = _Many(
    {
        "system": str,
        "version": str,
        "concept": _Many({"code": str, "display": str, "designation": _DESIGNATIONS, "extension": _EXTENDED}),
        "filter": _Many({"property": str, "op": str, "value": str}),
        "valueSet": _Texts,
        "extension": _EXTENDED,
    }
)
_CONTAINS: dict[str, Any] = {
    "system": str,
    "version": str,
    "code": str,
    "display": str,
    "designation": _DESIGNATIONS,
}
_CONTAINS["contains"] = _Many(_CONTAINS)
_VALUE_SET: dict[str, Any] = {
    **_NAMED,
    "compose": {"include": _INCLUDES, "exclude": _INCLUDES, "extension": _EXTENDED},
    "expansion": {"contains": _Many(_CONTAINS), "parameter": _Many({"name": str})},
}
_VALUE_SET["contained"] = _Many({})
_ATTRIBUTES = _Many({"property": str, "system": str, "value": str})

_FORMS: dict[str, dict[str, Any]] = {
    "CodeSystem": {
        **_NAMED,
        "content": str,
        "supplements": str,
        "valueSet": str,
        "hierarchyMeaning": str,
        "property": _Many({"code": str, "type": str, "uri": str, "description": str}),
        "concept": _Many(_CONCEPT),
    },
    "ValueSet": _VALUE_SET,
    "ConceptMap": {
        **_NAMED,
        "group": _Many(
            {
                "source": str,
                "target": str,
                "unmapped": {"mode": str, "code": str, "display": str},
                "element": _Many(
                    {
                        "code": str,
                        "display": str,
                        "target": _Many(
                            {
                                "code": str,
                                "display": str,
                                "equivalence": str,
                                "relationship": str,
                                "comment": str,
                                "dependsOn": _ATTRIBUTES,
                                "product": _ATTRIBUTES,
                            }
                        ),
                    }
                ),
            }
        ),
    },
}


def misshapen(resource: Mapping[str, Any]) -> str:
    """Where the resource has something else than an element's type can be, and what; empty where it has not.

    Null in the place of a text counts as absent. Nesting may be as deep as the JSON reader lets it be.
    """
    waiting: list[tuple[Any, Any, str]] = [(resource, _FORMS.get(str(resource.get("resourceType")), {}), "")]
    while waiting:
        node, form, path = waiting.pop()
        if not isinstance(node, Mapping):
            return f"{path} is not an object"
        for name, kind in form.items():
            if name not in node:
                continue
            value = node[name]
            where = f"{path}.{name}" if path else name
            if kind is str:
                if value is not None and not isinstance(value, str):
                    return f"{where} is not a string"
            elif kind is _Texts:
                if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                    return f"{where} is not a list of strings"
            elif isinstance(kind, _Many):
                if not isinstance(value, list):
                    return f"{where} is not a list"
                waiting.extend(
                    (item, kind.form, f"{where}[{location}]") for location, item in enumerate(value)
                )
            else:
                waiting.append((value, kind, where))
    return ""
