"""The checker of mapping documents reports what the general JSON Schema validator `jsonschema` reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

from fhir_bridge.mapping.composition import compose
from fhir_bridge.mapping.document import parse, plain
from fhir_bridge.mapping.schema import json_schema
from fhir_bridge.mapping.schema_checking import SchemaError, schema_errors
from fhir_bridge.plugins import shipped

SCHEMA = json_schema(["Patient", "Observation"])
NAMES = (
    "mapping version source rules rule as key for when let profile update on_error unpivot meta tag adapter "
    "name family given birthDate gender value[x] valueQuantity value unit code coding system display match else "
    "empty contact _birthDate `odd` a-b 1x fragment with extends include fragments override name+"
).split()
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.5, 1.0, Decimal("1.5")])
    | st.sampled_from(["", "=x", "==x", "Patient", "Observation", "delta", "male", "x in y", "text", "flag"])
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)
rules = st.fixed_dictionaries(
    {
        "rule": st.just("r") | values,
        "as": st.sampled_from(["Patient", "Observation"]) | values,
        "key": values,
    },
    optional={name: values for name in NAMES if name not in ("rule", "as", "key")},
)
documents = st.fixed_dictionaries(
    {
        "mapping": st.just("m") | values,
        "version": st.just("1") | values,
        "source": st.just({"adapter": "csv"}) | values,
        "rules": st.lists(rules, max_size=2) | values,
    },
    optional={"let": values, "title": values, "unknown": values, "extends": values, "fragments": values},
)


def ours(errors: list[SchemaError]) -> list[Any]:
    return in_order([(list(e.path), e.keyword, e.branch, ours(list(e.context))) for e in errors])


def theirs(errors: list[ValidationError], *, branches: bool = False) -> list[Any]:
    results: list[Any] = []
    for error in errors:
        item = (
            list(error.absolute_path),
            error.validator,
            error.schema_path[0] if branches else None,
            theirs(list(error.context or ()), branches=True),
        )
        results.append(item)
    return in_order(results)


def in_order(errors: list[Any]) -> list[Any]:
    """Properties are visited in the order of the document by one and of the schema by the other.

    What a value lacks counts once: one has an error for each missing name, the other for each `required`.
    """
    kept = [error for n, error in enumerate(errors) if error[1] != "required" or error not in errors[:n]]
    return sorted(kept, key=repr)


@settings(max_examples=150)
@given(documents | values)
def test_any_document_has_the_errors_that_jsonschema_finds(document: Any) -> None:
    expected = theirs(list(Draft7Validator(SCHEMA).iter_errors(document)))
    assert ours(list(schema_errors(document, SCHEMA))) == expected


@pytest.mark.parametrize(
    "path", sorted(shipped("mappings").rglob("mapping.yaml")), ids=lambda p: p.parent.name
)
def test_shipped_mappings_have_the_form_of_the_schema(path: Any) -> None:
    content = plain(compose(parse(path.read_text(), path), path)[0].root)
    types = sorted({rule["as"] for rule in content["rules"]})
    assert list(schema_errors(content, json_schema(types))) == []
