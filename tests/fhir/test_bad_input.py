"""JSON that is no resource: each fault gives a clear issue with its place, and nothing raises, hangs or swells."""

from __future__ import annotations

import copy
import json
import tracemalloc
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_bridge.fhir import JsonError, Validator, definitions, dumps, get_validator, loads_exact
from fhir_bridge.fhir.serialization import DepthError
from tests.fhir.resources import patient, troponin, variant

LONG = 5000

TEXTS: list[tuple[str, str | bytes, str, str]] = [
    ("no text", "", "the text is empty", ""),
    ("blanks", " \n ", "the text is empty", ""),
    ("cut off", '{"resourceType":"Patient"', "Expecting ',' delimiter", ""),
    ("text behind it", '{"resourceType":"Patient"}x', "Extra data", ""),
    ("XML", "<Patient/>", "this looks like XML", ""),
    ("single quotes", "{'resourceType':'Patient'}", "Expecting property name", ""),
    ("a trailing comma", '{"id":"a",}', "Expecting property name", ""),
    ("a comment", '{"id":"a" /* b */}', "Expecting ',' delimiter", ""),
    ("a raw line end in a string", '{"id":"a\nb"}', "Invalid control character", ""),
    ("a wrong escape", r'{"id":"\x"}', r"Invalid \\escape", ""),
    (
        "a doubled key",
        '{"resourceType":"Patient",\n"id":"a", "id":"b"}',
        'the key "id" occurs twice',
        "Patient.id",
    ),
    (
        "a doubled key in depth",
        '{"resourceType":"Patient","name":[{"text":"a"},{"text":"b","text":"c"}]}',
        'the key "text" occurs twice',
        "Patient.name[1].text",
    ),
    ("a doubled key, once escaped", r'{"id":"a","\u0069d":"b"}', 'the key "id" occurs twice', "id"),
    (
        "a doubled resourceType",
        '{"resourceType":"Patient","resourceType":"Patient"}',
        "occurs twice",
        "Patient.resourceType",
    ),
    (
        "NaN",
        '{"resourceType":"Observation","valueQuantity":{"value":NaN}}',
        "NaN is no number of JSON",
        "Observation.valueQuantity.value",
    ),
    ("Infinity", '{"a":[1,Infinity]}', "Infinity is no number", "a[1]"),
    ("-Infinity", '{"a":-Infinity}', "-Infinity is no number", "a"),
    ("a leading zero", '{"a":007}', "not JSON", ""),
    ("a plus sign", '{"a":+1}', "not JSON", ""),
    ("a number without whole part", '{"a":.5}', "not JSON", ""),
    ("too many digits", '{"a":' + "9" * LONG + "}", "a number of 5000 digits, at most 4300", "a"),
    ("too many digits behind the point", '{"a":0.' + "9" * LONG + "}", "a number of 5001 digits", "a"),
    ("a huge exponent", '{"a":{"b":1e999999999}}', "the number 1e999999999 lies beyond 1e±1000", "a.b"),
    ("a tiny exponent", '{"a":1e-999999999}', "lies beyond", "a"),
    ("an exponent without end", '{"a":1e' + "9" * 100 + "}", "lies beyond", "a"),
    ("a zero with a huge exponent", '{"a":0e99999999999999999999}', "lies beyond", "a"),
    ("an exponent just beyond", '{"a":0.001e-999}', "lies beyond", "a"),
    ("invalid UTF-8", b'{"a":"\n\xff"}', "byte 0xFF at offset 7 is not UTF-8 .line 2, byte 1", ""),
    ("overlong UTF-8", b'{"a":"\xc0\x80"}', "byte 0xC0", ""),
    ("a surrogate in UTF-8", b'{"a":"\xed\xa0\x80"}', "byte 0xED", ""),
    ("UTF-16", '{"a":1}'.encode("utf-16"), "UTF-16", ""),
    ("UTF-16 without mark", '{"a":1}'.encode("utf-16-le"), "not JSON", ""),
    ("half a surrogate pair", r'{"name":[{"text":"\ud83d"}]}', "half a surrogate pair", "name[0].text"),
    ("the other half", r'{"name":[{"text":"a\uDE00b"}]}', "half a surrogate pair", "name[0].text"),
    ("two high halves", r'{"a":"\ud83d\ud83d\ude00"}', "half a surrogate pair", "a"),
    ("half a surrogate pair as a key", r'{"\ud83d":1}', "half a surrogate pair", ""),
    ("arrays in arrays", "[" * 100_000, "nested deeper than 200", ""),
    ("objects in objects", '{"a":' * 100_000, "nested deeper than 200", ""),
    ("closed, and one too deep", '{"a":' * 201 + "1" + "}" * 201, "nested deeper than 200", ""),
]


@pytest.mark.parametrize(("text", "reason", "expression"), [t[1:] for t in TEXTS], ids=[t[0] for t in TEXTS])
def test_text_that_is_refused_is_explained_and_placed(
    text: str | bytes, reason: str, expression: str
) -> None:
    with pytest.raises(JsonError, match=reason) as caught:
        loads_exact(text)
    if expression:
        assert caught.value.expression == expression
        assert caught.value.line >= 1
        assert caught.value.column >= 1
        assert expression in str(caught.value)
    assert isinstance(caught.value, DepthError) is reason.startswith("nested")
    (issue,) = get_validator().validate(text)
    assert issue.severity == "fatal"
    assert issue.code == ("FB-FHIR-003" if "nested" in reason else "FB-FHIR-001")
    assert len(issue.message) < 500


def test_what_a_reader_may_pass_over() -> None:
    assert loads_exact(b'\xef\xbb\xbf{"a":1}') == loads_exact('\ufeff{"a":1}') == {"a": 1}
    assert loads_exact(r'{"a":"\ud83d\ude00 \\ud83d"}') == {"a": "😀 \\ud83d"}
    assert loads_exact('{"a":' * 199 + "1" + "}" * 199)


@pytest.mark.parametrize(
    "text", ["1e308", "1E-245", "-0.0", "1." + "0" * 999, "123456789012345678901234567890.10", "9" * 4300]
)
def test_numbers_within_the_bounds_keep_their_digits(text: str) -> None:
    value = loads_exact(f"[{text}]")[0]
    assert Decimal(value).as_tuple() == Decimal(text).as_tuple()
    assert Decimal(loads_exact(dumps([value]))[0]).as_tuple() == Decimal(value).as_tuple()


def test_in_a_very_long_text_the_fault_is_named_without_its_place() -> None:
    with pytest.raises(JsonError, match=r'the key "a" occurs twice in one object$') as caught:
        loads_exact('{"a":"' + "x" * 5_000_000 + '","a":1}')
    assert caught.value.line == 0


def test_a_large_refused_text_costs_memory_in_proportion() -> None:
    text = '{"a":[' + ",".join('{"b":"cccccccccccccccc"}' for _ in range(50_000)) + '],"a":1}'
    tracemalloc.start()
    with pytest.raises(JsonError, match="occurs twice"):
        loads_exact(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * len(text)


ELEMENTS: list[tuple[str, dict[str, Any], str, str]] = [
    ("an unknown element", {"gendre": "male"}, "FB-FHIR-010", "Patient.gendre"),
    ("an unknown element in depth", {"name": [{"famly": "A"}]}, "FB-FHIR-010", "Patient.name[0].famly"),
    ("a companion of no primitive", {"_name": [{"id": "a"}]}, "FB-FHIR-010", "Patient._name"),
    ("an array where one belongs", {"birthDate": ["1970-01-01"]}, "FB-FHIR-011", "Patient.birthDate"),
    ("one where an array belongs", {"name": {"text": "A"}}, "FB-FHIR-011", "Patient.name"),
    (
        "a string where an array of strings belongs",
        {"name": [{"given": "A"}]},
        "FB-FHIR-011",
        "Patient.name[0].given",
    ),
    ("an array in an array", {"name": [[{"text": "A"}]]}, "FB-FHIR-011", "Patient.name[0]"),
    ("a string for an object", {"maritalStatus": "M"}, "FB-FHIR-011", "Patient.maritalStatus"),
    ("a string for a boolean", {"active": "true"}, "FB-FHIR-011", "Patient.active"),
    ("a number for a string", {"birthDate": 1970}, "FB-FHIR-011", "Patient.birthDate"),
    ("a boolean for a number", {"multipleBirthInteger": True}, "FB-FHIR-011", "Patient.multipleBirth"),
    (
        "a number that is not whole",
        {"multipleBirthInteger": Decimal("1.5")},
        "FB-FHIR-016",
        "Patient.multipleBirth",
    ),
    ("a number beyond 32 bits", {"multipleBirthInteger": 2**31}, "FB-FHIR-016", "Patient.multipleBirth"),
    ("null", {"birthDate": None}, "FB-FHIR-012", "Patient.birthDate"),
    ("an empty string", {"birthDate": ""}, "FB-FHIR-012", "Patient.birthDate"),
    ("an empty array", {"name": []}, "FB-FHIR-012", "Patient.name"),
    ("an empty object", {"maritalStatus": {}}, "FB-FHIR-012", "Patient.maritalStatus"),
    ("an empty object in an array", {"name": [{"text": "A"}, {}]}, "FB-FHIR-012", "Patient.name[1]"),
    ("null in an array of objects", {"name": [None]}, "FB-FHIR-012", "Patient.name[0]"),
    (
        "null in an array without extension",
        {"name": [{"given": ["A", None]}]},
        "FB-FHIR-012",
        "Patient.name[0].given[1]",
    ),
    (
        "null in both arrays",
        {"name": [{"given": ["A", None], "_given": [None, None]}]},
        "FB-FHIR-012",
        "Patient.name[0].given[1]",
    ),
    (
        "arrays of two lengths",
        {"name": [{"given": ["A"], "_given": [None, {"id": "x"}]}]},
        "FB-FHIR-017",
        "Patient.name[0].given",
    ),
    (
        "an object for an array of companions",
        {"name": [{"given": ["A"], "_given": {"id": "x"}}]},
        "FB-FHIR-011",
        "Patient.name[0].given",
    ),
    ("an array for a companion", {"_birthDate": [{"id": "x"}]}, "FB-FHIR-011", "Patient.birthDate"),
    ("an empty companion", {"birthDate": "1970", "_birthDate": {}}, "FB-FHIR-012", "Patient.birthDate"),
    ("an empty companion alone", {"_birthDate": {}}, "FB-FHIR-012", "Patient.birthDate"),
    (
        "a companion with something else in it",
        {"_birthDate": {"value": "1970"}},
        "FB-FHIR-010",
        "Patient.birthDate.value",
    ),
    (
        "an extension without url",
        {"_birthDate": {"extension": [{"valueCode": "x"}]}},
        "FB-FHIR-013",
        "Patient.birthDate.extension[0]",
    ),
    (
        "two types of one choice",
        {"deceasedBoolean": True, "deceasedDateTime": "2020-01-01"},
        "FB-FHIR-015",
        "Patient.deceased",
    ),
    ("half a surrogate pair", {"name": [{"text": "\ud800"}]}, "FB-FHIR-016", "Patient.name[0].text"),
    (
        "an infinite number",
        {"extension": [{"url": "http://x.org/y", "valueDecimal": float("inf")}]},
        "FB-FHIR-016",
        "Patient.extension[0].value",
    ),
    (
        "a contained resource without type",
        {"contained": [{"id": "a"}]},
        "FB-FHIR-002",
        "Patient.contained[0]",
    ),
    ("a contained resource that is none", {"contained": ["a"]}, "FB-FHIR-011", "Patient.contained[0]"),
]


@pytest.mark.parametrize(
    ("change", "code", "expression"), [e[1:] for e in ELEMENTS], ids=[e[0] for e in ELEMENTS]
)
def test_an_element_that_is_wrong_is_named_with_its_place(
    change: dict[str, Any], code: str, expression: str
) -> None:
    issues = get_validator().validate({"resourceType": "Patient", **copy.deepcopy(change)})
    assert (code, expression) in [
        (i.code, i.expression) for i in issues if i.severity in ("error", "fatal")
    ], issues


def test_a_companion_alone_says_something() -> None:
    absent = {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
        ]
    }
    resource = {
        "resourceType": "Patient",
        "_birthDate": absent,
        "name": [{"_given": [absent], "family": "A"}],
    }
    assert not [i for i in get_validator().validate(resource) if i.severity in ("error", "fatal")]


NAMES = sorted(
    {*definitions.resource_types(), "id", "meta", "extension", "contained", "resourceType", "url", "entry"}
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.decimals()
    | st.text()
    | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(NAMES), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(JSON, st.sampled_from(sorted(definitions.resource_types())))
@settings(max_examples=200, deadline=None)
def test_no_json_makes_the_validator_raise(value: Any, kind: str) -> None:
    validator = get_validator()
    validator.validate(value)
    if isinstance(value, dict):
        validator.validate({**value, "resourceType": kind})


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A sound resource with something else put at some of its places."""
    resource = copy.deepcopy(draw(st.sampled_from([patient(), troponin(), variant()])))
    for _ in range(draw(st.integers(1, 3))):
        node: Any = resource
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(node[key], (dict, list)) and draw(st.booleans()):
                node = node[key]
                continue
            node[key] = draw(JSON)
            break
    return resource


@given(spoiled())
@settings(max_examples=200, deadline=None)
def test_a_spoiled_resource_never_makes_the_validator_raise(resource: dict[str, Any]) -> None:
    Validator.validate(get_validator(), resource)


@given(st.binary(max_size=200) | st.text(max_size=200) | JSON.map(lambda v: json.dumps(v, default=str)))
@settings(max_examples=200, deadline=None)
def test_any_text_gives_a_value_or_a_reason(text: bytes | str) -> None:
    try:
        value = loads_exact(text)
    except JsonError:
        return
    assert loads_exact(dumps(value)) == value
