"""Checks a value against a JSON Schema, of the keywords of draft 7 that `schema.json_schema` writes.

A mapping is checked each time it is loaded; a general validator would bring five packages for these keywords.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

__all__ = ["SchemaError", "schema_errors"]

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class SchemaError:
    """What a keyword of a schema does not allow.

    Attributes:
        path: from the document to the value: names and indexes.
        keyword: the keyword (`type`, `anyOf`).
        expected: the keyword's own value.
        schema: the schema that the keyword is in.
        instance: the value.
        context: of `anyOf`: the errors of its branches.
        branch: within such a context: number of the branch.
    """

    path: Path
    keyword: str
    expected: Any
    schema: Schema
    instance: Any
    context: tuple[SchemaError, ...] = ()
    branch: int | None = None


def schema_errors(value: Any, schema: Schema) -> Iterator[SchemaError]:
    """All errors of a value, in the order of the schema's keywords.

    Args:
        value: of YAML or JSON: objects, lists, text, numbers, truth values and None.
        schema: one whose `$ref` are all `#/definitions/<name>`.
    """
    return _Check(schema.get("definitions", {})).errors(value, schema, ())


class _Check:
    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def errors(self, value: Any, schema: Schema, path: Path) -> Iterator[SchemaError]:
        while "$ref" in schema:  # draft 7: what is beside a reference does not count
            schema = self._definitions[schema["$ref"].removeprefix("#/definitions/")]
        for keyword, expected in schema.items():
            if keyword in _ASSERTIONS:
                if not _ASSERTIONS[keyword](value, expected):
                    yield SchemaError(path, keyword, expected, schema, value)
            elif keyword in _OBJECT_KEYWORDS:
                if isinstance(value, dict):
                    yield from getattr(self, _OBJECT_KEYWORDS[keyword])(value, schema, path)
            elif keyword == "items":
                for number, item in enumerate(value if isinstance(value, list) else ()):
                    yield from self.errors(item, expected, (*path, number))
            elif keyword == "anyOf":
                yield from self._any_of(value, schema, path)
            elif keyword == "allOf":
                for part in expected:
                    yield from self.errors(value, part, path)
            elif keyword == "if":
                branch = "else" if any(self.errors(value, expected, path)) else "then"
                yield from self.errors(value, schema.get(branch, {}), path)

    def _any_of(self, value: Any, schema: Schema, path: Path) -> Iterator[SchemaError]:
        failed: list[SchemaError] = []
        for number, branch in enumerate(schema["anyOf"]):
            errors = list(self.errors(value, branch, path))
            if not errors:
                return
            failed += [replace(error, branch=number) for error in errors]
        yield SchemaError(path, "anyOf", schema["anyOf"], schema, value, tuple(failed))

    def _properties(self, value: dict[str, Any], schema: Schema, path: Path) -> Iterator[SchemaError]:
        for name, part in schema["properties"].items():
            if name in value:
                yield from self.errors(value[name], part, (*path, name))

    def _patterns(self, value: dict[str, Any], schema: Schema, path: Path) -> Iterator[SchemaError]:
        for pattern, part in schema["patternProperties"].items():
            for name, item in value.items():
                if re.search(pattern, name):
                    yield from self.errors(item, part, (*path, name))

    def _others(self, value: dict[str, Any], schema: Schema, path: Path) -> Iterator[SchemaError]:
        patterns = schema.get("patternProperties", {})
        others = [
            name
            for name in value
            if name not in schema.get("properties", {})
            and not any(re.search(pattern, name) for pattern in patterns)
        ]
        part = schema["additionalProperties"]
        if part is False:
            if others:
                yield SchemaError(path, "additionalProperties", False, schema, value)
            return
        for name in others:
            yield from self.errors(value[name], part, (*path, name))

    def _names(self, value: dict[str, Any], schema: Schema, path: Path) -> Iterator[SchemaError]:
        for name in value:
            yield from self.errors(name, schema["propertyNames"], path)


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, _TYPES[kind])


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "null": type(None),
    "number": (int, float, Decimal),
    "boolean": bool,
}


def _is_any(value: Any, kinds: str | Sequence[str]) -> bool:
    return any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _same(value: Any, other: Any) -> bool:
    """Equal, where true is not 1."""
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


_ASSERTIONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "type": _is_any,
    "enum": lambda value, allowed: any(_same(value, one) for one in allowed),
    "const": _same,
    "minLength": lambda value, least: not isinstance(value, str) or len(value) >= least,
    "minItems": lambda value, least: not isinstance(value, list) or len(value) >= least,
    "minProperties": lambda value, least: not isinstance(value, dict) or len(value) >= least,
    "pattern": lambda value, pattern: not isinstance(value, str) or re.search(pattern, value) is not None,
    "required": lambda value, names: not isinstance(value, dict) or all(name in value for name in names),
}
_OBJECT_KEYWORDS = {
    "properties": "_properties",
    "patternProperties": "_patterns",
    "additionalProperties": "_others",
    "propertyNames": "_names",
}
