"""Documents are YAML 1.2, and every node knows its place."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhir_bridge.mapping.document import Mapping, Scalar, Sequence, parse, plain
from fhir_bridge.mapping.errors import MappingErrors


def test_yaml_1_2_does_not_turn_no_into_false_or_012_into_ten() -> None:
    document = parse("a: NO\nb: 012\nc: 1.50\nd: 2020-01-01\ne: on\nf: true\ng: ~\nh: 0x1F\n", "m.yaml")
    assert plain(document.root) == {
        "a": "NO", "b": 12, "c": Decimal("1.50"), "d": "2020-01-01", "e": "on", "f": True, "g": None, "h": 31,
    }  # fmt: skip
    decimal = document.root.get("c")
    assert isinstance(decimal, Scalar)
    assert str(decimal.value) == "1.50"


@pytest.mark.parametrize(
    ("yaml", "sought", "line", "column"),
    [
        ("k: =a + b", "b", 1, 9),
        ("k: '=it''s | b'", "b", 1, 14),
        ('k: "=x\\ty | b"', "b", 1, 13),
        ("k: >-\n  =first |\n  second", "second", 3, 3),
        ("k: |\n  =first\n  second", "second", 3, 3),
        ("k:\n  - =a |\n    zz", "zz", 3, 5),
    ],
)
def test_a_character_of_an_expression_is_found_in_the_file(
    yaml: str, sought: str, line: int, column: int
) -> None:
    node = parse(yaml, "m.yaml").root.get("k")
    if isinstance(node, Sequence):
        node = node.items[0]
    assert isinstance(node, Scalar)
    location = node.at(node.text.rindex(sought))
    assert (location.line, location.column) == (line, column)


@pytest.mark.parametrize(
    ("yaml", "message"),
    [
        ("a: 1\nb: [", "m.yaml:2:5: not YAML 1.2"),
        ("a: 1\na: 2", 'm.yaml:2:1: the key "a" occurs twice'),
        ("", "m.yaml:1:1: the document is empty"),
        ("- a", "m.yaml:1:1: a mapping document is an object"),
        ("a: !python/object x", "m.yaml:1:4: the tag !python/object has no meaning"),
        ("a: .nan", "m.yaml:1:4: .nan is not a decimal number"),
        ("[a, b]: 1", "m.yaml:1:1: a key must be a name"),
        ("a: &x {b: 1}\nc: {<<: *x}", "m.yaml:2:5: YAML 1.2 has no merge keys"),
        ("a: &x [*x]", "m.yaml:1:4: the document is too large or too deep"),
        pytest.param("a: " + "[" * 10_000, "m.yaml:1:65: the document is too large or too deep", id="deep"),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(yaml: str, message: str) -> None:
    with pytest.raises(MappingErrors) as raised:
        parse(yaml, "m.yaml")
    assert str(raised.value).startswith(message)


def test_aliases_repeat_a_node() -> None:
    root = parse("a: &x {b: 1}\nc: *x\n", "m.yaml").root
    assert isinstance(root, Mapping)
    assert plain(root) == {"a": {"b": 1}, "c": {"b": 1}}


def test_a_byte_order_mark_is_no_part_of_the_document() -> None:
    assert plain(parse("\ufeffa: 1", "m.yaml").root) == {"a": 1}
