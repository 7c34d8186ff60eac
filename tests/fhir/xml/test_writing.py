"""XML written: order and attributes as R4 has them, and a reason where a resource has no XML form."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_bridge.fhir.xml import XmlError, dumps, loads

HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
NS = 'xmlns="http://hl7.org/fhir"'
DIV = 'xmlns="http://www.w3.org/1999/xhtml"'


def written(resource: dict[str, Any]) -> str:
    text = dumps({"resourceType": "Patient", **resource}).decode()
    return text.removeprefix(f"{HEAD}<Patient {NS}").removesuffix("</Patient>").removeprefix(">")


def test_elements_come_in_the_order_of_the_type() -> None:
    assert written({"birthDate": "1970", "name": [{"given": ["A"], "family": "B"}], "id": "p"}) == (
        '<id value="p"/><name><family value="B"/><given value="A"/></name><birthDate value="1970"/>'
    )


def test_a_resource_without_elements_is_an_empty_element() -> None:
    assert dumps({"resourceType": "Patient"}).decode() == f"{HEAD}<Patient {NS}/>"


def test_ids_urls_and_values_are_attributes() -> None:
    resource = {"extension": [{"valueCode": "c", "url": "u", "id": "e"}], "_birthDate": {"id": "b"}}
    assert written(resource) == (
        '<extension id="e" url="u"><valueCode value="c"/></extension><birthDate id="b"/>'
    )


def test_companions_without_values_and_values_without_companions() -> None:
    assert written({"name": [{"given": ["A", None], "_given": [None, {"extension": [{"url": "u"}]}]}]}) == (
        '<name><given value="A"/><given><extension url="u"/></given></name>'
    )


@pytest.mark.parametrize("value", ['a"b', "a&b<c>d", "tab\tline\nreturn\r\nend", "'", "Ä 漢 😀", " spaces "])
def test_text_comes_back_as_it_was(value: str) -> None:
    resource = {"resourceType": "Patient", "name": [{"text": value}]}
    assert loads(dumps(resource)) == resource
    assert loads(dumps(resource, indent=True)) == resource


@given(
    st.text(
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"),
        min_size=1,
    )
)
def test_any_text_of_lawful_characters_comes_back(value: str) -> None:
    resource = {"resourceType": "Patient", "name": [{"text": value, "given": [value]}]}
    assert loads(dumps(resource)) == resource


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_any_decimal_comes_back_with_its_digits(value: Decimal) -> None:
    resource = {"resourceType": "Observation", "valueQuantity": {"value": value}}
    back = loads(dumps(resource))["valueQuantity"]["value"]
    assert Decimal(back).as_tuple() == value.as_tuple()


def test_numbers_of_the_fast_reader_are_written_too() -> None:
    resource = json.loads('{"resourceType":"Observation","valueQuantity":{"value":0.00001}}')
    assert '<value value="1e-05"/>' in dumps(resource).decode()


def test_indented_text_says_the_same() -> None:
    resource = {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "Patient",
                    "text": {"status": "empty", "div": f"<div {DIV}>\n a</div>"},
                }
            }
        ],
    }
    text = dumps(resource, indent=True).decode()
    assert f'\n        <text>\n          <status value="empty"/>\n          <div {DIV}>\n a</div>\n' in text
    assert loads(text) == resource


@pytest.mark.parametrize(
    ("div", "expected"),
    [
        ("<div>a</div>", f"<div {DIV}>a</div>"),
        (f"<div {DIV}>a&nbsp;b &amp; &Auml;</div>", f"<div {DIV}>a&#160;b &amp; &#196;</div>"),
        (f"  <div {DIV}>a</div>\n", f"<div {DIV}>a</div>"),
        (f"<div {DIV}>a\r\nb &#x27;</div>", f"<div {DIV}>a\r\nb &#x27;</div>"),
    ],
)
def test_a_narrative_is_made_fit_for_xml_and_else_kept(div: str, expected: str) -> None:
    assert (
        written({"text": {"status": "empty", "div": div}})
        == f'<text><status value="empty"/>{expected}</text>'
    )


def test_comments_of_earlier_releases_become_comments() -> None:
    resource = {"fhir_comments": [" a "], "birthDate": "1970", "_birthDate": {"fhir_comments": ["b--c-"]}}
    text = dumps({"resourceType": "Patient", **resource}).decode()
    assert text.startswith(f"{HEAD}<!-- a --><Patient")
    assert '<!--b- -c- --><birthDate value="1970"/>' in text
    assert loads(text) == {"resourceType": "Patient", "birthDate": "1970"}


REFUSED: list[tuple[Any, str, str]] = [
    ([], "Resource", "an empty array; a resource is expected"),
    ({}, "Resource", "no resourceType"),
    ({"resourceType": "Pateint"}, "Resource", "'Pateint' is no resource type"),
    ({"resourceType": 5}, "Resource", "no resourceType"),
    ({"gendre": "male"}, "Patient", "Patient has no element 'gendre'; did you mean gender?"),
    ({"name": [{}, {"giv": 1}]}, "Patient.name[0]", "an empty object"),
    ({"name": [{"text": "a"}, {"giv": 1}]}, "Patient.name[1]", "HumanName has no element 'giv'"),
    ({"name": {"text": "a"}}, "Patient.name", "an object; Patient.name repeats: an array is expected"),
    ({"name": []}, "Patient.name", "an empty array; leave it out"),
    ({"birthDate": ["1970"]}, "Patient.birthDate", "an array; Patient.birthDate occurs once"),
    ({"birthDate": ""}, "Patient.birthDate", "an empty string; leave it out"),
    ({"birthDate": None}, "Patient.birthDate", "null; leave it out"),
    ({"birthDate": "1970", "_birthDate": None}, "Patient.birthDate", "_birthDate is null; leave it out"),
    ({"name": None}, "Patient.name", "null; leave it out"),
    ({"contact": [{"telecom": None}]}, "Patient.contact[0].telecom", "null; leave it out"),
    ({"birthDate": None, "_birthDate": {"id": "b"}}, "Patient.birthDate", "null; leave it out"),
    ({"birthDate": 1970}, "Patient.birthDate", "a number; a string (date) is expected"),
    ({"active": "true"}, "Patient.active", "a string; true or false is expected"),
    (
        {"multipleBirthInteger": Decimal("1.5")},
        "Patient.multipleBirthInteger",
        "'1.5'; a whole number is expected",
    ),
    ({"multipleBirthInteger": True}, "Patient.multipleBirthInteger", "true or false; a whole number"),
    ({"multipleBirthInteger": 10**5000}, "Patient.multipleBirthInteger", "more digits than can be written"),
    ({"_birthDate": []}, "Patient.birthDate", "_birthDate is an empty array; an object with id or extension"),
    (
        {"name": [{"given": ["A"], "_given": [None, None]}]},
        "Patient.name[0].given",
        "1 items and 2 in _given",
    ),
    (
        {"name": [{"given": [None], "_given": [None]}]},
        "Patient.name[0].given[0]",
        "null without an extension",
    ),
    ({"name": [{"given": ["A"], "_given": {"id": "x"}}]}, "Patient.name[0].given", "_given is an object"),
    ({"deceasedBoolean": True, "deceasedDateTime": "2020"}, "Patient", "occur together"),
    ({"_name": [{"id": "a"}]}, "Patient", "Patient has no element '_name'"),
    ({"contained": [{"resourceType": "X"}]}, "Patient.contained[0]", "'X' is no resource type"),
    ({"contained": ["x"]}, "Patient.contained[0]", "a string; a resource is expected"),
    ({"name": [{"text": "a\x00"}]}, "Patient.name[0].text", "the character U+0000"),
    ({"name": [{"text": "\ud800"}]}, "Patient.name[0].text", "the character U+D800"),
    ({"text": {"div": "plain"}}, "Patient.text.div", "not well-formed XML: syntax error, line 1, column 1"),
    ({"text": {"div": f"<p {DIV}>a</p>"}}, "Patient.text.div", "the narrative is <p>, <div>"),
    (
        {"text": {"div": '<div xmlns="http://hl7.org/fhir">a</div>'}},
        "Patient.text.div",
        "<div> in http://www.w3",
    ),
    ({"text": {"div": f"<!DOCTYPE div><div {DIV}>a</div>"}}, "Patient.text.div", "document type"),
    ({"text": {"div": f'<?xml version="1.0"?><div {DIV}>a</div>'}}, "Patient.text.div", "XML declaration"),
    ({"text": {"div": f"<div {DIV}>&zzz;</div>"}}, "Patient.text.div", "undefined entity"),
    ({"text": {"div": f"<div {DIV}>a</div><x/>"}}, "Patient.text.div", "junk after document element"),
]


@pytest.mark.parametrize(("resource", "expression", "reason"), REFUSED)
def test_what_has_no_xml_form_is_refused_with_its_place(resource: Any, expression: str, reason: str) -> None:
    whole = expression == "Resource"
    with pytest.raises(XmlError) as caught:
        dumps(resource if whole else {"resourceType": "Patient", **resource})
    assert reason in caught.value.reason
    assert caught.value.expression == expression


@pytest.mark.parametrize("value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity")])
def test_what_is_no_number_has_no_xml_form(value: Any) -> None:
    with pytest.raises(XmlError, match="a number is expected"):
        dumps({"resourceType": "Observation", "valueQuantity": {"value": value}})


def test_nesting_has_a_bound() -> None:
    extension: dict[str, Any] = {"url": "u"}
    for _ in range(5000):
        extension = {"url": "u", "extension": [extension]}
    with pytest.raises(XmlError, match="deeper than"):
        dumps({"resourceType": "Patient", "extension": [extension]})
