"""The JSON Schema of mapping documents, made from R4's definitions, for editors and for loading."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from fhir_bridge.fhir import definitions
from fhir_bridge.fhir.canonical import BASE
from fhir_bridge.fhir.definitions import Element, TypeDefinition
from fhir_bridge.mapping.coercion import PRIMITIVES
from fhir_bridge.mapping.document import Document, Mapping, Node, Scalar, plain
from fhir_bridge.mapping.document import Sequence as Items
from fhir_bridge.mapping.errors import MappingError, Position, nearest
from fhir_bridge.mapping.schema_checking import SchemaError, schema_errors
from fhir_bridge.mapping.shape import allowed_codes

__all__ = ["check", "json_schema"]

Schema = dict[str, Any]

_JSON_TYPES = {
    "boolean": "boolean",
    "decimal": "number",
    "integer": "integer",
    "positiveInt": "integer",
    "unsignedInt": "integer",
}
_TEXT: Schema = {"type": "string", "minLength": 1}
_EXPRESSION: Schema = {"type": "string", "pattern": "^=([^=]|$)"}
_CONDITION: Schema = {"type": ["string", "boolean"], "description": "an expression; `=` may be left out"}
_LET: Schema = {
    "type": "object",
    "description": "variables: name and expression (`=` may be left out; a text literal is in single quotes)",
    "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
}
_ESCAPED: Schema = {"^`.+`$": {}, "^_[a-z]": {"type": "object"}}

_RULE: Schema = {
    "rule": {
        "type": "string",
        "minLength": 1,
        "description": "the rule's id, unique in the document; part of ids",
    },
    "doc": {"type": "string", "description": "for people"},
    "for": {"type": "string", "description": "a group of the source: the rule runs for each of its objects"},
    "when": {**_CONDITION, "description": "the rule runs only where this is true"},
    "let": _LET,
    "profile": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
        "description": "written to meta.profile; the rule is checked against it",
    },
    "key": {
        "anyOf": [
            {"type": "array", "minItems": 1, "items": {"type": ["string", "integer", "number"]}},
            {"type": "string", "minLength": 1},
        ],
        "description": "what distinguishes resources: parts (`?` at the end: may be empty), or `=patient(…)`",
    },
    "time": {"type": "string", "description": "business time; default the record's"},
    "update": {
        "enum": ["snapshot", "delta", "passing"],
        "description": "delta: elements that are absent are unchanged; passing: a delta that changes nothing which "
        "records about the resource say, where the source's record is about something else",
    },
    "on_error": {"enum": ["part", "record"], "description": "record: a failure rejects the whole record"},
    "unpivot": {
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {"type": ["object", "null"]},
        "description": "columns of a wide table: the rule runs for each that has a value, with column, value, spec",
    },
}
"""Reserved keys of a rule, `as` apart."""

_NODE: Schema = {
    "when": {**_CONDITION, "description": "written only where this is true"},
    "let": _LET,
    "for": {
        "type": "string",
        "pattern": r"^[A-Za-z_]\w*\s+in\s",
        "description": "repeat: `name in expression`",
    },
}


_FRAGMENT: Schema = {
    "type": "object",
    "required": ["fragment"],
    "properties": {
        "fragment": {
            "anyOf": [_TEXT, {"type": "array", "minItems": 1, "items": _TEXT}],
            "description": "name of a node of `fragments:`, or several; members beside it change or add to it",
        },
        "with": {"type": "object", "description": "parameters of the fragment: name and expression"},
    },
}
_RULE_NEEDS: Schema = {
    "required": ["rule"],
    "if": {"required": ["fragment"]},
    "else": {"required": ["as", "key"]},
}
_COMPOSING: Schema = {
    "include": {
        "anyOf": [_TEXT, {"type": "array", "items": _TEXT}],
        "description": "files whose rules, variables and fragments are taken, beside this one or shipped",
    },
    "extends": {**_TEXT, "description": "name or path of the mapping that this one changes"},
    "fragments": {"type": "object", "description": "nodes by name, put in place by `fragment: name`"},
    "override": {
        "type": "object",
        "additionalProperties": {"type": ["object", "null"]},
        "description": "changes of the extended mapping by rule; `~` removes, `name+` adds, `name!` replaces",
    },
}
"""Keys of a document that are gone once it is composed."""


def _single_or_list(name: str) -> Schema:
    item: Schema = {"$ref": f"#/definitions/{name}"}
    return {"anyOf": [item, {"type": "array", "items": item}]}


class _Builder:
    """Collects the schemas of the types that are reached."""

    def __init__(self, *, written: bool) -> None:
        self.definitions: dict[str, Schema] = {}
        self.written = written
        """The document as it is written: with fragments, before it is composed."""
        self.signed: Schema = {}
        if written:
            self.definitions["fragment"] = _FRAGMENT
            self.signed = {"^.+[+!]$": {}}

    def reserved(self, properties: Schema) -> Schema:
        """Keys that are no elements; where they are written they may also name a fragment."""
        if not self.written:
            return properties
        fragment: Schema = {"$ref": "#/definitions/fragment"}
        either = {
            name: {
                "anyOf": [body, fragment],
                **({"description": body["description"]} if "description" in body else {}),
            }
            for name, body in properties.items()
        }
        if "key" in either:
            parts, single = _RULE["key"]["anyOf"]
            listed = {**parts, "items": {"anyOf": [parts["items"], fragment]}}
            either["key"]["anyOf"] = [listed, single, fragment]
        return {**either, **_FRAGMENT["properties"]}

    def node(self, name: str, body: Schema | None, *, repeats: bool) -> Schema:
        """A reference to the schema of a node: a value, an expression, a match, and a list where it repeats."""
        if name not in self.definitions:
            self.definitions[name] = {}  # types refer to themselves
            forms: list[Schema] = [{"type": "null"}, _EXPRESSION, {"$ref": f"#/definitions/{name}.match"}]
            if body is not None:
                forms.insert(2, body)
            if self.written:
                forms.append({"$ref": "#/definitions/fragment"})
            self.definitions[name] = {"anyOf": forms}
            self.definitions[f"{name}.match"] = {
                "type": "object",
                "required": ["match"],
                "properties": {
                    "match": {"type": "string", "description": "the expression whose value chooses a case"},
                    **self.reserved(_NODE),
                    "empty": {"$ref": "#/definitions/case." + name},
                    "else": {"$ref": "#/definitions/case." + name},
                },
                "additionalProperties": {"$ref": "#/definitions/case." + name},
            }
            item: Schema = {"$ref": f"#/definitions/{name}"}
            self.definitions[f"case.{name}"] = {
                "anyOf": [{"enum": ["flag", "reject"]}, item, {"type": "array", "items": item}],
            }
        return _single_or_list(name) if repeats else {"$ref": f"#/definitions/{name}"}

    def element(self, definition: TypeDefinition, element: Element, kind: str) -> Schema:
        """The schema of an element under one of its JSON names."""
        repeats = element.is_list
        if kind in PRIMITIVES:
            binding = element.binding
            codes = None
            if (
                kind == "code"
                and binding is not None
                and binding.strength == "required"
                and binding.value_set
            ):
                codes = allowed_codes(binding.value_set, definitions.DEFAULT)
            if codes is not None and binding is not None and binding.value_set:
                name = f"code.{binding.value_set.partition('|')[0].rpartition('/')[2]}"
                return self.node(name, {"enum": sorted(codes)}, repeats=repeats)
            literal = _JSON_TYPES.get(kind)
            body: Schema = {"type": literal} if literal else {"type": ["string", "number"]}
            return self.node(kind, body, repeats=repeats)
        children = definition.children(element.path)
        if kind in ("BackboneElement", "Element") and children:
            path = children[0].path.rpartition(".")[0]
            return self.object(definition, path, path, repeats=repeats)
        result = definitions.find_type(kind)
        if result is None or kind == "Resource" or result.abstract:
            return self.node("resource", {"type": "object", "required": ["resourceType"]}, repeats=repeats)
        return self.object(result, result.name, result.name, repeats=repeats)

    def object(self, definition: TypeDefinition, path: str, name: str, *, repeats: bool) -> Schema:
        """The schema of a node that is an object of this type."""
        if name not in self.definitions:
            body = f"{name}.object"
            reference = self.node(name, {"$ref": f"#/definitions/{body}"}, repeats=repeats)
            self.definitions[body] = {
                "type": "object",
                "properties": {**self.properties(definition, path), **self.reserved(_NODE)},
                "patternProperties": {**_ESCAPED, **self.signed},
                "additionalProperties": False,
            }
            return reference
        return self.node(name, None, repeats=repeats)

    def properties(self, definition: TypeDefinition, path: str) -> dict[str, Schema]:
        """Schemas of the children by JSON name, `value[x]` beside `valueQuantity`."""
        results: dict[str, Schema] = {}
        for element in definition.children(path):
            for name, kind in element.json_names.items():
                results[name] = self.element(definition, element, kind)
            if element.is_choice:
                results[element.name] = self.node(
                    "choice", {"type": ["string", "number", "boolean"]}, repeats=False
                )
        return results

    def rule(self, resource_type: str) -> str:
        """The name of the schema of a rule that makes this type."""
        name = f"rule.{resource_type}"
        definition = definitions.type_definition(resource_type)
        elements = self.properties(definition, resource_type)
        for handled in ("id", "meta"):
            elements.pop(handled, None)
        meta = self.properties(definitions.type_definition("Meta"), "Meta")
        labels = {
            "type": "object",
            "properties": {key: meta[key] for key in ("tag", "security")},
            "additionalProperties": False,
        }
        self.definitions[name] = {
            "properties": {
                **elements,
                **self.reserved({**_RULE, "meta": labels}),
                "as": {"const": resource_type},
            },
            "patternProperties": {**_ESCAPED, **self.signed},
            "additionalProperties": False,
        }
        return name


def json_schema(types: Iterable[str] | None = None) -> dict[str, Any]:
    """The JSON Schema (draft 7) of mapping documents and what they include, for editors with a YAML language server.

    Args:
        types: resource types that rules may make; default all of R4.
    """
    schema = _document_schema(types, written=True)
    required = [name for name in schema.pop("required") if name != "rules"]
    return {
        **schema,
        "properties": {**schema["properties"], **_COMPOSING},
        "if": {"required": ["extends"]},
        "then": {"required": ["mapping", "version"]},
        "else": {"if": {"required": ["mapping"]}, "then": {"required": required}},
    }


def _document_schema(types: Iterable[str] | None, *, written: bool) -> dict[str, Any]:
    names = tuple(sorted(definitions.resource_types() if types is None else types))
    builder = _Builder(written=written)
    branches = [
        {
            "if": {"properties": {"as": {"const": name}}, "required": ["as"]},
            "then": {"$ref": f"#/definitions/{builder.rule(name)}"},
        }
        for name in names
    ]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"{BASE}/mapping.schema.json",
        "title": "fhir-bridge mapping",
        "type": "object",
        "required": ["mapping", "version", "source", "rules"],
        "additionalProperties": False,
        "properties": {
            "mapping": {**_TEXT, "description": "the mapping's name"},
            "version": {"type": ["string", "number"], "description": "of the mapping, as in 1.0.0"},
            "title": {"type": "string"},
            "doc": {"type": "string"},
            "source": {
                "type": "object",
                "required": ["adapter"],
                "properties": {"adapter": {**_TEXT, "description": "which adapter reads it"}},
                "description": "adapter and reader options",
            },
            "let": _LET,
            "rules": {"type": "array", "items": {"$ref": "#/definitions/rule"}},
        },
        "definitions": {
            "rule": {
                "type": "object",
                **(_RULE_NEEDS if written else {"required": ["rule", "as", "key"]}),
                "properties": {"as": {**_TEXT, "enum": list(names)}, **builder.reserved(_RULE)},
                "allOf": branches,
            },
            **builder.definitions,
        },
    }


@lru_cache(maxsize=64)
def _schema(types: tuple[str, ...]) -> Schema:
    return _document_schema(types, written=False)


def check(document: Document) -> list[MappingError]:
    """What in a document does not have the form that the schema gives, with places."""
    content = plain(document.root)
    known = definitions.resource_types()
    rules = content.get("rules")
    types = {
        str(rule["as"])
        for rule in (rules if isinstance(rules, list) else [])
        if isinstance(rule, dict) and isinstance(rule.get("as"), str) and rule["as"] in known
    }
    errors: list[MappingError] = []
    for error in schema_errors(content, _schema(tuple(sorted(types)))):
        for leaf in _leaves(error):
            if leaf.keyword == "enum" and leaf.path[-1:] == ("as",):
                continue  # the compiler names the nearest type
            mapping_error = _mapping_error(document, leaf)
            if mapping_error not in errors:
                errors.append(mapping_error)
    return errors


def _leaves(error: SchemaError) -> Iterator[SchemaError]:
    """The errors that matter: of alternatives, those of the form that the value has."""
    if not error.context:
        yield error
        return
    branches: dict[int | None, list[SchemaError]] = {}
    for inner in error.context:
        branches.setdefault(inner.branch, []).append(inner)
    matching = [
        errors
        for errors in branches.values()
        if not any(
            inner.path == error.path and inner.keyword in ("type", "pattern", "required") for inner in errors
        )
    ]
    if not matching:
        yield error
        return

    def at_this_value(errors: list[SchemaError]) -> int:
        return sum(inner.path == error.path for inner in errors)

    for inner in min(matching, key=at_this_value):
        yield from _leaves(inner)


def _mapping_error(document: Document, error: SchemaError) -> MappingError:
    wanted = error.expected
    schema = error.schema
    instance = error.instance
    position = _position(document.root, error.path)
    shown = _shown(document, error.path)
    if error.keyword == "required":
        missing = [name for name in wanted if name not in instance]
        return MappingError(
            position, f"{shown} lacks {' and '.join(f'`{name}:`' for name in missing)}", "", "FB-MAP-003"
        )
    if error.keyword == "additionalProperties" and isinstance(error.instance, dict):
        allowed = schema.get("properties", {})
        extra = [name for name in error.instance if name not in allowed and not name.startswith(("`", "_"))]
        name = extra[0] if extra else "?"
        return MappingError(
            _position(document.root, [*error.path, name], key=True),
            f'{shown} has no key "{name}"',
            nearest(name, allowed),
            "FB-MAP-007" if error.path else "FB-MAP-003",
        )
    if error.keyword == "enum":
        allowed = [str(item) for item in wanted]
        near = nearest(str(error.instance), allowed) or f"one of {', '.join(allowed[:8])}"
        return MappingError(position, f'{shown} is not "{error.instance}"', near, "FB-MAP-003")
    if error.keyword in ("anyOf", "type", "oneOf"):
        kinds = {"dict": "an object", "list": "a list", "NoneType": "nothing", "bool": "a truth value"}
        kind = type(error.instance).__name__
        what = kinds.get(kind, "a number" if kind in ("int", "Decimal") else "a text")
        return MappingError(position, f"{shown} can't be {what}", _wanted(error), "FB-MAP-003")
    if error.keyword in ("minLength", "minItems", "minProperties"):
        return MappingError(position, f"{shown} is empty", "", "FB-MAP-003")
    if error.keyword == "pattern":
        return MappingError(
            position, f"{shown} does not have the form it needs", _wanted(error), "FB-MAP-003"
        )
    return MappingError(position, f"{shown} is not as the schema has it ({error.keyword})", "", "FB-MAP-003")


def _shown(document: Document, path: Sequence[Any]) -> str:
    if not path:
        return "the document"
    words = [str(step) for step in path if not isinstance(step, int)]
    if path[0] != "rules" or len(path) < 2:
        return ".".join(words)
    rules = document.root.get("rules")
    rule = rules.items[path[1]] if isinstance(rules, Items) else None
    name = rule.get("rule") if isinstance(rule, Mapping) else None
    shown = f'the rule "{name.text}"' if isinstance(name, Scalar) else f"rule {path[1] + 1}"
    return f"{'.'.join(words[1:])} of {shown}" if len(words) > 1 else shown


def _wanted(error: SchemaError) -> str:
    description = error.schema.get("description")
    if description:
        return str(description)
    kinds: Any = error.expected if error.keyword == "type" else ()
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    words = {
        "object": "an object",
        "array": "a list",
        "string": "a text",
        "null": "nothing",
        "boolean": "true or false",
    }
    return f"it is {' or '.join(words.get(name, f'a {name}') for name in names)}" if names else ""


def _position(root: Node, path: Sequence[Any], *, key: bool = False) -> Position:
    node: Node = root
    for number, step in enumerate(path):
        if isinstance(node, Mapping):
            name = node.key(str(step))
            value = node.get(str(step))
            if name is None or value is None:
                return node.position
            if key and number == len(path) - 1:
                return name.position
            node = value
        elif isinstance(node, Items) and isinstance(step, int):
            node = node.items[step]
        else:
            break
    assert isinstance(node, Scalar | Mapping | Items)
    return node.position
