"""The language by its clauses (N1 2.0, R4 fhirpath.html): each case for any type, and compiled for the resource's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from fhir_bridge.fhir.fhirpath import FHIRPathError, compile  # noqa: A004

UCUM = "http://unitsofmeasure.org"
PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "active": True,
    "_active": {"extension": [{"url": "u:a", "valueString": "x"}]},
    "name": [
        {
            "use": "official",
            "family": "Chalmers",
            "given": ["Peter", "James"],
            "_given": [None, {"id": "g2", "extension": [{"url": "u:g", "valueInteger": 4}]}],
        },
        {"use": "usual", "given": ["Jim"]},
        {"use": "maiden", "family": "Windsor", "given": ["Peter", "James"]},
    ],
    "birthDate": "1974-12-25",
    "gender": "male",
    "_deceasedBoolean": {"extension": [{"url": "u:d", "valueCode": "unknown"}]},
    "multipleBirthInteger": 2,
    "telecom": [{"use": "home"}, {"value": "1", "use": "work", "rank": 1}, {"use": "mobile", "rank": 2}],
    "managingOrganization": {"reference": "#o"},
    "contained": [
        {"resourceType": "Organization", "id": "o", "name": "Acme"},
        {
            "resourceType": "Observation",
            "id": "ob",
            "subject": {"reference": "#"},
            "valueQuantity": {"value": 1, "code": "mg", "system": UCUM},
        },
    ],
    "extension": [
        {"url": "u:1", "valueBoolean": False},
        {"url": "u:2", "extension": [{"url": "in", "valueCode": "c"}]},
        {"url": "u:3", "valueQuantity": {"value": 3, "unit": "kg", "system": UCUM, "code": "kg"}},
    ],
}
QUESTIONNAIRE: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "item": [
        {
            "linkId": "1",
            "type": "group",
            "item": [{"linkId": "1.1", "item": [{"linkId": "1.1.1"}]}, {"linkId": "1.2"}],
        },
        {"linkId": "2", "type": "display"},
    ],
}
REFUSED = "refused"


def answer(expression: str, resource: dict[str, Any], type_name: str | None) -> Any:
    try:
        return compile(expression, type_name).evaluate(resource)
    except FHIRPathError:
        return REFUSED


def agrees(expression: str, expected: Any, resource: dict[str, Any] = PATIENT) -> None:
    assert answer(expression, resource, None) == expected
    assert answer(expression, resource, resource["resourceType"]) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("(1|2|3|4).aggregate($total + $this, 0)", [10]),
        ("(1|2|3|4).aggregate($total + $this)", []),
        ("(3|9|4).aggregate(iif($total.empty() or $this > $total, $this, $total))", [9]),
        ("(1|2|3).aggregate($total & $this.toString() & $index.toString(), '')", ["102132"]),
        ("{}.aggregate($total + 1, 7)", [7]),
        ("(1).repeat(iif($this < 5, $this + 1, {}))", [2, 3, 4, 5]),
        ("1.repeat($this)", [1]),
        ("name.select(given.where($index = 1))", ["James", "James"]),
        ("name.select($this.given.select($this & '-' & %context.id))",
         ["Peter-p", "James-p", "Jim-p", "Peter-p", "James-p"]),
        ("name.where(given.where($this = 'Jim').exists()).use", ["usual"]),
        ("name.select(iif(family.exists(), family, given.first()))", ["Chalmers", "Jim", "Windsor"]),
        ("{}.all($this)", [True]),
        ("iif(true, 'a', (1|2).single())", ["a"]),
        ("iif(false, 'a')", []),
        ("iif({}, 'a', 'b')", ["b"]),
        ("(true|false) and true", REFUSED),
        ("'a' and true", [True]),
    ],
)  # fmt: skip
def test_iteration_and_laziness(expression: str, expected: Any) -> None:
    agrees(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("repeat(item).linkId", ["1", "2", "1.1", "1.2", "1.1.1"]),
        ("repeat(item.where(type='group')).linkId", ["1"]),
        ("item.repeat(item).count()", [3]),
    ],
)
def test_repeat_goes_level_by_level(expression: str, expected: Any) -> None:
    agrees(expression, expected, QUESTIONNAIRE)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2 - -1", [3]),
        ("-5.abs()", [-5]),
        ("1 + 2 & 'a'", REFUSED),
        ("1 | 2 = 2", [False]),
        ("1 | 2 | 1 + 1", [1, 2]),
        ("1 > 2 = false", [True]),
        ("1 < 2 < 3", REFUSED),
        ("1 + 1 is Integer", [True]),
        ("7 div 2 * 2", [6]),
        ("true or false and false", [True]),
        ("true xor true and false", [True]),
        ("false implies false or true", [True]),
        ("(1|2) contains 1 + 1", [True]),
    ],
)
def test_precedence(expression: str, expected: Any) -> None:
    agrees(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("active is boolean", [True]),
        ("active is System.Boolean", [False]),
        ("birthDate is Date", [False]),
        ("@2015T is DateTime", [True]),
        ("gender is string", [True]),
        ("gender is uri", [False]),
        ("managingOrganization is Element", [True]),
        ("Patient is DomainResource", [True]),
        ("(1|'a').ofType(Integer)", [1]),
        ("1 as String", []),
        ("(1|2) as Integer", REFUSED),
        ("'a' is NoSuch", REFUSED),
        ("multipleBirth.ofType(integer) + 1", [3]),
        ("multipleBirth.ofType(System.Integer)", []),
        ("contained.ofType(Observation).value.value", [1]),
        ("contained.where(id='ob').subject.resolve().id", ["p"]),
        ("managingOrganization.resolve() is Organization", [True]),
        ("deceased.exists()", [True]),
        ("deceased.hasValue()", [False]),
        ("deceased is boolean", [True]),
        ("deceased = true", []),
        ("deceased.extension.value", ["unknown"]),
        ("name[0].given[1].extension.value", [4]),
        ("name.given.where(extension.exists())", ["James"]),
        ("extension('u:2').extension('in').value", ["c"]),
        ("extension.where(url='u:3').value = 3000 'g'", [True]),
        ("1.type().namespace & '.' & (1 'mg').type().name", ["System.Quantity"]),
        ("name.type().name.distinct()", ["HumanName"]),
    ],
)
def test_types_choices_and_extensions(expression: str, expected: Any) -> None:
    agrees(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 days = 1 week", [True]),
        ("1 year = 1 'a'", []),
        ("1 year ~ 1 'a'", [True]),
        ("12 months ~ 1 'a'", [True]),
        ("2 months ~ 1 'mo'", [False]),
        ("1 year ~ 12 months", [True]),
        ("1 second = 1 's'", [True]),
        ("1 'm' * 2 'm' = 2 'm2'", [True]),
        ("1 'kg' + 1 'm'", []),
        ("1 'kg' = 1 'm'", [False]),
        ("'1 wk'.convertsToQuantity()", [False]),
        ("(1000 'g').toQuantity('kg') = 1 'kg'", [True]),
        ("@2016-02-29 + 1 year", ["2017-02-28"]),
        ("@2016-01-31 + 1 month", ["2016-02-29"]),
        ("@2016 + 364 days", ["2016"]),
        ("@2016-01-01 + 23 hours", ["2016-01-01"]),
        ("@T01:00 - 2 hours", ["23:00"]),
        ("@2016-01-01 + 1 'mg'", REFUSED),
        ("@2012 = @2012-01", []),
        ("@2012-01 < @2012-01-15", []),
        ("@2012-01-01 ~ @2012-01", [False]),
        ("@2012-01-01T10:00:00+01:00 = @2012-01-01T09:00:00Z", [True]),
        ("@T10:00 = @T10:00:00", []),
        ("@2015-02-30", REFUSED),
        ("now() = now()", [True]),
    ],
)
def test_quantities_and_moments(expression: str, expected: Any) -> None:
    agrees(expression, expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'+1'.toInteger()", [1]),
        ("1.0.toInteger()", []),
        ("'1e3'.convertsToDecimal()", [False]),
        ("1.10.toString()", ["1.10"]),
        ("'2012-01-01T10:00'.toDate()", ["2012-01-01"]),
        ("(1|2).toString()", REFUSED),
        ("'abc'.substring(3)", []),
        ("'abc'.substring(1,100)", ["bc"]),
        ("'abc'.indexOf('')", [0]),
        ("'abc'.replace('','x')", ["xaxbxcx"]),
        ("'a\\nb'.matches('a.b')", [True]),
        ("'it\\'s \\u0041\\/'", ["it's A/"]),
        ("'\\q'", REFUSED),
        ("{} & {}", [""]),
        ("'a' + {}", []),
        ("'a' > 'B'", [True]),
        ("'a  b' ~ 'A b'", [True]),
        ("{} ~ {}", [True]),
        ("{} = {}", []),
        ("1 !~ {}", [True]),
        ("(1|2) ~ (2|1)", [True]),
        ("1.01 ~ 1.0", [True]),
        ("1 in {}", [False]),
        ("{} in (1|2)", []),
        ("{} contains 1", [False]),
        ("(1|2) in (1|2)", REFUSED),
        ("name[-1]", []),
        ("name.skip(-1).count()", [3]),
        ("(1|2).combine(2|3)", [1, 2, 2, 3]),
        ("{}.subsetOf(1)", [True]),
        ("(-7) div 2", [-3]),
        ("1.99999999999999999999999999999999999 div 1", [1]),
        ("(-3.999999999999999999999999999999) div 2.0", [-1]),
        ("1234567890123456789.9999999999 div 1", [1234567890123456789]),
        ("-1.000000000000000000000000000000001 = 0 - 1.000000000000000000000000000000001", [True]),
        ("-1.000000000000000000000000000000001 = -1", [False]),
        (
            "(1.000000000000000000000000000000001 'g' * 2).toString()",
            ["2.000000000000000000000000000000002 'g'"],
        ),
        (
            "(1.000000000000000000000000000000001 'g' * 2 'm').toString()",
            ["2.000000000000000000000000000000002 'g.m'"],
        ),
        (
            "(1.000000000000000000000000000000001 'g' + 1 'g').toString()",
            ["2.000000000000000000000000000000001 'g'"],
        ),
        (
            "(3 'g' - 1.000000000000000000000000000000001 'g').toString()",
            ["1.999999999999999999999999999999999 'g'"],
        ),
        ("(-7) mod 2", [-1]),
        ("5.5 mod 2", [Decimal("1.5")]),
        ("1/0", []),
        ("(-1.5).round()", [-2]),
        ("(-1).power(0.5)", []),
        ("1..2", REFUSED),
        ("/* c */ id // tail", ["p"]),
    ],
)
def test_conversions_strings_equality_and_numbers(expression: str, expected: Any) -> None:
    agrees(expression, expected)


@pytest.mark.parametrize("name", ["month", "m_2"])
def test_groups_have_names_as_in_n1_and_pcre(name: str) -> None:
    pattern = rf"(?<{name}>\d+)/\d+/(\d+)".replace("\\", "\\\\")
    agrees(f"'11/30/1972'.replaceMatches('{pattern}', '$2-${{{name}}}')", ["1972-11"])
    agrees(rf"'abab'.matches('^(?<{name}>ab)\\k<{name}>$')", [True])
    agrees(r"'(?<a>'.matches('^[(?<a>]+$')", [True])
    agrees(r"'(<a>'.matches('^\\(?<a>$')", [True])


@pytest.mark.parametrize(
    "expression", ["9223372036854775807 + 1", "9223372036854775807 * 2", "-9223372036854775807 - 2"]
)
def test_an_overflow_is_empty(expression: str) -> None:
    agrees(expression, [])
